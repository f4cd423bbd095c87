//! `[element for x in list]`, `{ for x in list: key = value }`.

use super::coerce::noun;
use super::typed::{Expression, ExpressionKind};
use super::types::Type;
use super::{Checker, Expected};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::types;
use crate::source::Span;
use crate::syntax::ast;

impl Checker<'_> {
    pub(super) fn comprehension(
        &mut self,
        element: &ast::Expression,
        variable: &ast::Name,
        list: &ast::Expression,
        condition: Option<&ast::Expression>,
        span: Span,
        wanted: Option<&Type>,
    ) -> Expression {
        let list = self.infer(list, None);
        let inner = match list.ty.base() {
            Type::List(inner) => (**inner).clone(),
            Type::Error => Type::Error,
            other => {
                let message = format!("`for … in` goes through a list, and this is {}", noun(other));
                self.report(Diagnostic::error(types::MISMATCH, list.span, message));
                Type::Error
            }
        };
        self.locals.insert(variable.span, inner);
        self.remember_origin(&variable.text, &list);
        let hint = match wanted {
            Some(Type::List(element)) => Some((**element).clone()),
            _ => None,
        };
        let element = match hint {
            Some(hint) => self.expression(element, &Expected::of(hint)),
            None => self.infer(element, None),
        };
        let condition = condition.map(|c| Box::new(self.expression(c, &Expected::of(Type::Bool))));
        let ty = Type::list(element.ty.clone());
        let kind = ExpressionKind::Comprehension {
            element: Box::new(element),
            variable: variable.text.clone(),
            list: Box::new(list),
            condition,
        };
        Expression { kind, ty, span }
    }
}
