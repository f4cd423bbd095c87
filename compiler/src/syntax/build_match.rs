//! From the pairs of pest to the AST: `match`, `for` and comprehensions.

use pest::iterators::Pair;

use crate::source::Span;

use super::ast::{Arm, Expression, ExpressionKind, Pattern, PatternKind, StatementKind, Variables};
use super::build::{Builder, parts};
use super::build_expression::Built;
use super::grammar::Rule;

impl Builder<'_> {
    pub(super) fn match_statement(&self, pair: Pair<'_, Rule>) -> Option<StatementKind> {
        let mut inner = parts(pair).filter(|p| p.as_rule() != Rule::kw_match);
        let subject = self.operation(inner.next()?).node;
        let arms = inner.filter_map(|arm| {
            let span = self.span(&arm);
            let mut inner = parts(arm);
            let (pattern, block) = (inner.next()?, inner.next()?);
            Some(Arm {
                pattern: self.pattern(pattern),
                value: self.block(block),
                span,
            })
        });
        Some(StatementKind::Match {
            subject,
            arms: arms.collect(),
        })
    }

    pub(super) fn match_expression(&self, pair: Pair<'_, Rule>) -> Built {
        let span = self.span(&pair);
        let mut inner = parts(pair).filter(|p| p.as_rule() != Rule::kw_match);
        let Some(subject) = inner.next().map(|p| self.operation(p)) else {
            return self.error(span);
        };
        let mut height = subject.height;
        let mut arms = Vec::new();
        for arm in inner {
            let span = self.span(&arm);
            let mut inner = parts(arm);
            let (Some(pattern), Some(value)) = (inner.next(), inner.next()) else {
                continue;
            };
            let value = self.expression(value);
            height = height.max(value.height);
            arms.push(Arm {
                pattern: self.pattern(pattern),
                value: value.node,
                span,
            });
        }
        let kind = ExpressionKind::Match {
            subject: Box::new(subject.node),
            arms,
        };
        self.built(kind, span, height + 1)
    }

    fn pattern(&self, pair: Pair<'_, Rule>) -> Pattern {
        let span = self.span(&pair);
        let mut all: Vec<Pattern> = parts(pair).map(|p| self.single_pattern(p)).collect();
        match (all.pop(), all.is_empty()) {
            (Some(single), true) => single,
            (Some(last), false) => {
                all.push(last);
                Pattern {
                    kind: PatternKind::Alternatives(all),
                    span,
                }
            }
            (None, _) => Pattern {
                kind: PatternKind::Any,
                span,
            },
        }
    }

    fn single_pattern(&self, pair: Pair<'_, Rule>) -> Pattern {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::literal_pattern => {
                let mut ends = parts(pair)
                    .filter(|p| p.as_rule() == Rule::end_of_range)
                    .map(|p| self.operation(p).node);
                match (ends.next(), ends.next()) {
                    (Some(low), Some(high)) => PatternKind::Range(low, high),
                    (Some(literal), None) => PatternKind::Literal(literal),
                    (None, _) => PatternKind::Any,
                }
            }
            _ => self.name_pattern(pair),
        };
        Pattern { kind, span }
    }

    fn name_pattern(&self, pair: Pair<'_, Rule>) -> PatternKind {
        let mut inner = parts(pair);
        let Some(name) = inner.next().map(|p| self.name(&p)) else {
            return PatternKind::Any;
        };
        let data = inner.next();
        if data.is_none() && name.text == "_" {
            return PatternKind::Any;
        }
        if data.is_none() && !name.text.starts_with(|c: char| c.is_ascii_uppercase()) {
            return PatternKind::Binding(name);
        }
        let fields = data.into_iter().flat_map(parts).filter_map(|field| {
            let mut inner = parts(field);
            let name = self.name(&inner.next()?);
            Some((name, inner.next().map(|p| self.pattern(p))))
        });
        PatternKind::Variant {
            name,
            fields: fields.collect(),
        }
    }

    pub(super) fn for_statement(&self, pair: Pair<'_, Rule>) -> Option<StatementKind> {
        let mut names = Vec::new();
        let mut operations = Vec::new();
        let mut block = None;
        for part in parts(pair) {
            match part.as_rule() {
                Rule::new_name => names.push(self.name(&part)),
                Rule::operation => operations.push(self.operation(part).node),
                Rule::block => block = Some(self.block(part)),
                _ => {}
            }
        }
        let mut operations = operations.into_iter();
        Some(StatementKind::For {
            variables: variables(names)?,
            list: operations.next()?,
            by: operations.next(),
            block: block?,
        })
    }

    /// `element` of a list, and what stands behind it.
    pub(super) fn comprehension(&self, pair: Pair<'_, Rule>, element: Built, span: Span) -> Built {
        let mut names = Vec::new();
        let (mut list, mut condition) = (None, None);
        for part in parts(pair) {
            match part.as_rule() {
                Rule::new_name => names.push(self.name(&part)),
                Rule::operation => list = Some(self.operation(part)),
                Rule::expression => condition = Some(self.expression(part)),
                _ => {}
            }
        }
        match (list, variables(names)) {
            (Some(list), Some(variables)) => {
                self.comprehended(None, element, variables, list, condition, span)
            }
            _ => self.error(span),
        }
    }

    fn comprehended(
        &self,
        key: Option<Built>,
        element: Built,
        variables: Variables,
        list: Built,
        condition: Option<Built>,
        span: Span,
    ) -> Built {
        let parts = [&key, &condition].into_iter().flatten();
        let highest = parts.chain([&element, &list]).map(|b| b.height).max();
        let boxed = |built: Built| Box::<Expression>::new(built.node);
        let kind = ExpressionKind::Comprehension {
            key: key.map(boxed),
            element: boxed(element),
            variables,
            list: boxed(list),
            condition: condition.map(boxed),
        };
        self.built(kind, span, highest.unwrap_or(0) + 1)
    }

    pub(super) fn map_comprehension(&self, pair: Pair<'_, Rule>) -> Built {
        let span = self.span(&pair);
        let mut names = Vec::new();
        let (mut operations, mut expressions) = (Vec::new(), Vec::new());
        for part in parts(pair) {
            match part.as_rule() {
                Rule::new_name => names.push(self.name(&part)),
                Rule::operation => operations.push(self.operation(part)),
                Rule::expression => expressions.push(self.expression(part)),
                _ => {}
            }
        }
        let mut operations = operations.into_iter();
        let mut expressions = expressions.into_iter();
        let (Some(list), Some(key), Some(element), Some(variables)) = (
            operations.next(),
            operations.next(),
            expressions.next(),
            variables(names),
        ) else {
            return self.error(span);
        };
        self.comprehended(Some(key), element, variables, list, expressions.next(), span)
    }
}

fn variables(mut names: Vec<super::ast::Name>) -> Option<Variables> {
    let value = names.pop()?;
    Some(Variables {
        key: names.pop(),
        value,
    })
}
