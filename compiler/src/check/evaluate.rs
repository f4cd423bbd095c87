//! From an expression to a [`Template`]: what is known is computed, what depends on a node stays symbolic.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bounds;
use super::choose;
use super::dimensions;
use super::operators;
use super::phases;
use super::rules;
use super::turns::{comprehend, each, turns};
use super::typed::{Check, Construct, Expression, ExpressionKind, PureFunction, Typed};
use super::types::{Thing, Type};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{expand, plan, types};
use crate::plan::{Column, Function, NodeReference, Template, functions, kept};
use crate::resolve::ItemId;
use crate::source::Span;
use crate::syntax::ast::{BinaryOperator, UnaryOperator};

/// What names stand for while an expression is evaluated.
pub(crate) struct Scope<'a> {
    /// Parameters, `let`s, steps, runs and groups by name; those whose value was reported as wrong are missing.
    pub(crate) variables: BTreeMap<String, Template>,
    /// Values with names.
    pub(crate) values: &'a BTreeMap<ItemId, Expression>,
    /// Networks, hardware and images.
    pub(crate) constructs: &'a BTreeMap<ItemId, Construct>,
    /// The networks that the node has an interface on, in a role: the group's name, then theirs.
    pub(crate) interfaces: Option<(&'a str, Vec<String>)>,
    /// Groups that comprehensions at hand go through, with their variables.
    pub(crate) turns: Vec<(String, String)>,
    /// Where the steps are written that find something out, by `run.step`.
    pub(crate) later: BTreeMap<String, Span>,
    /// How much more names may be replaced by, and how much more comprehensions may compute: see [`bounds`].
    pub(crate) left: usize,
    /// Comprehensions and calls around what is being evaluated.
    pub(crate) loops: usize,
    /// Functions.
    pub(crate) functions: &'a BTreeMap<ItemId, PureFunction>,
    /// Calls around what is being evaluated.
    pub(crate) calls: usize,
    /// Expressions around what is being evaluated.
    pub(crate) levels: usize,
}

/// Why there is no value.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It comes from something that has been reported already.
    Told,
    /// This is wrong.
    Error(Box<Diagnostic>),
}

impl From<Box<Diagnostic>> for Stop {
    fn from(diagnostic: Box<Diagnostic>) -> Stop {
        Stop::Error(diagnostic)
    }
}

/// What evaluation gives, or why there is no value.
pub(crate) type Evaluated = Result<Template, Stop>;

impl<'a> Scope<'a> {
    /// A scope in which only items are known.
    pub(crate) fn of(typed: &'a Typed) -> Scope<'a> {
        Scope {
            variables: BTreeMap::new(),
            values: &typed.values,
            constructs: &typed.constructs,
            interfaces: None,
            turns: Vec::new(),
            later: BTreeMap::new(),
            left: bounds::MAX_PARTS,
            loops: 0,
            functions: &typed.pure,
            calls: 0,
            levels: 0,
        }
    }
}

/// An item as a value: a network, hardware or image.
pub(crate) fn item_value(id: ItemId) -> Value {
    serde_json::json!({ "item": [id.module, id.item] })
}

/// The item behind such a value.
pub(crate) fn as_item(value: &Template) -> Option<ItemId> {
    let Template::Value(value) = value else {
        return None;
    };
    let pair = value.get("item")?.as_array()?;
    let number = |index: usize| usize::try_from(pair.get(index)?.as_u64()?).ok();
    Some(ItemId {
        module: number(0)?,
        item: number(1)?,
    })
}

/// The value of `expression`.
pub(crate) fn evaluate(expression: &Expression, scope: &mut Scope<'_>) -> Evaluated {
    if scope.levels >= bounds::MAX_LEVELS {
        return Err(Stop::Error(Box::new(bounds::too_large(
            expression.span,
            "this chain of calls",
        ))));
    }
    scope.levels += 1;
    let value = bounds::with_stack(|| value_of(expression, scope));
    scope.levels -= 1;
    value
}

fn value_of(expression: &Expression, scope: &mut Scope<'_>) -> Evaluated {
    let span = expression.span;
    if scope.loops > 0 {
        bounds::take(&mut scope.left, span)?;
    }
    Ok(match &expression.kind {
        ExpressionKind::Error => return Err(Stop::Told),
        ExpressionKind::Value(value) => Template::Value(value.clone()),
        ExpressionKind::StepName(name) => Template::Value(Value::String(name.clone())),
        ExpressionKind::Concat(parts) => {
            let parts = all(parts, scope)?;
            apply(Function::Concat, parts, span)?
        }
        ExpressionKind::Variable(name) => {
            let value = scope.variables.get(name).ok_or(Stop::Told)?;
            bounds::spend(value, &mut scope.left, span)?;
            value.clone()
        }
        ExpressionKind::Item(id, _) => match scope.values.get(id) {
            Some(value) => {
                let value = evaluate(value, scope)?;
                bounds::spend(&value, &mut scope.left, span)?;
                value
            }
            None => Template::Value(item_value(*id)),
        },
        ExpressionKind::Secret(reference) => Template::Secret(reference.clone()),
        ExpressionKind::Column(column) => own_column(column, scope, span)?,
        ExpressionKind::Member(of, name) => {
            let value = evaluate(of, scope)?;
            member(value, name, &of.ty, scope, span)?
        }
        ExpressionKind::List(elements) => list(all(elements, scope)?),
        ExpressionKind::Record(fields) => {
            let mut record = BTreeMap::new();
            for (name, value) in fields {
                record.insert(name.clone(), evaluate(value, scope)?);
            }
            self::record(record)
        }
        ExpressionKind::Index(of, key) => {
            let map = evaluate(of, scope)?;
            let key = known(evaluate(key, scope)?, key.span, "a key", scope)?;
            choose::at_key(map, &key)
        }
        ExpressionKind::IfPresent(of, name, then) => match evaluate(of, scope)? {
            Template::Value(Value::Null) => Template::Value(Value::Null),
            value => {
                let hidden = scope.variables.insert(name.clone(), value);
                let result = evaluate(then, scope);
                match hidden {
                    Some(value) => scope.variables.insert(name.clone(), value),
                    None => scope.variables.remove(name),
                };
                result?
            }
        },
        ExpressionKind::Match(subject, arms) => {
            let value = evaluate(subject, scope)?;
            choose::chosen(&value, arms, subject.span, scope, |arm, scope| {
                evaluate(arm, scope)
            })??
        }
        ExpressionKind::Call(id, _, arguments) => choose::call(*id, arguments, scope, span)?,
        ExpressionKind::Variant(name, fields) => {
            let mut inside = BTreeMap::new();
            for (field, value) in fields {
                inside.insert(field.clone(), evaluate(value, scope)?);
            }
            record(BTreeMap::from([(name.clone(), record(inside))]))
        }
        ExpressionKind::Comprehension {
            key: Some(key),
            element,
            key_variable,
            variable,
            list,
            condition,
        } => {
            let entries = evaluate(list, scope)?;
            let entries = each(entries, list.span, scope)?;
            let mut map = BTreeMap::new();
            turns(
                entries,
                key_variable.as_deref(),
                variable,
                condition.as_deref(),
                scope,
                &mut |scope| {
                    let name = known(evaluate(key, scope)?, key.span, "a key", scope)?;
                    let name = name.as_str().unwrap_or_default().to_owned();
                    let value = evaluate(element, scope)?;
                    match map.insert(name.clone(), value) {
                        Some(_) => Err(choose::same_key(&name, key.span, list.span)),
                        None => Ok(()),
                    }
                },
            )?;
            record(map)
        }
        ExpressionKind::Comprehension {
            key: None,
            element,
            key_variable: Some(key_variable),
            variable,
            list,
            condition,
        } => {
            let entries = evaluate(list, scope)?;
            let entries = each(entries, list.span, scope)?;
            let mut elements = Vec::new();
            turns(
                entries,
                Some(key_variable),
                variable,
                condition.as_deref(),
                scope,
                &mut |scope| {
                    elements.push(evaluate(element, scope)?);
                    Ok(())
                },
            )?;
            self::list(elements)
        }
        ExpressionKind::Comprehension {
            key: None,
            element,
            key_variable: None,
            variable,
            list,
            condition,
        } => {
            let elements = evaluate(list, scope)?;
            let hidden = scope.variables.remove(variable);
            scope.loops += 1;
            let result = comprehend(elements, element, variable, condition.as_deref(), scope);
            scope.loops -= 1;
            scope.variables.remove(variable);
            if let Some(hidden) = hidden {
                scope.variables.insert(variable.clone(), hidden);
            }
            result?
        }
        ExpressionKind::If(condition, then, otherwise) => {
            if truth(condition, scope, "which of the two is meant")? {
                evaluate(then, scope)?
            } else {
                evaluate(otherwise, scope)?
            }
        }
        ExpressionKind::Unary(operator, operand) => {
            let value = known(evaluate(operand, scope)?, operand.span, "this operator", scope)?;
            Template::Value(match operator {
                UnaryOperator::Not => Value::Bool(value != Value::Bool(true)),
                UnaryOperator::Negate => operators::negate(&value, &operand.ty, span)?,
            })
        }
        ExpressionKind::Binary(operator, left, right) => {
            binary(*operator, left, right, &expression.ty, scope, span)?
        }
        ExpressionKind::Apply(function, arguments) => {
            let arguments = all(arguments, scope)?;
            match (function, arguments.as_slice()) {
                // How many nodes a group has is known, but only to the plan; elements of a list are.
                (Function::Length, [Template::List(elements)]) => Template::Value(elements.len().into()),
                _ => apply(*function, arguments, span)?,
            }
        }
        ExpressionKind::Known(..) | ExpressionKind::OfNetwork(..) => super::known::value(expression, scope)?,
        ExpressionKind::Render(_, text, argument) => {
            let record = evaluate(argument, scope)?;
            let template = Template::Value(Value::String(text.to_string()));
            apply(Function::Render, vec![template, record], span)?
        }
        ExpressionKind::JoinText(list, separator) => {
            let list = evaluate(list, scope)?;
            let separator = evaluate(separator, scope)?;
            // Joining text is a template of its own, so that it can wait for the nodes like any other.
            let template = "{{#each list}}{{#unless @first}}{{../separator}}{{/unless}}{{this}}{{/each}}";
            let record = BTreeMap::from([("list".to_owned(), list), ("separator".to_owned(), separator)]);
            let template = Template::Value(Value::String(template.to_owned()));
            apply(Function::Render, vec![template, self::record(record)], span)?
        }
        ExpressionKind::Checked(inner, check) => {
            let value = evaluate(inner, scope)?;
            if let Template::Value(value) = &value {
                choose::keep(value, check, span, scope)?;
            }
            match value.later_step().map(str::to_owned) {
                Some(step) => kept_later(value, check, &step, span, scope)?,
                None => value,
            }
        }
    })
}

/// Whether a condition holds; one that depends on the node is an error that says so.
pub(crate) fn truth(condition: &Expression, scope: &mut Scope<'_>, decides: &str) -> Result<bool, Stop> {
    let value = known(evaluate(condition, scope)?, condition.span, decides, scope)?;
    Ok(value == Value::Bool(true))
}

/// The value of something that must be known before anything runs.
pub(crate) fn known(value: Template, span: Span, decides: &str, scope: &Scope<'_>) -> Result<Value, Stop> {
    if let Some(step) = value.later_step() {
        return Err(phases::later_decides(step, scope.later.get(step), span, decides).into());
    }
    match value {
        Template::Value(value) => Ok(value),
        _ => Err(Stop::from(Box::new(
            Diagnostic::error(
                expand::DEPENDS_ON_NODE,
                span,
                format!("{decides} cannot depend on names or addresses of nodes"),
            )
            .here("this differs from node to node")
            .help(
                "all nodes of a group have the same steps; names and addresses of nodes can fill fields, and \
                 decide nothing. Give nodes that differ a group of their own",
            ),
        ))),
    }
}

fn all(list: &[Expression], scope: &mut Scope<'_>) -> Result<Vec<Template>, Stop> {
    list.iter().map(|e| evaluate(e, scope)).collect()
}

fn own_column(column: &Column, scope: &Scope<'_>, span: Span) -> Evaluated {
    if let Some((group, networks)) = &scope.interfaces {
        let missing = match column {
            Column::Name => None,
            Column::Address if networks.is_empty() => Some("any network".to_owned()),
            Column::Address => None,
            Column::AddressOn(network) if !networks.contains(network) => Some(format!("network `{network}`")),
            Column::AddressOn(_) => None,
        };
        if let Some(missing) = missing {
            return Err(Stop::from(Box::new(
                Diagnostic::error(
                    expand::NO_INTERFACE,
                    span,
                    format!("nodes of `{group}` have no interface on {missing}"),
                )
                .help("add a `nic` to their hardware, or run this role on another group"),
            )));
        }
    }
    Ok(Template::Column {
        node: NodeReference::Own,
        column: column.clone(),
    })
}

fn member(value: Template, name: &str, ty: &Type, scope: &mut Scope<'_>, span: Span) -> Evaluated {
    if let Some(item) = as_item(&value) {
        // One that is not known yet is known when the value is needed; one that is wrong has been reported.
        let construct = scope.constructs.get(&item).ok_or(Stop::Told)?;
        return match construct.fields.get(name) {
            Some(field) => evaluate(field, scope),
            None => Ok(Template::Value(match name {
                "name" => construct.name.clone().into(),
                _ => Value::Null,
            })),
        };
    }
    let found = match value {
        Template::Record(mut fields) => fields.remove(name),
        Template::Value(Value::Object(mut fields)) => fields.remove(name).map(Template::Value),
        _ => None,
    };
    match (found, ty) {
        (Some(found), _) => Ok(found),
        // The group has no interface on that network.
        (None, Type::Thing(Thing::Addresses | Thing::Group, _)) => {
            Err(Stop::from(Box::new(Diagnostic::error(
                expand::NO_INTERFACE,
                span,
                format!("these nodes have no interface on network `{name}`"),
            ))))
        }
        (None, _) => Ok(Template::Value(Value::Null)),
    }
}

fn binary(
    operator: BinaryOperator,
    left: &Expression,
    right: &Expression,
    wanted: &Type,
    scope: &mut Scope<'_>,
    span: Span,
) -> Evaluated {
    let first = evaluate(left, scope)?;
    match operator {
        BinaryOperator::Otherwise => {
            return match first {
                Template::Value(Value::Null) => evaluate(right, scope),
                value => Ok(value),
            };
        }
        BinaryOperator::And | BinaryOperator::Or => {
            let first = known(first, left.span, "a condition", scope)? == Value::Bool(true);
            let decided = first == (operator == BinaryOperator::Or);
            let value = if decided {
                first
            } else {
                truth(right, scope, "a condition")?
            };
            return Ok(Template::Value(Value::Bool(value)));
        }
        BinaryOperator::Add if matches!(left.ty.base(), Type::List(_)) => {
            let second = evaluate(right, scope)?;
            return match (first, second) {
                (Template::List(mut a), Template::List(b)) => {
                    a.extend(b);
                    Ok(Template::List(a))
                }
                (a, b) => apply(Function::Join, vec![a, b], span),
            };
        }
        _ => {}
    }
    let second = evaluate(right, scope)?;
    let first = known(first, left.span, operators::decides(operator), scope)?;
    let second = known(second, right.span, operators::decides(operator), scope)?;
    computed(operator, (left, &first), (right, &second), wanted, span)
}

/// An operator over known values; apart, so that expressions within expressions take little of the stack.
fn computed(
    operator: BinaryOperator,
    (left, first): (&Expression, &Value),
    (right, second): (&Expression, &Value),
    wanted: &Type,
    span: Span,
) -> Evaluated {
    let wanted = super::expressions::strip(wanted);
    let result = operators::compute(operator, first, second, &left.ty, &right.ty, wanted, span);
    let value = result.map_err(|no| {
        let [first, second] = [(first, left), (second, right)]
            .map(|(value, side)| format!("this is `{}`", dimensions::shown(value, &side.ty)));
        Box::new(no.label(left.span, first).label(right.span, second))
    })?;
    Ok(Template::Value(value))
}

/// A list; all values if its elements are.
pub(super) fn list(elements: Vec<Template>) -> Template {
    if elements.iter().all(|e| matches!(e, Template::Value(_))) {
        let values = elements.into_iter().filter_map(|e| match e {
            Template::Value(value) => Some(value),
            _ => None,
        });
        return Template::Value(Value::Array(values.collect()));
    }
    Template::List(elements)
}

/// A record; one value if all its fields are.
pub(crate) fn record(fields: BTreeMap<String, Template>) -> Template {
    if fields.values().all(|e| matches!(e, Template::Value(_))) {
        let values = fields.into_iter().filter_map(|(name, e)| match e {
            Template::Value(value) => Some((name, value)),
            _ => None,
        });
        return Template::Value(Value::Object(values.collect()));
    }
    Template::Record(fields)
}

/// A function over what is known now, or the function itself for later.
pub(super) fn apply(function: Function, arguments: Vec<Template>, span: Span) -> Evaluated {
    let known: Option<Vec<Value>> = arguments
        .iter()
        .map(|a| match a {
            Template::Value(value) => Some(value.clone()),
            _ => None,
        })
        .collect();
    match known {
        Some(values) => functions::apply(function, &values)
            .map(Template::Value)
            .map_err(|error| {
                Stop::from(Box::new(Diagnostic::error(
                    plan::CANNOT_FILL,
                    span,
                    error.to_string(),
                )))
            }),
        None => Ok(Template::Apply { function, arguments }),
    }
}

/// A value that exists only later, which is held against a rule when it does.
fn kept_later(value: Template, check: &Check, step: &str, span: Span, scope: &Scope<'_>) -> Evaluated {
    match kept::rule(check).filter(|_| !value.holds_secret()) {
        Some(rule) => Ok(Template::Apply {
            function: Function::Keep,
            arguments: vec![Template::Value(rule), value],
        }),
        None => Err(phases::later_rule(check, step, scope.later.get(step), span).into()),
    }
}

/// Holds a value against a rule.
pub(crate) fn keep(value: &Value, check: &Check, span: Span) -> Result<(), Box<Diagnostic>> {
    if value.is_null() {
        return Ok(());
    }
    let Err((code, message, help)) = rules::holds(value, &check.requirement, &check.name) else {
        return Ok(());
    };
    let mut diagnostic = Diagnostic::error(code, span, message);
    if let Some(declared) = check.declared {
        diagnostic = diagnostic.label(
            declared,
            match check.name.as_str() {
                "" => "declared here".to_owned(),
                name => format!("`{name}` is declared here"),
            },
        );
    }
    if let Some(help) = help {
        diagnostic = diagnostic.help(help);
    }
    debug_assert!([types::OUT_OF_RANGE, types::DOES_NOT_MATCH, types::MALFORMED_TEXT].contains(&code));
    Err(Box::new(diagnostic))
}
