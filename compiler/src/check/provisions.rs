//! `provides node.services = if privileged then exact else emulated("…")`: how well a backend does something,
//! which may hang on what a site gives it.

use std::fmt;

use super::evaluate::{Scope, Stop, truth};
use super::typed::{Level, Provision};
use super::types::Type;
use super::{Checker, Expected};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::types;
use crate::source::Span;
use crate::syntax::ast;
use crate::syntax::walk::plain_text;

impl Checker<'_> {
    /// A level, or a choice between levels; `None` if a part of it is none, which has been reported.
    pub(super) fn provision(
        &mut self,
        backend: &str,
        capability: &str,
        level: &ast::Expression,
    ) -> Option<Provision> {
        match &level.kind {
            ast::ExpressionKind::Error => None,
            ast::ExpressionKind::If {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.expression(condition, &Expected::of(Type::Bool));
                let then = self.provision(backend, capability, then);
                let otherwise = self.provision(backend, capability, otherwise);
                Some(Provision::If(condition, Box::new(then?), Box::new(otherwise?)))
            }
            _ => {
                let found = level_of(level);
                if found.is_none() {
                    let message = format!("this does not say how well `{backend}` provides `{capability}`");
                    let diagnostic = Diagnostic::error(types::BAD_LEVEL, level.span, message);
                    self.report(diagnostic.help("write `exact`, `emulated(\"how\")` or `absent`"));
                }
                Some(Provision::Is(found?, level.span))
            }
        }
    }
}

impl Provision {
    /// The level with the settings in `scope`, and, if a condition decided it, where that level is written.
    pub(crate) fn level(&self, scope: &mut Scope<'_>) -> Result<(&Level, Option<Span>), Stop> {
        let mut conditional = false;
        let mut at = self;
        loop {
            match at {
                Provision::Is(level, span) => return Ok((level, conditional.then_some(*span))),
                Provision::If(condition, then, otherwise) => {
                    conditional = true;
                    at = match truth(condition, scope, "what a backend provides")? {
                        true => then,
                        false => otherwise,
                    };
                }
            }
        }
    }
}

impl fmt::Display for Provision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Provision::Is(Level::Exact, _) => f.write_str("exact"),
            Provision::Is(Level::Emulated(how), _) => write!(f, "emulated({how:?})"),
            Provision::Is(Level::Absent, _) => f.write_str("absent"),
            Provision::If(condition, then, otherwise) => {
                write!(f, "if {condition} then {then} else {otherwise}")
            }
        }
    }
}

fn level_of(level: &ast::Expression) -> Option<Level> {
    match &level.kind {
        ast::ExpressionKind::Name(name) => match name.text.as_str() {
            "exact" => Some(Level::Exact),
            "absent" => Some(Level::Absent),
            _ => None,
        },
        ast::ExpressionKind::Call { callee, arguments } => match (&callee.kind, arguments.as_slice()) {
            (ast::ExpressionKind::Name(name), [how]) if name.text == "emulated" => {
                plain_text(&how.value).map(Level::Emulated)
            }
            _ => None,
        },
        _ => None,
    }
}
