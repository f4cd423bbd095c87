//! Phases: what is known when a spec is compiled, what differs from node to node, and what exists only later.

use std::collections::BTreeMap;

use super::Checker;
use super::typed::Parameter;
use super::types::Type;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::types;
use crate::plan::ValueType;
use crate::source::Span;
use crate::syntax::ast::{self, StatementKind};

/// The type of an output of a kind.
pub(super) fn type_of(output: ValueType) -> Type {
    match output {
        ValueType::Text => Type::String,
        ValueType::Integer => Type::Int,
        ValueType::Boolean => Type::Bool,
    }
}

impl Checker<'_> {
    /// What steps of a kind find out.
    pub(super) fn kind_outputs(
        &mut self,
        kind: &str,
        block: &ast::Block,
        fields: &[Parameter],
    ) -> BTreeMap<String, ValueType> {
        let mut outputs = BTreeMap::new();
        let mut places: BTreeMap<&str, Span> = BTreeMap::new();
        for field in fields {
            places.extend(field.span.map(|span| (field.name.as_str(), span)));
        }
        for statement in &block.statements {
            let StatementKind::Out { name, ty, value } = &statement.kind else {
                continue;
            };
            if let Some(first) = places.insert(&name.text, name.span) {
                let message = format!("the kind `{kind}` has two members called `{}`", name.text);
                let twice = Diagnostic::error(types::DUPLICATE_FIELD, name.span, message);
                self.report(twice.here("here again").label(first, "first declared here"));
                continue;
            }
            if let Some(value) = value {
                let message = format!("the output `{}` of a kind cannot have a value here", name.text);
                let help = format!(
                    "its steps find it out on the node: write `out {}: …`, and the action of the kind gives it",
                    name.text
                );
                self.report(Diagnostic::error(types::KIND_OUTPUT, value.span, message).help(help));
            }
            let written = self.written_type(ty);
            let of = match written {
                Type::String => ValueType::Text,
                Type::Int => ValueType::Integer,
                Type::Bool => ValueType::Boolean,
                Type::Error => continue,
                other => {
                    let message = format!("an output of a kind cannot be {}", super::coerce::noun(&other));
                    let help = "what a node answers is `String`, `Int` or `Bool`; make other values of it in the role";
                    self.report(Diagnostic::error(types::KIND_OUTPUT, ty.span, message).help(help));
                    continue;
                }
            };
            outputs.insert(name.text.clone(), of);
        }
        outputs
    }
}

/// The error for what exists only later and decides something. It stands where that is defined.
pub(crate) fn later_decides(
    step: &str,
    defined: Option<&Span>,
    used: Span,
    decides: &str,
) -> Box<Diagnostic> {
    let name = step.rsplit_once('.').map_or(step, |(_, name)| name);
    let message = format!("{decides} cannot hang on what the step `{name}` finds out");
    let at = defined.copied().unwrap_or(used);
    let diagnostic = Diagnostic::error(types::LATER_DECIDES, at, message)
        .here("it is known only when this step has been carried out");
    let diagnostic = match at == used {
        true => diagnostic,
        false => diagnostic.label(used, "it decides here"),
    };
    Box::new(diagnostic.help(
        "what there is, is settled before anything runs: such a value can fill a field, and decide nothing. Give the \
         value as a parameter, or let a command on the node decide (`unless`, a script)",
    ))
}

/// The error for a value that is not known and is given to a parameter that must be.
pub(crate) fn not_known(parameter: &Parameter, given: Span, later: Option<Span>) -> Diagnostic {
    let name = &parameter.name;
    let diagnostic = Diagnostic::error(
        types::NOT_KNOWN,
        given,
        format!("`{name}` decides what there is, and must be known before anything runs"),
    )
    .here(match later {
        Some(_) => "this is known only when a step has been carried out",
        None => "this differs from node to node",
    });
    let diagnostic = match parameter.span {
        Some(declared) => diagnostic.label(declared, format!("`{name}` is declared `known` here")),
        None => diagnostic,
    };
    let diagnostic = match later {
        Some(step) => diagnostic.label(step, "by this step"),
        None => diagnostic,
    };
    diagnostic.help("give a value that the spec says; names and addresses of nodes, and what steps find out, can fill fields only")
}
