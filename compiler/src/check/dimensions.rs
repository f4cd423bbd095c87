//! Arithmetic of units: `1Gbps * 8s` is `1GB`, and half of a size is a size.

use serde_json::Value;

use super::types::Type;
use crate::syntax::ast::BinaryOperator;

/// Nanoseconds of a second times bits of a byte: what lies between bits per second and bytes per nanosecond.
const BITS_AND_SECONDS: u128 = 8_000_000_000;

/// Why arithmetic has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoResult {
    /// More than 64 bits.
    TooLarge,
    /// A division by zero.
    ByZero,
    /// A size, rate or time below zero.
    Negative,
}

/// The type of a product or quotient with a unit in it; `None` if the two do not go together.
pub(super) fn result_type(operator: BinaryOperator, left: &Type, right: &Type) -> Option<Type> {
    let number = |t: &Type| matches!(t, Type::Int | Type::Float | Type::Percent);
    match (operator, left, right) {
        (BinaryOperator::Multiply, Type::Rate, Type::Duration)
        | (BinaryOperator::Multiply, Type::Duration, Type::Rate) => Some(Type::Bytes),
        (BinaryOperator::Multiply, unit, by) if unit.is_unit() && number(by) => Some(unit.clone()),
        (BinaryOperator::Multiply, by, unit) if unit.is_unit() && number(by) => Some(unit.clone()),
        (BinaryOperator::Divide, Type::Bytes, Type::Duration) => Some(Type::Rate),
        (BinaryOperator::Divide, Type::Bytes, Type::Rate) => Some(Type::Duration),
        // Percentages have fractions anyway; how often a whole unit fits is a whole number.
        (BinaryOperator::Divide, Type::Percent, Type::Percent) => Some(Type::Float),
        (BinaryOperator::Divide, a, b) if a.is_unit() && a == b => Some(Type::Int),
        (BinaryOperator::Divide, unit, Type::Int | Type::Float) if unit.is_unit() => Some(unit.clone()),
        _ => None,
    }
}

/// The product or quotient, if this is arithmetic that plain numbers do not have. `wanted` is the type of the result.
pub(super) fn compute(
    operator: BinaryOperator,
    [left, right]: [&Value; 2],
    [left_type, right_type]: [&Type; 2],
    wanted: &Type,
) -> Option<Result<Value, NoResult>> {
    let (a, b) = (left_type.base(), right_type.base());
    match (operator, a, b) {
        (BinaryOperator::Multiply, Type::Rate, Type::Duration)
        | (BinaryOperator::Multiply, Type::Duration, Type::Rate) => {
            let product = u128::from(left.as_u64()?) * u128::from(right.as_u64()?);
            Some(whole(product / BITS_AND_SECONDS))
        }
        (BinaryOperator::Divide, Type::Bytes, Type::Duration | Type::Rate) => {
            let (bytes, by) = (u128::from(left.as_u64()?), u128::from(right.as_u64()?));
            let quotient = (bytes * BITS_AND_SECONDS).checked_div(by);
            Some(quotient.ok_or(NoResult::ByZero).and_then(whole))
        }
        (BinaryOperator::Divide, ..) if a.is_unit() && a == b => {
            if *wanted != Type::Float {
                return None;
            }
            let (a, b) = (left.as_f64()?, right.as_f64()?);
            Some(if b == 0.0 {
                Err(NoResult::ByZero)
            } else {
                float(a / b)
            })
        }
        (BinaryOperator::Multiply | BinaryOperator::Divide, ..) => {
            let (unit, amount, by, by_type) = match a.is_unit() && !(*a == Type::Percent && b.is_unit()) {
                true => (a, left, right, b),
                false => (b, right, left, a),
            };
            let fraction = matches!(by_type, Type::Float | Type::Percent);
            if !unit.is_unit() || !(fraction || *unit == Type::Percent) {
                return None;
            }
            let share = if *by_type == Type::Percent { 100.0 } else { 1.0 };
            let (amount, by) = (amount.as_f64()?, by.as_f64()? / share);
            let result = match operator {
                BinaryOperator::Divide if by == 0.0 => return Some(Err(NoResult::ByZero)),
                BinaryOperator::Divide => amount / by,
                _ => amount * by,
            };
            Some(match unit {
                Type::Percent if result < 0.0 => Err(NoResult::Negative),
                Type::Percent => float(result),
                _ => nearest(result),
            })
        }
        _ => None,
    }
}

fn whole(number: u128) -> Result<Value, NoResult> {
    u64::try_from(number)
        .map(Value::from)
        .map_err(|_| NoResult::TooLarge)
}

fn float(number: f64) -> Result<Value, NoResult> {
    serde_json::Number::from_f64(number)
        .map(Value::Number)
        .ok_or(NoResult::TooLarge)
}

/// A unit is counted in whole bytes, bits per second, nanoseconds or hertz.
fn nearest(number: f64) -> Result<Value, NoResult> {
    let number = number.round();
    // The float next to what `u64` holds is just above it.
    match number {
        _ if number < 0.0 => Err(NoResult::Negative),
        _ if number < u64::MAX as f64 => Ok(Value::from(number as u64)),
        _ => Err(NoResult::TooLarge),
    }
}

/// A value as it is written, in the largest unit that has no fraction.
pub(super) fn shown(value: &Value, ty: &Type) -> String {
    let units: &[(u64, &str)] = match ty.base() {
        Type::Bytes => &[
            (1 << 40, "TiB"),
            (1_000_000_000_000, "TB"),
            (1 << 30, "GiB"),
            (1_000_000_000, "GB"),
            (1 << 20, "MiB"),
            (1_000_000, "MB"),
            (1 << 10, "KiB"),
            (1, "B"),
        ],
        Type::Rate => &[
            (1_000_000_000, "Gbps"),
            (1_000_000, "Mbps"),
            (1_000, "kbps"),
            (1, "bps"),
        ],
        Type::Duration => &[
            (3_600_000_000_000, "h"),
            (60_000_000_000, "min"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1_000, "us"),
            (1, "ns"),
        ],
        Type::Frequency => &[
            (1_000_000_000, "GHz"),
            (1_000_000, "MHz"),
            (1_000, "kHz"),
            (1, "Hz"),
        ],
        Type::Percent => return format!("{value}%"),
        _ => return value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    };
    let Some(number) = value.as_u64() else {
        return value.to_string();
    };
    let fits = |(size, _): &&(u64, &str)| number.is_multiple_of(*size);
    match units.iter().find(fits) {
        Some((size, unit)) if number > 0 => format!("{}{unit}", number / size),
        _ => format!("0{}", units.last().map_or("", |(_, unit)| unit)),
    }
}
