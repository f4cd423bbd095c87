//! E02: names, modules, and what may stand where.

use super::Code;

/// A name that nothing in reach has.
pub const UNKNOWN_NAME: Code = Code("E0201");
/// Two things of one name in one place.
pub const DUPLICATE_NAME: Code = Code("E0202");
/// A name that an outer place already uses.
pub const SHADOWS: Code = Code("E0203");
/// A module has no such item.
pub const NOT_IN_MODULE: Code = Code("E0204");
/// An item of another module that is not `pub`.
pub const PRIVATE: Code = Code("E0205");
/// Modules that use each other in a circle.
pub const IMPORT_CYCLE: Code = Code("E0206");
/// An import that nothing uses.
pub const UNUSED_IMPORT: Code = Code("E0207");
/// A name of something that cannot stand here.
pub const WRONG_THING: Code = Code("E0208");
/// A statement in a block where it means nothing.
pub const MISPLACED_STATEMENT: Code = Code("E0209");
/// A definition that needs itself.
pub const CIRCULAR_DEFINITION: Code = Code("E0211");
/// Alternatives of a pattern that give different names.
pub const ALTERNATIVES_DIFFER: Code = Code("E0330");

/// An interface without such a signature.
pub const UNKNOWN_SIGNATURE: Code = Code("E0212");
/// A run of a role without a group, or of a workload with one.
pub const RUN_GROUP: Code = Code("E0213");
/// A `moved` from one workload or role to another.
pub const MOVED_ELSEWHERE: Code = Code("E0217");
/// A `moved` to something that is not there.
pub const MOVED_TO_NOTHING: Code = Code("E0218");
/// A `moved` of something that is still there.
pub const MOVED_STILL_THERE: Code = Code("E0219");

/// All codes of this list.
pub const ALL: &[Code] = &[
    UNKNOWN_NAME,
    DUPLICATE_NAME,
    SHADOWS,
    NOT_IN_MODULE,
    PRIVATE,
    IMPORT_CYCLE,
    UNUSED_IMPORT,
    WRONG_THING,
    MISPLACED_STATEMENT,
    CIRCULAR_DEFINITION,
    UNKNOWN_SIGNATURE,
    RUN_GROUP,
    ALTERNATIVES_DIFFER,
    MOVED_ELSEWHERE,
    MOVED_TO_NOTHING,
    MOVED_STILL_THERE,
];
