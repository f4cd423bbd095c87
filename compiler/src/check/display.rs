//! Checked expressions as text: for `--emit types`, and as the symbolic input of a role's hash.

use std::fmt;

use super::operators;
use super::typed::{Expression, ExpressionKind, Pattern};
use crate::plan::{Column, Function};
use crate::syntax::ast::UnaryOperator;

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExpressionKind::Error => f.write_str("?"),
            ExpressionKind::Value(value) => write!(f, "{value}"),
            ExpressionKind::Concat(parts) => call(f, "concat", parts),
            ExpressionKind::Variable(name) | ExpressionKind::StepName(name) => f.write_str(name),
            ExpressionKind::Item(_, name) => f.write_str(name),
            ExpressionKind::Secret(reference) => match reference.generated {
                None => write!(f, "secret({:?})", reference.name),
                Some(recipe) => write!(
                    f,
                    "generated({:?}, {}, {})",
                    reference.name, recipe.length, recipe.version
                ),
            },
            ExpressionKind::Column(column) => match column {
                Column::Name => f.write_str("node.name"),
                Column::Address => f.write_str("node.address"),
                Column::AddressOn(network) => write!(f, "node.addresses.{network}"),
            },
            ExpressionKind::Member(of, name) => write!(f, "{of}.{name}"),
            ExpressionKind::List(elements) => {
                f.write_str("[")?;
                separated(f, elements)?;
                f.write_str("]")
            }
            ExpressionKind::Record(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name} = {value}", if index > 0 { ", " } else { " " })?;
                }
                f.write_str(" }")
            }
            ExpressionKind::Index(of, key) => write!(f, "{of}[{key}]"),
            ExpressionKind::IfPresent(of, name, then) => write!(f, "if {of} is {name} then {then}"),
            ExpressionKind::Match(subject, arms) => {
                write!(f, "match {subject} {{")?;
                for (pattern, value) in arms {
                    write!(f, " {pattern} => {value}")?;
                }
                f.write_str(" }")
            }
            ExpressionKind::Call(_, name, fields) | ExpressionKind::Variant(name, fields) => {
                write!(f, "{name}(")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name} = {value}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            ExpressionKind::Comprehension {
                key,
                element,
                key_variable,
                variable,
                list,
                condition,
            } => {
                let names = match key_variable {
                    Some(name) => format!("{name}, {variable}"),
                    None => variable.clone(),
                };
                match key {
                    Some(key) => write!(f, "{{for {names} in {list}: {key} = {element}")?,
                    None => write!(f, "[{element} for {names} in {list}")?,
                }
                if let Some(condition) = condition {
                    write!(f, " if {condition}")?;
                }
                f.write_str(if key.is_some() { "}" } else { "]" })
            }
            ExpressionKind::If(condition, then, otherwise) => {
                write!(f, "if {condition} then {then} else {otherwise}")
            }
            ExpressionKind::Unary(UnaryOperator::Not, operand) => write!(f, "not {operand}"),
            ExpressionKind::Unary(UnaryOperator::Negate, operand) => write!(f, "-{operand}"),
            ExpressionKind::Binary(operator, left, right) => {
                write!(f, "({left} {} {right})", operators::symbol(*operator))
            }
            ExpressionKind::Apply(function, arguments) => {
                let name = match function {
                    Function::Concat => "concat",
                    Function::Render => "render",
                    Function::UrlScheme => "scheme",
                    Function::UrlHost => "host",
                    Function::UrlPort => "port",
                    Function::UrlPath => "path",
                    Function::Length => "len",
                    Function::Join => "lists",
                    Function::Keep => "keep",
                };
                call(f, name, arguments)
            }
            ExpressionKind::Known(function, arguments) => call(f, function.usage().0, arguments),
            ExpressionKind::OfNetwork(name, arguments) => call(f, name, arguments),
            ExpressionKind::Render(path, _, record) => write!(f, "template({path:?}, {record})"),
            ExpressionKind::JoinText(list, separator) => write!(f, "join({list}, {separator})"),
            ExpressionKind::Checked(inner, _) => write!(f, "{inner}"),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Any => f.write_str("_"),
            Pattern::Name(name) => f.write_str(name),
            Pattern::Missing => f.write_str("None"),
            Pattern::Variant(name, fields) => {
                f.write_str(name)?;
                for (index, (name, inner)) in fields.iter().enumerate() {
                    write!(f, "{}{name} = {inner}", if index > 0 { ", " } else { "(" })?;
                }
                f.write_str(if fields.is_empty() { "" } else { ")" })
            }
            Pattern::Literal(value) => write!(f, "{value}"),
            Pattern::Range(low, high) => write!(f, "{low}..{high}"),
            Pattern::Either(all) => {
                for (index, one) in all.iter().enumerate() {
                    write!(f, "{}{one}", if index > 0 { " | " } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

fn call(f: &mut fmt::Formatter<'_>, name: &str, arguments: &[Expression]) -> fmt::Result {
    write!(f, "{name}(")?;
    separated(f, arguments)?;
    f.write_str(")")
}

fn separated(f: &mut fmt::Formatter<'_>, list: &[Expression]) -> fmt::Result {
    for (index, element) in list.iter().enumerate() {
        write!(f, "{}{element}", if index > 0 { ", " } else { "" })?;
    }
    Ok(())
}
