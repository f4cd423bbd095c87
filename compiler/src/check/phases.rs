//! Phases: what is known when a spec is compiled, what differs from node to node, and what exists only later.

use std::collections::BTreeMap;

use super::Checker;
use super::typed::{Check, Parameter, Requirement};
use super::types::{Rule, Type};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::types;
use crate::plan::{Template, ValueType};
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

/// The error for what exists only later and would have to keep a rule that nobody can hold it against then.
pub(super) fn later_rule(check: &Check, step: &str, defined: Option<&Span>, used: Span) -> Box<Diagnostic> {
    let name = step.rsplit_once('.').map_or(step, |(_, name)| name);
    let (what, help) = match &check.requirement {
        Requirement::Rule(Rule::Where(_, shown)) => (
            format!("the condition `{shown}`"),
            "a condition is computed before anything runs: use a type with a range or a pattern, or none",
        ),
        _ => (
            format!("the rule of `{}`", check.name),
            "there is a secret in it, which nobody looks at: use a type without a rule",
        ),
    };
    let message = format!("what the step `{name}` finds out cannot be held against {what}");
    let mut diagnostic = Diagnostic::error(types::LATER_RULE, used, message);
    if let Some(defined) = defined {
        diagnostic = diagnostic.label(*defined, "it is known only when this step has been carried out");
    }
    if let Some(declared) = check.declared {
        diagnostic = diagnostic.label(declared, "the rule is declared here");
    }
    Box::new(diagnostic.help(help))
}

/// Why a value is not known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NotKnown {
    /// It differs from node to node.
    OfNode,
    /// A step finds it out, which stands here.
    Later(Option<Span>),
}

/// Why a value is not known before anything runs; a secret is, though nobody sees it.
pub(crate) fn unknown(value: &Template, steps: &BTreeMap<String, Span>) -> Option<NotKnown> {
    match value.later_step() {
        Some(step) => Some(NotKnown::Later(steps.get(step).copied())),
        None => value.is_of_nodes().then_some(NotKnown::OfNode),
    }
}

/// The error for a value that is not known and is given to a parameter that must be.
pub(crate) fn not_known(parameter: &Parameter, given: Span, why: NotKnown) -> Diagnostic {
    let name = &parameter.name;
    let diagnostic = Diagnostic::error(
        types::NOT_KNOWN,
        given,
        format!("`{name}` decides what there is, and must be known before anything runs"),
    )
    .here(match why {
        NotKnown::Later(_) => "this is known only when a step has been carried out",
        NotKnown::OfNode => "this differs from node to node",
    });
    let diagnostic = match parameter.span {
        Some(declared) => diagnostic.label(declared, format!("`{name}` is declared `known` here")),
        None => diagnostic,
    };
    let diagnostic = match why {
        NotKnown::Later(Some(step)) => diagnostic.label(step, "by this step"),
        NotKnown::Later(None) | NotKnown::OfNode => diagnostic,
    };
    diagnostic.help("give a value that the spec says; names and addresses of nodes, and what steps find out, can fill fields only")
}

/// The error for a parameter of something public that must be known, and does not say so.
pub(super) fn must_be_known(parameter: &Parameter, used: Span, decides: &str) -> Option<Diagnostic> {
    let (name, at) = (&parameter.name, parameter.span?);
    let message = format!("`{name}` must be known before anything runs, and does not say so");
    let start = Span { end: at.start, ..at };
    Some(
        Diagnostic::error(types::KNOWN_UNSAID, at, message)
            .here("declared here without `known`")
            .label(used, format!("{decides} hangs on it"))
            .help(
                "others run this, and should see from its parameters what they can give: names of nodes and what steps \
                 find out can fill fields only",
            )
            .fix(start, "known ", format!("write `known {name}`")),
    )
}
