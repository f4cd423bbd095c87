//! Names that patterns and `for` give.

use super::Walker;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::names;
use crate::syntax::ast::{Name, Pattern, PatternKind, Variables};

impl Walker<'_> {
    /// The names of a `for`.
    pub(super) fn variables(&mut self, variables: &Variables) {
        variables.key.iter().for_each(|n| self.declare(n, "variable"));
        self.declare(&variables.value, "variable");
    }

    /// Makes the names of a pattern known. Alternatives must give the same ones.
    pub(super) fn pattern(&mut self, pattern: &Pattern) {
        match &pattern.kind {
            PatternKind::Any | PatternKind::Literal(_) | PatternKind::Range(..) => {}
            PatternKind::Binding(name) => self.declare(name, "variable"),
            PatternKind::Variant { fields, .. } => {
                for (name, inner) in fields {
                    match inner {
                        Some(inner) => self.pattern(inner),
                        None => self.declare(name, "variable"),
                    }
                }
            }
            PatternKind::Alternatives(all) => self.alternatives(all),
        }
    }

    fn alternatives(&mut self, all: &[Pattern]) {
        let Some((first, others)) = all.split_first() else {
            return;
        };
        self.pattern(first);
        let wanted = bindings(first);
        for other in others {
            let given = bindings(other);
            let differs = |one: &[&Name], two: &[&Name]| {
                let lacks = |n: &&&Name| !two.iter().any(|o| o.text == n.text);
                one.iter().find(lacks).map(|n| (*n).clone())
            };
            let (name, from) = match (differs(&wanted, &given), differs(&given, &wanted)) {
                (Some(name), _) => (name, other),
                (None, Some(name)) => (name, first),
                (None, None) => continue,
            };
            let message = format!("not every alternative has the name `{}`", name.text);
            self.diagnostics.push(
                Diagnostic::error(names::ALTERNATIVES_DIFFER, name.span, message)
                    .here("named here")
                    .label(from.span, format!("this one gives no `{}`", name.text))
                    .help("whichever of them it is, the names must be there: name the same in each, or write two arms"),
            );
        }
    }
}

/// All names that a pattern gives, the first of alternatives for all of them.
pub(crate) fn bindings(pattern: &Pattern) -> Vec<&Name> {
    match &pattern.kind {
        PatternKind::Any | PatternKind::Literal(_) | PatternKind::Range(..) => Vec::new(),
        PatternKind::Binding(name) => vec![name],
        PatternKind::Variant { fields, .. } => fields
            .iter()
            .flat_map(|(name, inner)| match inner {
                Some(inner) => bindings(inner),
                None => vec![name],
            })
            .collect(),
        PatternKind::Alternatives(all) => all.first().map(bindings).unwrap_or_default(),
    }
}
