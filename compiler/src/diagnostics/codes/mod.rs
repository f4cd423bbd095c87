//! The stable codes of the compiler, one list per stage. Each code has a page in `docs/errors`.

pub mod expand;
pub mod names;
pub mod order;
pub mod plan;
pub mod project;
pub mod syntax;
pub mod tests;
pub mod types;

use super::Code;

/// All codes that the compiler can report.
pub fn all() -> Vec<Code> {
    [
        syntax::ALL,
        names::ALL,
        types::ALL,
        expand::ALL,
        order::ALL,
        plan::ALL,
        project::ALL,
        tests::ALL,
    ]
    .concat()
}
