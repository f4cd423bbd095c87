//! `[element for x in list]`, `{ for x in list: key = value }`, and what a `for` goes through.

use super::coerce::noun;
use super::typed::{Expression, ExpressionKind};
use super::types::Type;
use super::{Checker, Expected};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::types;
use crate::source::Span;
use crate::syntax::ast;

/// A comprehension as written.
pub(super) struct Written<'e> {
    pub(super) key: Option<&'e ast::Expression>,
    pub(super) element: &'e ast::Expression,
    pub(super) variables: &'e ast::Variables,
    pub(super) list: &'e ast::Expression,
    pub(super) condition: Option<&'e ast::Expression>,
}

impl Checker<'_> {
    /// What a `for` goes through; its names get their types.
    pub(super) fn gone_through(&mut self, list: &ast::Expression, variables: &ast::Variables) -> Expression {
        let list = self.infer(list, None);
        let (key, value) = match (list.ty.base(), &variables.key) {
            (Type::List(inner), None) => (Type::Error, (**inner).clone()),
            (Type::Map(key, value), Some(_)) => ((**key).clone(), (**value).clone()),
            (Type::Error, _) => (Type::Error, Type::Error),
            (Type::List(_), Some(name)) => {
                let message = "a list has no keys";
                let diagnostic = Diagnostic::error(types::MISMATCH, name.span, message);
                self.report(diagnostic.help(format!("write `for {} in …`", variables.value.text)));
                (Type::Error, Type::Error)
            }
            (Type::Map(..), None) => {
                let name = &variables.value;
                let message = "a map has a key for each value";
                let diagnostic = Diagnostic::error(types::MISMATCH, name.span, message);
                self.report(diagnostic.help(format!("name both: `for key, {} in …`", name.text)));
                (Type::Error, Type::Error)
            }
            (other, _) => {
                let message = format!("`for … in` goes through a list, and this is {}", noun(other));
                self.report(Diagnostic::error(types::MISMATCH, list.span, message));
                (Type::Error, Type::Error)
            }
        };
        if let Some(name) = &variables.key {
            self.locals.insert(name.span, key);
        }
        self.locals.insert(variables.value.span, value);
        self.remember_origin(&variables.value.text, &list);
        list
    }

    pub(super) fn comprehension(
        &mut self,
        written: &Written<'_>,
        span: Span,
        wanted: Option<&Type>,
    ) -> Expression {
        let list = self.gone_through(written.list, written.variables);
        let hint = match (wanted, written.key) {
            (Some(Type::List(element)), None) => Some((**element).clone()),
            (Some(Type::Map(_, element)), Some(_)) => Some((**element).clone()),
            _ => None,
        };
        let key = written.key.map(|key| {
            let key = self.infer(key, None);
            if !key.ty.is_textual() && key.ty != Type::Error {
                let message = format!("keys of a map are text, and this is {}", noun(&key.ty));
                self.report(Diagnostic::error(types::MISMATCH, key.span, message));
            }
            key
        });
        let element = match hint {
            Some(hint) => self.expression(written.element, &Expected::of(hint)),
            None => self.infer(written.element, None),
        };
        let condition = written
            .condition
            .map(|c| Box::new(self.expression(c, &Expected::of(Type::Bool))));
        let ty = match (&key, wanted) {
            (None, _) => Type::list(element.ty.clone()),
            (Some(_), Some(Type::Map(key, _))) => Type::Map(key.clone(), Box::new(element.ty.clone())),
            (Some(key), _) => Type::Map(Box::new(key.ty.base().clone()), Box::new(element.ty.clone())),
        };
        let kind = ExpressionKind::Comprehension {
            key: key.map(Box::new),
            element: Box::new(element),
            key_variable: written.variables.key.as_ref().map(|n| n.text.clone()),
            variable: written.variables.value.text.clone(),
            list: Box::new(list),
            condition,
        };
        Expression { kind, ty, span }
    }
}
