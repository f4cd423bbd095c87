//! Codes of rules.

use crate::diagnostics::Code;

/// A parameter that nothing uses.
pub(in crate::lint) const UNUSED_PARAMETER: Code = Code("L0001");
/// A `let` that nothing uses.
pub(in crate::lint) const UNUSED_VALUE: Code = Code("L0002");
/// A type that nothing uses.
pub(in crate::lint) const UNUSED_TYPE: Code = Code("L0003");
/// A role or workload that nothing uses.
pub(in crate::lint) const UNUSED_ROLE: Code = Code("L0004");
/// A network, hardware, image, kind or site that nothing uses.
pub(in crate::lint) const UNUSED_ITEM: Code = Code("L0005");
/// A group on which nothing runs.
pub(in crate::lint) const UNUSED_GROUP: Code = Code("L0006");
/// An output that nothing takes.
pub(in crate::lint) const UNUSED_OUTPUT: Code = Code("L0007");
/// A public item without a `///`.
pub(in crate::lint) const MISSING_DOCS: Code = Code("L0008");
/// Two names that look alike.
pub(in crate::lint) const NEAR_NAMES: Code = Code("L0009");
/// A secret in plain text.
pub(in crate::lint) const PLAIN_SECRET: Code = Code("L0010");
/// A file that everybody may write.
pub(in crate::lint) const WORLD_WRITABLE: Code = Code("L0011");
/// A guard that always says the same.
pub(in crate::lint) const CONSTANT_GUARD: Code = Code("L0012");
/// `once` beside another guard.
pub(in crate::lint) const ONCE_WITH_GUARD: Code = Code("L0013");
/// Outputs of a service that nobody waits for.
pub(in crate::lint) const OUTPUT_WITHOUT_PROBE: Code = Code("L0014");
/// `nodes` with a count of one.
pub(in crate::lint) const COUNT_OF_ONE: Code = Code("L0015");
/// A field that says what its default says.
pub(in crate::lint) const EQUAL_TO_DEFAULT: Code = Code("L0016");
/// A port that is any number.
pub(in crate::lint) const PORT_TYPE: Code = Code("L0017");
/// An address of a network, written out.
pub(in crate::lint) const FIXED_ADDRESS: Code = Code("L0018");
/// Nodes that can reach nothing outside.
pub(in crate::lint) const NO_GATEWAY: Code = Code("L0019");
/// Networks that share addresses.
pub(in crate::lint) const OVERLAPPING_NETWORKS: Code = Code("L0020");
/// A quorum of an even number.
pub(in crate::lint) const EVEN_QUORUM: Code = Code("L0021");
/// A canary that is the whole group.
pub(in crate::lint) const CANARY_OF_ALL: Code = Code("L0022");
/// A rest after which nothing is looked at.
pub(in crate::lint) const SETTLE_WITHOUT_PROBE: Code = Code("L0023");
/// `not` before a comparison.
pub(in crate::lint) const NEGATED_COMPARISON: Code = Code("L0024");
/// A comparison that always says the same.
pub(in crate::lint) const CONSTANT_COMPARISON: Code = Code("L0025");
/// A string that is only an interpolation.
pub(in crate::lint) const NEEDLESS_INTERPOLATION: Code = Code("L0026");
/// Space at the end of a path or name.
pub(in crate::lint) const STRAY_SPACE: Code = Code("L0027");
/// A name in another style.
pub(in crate::lint) const NAMING_STYLE: Code = Code("L0028");
/// A comparison with `true` or `false`.
pub(in crate::lint) const COMPARISON_WITH_BOOL: Code = Code("L0029");
/// An `if` between `true` and `false`.
pub(in crate::lint) const NEEDLESS_IF: Code = Code("L0030");
/// A test that holds nothing.
pub(in crate::lint) const TEST_WITHOUT_ASSERTION: Code = Code("L0031");
/// A role that does nothing.
pub(in crate::lint) const EMPTY_ROLE: Code = Code("L0032");
/// A `$` before the braces of an interpolation.
pub(in crate::lint) const DOLLAR_BEFORE_BRACES: Code = Code("L0033");
/// A comment that allows what is not there.
pub(in crate::lint) const UNUSED_ALLOW: Code = Code("L0038");
/// A comment that names no rule.
pub(in crate::lint) const UNKNOWN_LINT: Code = Code("L0039");
/// A comment that does not say why.
pub(in crate::lint) const ALLOW_WITHOUT_REASON: Code = Code("L0040");
