//! The names of one module by itself, with what it needs of others: for sessions, which look again only at what may
//! have another meaning than before.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::imports::{self, Table};
use super::scopes::Walker;
use super::{Definition, ItemId, Modules, Resolved};
use crate::diagnostics::Diagnostics;

/// All modules with the names of their items, for looking at one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Resolved);

impl Shared {
    /// The names of the items of all modules.
    pub(crate) fn new(modules: Modules) -> Shared {
        Shared(Resolved::of(Arc::new(modules)))
    }

    /// The modules.
    pub(crate) fn modules(&self) -> &Modules {
        &self.0.modules
    }

    /// Gives the names in one module their meaning, and the names in all items of others that it needs, directly or
    /// through others; of roles and workloads those in their bodies only where it looks `inside`. Only what is wrong in the
    /// module itself is told.
    pub(crate) fn resolve(
        &self,
        (module, inside): (usize, bool),
        diagnostics: &mut Diagnostics,
    ) -> (Resolved, BTreeSet<ItemId>) {
        let mut resolved = self.0.clone();
        let mut references = HashMap::new();
        let mut tables: Vec<Table> = Vec::new();
        tables.resize_with(resolved.modules.list.len(), Table::default);
        tables[module] = imports::table(&resolved, module, diagnostics);
        let mut walker = Walker::new(&resolved, module, &mut tables, &mut references, diagnostics);
        for item in &resolved.modules.list[module].ast.items {
            walker.item_of_module(item);
        }
        imports::report_unused(&resolved.modules.list[module], &tables[module], diagnostics);
        let mut needed = BTreeSet::new();
        let mut looked_at = BTreeSet::from([module]);
        // Names that the language itself uses stand for items of the prelude.
        let prelude = resolved.modules.find(super::modules::PRELUDE);
        let everywhere = prelude.map(|prelude| resolved.items[prelude].values().copied());
        let mut open: Vec<ItemId> = everywhere
            .into_iter()
            .flatten()
            .chain(others(&references, module))
            .collect();
        while let Some(id) = open.pop() {
            if id.module == module || !needed.insert(id) {
                continue;
            }
            // What is wrong there is told where that module is looked at.
            let mut apart = Diagnostics::default();
            if looked_at.insert(id.module) {
                tables[id.module] = imports::imports_of(&resolved, id.module, &mut apart);
            }
            let mut found = HashMap::new();
            let mut walker = Walker::new(&resolved, id.module, &mut tables, &mut found, &mut apart);
            match inside {
                true => walker.item_of_module(resolved.item(id)),
                false => walker.head(resolved.item(id)),
            }
            open.extend(others(&found, module));
            references.extend(found);
        }
        resolved.references = references;
        (resolved, needed)
    }
}

/// The items of other modules that are meant.
fn others(
    references: &HashMap<crate::source::Span, Definition>,
    module: usize,
) -> impl Iterator<Item = ItemId> {
    references
        .values()
        .filter_map(move |definition| match definition {
            Definition::Item(id) if id.module != module => Some(*id),
            _ => None,
        })
}
