//! Bounds on what a spec can make out of few lines: `let b = [a, a]` twenty times over is a million values.
//! Compiling must stay bounded in time, memory and depth of stack, because modules are other people's text.

use serde_json::Value;

use super::Checker;
use super::evaluate::Stop;
use super::types::Type;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand;
use crate::plan::Template;
use crate::source::Span;

/// Levels of types and values within each other.
const MAX_DEPTH: usize = 64;
/// Parts of one type.
const MAX_TYPE: usize = 5_000;
/// Parts of all types of a spec.
pub(super) const MAX_TYPES: usize = 1_000_000;
/// Parts of values that names are replaced by, in all items or in one deploy; a part is a value, or 64 bytes
/// of text.
pub(crate) const MAX_PARTS: usize = 2_000_000;
/// Expressions within expressions, those of functions that are called included: each takes its part of the stack.
pub(super) const MAX_LEVELS: usize = 400;
/// Definitions that need each other in a row, before any of them is known.
pub(super) const MAX_CHAIN: usize = 100;

impl Checker<'_> {
    /// The type, unless it is too large; then that is reported.
    pub(super) fn bounded(&mut self, ty: Type, span: Span) -> Type {
        let limit = MAX_TYPE.min(self.type_parts);
        let mut left = limit;
        if fits_type(&ty, MAX_DEPTH, &mut left) {
            if self.is_looked_at(self.module) {
                self.type_parts -= limit - left;
            }
            return ty;
        }
        if self.type_parts > 0 {
            self.report(too_large(span, "this type"));
        }
        // What all types together may have is used up: told once.
        if limit < MAX_TYPE {
            self.type_parts = 0;
        }
        Type::Error
    }
}

/// The error for something that is too large.
pub(crate) fn too_large(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(expand::TOO_LARGE, span, format!("{what} is too large"))
        .help("look at the names that it is made of: each of them may stand for a lot")
}

fn fits_type(ty: &Type, depth: usize, left: &mut usize) -> bool {
    if depth == 0 || *left == 0 {
        return false;
    }
    *left -= 1;
    let mut inner = |ty: &Type| fits_type(ty, depth - 1, left);
    match ty {
        Type::List(of) | Type::Optional(of) | Type::Range(of) | Type::Secret(of) => inner(of),
        Type::Map(key, value) => inner(key) && inner(value),
        Type::Record(fields) => fields.values().all(inner),
        Type::Union(members) => members.iter().all(inner),
        Type::Refined(refined) => inner(&refined.base),
        Type::Thing(_, members) => members.values().all(inner),
        Type::Error
        | Type::Bool
        | Type::Int
        | Type::Float
        | Type::String
        | Type::Bytes
        | Type::Rate
        | Type::Duration
        | Type::Frequency
        | Type::Percent
        | Type::Ip
        | Type::Cidr
        | Type::Mac
        | Type::Text(_) => true,
        Type::Enum(definition) => definition.data.values().flatten().all(|(_, t)| inner(t)),
    }
}

/// Takes one off `left` for what a comprehension computes; an error if it computes too much.
pub(super) fn take(left: &mut usize, span: Span) -> Result<(), Stop> {
    match left.checked_sub(1) {
        Some(less) => {
            *left = less;
            Ok(())
        }
        None => Err(Stop::Error(Box::new(too_large(span, "this value")))),
    }
}

/// Takes the parts of a value off `left`; an error if they are too many or too deep.
pub(crate) fn spend(value: &Template, left: &mut usize, span: Span) -> Result<(), Stop> {
    match fits(value, 2 * MAX_DEPTH, left) {
        true => Ok(()),
        false => Err(Stop::Error(Box::new(too_large(span, "this value")))),
    }
}

fn fits(value: &Template, depth: usize, left: &mut usize) -> bool {
    if depth == 0 || *left == 0 {
        return false;
    }
    *left -= 1;
    match value {
        Template::Value(value) => fits_value(value, depth, left),
        Template::Column { .. } | Template::Output { .. } | Template::Secret(_) => true,
        Template::Each { element, .. } => fits(element, depth - 1, left),
        Template::Apply { arguments: list, .. } | Template::List(list) => {
            list.iter().all(|inner| fits(inner, depth - 1, left))
        }
        Template::Record(fields) => fields.values().all(|inner| fits(inner, depth - 1, left)),
    }
}

fn fits_value(value: &Value, depth: usize, left: &mut usize) -> bool {
    let parts = match value {
        Value::String(text) => 1 + text.len() / 64,
        _ => 1,
    };
    if depth == 0 || *left < parts {
        return false;
    }
    *left -= parts;
    match value {
        Value::Array(list) => list.iter().all(|inner| fits_value(inner, depth - 1, left)),
        Value::Object(map) => map.values().all(|inner| fits_value(inner, depth - 1, left)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// Goes on with enough of a stack: levels are counted, and what one level takes of the stack differs between builds and
/// machines.
pub(super) fn with_stack<T>(work: impl FnOnce() -> T) -> T {
    const LEFT: usize = 128 * 1024;
    const MORE: usize = 1024 * 1024;
    stacker::maybe_grow(LEFT, MORE, work)
}
