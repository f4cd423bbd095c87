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

/// A `rebar.toml` that is not TOML.
pub const MANIFEST_SYNTAX: Code = Code("E0910");
/// A section or key that `rebar.toml` does not have.
pub const MANIFEST_KEY: Code = Code("E0911");
/// A value of the wrong type in `rebar.toml`.
pub const MANIFEST_TYPE: Code = Code("E0912");
/// A key that `rebar.toml` lacks.
pub const MANIFEST_MISSING: Code = Code("E0913");
/// A value in `rebar.toml` that cannot be used.
pub const MANIFEST_VALUE: Code = Code("E0914");
/// A dependency that does not say, or says twice, where it is.
pub const MANIFEST_ORIGIN: Code = Code("E0915");
/// A dependency whose files are not there.
pub const MISSING_PACKAGE: Code = Code("E0916");

/// A secret that does not say where it comes from.
pub const SECRET_SOURCE: Code = Code("E0940");

/// All codes of this list.
pub const ALL: &[Code] = &[
    MISSING_MODULE,
    UNREADABLE,
    NOT_TEXT,
    MISSING_TEMPLATE,
    NO_MAIN,
    MANIFEST_SYNTAX,
    MANIFEST_KEY,
    MANIFEST_TYPE,
    MANIFEST_MISSING,
    MANIFEST_VALUE,
    MANIFEST_ORIGIN,
    MISSING_PACKAGE,
    SECRET_SOURCE,
];
