//! The stable codes of the compiler, one list per stage. Each code has a page in `docs/errors`.

pub mod syntax;

use super::Code;

/// All codes that the compiler can report.
pub fn all() -> Vec<Code> {
    [syntax::ALL].concat()
}
