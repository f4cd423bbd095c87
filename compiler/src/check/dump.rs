//! `--emit types`: each item with the types of what is in it.

use std::fmt::Write as _;

use super::typed::{Callee, Expression, Parameter, Statement, Typed};
use crate::plan::GateMode;
use crate::resolve::ItemId;

/// Stable text for people and baselines. Items of the library are left out.
pub fn dump(typed: &Typed) -> String {
    let mut text = String::new();
    let own = |id: &ItemId| typed.resolved.modules.list[id.module].owner != crate::resolve::Owner::Std;
    for id in typed.resolved.ids().filter(own) {
        let name = typed.resolved.qualified_name(id);
        if let Some(value) = typed.values.get(&id) {
            let _ = writeln!(text, "let {name}: {} = {value}", value.ty);
        }
        if let Some(function) = typed.pure.get(&id) {
            let _ = writeln!(text, "fn {name}: {} = {}", function.result, function.body);
            parameters(&mut text, &function.parameters);
        }
        if let Some(construct) = typed.constructs.get(&id) {
            let word = crate::resolve::noun(typed.resolved.item(id));
            let _ = writeln!(text, "{name} is {word}");
            fields(&mut text, 1, construct.fields.iter());
            for (word, part, inner) in &construct.parts {
                let _ = writeln!(text, "  {word} {part}");
                fields(&mut text, 2, inner.iter());
            }
        }
        if let Some(kind) = typed.kinds.get(&id) {
            let _ = writeln!(text, "kind {name}");
            parameters(&mut text, &kind.fields);
        }
        if let Some(backend) = typed.backends.get(&id) {
            let _ = writeln!(text, "backend {name}");
            parameters(&mut text, &backend.fields);
            for (capability, (provision, _)) in &backend.provides {
                let _ = writeln!(text, "  provides {capability} = {provision}");
            }
        }
        if let Some(function) = typed.functions.get(&id) {
            let _ = writeln!(text, "{} {name}", crate::resolve::noun(typed.resolved.item(id)));
            parameters(&mut text, &function.parameters);
            statements(&mut text, typed, 1, &function.body);
        }
        if let Some(interface) = typed.interfaces.get(&id) {
            let _ = writeln!(text, "interface {name}");
            for (signature, of) in &interface.signatures {
                let word = if of.workload { "workload" } else { "role" };
                let _ = writeln!(text, "  {word} {signature}");
                parameters(&mut text, &of.parameters);
                for (output, (ty, _)) in &of.outputs {
                    let _ = writeln!(text, "  out {output}: {ty}");
                }
            }
        }
        if let Some(site) = typed.sites.get(&id) {
            let _ = writeln!(text, "site {name}");
            if let Some((backend, settings, _)) = &site.backend {
                let _ = writeln!(text, "  machines from {}", typed.backends[backend].name);
                fields(&mut text, 2, settings.iter());
            }
            for capability in site.accepted.keys() {
                let _ = writeln!(text, "  accepts the gap {capability}");
            }
        }
    }
    for deploy in &typed.deploys {
        let _ = writeln!(text, "deploy {}", deploy.name);
        fields(&mut text, 1, deploy.arguments.iter());
    }
    text
}

fn callee(typed: &Typed, callee: &Callee) -> String {
    match callee {
        Callee::Function(id) => typed.resolved.qualified_name(*id),
        Callee::Signature(signature) => format!(
            "{}.{}",
            typed.resolved.qualified_name(signature.interface),
            signature.name
        ),
    }
}

fn parameters(text: &mut String, list: &[Parameter]) {
    for parameter in list {
        let key = if parameter.key { "key " } else { "" };
        let _ = write!(text, "  {key}{}: {}", parameter.name, parameter.ty);
        let _ = match &parameter.default {
            Some(default) => writeln!(text, " = {default}"),
            None => writeln!(text),
        };
    }
}

fn fields<'a>(text: &mut String, depth: usize, list: impl Iterator<Item = (&'a String, &'a Expression)>) {
    for (name, value) in list {
        let _ = writeln!(text, "{}{name}: {} = {value}", "  ".repeat(depth), value.ty);
    }
}

fn statements(text: &mut String, typed: &Typed, depth: usize, list: &[Statement]) {
    let indent = "  ".repeat(depth);
    for statement in list {
        match statement {
            Statement::Let(name, value) => {
                let _ = writeln!(text, "{indent}let {name}: {} = {value}", value.ty);
            }
            Statement::Step(step) => {
                let _ = writeln!(text, "{indent}{} {}", typed.kinds[&step.kind].name, step.name);
                fields(text, depth + 1, step.fields.iter());
            }
            Statement::Group(group) => {
                let _ = writeln!(
                    text,
                    "{indent}{} {}",
                    if group.many { "nodes" } else { "node" },
                    group.name
                );
                fields(text, depth + 1, group.fields.iter());
            }
            Statement::Run(run) => {
                let callee = callee(typed, &run.callee);
                let _ = match &run.group {
                    Some(group) => writeln!(text, "{indent}run {} = {callee} on {group}", run.name),
                    None => writeln!(text, "{indent}run {} = {callee}", run.name),
                };
                fields(text, depth + 1, run.arguments.iter().chain(run.fields.iter()));
                for wait in run.waits.iter().filter(|w| !w.handed_in) {
                    let output = wait.output.as_deref().unwrap_or(match wait.mode {
                        GateMode::All => "all of it",
                        GateMode::Any => "any node of it",
                        GateMode::Quorum => "a quorum of it",
                    });
                    let _ = writeln!(text, "{indent}  waits for {}: {output}", wait.run);
                }
            }
            Statement::Out(name, value) => {
                let _ = writeln!(text, "{indent}out {name}: {} = {value}", value.ty);
            }
            Statement::OnLeave(inner) => {
                let _ = writeln!(text, "{indent}on leave");
                statements(text, typed, depth + 1, inner);
            }
            Statement::Match(subject, arms) => {
                let _ = writeln!(text, "{indent}match {subject}");
                for (pattern, inner) in arms {
                    let _ = writeln!(text, "{indent}  {pattern}");
                    statements(text, typed, depth + 2, inner);
                }
            }
            Statement::For(turns) => {
                let by = turns.by.as_ref().map(|b| format!(" by {b}")).unwrap_or_default();
                let _ = writeln!(text, "{indent}for {} in {}{by}", turns.variable, turns.list);
                statements(text, typed, depth + 1, &turns.body);
            }
            Statement::If(branches, otherwise) => {
                for (condition, inner) in branches {
                    let _ = writeln!(text, "{indent}if {condition}");
                    statements(text, typed, depth + 1, inner);
                }
                if !otherwise.is_empty() {
                    let _ = writeln!(text, "{indent}else");
                    statements(text, typed, depth + 1, otherwise);
                }
            }
        }
    }
}
