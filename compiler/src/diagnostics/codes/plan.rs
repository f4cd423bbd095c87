//! E06: the plan.

use super::Code;

/// A field has no value on some node.
pub const CANNOT_FILL: Code = Code("E0601");

/// All codes of this list.
pub const ALL: &[Code] = &[CANNOT_FILL];
