//! Names, types of parameters, and what is written about public items.

use std::collections::HashMap;

use crate::diagnostics::Diagnostic;
use crate::lint::look::Look;
use crate::syntax::ast::{ItemKind, Name, StatementKind, TypeKind};

use super::codes as c;

/// L0008
pub(super) fn missing_docs(look: &Look<'_>) -> Vec<Diagnostic> {
    let undocumented = look
        .items()
        .iter()
        .filter(|i| i.public && i.docs.trim().is_empty());
    undocumented
        .filter_map(|item| {
            let name = crate::resolve::name_of(item)?;
            let message = format!("`{}` is public, and nothing says what it is for", name.text);
            let help = "write a line above it: `/// …`; `rebar doc` shows it";
            Some(Diagnostic::warning(c::MISSING_DOCS, name.span, message).help(help))
        })
        .collect()
}

/// Names that a function declares, its parameters first.
fn declared<'a>(look: &Look<'a>) -> Vec<Vec<&'a Name>> {
    look.functions()
        .map(|function| {
            let mut names: Vec<&Name> = function.parameters.iter().map(|p| &p.name).collect();
            for statement in look.statements(function.block) {
                names.extend(match &statement.kind {
                    StatementKind::Let { name, .. }
                    | StatementKind::Named { name, .. }
                    | StatementKind::Nodes { name, .. }
                    | StatementKind::Run { name, .. } => Some(name),
                    _ => None,
                });
            }
            names
        })
        .collect()
}

/// L0009
pub(super) fn near_names(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for names in declared(look) {
        let mut seen: HashMap<String, &Name> = HashMap::new();
        for name in names {
            let other = *seen.entry(shape(&name.text)).or_insert(name);
            if other.text != name.text {
                let message = format!("`{}` and `{}` look alike", other.text, name.text);
                all.push(
                    Diagnostic::warning(c::NEAR_NAMES, name.span, message)
                        .label(other.span, "the other one")
                        .help("give one of them a name that says what it is"),
                );
            }
        }
    }
    all
}

/// What is left of a name at a glance: no case, no `_`, and letters that look like digits are digits.
fn shape(name: &str) -> String {
    name.chars()
        .filter(|c| *c != '_')
        .map(|c| match c.to_ascii_lowercase() {
            'o' => '0',
            'l' | 'i' => '1',
            other => other,
        })
        .collect()
}

/// L0017
pub(super) fn port_type(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for function in look.functions() {
        for parameter in function.parameters {
            let name = parameter.name.text.as_str();
            let is_port = name == "port" || name.ends_with("_port");
            if is_port && matches!(&parameter.ty.kind, TypeKind::Named { name, .. } if name.text() == "Int") {
                let message = format!("`{name}` can be any number");
                all.push(
                    Diagnostic::warning(c::PORT_TYPE, parameter.ty.span, message)
                        .help("a `Port` is a number from 1 to 65535, and wrong ones are told where they are given")
                        .likely_fix(parameter.ty.span, "Port", "write `Port`"),
                );
            }
        }
    }
    all
}

/// L0028
pub(super) fn style(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for item in look.items() {
        let Some(name) = crate::resolve::name_of(item) else {
            continue;
        };
        match &item.kind {
            ItemKind::Type { .. } | ItemKind::Enum { .. } | ItemKind::Interface { .. } => {
                if name.text.contains('_') {
                    all.push(told(name, "types and interfaces are written `LikeThis`"));
                }
            }
            _ => all.extend(of_value(name)),
        }
    }
    for names in declared(look) {
        all.extend(names.into_iter().filter_map(of_value));
    }
    all
}

fn of_value(name: &Name) -> Option<Diagnostic> {
    let upper = name.text.chars().any(char::is_uppercase);
    upper.then(|| {
        told(
            name,
            "names of values, roles, steps and groups are written `like_this`",
        )
    })
}

fn told(name: &Name, help: &str) -> Diagnostic {
    let message = format!("`{}` is not in the style of other names", name.text);
    Diagnostic::warning(c::NAMING_STYLE, name.span, message).help(help)
}
