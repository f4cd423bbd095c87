//! Whether a value fits the place where it stands.

use super::typed::{Check, Expression, ExpressionKind, Requirement};
use super::types::Type;
use super::{Checker, Expected};
use crate::diagnostics::codes::types;
use crate::diagnostics::{Diagnostic, Fix};
use crate::source::Span;

impl Checker<'_> {
    /// The value as the place takes it; anything else is reported, and becomes an error value.
    pub(super) fn coerce(&mut self, value: Expression, expected: &Expected) -> Expression {
        if value.ty == Type::Error || expected.ty == Type::Error {
            return value;
        }
        if !expected.ty.accepts(&value.ty) {
            let mut told = match value.ty.holds_secret() && !expected.ty.holds_secret() {
                true => self.would_show(&value, expected),
                false => mismatch(&value, expected),
            };
            // Data of other files and arguments are written otherwise.
            if !self.sources.get(value.span.source).name.ends_with(".rebar") {
                told.fixes.clear();
            }
            self.report(told);
            return Expression {
                kind: ExpressionKind::Error,
                ty: Type::Error,
                span: value.span,
            };
        }
        match requirement(&expected.ty, &value.ty) {
            Some(check) => self.keep(value, check, expected),
            None => value,
        }
    }

    /// Holds a value against a rule: now if it is known, else when it is.
    pub(super) fn keep(&mut self, value: Expression, check: Check, expected: &Expected) -> Expression {
        if let Some(known) = self.constant(&value) {
            let mut scope = super::evaluate::Scope::of(&self.typed);
            scope.left = self.value_parts;
            let kept = super::choose::keep(&known, &check, value.span, &mut scope);
            let left = scope.left;
            if self.is_looked_at(self.module) {
                self.value_parts = left;
            }
            if let Err(stop) = kept {
                let super::evaluate::Stop::Error(mut diagnostic) = stop else {
                    return value;
                };
                // A rule that is written where the field is declared needs no second pointer there.
                if let Some(declared) = expected.declared.filter(|_| !check.name.is_empty()) {
                    let text = format!("`{}` is {}", expected.name, noun(&expected.ty));
                    *diagnostic = diagnostic.label(declared, text);
                }
                self.report(*diagnostic);
                return Expression {
                    kind: ExpressionKind::Error,
                    ty: Type::Error,
                    ..value
                };
            }
            return value;
        }
        let (ty, span) = (value.ty.clone(), value.span);
        Expression {
            kind: ExpressionKind::Checked(Box::new(value), check),
            ty,
            span,
        }
    }
}

/// The rule that a value of type `given` must keep to be one of `expected`.
fn requirement(expected: &Type, given: &Type) -> Option<Check> {
    match expected {
        Type::Refined(refined) if expected != given => {
            let name = refined.name.clone().unwrap_or_default();
            let rule = Requirement::Rule(refined.rule.clone());
            Some(Check {
                requirement: rule,
                name,
                declared: Some(refined.span),
            })
        }
        Type::Optional(inner) => match given {
            Type::Optional(given) => requirement(inner, given),
            _ => requirement(inner, given),
        },
        Type::Union(members) => {
            let fits: Vec<&Type> = members.iter().filter(|m| m.accepts(given)).collect();
            match fits.as_slice() {
                [single] => requirement(single, given),
                _ => None,
            }
        }
        _ => None,
    }
}

fn mismatch(value: &Expression, expected: &Expected) -> Diagnostic {
    let only_secrets = |ty: &Type| match ty {
        Type::Secret(_) => true,
        Type::Optional(inner) => matches!(**inner, Type::Secret(_)),
        _ => false,
    };
    let code = match only_secrets(&expected.ty) && value.ty.has_text() {
        true => types::NOT_SECRET,
        false => types::MISMATCH,
    };
    let message = format!("expected {}, found {}", noun(&expected.ty), noun(&value.ty));
    let mut diagnostic = Diagnostic::error(code, value.span, message).here(match &value.ty {
        Type::Record(_) => "this is a record".to_owned(),
        ty => format!("this is {}", noun(ty)),
    });
    if let Some(declared) = expected.declared {
        diagnostic = diagnostic.label(
            declared,
            format!("`{}` is declared here as `{}`", expected.name, expected.ty),
        );
    }
    let field = fitting_field(value, &expected.ty);
    let help = advice(value, &expected.ty).or_else(|| field.map(|field| format!("its field `{field}` fits")));
    if let Some(help) = help {
        diagnostic = diagnostic.help(help);
    }
    match conversion(value, &expected.ty, field) {
        Some(fix) => diagnostic.add_fix(fix),
        None => diagnostic,
    }
}

/// The only field of a value with a name whose type is the one that is expected.
fn fitting_field<'v>(value: &'v Expression, expected: &Type) -> Option<&'v str> {
    let named = matches!(
        value.kind,
        ExpressionKind::Variable(_) | ExpressionKind::Item(..) | ExpressionKind::Member(..)
    );
    let fields = match value.ty.base() {
        Type::Record(fields) => fields,
        Type::Thing(_, members) => &**members,
        _ => return None,
    };
    let mut fitting = fields
        .iter()
        .filter(|(_, ty)| **ty != Type::Error && expected.accepts(ty));
    let (name, _) = fitting.next().filter(|_| named)?;
    fitting.next().is_none().then_some(name.as_str())
}

/// The change that makes the value fit, where one is obvious.
fn conversion(value: &Expression, expected: &Type, field: Option<&str>) -> Option<Fix> {
    let (start, end) = (
        Span {
            end: value.span.start,
            ..value.span
        },
        Span {
            start: value.span.end,
            ..value.span
        },
    );
    if let Some(field) = field {
        return Some(Fix::likely(format!("take its field `{field}`")).edit(end, format!(".{field}")));
    }
    let wanted = match expected {
        Type::Optional(inner) => inner.base(),
        other => other.base(),
    };
    // The number is known, the unit is for a person to say.
    let unit = |unit: &str| Some(Fix::unfinished("give it a unit").edit(end, unit));
    match (&value.kind, value.ty.base(), wanted) {
        (ExpressionKind::Value(_), Type::Int, Type::Bytes) => unit("MiB"),
        (ExpressionKind::Value(_), Type::Int, Type::Duration) => unit("s"),
        (ExpressionKind::Value(_), Type::Int, Type::Rate) => unit("Gbps"),
        (ExpressionKind::Value(_), Type::Int, Type::Frequency) => unit("GHz"),
        (ExpressionKind::Value(_), Type::Int, Type::Percent) => Some(Fix::likely("write `%`").edit(end, "%")),
        (ExpressionKind::Value(number), Type::Int, Type::String) => {
            Some(Fix::likely("write it in quotes").edit(value.span, format!("\"{number}\"")))
        }
        (_, given, Type::List(element)) if element.accepts(given) => {
            Some(Fix::likely("make it a list").edit(start, "[").edit(end, "]"))
        }
        _ => None,
    }
}

/// A type with its article: "a `Url`", "an `Int`".
pub(super) fn noun(ty: &Type) -> String {
    let name = ty.to_string();
    let article = if name.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    format!("{article} `{name}`")
}

fn advice(value: &Expression, expected: &Type) -> Option<String> {
    let inner = match expected {
        Type::Optional(inner) => inner.base(),
        other => other.base(),
    };
    let is_string = *value.ty.base() == Type::String;
    let text = match &value.kind {
        ExpressionKind::Value(serde_json::Value::String(text)) => Some(text),
        _ => None,
    };
    match (value.ty.base(), inner) {
        (Type::Optional(given), _) if expected.accepts(given) => {
            Some("it may be missing: say with `??` what to take instead".to_owned())
        }
        (
            _,
            Type::Ip
            | Type::Cidr
            | Type::Mac
            | Type::Int
            | Type::Float
            | Type::Bool
            | Type::Duration
            | Type::Percent
            | Type::Bytes,
        ) if is_string && text.is_some_and(|t| may_go_without_quotes(t, inner)) => {
            Some("write it without quotes".to_owned())
        }
        (given, Type::Secret(_)) if given.has_text() => Some(
            "what stands in a spec is no secret: take it from outside, `secret(\"name\")`, or let it be made, `generated(\"name\")`".to_owned(),
        ),
        (_, Type::Union(members)) => members.iter().find_map(|m| advice(value, m)),
        (Type::Int, Type::Bytes) => Some("give a unit, such as `512MiB`".to_owned()),
        (Type::Int, Type::Duration) => Some("give a unit, such as `30s`".to_owned()),
        (Type::Int, Type::Rate) => Some("give a unit, such as `10Gbps`".to_owned()),
        (Type::Int, Type::Frequency) => Some("give a unit, such as `2.4GHz`".to_owned()),
        (Type::Int, Type::Percent) => Some("write `%` behind it".to_owned()),
        (Type::Int, Type::String) => Some(match &value.kind {
            ExpressionKind::Value(number) => format!("write it in quotes: `\"{number}\"`"),
            _ => "put it into a string: \"{…}\"".to_owned(),
        }),
        (given, Type::String | Type::Text(_)) if given.has_text() => {
            Some("put it into a string: \"{…}\"".to_owned())
        }
        (given, Type::List(element)) if element.accepts(given) => {
            Some("a list stands in brackets: `[…]`".to_owned())
        }
        (Type::List(_), element) if matches!(value.ty.base(), Type::List(given) if element.accepts(given)) => {
            Some("this is a list, one element for each node; here only a single value can stand".to_owned())
        }
        (_, Type::Enum(definition)) => {
            let names: Vec<&str> = definition.variants.iter().map(String::as_str).collect();
            Some(format!("write one of {}", crate::resolve::list_of(&names)))
        }
        _ => None,
    }
}

/// Whether a text looks like a literal of this type.
fn may_go_without_quotes(text: &str, ty: &Type) -> bool {
    match ty {
        Type::Bool => matches!(text, "true" | "false"),
        Type::Int => text.parse::<i64>().is_ok(),
        Type::Float => text.parse::<f64>().is_ok(),
        _ => text.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':'),
    }
}
