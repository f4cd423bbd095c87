//! E03: types, fields and templates.

use super::Code;

/// A value of another type than the one that is expected.
pub const MISMATCH: Code = Code("E0301");
/// A field or parameter that is not declared.
pub const UNKNOWN_FIELD: Code = Code("E0302");
/// A field or parameter that must be given.
pub const MISSING_FIELD: Code = Code("E0303");
/// A field or argument that is given twice.
pub const DUPLICATE_FIELD: Code = Code("E0304");
/// A value outside of the range that its type allows.
pub const OUT_OF_RANGE: Code = Code("E0305");
/// Text that does not match the pattern of its type.
pub const DOES_NOT_MATCH: Code = Code("E0306");
/// Text that is not a URL, path, domain, version or pattern.
pub const MALFORMED_TEXT: Code = Code("E0307");
/// An operator between types that do not go together.
pub const OPERATOR: Code = Code("E0308");
/// A value that has no such member.
pub const UNKNOWN_MEMBER: Code = Code("E0309");
/// An enum without such a variant.
pub const UNKNOWN_VARIANT: Code = Code("E0310");
/// Something is called that is not a function.
pub const NOT_A_FUNCTION: Code = Code("E0311");
/// `List`, `Map` … with the wrong number of types.
pub const TYPE_ARGUMENTS: Code = Code("E0312");
/// A template file that is not well formed.
pub const TEMPLATE_BROKEN: Code = Code("E0313");
/// A template that uses something that it is not given.
pub const TEMPLATE_VARIABLE: Code = Code("E0314");
/// A kind that no action carries out.
pub const NO_ACTION: Code = Code("E0315");
/// More arguments than parameters.
pub const TOO_MANY_ARGUMENTS: Code = Code("E0316");
/// A range or pattern of a type that means nothing.
pub const BAD_REFINEMENT: Code = Code("E0317");
/// A step that sets none of the fields of which it needs one.
pub const NEEDS_ONE_OF: Code = Code("E0318");
/// A value that has no text.
pub const NO_TEXT: Code = Code("E0319");
/// A value that must be written out.
pub const NOT_CONSTANT: Code = Code("E0320");
/// A level in `provides` that is none.
pub const BAD_LEVEL: Code = Code("E0321");
/// A pattern of a type leaves an end of the text open.
pub const OPEN_PATTERN: Code = Code("E0322");

/// A value that is not known when the spec is compiled is given where one must be.
pub const NOT_KNOWN: Code = Code("E0365");
/// A parameter of something public that must be known and is not declared so.
pub const KNOWN_UNSAID: Code = Code("E0364");
/// A value that exists only later decides what there is.
pub const LATER_DECIDES: Code = Code("E0366");
/// An output of a kind that cannot be one.
pub const KIND_OUTPUT: Code = Code("E0367");
/// A step that finds something out where nobody can use it.
pub const LEAVE_OUTPUT: Code = Code("E0368");
/// A value that exists only later and would have to keep a rule that cannot be held against it then.
pub const LATER_RULE: Code = Code("E0369");
/// An implementation that lacks a parameter or output of its signature.
pub const LACKS: Code = Code("E0360");
/// An implementation that differs from its signature.
pub const DIFFERS: Code = Code("E0361");
/// A choice of something that does not implement the interface.
pub const NOT_AN_IMPLEMENTATION: Code = Code("E0362");
/// A secret where plans, records or names would show it.
pub const SECRET_SHOWN: Code = Code("E0375");
/// A secret that would decide something.
pub const SECRET_COMPARED: Code = Code("E0376");
/// A type that cannot be, or cannot hold, a secret.
pub const SECRET_DECLARED: Code = Code("E0377");
/// A secret without a name that is known.
pub const SECRET_NAME: Code = Code("E0378");
/// A generated secret that is not described, or in two ways.
pub const GENERATED: Code = Code("E0379");
/// A plain value where a secret is meant.
pub const NOT_SECRET: Code = Code("E0380");
/// A file with a secret that everybody can read.
pub const SECRET_READABLE: Code = Code("E0381");
/// A wait for a run of a `for` that has no such turn.
pub const NO_SUCH_TURN: Code = Code("E0382");
/// A name that is moved from, or to, twice.
pub const MOVED_TWICE: Code = Code("E0395");
/// A function that needs itself.
pub const RECURSION: Code = Code("E0331");
/// A public function without the type of its result.
pub const RESULT_UNTOLD: Code = Code("E0332");
/// A value for which the condition of its type does not hold.
pub const CONDITION_BROKEN: Code = Code("E0333");
/// A key that is there twice.
pub const DUPLICATE_KEY: Code = Code("E0334");
/// A `match` that leaves something out.
pub const NOT_EXHAUSTIVE: Code = Code("E0335");
/// An arm that is never reached.
pub const UNREACHABLE_ARM: Code = Code("E0336");
/// A pattern that no value of the type has.
pub const BAD_PATTERN: Code = Code("E0337");
/// `?.` behind a value that is always there.
pub const ALWAYS_THERE: Code = Code("E0338");
/// `[…]` behind something that is no map.
pub const NO_INDEX: Code = Code("E0339");
/// A key of a `for` that cannot be part of a name.
pub const BAD_KEY: Code = Code("E0340");
/// An address or network that another one does not have.
pub const NOT_IN_NETWORK: Code = Code("E0341");
/// A function that has nothing to take its result from.
pub const NOTHING_TO_TAKE: Code = Code("E0342");
/// A pattern that takes everything, and is called like a variant.
pub const LIKE_A_VARIANT: Code = Code("E0343");

/// `import` or `outputs` where it cannot stand, or of what it cannot take.
pub const BAD_IMPORT: Code = Code("E0396");
/// A file of data that cannot be read.
pub const MALFORMED_DATA: Code = Code("E0397");
/// A file of data that is not there.
pub const MISSING_DATA: Code = Code("E0398");

/// All codes of this list.
pub const ALL: &[Code] = &[
    MISMATCH,
    UNKNOWN_FIELD,
    MISSING_FIELD,
    DUPLICATE_FIELD,
    OUT_OF_RANGE,
    DOES_NOT_MATCH,
    MALFORMED_TEXT,
    OPERATOR,
    UNKNOWN_MEMBER,
    UNKNOWN_VARIANT,
    NOT_A_FUNCTION,
    TYPE_ARGUMENTS,
    TEMPLATE_BROKEN,
    TEMPLATE_VARIABLE,
    NO_ACTION,
    TOO_MANY_ARGUMENTS,
    BAD_REFINEMENT,
    NEEDS_ONE_OF,
    NO_TEXT,
    NOT_CONSTANT,
    BAD_LEVEL,
    KNOWN_UNSAID,
    NOT_KNOWN,
    LATER_DECIDES,
    KIND_OUTPUT,
    LEAVE_OUTPUT,
    LATER_RULE,
    RECURSION,
    RESULT_UNTOLD,
    CONDITION_BROKEN,
    DUPLICATE_KEY,
    NOT_EXHAUSTIVE,
    UNREACHABLE_ARM,
    BAD_PATTERN,
    ALWAYS_THERE,
    NO_INDEX,
    BAD_KEY,
    NOT_IN_NETWORK,
    NOTHING_TO_TAKE,
    LIKE_A_VARIANT,
    LACKS,
    DIFFERS,
    NOT_AN_IMPLEMENTATION,
    SECRET_SHOWN,
    SECRET_COMPARED,
    SECRET_DECLARED,
    SECRET_NAME,
    GENERATED,
    NOT_SECRET,
    SECRET_READABLE,
    NO_SUCH_TURN,
    MOVED_TWICE,
    OPEN_PATTERN,
    BAD_IMPORT,
    MALFORMED_DATA,
    MISSING_DATA,
];
