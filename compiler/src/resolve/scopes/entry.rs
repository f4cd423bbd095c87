//! Where resolving begins: all items of all modules, or what others see of one item.

use std::collections::HashMap;

use super::super::imports::Table;
use super::super::{Definition, Resolved};
use super::{Walker, declarations};
use crate::diagnostics::Diagnostics;
use crate::source::Span;
use crate::syntax::ast::{FunctionWord, Item, ItemKind, StatementKind};

/// Resolves the bodies of all items.
pub(in crate::resolve) fn resolve_bodies(
    resolved: &Resolved,
    tables: &mut [Table],
    diagnostics: &mut Diagnostics,
) -> HashMap<Span, Definition> {
    let mut references = HashMap::new();
    for module in 0..tables.len() {
        let mut walker = Walker::new(resolved, module, tables, &mut references, diagnostics);
        for item in &resolved.modules.list[module].ast.items {
            walker.item_of_module(item);
        }
    }
    references
}

impl<'a> Walker<'a> {
    pub(in crate::resolve) fn new(
        resolved: &'a Resolved,
        module: usize,
        tables: &'a mut [Table],
        references: &'a mut HashMap<Span, Definition>,
        diagnostics: &'a mut Diagnostics,
    ) -> Walker<'a> {
        Walker {
            resolved,
            module,
            tables,
            references,
            diagnostics,
            locals: Vec::new(),
            declared: Vec::new(),
            in_role: false,
            misplaced: Vec::new(),
        }
    }

    /// What others see of an item: all of it, but of a role or workload only what it takes and gives.
    pub(in crate::resolve) fn head(&mut self, item: &Item) {
        let ItemKind::Function {
            word,
            parameters,
            implements,
            block,
            ..
        } = &item.kind
        else {
            return self.item_of_module(item);
        };
        self.locals.clear();
        self.in_role = *word == FunctionWord::Role;
        self.declared = declarations(block);
        implements.iter().for_each(|path| self.signature_of(path));
        self.parameters(parameters);
        for statement in &block.statements {
            if let StatementKind::Out { ty, .. } = &statement.kind {
                self.ty(ty);
            }
        }
    }
}
