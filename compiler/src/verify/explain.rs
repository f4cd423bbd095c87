//! Why an assertion does not hold: the value of each part of it, drawn under the line.

use std::collections::HashMap;

use serde_json::Value;

use crate::check::evaluate::{Scope, evaluate};
use crate::check::{Assertion, Expression, MAX_PARTS};
use crate::diagnostics::{Code, Diagnostic, Label};
use crate::plan::Template;
use crate::source::Span;
use crate::syntax::ast::{self, BinaryOperator, UnaryOperator};
use crate::syntax::walk;

use super::shown::shown;

/// More values than this under one line cannot be read.
const MOST: usize = 12;

/// The error for an assertion whose value is known to be false.
pub(super) fn explain(
    assertion: &Assertion,
    code: Code,
    message: String,
    scope: &mut Scope<'_>,
) -> Diagnostic {
    let mut by_span = HashMap::new();
    collect(&assertion.condition, &mut by_span);
    let mut parts = Vec::new();
    let mut values = Values { by_span, scope };
    values.part(&assertion.written, &mut parts);
    let root = anchor(&assertion.written);
    let mut diagnostic = Diagnostic::error(code, root, message).here("false");
    parts.retain(|(span, _)| *span != root);
    parts.truncate(MOST);
    let labels = parts.into_iter().map(|(span, text)| Label { span, text });
    diagnostic.labels.extend(labels);
    diagnostic
}

/// Checked expressions by the place where they are written; the outermost of a place wins.
fn collect<'e>(expression: &'e Expression, by_span: &mut HashMap<Span, &'e Expression>) {
    by_span.entry(expression.span).or_insert(expression);
    for child in expression.children() {
        collect(child, by_span);
    }
}

struct Values<'e, 's, 'a> {
    by_span: HashMap<Span, &'e Expression>,
    scope: &'s mut Scope<'a>,
}

impl Values<'_, '_, '_> {
    /// Adds what is known of an expression and of the parts of it that were looked at; gives its value.
    fn part(&mut self, written: &ast::Expression, parts: &mut Vec<(Span, String)>) -> Option<Value> {
        use ast::ExpressionKind as E;
        let value = self.value(written);
        match &written.kind {
            // What is made for each element has no value of its own.
            E::Comprehension { list, .. } => {
                self.part(list, parts);
            }
            E::Binary {
                operator: operator @ (BinaryOperator::And | BinaryOperator::Or),
                left,
                right,
                ..
            } => {
                let first = self.part(left, parts);
                let decided = first == Some(Value::Bool(*operator == BinaryOperator::Or));
                if !decided {
                    self.part(right, parts);
                }
            }
            E::If {
                condition,
                then,
                otherwise,
            } => match self.part(condition, parts) {
                Some(Value::Bool(true)) => {
                    self.part(then, parts);
                }
                _ => {
                    self.part(otherwise, parts);
                }
            },
            // The parts of a path are shown as a whole: `t.nodes.web`, not `t` and `t.nodes`.
            E::Member { of, .. } if is_path(of) => {}
            E::Call { callee, arguments } => {
                if let E::Member { of, .. } = &callee.kind
                    && !is_path(of)
                {
                    self.part(of, parts);
                }
                for argument in arguments {
                    self.part(&argument.value, parts);
                }
            }
            _ => {
                for child in walk::children(written) {
                    self.part(child, parts);
                }
            }
        }
        let known = matches!(
            written.kind,
            E::Literal(_) | E::Error | E::List(_) | E::Record(_) | E::String(_)
        );
        if let (Some(value), false) = (&value, known)
            && let Some(expression) = self.by_span.get(&written.span)
        {
            parts.push((anchor(written), shown(value, &expression.ty)));
        }
        value
    }

    fn value(&mut self, written: &ast::Expression) -> Option<Value> {
        let expression = *self.by_span.get(&written.span)?;
        self.scope.left = MAX_PARTS;
        match evaluate(expression, self.scope).ok()? {
            Template::Value(value) => Some(value),
            _ => None,
        }
    }
}

fn is_path(expression: &ast::Expression) -> bool {
    match &expression.kind {
        ast::ExpressionKind::Name(_) => true,
        ast::ExpressionKind::Member { of, .. } => is_path(of),
        _ => false,
    }
}

/// Where the value of an expression is drawn: at its operator or name, so that those of its parts have room.
fn anchor(expression: &ast::Expression) -> Span {
    use ast::ExpressionKind as E;
    let first = |length: u32| Span {
        end: expression.span.end.min(expression.span.start + length),
        ..expression.span
    };
    match &expression.kind {
        E::Binary { operator_span, .. } => *operator_span,
        E::Member { name, .. } | E::Name(name) => name.span,
        E::Call { callee, .. } => anchor(callee),
        E::Unary { operator, .. } => match operator {
            UnaryOperator::Not => first(3),
            UnaryOperator::Negate => first(1),
        },
        E::If { .. } => first(2),
        E::Comprehension { .. } | E::List(_) | E::Record(_) => first(1),
        _ => expression.span,
    }
}
