//! Types of expressions. What a place expects flows in: it tells the enum of a variant and the form of a text.

use serde_json::Value;

use super::coerce::noun;
use super::literals::literal_value;
use super::rules;
use super::typed::{Check, Expression, ExpressionKind, Requirement, Wait};
use super::types::{TextForm, Thing, Type};
use super::{Checker, Expected, operators};
use crate::diagnostics::codes::types;
use crate::diagnostics::{Diagnostic, Fix};
use crate::plan::GateMode;
use crate::plan::url::has_dollar;
use crate::resolve::{Builtin, Definition, ItemId};
use crate::source::Span;
use crate::syntax::ast::{self, BinaryOperator, StringPart, UnaryOperator};
use crate::syntax::walk::dollars;

impl Checker<'_> {
    /// The expression with its type, held against what is expected.
    pub(super) fn expression(&mut self, e: &ast::Expression, expected: &Expected) -> Expression {
        super::bounds::with_stack(|| self.expected(e, expected))
    }

    fn expected(&mut self, e: &ast::Expression, expected: &Expected) -> Expression {
        let hint = strip(&expected.ty).clone();
        let value = match (&e.kind, &hint) {
            (ast::ExpressionKind::List(elements), Type::List(element)) => {
                let part = expected.part(element);
                let elements = elements.iter().map(|e| self.expression(e, &part)).collect();
                Expression {
                    kind: ExpressionKind::List(elements),
                    ty: hint.clone(),
                    span: e.span,
                }
            }
            (ast::ExpressionKind::Record(fields), Type::Map(_, element)) => {
                let part = expected.part(element);
                let fields = self.record_fields(fields, |this, _, e| this.expression(e, &part));
                Expression {
                    kind: ExpressionKind::Record(fields),
                    ty: hint.clone(),
                    span: e.span,
                }
            }
            (ast::ExpressionKind::Match { subject, arms }, _) => {
                return self.match_value(subject, arms, Some(expected), e.span);
            }
            (ast::ExpressionKind::Record(fields), Type::Record(wanted)) => {
                return self.record_as(e.span, fields, wanted, expected);
            }
            (
                ast::ExpressionKind::If {
                    condition,
                    then,
                    otherwise,
                },
                _,
            ) => {
                let condition = self.expression(condition, &Expected::of(Type::Bool));
                let (then, otherwise) = (
                    self.expression(then, expected),
                    self.expression(otherwise, expected),
                );
                let ty = then.ty.join(&otherwise.ty).unwrap_or_else(|| expected.ty.clone());
                let kind = ExpressionKind::If(Box::new(condition), Box::new(then), Box::new(otherwise));
                return Expression {
                    kind,
                    ty,
                    span: e.span,
                };
            }
            _ if self.calls(e, Builtin::Import) => return self.import(e, Some(expected)),
            _ => self.infer(e, Some(&expected.ty)),
        };
        self.coerce(value, expected)
    }

    /// The expression with its type. The hint is what the place would like to have.
    pub(super) fn infer(&mut self, e: &ast::Expression, hint: Option<&Type>) -> Expression {
        super::bounds::with_stack(|| self.inferred(e, hint))
    }

    fn inferred(&mut self, e: &ast::Expression, hint: Option<&Type>) -> Expression {
        let span = e.span;
        let wanted = hint.map(strip);
        let (kind, ty) = match &e.kind {
            ast::ExpressionKind::Error => (ExpressionKind::Error, Type::Error),
            ast::ExpressionKind::Literal(literal) => literal_value(literal, wanted),
            ast::ExpressionKind::String(parts) => return self.string(parts, span, wanted),
            ast::ExpressionKind::Name(name) => return self.name(name, span, hint),
            ast::ExpressionKind::Member { of, name } => return self.member(of, name, span),
            ast::ExpressionKind::Call { .. } if self.calls(e, Builtin::Import) => {
                return self.import(e, None);
            }
            ast::ExpressionKind::Call { .. } if self.calls(e, Builtin::Outputs) => {
                return self.outputs_of_deploy(e);
            }
            ast::ExpressionKind::Call { callee, arguments } => {
                return self.call(callee, arguments, span, hint);
            }
            ast::ExpressionKind::List(elements) => return self.list(elements, span, wanted),
            ast::ExpressionKind::Record(fields) => {
                let fields = self.record_fields(fields, |this, _, e| this.infer(e, None));
                let ty = Type::Record(fields.iter().map(|(n, e)| (n.clone(), e.ty.clone())).collect());
                (ExpressionKind::Record(fields), ty)
            }
            ast::ExpressionKind::SafeMember { of, name } => return self.safe_member(of, name, span),
            ast::ExpressionKind::Index { of, key } => return self.index(of, key, span),
            ast::ExpressionKind::Match { subject, arms } => {
                return self.match_value(subject, arms, None, span);
            }
            ast::ExpressionKind::Comprehension {
                key,
                element,
                variables,
                list,
                condition,
            } => {
                let written = super::comprehensions::Written {
                    key: key.as_deref(),
                    element,
                    variables,
                    list,
                    condition: condition.as_deref(),
                };
                return self.comprehension(&written, span, wanted);
            }
            ast::ExpressionKind::If {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.expression(condition, &Expected::of(Type::Bool));
                let (then, otherwise) = (self.infer(then, hint), self.infer(otherwise, hint));
                let Some(ty) = then.ty.join(&otherwise.ty) else {
                    let message = format!(
                        "one side is {}, the other {}",
                        noun(&then.ty),
                        noun(&otherwise.ty)
                    );
                    self.report(
                        Diagnostic::error(types::MISMATCH, otherwise.span, message)
                            .here(noun(&otherwise.ty))
                            .label(then.span, noun(&then.ty)),
                    );
                    return error(span);
                };
                (
                    ExpressionKind::If(Box::new(condition), Box::new(then), Box::new(otherwise)),
                    ty,
                )
            }
            ast::ExpressionKind::Unary { operator, operand } => {
                let value = self.infer(operand, hint);
                let fits = match operator {
                    UnaryOperator::Not => *value.ty.base() == Type::Bool,
                    UnaryOperator::Negate => matches!(value.ty.base(), Type::Int | Type::Float),
                };
                if !fits && value.ty != Type::Error {
                    let word = if *operator == UnaryOperator::Not {
                        "not"
                    } else {
                        "-"
                    };
                    let message = format!("`{word}` cannot stand before {}", noun(&value.ty));
                    self.report(Diagnostic::error(types::OPERATOR, value.span, message));
                    return error(span);
                }
                let ty = value.ty.base().clone();
                (ExpressionKind::Unary(*operator, Box::new(value)), ty)
            }
            ast::ExpressionKind::Binary {
                operator,
                operator_span,
                left,
                right,
            } => {
                return self.binary(*operator, *operator_span, left, right, span, hint);
            }
        };
        Expression { kind, ty, span }
    }

    fn list(&mut self, elements: &[ast::Expression], span: Span, wanted: Option<&Type>) -> Expression {
        let elements: Vec<Expression> = elements.iter().map(|e| self.infer(e, None)).collect();
        let mut ty = Type::Error;
        for element in &elements {
            match ty.join(&element.ty) {
                Some(joined) => ty = joined,
                // What it is for could not be understood: it may well say what they have in common.
                None if wanted == Some(&Type::Error) => return error(span),
                None => {
                    let message = format!("a list of {} cannot hold {}", noun(&ty), noun(&element.ty));
                    let first = elements[0].span;
                    let diagnostic = Diagnostic::error(types::MISMATCH, element.span, message);
                    self.report(diagnostic.here(noun(&element.ty)).label(first, noun(&ty)));
                    return error(span);
                }
            }
        }
        Expression {
            kind: ExpressionKind::List(elements),
            ty: Type::list(ty),
            span,
        }
    }

    fn string(&mut self, parts: &[StringPart], span: Span, wanted: Option<&Type>) -> Expression {
        let form = wanted.and_then(text_form);
        let ty = form.map_or(Type::String, Type::Text);
        if let Some(text) = plain(parts) {
            if let Some(form) = form {
                let check = Check {
                    requirement: Requirement::Form(form),
                    name: form.name().to_owned(),
                    declared: None,
                };
                if let Err(broken) = super::evaluate::keep(&Value::String(text.clone()), &check, span) {
                    self.report(*broken);
                    return error(span);
                }
            }
            return Expression {
                kind: ExpressionKind::Value(Value::String(text)),
                ty,
                span,
            };
        }
        let mut pieces = Vec::new();
        for part in parts {
            pieces.push(match part {
                StringPart::Text(text) => Expression {
                    kind: ExpressionKind::Value(Value::String(text.clone())),
                    ty: Type::String,
                    span,
                },
                StringPart::Interpolation(inner) => {
                    let value = self.infer(inner, None);
                    if !value.ty.has_text() && !value.ty.has_secret_text() {
                        self.report(no_text(&value));
                    }
                    value
                }
            });
        }
        // What a secret will be is not known, and so has no form that could be checked.
        let tainted = pieces.iter().any(|piece| piece.ty.may_be_secret());
        let concat = Expression {
            kind: ExpressionKind::Concat(pieces),
            ty: if tainted { Type::text_of(true) } else { ty },
            span,
        };
        let Some(form) = form.filter(|_| !tainted) else {
            return concat;
        };
        let start = match parts.first() {
            Some(StringPart::Text(start)) => rules::form_of_start(start, form),
            _ => Ok(()),
        };
        // Names and addresses hold no `$` either.
        let whole = parts.iter().map(|part| match part {
            StringPart::Text(text) => text.as_str(),
            StringPart::Interpolation(_) => "a",
        });
        let whole: String = whole.collect();
        let cause = match start {
            Ok(()) if form == TextForm::Url && has_dollar(&whole) => {
                Err("`$` cannot stand in its host".to_owned())
            }
            start => start,
        };
        if let Err(cause) = cause {
            let message = format!("this is no `{}`: {cause}", form.name());
            let wrong = Diagnostic::error(types::MALFORMED_TEXT, span, message);
            let dollars = dollars(parts, span, self.sources.slice(span));
            let fix = Fix::likely("take the `$` out");
            let fix = dollars.iter().fold(fix, |fix, at| fix.edit(*at, ""));
            let wrong = wrong.help(rules::help_of_form(&whole, form));
            self.report(if dollars.is_empty() {
                wrong
            } else {
                wrong.add_fix(fix)
            });
            return error(span);
        }
        let check = Check {
            requirement: Requirement::Form(form),
            name: form.name().to_owned(),
            declared: None,
        };
        self.keep(concat, check, &Expected::of(Type::Error))
    }

    fn name(&mut self, name: &ast::Name, span: Span, hint: Option<&Type>) -> Expression {
        let (kind, ty) = match self.resolved.references.get(&name.span).copied() {
            Some(Definition::Broken) => return error(span),
            Some(Definition::Local(declared)) => {
                if let Some(waits) = self.waits_of.get(&declared) {
                    let here = self.sources.place(span);
                    let again = waits.iter().map(|w| Wait {
                        span,
                        place: here.clone(),
                        ..w.clone()
                    });
                    self.waits.extend(again);
                }
                let ty = self.locals.get(&declared).cloned().unwrap_or(Type::Error);
                if self.handed_in.contains(&declared) && !matches!(ty, Type::Thing(Thing::Group, _)) {
                    self.waits.push(Wait {
                        run: name.text.clone(),
                        keys: Vec::new(),
                        handed_in: true,
                        output: None,
                        argument: String::new(),
                        mode: GateMode::All,
                        span,
                        place: self.sources.place(span),
                    });
                }
                if matches!(ty, Type::Thing(Thing::Plan, _)) {
                    return self.plan_as_value(name, span);
                }
                let wants_step = matches!(hint.map(strip), Some(Type::Thing(Thing::Step, _)));
                match &ty {
                    Type::Thing(Thing::Step, _) if wants_step => {
                        (ExpressionKind::StepName(name.text.clone()), ty)
                    }
                    _ => (ExpressionKind::Variable(name.text.clone()), ty),
                }
            }
            Some(Definition::Item(id)) => (
                ExpressionKind::Item(id, self.resolved.qualified_name(id)),
                self.type_of_value(id),
            ),
            Some(Definition::Builtin(Builtin::Node)) => (
                ExpressionKind::Variable("node".to_owned()),
                Type::thing(Thing::Node),
            ),
            Some(Definition::Builtin(_)) => {
                let message = format!("`{}` is a function", name.text);
                let call = Diagnostic::error(types::MISMATCH, span, message);
                self.report(call.help(format!("call it: `{}(…)`", name.text)));
                return error(span);
            }
            None => return self.variant(name, None, span, hint),
        };
        Expression { kind, ty, span }
    }

    fn binary(
        &mut self,
        operator: BinaryOperator,
        operator_span: Span,
        left: &ast::Expression,
        right: &ast::Expression,
        span: Span,
        hint: Option<&Type>,
    ) -> Expression {
        let compares = matches!(operator, BinaryOperator::Equal | BinaryOperator::NotEqual);
        let arithmetic = matches!(operator, BinaryOperator::Otherwise | BinaryOperator::Add);
        let first = left;
        let orders = matches!(
            operator,
            BinaryOperator::Less
                | BinaryOperator::LessOrEqual
                | BinaryOperator::Greater
                | BinaryOperator::GreaterOrEqual
        );
        let left_hint = match hint.map(strip) {
            Some(Type::Range(inner)) if operator == BinaryOperator::Range => Some((**inner).clone()),
            _ => hint.filter(|_| arithmetic).cloned(),
        };
        let mut left = self.infer(left, left_hint.as_ref());
        let right_hint = match operator {
            // The right side is read as the left one is, so that variants and units find their type.
            _ if compares => Some(left.ty.clone()),
            _ if orders && *left.ty.base() == Type::Text(TextForm::Version) => Some(left.ty.clone()),
            BinaryOperator::Otherwise => match &left.ty {
                Type::Optional(inner) => Some((**inner).clone()),
                _ => None,
            },
            BinaryOperator::In => Some(Type::list(left.ty.clone())),
            BinaryOperator::Add if matches!(left.ty, Type::List(_)) => Some(left.ty.clone()),
            _ => left_hint,
        };
        let right = match (&right_hint, operator) {
            (Some(hint @ Type::List(_)), BinaryOperator::In | BinaryOperator::Add)
                if matches!(right.kind, ast::ExpressionKind::List(_)) =>
            {
                self.expression(right, &Expected::of(hint.clone()))
            }
            (Some(hint), BinaryOperator::Otherwise) => self.expression(right, &Expected::of(hint.clone())),
            _ => self.infer(right, right_hint.as_ref()),
        };
        // `"1.9" < version`: the text on the left is read as the right side is.
        let version = orders && *right.ty.base() == Type::Text(TextForm::Version);
        if version && matches!(first.kind, ast::ExpressionKind::String(_)) {
            left = self.infer(first, Some(&right.ty));
        }
        let Some(mut ty) = operators::result_type(operator, &left.ty, &right.ty) else {
            let symbol = operators::symbol(operator);
            if left.ty.holds_secret() || right.ty.holds_secret() {
                let told = self.secret_compared(symbol, operator_span, &[&left, &right]);
                self.report(told);
                return error(span);
            }
            let message = format!(
                "`{symbol}` does not go between {} and {}",
                noun(&left.ty),
                noun(&right.ty)
            );
            let mut diagnostic = Diagnostic::error(types::OPERATOR, operator_span, message)
                .label(left.span, noun(&left.ty))
                .label(right.span, noun(&right.ty));
            if let Some(help) = operators::advice(operator, &left.ty, &right.ty) {
                diagnostic = diagnostic.help(help);
            }
            self.report(diagnostic);
            return error(span);
        };
        // How often a unit fits is a whole number, unless a fraction is wanted, as with literals.
        let fraction = hint.map(strip) == Some(&Type::Float);
        if fraction && operator == BinaryOperator::Divide && left.ty.is_unit() && ty == Type::Int {
            ty = Type::Float;
        }
        Expression {
            kind: ExpressionKind::Binary(operator, Box::new(left), Box::new(right)),
            ty,
            span,
        }
    }

    /// The type of an item in an expression.
    pub(super) fn type_of_value(&mut self, id: ItemId) -> Type {
        match &self.resolved.item(id).kind {
            ast::ItemKind::Let { .. } => self.value_of(id),
            ast::ItemKind::Block {
                word: ast::BlockWord::Network,
                ..
            } => {
                let members = [
                    ("name", Type::String),
                    ("cidr", Type::Cidr),
                    ("gateway", Type::Optional(Box::new(Type::Ip))),
                ];
                let members = members.into_iter().map(|(n, t)| (n.to_owned(), t)).collect();
                Type::Thing(Thing::Network, std::sync::Arc::new(members))
            }
            ast::ItemKind::Block {
                word: ast::BlockWord::Hardware,
                ..
            } => Type::thing(Thing::Hardware),
            ast::ItemKind::Block {
                word: ast::BlockWord::Image,
                ..
            } => Type::thing(Thing::Image),
            _ => Type::Error,
        }
    }
}

/// The error for a value that cannot stand in a string.
pub(super) fn no_text(value: &Expression) -> Diagnostic {
    let message = format!("{} has no text of its own", noun(&value.ty));
    let diagnostic = Diagnostic::error(types::NO_TEXT, value.span, message);
    match value.ty.base() {
        Type::Bytes => diagnostic.help("say in which unit: `{(size / 1MiB)}`"),
        Type::Duration => diagnostic.help("say in which unit: `{(time / 1s)}`"),
        Type::Rate | Type::Frequency | Type::Percent => {
            diagnostic.help("say in which unit, by dividing by one of it")
        }
        Type::Optional(_) => diagnostic.help("it may be missing: `{(value ?? other)}`"),
        Type::List(_) => diagnostic.help("put it together with `join(list, \", \")`, or use a template"),
        _ => diagnostic,
    }
}

/// `{ greeting }` means `{ greeting = greeting }`.
pub(super) fn same_name(name: &ast::Name) -> ast::Expression {
    ast::Expression {
        kind: ast::ExpressionKind::Name(name.clone()),
        span: name.span,
    }
}

pub(super) fn error(span: Span) -> Expression {
    Expression {
        kind: ExpressionKind::Error,
        ty: Type::Error,
        span,
    }
}

fn plain(parts: &[StringPart]) -> Option<String> {
    parts
        .iter()
        .map(|part| match part {
            StringPart::Text(text) => Some(text.as_str()),
            StringPart::Interpolation(_) => None,
        })
        .collect()
}

/// The type that a value of an optional or refined type has in the end.
pub(super) fn strip(ty: &Type) -> &Type {
    match ty {
        Type::Optional(inner) => strip(inner),
        Type::Refined(refined) => strip(&refined.base),
        other => other,
    }
}

fn text_form(ty: &Type) -> Option<TextForm> {
    match ty {
        Type::Text(form) => Some(*form),
        Type::Union(members) if !members.iter().any(|m| *m.base() == Type::String) => {
            members.iter().find_map(|m| text_form(strip(m)))
        }
        _ => None,
    }
}
