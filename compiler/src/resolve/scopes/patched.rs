//! What patches put in stands in one file and has its meaning in another.

use super::super::{Definition, ItemId, is_value, name_of, patches};
use super::{Place, Walker};
use crate::source::Span;
use crate::syntax::ast::{Patch, StatementKind};

impl Walker<'_> {
    /// Only whether each statement may stand where it does.
    pub(super) fn patch(&mut self, patch: &Patch) {
        for item in &patch.block.statements {
            if !self.may_stand(Place::Patch, item) {
                continue;
            }
            if let StatementKind::Named { block, .. } = &item.kind {
                for change in &block.statements {
                    self.may_stand(Place::Patched, change);
                }
            }
        }
        // A change that could not be made may be what an import is there for.
        self.tables[self.module].tolerant |= !patches::is_whole(self.resolved, patch);
    }

    /// An item that is a value, and the place where this file gets its name from.
    pub(super) fn outer_value(&self, module: usize, name: &str) -> Option<(ItemId, Span)> {
        let own = self.resolved.items[module].get(name).copied();
        let id = own.or_else(|| match self.tables[module].imports.get(name)?.definition {
            Definition::Item(id) => Some(id),
            _ => None,
        })?;
        let item = self.resolved.item(id);
        let span = match own {
            Some(_) => name_of(item)?.span,
            None => self.tables[module].imports.get(name)?.span,
        };
        is_value(item).then_some((id, span))
    }
}
