//! What of a file others see: a change of anything else is no concern of theirs.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::{name_of, noun};
use crate::source::Span;
use crate::syntax::ast::{self, FunctionWord, ItemKind, StatementKind, TestWord};
use crate::syntax::walk;

/// The outline of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outline {
    /// By item, what others see of it; of roles and workloads that is what they take and give.
    pub(crate) heads: Vec<u64>,
    /// By item, all of it.
    pub(crate) whole: Vec<u64>,
    /// The names of its items and what they are.
    pub(crate) shape: u64,
    /// Whether something in it may change what is said of any other file.
    pub(crate) wide: bool,
    /// Whether it has tests, which look into workloads, or workloads, which decide by what they run.
    pub(crate) looks_inside: bool,
    /// Whether it has deploys.
    pub(crate) deploys: bool,
    /// Whether it uses what other deploys hand out.
    pub(crate) outputs: bool,
}

/// A number for a value. Two values with the same number are taken as the same one.
pub(crate) fn number(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

impl Outline {
    /// The outline of a file that says `text`.
    pub(crate) fn of(text: &str, file: &ast::File) -> Outline {
        let slice = |span: Span| text.get(span.range()).unwrap_or_default();
        let mut outline = Outline::default();
        let mut shape = DefaultHasher::new();
        for item in &file.items {
            let whole = number(slice(item.span));
            outline.whole.push(whole);
            outline.heads.push(match &item.kind {
                ItemKind::Function { block, .. } => head(text, item, block),
                _ => whole,
            });
            (item.public, noun(item), name_of(item).map(|n| n.text.as_str())).hash(&mut shape);
            if let ItemKind::Use { .. } = &item.kind {
                slice(item.span).hash(&mut shape);
            }
            outline.note(item);
        }
        walk::expressions(file, &mut |e| {
            if let ast::ExpressionKind::Name(name) = &e.kind {
                outline.outputs |= name.text == "outputs";
            }
        });
        outline.shape = shape.finish();
        outline
    }

    fn note(&mut self, item: &ast::Item) {
        match &item.kind {
            ItemKind::Patch(_) | ItemKind::Moved { .. } => self.wide = true,
            // The title of a policy is known everywhere.
            ItemKind::Test { word, .. } => match word {
                TestWord::Policy => self.wide = true,
                TestWord::Test => self.looks_inside = true,
            },
            ItemKind::Block { block, .. } => {
                let accepts = |s: &ast::Statement| matches!(s.kind, StatementKind::AcceptPolicy { .. });
                self.wide |= block.statements.iter().any(accepts);
            }
            ItemKind::Deploy(_) => self.deploys = true,
            ItemKind::Function { word, .. } => self.looks_inside |= *word == FunctionWord::Workload,
            ItemKind::Use { .. }
            | ItemKind::Type { .. }
            | ItemKind::Enum { .. }
            | ItemKind::Let { .. }
            | ItemKind::Fn { .. }
            | ItemKind::Interface { .. }
            | ItemKind::Error => {}
        }
    }
}

/// What stands before the block, and the names and types of outputs.
fn head(text: &str, item: &ast::Item, block: &ast::Block) -> u64 {
    let mut hasher = DefaultHasher::new();
    let before = item.span.start as usize..block.span.start as usize;
    text.get(before).hash(&mut hasher);
    for statement in &block.statements {
        if let StatementKind::Out { name, ty, .. } = &statement.kind {
            (&name.text, text.get(ty.span.range())).hash(&mut hasher);
        }
    }
    hasher.finish()
}
