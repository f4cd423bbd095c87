//! From the pairs of pest to the AST: blocks and statements.

use std::cell::{Cell, RefCell};

use pest::iterators::Pair;

use crate::diagnostics::{Diagnostic, codes::syntax as codes};

use super::ast::{Block, Expression, FieldMark, Name, Statement, StatementKind, Type};
use super::build::{Builder, function_word, parts};
use super::docs::Docs;
use super::grammar::Rule;
use crate::source::Span;

impl Builder<'_> {
    pub(super) fn block(&self, pair: Pair<'_, Rule>) -> Block {
        let span = self.span(&pair);
        Block {
            statements: parts(pair).filter_map(|p| self.statement(p)).collect(),
            span,
        }
    }

    /// A block that may be left out: then it is empty, and stands after what is before it.
    pub(super) fn block_or_none(&self, pair: Option<Pair<'_, Rule>>, before: Span) -> Block {
        let after = Span {
            start: before.end,
            ..before
        };
        pair.map(|p| self.block(p)).unwrap_or(Block {
            statements: Vec::new(),
            span: after,
        })
    }

    fn statement(&self, pair: Pair<'_, Rule>) -> Option<Statement> {
        let span = self.span(&pair);
        let docs = Docs::before(self.text, &self.layout.tokens, span.start as usize);
        let body = parts(pair).next()?;
        let kind = match body.as_rule() {
            Rule::unreadable => self.unreadable(&body).unwrap_or(StatementKind::Error),
            _ => self.statement_kind(body).unwrap_or(StatementKind::Error),
        };
        Some(Statement { docs, kind, span })
    }

    /// Tells why a statement cannot be read: by trying again without the fallback.
    fn unreadable(&self, pair: &Pair<'_, Rule>) -> Option<StatementKind> {
        let span = self.span(pair);
        let before = self.unreadable_until.replace(span.end as usize);
        let between = self.text.get(before..span.start as usize).unwrap_or_default();
        if before > self.base && !between.contains('\n') {
            // What follows a comma on the same line is mostly a piece of the same broken statement.
            return None;
        }
        let reader = self.reader(span, "a new line or `,`");
        if span.start == span.end {
            self.report(reader.empty_statement());
            return None;
        }
        let inside = Builder {
            base: span.start as usize,
            problems: RefCell::default(),
            unreadable_until: Cell::default(),
            ..*self
        };
        let input = pair.as_str().trim_end_matches([' ', '\n']);
        let kind = inside.read(Rule::statement_entry, input, &reader, |pair| {
            inside.statement_kind(parts(pair).next()?)
        });
        if kind.is_some() {
            self.unreadable_until.set(before);
        }
        self.problems.borrow_mut().extend(inside.problems.into_inner());
        kind
    }

    fn statement_kind(&self, pair: Pair<'_, Rule>) -> Option<StatementKind> {
        let rule = pair.as_rule();
        if rule == Rule::if_statement {
            return self.if_statement(pair);
        }
        if rule == Rule::match_statement {
            return self.match_statement(pair);
        }
        if rule == Rule::for_statement {
            return self.for_statement(pair);
        }
        if rule == Rule::declaration {
            let mark = match parts(pair.clone()).next()?.as_rule() {
                Rule::kw_key => Some(FieldMark::Key),
                Rule::kw_replaces => Some(FieldMark::Replaces),
                Rule::kw_interrupts => Some(FieldMark::Interrupts),
                _ => None,
            };
            let mut inner = parts(pair.clone()).skip(usize::from(mark.is_some()));
            let name = self.name(&inner.next()?);
            let ty = self.type_expression(inner.next()?);
            let default = inner.next().map(|p| self.expression(p).node);
            let span = self.span(&pair).to(name.span);
            let span = if mark.is_some() {
                Span {
                    start: name.span.start,
                    ..span
                }
            } else {
                span
            };
            return Some(StatementKind::Declaration {
                mark,
                parameter: super::ast::Parameter {
                    name,
                    ty,
                    default,
                    known: false,
                    span,
                },
            });
        }
        if rule == Rule::change_statement {
            return self.change(pair).map(StatementKind::Change);
        }
        let many = parts(pair.clone())
            .next()
            .is_some_and(|p| p.as_rule() == Rule::kw_nodes);
        let mut parts = parts(pair).filter(|p| {
            !matches!(
                p.as_rule(),
                Rule::kw_let
                    | Rule::kw_nodes
                    | Rule::kw_node
                    | Rule::kw_run
                    | Rule::kw_on
                    | Rule::kw_out
                    | Rule::kw_requires
                    | Rule::kw_provides
                    | Rule::kw_needs
                    | Rule::kw_accept
                    | Rule::kw_gap
                    | Rule::kw_policy
                    | Rule::kw_expect
                    | Rule::kw_error
                    | Rule::kw_leave
                    | Rule::kw_use
                    | Rule::kw_assert
            )
        });
        let kind = match rule {
            Rule::field => {
                let name = self.name(&parts.next()?);
                StatementKind::Field {
                    name,
                    value: self.expression(parts.next()?).node,
                }
            }
            Rule::let_statement => {
                let (name, ty, value) = self.binding(parts)?;
                StatementKind::Let { name, ty, value }
            }
            Rule::nodes_statement => StatementKind::Nodes {
                many,
                name: self.name(&parts.next()?),
                block: self.block(parts.next()?),
            },
            Rule::run_statement => {
                let name = self.name(&parts.next()?);
                let role = self.dotted(parts.next()?);
                let list = parts.next()?;
                let list_span = self.span(&list);
                let arguments = self.arguments(list).0;
                let mut parts = parts.peekable();
                let on = parts.next_if(|p| p.as_rule() == Rule::run_group);
                let on = on.and_then(|p| p.into_inner().find(|p| p.as_rule() == Rule::name));
                let on = on.map(|p| self.name(&p));
                let before = on.as_ref().map_or(list_span, |on| on.span);
                StatementKind::Run {
                    name,
                    role,
                    arguments,
                    block: self.block_or_none(parts.next(), before),
                    on,
                }
            }
            Rule::out_statement => {
                let name = self.name(&parts.next()?);
                let ty = self.type_expression(parts.next()?);
                StatementKind::Out {
                    name,
                    ty,
                    value: parts.next().map(|p| self.expression(p).node),
                }
            }
            Rule::requires_statement => StatementKind::Requires {
                capability: self.dotted(parts.next()?),
            },
            Rule::provides_statement => {
                let capability = self.dotted(parts.next()?);
                StatementKind::Provides {
                    capability,
                    level: self.expression(parts.next()?).node,
                }
            }
            Rule::needs_statement => StatementKind::Needs {
                fields: parts.map(|p| self.name(&p)).collect(),
            },
            Rule::accept_statement => {
                let what = parts.next()?;
                if what.as_rule() == Rule::string {
                    return Some(StatementKind::AcceptPolicy {
                        title: self.plain_string(&what),
                        block: self.block(parts.next()?),
                    });
                }
                let capability = self.dotted(what);
                StatementKind::AcceptGap {
                    capability,
                    block: self.block(parts.next()?),
                }
            }
            Rule::choice_statement => StatementKind::Choice {
                interface: self.dotted(parts.next()?),
                implementation: self.dotted(parts.next()?),
            },
            Rule::signature_statement => {
                let word = function_word(&parts.next()?);
                let name = self.name(&parts.next()?);
                let list = self::parts(parts.next()?);
                let parameters = list.filter_map(|p| self.parameter(p)).collect();
                StatementKind::Signature {
                    word,
                    name,
                    parameters,
                    block: self.block(parts.next()?),
                }
            }
            Rule::leave_statement => StatementKind::OnLeave {
                block: self.block(parts.next()?),
            },
            Rule::deploy_statement => StatementKind::Deploy(self.deployment(parts.next()?)?),
            Rule::assert_statement => StatementKind::Assert {
                condition: self.expression(parts.next()?).node,
                because: parts.next().map(|p| self.plain_string(&p)),
            },
            Rule::expect_statement => self.expected_error(parts)?,
            Rule::named_statement => {
                let word = self.dotted(parts.find(|p| p.as_rule() == Rule::path)?);
                let name = self.name(&parts.next()?);
                StatementKind::Named {
                    word,
                    name,
                    block: self.block(parts.next()?),
                }
            }
            _ => return None,
        };
        Some(kind)
    }

    /// `expect error E0305 { … }`
    fn expected_error<'i>(&self, mut parts: impl Iterator<Item = Pair<'i, Rule>>) -> Option<StatementKind> {
        let code = self.name(&parts.next()?);
        let digits = code.text.strip_prefix('E').unwrap_or_default();
        if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            let message = format!("`{}` is no code of an error", code.text);
            let help = "a code is an `E` and four digits, as messages show it: `expect error E0305 { … }`";
            self.report(Diagnostic::error(codes::NO_ERROR_CODE, code.span, message).help(help));
        }
        let block = self.block(parts.next()?);
        Some(StatementKind::ExpectError { code, block })
    }

    fn if_statement(&self, pair: Pair<'_, Rule>) -> Option<StatementKind> {
        let mut branches = Vec::new();
        let mut condition: Option<Expression> = None;
        let mut otherwise = None;
        for part in parts(pair) {
            match part.as_rule() {
                Rule::operation => condition = Some(self.operation(part).node),
                Rule::block => match condition.take() {
                    Some(condition) => branches.push((condition, self.block(part))),
                    None => otherwise = Some(self.block(part)),
                },
                _ => {}
            }
        }
        Some(StatementKind::If { branches, otherwise })
    }

    /// `name: Type = value`, the type perhaps missing.
    pub(super) fn binding<'i>(
        &self,
        mut parts: impl Iterator<Item = Pair<'i, Rule>>,
    ) -> Option<(Name, Option<Type>, Expression)> {
        let name = self.name(&parts.next()?);
        let next = parts.next()?;
        if next.as_rule() != Rule::type_expression {
            return Some((name, None, self.expression(next).node));
        }
        let ty = self.type_expression(next);
        Some((name, Some(ty), self.expression(parts.next()?).node))
    }
}
