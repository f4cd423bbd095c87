//! Checking one module by itself: for sessions. Items of other modules that it needs are looked at as far as they are
//! seen from outside, and what is wrong in them is told where their own module is checked.

use std::collections::BTreeSet;

use super::bounds::{MAX_PARTS, MAX_TYPES};
use super::shape::MAX_WORK;
use super::{Checker, Options};
use crate::diagnostics::Diagnostics;
use crate::resolve::{ItemId, Resolved};
use crate::source::Sources;

/// What else is to be known of a module that was checked by itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aside {
    /// Names of the generated secrets that it describes.
    pub(crate) generated: BTreeSet<String>,
    /// What it took of that which all modules share.
    pub(crate) spent: Spent,
    /// Whether something depended on what modules say that it does not use.
    pub(crate) asked_all: bool,
}

/// How much of what is bounded was used; each module counts its own.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// Parts of types.
    pub(crate) types: usize,
    /// Parts of values.
    pub(crate) values: usize,
    /// Names looked through.
    pub(crate) names: usize,
    /// Parts of bodies gone through for what is decided in them.
    pub(crate) bodies: usize,
}

impl Spent {
    /// Both together.
    pub(crate) fn and(self, other: Spent) -> Spent {
        Spent {
            types: self.types.saturating_add(other.types),
            values: self.values.saturating_add(other.values),
            names: self.names.saturating_add(other.names),
            bodies: self.bodies.saturating_add(other.bodies),
        }
    }

    /// Whether all modules together stay so far below the limits that none of them has met one.
    pub(crate) fn is_little(self) -> bool {
        // What one type or value more may take is left free.
        self.types < MAX_TYPES / 2
            && self.values < MAX_PARTS / 2
            && self.names < crate::diagnostics::MAX_LOOKED_THROUGH
            && self.bodies < MAX_WORK / 2
    }
}

/// Checks one module. `needed` are the items of others that it needs; `inside` tells whether bodies are among what it needs.
pub(crate) fn check_alone(
    (resolved, needed, inside): (&Resolved, &BTreeSet<ItemId>, bool),
    module: usize,
    sources: &Sources,
    options: &Options,
    diagnostics: &mut Diagnostics,
) -> Aside {
    let own = 0..resolved.modules.list[module].ast.items.len();
    let mut ids: BTreeSet<ItemId> = own.map(|item| ItemId { module, item }).collect();
    ids.extend(needed);
    let mut checker = Checker::new(resolved, ids.into_iter().collect(), sources, options, diagnostics);
    (checker.alone, checker.inside) = (Some(module), inside);
    checker.items();
    checker.at_all_modules();
    checker.circles_of_deploys();
    let bodies = checker.shapes();
    Aside {
        generated: checker.described,
        spent: Spent {
            types: MAX_TYPES - checker.type_parts,
            values: MAX_PARTS - checker.value_parts,
            names: checker.diagnostics.looked_through(),
            bodies,
        },
        asked_all: checker.asked_all,
    }
}
