//! Literals as values in base units.

use serde_json::Value;

use super::typed::ExpressionKind;
use super::types::Type;
use crate::syntax::ast::Literal;

/// The value of a literal and its type. A whole number can stand where a fraction is wanted.
pub(super) fn literal_value(literal: &Literal, wanted: Option<&Type>) -> (ExpressionKind, Type) {
    let (value, ty): (Value, Type) = match literal {
        Literal::Bool(yes) => ((*yes).into(), Type::Bool),
        Literal::Int(number) if wanted == Some(&Type::Float) => ((*number as f64).into(), Type::Float),
        Literal::Int(number) => ((*number).into(), Type::Int),
        Literal::Float(number) => ((*number).into(), Type::Float),
        Literal::Bytes(number) => ((*number).into(), Type::Bytes),
        Literal::Rate(number) => ((*number).into(), Type::Rate),
        Literal::Duration(number) => ((*number).into(), Type::Duration),
        Literal::Frequency(number) => ((*number).into(), Type::Frequency),
        Literal::Percent(number) => ((*number).into(), Type::Percent),
        Literal::Ip(address) => (address.to_string().into(), Type::Ip),
        Literal::Cidr(net) => (net.to_string().into(), Type::Cidr),
        Literal::Mac(bytes) => {
            let text: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
            (text.join(":").into(), Type::Mac)
        }
    };
    (ExpressionKind::Value(value), ty)
}
