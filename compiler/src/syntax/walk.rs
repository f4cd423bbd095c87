//! Walks over all expressions of a file.

use super::ast::{
    Argument, Block, Change, Expression, ExpressionKind, File, ItemKind, Parameter, Statement, StatementKind,
    StringPart,
};
use crate::source::Span;

/// Calls `visit` for each expression of `file`, outer ones before inner ones. Types are not entered.
pub fn expressions<'a>(file: &'a File, visit: &mut dyn FnMut(&'a Expression)) {
    for item in &file.items {
        match &item.kind {
            ItemKind::Let { value, .. } => expression(value, visit),
            ItemKind::Fn { parameters, body, .. } => {
                parameters.iter().for_each(|p| parameter(p, visit));
                expression(body, visit);
            }
            ItemKind::Block { block, .. }
            | ItemKind::Interface { block, .. }
            | ItemKind::Test { block, .. } => self::block(block, visit),
            ItemKind::Function {
                parameters, block, ..
            } => {
                parameters.iter().for_each(|p| parameter(p, visit));
                self::block(block, visit);
            }
            ItemKind::Patch(patch) => block(&patch.block, visit),
            ItemKind::Deploy(deploy) => {
                arguments(&deploy.arguments, visit);
                block(&deploy.block, visit);
            }
            ItemKind::Use { .. }
            | ItemKind::Type { .. }
            | ItemKind::Enum { .. }
            | ItemKind::Moved { .. }
            | ItemKind::Error => {}
        }
    }
}

/// The text of a string without interpolation.
pub fn plain_text(expression: &Expression) -> Option<String> {
    let ExpressionKind::String(parts) = &expression.kind else {
        return None;
    };
    let mut text = String::new();
    for part in parts {
        match part {
            StringPart::Text(part) => text.push_str(part),
            StringPart::Interpolation(_) => return None,
        }
    }
    Some(text)
}

/// The expressions directly inside of `of`.
pub fn children(of: &Expression) -> Vec<&Expression> {
    match &of.kind {
        ExpressionKind::Literal(_) | ExpressionKind::Name(_) | ExpressionKind::Error => Vec::new(),
        ExpressionKind::String(parts) => parts
            .iter()
            .filter_map(|part| match part {
                StringPart::Text(_) => None,
                StringPart::Interpolation(inner) => Some(inner),
            })
            .collect(),
        ExpressionKind::Member { of, .. } | ExpressionKind::SafeMember { of, .. } => vec![of],
        ExpressionKind::Index { of, key } => vec![of, key],
        ExpressionKind::Match { subject, arms } => std::iter::once(&**subject)
            .chain(arms.iter().map(|arm| &arm.value))
            .collect(),
        ExpressionKind::Call { callee, arguments } => std::iter::once(&**callee)
            .chain(arguments.iter().map(|a| &a.value))
            .collect(),
        ExpressionKind::List(elements) => elements.iter().collect(),
        ExpressionKind::Record(fields) => fields.iter().filter_map(|(_, value)| value.as_ref()).collect(),
        ExpressionKind::Comprehension {
            key,
            element,
            list,
            condition,
            ..
        } => {
            let mut all = vec![&**list];
            all.extend(key.as_deref());
            all.push(&**element);
            all.extend(condition.as_deref());
            all
        }
        ExpressionKind::If {
            condition,
            then,
            otherwise,
        } => vec![condition, then, otherwise],
        ExpressionKind::Unary { operand, .. } => vec![operand],
        ExpressionKind::Binary { left, right, .. } => vec![left, right],
    }
}

/// The blocks directly inside of a statement.
pub fn blocks(of: &Statement) -> Vec<&Block> {
    match &of.kind {
        StatementKind::Named { block, .. }
        | StatementKind::OnLeave { block }
        | StatementKind::Nodes { block, .. }
        | StatementKind::Run { block, .. }
        | StatementKind::AcceptGap { block, .. }
        | StatementKind::AcceptPolicy { block, .. }
        | StatementKind::For { block, .. }
        | StatementKind::Change(Change { block, .. })
        | StatementKind::Signature { block, .. }
        | StatementKind::ExpectError { block, .. } => vec![block],
        StatementKind::Deploy(deploy) => vec![&deploy.block],
        StatementKind::Match { arms, .. } => arms.iter().map(|arm| &arm.value).collect(),
        StatementKind::If { branches, otherwise } => {
            branches.iter().map(|(_, block)| block).chain(otherwise).collect()
        }
        StatementKind::Field { .. }
        | StatementKind::Declaration { .. }
        | StatementKind::Let { .. }
        | StatementKind::Out { .. }
        | StatementKind::Requires { .. }
        | StatementKind::Provides { .. }
        | StatementKind::Needs { .. }
        | StatementKind::Choice { .. }
        | StatementKind::Assert { .. }
        | StatementKind::Error => Vec::new(),
    }
}

/// Calls `visit` for `of` and all expressions inside of it.
pub fn expression<'a>(of: &'a Expression, visit: &mut dyn FnMut(&'a Expression)) {
    visit(of);
    for child in children(of) {
        expression(child, visit);
    }
}

fn arguments<'a>(list: &'a [Argument], visit: &mut dyn FnMut(&'a Expression)) {
    list.iter()
        .for_each(|argument| expression(&argument.value, visit));
}

fn parameter<'a>(parameter: &'a Parameter, visit: &mut dyn FnMut(&'a Expression)) {
    if let Some(default) = &parameter.default {
        expression(default, visit);
    }
}

fn block<'a>(of: &'a Block, visit: &mut dyn FnMut(&'a Expression)) {
    of.statements.iter().for_each(|s| statement(s, visit));
}

fn statement<'a>(of: &'a Statement, visit: &mut dyn FnMut(&'a Expression)) {
    match &of.kind {
        StatementKind::Field { value, .. } | StatementKind::Let { value, .. } => expression(value, visit),
        StatementKind::Declaration { parameter: p, .. } => parameter(p, visit),
        StatementKind::Named { block: b, .. }
        | StatementKind::OnLeave { block: b }
        | StatementKind::Nodes { block: b, .. }
        | StatementKind::AcceptGap { block: b, .. }
        | StatementKind::AcceptPolicy { block: b, .. }
        | StatementKind::ExpectError { block: b, .. } => block(b, visit),
        StatementKind::Run {
            arguments: list,
            block: b,
            ..
        } => {
            arguments(list, visit);
            block(b, visit);
        }
        StatementKind::Change(change) => block(&change.block, visit),
        StatementKind::Out { value, .. } => value.iter().for_each(|v| expression(v, visit)),
        StatementKind::If { branches, otherwise } => {
            for (condition, b) in branches {
                expression(condition, visit);
                block(b, visit);
            }
            otherwise.iter().for_each(|b| block(b, visit));
        }
        StatementKind::Match { subject, arms } => {
            expression(subject, visit);
            arms.iter().for_each(|arm| block(&arm.value, visit));
        }
        StatementKind::For {
            list, by, block: b, ..
        } => {
            expression(list, visit);
            by.iter().for_each(|e| expression(e, visit));
            block(b, visit);
        }
        StatementKind::Provides { level, .. } => expression(level, visit),
        StatementKind::Deploy(deploy) => {
            arguments(&deploy.arguments, visit);
            block(&deploy.block, visit);
        }
        StatementKind::Signature {
            parameters, block: b, ..
        } => {
            parameters.iter().for_each(|p| parameter(p, visit));
            block(b, visit);
        }
        StatementKind::Assert { condition, .. } => expression(condition, visit),
        StatementKind::Requires { .. }
        | StatementKind::Needs { .. }
        | StatementKind::Choice { .. }
        | StatementKind::Error => {}
    }
}

/// The `$` directly before the braces of interpolations, which belong to other languages; `source` is the text of `string`.
pub(crate) fn dollars(parts: &[StringPart], string: Span, source: &str) -> Vec<Span> {
    let mut all = Vec::new();
    for pair in parts.windows(2) {
        let [StringPart::Text(before), StringPart::Interpolation(inner)] = pair else {
            continue;
        };
        let start = inner.span.range().start.saturating_sub(string.range().start);
        let ahead = source.get(..start).unwrap_or_default();
        let ahead = ahead.trim_end_matches(|c: char| c == '(' || c.is_whitespace());
        // An escape that stands for a dollar is meant.
        if let Some(ahead) = ahead.strip_suffix("${")
            && before.ends_with('$')
        {
            let at = string.range().start + ahead.len();
            all.push(Span::new(string.source, at, at + 1));
        }
    }
    all
}
