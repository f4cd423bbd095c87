//! `a.b`

use super::coerce::noun;
use super::expressions::error;
use super::typed::{Expression, ExpressionKind, Wait};
use super::types::{TextForm, Thing, Type};
use super::{Checker, addresses};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::types;
use crate::plan::{Column, Function, GateMode};
use crate::resolve::list_of;
use crate::source::Span;
use crate::syntax::ast;

const URL_MEMBERS: [&str; 4] = ["scheme", "host", "port", "path"];
const NODE_MEMBERS: [&str; 3] = ["name", "address", "addresses"];

impl Checker<'_> {
    pub(super) fn member(&mut self, of: &ast::Expression, name: &ast::Name, span: Span) -> Expression {
        if let Some(part) = self.plan_member(of, name, span) {
            return part;
        }
        let value = self.infer(of, None);
        self.member_of(value, name, span)
    }

    /// `a?.b`: nothing where `a` is missing.
    pub(super) fn safe_member(&mut self, of: &ast::Expression, name: &ast::Name, span: Span) -> Expression {
        let value = self.infer(of, None);
        let Type::Optional(inner) = value.ty.clone() else {
            if value.ty != Type::Error {
                let message = format!("{} is always there", noun(&value.ty));
                let dot = Span {
                    start: value.span.end,
                    end: name.span.start,
                    ..span
                };
                self.report(
                    Diagnostic::error(types::ALWAYS_THERE, value.span, message)
                        .help("`?.` is for values that may be missing")
                        .fix(dot, ".", "write `.`"),
                );
                return error(span);
            }
            return value;
        };
        // No name of the language begins so.
        let hidden = format!("?{}", value.span.end);
        let present = Expression {
            kind: ExpressionKind::Variable(hidden.clone()),
            ty: *inner,
            span: value.span,
        };
        let then = self.member_of(present, name, span);
        let ty = match then.ty.clone() {
            Type::Error => return then,
            Type::Optional(inner) => Type::Optional(inner),
            other => Type::Optional(Box::new(other)),
        };
        Expression {
            kind: ExpressionKind::IfPresent(Box::new(value), hidden, Box::new(then)),
            ty,
            span,
        }
    }

    /// `map["key"]`
    pub(super) fn index(&mut self, of: &ast::Expression, key: &ast::Expression, span: Span) -> Expression {
        let map = self.infer(of, None);
        let Type::Map(key_type, element) = map.ty.base().clone() else {
            let _ = self.infer(key, None);
            if map.ty != Type::Error {
                let message = format!("`[…]` takes a value out of a map, and this is {}", noun(&map.ty));
                let diagnostic = Diagnostic::error(types::NO_INDEX, map.span, message);
                self.report(match map.ty.base() {
                    Type::List(_) => diagnostic.help(
                        "elements have no numbers: go through them with `for`, or make a map of them: `{ for x in list: x.name = x }`",
                    ),
                    Type::Record(_) => diagnostic.help("take a field of a record with `.`"),
                    _ => diagnostic,
                });
            }
            return error(span);
        };
        let key = self.expression(key, &super::Expected::of(*key_type));
        let ty = match *element {
            Type::Optional(inner) => Type::Optional(inner),
            other => Type::Optional(Box::new(other)),
        };
        Expression {
            kind: ExpressionKind::Index(Box::new(map), Box::new(key)),
            ty,
            span,
        }
    }

    fn member_of(&mut self, value: Expression, name: &ast::Name, span: Span) -> Expression {
        let found = |kind, ty| Expression { kind, ty, span };
        let plain = |value: Expression, ty| Expression {
            kind: ExpressionKind::Member(Box::new(value), name.text.clone()),
            ty,
            span,
        };
        match value.ty.base().clone() {
            Type::Error => error(span),
            Type::Text(TextForm::Url) => {
                let (function, ty) = match name.text.as_str() {
                    "scheme" => (Function::UrlScheme, Type::String),
                    "host" => (Function::UrlHost, Type::String),
                    "port" => (Function::UrlPort, Type::Int),
                    "path" => (Function::UrlPath, Type::String),
                    _ => return self.no_member(&value, name, &URL_MEMBERS),
                };
                found(ExpressionKind::Apply(function, vec![value]), ty)
            }
            Type::Thing(Thing::Node, _) => match name.text.as_str() {
                "name" => found(ExpressionKind::Column(Column::Name), Type::String),
                "address" => found(ExpressionKind::Column(Column::Address), Type::Ip),
                "addresses" => found(value.kind, Type::thing(Thing::Addresses)),
                _ => self.no_member(&value, name, &NODE_MEMBERS),
            },
            Type::Thing(Thing::Addresses, members) => match members.get("") {
                // Those of a group; the group itself says whether it is many.
                Some(ty) => {
                    let ty = ty.clone();
                    plain(value, ty)
                }
                None => found(
                    ExpressionKind::Column(Column::AddressOn(name.text.clone())),
                    Type::Ip,
                ),
            },
            Type::Thing(thing, members) => {
                let Some(ty) = members.get(&name.text) else {
                    let known: Vec<&str> = members.keys().map(String::as_str).collect();
                    return self.no_member(&value, name, &known);
                };
                if thing == Thing::Run
                    && let ExpressionKind::Variable(run) = &value.kind
                {
                    self.waits.push(Wait {
                        run: run.clone(),
                        keys: Vec::new(),
                        handed_in: false,
                        output: Some(name.text.clone()),
                        argument: String::new(),
                        mode: GateMode::All,
                        span,
                        place: self.sources.place(span),
                    });
                }
                let ty = ty.clone();
                plain(value, ty)
            }
            Type::Record(fields) => match fields.get(&name.text) {
                Some(ty) => plain(value, ty.clone()),
                None => {
                    let known: Vec<&str> = fields.keys().map(String::as_str).collect();
                    self.no_member(&value, name, &known)
                }
            },
            Type::Cidr => match addresses::member_type(&name.text) {
                Some(ty) => found(ExpressionKind::OfNetwork(name.text.clone(), vec![value]), ty),
                None => self.no_member(&value, name, &addresses::MEMBERS),
            },
            _ => self.no_member(&value, name, &[]),
        }
    }

    fn no_member(&mut self, value: &Expression, name: &ast::Name, known: &[&str]) -> Expression {
        let run = matches!(value.ty, Type::Thing(Thing::Run, _));
        self.asked_all |= run;
        let mut modules = self.resolved.modules.list.iter();
        if run && modules.any(|m| m.unread.contains(&name.text)) {
            // The role may hand it out in the part that could not be read, which has been reported.
            return error(value.span);
        }
        let what = match (&value.ty, &value.kind) {
            (Type::Thing(..), ExpressionKind::Variable(variable)) => format!("`{variable}`"),
            (Type::Record(_), _) => "this record".to_owned(),
            (ty, _) => noun(ty),
        };
        let message = format!("{what} has no member `{}`", name.text);
        let candidates = known
            .iter()
            .copied()
            .take(self.diagnostics.look_through(known.len()));
        let mut diagnostic =
            Diagnostic::error(types::UNKNOWN_MEMBER, name.span, message).suggest(&name.text, candidates);
        if diagnostic.help.is_none() {
            diagnostic = match &value.ty {
                Type::Optional(_) => diagnostic.help("it may be missing: say with `??` what to take instead"),
                Type::List(inner) if matches!(inner.base(), Type::Text(TextForm::Url) | Type::Record(_)) => {
                    diagnostic.help(format!("this is a list: `[x.{} for x in …]`", name.text))
                }
                _ if known.is_empty() => diagnostic,
                _ => diagnostic.help(format!("it has {}", list_of(known))),
            };
        }
        self.report(diagnostic);
        error(value.span)
    }
}
