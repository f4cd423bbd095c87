//! The stable codes of all diagnostics, one file a part of the compiler.

pub mod expand;
pub mod names;
pub mod order;
pub mod plan;
pub mod project;
pub mod types;

use super::Code;
