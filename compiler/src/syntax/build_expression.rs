//! From the pairs of pest to the AST: expressions.

use pest::iterators::Pair;

use crate::diagnostics::{Diagnostic, codes::syntax as codes};
use crate::source::Span;

use super::ast::{BinaryOperator, Expression, ExpressionKind, Literal, UnaryOperator};
use super::build::{Builder, parts};
use super::grammar::{OPERATORS, Rule};
use super::literal;

/// How many levels an expression may have.
pub const EXPRESSION_LIMIT: usize = 256;

/// An expression with what is needed to judge the one around it.
pub(super) struct Built {
    pub(super) node: Expression,
    /// Levels from the leaves up.
    pub(super) height: usize,
    /// Whether it is a comparison without parentheses.
    comparison: bool,
}

impl Builder<'_> {
    pub(super) fn built(&self, kind: ExpressionKind, span: Span, height: usize) -> Built {
        if height > EXPRESSION_LIMIT {
            let levels = EXPRESSION_LIMIT;
            let problem = Diagnostic::error(
                codes::TOO_DEEP,
                span,
                format!("this expression has more than {levels} levels"),
            )
            .help("give a part of it a name with `let` and use that");
            self.report(problem);
            // The height starts anew: one report is enough for one expression, and what is built stays shallow.
            return Built {
                node: Expression {
                    kind: ExpressionKind::Error,
                    span,
                },
                height: 1,
                comparison: false,
            };
        }
        Built {
            node: Expression { kind, span },
            height,
            comparison: false,
        }
    }

    pub(super) fn error(&self, span: Span) -> Built {
        Built {
            node: Expression {
                kind: ExpressionKind::Error,
                span,
            },
            height: 1,
            comparison: false,
        }
    }

    pub(super) fn expression(&self, pair: Pair<'_, Rule>) -> Built {
        let span = self.span(&pair);
        if pair.as_rule() == Rule::operation {
            return self.operation(pair);
        }
        let (mut conditions, mut last) = (Vec::new(), None);
        for part in parts(pair) {
            match part.as_rule() {
                Rule::conditional => {
                    let start = self.span(&part).start;
                    let mut inner = parts(part).filter(|p| p.as_rule() == Rule::operation);
                    if let (Some(condition), Some(then)) = (inner.next(), inner.next()) {
                        conditions.push((start, self.operation(condition), self.operation(then)));
                    }
                }
                _ => last = Some(self.operation(part)),
            }
        }
        let Some(mut result) = last else {
            return self.error(span);
        };
        for (start, condition, then) in conditions.into_iter().rev() {
            let height = 1 + result.height.max(condition.height).max(then.height);
            let kind = ExpressionKind::If {
                condition: Box::new(condition.node),
                then: Box::new(then.node),
                otherwise: Box::new(result.node),
            };
            result = self.built(kind, Span { start, ..span }, height);
        }
        result
    }

    pub(super) fn operation(&self, pair: Pair<'_, Rule>) -> Built {
        let span = self.span(&pair);
        // The parser of operators goes one level down for each of these.
        let downwards =
            |p: &Pair<'_, Rule>| matches!(p.as_rule(), Rule::negate | Rule::not | Rule::otherwise);
        if pair.clone().into_inner().filter(downwards).count() > EXPRESSION_LIMIT {
            return self.built(ExpressionKind::Error, span, EXPRESSION_LIMIT + 1);
        }
        OPERATORS
            .map_primary(|value| match value.as_rule() {
                Rule::value | Rule::plain_value => self.value(value),
                _ => self.primary(value),
            })
            .map_prefix(|operator, operand| self.unary(&operator, operand))
            .map_infix(|left, operator, right| self.binary(left, &operator, right))
            .parse(pair.into_inner())
    }

    fn unary(&self, operator: &Pair<'_, Rule>, operand: Built) -> Built {
        let span = self.span(operator).to(operand.node.span);
        let which = match operator.as_rule() {
            Rule::not => UnaryOperator::Not,
            _ => UnaryOperator::Negate,
        };
        let height = operand.height + 1;
        self.built(
            ExpressionKind::Unary {
                operator: which,
                operand: Box::new(operand.node),
            },
            span,
            height,
        )
    }

    fn binary(&self, left: Built, operator: &Pair<'_, Rule>, right: Built) -> Built {
        let operator_span = self.span(operator);
        let Some(which) = binary_operator(operator.as_rule()) else {
            return left;
        };
        let compares = is_comparison(which);
        if compares && left.comparison {
            let shown = operator.as_str().trim();
            let mut problem = Diagnostic::error(
                codes::CHAINED_COMPARISON,
                operator_span,
                "comparisons cannot be chained",
            )
            .here(format!("a second comparison, `{shown}`"))
            .help("compare twice and join with `and`: `a < b and b < c`");
            if let ExpressionKind::Binary {
                operator_span: first, ..
            } = &left.node.kind
            {
                problem = problem.label(*first, "the first comparison");
            }
            self.report(problem);
        }
        let span = left.node.span.to(right.node.span);
        let height = 1 + left.height.max(right.height);
        let kind = ExpressionKind::Binary {
            operator: which,
            operator_span,
            left: Box::new(left.node),
            right: Box::new(right.node),
        };
        Built {
            comparison: compares,
            ..self.built(kind, span, height)
        }
    }

    /// The value of an interpolation, and its height.
    pub(super) fn interpolated(&self, pair: Pair<'_, Rule>) -> (Expression, usize) {
        let built = self.value(pair);
        (built.node, built.height)
    }

    fn value(&self, pair: Pair<'_, Rule>) -> Built {
        let span = self.span(&pair);
        let mut parts = parts(pair);
        let Some(mut result) = parts.next().map(|p| self.primary(p)) else {
            return self.error(span);
        };
        for part in parts {
            let whole = Span {
                start: span.start,
                ..self.span(&part)
            };
            let below = result.height;
            result = match part.as_rule() {
                Rule::arguments => {
                    let (arguments, height) = self.arguments(part);
                    let callee = Box::new(result.node);
                    self.built(
                        ExpressionKind::Call { callee, arguments },
                        whole,
                        1 + below.max(height),
                    )
                }
                Rule::index => {
                    let Some(key) = self::parts(part).next().map(|p| self.operation(p)) else {
                        return result;
                    };
                    let (of, height) = (Box::new(result.node), 1 + below.max(key.height));
                    let key = Box::new(key.node);
                    self.built(ExpressionKind::Index { of, key }, whole, height)
                }
                rule => {
                    let Some(name) = self::parts(part).next().map(|p| self.name(&p)) else {
                        return result;
                    };
                    let of = Box::new(result.node);
                    let kind = match rule {
                        Rule::safe_member => ExpressionKind::SafeMember { of, name },
                        _ => ExpressionKind::Member { of, name },
                    };
                    self.built(kind, whole, 1 + below)
                }
            };
            if matches!(result.node.kind, ExpressionKind::Error) {
                return Built {
                    node: Expression { span, ..result.node },
                    ..result
                };
            }
        }
        result
    }

    fn primary(&self, pair: Pair<'_, Rule>) -> Built {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::name => self.built(ExpressionKind::Name(self.name(&pair)), span, 1),
            Rule::boolean => {
                let value = Literal::Bool(pair.as_str().trim_end() == "true");
                self.built(ExpressionKind::Literal(value), span, 1)
            }
            Rule::number => match literal::classify(&self.text[span.range()]) {
                Ok(value) => self.built(ExpressionKind::Literal(value), span, 1),
                Err(problem) => {
                    self.report(problem.diagnostic(span));
                    self.error(span)
                }
            },
            Rule::string => match self.string(span) {
                Some((parts, height)) => self.built(ExpressionKind::String(parts), span, height + 1),
                None => self.error(span),
            },
            Rule::parenthesised => match parts(pair).next() {
                // The span takes the parentheses along, so that messages show them.
                Some(inner) => {
                    let inner = self.expression(inner);
                    Built {
                        node: Expression { span, ..inner.node },
                        height: inner.height,
                        comparison: false,
                    }
                }
                None => self.error(span),
            },
            Rule::list => self.list(pair),
            Rule::record => self.record(pair),
            Rule::map_comprehension => self.map_comprehension(pair),
            Rule::match_expression => self.match_expression(pair),
            _ => self.error(span),
        }
    }

    fn list(&self, pair: Pair<'_, Rule>) -> Built {
        let span = self.span(&pair);
        let (mut elements, mut height) = (Vec::new(), 0);
        for part in parts(pair) {
            if part.as_rule() != Rule::comprehension {
                let element = self.expression(part);
                height = height.max(element.height);
                elements.push(element.node);
                continue;
            }
            let Some(element) = elements.pop() else {
                return self.error(span);
            };
            let element = Built {
                node: element,
                height,
                comparison: false,
            };
            return self.comprehension(part, element, span);
        }
        self.built(ExpressionKind::List(elements), span, height + 1)
    }

    fn record(&self, pair: Pair<'_, Rule>) -> Built {
        let span = self.span(&pair);
        let (mut fields, mut height) = (Vec::new(), 0);
        for field in parts(pair) {
            let mut inner = parts(field);
            let Some(name) = inner.next().map(|p| self.name(&p)) else {
                continue;
            };
            let value = inner.next().map(|p| self.expression(p));
            height = height.max(value.as_ref().map_or(1, |v| v.height));
            fields.push((name, value.map(|v| v.node)));
        }
        self.built(ExpressionKind::Record(fields), span, height + 1)
    }
}

fn is_comparison(operator: BinaryOperator) -> bool {
    use BinaryOperator::{Equal, Greater, GreaterOrEqual, In, Less, LessOrEqual, NotEqual};
    matches!(
        operator,
        Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual | In
    )
}

fn binary_operator(rule: Rule) -> Option<BinaryOperator> {
    Some(match rule {
        Rule::otherwise => BinaryOperator::Otherwise,
        Rule::or => BinaryOperator::Or,
        Rule::and => BinaryOperator::And,
        Rule::equal => BinaryOperator::Equal,
        Rule::not_equal => BinaryOperator::NotEqual,
        Rule::less => BinaryOperator::Less,
        Rule::less_equal => BinaryOperator::LessOrEqual,
        Rule::greater => BinaryOperator::Greater,
        Rule::greater_equal => BinaryOperator::GreaterOrEqual,
        Rule::contained => BinaryOperator::In,
        Rule::range => BinaryOperator::Range,
        Rule::add => BinaryOperator::Add,
        Rule::subtract => BinaryOperator::Subtract,
        Rule::multiply => BinaryOperator::Multiply,
        Rule::divide => BinaryOperator::Divide,
        Rule::modulo => BinaryOperator::Modulo,
        _ => return None,
    })
}
