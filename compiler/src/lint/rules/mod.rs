//! The rules, in the order of their codes.

pub(super) mod codes;
mod expressions;
mod machines;
mod naming;
mod roles;
mod unused;

use super::{Level, Rule};
use codes as c;

const fn warn(
    code: crate::diagnostics::Code,
    name: &'static str,
    check: fn(&super::look::Look<'_>) -> Vec<crate::Diagnostic>,
) -> Rule {
    Rule {
        code,
        name,
        level: Level::Warn,
        check: Some(check),
    }
}

const fn of_comments(code: crate::diagnostics::Code, name: &'static str) -> Rule {
    Rule {
        code,
        name,
        level: Level::Warn,
        check: None,
    }
}

/// All of them.
pub(super) const ALL: &[Rule] = &[
    warn(c::UNUSED_PARAMETER, "unused-parameter", unused::parameters),
    warn(c::UNUSED_VALUE, "unused-value", unused::values),
    warn(c::UNUSED_TYPE, "unused-type", unused::types),
    warn(c::UNUSED_ROLE, "unused-role", unused::roles),
    warn(c::UNUSED_ITEM, "unused-item", unused::items),
    warn(c::UNUSED_GROUP, "unused-group", unused::groups),
    warn(c::UNUSED_OUTPUT, "unused-output", unused::outputs),
    warn(c::MISSING_DOCS, "missing-docs", naming::missing_docs),
    warn(c::NEAR_NAMES, "near-names", naming::near_names),
    warn(c::PLAIN_SECRET, "plain-secret", expressions::plain_secret),
    warn(c::WORLD_WRITABLE, "world-writable", roles::world_writable),
    warn(c::CONSTANT_GUARD, "constant-guard", roles::constant_guard),
    warn(c::ONCE_WITH_GUARD, "once-with-guard", roles::once_with_guard),
    warn(
        c::OUTPUT_WITHOUT_PROBE,
        "output-without-probe",
        roles::output_without_probe,
    ),
    warn(c::COUNT_OF_ONE, "count-of-one", machines::count_of_one),
    warn(c::EQUAL_TO_DEFAULT, "equal-to-default", roles::equal_to_default),
    warn(c::PORT_TYPE, "port-type", naming::port_type),
    warn(c::FIXED_ADDRESS, "fixed-address", expressions::fixed_address),
    warn(c::NO_GATEWAY, "no-gateway", machines::no_gateway),
    warn(
        c::OVERLAPPING_NETWORKS,
        "overlapping-networks",
        machines::overlapping_networks,
    ),
    warn(c::EVEN_QUORUM, "even-quorum", machines::even_quorum),
    warn(c::CANARY_OF_ALL, "canary-of-all", machines::canary_of_all),
    warn(
        c::SETTLE_WITHOUT_PROBE,
        "settle-without-probe",
        machines::settle_without_probe,
    ),
    warn(
        c::NEGATED_COMPARISON,
        "negated-comparison",
        expressions::negated_comparison,
    ),
    warn(
        c::CONSTANT_COMPARISON,
        "constant-comparison",
        expressions::constant_comparison,
    ),
    warn(
        c::NEEDLESS_INTERPOLATION,
        "needless-interpolation",
        expressions::needless_interpolation,
    ),
    warn(c::STRAY_SPACE, "stray-space", roles::stray_space),
    warn(c::NAMING_STYLE, "naming-style", naming::style),
    warn(
        c::COMPARISON_WITH_BOOL,
        "comparison-with-bool",
        expressions::comparison_with_bool,
    ),
    warn(c::NEEDLESS_IF, "needless-if", expressions::needless_if),
    warn(
        c::TEST_WITHOUT_ASSERTION,
        "test-without-assertion",
        unused::tests_without_assertion,
    ),
    warn(c::EMPTY_ROLE, "empty-role", unused::empty_roles),
    warn(
        c::DOLLAR_BEFORE_BRACES,
        "dollar-before-braces",
        expressions::dollar_before_braces,
    ),
    of_comments(c::UNUSED_ALLOW, "unused-allow"),
    of_comments(c::UNKNOWN_LINT, "unknown-lint"),
    of_comments(c::ALLOW_WITHOUT_REASON, "allow-without-reason"),
];
