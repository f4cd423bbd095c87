//! `moved shop.web -> shop.pages`: whose part that is.

use super::{Walker, Wanted, declarations};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::names;
use crate::source::Span;
use crate::syntax::ast::{Block, DottedName, Name};

/// What stands before the last dot, and what after it.
pub(crate) fn split(name: &DottedName) -> Option<(DottedName, &Name)> {
    let (last, owner) = name.names.split_last()?;
    let (first, end) = (owner.first()?, owner.last()?);
    let span = Span {
        end: end.span.end,
        ..first.span
    };
    let owner = DottedName {
        names: owner.to_vec(),
        span,
    };
    Some((owner, last))
}

/// Groups, runs and steps that the statements of a block declare, at any depth: name, what it is, and the place.
pub(crate) fn parts(block: &Block) -> Vec<(String, &'static str, Span)> {
    let parts = declarations(block).into_iter().filter(|d| d.noun != "value");
    parts.map(|d| (d.name, d.noun, d.span)).collect()
}

impl Walker<'_> {
    /// Finds the workload or role; what is in it is looked at when all is known.
    pub(super) fn moved(&mut self, from: &DottedName, to: &DottedName) {
        // A name without an owner has been told.
        let (Some((old, _)), Some((new, part))) = (split(from), split(to)) else {
            return;
        };
        if old.text() != new.text() {
            let message = format!("nothing moves from `{}` to `{}`", old.text(), new.text());
            let right = format!(
                "{}.{}",
                new.text(),
                split(from).map_or("", |(_, n)| n.text.as_str())
            );
            self.diagnostics.push(
                Diagnostic::error(names::MOVED_ELSEWHERE, old.span, message)
                    .here("what it was called")
                    .label(new.span, format!("where `{}` is now", part.text))
                    .help(format!(
                        "a part gets another name within its workload or role, and that goes by the name it has \
                         now: `moved {right} -> {}`",
                        to.text()
                    )),
            );
            return;
        }
        self.item(&new, Wanted::RoleOrWorkload);
    }
}
