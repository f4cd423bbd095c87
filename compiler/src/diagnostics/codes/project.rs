//! E09: files of the project.

use super::Code;

/// A module that is not there.
pub const MISSING_MODULE: Code = Code("E0901");
/// A file that cannot be read.
pub const UNREADABLE: Code = Code("E0902");
/// A file that is not UTF-8 text.
pub const NOT_TEXT: Code = Code("E0903");
/// A template file that is not there.
pub const MISSING_TEMPLATE: Code = Code("E0904");
/// A folder without `main.rebar`.
pub const NO_MAIN: Code = Code("E0905");

/// All codes of this list.
pub const ALL: &[Code] = &[MISSING_MODULE, UNREADABLE, NOT_TEXT, MISSING_TEMPLATE, NO_MAIN];
