//! `match`: patterns against the type of what is looked at.

use std::collections::BTreeMap;

use serde_json::Value;

use super::coerce::noun;
use super::exhaustive;
use super::expressions::error;
use super::typed::{Expression, ExpressionKind, Pattern};
use super::types::Type;
use super::{Checker, Expected};
use crate::diagnostics::codes::types;
use crate::diagnostics::{Diagnostic, Fix};
use crate::resolve::list_of;
use crate::source::Span;
use crate::syntax::ast::{self, PatternKind};

/// How many missing patterns a message lists.
const LISTED: usize = 8;

impl Checker<'_> {
    pub(super) fn match_value(
        &mut self,
        subject: &ast::Expression,
        arms: &[ast::Arm<ast::Expression>],
        expected: Option<&Expected>,
        span: Span,
    ) -> Expression {
        let subject = self.infer(subject, None);
        let patterns = self.patterns(&subject, arms, span, "…");
        let mut result = Type::Error;
        let mut checked: Vec<(Pattern, Expression)> = Vec::new();
        for (pattern, arm) in patterns.into_iter().zip(arms) {
            let value = match expected {
                Some(expected) => self.expression(&arm.value, expected),
                None => self.infer(&arm.value, None),
            };
            match result.join(&value.ty) {
                Some(joined) => result = joined,
                None if expected.is_some() => {}
                None => {
                    let message = format!("one arm is {}, another {}", noun(&result), noun(&value.ty));
                    let first = checked.first().map_or(span, |(_, v)| v.span);
                    self.report(
                        Diagnostic::error(types::MISMATCH, value.span, message)
                            .here(noun(&value.ty))
                            .label(first, noun(&result)),
                    );
                    return error(span);
                }
            }
            checked.push((pattern, value));
        }
        if let Some(expected) = expected.filter(|e| result == Type::Error && e.ty != Type::Error) {
            result = expected.ty.clone();
        }
        Expression {
            kind: ExpressionKind::Match(Box::new(subject), checked),
            ty: result,
            span,
        }
    }

    /// The patterns of a `match`; what they leave out is an error, what they name twice a warning.
    pub(super) fn patterns<T>(
        &mut self,
        subject: &Expression,
        arms: &[ast::Arm<T>],
        span: Span,
        placeholder: &str,
    ) -> Vec<Pattern> {
        let mut ty = subject.ty.clone();
        let mut patterns = Vec::new();
        let before = self.diagnostics.len();
        for arm in arms {
            let pattern = self.pattern(&arm.pattern, &ty);
            // What comes after `None` is there.
            if pattern == Pattern::Missing
                && let Type::Optional(inner) = ty.clone()
            {
                ty = *inner;
            }
            patterns.push(pattern);
        }
        if subject.ty == Type::Error || self.diagnostics.len() > before {
            return patterns;
        }
        for arm in arms {
            if let PatternKind::Binding(name) = &arm.pattern.kind {
                self.like_a_variant(name, &subject.ty);
            }
        }
        let mut budget = exhaustive::BUDGET;
        for (index, arm) in arms.iter().enumerate() {
            if !exhaustive::reachable(&patterns[..index], &patterns[index], &subject.ty, &mut budget) {
                let warning = Diagnostic::warning(
                    types::UNREACHABLE_ARM,
                    arm.pattern.span,
                    "this arm is never reached",
                );
                self.report(
                    warning
                        .here("whatever looks so")
                        .label(
                            arms[0]
                                .pattern
                                .span
                                .to(arms[index.saturating_sub(1)].pattern.span),
                            "is taken by an arm before",
                        )
                        .help("take it out, or move it up"),
                );
            }
        }
        let missing = exhaustive::missing(&patterns, &subject.ty, &mut budget);
        if budget == 0 {
            let message = "this `match` has too many cases to be looked through";
            self.report(Diagnostic::error(types::NOT_EXHAUSTIVE, span, message).help("end it with `_ => …`"));
        } else if !missing.is_empty() {
            self.report(self.not_exhaustive(subject, arms, span, &missing, placeholder));
        }
        patterns
    }

    /// Warns of a name that takes everything where a variant in another case is probably meant.
    fn like_a_variant(&mut self, name: &ast::Name, ty: &Type) {
        let Type::Enum(definition) = strip(ty) else { return };
        let like = |variant: &&String| variant.eq_ignore_ascii_case(&name.text);
        let Some(variant) = definition.variants.iter().find(like) else {
            return;
        };
        let message = format!(
            "`{}` takes every value that is left, not only `{variant}`",
            name.text
        );
        let mut warning = Diagnostic::warning(types::LIKE_A_VARIANT, name.span, message)
            .here("a new name, since it begins with a small letter")
            .help(format!(
                "write `{variant}` for the variant; `_` for whatever is left"
            ))
            .likely_fix(name.span, variant.as_str(), format!("write `{variant}`"));
        if let Some(declared) = definition.span {
            warning = warning.label(declared, format!("this enum has the variant `{variant}`"));
        }
        self.report(warning);
    }

    fn not_exhaustive<T>(
        &self,
        subject: &Expression,
        arms: &[ast::Arm<T>],
        span: Span,
        missing: &[String],
        placeholder: &str,
    ) -> Diagnostic {
        let shown: Vec<&str> = missing.iter().map(String::as_str).take(LISTED).collect();
        let more = if missing.len() > LISTED { " and others" } else { "" };
        let message = format!("this `match` says nothing about {}{more}", list_of(&shown));
        let head = Span {
            end: subject.span.end,
            ..span
        };
        let mut diagnostic = Diagnostic::error(types::NOT_EXHAUSTIVE, head, message)
            .here(format!("looks at {}", noun(&subject.ty)));
        if let Type::Enum(definition) = subject.ty.base()
            && let Some(declared) = definition.span
        {
            diagnostic = diagnostic.label(declared, "the enum is defined here");
        }
        let new: Vec<String> = missing
            .iter()
            .take(LISTED)
            .map(|pattern| format!("{pattern} => {placeholder}"))
            .collect();
        diagnostic = diagnostic.help(format!("add {}", new.join(", ")));
        let Some(last) = arms.last() else {
            return diagnostic;
        };
        let line = self.sources.position(last.span).0;
        let on_its_own = line != self.sources.position(span).0;
        let separator = match on_its_own {
            true => format!(
                "\n{}",
                " ".repeat(self.sources.position(last.span).1.saturating_sub(1))
            ),
            false => ", ".to_owned(),
        };
        let end = Span {
            start: last.span.end,
            ..last.span
        };
        let text: String = new.iter().map(|arm| format!("{separator}{arm}")).collect();
        let title = "add the missing arms";
        diagnostic.add_fix(Fix::unfinished(title).edit(end, text))
    }

    fn pattern(&mut self, pattern: &ast::Pattern, ty: &Type) -> Pattern {
        match &pattern.kind {
            PatternKind::Any => Pattern::Any,
            PatternKind::Binding(name) => {
                let ty = match self.locals.get(&name.span) {
                    Some(before) => before.join(ty).unwrap_or_else(|| ty.clone()),
                    None => ty.clone(),
                };
                self.locals.insert(name.span, ty);
                Pattern::Name(name.text.clone())
            }
            PatternKind::Alternatives(all) => self.alternatives(all, ty),
            PatternKind::Literal(literal) => match self.pattern_value(literal, ty) {
                Some(value) => Pattern::Literal(value),
                None => Pattern::Any,
            },
            PatternKind::Range(low, high) => {
                let (low_value, high_value) = (self.pattern_value(low, ty), self.pattern_value(high, ty));
                let (Some(low), Some(high)) = (low_value, high_value) else {
                    return Pattern::Any;
                };
                let inner = strip(ty);
                if !inner.is_ordered() {
                    let message = format!("a range of {} means nothing", noun(inner));
                    self.report(Diagnostic::error(types::BAD_PATTERN, pattern.span, message));
                    return Pattern::Any;
                }
                if !super::rules::within(&low, &low, &high) {
                    let message = "no value lies in this range";
                    let diagnostic = Diagnostic::error(types::BAD_PATTERN, pattern.span, message);
                    self.report(diagnostic.help("write the lower end first"));
                }
                Pattern::Range(low, high)
            }
            PatternKind::Variant { name, fields } if name.text == "None" && fields.is_empty() => {
                if !matches!(ty, Type::Optional(_) | Type::Error) {
                    let message = format!("{} is always there", noun(ty));
                    let diagnostic = Diagnostic::error(types::BAD_PATTERN, pattern.span, message);
                    self.report(diagnostic.help("`None` is for values that may be missing: `T?`"));
                    return Pattern::Any;
                }
                Pattern::Missing
            }
            PatternKind::Variant { name, fields } => self.variant_pattern(name, fields, ty),
        }
    }

    /// Names of alternatives are those of the first one.
    fn alternatives(&mut self, all: &[ast::Pattern], ty: &Type) -> Pattern {
        let mut patterns = Vec::new();
        let mut first: BTreeMap<String, Span> = BTreeMap::new();
        for (index, one) in all.iter().enumerate() {
            patterns.push(self.pattern(one, ty));
            for name in crate::resolve::bindings(one) {
                let Some(given) = self.locals.get(&name.span).cloned() else {
                    continue;
                };
                if index == 0 {
                    first.insert(name.text.clone(), name.span);
                } else if let Some(declared) = first.get(&name.text).copied() {
                    let before = self.locals.get(&declared).cloned().unwrap_or(Type::Error);
                    match before.join(&given) {
                        Some(joined) => {
                            self.locals.insert(declared, joined);
                        }
                        None => {
                            let message = format!("`{}` is {} here", name.text, noun(&given));
                            self.report(
                                Diagnostic::error(types::MISMATCH, name.span, message)
                                    .label(declared, format!("and {} here", noun(&before))),
                            );
                        }
                    }
                }
            }
        }
        Pattern::Either(patterns)
    }

    fn pattern_value(&mut self, literal: &ast::Expression, ty: &Type) -> Option<Value> {
        let inner = match strip(ty) {
            Type::Range(_) | Type::Record(_) | Type::List(_) => {
                let message = format!("a literal is never {}", noun(ty));
                self.report(Diagnostic::error(types::BAD_PATTERN, literal.span, message));
                return None;
            }
            other => other.clone(),
        };
        let value = self.expression(literal, &Expected::of(inner));
        self.constant(&value)
    }

    fn variant_pattern(
        &mut self,
        name: &ast::Name,
        fields: &[(ast::Name, Option<ast::Pattern>)],
        ty: &Type,
    ) -> Pattern {
        let definition = match strip(ty).enumeration() {
            Type::Enum(definition) => definition.clone(),
            other => {
                if *other != Type::Error {
                    let message = format!("`{}` is a variant, and {} has none", name.text, noun(other));
                    let diagnostic = Diagnostic::error(types::BAD_PATTERN, name.span, message);
                    self.report(diagnostic.help("a name for anything begins with a small letter"));
                }
                self.unknown_bindings(fields);
                return Pattern::Any;
            }
        };
        if !definition.variants.contains(&name.text) {
            self.no_variant(&definition, name);
            self.unknown_bindings(fields);
            return Pattern::Any;
        }
        let declared = definition.data.get(&name.text).cloned().unwrap_or_default();
        let mut inner = BTreeMap::new();
        for (field, pattern) in fields {
            let Some((_, ty)) = declared.iter().find(|(n, _)| *n == field.text) else {
                let message = format!("the variant `{}` has no field `{}`", name.text, field.text);
                let known: Vec<&str> = declared.iter().map(|(n, _)| n.as_str()).collect();
                let mut unknown = Diagnostic::error(types::UNKNOWN_FIELD, field.span, message)
                    .suggest(&field.text, known.iter().copied());
                if unknown.help.is_none() {
                    unknown = unknown.help(match known.is_empty() {
                        true => "it has none".to_owned(),
                        false => format!("it has {}", list_of(&known)),
                    });
                }
                self.report(unknown);
                self.unknown_bindings(std::slice::from_ref(&(field.clone(), pattern.clone())));
                continue;
            };
            let checked = match pattern {
                Some(pattern) => self.pattern(pattern, ty),
                None => {
                    self.locals.insert(field.span, ty.clone());
                    Pattern::Name(field.text.clone())
                }
            };
            if inner.insert(field.text.clone(), checked).is_some() {
                let message = format!("the field `{}` is there twice", field.text);
                self.report(Diagnostic::error(types::DUPLICATE_FIELD, field.span, message));
            }
        }
        Pattern::Variant(name.text.clone(), inner)
    }

    /// Names of a pattern that was reported stand for anything.
    fn unknown_bindings(&mut self, fields: &[(ast::Name, Option<ast::Pattern>)]) {
        for (name, pattern) in fields {
            match pattern {
                Some(pattern) => {
                    for name in crate::resolve::bindings(pattern) {
                        self.locals.insert(name.span, Type::Error);
                    }
                }
                None => {
                    self.locals.insert(name.span, Type::Error);
                }
            }
        }
    }
}

fn strip(ty: &Type) -> &Type {
    match ty {
        Type::Optional(inner) => strip(inner),
        Type::Refined(refined) => strip(&refined.base),
        other => other,
    }
}
