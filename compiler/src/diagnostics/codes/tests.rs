//! E07: tests and policies.

use super::Code;

/// An assertion of a test does not hold.
pub const NOT_TRUE: Code = Code("E0700");
/// The error that a test expects does not come.
pub const NOT_REFUSED: Code = Code("E0701");
/// A deploy breaks a policy.
pub const POLICY_BROKEN: Code = Code("E0702");
/// A site accepts that a policy is broken which is not there.
pub const UNKNOWN_POLICY: Code = Code("E0703");
/// A site accepts that a policy is broken which is kept.
pub const UNUSED_WAIVER: Code = Code("E0704");
/// A plan has no such part.
pub const NO_PART: Code = Code("E0705");
/// A whole plan, or a run of it, where a value is needed.
pub const NOT_A_VALUE: Code = Code("E0706");
/// Two tests or policies of one title.
pub const DUPLICATE_TITLE: Code = Code("E0707");
/// An error that no deploy can give.
pub const CANNOT_BE_EXPECTED: Code = Code("E0708");
/// A plan is too large to be looked at in an assertion.
pub const TOO_LARGE_TO_CHECK: Code = Code("E0709");

/// All codes of this list.
pub const ALL: &[Code] = &[
    NOT_TRUE,
    NOT_REFUSED,
    POLICY_BROKEN,
    UNKNOWN_POLICY,
    UNUSED_WAIVER,
    NO_PART,
    NOT_A_VALUE,
    DUPLICATE_TITLE,
    CANNOT_BE_EXPECTED,
    TOO_LARGE_TO_CHECK,
];
