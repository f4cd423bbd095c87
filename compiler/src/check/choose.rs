//! Which arm of a `match` fits a value, calls of functions, and keys: evaluation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bounds;
use super::evaluate::{Evaluated, Scope, Stop, evaluate, known};
use super::rules::within;
use super::typed::{Check, Expression, Pattern, Requirement};
use super::types::Rule;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::types;
use crate::plan::Template;
use crate::resolve::ItemId;
use crate::source::Span;

/// Calls within calls.
const MAX_CALLS: usize = 32;

/// The names that a pattern gives to parts of a value; `None` if the value does not look so.
pub(crate) fn fits(
    pattern: &Pattern,
    value: &Template,
    span: Span,
    scope: &Scope<'_>,
) -> Result<Option<Vec<(String, Template)>>, Stop> {
    let plain = || known(value.clone(), span, "which arm is meant", scope);
    let yes = |fits: bool| Ok(fits.then(Vec::new));
    match pattern {
        Pattern::Any => yes(true),
        Pattern::Name(name) => Ok(Some(vec![(name.clone(), value.clone())])),
        Pattern::Missing => yes(matches!(value, Template::Value(Value::Null))),
        Pattern::Literal(literal) => {
            let value = plain()?;
            yes(&value == literal || super::operators::compare(&value, literal).is_some_and(|o| o.is_eq()))
        }
        Pattern::Range(low, high) => yes(within(&plain()?, low, high)),
        Pattern::Variant(name, fields) => {
            let inside = match value {
                Template::Record(record) => match record.iter().next() {
                    Some((given, Template::Record(inside))) if given == name => inside.clone(),
                    Some((given, Template::Value(Value::Object(inside)))) if given == name => {
                        plain_fields(inside)
                    }
                    _ => return Ok(None),
                },
                _ => match plain()? {
                    Value::String(given) if given == *name => BTreeMap::new(),
                    Value::Object(outer) => match outer.get(name) {
                        Some(Value::Object(inside)) => plain_fields(inside),
                        _ => return Ok(None),
                    },
                    _ => return Ok(None),
                },
            };
            let mut names = Vec::new();
            for (field, pattern) in fields {
                let nothing = Template::Value(Value::Null);
                match fits(pattern, inside.get(field).unwrap_or(&nothing), span, scope)? {
                    Some(more) => names.extend(more),
                    None => return Ok(None),
                }
            }
            Ok(Some(names))
        }
        Pattern::Either(all) => {
            for one in all {
                if let Some(names) = fits(one, value, span, scope)? {
                    return Ok(Some(names));
                }
            }
            Ok(None)
        }
    }
}

fn plain_fields(fields: &serde_json::Map<String, Value>) -> BTreeMap<String, Template> {
    let pairs = fields.iter();
    pairs
        .map(|(name, value)| (name.clone(), Template::Value(value.clone())))
        .collect()
}

/// The arm that fits, with its names in the scope while `then` is done.
pub(crate) fn chosen<'m, T, R>(
    value: &Template,
    arms: &'m [(Pattern, T)],
    span: Span,
    scope: &mut Scope<'_>,
    then: impl FnOnce(&'m T, &mut Scope<'_>) -> R,
) -> Result<R, Stop> {
    for (pattern, arm) in arms {
        let Some(names) = fits(pattern, value, span, scope)? else {
            continue;
        };
        let mut hidden = Vec::new();
        for (name, value) in names {
            hidden.push((name.clone(), scope.variables.insert(name, value)));
        }
        let result = then(arm, scope);
        for (name, before) in hidden.into_iter().rev() {
            match before {
                Some(value) => scope.variables.insert(name, value),
                None => scope.variables.remove(&name),
            };
        }
        return Ok(result);
    }
    // Every value fits an arm, or that has been told.
    Err(Stop::Told)
}

/// The value of a function.
pub(crate) fn call(
    id: ItemId,
    arguments: &BTreeMap<String, Expression>,
    scope: &mut Scope<'_>,
    span: Span,
) -> Evaluated {
    let functions = scope.functions;
    let function = functions.get(&id).ok_or(Stop::Told)?;
    let mut given = BTreeMap::new();
    for parameter in &function.parameters {
        let value = match arguments.get(&parameter.name) {
            Some(argument) => evaluate(argument, scope)?,
            None => Template::Value(Value::Null),
        };
        given.insert(parameter.name.clone(), value);
    }
    if scope.calls >= MAX_CALLS {
        return Err(Stop::Error(Box::new(bounds::too_large(
            span,
            "this chain of calls",
        ))));
    }
    let outer = std::mem::replace(&mut scope.variables, given);
    scope.calls += 1;
    // Each step of a function counts, as in a comprehension.
    scope.loops += 1;
    let value = evaluate(&function.body, scope);
    scope.loops -= 1;
    scope.calls -= 1;
    scope.variables = outer;
    value.map_err(|stop| match stop {
        Stop::Error(diagnostic) if diagnostic.labels.len() < 4 => Stop::Error(Box::new(
            diagnostic.label(span, format!("in this call of `{}`", function.name)),
        )),
        stop => stop,
    })
}

/// `map[key]`, which may be missing.
pub(crate) fn at_key(map: Template, key: &Value) -> Template {
    let key = key.as_str().unwrap_or_default();
    match map {
        Template::Record(mut fields) => fields.remove(key),
        Template::Value(Value::Object(mut fields)) => fields.remove(key).map(Template::Value),
        _ => None,
    }
    .unwrap_or(Template::Value(Value::Null))
}

/// What a `for` goes through: keys of a map with their values, or elements.
pub(crate) fn entries(list: Template) -> Vec<(Option<String>, Template)> {
    match list {
        Template::List(elements) => elements.into_iter().map(|e| (None, e)).collect(),
        Template::Value(Value::Array(elements)) => {
            elements.into_iter().map(|e| (None, Template::Value(e))).collect()
        }
        Template::Record(fields) => fields.into_iter().map(|(k, v)| (Some(k), v)).collect(),
        Template::Value(Value::Object(fields)) => fields
            .into_iter()
            .map(|(k, v)| (Some(k), Template::Value(v)))
            .collect(),
        _ => Vec::new(),
    }
}

/// Holds a value against a rule, which may be a condition.
pub(crate) fn keep(value: &Value, check: &Check, span: Span, scope: &mut Scope<'_>) -> Result<(), Stop> {
    let Requirement::Rule(Rule::Where(condition, shown)) = &check.requirement else {
        return Ok(super::evaluate::keep(value, check, span)?);
    };
    if value.is_null() {
        return Ok(());
    }
    let hidden = scope
        .variables
        .insert("it".to_owned(), Template::Value(value.clone()));
    let holds = super::evaluate::truth(condition, scope, "a condition");
    match hidden {
        Some(value) => scope.variables.insert("it".to_owned(), value),
        None => scope.variables.remove("it"),
    };
    if holds? {
        return Ok(());
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let message = match check.name.is_empty() {
        true => format!("`{text}` is refused: `{shown}` does not hold"),
        false => format!("`{text}` is no `{}`: `{shown}` does not hold", check.name),
    };
    let mut diagnostic = Diagnostic::error(types::CONDITION_BROKEN, span, message);
    if let Some(declared) = check.declared {
        diagnostic = diagnostic.label(declared, "declared here");
    }
    Err(Stop::Error(Box::new(
        diagnostic.help("give a value for which it holds"),
    )))
}

/// The error for a key that is there already.
pub(crate) fn same_key(key: &str, span: Span, list: Span) -> Stop {
    let message = format!("the key `{key}` is there twice");
    let twice = Diagnostic::error(types::DUPLICATE_KEY, span, message).here("two elements have the same key");
    let twice = match span == list {
        true => twice,
        false => twice.label(list, "in this list"),
    };
    Stop::Error(Box::new(
        twice.help("a key tells one element from all others: choose one that differs"),
    ))
}
