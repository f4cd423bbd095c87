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
/// A module that may be one of this package and one of another.
pub const AMBIGUOUS_MODULE: Code = Code("E0220");
/// A module of a package that is no dependency of this one.
pub const NOT_A_DEPENDENCY: Code = Code("E0221");
/// A patch that stands in a dependency.
pub const PATCH_NOT_IN_ROOT: Code = Code("E0222");
/// A patch of a package or module that is not there.
pub const PATCH_OF_NOTHING: Code = Code("E0223");
/// A patch for another version.
pub const PATCH_VERSION: Code = Code("E0224");
/// A patch of an item that is not there.
pub const PATCH_UNKNOWN_ITEM: Code = Code("E0225");
/// A change at a statement that is not there.
pub const PATCH_UNKNOWN_ANCHOR: Code = Code("E0226");
/// A change that cannot be made of such a thing.
pub const PATCH_UNFIT: Code = Code("E0227");
/// A name that means one thing in the patched module and another one where the patch stands.
pub const AMBIGUOUS_NAME: Code = Code("E0228");
/// What a patch stands at is not what it was when the patch was locked.
pub const PATCH_MOVED: Code = Code("E0229");
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
    AMBIGUOUS_MODULE,
    NOT_A_DEPENDENCY,
    PATCH_NOT_IN_ROOT,
    PATCH_OF_NOTHING,
    PATCH_VERSION,
    PATCH_UNKNOWN_ITEM,
    PATCH_UNKNOWN_ANCHOR,
    PATCH_UNFIT,
    AMBIGUOUS_NAME,
    PATCH_MOVED,
    UNKNOWN_SIGNATURE,
    RUN_GROUP,
    ALTERNATIVES_DIFFER,
    MOVED_ELSEWHERE,
    MOVED_TO_NOTHING,
    MOVED_STILL_THERE,
];
