//! Expressions.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::check::{Expression as Typed, ExpressionKind as TypedKind, Statement, Type};
use crate::diagnostics::Diagnostic;
use crate::lint::look::Look;
use crate::source::Span;
use crate::syntax::ast::{
    BinaryOperator, BlockWord, Expression, ExpressionKind, ItemKind, Literal, Name, StatementKind,
    StringPart, UnaryOperator,
};
use crate::syntax::walk::{dollars, plain_text};

use super::codes as c;

/// Words of names whose values are nobody's business.
const SECRET: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "private_key",
    "credential",
];
/// Endings of names that speak about a secret, and are none.
const ABOUT: [&str; 6] = ["_file", "_path", "_name", "_length", "_url", "_id"];

/// L0010
pub(super) fn plain_secret(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    let mut see = |name: &Name, value: &Expression| {
        let lower = name.text.to_lowercase();
        let named = SECRET.iter().any(|s| lower.contains(s)) && !ABOUT.iter().any(|a| lower.ends_with(a));
        let plain = plain_text(value).is_some_and(|text| !text.is_empty() && !text.starts_with('/'));
        if named && plain {
            let message = format!("`{}` stands in plain text", name.text);
            all.push(Diagnostic::warning(c::PLAIN_SECRET, value.span, message).help(
                "a spec is read by many, and plans and states keep it: take it from outside of the spec",
            ));
        }
    };
    for item in look.items() {
        match &item.kind {
            ItemKind::Let { name, value, .. } => see(name, value),
            ItemKind::Function { parameters, .. } => {
                for parameter in parameters {
                    parameter.default.iter().for_each(|d| see(&parameter.name, d));
                }
            }
            ItemKind::Deploy(deploy) => {
                for argument in &deploy.arguments {
                    argument.name.iter().for_each(|name| see(name, &argument.value));
                }
            }
            _ => {}
        }
        if let ItemKind::Block { block, .. } | ItemKind::Function { block, .. } = &item.kind {
            for statement in look.statements(block) {
                match &statement.kind {
                    StatementKind::Field { name, value } | StatementKind::Let { name, value, .. } => {
                        see(name, value);
                    }
                    StatementKind::Run { arguments, .. } => {
                        for argument in arguments {
                            argument.name.iter().for_each(|name| see(name, &argument.value));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    for expression in look.expressions() {
        if let ExpressionKind::Record(fields) = &expression.kind {
            for (name, value) in fields {
                value.iter().for_each(|value| see(name, value));
            }
        }
    }
    all
}

/// L0018
pub(super) fn fixed_address(look: &Look<'_>) -> Vec<Diagnostic> {
    // Networks say their own addresses, and a site what is there already.
    let own: Vec<Span> = look
        .items()
        .iter()
        .filter(|item| {
            matches!(
                item.kind,
                ItemKind::Block {
                    word: BlockWord::Network | BlockWord::Site,
                    ..
                }
            )
        })
        .map(|item| item.span)
        .collect();
    let mut all = Vec::new();
    for expression in look.expressions() {
        let span = expression.span;
        if own.iter().any(|o| o.start <= span.start && span.end <= o.end) {
            continue;
        }
        let address = match &expression.kind {
            ExpressionKind::Literal(Literal::Ip(address)) => Some(*address),
            ExpressionKind::String(parts) => parts.iter().find_map(|part| match part {
                StringPart::Text(text) => address_in(text),
                StringPart::Interpolation(_) => None,
            }),
            _ => None,
        };
        let Some(address) = address else { continue };
        if let Some((network, cidr)) = look
            .facts
            .networks
            .iter()
            .find(|(_, cidr)| cidr.contains(&address))
        {
            let message = format!("`{address}` is an address of the network `{}`", network.text);
            all.push(
                Diagnostic::warning(c::FIXED_ADDRESS, span, message)
                    .label(network.span, cidr.to_string())
                    .help("addresses are given to nodes by the record: use `node.address`, or an output"),
            );
        }
    }
    all
}

/// The first IPv4 address in a text.
fn address_in(text: &str) -> Option<IpAddr> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    words
        .filter(|word| word.matches('.').count() == 3)
        .find_map(|word| word.parse().ok())
}

fn opposite(operator: BinaryOperator) -> Option<&'static str> {
    Some(match operator {
        BinaryOperator::Equal => "!=",
        BinaryOperator::NotEqual => "==",
        BinaryOperator::Less => ">=",
        BinaryOperator::LessOrEqual => ">",
        BinaryOperator::Greater => "<=",
        BinaryOperator::GreaterOrEqual => "<",
        _ => return None,
    })
}

/// L0024
pub(super) fn negated_comparison(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for expression in look.expressions() {
        let ExpressionKind::Unary {
            operator: UnaryOperator::Not,
            operand,
        } = &expression.kind
        else {
            continue;
        };
        let ExpressionKind::Binary {
            operator,
            left,
            right,
            ..
        } = &operand.kind
        else {
            continue;
        };
        let Some(opposite) = opposite(*operator) else {
            continue;
        };
        let text = format!("{} {opposite} {}", look.text(left.span), look.text(right.span));
        let message = format!("`not` before a comparison: `{opposite}` says it");
        all.push(
            Diagnostic::warning(c::NEGATED_COMPARISON, expression.span, message).fix(
                expression.span,
                text.clone(),
                format!("write `{text}`"),
            ),
        );
    }
    all
}

fn is_comparison(operator: BinaryOperator) -> bool {
    opposite(operator).is_some()
}

/// L0025
pub(super) fn constant_comparison(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    let literal = |e: &Expression| matches!(e.kind, ExpressionKind::Literal(_)) || plain_text(e).is_some();
    for expression in look.expressions() {
        match &expression.kind {
            ExpressionKind::Binary {
                operator,
                left,
                right,
                ..
            } if is_comparison(*operator) => {
                let same = look.text(left.span) == look.text(right.span);
                if same || literal(left) && literal(right) {
                    let message = "this comparison always says the same";
                    let text = if same {
                        "both sides are the same"
                    } else {
                        "both sides are known"
                    };
                    all.push(
                        Diagnostic::warning(c::CONSTANT_COMPARISON, expression.span, message)
                            .here(text)
                            .help("compare with what was meant, or take the condition out"),
                    );
                }
            }
            ExpressionKind::If { condition, .. } => all.extend(constant_condition(condition)),
            _ => {}
        }
    }
    for function in look.functions() {
        for statement in look.statements(function.block) {
            if let StatementKind::If { branches, .. } = &statement.kind {
                all.extend(
                    branches
                        .iter()
                        .filter_map(|(condition, _)| constant_condition(condition)),
                );
            }
        }
    }
    all
}

fn constant_condition(condition: &Expression) -> Option<Diagnostic> {
    matches!(condition.kind, ExpressionKind::Literal(Literal::Bool(_))).then(|| {
        Diagnostic::warning(
            c::CONSTANT_COMPARISON,
            condition.span,
            "this condition always says the same",
        )
        .help("take the `if` out, and keep the branch that is meant")
    })
}

/// L0026
pub(super) fn needless_interpolation(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut text_only: HashMap<Span, bool> = HashMap::new();
    for body in look.bodies() {
        bodies(body, &mut |e| {
            if let (TypedKind::Concat(parts), Type::String) = (&e.kind, &e.ty)
                && let [one] = parts.as_slice()
            {
                text_only.insert(e.span, one.ty == Type::String);
            }
        });
    }
    let mut all = Vec::new();
    for expression in look.expressions() {
        let ExpressionKind::String(parts) = &expression.kind else {
            continue;
        };
        let [StringPart::Interpolation(inner)] = parts.as_slice() else {
            continue;
        };
        if text_only.get(&expression.span) == Some(&true) {
            let text = look.text(inner.span);
            let message = "this string is only what is put into it";
            all.push(
                Diagnostic::warning(c::NEEDLESS_INTERPOLATION, expression.span, message).fix(
                    expression.span,
                    text,
                    format!("write `{text}`"),
                ),
            );
        }
    }
    all
}

/// All checked expressions of a body.
fn bodies(body: &[Statement], see: &mut dyn FnMut(&Typed)) {
    fn inside(e: &Typed, see: &mut dyn FnMut(&Typed)) {
        see(e);
        e.children().into_iter().for_each(|child| inside(child, see));
    }
    for statement in body {
        match statement {
            Statement::Let(_, value) | Statement::Out(_, value) => inside(value, see),
            Statement::Step(step) => step.fields.values().for_each(|e| inside(e, see)),
            Statement::Group(group) => group.fields.values().for_each(|e| inside(e, see)),
            Statement::Run(run) => run
                .arguments
                .values()
                .chain(run.fields.values())
                .for_each(|e| inside(e, see)),
            Statement::If(branches, otherwise) => {
                for (condition, body) in branches {
                    inside(condition, see);
                    bodies(body, see);
                }
                bodies(otherwise, see);
            }
            Statement::Match(subject, arms) => {
                inside(subject, see);
                arms.iter().for_each(|(_, body)| bodies(body, see));
            }
            Statement::For(turns) => {
                inside(&turns.list, see);
                turns.by.iter().for_each(|by| inside(by, see));
                bodies(&turns.body, see);
            }
            Statement::OnLeave(body) => bodies(body, see),
        }
    }
}

/// L0033
pub(super) fn dollar_before_braces(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for expression in look.expressions() {
        let ExpressionKind::String(parts) = &expression.kind else {
            continue;
        };
        for at in dollars(parts, expression.span, look.text(expression.span)) {
            let message = "this `$` stays in the text, before what is put in";
            all.push(
                Diagnostic::warning(c::DOLLAR_BEFORE_BRACES, at, message)
                    .help("rebar interpolates with `{…}`, without `$`; for a dollar sign write `\\u{24}`")
                    .likely_fix(at, "", "take the `$` out"),
            );
        }
    }
    all
}

/// L0029
pub(super) fn comparison_with_bool(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for expression in look.expressions() {
        let ExpressionKind::Binary {
            operator: operator @ (BinaryOperator::Equal | BinaryOperator::NotEqual),
            left,
            right,
            ..
        } = &expression.kind
        else {
            continue;
        };
        let (value, other) = match (&left.kind, &right.kind) {
            (_, ExpressionKind::Literal(Literal::Bool(value))) => (*value, left),
            (ExpressionKind::Literal(Literal::Bool(value)), _) => (*value, right),
            _ => continue,
        };
        if matches!(other.kind, ExpressionKind::Literal(_)) {
            continue;
        }
        let holds = value == (*operator == BinaryOperator::Equal);
        all.push(instead(
            look,
            c::COMPARISON_WITH_BOOL,
            expression,
            other,
            holds,
            "a `Bool` needs no comparison",
        ));
    }
    all
}

/// L0030
pub(super) fn needless_if(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for expression in look.expressions() {
        let ExpressionKind::If {
            condition,
            then,
            otherwise,
        } = &expression.kind
        else {
            continue;
        };
        let (ExpressionKind::Literal(Literal::Bool(a)), ExpressionKind::Literal(Literal::Bool(b))) =
            (&then.kind, &otherwise.kind)
        else {
            continue;
        };
        if a != b {
            all.push(instead(
                look,
                c::NEEDLESS_IF,
                expression,
                condition,
                *a,
                "the condition says it already",
            ));
        }
    }
    all
}

/// A warning that `value` (or its opposite) says the same as `whole`.
fn instead(
    look: &Look<'_>,
    code: crate::diagnostics::Code,
    whole: &Expression,
    value: &Expression,
    holds: bool,
    message: &str,
) -> Diagnostic {
    let text = look.text(value.span);
    let simple = text.starts_with('(')
        || matches!(
            value.kind,
            ExpressionKind::Name(_) | ExpressionKind::Member { .. } | ExpressionKind::Call { .. }
        );
    let text = match (holds, simple) {
        (true, true) => text.to_owned(),
        (true, false) => format!("({text})"),
        (false, true) => format!("not {text}"),
        (false, false) => format!("not ({text})"),
    };
    // Around it may stand what binds tighter than `not`.
    let fix = crate::diagnostics::Fix::new(
        format!("write `{text}`"),
        match holds {
            true => crate::diagnostics::Applicability::Sure,
            false => crate::diagnostics::Applicability::Likely,
        },
    );
    Diagnostic::warning(code, whole.span, message).add_fix(fix.edit(whole.span, text))
}
