//! Going through lists and maps: comprehensions, and what a `for` goes through.

use serde_json::Value;

use super::choose;
use super::evaluate::{Evaluated, Scope, Stop, apply, evaluate, known, list, truth};
use super::typed::{Expression, ExpressionKind};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand;
use crate::plan::{Function, Template};
use crate::source::Span;

/// What a `for` goes through, which must be known element by element.
pub(crate) fn each(
    list: Template,
    span: Span,
    scope: &Scope<'_>,
) -> Result<Vec<(Option<String>, Template)>, Stop> {
    match list {
        Template::Each { .. }
        | Template::Apply { .. }
        | Template::Column { .. }
        | Template::Output { .. } => {
            known(list, span, "what a `for` goes through", scope).map(|_| Vec::new())
        }
        list => Ok(choose::entries(list)),
    }
}

/// Does something for each entry for which the condition holds, with the names of the `for` in the scope.
pub(super) fn turns(
    entries: Vec<(Option<String>, Template)>,
    key_variable: Option<&str>,
    variable: &str,
    condition: Option<&Expression>,
    scope: &mut Scope<'_>,
    then: &mut dyn FnMut(&mut Scope<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let names: Vec<String> = key_variable
        .into_iter()
        .chain([variable])
        .map(str::to_owned)
        .collect();
    let hidden: Vec<Option<Template>> = names.iter().map(|n| scope.variables.remove(n)).collect();
    scope.loops += 1;
    let mut result = Ok(());
    for (key, value) in entries {
        if let (Some(name), Some(key)) = (key_variable, key) {
            scope
                .variables
                .insert(name.to_owned(), Template::Value(key.into()));
        }
        scope.variables.insert(variable.to_owned(), value);
        let stays = match condition {
            Some(condition) => truth(condition, scope, "which elements stay"),
            None => Ok(true),
        };
        result = stays.and_then(|stays| if stays { then(scope) } else { Ok(()) });
        if result.is_err() {
            break;
        }
    }
    scope.loops -= 1;
    for (name, before) in names.into_iter().zip(hidden) {
        match before {
            Some(value) => scope.variables.insert(name, value),
            None => scope.variables.remove(&name),
        };
    }
    result
}

pub(super) fn comprehend(
    list_value: Template,
    element: &Expression,
    variable: &str,
    condition: Option<&Expression>,
    scope: &mut Scope<'_>,
) -> Evaluated {
    let elements = match list_value {
        Template::Each {
            group,
            element: member,
        } => {
            for (_, outer) in scope.turns.iter().filter(|(g, _)| *g == group) {
                let uses =
                    |e: &Expression| matches!(&e.kind, ExpressionKind::Variable(name) if name == outer);
                if element.any(&uses) {
                    return Err(two_nodes(&group, element.span).into());
                }
            }
            scope.variables.insert(variable.to_owned(), *member);
            if let Some(condition) = condition
                && !truth(condition, scope, "which elements stay")?
            {
                return Ok(Template::Value(Value::Array(Vec::new())));
            }
            scope.turns.push((group.clone(), variable.to_owned()));
            let value = evaluate(element, scope);
            scope.turns.pop();
            return Ok(Template::Each {
                group,
                element: Box::new(value?),
            });
        }
        Template::Apply {
            function: Function::Join,
            arguments,
        } => {
            let mut parts = Vec::new();
            for part in arguments {
                parts.push(comprehend(part, element, variable, condition, scope)?);
            }
            return apply(Function::Join, parts, element.span);
        }
        Template::List(elements) => elements,
        Template::Value(Value::Array(elements)) => elements.into_iter().map(Template::Value).collect(),
        Template::Value(_)
        | Template::Column { .. }
        | Template::Output { .. }
        | Template::Apply { .. }
        | Template::Record(_)
        | Template::Secret(_) => Vec::new(),
    };
    let mut result = Vec::new();
    for value in elements {
        scope.variables.insert(variable.to_owned(), value);
        let stays = match condition {
            Some(condition) => truth(condition, scope, "which elements stay")?,
            None => true,
        };
        if stays {
            result.push(evaluate(element, scope)?);
        }
    }
    Ok(list(result))
}

/// The error for a value that would need two nodes of one group at once.
pub(crate) fn two_nodes(group: &str, span: Span) -> Box<Diagnostic> {
    let message = format!("this depends on two nodes of `{group}` at once");
    Box::new(Diagnostic::error(expand::TWO_NODES_AT_ONCE, span, message).help(
        "a list over the nodes of a group has one element for each of them, made from that node alone; \
         tables of all pairs of nodes cannot be made",
    ))
}
