//! What `match` and `for` look at and give names to.

use super::{Expression, Name};
use crate::source::Span;

/// The names of a `for`: one for each element, or two for each key and value of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables {
    /// The key of a map, if both are named.
    pub key: Option<Name>,
    /// The element, or the value of a map.
    pub value: Name,
}

/// `pattern => value` of a `match`; the value is a block or an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm<T> {
    /// What it must look like.
    pub pattern: Pattern,
    /// What is meant then.
    pub value: T,
    /// All of it.
    pub span: Span,
}

/// What a value may look like.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// What it is.
    pub kind: PatternKind,
    /// All of it.
    pub span: Span,
}

/// The forms of patterns.
#[derive(Debug, Clone, PartialEq)]
pub enum PatternKind {
    /// `_`: anything.
    Any,
    /// A name that begins with a small letter: anything, which then has this name.
    Binding(Name),
    /// `Local`, `Ceph(pool, size = bytes)`, `None`. Fields that are not mentioned do not matter.
    Variant {
        /// The variant.
        name: Name,
        /// Its fields with what they must look like; a field alone gives its value that name.
        fields: Vec<(Name, Option<Pattern>)>,
    },
    /// `80`, `"debian"`, `true`
    Literal(Expression),
    /// `1..10`, both ends included
    Range(Expression, Expression),
    /// `A | B`
    Alternatives(Vec<Pattern>),
}
