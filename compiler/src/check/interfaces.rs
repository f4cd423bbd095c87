//! Interfaces: their signatures, who implements them, and who was chosen.

use std::collections::BTreeMap;

use super::Checker;
use super::typed::{Choice, Interface, InterfaceSignature, Parameter, SignatureName};
use super::types::Type;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{expand, names, types};
use crate::resolve::{Definition, ItemId, as_path, list_of};
use crate::source::Span;
use crate::syntax::ast::{self, FunctionWord, ItemKind, StatementKind};

impl Checker<'_> {
    /// Reads the signatures of an interface.
    pub(super) fn interface(&mut self, id: ItemId, name: &ast::Name, block: &ast::Block) {
        let mut signatures: BTreeMap<String, InterfaceSignature> = BTreeMap::new();
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Signature {
                    word,
                    name,
                    parameters,
                    block,
                } => {
                    let signature = InterfaceSignature {
                        workload: *word == FunctionWord::Workload,
                        span: name.span,
                        parameters: parameters.iter().map(|p| self.parameter(p, false)).collect(),
                        outputs: self.signature_outputs(block),
                    };
                    if let Some(first) = signatures.insert(name.text.clone(), signature) {
                        let message = format!("the signature `{}` is there twice", name.text);
                        let twice = Diagnostic::error(names::DUPLICATE_NAME, name.span, message);
                        self.report(twice.here("here again").label(first.span, "first here"));
                    }
                }
                StatementKind::Field { name: field, .. } if field.text != "default" => {
                    let message = format!("an interface has no field `{}`", field.text);
                    let unknown = Diagnostic::error(types::UNKNOWN_FIELD, field.span, message);
                    let unknown = unknown.suggest(&field.text, ["default"]);
                    self.report(match unknown.help {
                        Some(_) => unknown,
                        None => unknown.help("it has signatures, and `default = …`"),
                    });
                }
                _ => {}
            }
        }
        let interface = Interface {
            name: self.resolved.qualified_name(id),
            span: name.span,
            signatures,
            defaults: Vec::new(),
        };
        self.typed.interfaces.insert(id, interface);
    }

    fn signature_outputs(&mut self, block: &ast::Block) -> BTreeMap<String, (Type, Span)> {
        let mut outputs: BTreeMap<String, (Type, Span)> = BTreeMap::new();
        for statement in &block.statements {
            let StatementKind::Out { name, ty, value } = &statement.kind else {
                continue;
            };
            if let Some(value) = value {
                let message = format!("the output `{}` of a signature has no value", name.text);
                let wrong = Diagnostic::error(names::MISPLACED_STATEMENT, value.span, message);
                self.report(wrong.help("implementations say what it is: leave the value out"));
            }
            let ty = self.written_type(ty);
            if let Some((_, first)) = outputs.insert(name.text.clone(), (ty, name.span)) {
                let message = format!("the output `{}` is there twice", name.text);
                let twice = Diagnostic::error(names::DUPLICATE_NAME, name.span, message);
                self.report(twice.here("here again").label(first, "first here"));
            }
        }
        outputs
    }

    /// Notes what a role or workload implements.
    pub(super) fn notes_implementation(&mut self, id: ItemId) {
        if let ItemKind::Function {
            implements: Some(path),
            ..
        } = &self.resolved.item(id).kind
            && let Some(Definition::Item(interface)) = self.resolved.references.get(&path.span).copied()
            && let Some(last) = path.names.last()
        {
            let name = last.text.clone();
            self.implements.insert(id, SignatureName { interface, name });
        }
    }

    /// Holds a role or workload against the signature that it implements.
    pub(super) fn conforms(&mut self, id: ItemId) {
        let ItemKind::Function {
            word, name, block, ..
        } = &self.resolved.item(id).kind
        else {
            return;
        };
        let Some(of) = self.implements.get(&id) else {
            return;
        };
        let Some(interface) = self.typed.interfaces.get(&of.interface) else {
            return;
        };
        let Some(wanted) = interface.signatures.get(&of.name).cloned() else {
            return;
        };
        let shown = format!("{}.{}", interface.name, of.name);
        let own = self.functions.get(&id).cloned().unwrap_or_default();
        if (*word == FunctionWord::Workload) != wanted.workload {
            let noun = |workload| if workload { "a workload" } else { "a role" };
            let message = format!(
                "`{}` is {}, and `{shown}` is {}",
                name.text,
                noun(!wanted.workload),
                noun(wanted.workload)
            );
            let wrong = Diagnostic::error(types::DIFFERS, name.span, message);
            let wrong = wrong.label(wanted.span, format!("{} here", noun(wanted.workload)));
            return self.report(wrong.help("an implementation is what its signature is"));
        }
        for parameter in &wanted.parameters {
            self.parameter_conforms(name, &own.parameters, parameter, &shown, wanted.span);
        }
        for extra in &own.parameters {
            let optional = extra.default.is_some() || matches!(extra.ty, Type::Optional(_));
            if optional || wanted.parameters.iter().any(|p| p.name == extra.name) {
                continue;
            }
            let message = format!(
                "`{}` needs the parameter `{}`, which `{shown}` has not",
                name.text, extra.name
            );
            let at = extra.span.unwrap_or(name.span);
            let wrong = Diagnostic::error(types::DIFFERS, at, message);
            let wrong = wrong.label(wanted.span, "nobody who runs this gives it");
            self.report(wrong.help("give it a default, or add it to the signature"));
        }
        for (output, (ty, declared)) in &wanted.outputs {
            let Some(given) = own.outputs.get(output) else {
                let message = format!("`{}` lacks the output `{output}` of `{shown}`", name.text);
                let wrong = Diagnostic::error(types::LACKS, name.span, message);
                let wrong = wrong.label(*declared, format!("declared here as `{ty}`"));
                self.report(wrong.help(format!("add it: `out {output}: {ty} = …`")));
                continue;
            };
            if !fits(ty, given) {
                let message = format!("the output `{output}` is `{given}`, and `{shown}` promises `{ty}`");
                let at = output_at(block, output).unwrap_or(name.span);
                let wrong = Diagnostic::error(types::DIFFERS, at, message);
                self.report(wrong.label(*declared, format!("declared here as `{ty}`")));
            }
        }
    }

    fn parameter_conforms(
        &mut self,
        name: &ast::Name,
        own: &[Parameter],
        wanted: &Parameter,
        shown: &str,
        signature: Span,
    ) {
        let declared = wanted.span.unwrap_or(signature);
        let Some(given) = own.iter().find(|p| p.name == wanted.name) else {
            let message = format!(
                "`{}` lacks the parameter `{}` of `{shown}`",
                name.text, wanted.name
            );
            let wrong = Diagnostic::error(types::LACKS, name.span, message);
            let wrong = wrong.label(declared, format!("declared here as `{}`", wanted.ty));
            return self.report(wrong.help(format!("add it: `{}: {}`", wanted.name, wanted.ty)));
        };
        if !fits(&given.ty, &wanted.ty) {
            let message = format!(
                "the parameter `{}` is `{}`, and `{shown}` hands in `{}`",
                wanted.name, given.ty, wanted.ty
            );
            let wrong = Diagnostic::error(types::DIFFERS, given.span.unwrap_or(name.span), message);
            self.report(wrong.label(declared, format!("declared here as `{}`", wanted.ty)));
        }
    }

    /// What interfaces take where nobody chooses.
    pub(super) fn defaults(&mut self, id: ItemId, block: &ast::Block) {
        let mut written = Vec::new();
        for statement in &block.statements {
            if let StatementKind::Field { name, value } = &statement.kind
                && name.text == "default"
            {
                match as_path(value) {
                    Some(path) => written.push((id, path)),
                    None if matches!(value.kind, ast::ExpressionKind::Error) => {}
                    None => {
                        let message = "`default` is the name of a role or workload";
                        let wrong = Diagnostic::error(types::NOT_AN_IMPLEMENTATION, value.span, message);
                        self.report(wrong.help("write `default = bind_dns`"));
                    }
                }
            }
        }
        let defaults = self.chosen(&written);
        if let Some(interface) = self.typed.interfaces.get_mut(&id) {
            interface.defaults = defaults;
        }
    }

    /// The choices of a site or a deploy.
    pub(super) fn choices(&mut self, block: &ast::Block) -> Vec<Choice> {
        let mut written = Vec::new();
        for statement in &block.statements {
            if let StatementKind::Choice {
                interface,
                implementation,
            } = &statement.kind
                && let Some(Definition::Item(id)) = self.resolved.references.get(&interface.span)
            {
                written.push((*id, implementation.clone()));
            }
        }
        self.chosen(&written)
    }

    fn chosen(&mut self, written: &[(ItemId, ast::DottedName)]) -> Vec<Choice> {
        let mut choices: Vec<Choice> = Vec::new();
        for (interface, path) in written {
            let Some(Definition::Item(implementation)) = self.resolved.references.get(&path.span).copied()
            else {
                continue;
            };
            let Some(signature) = self
                .implements
                .get(&implementation)
                .filter(|of| of.interface == *interface)
                .cloned()
            else {
                self.implements_not(*interface, implementation, path);
                continue;
            };
            if let Some(first) = choices.iter().find(|c| c.signature == signature) {
                let message = format!(
                    "two implementations are chosen for `{}.{}`",
                    self.resolved.qualified_name(*interface),
                    signature.name
                );
                let twice = Diagnostic::error(expand::CHOSEN_TWICE, path.span, message);
                let twice = twice.here("here again").label(first.span, "first chosen here");
                self.report(twice.help("keep one of the two"));
                continue;
            }
            choices.push(Choice {
                signature,
                implementation,
                span: path.span,
            });
        }
        choices
    }

    fn implements_not(&mut self, interface: ItemId, implementation: ItemId, path: &ast::DottedName) {
        let shown = self.resolved.qualified_name(interface);
        let message = format!("`{}` does not implement `{shown}`", path.text());
        let mut wrong = Diagnostic::error(types::NOT_AN_IMPLEMENTATION, path.span, message);
        if let Some(name) = self.resolved.item_name(implementation) {
            wrong = wrong.label(name.span, "defined here");
        }
        let mut known: Vec<String> = self
            .implements
            .iter()
            .filter(|(_, of)| of.interface == interface)
            .map(|(id, _)| self.resolved.qualified_name(*id))
            .collect();
        known.sort();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let help = match (known.is_empty(), self.typed.interfaces.get(&interface)) {
            (false, _) => format!("these do: {}", list_of(&known)),
            (true, Some(of)) => {
                let first = of.signatures.keys().next().map_or("…", String::as_str);
                format!("write `implements {shown}.{first}` after its parameters")
            }
            (true, None) => "nothing does".to_owned(),
        };
        self.report(wrong.help(help));
    }
}

/// Whether a place of the type `to` takes every value of the type `from`, without looking at the value.
fn fits(to: &Type, from: &Type) -> bool {
    if *to == Type::Error || *from == Type::Error {
        return true;
    }
    let same = to.to_string() == from.to_string();
    let refined = match to {
        Type::Optional(inner) => matches!(**inner, Type::Refined(_)),
        other => matches!(other, Type::Refined(_)),
    };
    to.accepts(from) && (same || !refined)
}

fn output_at(block: &ast::Block, output: &str) -> Option<Span> {
    block.statements.iter().find_map(|s| match &s.kind {
        StatementKind::Out { name, ty, .. } if name.text == output => Some(ty.span),
        _ => None,
    })
}
