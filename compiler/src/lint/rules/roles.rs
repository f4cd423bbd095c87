//! Steps of roles.

use crate::diagnostics::Diagnostic;
use crate::lint::look::{Look, field};
use crate::resolve::Definition;
use crate::syntax::ast::{DottedName, ExpressionKind, ItemKind, Literal, Name, StatementKind};
use crate::syntax::walk::plain_text;

use super::codes as c;

type StepOf<'a> = (&'a DottedName, &'a Name, &'a crate::syntax::ast::Block);

fn steps<'a>(look: &Look<'a>) -> Vec<StepOf<'a>> {
    let roles = look.functions().filter(|f| f.role);
    roles.flat_map(|f| look.steps(f.block)).collect()
}

/// L0011
pub(super) fn world_writable(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for (_, name, block) in steps(look) {
        let Some(mode) = field(block, "mode") else {
            continue;
        };
        let last = plain_text(mode).and_then(|text| text.chars().last()?.to_digit(8));
        if last.is_some_and(|digit| digit & 2 != 0) {
            let message = format!("everybody on the node may write `{}`", name.text);
            all.push(
                Diagnostic::warning(c::WORLD_WRITABLE, mode.span, message)
                    .help("give it an owner or group that may write it, and leave the last digit at 4 or 0"),
            );
        }
    }
    all
}

/// Commands that only succeed, or only fail.
const ALWAYS: [&str; 5] = ["true", "/bin/true", ":", "exit 0", "[ 1 = 1 ]"];
const NEVER: [&str; 4] = ["false", "/bin/false", "exit 1", "[ 1 = 0 ]"];

/// L0012
pub(super) fn constant_guard(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for (_, name, block) in steps(look) {
        let Some(unless) = field(block, "unless") else {
            continue;
        };
        let Some(text) = plain_text(unless) else { continue };
        let what = match text.trim() {
            text if ALWAYS.contains(&text) => "is never run: its `unless` always succeeds",
            text if NEVER.contains(&text) => "is run by every apply: its `unless` always fails",
            _ => continue,
        };
        let message = format!("`{}` {what}", name.text);
        let help = "write a command that tells whether the work has been done, such as `test -e /path`";
        all.push(Diagnostic::warning(c::CONSTANT_GUARD, unless.span, message).help(help));
    }
    all
}

/// L0013
pub(super) fn once_with_guard(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for (_, name, block) in steps(look) {
        let Some(once) = field(block, "once") else {
            continue;
        };
        let on = matches!(once.kind, ExpressionKind::Literal(Literal::Bool(true)));
        let Some(guard) = field(block, "unless")
            .or_else(|| field(block, "creates"))
            .filter(|_| on)
        else {
            continue;
        };
        let message = format!("`{}` says twice how to know that it has been done", name.text);
        all.push(
            Diagnostic::warning(c::ONCE_WITH_GUARD, once.span, message)
                .label(guard.span, "this tells it already")
                .help("leave `once` out: after a crash it makes a person decide, and the guard can tell"),
        );
    }
    all
}

/// L0014
pub(super) fn output_without_probe(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for function in look.functions().filter(|f| f.role) {
        let out = function.block.statements.iter().find_map(|s| match &s.kind {
            StatementKind::Out { name, .. } => Some(name),
            _ => None,
        });
        let service = look
            .steps(function.block)
            .into_iter()
            .find(|(w, _, _)| look.is_kind(w, "service"));
        if let (Some(out), Some((_, service, _))) = (out, service)
            && !look.has_step(function.block, "probe")
        {
            let message = format!(
                "who uses the output `{}` does not know that `{}` answers",
                out.text, service.text
            );
            all.push(
                Diagnostic::warning(c::OUTPUT_WITHOUT_PROBE, out.span, message)
                    .label(service.span, "started here, and not looked at")
                    .help("add a `probe` behind the service: a run is done when its probes answer"),
            );
        }
    }
    all
}

/// L0016
pub(super) fn equal_to_default(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for (word, _, block) in steps(look) {
        let Some(ItemKind::Block { block: kind, .. }) = look.item_of(word).map(|i| &i.kind) else {
            continue;
        };
        for statement in &block.statements {
            let StatementKind::Field { name, value } = &statement.kind else {
                continue;
            };
            let default = kind.statements.iter().find_map(|s| match &s.kind {
                StatementKind::Declaration { parameter, .. } if parameter.name.text == name.text => {
                    parameter.default.as_ref()
                }
                _ => None,
            });
            let literal = matches!(value.kind, ExpressionKind::Literal(_) | ExpressionKind::String(_))
                || matches!(&value.kind, ExpressionKind::Name(n) if !look.typed.resolved.references.contains_key(&n.span)
                    || look.typed.resolved.references.get(&n.span) == Some(&Definition::Broken));
            if let Some(default) = default.filter(|d| literal && look.text(d.span) == look.text(value.span)) {
                let message = format!("`{}` is `{}` anyway", name.text, look.text(value.span));
                all.push(
                    Diagnostic::warning(c::EQUAL_TO_DEFAULT, statement.span, message)
                        .label(default.span, "its default")
                        .help("leave it out"),
                );
            }
        }
    }
    all
}

/// Fields in which a space at either end is never meant.
const WITHOUT_SPACE: [&str; 6] = ["path", "name", "url", "creates", "unit", "owner"];

/// L0027
pub(super) fn stray_space(look: &Look<'_>) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for (_, _, block) in steps(look) {
        for name in WITHOUT_SPACE {
            let Some(value) = field(block, name) else { continue };
            let Some(text) = plain_text(value) else { continue };
            if text.trim() != text {
                let message = format!("`{name}` begins or ends with a space");
                let fixed = format!("{:?}", text.trim());
                all.push(
                    Diagnostic::warning(c::STRAY_SPACE, value.span, message)
                        .help("take it out: on the node it is part of the name")
                        .likely_fix(value.span, fixed, "take the space out"),
                );
            }
        }
    }
    all
}
