//! What rules look at: one module, with what its names stand for.

use std::collections::{BTreeSet, HashSet};

use ipnet::IpNet;

use crate::check::{Statement as Checked, Typed};
use crate::resolve::{Definition, ItemId, Module};
use crate::source::{Sources, Span};
use crate::syntax::ast::{
    Block, BlockWord, DottedName, Expression, ExpressionKind, Item, ItemKind, Literal, Name, Parameter,
    Statement, StatementKind,
};
use crate::syntax::walk;

/// Facts of the whole spec, found once.
pub(super) struct Facts {
    /// Places of declarations of names within items that something uses.
    pub(super) used_locals: HashSet<Span>,
    /// Items that something uses.
    pub(super) used_items: HashSet<ItemId>,
    /// Names that stand after a dot anywhere.
    pub(super) members: BTreeSet<String>,
    /// Networks with their addresses.
    pub(super) networks: Vec<(Name, IpNet)>,
}

impl Facts {
    pub(super) fn of(typed: &Typed, library: bool) -> Facts {
        let mut facts = Facts {
            used_locals: HashSet::new(),
            used_items: HashSet::new(),
            members: BTreeSet::new(),
            networks: Vec::new(),
        };
        for definition in typed.resolved.references.values() {
            match definition {
                Definition::Local(span) => {
                    facts.used_locals.insert(*span);
                }
                Definition::Item(id) => {
                    facts.used_items.insert(*id);
                }
                _ => {}
            }
        }
        for module in &typed.resolved.modules.list {
            walk::expressions(&module.ast, &mut |e| {
                if let ExpressionKind::Member { name, .. } = &e.kind {
                    facts.members.insert(name.text.clone());
                }
            });
            if !module.is_own() && !library {
                continue;
            }
            for item in &module.ast.items {
                if let ItemKind::Block {
                    word: BlockWord::Network,
                    name,
                    block,
                } = &item.kind
                    && let Some(ExpressionKind::Literal(Literal::Cidr(cidr))) =
                        field(block, "cidr").map(|e| &e.kind)
                {
                    facts.networks.push((name.clone(), *cidr));
                }
            }
        }
        facts
    }
}

/// One module for the rules.
pub(super) struct Look<'a> {
    pub(super) typed: &'a Typed,
    pub(super) sources: &'a Sources,
    pub(super) facts: &'a Facts,
    pub(super) module: &'a Module,
    /// Its index.
    pub(super) index: usize,
}

/// A role or workload.
pub(super) struct FunctionItem<'a> {
    pub(super) item: &'a Item,
    pub(super) name: &'a Name,
    pub(super) parameters: &'a [Parameter],
    pub(super) block: &'a Block,
    pub(super) role: bool,
}

impl<'a> Look<'a> {
    pub(super) fn items(&self) -> &'a [Item] {
        &self.module.ast.items
    }

    pub(super) fn text(&self, span: Span) -> &'a str {
        self.sources.slice(span)
    }

    /// Whether an item of this module is used anywhere.
    pub(super) fn is_used(&self, item: usize) -> bool {
        let module = self.index;
        self.facts.used_items.contains(&ItemId { module, item })
    }

    /// What the roles and workloads of this module do.
    pub(super) fn bodies(&self) -> impl Iterator<Item = &'a [Checked]> {
        let first = |module| ItemId { module, item: 0 };
        let own = first(self.index)..first(self.index + 1);
        self.typed
            .functions
            .range(own)
            .map(|(_, function)| function.body.as_slice())
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = FunctionItem<'a>> {
        use crate::syntax::ast::FunctionWord;
        self.items().iter().filter_map(|item| match &item.kind {
            ItemKind::Function {
                word,
                name,
                parameters,
                block,
                ..
            } => Some(FunctionItem {
                item,
                name,
                parameters,
                block,
                role: *word == FunctionWord::Role,
            }),
            _ => None,
        })
    }

    /// All statements of a block, at any depth, outer ones first.
    pub(super) fn statements(&self, block: &'a Block) -> Vec<&'a Statement> {
        let mut all = Vec::new();
        gather(block, &mut all);
        all
    }

    /// The item that a word stands for.
    pub(super) fn item_of(&self, word: &DottedName) -> Option<&'a Item> {
        match self.typed.resolved.references.get(&word.span) {
            Some(Definition::Item(id)) => Some(self.typed.resolved.item(*id)),
            _ => None,
        }
    }

    /// Steps of a block at any depth: kind, name, fields.
    pub(super) fn steps(&self, block: &'a Block) -> Vec<(&'a DottedName, &'a Name, &'a Block)> {
        self.statements(block)
            .into_iter()
            .filter_map(|s| match &s.kind {
                StatementKind::Named { word, name, block } => Some((word, name, block)),
                _ => None,
            })
            .collect()
    }

    /// Whether a block has a step of a kind.
    pub(super) fn has_step(&self, block: &'a Block, kind: &str) -> bool {
        self.steps(block)
            .iter()
            .any(|(word, _, _)| self.is_kind(word, kind))
    }

    /// Whether a word stands for the kind called so, perhaps under another name.
    pub(super) fn is_kind(&self, word: &DottedName, kind: &str) -> bool {
        self.item_of(word)
            .and_then(crate::resolve::name_of)
            .is_some_and(|name| name.text == kind)
    }

    /// All expressions of the module outside of tests.
    pub(super) fn expressions(&self) -> Vec<&'a Expression> {
        let mut all = Vec::new();
        walk::expressions(&self.module.ast, &mut |e| all.push(e));
        let tests: Vec<Span> = self
            .items()
            .iter()
            .filter(|i| matches!(i.kind, ItemKind::Test { .. }))
            .map(|i| i.span)
            .collect();
        all.retain(|e| {
            !tests
                .iter()
                .any(|t| t.start <= e.span.start && e.span.end <= t.end)
        });
        all
    }
}

fn gather<'a>(block: &'a Block, all: &mut Vec<&'a Statement>) {
    for statement in &block.statements {
        all.push(statement);
        for inner in walk::blocks(statement) {
            gather(inner, all);
        }
    }
}

/// The value of a field.
pub(super) fn field<'a>(block: &'a Block, wanted: &str) -> Option<&'a Expression> {
    block.statements.iter().find_map(|s| match &s.kind {
        StatementKind::Field { name, value } if name.text == wanted => Some(value),
        _ => None,
    })
}

/// A whole number that is written out.
pub(super) fn number(expression: Option<&Expression>) -> Option<i64> {
    match &expression?.kind {
        ExpressionKind::Literal(Literal::Int(number)) => Some(*number),
        _ => None,
    }
}
