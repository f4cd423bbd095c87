//! What a kind says of changes that cannot be made in place: fields marked `replaces` or `interrupts`, and
//! `replacement = Before`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::typed::Kind;
use super::types::{EnumType, Type};
use super::{Checker, Expected};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand;
use crate::plan::{Removal, Replacement};
use crate::syntax::ast::{self, FieldMark, StatementKind};

/// The fields with a mark, in written order.
pub(super) fn marked(block: &ast::Block, wanted: FieldMark) -> Vec<String> {
    let marks = block
        .statements
        .iter()
        .filter_map(|statement| match &statement.kind {
            StatementKind::Declaration { mark, parameter } if *mark == Some(wanted) => {
                Some(parameter.name.text.clone())
            }
            _ => None,
        });
    marks.collect()
}

impl Checker<'_> {
    /// `replacement = Before` or `After`.
    pub(super) fn replacement(&mut self, value: &ast::Expression) -> Replacement {
        let ty = Type::Enum(Arc::new(EnumType {
            name: "replacement".to_owned(),
            variants: ["Before", "After"].map(str::to_owned).to_vec(),
            data: BTreeMap::new(),
            span: None,
        }));
        let value = self.expression(value, &Expected::of(ty));
        match self.constant(&value).as_ref().and_then(|v| v.as_str()) {
            Some("Before") => Replacement::Before,
            _ => Replacement::After,
        }
    }

    /// Only what can be removed can be replaced.
    pub(super) fn replaceable(&mut self, kind: &Kind, block: &ast::Block) {
        let removal = match kind.removal {
            Removal::Restore | Removal::Remove => return,
            Removal::Forget => "Forget",
            Removal::Nothing => "Nothing",
        };
        let said = block
            .statements
            .iter()
            .find_map(|statement| match &statement.kind {
                StatementKind::Field { name, value } if name.text == "removal" => Some(value.span),
                _ => None,
            });
        for statement in &block.statements {
            let (span, what) = match &statement.kind {
                StatementKind::Declaration {
                    mark: Some(FieldMark::Replaces),
                    parameter,
                } => (
                    parameter.name.span,
                    format!("a change of `{}` replaces", parameter.name.text),
                ),
                StatementKind::Field { name, .. } if name.text == "replacement" => {
                    (name.span, "this says how it is replaced".to_owned())
                }
                _ => continue,
            };
            let message = format!("a `{}` cannot be replaced: nothing of it is removed", kind.name);
            let mut diagnostic = Diagnostic::error(expand::NOT_REPLACEABLE, span, message).here(what);
            if let Some(said) = said {
                diagnostic = diagnostic.label(said, format!("`{removal}` leaves everything as it is"));
            }
            self.report(diagnostic.help("write `removal = Remove` or `Restore`, or take the mark away"));
        }
    }

    /// What a backend is given has no marks: every change of it makes machines anew.
    pub(super) fn no_marks(&mut self, block: &ast::Block) {
        for statement in &block.statements {
            if let StatementKind::Declaration {
                mark: Some(FieldMark::Replaces | FieldMark::Interrupts),
                parameter,
            } = &statement.kind
            {
                let message = "a setting of a backend has no mark: a change of it always makes machines anew";
                let marked = Diagnostic::error(expand::NOT_REPLACEABLE, parameter.name.span, message);
                self.report(marked.help("take the mark away"));
            }
        }
    }
}
