//! Record literals: with a type that is expected, and without.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expressions::same_name;
use super::typed::{Expression, ExpressionKind};
use super::types::Type;
use super::{Checker, Expected};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::types;
use crate::source::Span;
use crate::syntax::ast;

impl Checker<'_> {
    /// The fields of a record, each once.
    pub(super) fn record_fields(
        &mut self,
        fields: &[(ast::Name, Option<ast::Expression>)],
        mut value: impl FnMut(&mut Self, &str, &ast::Expression) -> Expression,
    ) -> BTreeMap<String, Expression> {
        let mut record: BTreeMap<String, Expression> = BTreeMap::new();
        let mut places: BTreeMap<&str, Span> = BTreeMap::new();
        for (name, field) in fields {
            let given = match field {
                Some(field) => value(self, &name.text, field),
                None => value(self, &name.text, &same_name(name)),
            };
            if let Some(first) = places.insert(&name.text, name.span) {
                let message = format!("the field `{}` is given twice", name.text);
                let twice = Diagnostic::error(types::DUPLICATE_FIELD, name.span, message);
                self.report(twice.here("here again").label(first, "first given here"));
            }
            record.insert(name.text.clone(), given);
        }
        record
    }

    pub(super) fn record_as(
        &mut self,
        span: Span,
        fields: &[(ast::Name, Option<ast::Expression>)],
        wanted: &BTreeMap<String, Type>,
        expected: &Expected,
    ) -> Expression {
        let mut slips = Vec::new(); // A mistyped name is told; that it is missing would be said twice.
        for (name, _) in fields.iter().filter(|(n, _)| !wanted.contains_key(&n.text)) {
            let message = format!("this record has no field `{}`", name.text);
            let room = self.diagnostics.look_through(wanted.len());
            let free = wanted
                .keys()
                .map(String::as_str)
                .take(room)
                .filter(|f| !fields.iter().any(|(n, _)| n.text == *f));
            let mut unknown =
                Diagnostic::error(types::UNKNOWN_FIELD, name.span, message).suggest(&name.text, free);
            let edits = unknown.fixes.iter().flat_map(|fix| &fix.edits);
            slips.extend(edits.map(|(_, text)| text.clone()));
            if let Some(declared) = expected.declared {
                unknown = unknown.label(declared, format!("declared here as `{}`", expected.ty));
            }
            self.report(unknown);
        }
        let mut record = self.record_fields(fields, |this, name, e| match wanted.get(name) {
            Some(ty) => this.expression(e, &expected.part(ty)),
            None => this.infer(e, None),
        });
        record.retain(|name, _| wanted.contains_key(name));
        for (name, ty) in wanted {
            if record.contains_key(name) {
                continue;
            }
            if !matches!(ty, Type::Optional(_)) && !slips.contains(name) {
                let message = format!("this record lacks the field `{name}`");
                let mut missing = Diagnostic::error(types::MISSING_FIELD, span, message);
                if let Some(declared) = expected.declared {
                    missing = missing.label(declared, format!("declared here as `{}`", expected.ty));
                }
                self.report(missing.help(format!("give it: `{name} = …`")));
            }
            let nothing = Expression {
                kind: ExpressionKind::Value(Value::Null),
                ty: ty.clone(),
                span,
            };
            record.insert(name.clone(), nothing);
        }
        Expression {
            kind: ExpressionKind::Record(record),
            ty: Type::Record(wanted.clone()),
            span,
        }
    }
}
