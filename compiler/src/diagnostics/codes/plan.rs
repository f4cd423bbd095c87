//! E06: the plan.

use super::Code;

/// A field has no value on some node.
pub const CANNOT_FILL: Code = Code("E0601");

/// All codes of this part.
pub fn all() -> Vec<Code> {
    vec![CANNOT_FILL]
}
