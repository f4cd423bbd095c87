//! From the pairs of pest to the AST: types.

use pest::iterators::Pair;

use crate::source::Span;

use super::ast::{DottedName, Name, Type, TypeKind};
use super::build::{Builder, parts};
use super::grammar::Rule;

impl Builder<'_> {
    pub(super) fn type_expression(&self, pair: Pair<'_, Rule>) -> Type {
        let span = self.span(&pair);
        let mut members: Vec<Type> = parts(pair).map(|p| self.type_member(p)).collect();
        if members.len() > 1 {
            return Type {
                kind: TypeKind::Union(members),
                span,
            };
        }
        members.pop().unwrap_or(Type {
            kind: TypeKind::Error,
            span,
        })
    }

    fn type_member(&self, pair: Pair<'_, Rule>) -> Type {
        let span = self.span(&pair);
        let mut ty = Type {
            kind: TypeKind::Error,
            span,
        };
        for part in parts(pair) {
            let to = self.span(&part);
            let whole = Span { end: to.end, ..span };
            ty = match part.as_rule() {
                Rule::type_expression => self.type_expression(part),
                Rule::type_name => self.type_name(&part),
                Rule::generic_type => self.generic(part),
                Rule::record_type => {
                    let fields = parts(part).filter_map(|field| {
                        let mut inner = parts(field);
                        Some((self.name(&inner.next()?), self.type_expression(inner.next()?)))
                    });
                    Type {
                        kind: TypeKind::Record(fields.collect()),
                        span: to,
                    }
                }
                Rule::optional => Type {
                    kind: TypeKind::Optional(Box::new(ty)),
                    span: whole,
                },
                Rule::operation => {
                    let range = Box::new(self.operation(part).node);
                    Type {
                        kind: TypeKind::In {
                            base: Box::new(ty),
                            range,
                        },
                        span: whole,
                    }
                }
                Rule::condition => {
                    let Some(operation) = parts(part).next() else {
                        continue;
                    };
                    let condition = Box::new(self.operation(operation).node);
                    Type {
                        kind: TypeKind::Where {
                            base: Box::new(ty),
                            condition,
                        },
                        span: whole,
                    }
                }
                Rule::string => {
                    let pattern = self.plain_string(&part);
                    Type {
                        kind: TypeKind::Matches {
                            base: Box::new(ty),
                            pattern,
                        },
                        span: whole,
                    }
                }
                _ => ty,
            };
        }
        ty
    }

    fn generic(&self, pair: Pair<'_, Rule>) -> Type {
        let span = self.span(&pair);
        let mut parts = parts(pair);
        let kind = match parts.next() {
            Some(name) => TypeKind::Named {
                name: self.dotted_text(&name),
                arguments: parts.map(|p| self.type_expression(p)).collect(),
            },
            None => TypeKind::Error,
        };
        Type { kind, span }
    }

    fn type_name(&self, pair: &Pair<'_, Rule>) -> Type {
        let name = self.dotted_text(pair);
        Type {
            span: name.span,
            kind: TypeKind::Named {
                name,
                arguments: Vec::new(),
            },
        }
    }

    /// `net.Port` or `List<`, which are one token of the grammar.
    fn dotted_text(&self, pair: &Pair<'_, Rule>) -> DottedName {
        let text = pair.as_str().trim_end_matches([' ', '<']);
        let start = self.span(pair).start as usize;
        let mut at = start;
        let names = text
            .split('.')
            .map(|part| {
                let span = Span::new(self.source, at, at + part.len());
                at += part.len() + 1;
                Name {
                    text: part.to_owned(),
                    span,
                }
            })
            .collect();
        DottedName {
            names,
            span: Span::new(self.source, start, start + text.len()),
        }
    }
}
