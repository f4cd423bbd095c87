//! Functions over values that are known, and what networks give: neither waits for a node, neither takes a secret.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use ipnet::IpNet;
use serde_json::Value;

use super::coerce::noun;
use super::evaluate::{Evaluated, Scope, Stop, apply, evaluate, known};
use super::expressions::error;
use super::typed::{Expression, ExpressionKind};
use super::types::{TextForm, Type};
use super::{Checker, Expected, addresses, bounds, operators, versions};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::types;
use crate::plan::{Function, Template};
use crate::resolve::Known;
use crate::source::Span;
use crate::syntax::ast::{self, BinaryOperator};

impl Checker<'_> {
    /// A call of one of these functions.
    pub(super) fn known_call(
        &mut self,
        function: Known,
        called: &ast::Name,
        arguments: &[&ast::Expression],
        span: Span,
    ) -> Expression {
        let [first, rest @ ..] = arguments else {
            return error(span);
        };
        let mut all = vec![self.infer(first, None)];
        let list = matches!(all[0].ty.base(), Type::List(_));
        for argument in rest {
            let expected = match (function, all[0].ty.base()) {
                (Known::Contains, Type::List(element)) => (**element).clone(),
                _ => Type::String,
            };
            // Text may have any form here: what is looked for in a path is no path.
            let argument = match list {
                true => self.expression(argument, &Expected::of(expected)),
                false => self.infer(argument, None),
            };
            all.push(argument);
        }
        if all.iter().any(|a| a.ty == Type::Error) {
            return error(span);
        }
        if all.iter().any(|a| a.ty.holds_secret()) {
            let sides: Vec<&Expression> = all.iter().collect();
            let told = self.secret_compared(&called.text, called.span, &sides);
            self.report(told);
            return error(span);
        }
        if let Some(other) = all.iter().skip(1).find(|a| !list && !a.ty.is_textual()) {
            let message = format!(
                "`{}` takes text here, and this is {}",
                called.text,
                noun(&other.ty)
            );
            self.report(Diagnostic::error(types::MISMATCH, other.span, message));
            return error(span);
        }
        match result_type(function, all[0].ty.base()) {
            Ok(ty) => Expression {
                kind: ExpressionKind::Known(function, all),
                ty,
                span,
            },
            Err(takes) => {
                let message = format!(
                    "`{}` takes {takes}, and this is {}",
                    called.text,
                    noun(&all[0].ty)
                );
                self.report(Diagnostic::error(types::MISMATCH, all[0].span, message));
                error(span)
            }
        }
    }

    /// `cidr.host(5)`, `cidr.subnet(28, 3)`
    pub(super) fn network_call(
        &mut self,
        of: &ast::Expression,
        name: &ast::Name,
        arguments: &[ast::Argument],
        span: Span,
    ) -> Expression {
        let (wanted, ty): (&[&str], Type) = match name.text.as_str() {
            "host" => (&["index"], Type::Ip),
            _ => (&["prefix", "index"], Type::Cidr),
        };
        let net = self.infer(of, None);
        if *net.ty.base() != Type::Cidr {
            if net.ty != Type::Error {
                let message = format!("`{}` is of a `Cidr`, and this is {}", name.text, noun(&net.ty));
                self.report(Diagnostic::error(types::NOT_A_FUNCTION, net.span, message));
            }
            return error(span);
        }
        let Some(arguments) = self.positional(name, wanted, arguments) else {
            return error(span);
        };
        let mut all = vec![net];
        for argument in arguments {
            all.push(self.expression(argument, &Expected::of(Type::Int)));
        }
        Expression {
            kind: ExpressionKind::OfNetwork(name.text.clone(), all),
            ty,
            span,
        }
    }
}

/// What comes out; the error says what the function takes.
fn result_type(function: Known, first: &Type) -> Result<Type, &'static str> {
    let ordered =
        |ty: &Type| ty.is_ordered() || matches!(ty.base(), Type::String | Type::Text(_) | Type::Error);
    match (function, first) {
        (Known::Lower | Known::Upper | Known::Trim | Known::Replace, ty) if ty.is_textual() => {
            Ok(Type::String)
        }
        (Known::Split, ty) if ty.is_textual() => Ok(Type::list(Type::String)),
        (Known::StartsWith | Known::EndsWith | Known::Contains, ty) if ty.is_textual() => Ok(Type::Bool),
        (Known::Contains, Type::List(_)) => Ok(Type::Bool),
        (Known::Contains, _) => Err("text or a list"),
        (Known::Sort, Type::List(element)) if ordered(element) => Ok(first.clone()),
        (Known::Min | Known::Max, Type::List(element)) if ordered(element) => Ok((**element).clone()),
        (Known::Sort | Known::Min | Known::Max, _) => {
            Err("a list of what has an order: numbers, units, addresses, text or versions")
        }
        (Known::Unique | Known::Reverse, Type::List(_)) => Ok(first.clone()),
        (Known::Unique | Known::Reverse, _) => Err("a list"),
        (Known::Sum, Type::List(element)) => match element.base() {
            unit if unit.is_unit() => Ok(unit.clone()),
            number @ (Type::Int | Type::Float) => Ok(number.clone()),
            _ => Err("a list of numbers or of values of one unit"),
        },
        (Known::Sum, _) => Err("a list of numbers or of values of one unit"),
        (Known::Flatten, Type::List(element)) if matches!(element.base(), Type::List(_)) => {
            Ok(element.base().clone())
        }
        (Known::Flatten, _) => Err("a list of lists"),
        (Known::Keys, Type::Map(key, _)) => Ok(Type::list((**key).clone())),
        (Known::Values, Type::Map(_, value)) => Ok(Type::list((**value).clone())),
        (Known::Keys | Known::Values, _) => Err("a map"),
        _ => Err("text"),
    }
}

/// The values of arguments, which are counted: calls cost time as well as place.
fn values(arguments: &[Expression], decides: &str, scope: &mut Scope<'_>) -> Result<Vec<Value>, Stop> {
    let mut all = Vec::new();
    for argument in arguments {
        let value = known(evaluate(argument, scope)?, argument.span, decides, scope)?;
        let value = Template::Value(value);
        bounds::spend(&value, &mut scope.left, argument.span)?;
        all.push(known(value, argument.span, decides, scope)?);
    }
    Ok(all)
}

/// The value of one of these expressions.
pub(super) fn value(expression: &Expression, scope: &mut Scope<'_>) -> Evaluated {
    let found = match &expression.kind {
        ExpressionKind::Known(Known::Flatten, arguments) => {
            return flatten(arguments, scope, expression.span);
        }
        ExpressionKind::Known(function, arguments) => compute(*function, arguments, scope, expression.span),
        ExpressionKind::OfNetwork(name, arguments) => of_network(name, arguments, scope, expression.span),
        _ => Err(Stop::Told),
    };
    found.map(Template::Value)
}

/// One list of the lists in a list. Which lists there are must be known; what is in them may wait for the nodes.
fn flatten(arguments: &[Expression], scope: &mut Scope<'_>, span: Span) -> Evaluated {
    let [list] = arguments else { return Err(Stop::Told) };
    let lists = match evaluate(list, scope)? {
        Template::List(lists) => lists,
        other => {
            let lists = known(other, list.span, "`flatten`", scope)?;
            elements(lists).into_iter().map(Template::Value).collect()
        }
    };
    let lists = Template::List(lists);
    bounds::spend(&lists, &mut scope.left, span)?;
    match lists {
        Template::List(lists) => apply(Function::Join, lists, span),
        _ => Err(Stop::Told),
    }
}

/// The result of a function.
fn compute(
    function: Known,
    arguments: &[Expression],
    scope: &mut Scope<'_>,
    span: Span,
) -> Result<Value, Stop> {
    let mut given = values(arguments, &format!("`{}`", function.usage().0), scope)?.into_iter();
    let first = given.next().unwrap_or_default();
    let (second, third) = (given.next().unwrap_or_default(), given.next().unwrap_or_default());
    let ty = arguments.first().map_or(&Type::Error, |a| a.ty.base());
    let text = first.as_str().unwrap_or_default();
    let other = second.as_str().unwrap_or_default();
    let fail =
        |message: String| Stop::Error(Box::new(Diagnostic::error(types::NOTHING_TO_TAKE, span, message)));
    let room = |parts: usize, left: usize| match parts <= left {
        true => Ok(()),
        false => Err(Stop::Error(Box::new(bounds::too_large(span, "this value")))),
    };
    if matches!(function, Known::Split | Known::Replace) && other.is_empty() {
        let word = function.usage().0;
        return Err(fail(format!(
            "`{word}` looks for nothing in `{text}`: the text to look for is empty"
        )));
    }
    let value = match function {
        Known::Lower => text.to_lowercase().into(),
        Known::Upper => text.to_uppercase().into(),
        Known::Trim => text.trim().into(),
        Known::Split => {
            room(text.matches(other).count(), scope.left)?;
            text.split(other).map(Value::from).collect::<Vec<_>>().into()
        }
        Known::Replace => {
            let to = third.as_str().unwrap_or_default();
            let added = text.matches(other).count().saturating_mul(to.len());
            room(added / 64, scope.left)?;
            text.replace(other, to).into()
        }
        Known::StartsWith => text.starts_with(other).into(),
        Known::EndsWith => text.ends_with(other).into(),
        Known::Contains => match &first {
            Value::Array(list) => {
                let same =
                    |e: &Value| *e == second || operators::compare(e, &second) == Some(Ordering::Equal);
                list.iter().any(same).into()
            }
            _ => text.contains(other).into(),
        },
        Known::Sort => {
            let mut list = elements(first);
            list.sort_by(|a, b| order(a, b, element(ty)));
            list.into()
        }
        Known::Unique => {
            let mut seen = BTreeSet::new();
            let mut list = elements(first);
            list.retain(|e| seen.insert(e.to_string()));
            list.into()
        }
        Known::Reverse => elements(first).into_iter().rev().collect::<Vec<_>>().into(),
        Known::Min | Known::Max => {
            let list = elements(first).into_iter();
            let by = |a: &Value, b: &Value| order(a, b, element(ty));
            let found = match function {
                Known::Min => list.min_by(by),
                _ => list.max_by(by),
            };
            found.ok_or_else(|| fail(format!("`{}` of an empty list is nothing", function.usage().0)))?
        }
        Known::Sum => {
            let of = element(ty);
            let start = match of.base() {
                Type::Float | Type::Percent => Value::from(0.0),
                _ => Value::from(0),
            };
            elements(first).into_iter().try_fold(start, |sum, next| {
                operators::compute(BinaryOperator::Add, &sum, &next, of, of, of, span)
            })?
        }
        // That is made by `flatten`, which takes what waits for nodes as well.
        Known::Flatten => return Err(Stop::Told),
        Known::Keys => entries(first)
            .map(|(key, _)| key.into())
            .collect::<Vec<Value>>()
            .into(),
        Known::Values => entries(first).map(|(_, value)| value).collect::<Vec<_>>().into(),
    };
    let value = Template::Value(value);
    bounds::spend(&value, &mut scope.left, span)?;
    known(value, span, "this value", scope)
}

fn elements(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}

fn entries(value: Value) -> impl Iterator<Item = (String, Value)> {
    let map = match value {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    };
    map.into_iter()
}

fn element(list: &Type) -> &Type {
    match list {
        Type::List(element) => element.base(),
        other => other,
    }
}

/// The order of sorted lists: addresses of IPv4 before those of IPv6, text by its letters.
fn order(left: &Value, right: &Value, ty: &Type) -> Ordering {
    let (a, b) = (
        left.as_str().unwrap_or_default(),
        right.as_str().unwrap_or_default(),
    );
    match ty {
        Type::Text(TextForm::Version) => versions::compare(a, b).then_with(|| a.cmp(b)),
        Type::Ip => super::rules::ip(left).cmp(&super::rules::ip(right)),
        Type::String | Type::Text(_) => a.cmp(b),
        _ => operators::compare(left, right).unwrap_or(Ordering::Equal),
    }
}

/// A member or method of a network.
fn of_network(
    name: &str,
    arguments: &[Expression],
    scope: &mut Scope<'_>,
    span: Span,
) -> Result<Value, Stop> {
    let given = values(arguments, "a part of a network", scope)?;
    let net = given.first().and_then(|net| net.as_str()?.parse::<IpNet>().ok());
    let net = net.ok_or(Stop::Told)?;
    let index = |at: usize| given.get(at).and_then(Value::as_i64).unwrap_or_default();
    let found = match name {
        "host" => addresses::host(net, index(1)),
        "subnet" => addresses::subnet(net, index(1), index(2)),
        _ => addresses::member(net, name),
    };
    found.map_err(|message| {
        let mut diagnostic = Diagnostic::error(types::NOT_IN_NETWORK, span, message);
        for (argument, value) in arguments.iter().zip(&given) {
            let shown = super::dimensions::shown(value, &argument.ty);
            diagnostic = diagnostic.label(argument.span, format!("this is `{shown}`"));
        }
        Stop::Error(Box::new(diagnostic))
    })
}
