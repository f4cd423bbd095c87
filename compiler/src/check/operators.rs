//! Operators: which types go together, and what comes out.

use std::cmp::Ordering;

use ipnet::IpNet;
use serde_json::Value;

use super::dimensions::{self, NoResult};
use super::rules::{ip, within};
use super::types::{TextForm, Type};
use super::{addresses, versions};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand;
use crate::source::Span;
use crate::syntax::ast::BinaryOperator;

/// The operator as written.
pub(crate) fn symbol(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Otherwise => "??",
        BinaryOperator::Or => "or",
        BinaryOperator::And => "and",
        BinaryOperator::Equal => "==",
        BinaryOperator::NotEqual => "!=",
        BinaryOperator::Less => "<",
        BinaryOperator::LessOrEqual => "<=",
        BinaryOperator::Greater => ">",
        BinaryOperator::GreaterOrEqual => ">=",
        BinaryOperator::In => "in",
        BinaryOperator::Range => "..",
        BinaryOperator::Add => "+",
        BinaryOperator::Subtract => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::Modulo => "mod",
    }
}

/// What an operator decides, for errors about nodes.
pub(crate) fn decides(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Equal
        | BinaryOperator::NotEqual
        | BinaryOperator::Less
        | BinaryOperator::LessOrEqual
        | BinaryOperator::Greater
        | BinaryOperator::GreaterOrEqual
        | BinaryOperator::In
        | BinaryOperator::And
        | BinaryOperator::Or => "a condition",
        BinaryOperator::Range => "a range",
        _ => "arithmetic",
    }
}

/// The type of `left operator right`; `None` if they do not go together.
pub(crate) fn result_type(operator: BinaryOperator, left: &Type, right: &Type) -> Option<Type> {
    use BinaryOperator as Op;
    let (a, b) = (left.base(), right.base());
    // Only what keeps a secret a secret goes on with one.
    let keeps = matches!(operator, Op::Otherwise) || operator == Op::Add && matches!(a, Type::List(_));
    if (a.holds_secret() || b.holds_secret()) && !keeps {
        return None;
    }
    if matches!(a, Type::Error) || matches!(b, Type::Error) {
        return Some(match operator {
            Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Modulo | Op::Otherwise | Op::Range => {
                Type::Error
            }
            _ => Type::Bool,
        });
    }
    let number = |t: &Type| matches!(t, Type::Int | Type::Float);
    match operator {
        Op::Otherwise => match left {
            Type::Optional(inner) => inner.join(right),
            _ => None,
        },
        Op::Or | Op::And => (*a == Type::Bool && *b == Type::Bool).then_some(Type::Bool),
        Op::Equal | Op::NotEqual => {
            let plain = |t: &Type| !matches!(t, Type::Thing(..) | Type::Range(_));
            (plain(a) && plain(b) && (a.accepts(b) || b.accepts(a))).then_some(Type::Bool)
        }
        Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
            let ordered = a.is_ordered() || *a == Type::Text(TextForm::Version);
            (ordered && (a == b || number(a) && number(b))).then_some(Type::Bool)
        }
        Op::In => match b {
            Type::Range(inner) | Type::List(inner) => inner.accepts(a).then_some(Type::Bool),
            Type::Map(key, _) => key.accepts(a).then_some(Type::Bool),
            Type::Cidr => matches!(a, Type::Ip | Type::Cidr).then_some(Type::Bool),
            _ => None,
        },
        Op::Range => (a.is_ordered() && a == b).then(|| Type::Range(Box::new(a.clone()))),
        Op::Add | Op::Subtract => match (a, b) {
            (Type::Int, Type::Int) => Some(Type::Int),
            _ if number(a) && number(b) => Some(Type::Float),
            (Type::List(_), Type::List(_)) if operator == Op::Add => a.join(b),
            _ if a.is_unit() && a == b => Some(a.clone()),
            _ => addresses::result_type(operator, a, b),
        },
        Op::Multiply | Op::Divide => match (a, b) {
            (Type::Int, Type::Int) => Some(Type::Int),
            _ if number(a) && number(b) => Some(Type::Float),
            _ => dimensions::result_type(operator, a, b),
        },
        Op::Modulo => (*a == Type::Int && *b == Type::Int).then_some(Type::Int),
    }
}

/// What to do about operands that do not go together.
pub(crate) fn advice(operator: BinaryOperator, left: &Type, right: &Type) -> Option<String> {
    let (a, b) = (left.base(), right.base());
    if operator == BinaryOperator::Add && (a.is_textual() || b.is_textual()) {
        return Some("text is put together in a string: \"{a}{b}\"".to_owned());
    }
    if operator == BinaryOperator::Otherwise && !matches!(left, Type::Optional(_)) {
        return Some(
            "`??` gives a value for one that may be missing; the left one is always there".to_owned(),
        );
    }
    if matches!(left, Type::Optional(_)) || matches!(right, Type::Optional(_)) {
        return Some("a value may be missing here: say with `??` what to take instead".to_owned());
    }
    let float = |t: &Type| *t == Type::Float;
    if (a.is_unit() && float(b)) || (float(a) && b.is_unit()) {
        return Some("a value with a unit can be multiplied and divided by a number, and no more".to_owned());
    }
    if a.is_unit() || b.is_unit() {
        return Some("values of different units do not mix; write both in the same unit".to_owned());
    }
    None
}

/// `left operator right` over known values; `wanted` is the type of the result.
pub(crate) fn compute(
    operator: BinaryOperator,
    left: &Value,
    right: &Value,
    left_type: &Type,
    right_type: &Type,
    wanted: &Type,
    span: Span,
) -> Result<Value, Box<Diagnostic>> {
    use BinaryOperator as Op;
    let version = *left_type.base() == Type::Text(TextForm::Version);
    let ordering = matches!(
        operator,
        Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual
    );
    let order = || match (left.as_str(), right.as_str()) {
        (Some(a), Some(b)) if version && ordering => Some(versions::compare(a, b)),
        _ => compare(left, right),
    };
    Ok(match operator {
        Op::Equal => (order() == Some(Ordering::Equal) || left == right).into(),
        Op::NotEqual => (order() != Some(Ordering::Equal) && left != right).into(),
        Op::Less => (order() == Some(Ordering::Less)).into(),
        Op::LessOrEqual => order().is_some_and(Ordering::is_le).into(),
        Op::Greater => (order() == Some(Ordering::Greater)).into(),
        Op::GreaterOrEqual => order().is_some_and(Ordering::is_ge).into(),
        Op::In => contains(left, right, right_type).into(),
        Op::Range => Value::Array(vec![left.clone(), right.clone()]),
        Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Modulo => {
            if let Some(result) = addresses::compute(operator, left, right) {
                return result
                    .map_err(|message| Box::new(Diagnostic::error(expand::ARITHMETIC, span, message)));
            }
            match dimensions::compute(operator, [left, right], [left_type, right_type], wanted) {
                Some(result) => result.map_err(|no| without_result(no, span))?,
                None => arithmetic(operator, left, right, left_type, right_type, span)?,
            }
        }
        // These have been dealt with by the caller, who need not know both sides.
        Op::Otherwise | Op::Or | Op::And => Value::Null,
    })
}

/// `-operand`
pub(crate) fn negate(value: &Value, ty: &Type, span: Span) -> Result<Value, Box<Diagnostic>> {
    let zero = Value::from(0);
    arithmetic(BinaryOperator::Subtract, &zero, value, ty, ty, span)
}

fn without_result(cause: NoResult, span: Span) -> Box<Diagnostic> {
    let fail = |message: &str| Box::new(Diagnostic::error(expand::ARITHMETIC, span, message));
    match cause {
        NoResult::TooLarge => Box::new(fail("the result is too large").help("numbers have 64 bits")),
        NoResult::ByZero => fail("this divides by zero"),
        NoResult::Negative => fail("the result is less than nothing"),
    }
}

fn contains(left: &Value, right: &Value, right_type: &Type) -> bool {
    match (right_type.base(), right) {
        (Type::Range(_), Value::Array(ends)) => match ends.as_slice() {
            [low, high] => within(left, low, high),
            _ => false,
        },
        (_, Value::Array(list)) => list
            .iter()
            .any(|e| e == left || compare(e, left) == Some(Ordering::Equal)),
        (_, Value::Object(map)) => left.as_str().is_some_and(|key| map.contains_key(key)),
        (_, Value::String(net)) => {
            let Ok(net) = net.parse::<IpNet>() else {
                return false;
            };
            let inner = left.as_str().and_then(|text| text.parse::<IpNet>().ok());
            ip(left).is_some_and(|ip| net.contains(&ip)) || inner.is_some_and(|inner| net.contains(&inner))
        }
        _ => false,
    }
}

/// The order of two numbers or two addresses.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (integer(left), integer(right)) {
        return Some(a.cmp(&b));
    }
    if let (Some(a), Some(b)) = (left.as_f64(), right.as_f64()) {
        return a.partial_cmp(&b);
    }
    match (ip(left)?, ip(right)?) {
        (a, b) if a.is_ipv4() == b.is_ipv4() => Some(a.cmp(&b)),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i128> {
    value
        .as_i64()
        .map(i128::from)
        .or_else(|| value.as_u64().map(i128::from))
}

fn arithmetic(
    operator: BinaryOperator,
    left: &Value,
    right: &Value,
    left_type: &Type,
    right_type: &Type,
    span: Span,
) -> Result<Value, Box<Diagnostic>> {
    use BinaryOperator as Op;
    let too_large = || without_result(NoResult::TooLarge, span);
    let by_zero = || without_result(NoResult::ByZero, span);
    if let (Some(a), Some(b)) = (integer(left), integer(right)) {
        let result = match operator {
            Op::Add => a.checked_add(b),
            Op::Subtract => a.checked_sub(b),
            Op::Multiply => a.checked_mul(b),
            Op::Divide | Op::Modulo if b == 0 => return Err(by_zero()),
            Op::Divide => Some(a.div_euclid(b)),
            _ => Some(a.rem_euclid(b)),
        };
        let result = result.ok_or_else(too_large)?;
        let unit = result_type(operator, left_type, right_type).is_some_and(|t| t.is_unit());
        if unit {
            if result < 0 {
                return Err(without_result(NoResult::Negative, span));
            }
            return u64::try_from(result).map(Value::from).map_err(|_| too_large());
        }
        return i64::try_from(result).map(Value::from).map_err(|_| too_large());
    }
    let (Some(a), Some(b)) = (left.as_f64(), right.as_f64()) else {
        return Ok(Value::Null);
    };
    let result = match operator {
        Op::Add => a + b,
        Op::Subtract => a - b,
        Op::Multiply => a * b,
        Op::Divide | Op::Modulo if b == 0.0 => return Err(by_zero()),
        Op::Divide => a / b,
        _ => a.rem_euclid(b),
    };
    serde_json::Number::from_f64(result)
        .map(Value::Number)
        .ok_or_else(too_large)
}
