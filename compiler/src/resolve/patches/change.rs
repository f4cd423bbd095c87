//! One change of a patch: finding the statement that it stands at, and making it.

use sha2::{Digest, Sha256};

use crate::diagnostics::codes::names;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::source::Sources;
use crate::syntax::ast::{Anchor, Block, Change, Item, ItemKind, Name, Statement, StatementKind, Verb};

/// Words of items that can be patched.
pub(super) const PATCHABLE: [&str; 6] = ["role", "workload", "hardware", "network", "image", "kind"];

pub(super) fn word_of(item: &Item) -> Option<&'static str> {
    use crate::syntax::ast::{BlockWord, FunctionWord};
    match &item.kind {
        ItemKind::Function { word, .. } => Some(match word {
            FunctionWord::Role => "role",
            FunctionWord::Workload => "workload",
        }),
        ItemKind::Block { word, .. } => match word {
            BlockWord::Network => Some("network"),
            BlockWord::Hardware => Some("hardware"),
            BlockWord::Image => Some("image"),
            BlockWord::Kind => Some("kind"),
            BlockWord::Backend | BlockWord::Site => None,
        },
        _ => None,
    }
}

pub(super) fn block_of(item: &Item) -> Option<&Block> {
    match &item.kind {
        ItemKind::Function { block, .. } | ItemKind::Block { block, .. } => Some(block),
        _ => None,
    }
}

pub(super) fn block_of_mut(item: &mut Item) -> Option<&mut Block> {
    match &mut item.kind {
        ItemKind::Function { block, .. } | ItemKind::Block { block, .. } => Some(block),
        _ => None,
    }
}

/// The word and name of a statement that a change can stand at.
fn anchor_of(statement: &Statement) -> Option<(&str, &Name)> {
    match &statement.kind {
        StatementKind::Named { word, name, .. } => word.names.last().map(|w| (w.text.as_str(), name)),
        StatementKind::Nodes { many, name, .. } => Some((if *many { "nodes" } else { "node" }, name)),
        StatementKind::Run { name, .. } => Some(("run", name)),
        StatementKind::Let { name, .. } => Some(("let", name)),
        StatementKind::Out { name, .. } => Some(("out", name)),
        _ => None,
    }
}

/// Blocks inside of a statement that hold statements of the same sort.
fn inner(statement: &Statement) -> Vec<&Block> {
    match &statement.kind {
        StatementKind::If { branches, otherwise } => {
            branches.iter().map(|(_, block)| block).chain(otherwise).collect()
        }
        StatementKind::OnLeave { block } | StatementKind::For { block, .. } => vec![block],
        StatementKind::Match { arms, .. } => arms.iter().map(|arm| &arm.value).collect(),
        _ => Vec::new(),
    }
}

fn inner_mut(statement: &mut Statement) -> Vec<&mut Block> {
    match &mut statement.kind {
        StatementKind::If { branches, otherwise } => branches
            .iter_mut()
            .map(|(_, block)| block)
            .chain(otherwise)
            .collect(),
        StatementKind::OnLeave { block } | StatementKind::For { block, .. } => vec![block],
        StatementKind::Match { arms, .. } => arms.iter_mut().map(|arm| &mut arm.value).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn anchors<'a>(block: &'a Block, all: &mut Vec<(&'a str, &'a Name)>) {
    for statement in &block.statements {
        all.extend(anchor_of(statement));
        inner(statement).into_iter().for_each(|b| anchors(b, all));
    }
}

fn is_at(statement: &Statement, anchor: &Anchor) -> bool {
    let last = anchor.word.names.last().map_or("", |w| w.text.as_str());
    anchor_of(statement).is_some_and(|(word, name)| word == last && name.text == anchor.name.text)
}

pub(super) fn find<'a>(block: &'a Block, anchor: &Anchor) -> Option<&'a Statement> {
    block.statements.iter().find_map(|statement| {
        if is_at(statement, anchor) {
            return Some(statement);
        }
        inner(statement).into_iter().find_map(|b| find(b, anchor))
    })
}

/// Why a change cannot be made of what it stands at; `None` if it can.
pub(super) fn unfit(item: &Item, change: &Change) -> Option<Diagnostic> {
    if change.verb != Verb::Set {
        return None;
    }
    let function = matches!(item.kind, ItemKind::Function { .. });
    let what = match &change.anchor {
        None if function => "a role or workload has no fields of its own",
        Some(anchor) if matches!(anchor.word.text().as_str(), "let" | "out") => "it has no fields",
        _ => {
            let field =
                |s: &&Statement| !matches!(s.kind, StatementKind::Field { .. } | StatementKind::Error);
            let kind = word_of(item) == Some("kind");
            let other = change.block.statements.iter().find(field)?;
            if kind && matches!(other.kind, StatementKind::Declaration { .. }) {
                return None;
            }
            let message = "`set` gives fields, and this is none";
            return Some(
                Diagnostic::error(names::PATCH_UNFIT, other.span, message)
                    .help("write `field = value`; statements are put in with `before`, `after` or `replace`"),
            );
        }
    };
    let span = change.anchor.as_ref().map_or(change.verb_span, |a| a.span);
    Some(
        Diagnostic::error(
            names::PATCH_UNFIT,
            span,
            format!("`set` cannot be used here: {what}"),
        )
        .help("write `replace` to put something else in its place"),
    )
}

/// Makes one change in the block of an item whose text is in `own`.
pub(super) fn make(block: &mut Block, change: &Change, own: crate::source::SourceId) -> bool {
    let Some(anchor) = &change.anchor else {
        set(block, &change.block);
        return true;
    };
    let Some(at) = block.statements.iter().position(|s| is_at(s, anchor)) else {
        return block
            .statements
            .iter_mut()
            .flat_map(inner_mut)
            .any(|inner| make(inner, change, own));
    };
    let put = change.block.statements.iter().cloned();
    match change.verb {
        Verb::Before => drop(block.statements.splice(at..at, put)),
        Verb::After => {
            // What an earlier change put after it stays before this.
            let later = block.statements[at + 1..].iter();
            let end = at + 1 + later.take_while(|s| s.span.source != own).count();
            drop(block.statements.splice(end..end, put));
        }
        Verb::Replace => drop(block.statements.splice(at..=at, put)),
        Verb::Remove => drop(block.statements.remove(at)),
        Verb::Set => match &mut block.statements[at].kind {
            StatementKind::Named { block, .. }
            | StatementKind::Nodes { block, .. }
            | StatementKind::Run { block, .. } => set(block, &change.block),
            _ => {}
        },
    }
    true
}

/// Gives fields: those that are there get the new value in their place.
fn set(block: &mut Block, given: &Block) {
    for statement in &given.statements {
        let name = field_of(statement);
        let old = block
            .statements
            .iter()
            .position(|s| name.is_some() && field_of(s) == name);
        match old {
            Some(at) => block.statements[at] = statement.clone(),
            None => block.statements.push(statement.clone()),
        }
    }
}

fn field_of(statement: &Statement) -> Option<&str> {
    match &statement.kind {
        StatementKind::Field { name, .. } => Some(&name.text),
        StatementKind::Declaration { parameter, .. } => Some(&parameter.name.text),
        _ => None,
    }
}

/// SHA-256 (hex) over the tokens of a text: comments and spacing count for nothing.
pub(super) fn digest(text: &str) -> String {
    let mut sources = Sources::default();
    let id = sources.add("", text);
    let tokens = crate::syntax::parse(&sources, id, &mut Diagnostics::default()).tree;
    let mut hash = Sha256::new();
    for token in tokens.tokens().iter().filter(|t| !t.is_trivia()) {
        let token = token.text(text);
        hash.update((token.len() as u64).to_le_bytes());
        hash.update(token.as_bytes());
    }
    crate::plan::hex(&hash.finalize())
}
