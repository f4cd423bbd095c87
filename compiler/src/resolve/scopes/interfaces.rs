//! Names of what runs and implementations are of: roles, workloads, and signatures of interfaces.

use super::super::imports::list_of;
use super::super::{Definition, ItemId, name_of};
use super::{Place, Walker, Wanted};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::names;
use crate::syntax::ast::{Block, DottedName, Expression, ExpressionKind, ItemKind, Name, StatementKind};

impl Walker<'_> {
    /// The signatures of an interface, and what is taken where nobody chooses.
    pub(super) fn interface(&mut self, block: &Block) {
        for statement in &block.statements {
            if !self.may_stand(Place::Interface, statement) {
                continue;
            }
            match &statement.kind {
                StatementKind::Signature {
                    parameters, block, ..
                } => {
                    for parameter in parameters {
                        self.ty(&parameter.ty);
                        parameter.default.iter().for_each(|d| self.expression(d));
                    }
                    self.block(Place::Signature, block);
                }
                StatementKind::Field { name, value } if name.text == "default" => {
                    if let Some(path) = as_path(value) {
                        self.item(&path, Wanted::RoleOrWorkload);
                    }
                }
                // Other fields are told where types are.
                _ => {}
            }
        }
    }

    /// What a run is of: a role, a workload, or a signature of an interface. The reference is the item.
    pub(super) fn called(&mut self, path: &DottedName) {
        match self.interface_before(path) {
            Some((id, last)) => self.signature(path, id, &last),
            None => self.item(path, Wanted::RoleOrWorkload),
        }
    }

    /// The signature that a role or workload implements.
    pub(super) fn signature_of(&mut self, path: &DottedName) {
        match self.interface_before(path) {
            Some((id, last)) => self.signature(path, id, &last),
            None => {
                // `implements Dns` names the interface alone; anything else is told as usual.
                self.item(path, Wanted::Interface);
                if let Some(Definition::Item(id)) = self.references.get(&path.span).copied() {
                    self.which_signature(path, id);
                }
            }
        }
    }

    /// The interface that stands before the last name of a path.
    fn interface_before(&mut self, path: &DottedName) -> Option<(ItemId, Name)> {
        let (last, before) = path.names.split_last()?;
        let found = match before {
            [] => {
                let found = self.find_item(&last.text, last.span)?;
                let Definition::Item(id) = found else { return None };
                if Wanted::Interface.fits(self.resolved.item(id)) {
                    return Some((
                        id,
                        Name {
                            text: String::new(),
                            span: last.span,
                        },
                    ));
                }
                return None;
            }
            [single] => self.find_item(&single.text, single.span),
            [modules @ .., interface] => {
                let modules: Vec<&str> = modules.iter().map(|n| n.text.as_str()).collect();
                self.find_in_module(&modules.join("."), interface)
            }
        };
        match found {
            Some(Definition::Item(id)) if Wanted::Interface.fits(self.resolved.item(id)) => {
                Some((id, last.clone()))
            }
            _ => None,
        }
    }

    fn signature(&mut self, path: &DottedName, id: ItemId, last: &Name) {
        if last.text.is_empty() {
            return self.which_signature(path, id);
        }
        let known = self.signatures(id);
        let found = known.contains(&last.text);
        self.references.insert(
            path.span,
            match found {
                true => Definition::Item(id),
                false => Definition::Broken,
            },
        );
        if found {
            return;
        }
        let interface = self.resolved.item_name(id);
        let message = format!(
            "the interface `{}` has no `{}`",
            interface.map_or("", |n| n.text.as_str()),
            last.text
        );
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let mut unknown = Diagnostic::error(names::UNKNOWN_SIGNATURE, last.span, message)
            .suggest(&last.text, known.iter().copied());
        if let Some(name) = interface {
            unknown = unknown.label(name.span, "defined here");
        }
        if unknown.help.is_none() {
            unknown = unknown.help(format!("it has {}", list_of(&known)));
        }
        self.diagnostics.push(unknown);
    }

    /// An interface was named where one of its signatures is meant.
    fn which_signature(&mut self, path: &DottedName, id: ItemId) {
        self.references.insert(path.span, Definition::Broken);
        let name = path.text();
        let known: Vec<String> = self
            .signatures(id)
            .iter()
            .map(|s| format!("{name}.{s}"))
            .collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let message = format!("`{name}` is an interface: it is not said which of its signatures is meant");
        let mut which = Diagnostic::error(names::UNKNOWN_SIGNATURE, path.span, message);
        if let Some(at) = name_of(self.resolved.item(id)) {
            which = which.label(at.span, "defined here");
        }
        which = match known.as_slice() {
            [] => which.help("it has none"),
            [single] => which.fix(path.span, *single, format!("write `{single}`")),
            several => which.help(format!("write one of {}", list_of(several))),
        };
        self.diagnostics.push(which);
    }

    fn signatures(&mut self, id: ItemId) -> Vec<String> {
        let ItemKind::Interface { block, .. } = &self.resolved.item(id).kind else {
            return Vec::new();
        };
        let room = self.diagnostics.look_through(block.statements.len());
        let names = block.statements.iter().take(room).filter_map(|s| match &s.kind {
            StatementKind::Signature { name, .. } => Some(name.text.clone()),
            _ => None,
        });
        names.collect()
    }
}

/// A path that was read as an expression: `bind_dns`, `dns.bind_dns`.
pub(crate) fn as_path(expression: &Expression) -> Option<DottedName> {
    let mut names = Vec::new();
    let mut open = expression;
    loop {
        match &open.kind {
            ExpressionKind::Name(name) => {
                names.push(name.clone());
                break;
            }
            ExpressionKind::Member { of, name } => {
                names.push(name.clone());
                open = of;
            }
            _ => return None,
        }
    }
    names.reverse();
    Some(DottedName {
        names,
        span: expression.span,
    })
}
