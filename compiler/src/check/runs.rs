//! Runs of a workload: what they run, on which group, with what, and after what.

use std::sync::Arc;

use super::constructs::Schema;
use super::fields::{Owner, unreadable};
use super::typed::{Callee, Run, SignatureName};
use super::types::{Thing, Type};
use super::{Checker, Signature};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::names;
use crate::resolve::{Definition, ItemId};
use crate::source::Span;
use crate::syntax::ast::{self, FunctionWord, ItemKind, StatementKind};

/// What a run runs, as far as the run is concerned.
struct Called {
    callee: Callee,
    workload: bool,
    signature: Signature,
    declared: Option<Span>,
}

impl Checker<'_> {
    pub(super) fn run(
        &mut self,
        name: &ast::Name,
        path: &ast::DottedName,
        arguments: &[ast::Argument],
        on: Option<&ast::Name>,
        block: &ast::Block,
    ) -> Option<Run> {
        self.waits.clear();
        let group = on.and_then(|on| self.run_group(on));
        let Some(called) = self.called(path) else {
            for argument in arguments {
                let _ = self.infer(&argument.value, Some(&Type::Error));
            }
            self.locals.insert(name.span, Type::Error);
            return None;
        };
        let word = if called.workload { "workload" } else { "role" };
        let owner = Owner {
            noun: format!("the {word} `{}`", path.text()),
            field: "parameter",
            declared: called.declared,
            at: path.span,
            lenient: false,
            also: &[],
        };
        let arguments = self.arguments(arguments, &called.signature.parameters, &owner);
        let mut waits = std::mem::take(&mut self.waits);
        let (settings, after) = without_after(block);
        let owner = Owner {
            noun: match called.workload {
                true => "a run of a workload".to_owned(),
                false => "a run".to_owned(),
            },
            field: "setting",
            declared: None,
            at: name.span,
            lenient: unreadable(block),
            also: &["after"],
        };
        let declared = self.schema(match called.workload {
            true => Schema::Call,
            false => Schema::Run,
        });
        let fields = self.fields(&settings, &declared, &owner);
        for value in after {
            self.after(value, &mut waits);
        }
        let fits = self.group_fits(&called, path, on);
        let many = matches!(&group, Some((_, true)));
        let outputs = called.signature.outputs.iter().map(|(name, ty)| {
            let ty = if many { Type::list(ty.clone()) } else { ty.clone() };
            (name.clone(), ty)
        });
        let ty = Type::Thing(Thing::Run, Arc::new(outputs.collect()));
        self.origins.insert(name.text.clone(), name.span);
        let understood = fits && (called.workload || group.is_some());
        self.locals
            .insert(name.span, if understood { ty } else { Type::Error });
        understood.then(|| Run {
            name: name.text.clone(),
            callee: called.callee,
            arguments,
            group: group.map(|(group, _)| group),
            fields,
            waits,
            span: name.span,
        })
    }

    /// What a run runs; `None` if that was reported.
    fn called(&mut self, path: &ast::DottedName) -> Option<Called> {
        let Some(Definition::Item(id)) = self.resolved.references.get(&path.span).copied() else {
            return None;
        };
        match &self.resolved.item(id).kind {
            ItemKind::Function { word, .. } => Some(Called {
                callee: Callee::Function(id),
                workload: *word == FunctionWord::Workload,
                signature: self.functions.get(&id).cloned().unwrap_or_default(),
                declared: self.resolved.item_name(id).map(|n| n.span),
            }),
            ItemKind::Interface { .. } => self.called_signature(id, path),
            _ => None,
        }
    }

    fn called_signature(&mut self, interface: ItemId, path: &ast::DottedName) -> Option<Called> {
        let name = path.names.last()?.text.clone();
        let found = self.typed.interfaces.get(&interface)?.signatures.get(&name)?;
        Some(Called {
            workload: found.workload,
            declared: Some(found.span),
            signature: Signature {
                parameters: found.parameters.clone(),
                outputs: found
                    .outputs
                    .iter()
                    .map(|(name, (ty, _))| (name.clone(), ty.clone()))
                    .collect(),
            },
            callee: Callee::Signature(SignatureName { interface, name }),
        })
    }

    /// A role runs on a group, a workload on those that it has.
    fn group_fits(&mut self, called: &Called, path: &ast::DottedName, on: Option<&ast::Name>) -> bool {
        let (message, at, help) = match (called.workload, on) {
            (true, None) | (false, Some(_)) => return true,
            (false, None) => (
                format!("the role `{}` runs on a group, and none is given", path.text()),
                path.span,
                format!("write `run … = {}(…) on web`", path.text()),
            ),
            (true, Some(on)) => {
                let nodes = called.signature.parameters.iter();
                let nodes = nodes.filter(|p| matches!(p.ty.base(), Type::Thing(Thing::Group, _)));
                let help = match nodes.map(|p| p.name.as_str()).next() {
                    Some(parameter) => {
                        format!("hand the group in: `{}({parameter} = {})`", path.text(), on.text)
                    }
                    None => "leave `on` out, or give the workload a parameter of the type `Nodes`".to_owned(),
                };
                (
                    format!(
                        "`{}` is a workload: it says itself where its runs are",
                        path.text()
                    ),
                    on.span,
                    help,
                )
            }
        };
        let mut wrong = Diagnostic::error(names::RUN_GROUP, at, message);
        if let Some(declared) = called.declared {
            wrong = wrong.label(declared, "defined here");
        }
        self.report(wrong.help(help));
        false
    }

    /// The group of a run, and whether it is many.
    fn run_group(&mut self, on: &ast::Name) -> Option<(String, bool)> {
        let local = match self.resolved.references.get(&on.span) {
            Some(Definition::Local(declared)) => self.locals.get(declared).map(|ty| (*declared, ty.clone())),
            Some(Definition::Broken) => return None,
            _ => None,
        };
        match local {
            Some((_, Type::Thing(Thing::Group, members))) => Some((
                on.text.clone(),
                matches!(members.get("name"), Some(Type::List(_))),
            )),
            Some((_, Type::Error)) => None,
            other => {
                let message = format!("`{}` is not a group of nodes", on.text);
                let mut diagnostic = Diagnostic::error(names::WRONG_THING, on.span, message);
                if let Some((declared, _)) = other {
                    diagnostic = diagnostic.label(declared, "defined here");
                }
                self.report(diagnostic.help("a run is on a group: `nodes web { … }` or `node edge { … }`"));
                None
            }
        }
    }
}

/// The settings of a run without its `after`, and that.
fn without_after(block: &ast::Block) -> (ast::Block, Vec<&ast::Expression>) {
    let mut settings = ast::Block {
        statements: Vec::new(),
        span: block.span,
    };
    let mut after = Vec::new();
    for statement in &block.statements {
        match &statement.kind {
            StatementKind::Field { name, value } if name.text == "after" => after.push(value),
            _ => settings.statements.push(statement.clone()),
        }
    }
    (settings, after)
}
