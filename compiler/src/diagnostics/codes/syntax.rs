//! E01: problems of syntax.

use crate::diagnostics::Code;

/// A statement or item that cannot be read: something else was expected.
pub const UNEXPECTED: Code = Code("E0101");
/// A bracket is never closed.
pub const UNCLOSED: Code = Code("E0102");
/// A bracket closes nothing.
pub const STRAY_CLOSER: Code = Code("E0103");
/// A string or comment is never closed.
pub const UNCLOSED_TEXT: Code = Code("E0104");
/// A value is missing.
pub const MISSING_VALUE: Code = Code("E0105");
/// A name is missing.
pub const MISSING_NAME: Code = Code("E0106");
/// A type is missing.
pub const MISSING_TYPE: Code = Code("E0107");
/// An item begins with a word that begins no item.
pub const UNKNOWN_ITEM: Code = Code("E0108");
/// A character that is no part of the language.
pub const UNKNOWN_CHARACTER: Code = Code("E0109");
/// A number that is none: unknown unit, too large, malformed.
pub const BAD_NUMBER: Code = Code("E0110");
/// An address, network or MAC that is none.
pub const BAD_ADDRESS: Code = Code("E0111");
/// A network whose address has bits set in its host part.
pub const HOST_BITS: Code = Code("E0112");
/// A `{` in a string that begins no interpolation.
pub const BRACE_IN_STRING: Code = Code("E0113");
/// An unknown escape in a string.
pub const BAD_ESCAPE: Code = Code("E0114");
/// Nested too deeply.
pub const TOO_DEEP: Code = Code("E0115");
/// Comparisons in a chain.
pub const CHAINED_COMPARISON: Code = Code("E0116");
/// A block's `{` on a line of its own.
pub const BRACE_ON_NEXT_LINE: Code = Code("E0117");
/// Two statements on one line without a comma.
pub const MISSING_SEPARATOR: Code = Code("E0118");
/// A word of the language used as a name.
pub const RESERVED_WORD: Code = Code("E0119");
/// The file is too large.
pub const TOO_LARGE: Code = Code("E0120");
/// A patch that does not say for which version it is.
pub const PATCH_WITHOUT_VERSION: Code = Code("E0133");
/// A change of a patch that does not say what it stands at.
pub const CHANGE_WITHOUT_ANCHOR: Code = Code("E0134");
/// A change of a patch without its braces, or with braces that it does not take.
pub const CHANGE_BLOCK: Code = Code("E0135");
/// An arm of a `match` without its `=>`.
pub const MISSING_ARROW: Code = Code("E0121");
/// An arm of a statement without its block.
pub const MISSING_ARM_BLOCK: Code = Code("E0122");
/// A `for` without its `in`.
pub const MISSING_IN: Code = Code("E0123");
/// A function without a value.
pub const FUNCTION_WITHOUT_VALUE: Code = Code("E0124");
/// `expect error` with something that is no code.
pub const NO_ERROR_CODE: Code = Code("E0136");

/// A `moved` that does not say of which workload or role.
pub const MOVED_WITHOUT_OWNER: Code = Code("E0130");

/// All of them.
pub const ALL: &[Code] = &[
    UNEXPECTED,
    UNCLOSED,
    STRAY_CLOSER,
    UNCLOSED_TEXT,
    MISSING_VALUE,
    MISSING_NAME,
    MISSING_TYPE,
    UNKNOWN_ITEM,
    UNKNOWN_CHARACTER,
    BAD_NUMBER,
    BAD_ADDRESS,
    HOST_BITS,
    BRACE_IN_STRING,
    BAD_ESCAPE,
    TOO_DEEP,
    CHAINED_COMPARISON,
    BRACE_ON_NEXT_LINE,
    MISSING_SEPARATOR,
    RESERVED_WORD,
    TOO_LARGE,
    PATCH_WITHOUT_VERSION,
    CHANGE_WITHOUT_ANCHOR,
    CHANGE_BLOCK,
    MISSING_ARROW,
    MISSING_ARM_BLOCK,
    MISSING_IN,
    FUNCTION_WITHOUT_VALUE,
    MOVED_WITHOUT_OWNER,
    NO_ERROR_CODE,
];
