//! Items: kinds, backends, networks, hardware, images, sites, values and deploys.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::constructs::Schema;
use super::evaluate::{Scope, Stop, evaluate};
use super::fields::{Owner, unreadable};
use super::replacement::marked;
use super::typed::{Backend, Deploy, Expression, ExpressionKind, Kind, Provision, Site};
use super::types::{EnumType, Type};
use super::{Checker, Expected};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{names, types};
use crate::plan::{Removal, Replacement, Template};
use crate::resolve::{Definition, ItemId, list_of};
use crate::source::Span;
use crate::syntax::ast::{self, BlockWord, FunctionWord, ItemKind, StatementKind};

impl Checker<'_> {
    /// All items: first what others build on.
    pub(super) fn items(&mut self) {
        let (ids, alone, inside) = (self.ids.clone(), self.alone, self.inside);
        let resolved = self.resolved;
        self.at_all_modules();
        self.circles();
        for id in &ids {
            self.module = id.module;
            match &resolved.item(*id).kind {
                ItemKind::Type { .. } | ItemKind::Enum { .. } => {
                    self.type_of_item(*id);
                }
                ItemKind::Let { .. } => {
                    self.value_of(*id);
                }
                ItemKind::Fn { .. } => {
                    self.function(*id);
                }
                _ => {}
            }
        }
        for id in &ids {
            self.module = id.module;
            if let ItemKind::Block { word, name, block } = &resolved.item(*id).kind {
                match word {
                    BlockWord::Network => self.construct(*id, name, block, Schema::Network),
                    BlockWord::Image => self.construct(*id, name, block, Schema::Image),
                    BlockWord::Kind => self.kind(*id, name, block),
                    BlockWord::Backend => self.backend(*id, name, block),
                    BlockWord::Hardware | BlockWord::Site => {}
                }
            }
        }
        // What is in them may be decided by a part of a network.
        for id in &ids {
            self.module = id.module;
            if let ItemKind::Block {
                word: BlockWord::Hardware,
                name,
                block,
            } = &resolved.item(*id).kind
            {
                self.construct(*id, name, block, Schema::Hardware);
            }
        }
        for id in &ids {
            self.module = id.module;
            match &resolved.item(*id).kind {
                ItemKind::Interface { name, block } => self.interface(*id, name, block),
                ItemKind::Function { .. } => self.notes_implementation(*id),
                _ => {}
            }
        }
        for word in [FunctionWord::Role, FunctionWord::Workload] {
            for id in &ids {
                self.module = id.module;
                if matches!(&resolved.item(*id).kind, ItemKind::Function { word: w, .. } if *w == word) {
                    self.signature(*id);
                }
            }
            for id in ids
                .iter()
                .filter(|id| inside || alone.is_none_or(|alone| alone == id.module))
            {
                self.module = id.module;
                if matches!(&resolved.item(*id).kind, ItemKind::Function { word: w, .. } if *w == word) {
                    self.body(*id);
                }
            }
        }
        self.at_all_modules();
        self.workload_circles();
        for id in &ids {
            self.module = id.module;
            match &resolved.item(*id).kind {
                ItemKind::Interface { block, .. } => self.defaults(*id, block),
                ItemKind::Function { .. } => self.conforms(*id),
                _ => {}
            }
        }
        for id in &ids {
            self.module = id.module;
            match &resolved.item(*id).kind {
                ItemKind::Block {
                    word: BlockWord::Site,
                    name,
                    block,
                } => self.site(*id, name, block),
                ItemKind::Deploy(deploy) if resolved.modules.list[id.module].is_own() => {
                    let known = self.deployed(deploy);
                    self.typed.deploys.extend(known);
                }
                _ => {}
            }
        }
        self.assertions();
    }

    /// The type of a `let` item; its value is then in [`super::Typed::values`].
    pub(super) fn value_of(&mut self, id: ItemId) -> Type {
        if let Some(value) = self.typed.values.get(&id) {
            return value.ty.clone();
        }
        let ItemKind::Let { name, ty, value } = &self.resolved.item(id).kind else {
            return Type::Error;
        };
        if self.values_in_progress.len() >= super::bounds::MAX_CHAIN {
            let message = "too many values are defined by each other here";
            self.report(
                Diagnostic::error(names::CIRCULAR_DEFINITION, name.span, message)
                    .help("write values above the ones that use them"),
            );
            return Type::Error;
        }
        // A circle has been told as a whole.
        if self.circular.contains(&id) || !self.values_in_progress.insert(id) {
            return Type::Error;
        }
        let module = std::mem::replace(&mut self.module, id.module);
        let value = match ty {
            Some(written) => {
                let ty = self.written_type(written);
                let expected = Expected {
                    ty,
                    name: name.text.clone(),
                    declared: Some(written.span),
                };
                self.expression(value, &expected)
            }
            None => self.infer(value, None),
        };
        self.values_in_progress.remove(&id);
        let mut value = value;
        value.ty = self.bounded(value.ty, name.span);
        let ty = value.ty.clone();
        // Known once and for all, so that values made of values cost no more than they say.
        if ty != Type::Error {
            let mut scope = Scope::of(&self.typed);
            scope.left = self.value_parts;
            let known = evaluate(&value, &mut scope);
            let left = scope.left;
            if self.is_looked_at(id.module) {
                self.value_parts = left;
            }
            match known {
                Ok(Template::Value(known)) => value.kind = ExpressionKind::Value(known),
                Ok(_) => {}
                // It may be made of a network that is not known yet.
                Err(Stop::Told) => {
                    let early = value.any(&|e| match &e.kind {
                        ExpressionKind::Item(id, _) => match self.typed.values.get(id) {
                            Some(other) => {
                                !matches!(other.kind, ExpressionKind::Value(_) | ExpressionKind::Error)
                            }
                            None => !self.typed.constructs.contains_key(id),
                        },
                        _ => false,
                    });
                    if !early {
                        value.kind = ExpressionKind::Error;
                    }
                }
                Err(Stop::Error(diagnostic)) => {
                    value.kind = ExpressionKind::Error;
                    self.report(*diagnostic);
                }
            }
        }
        self.module = module;
        self.typed.values.insert(id, value);
        ty
    }

    fn declarations(&mut self, block: &ast::Block) -> Vec<super::Parameter> {
        let mut fields: Vec<super::Parameter> = Vec::new();
        for statement in &block.statements {
            let StatementKind::Declaration { mark, parameter } = &statement.kind else {
                continue;
            };
            let field = self.parameter(parameter, *mark == Some(ast::FieldMark::Key));
            if let Some(first) = fields.iter().find(|f| f.name == field.name) {
                let message = format!("the field `{}` is declared twice", field.name);
                let twice = Diagnostic::error(types::DUPLICATE_FIELD, parameter.name.span, message)
                    .here("here again");
                let twice = match first.span {
                    Some(span) => twice.label(span, "first declared here"),
                    None => twice,
                };
                self.report(twice);
                continue;
            }
            fields.push(field);
        }
        fields
    }

    fn kind(&mut self, id: ItemId, name: &ast::Name, block: &ast::Block) {
        if let Some(actions) = &self.options.actions
            && !actions.contains(&name.text)
        {
            let message = format!("no action carries out the kind `{}`", name.text);
            let diagnostic = Diagnostic::error(types::NO_ACTION, name.span, message)
                .suggest(&name.text, actions.iter().map(String::as_str));
            let names: Vec<&str> = actions.iter().map(String::as_str).collect();
            let help = format!(
                "a kind is called like the agent's action: one of {}",
                list_of(&names)
            );
            self.report(if diagnostic.help.is_none() {
                diagnostic.help(help)
            } else {
                diagnostic
            });
        }
        let fields = self.declarations(block);
        if !fields.iter().any(|f| f.key) && !unreadable(block) {
            let message = format!("the kind `{}` has no key", name.text);
            let help = "mark with `key` the fields that tell two things on one node apart: `key path: Path`";
            self.report(Diagnostic::error(types::MISSING_FIELD, name.span, message).help(help));
        }
        let outputs = self.kind_outputs(&name.text, block, &fields);
        let mut kind = Kind {
            name: name.text.clone(),
            span: name.span,
            fields,
            outputs,
            requires: Vec::new(),
            needs: Vec::new(),
            removal: Removal::Forget,
            shared: false,
            replaces: marked(block, ast::FieldMark::Replaces),
            interrupts: marked(block, ast::FieldMark::Interrupts),
            replacement: Replacement::After,
        };
        let mut removal = None;
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Requires { capability } => {
                    kind.requires.push((capability.text(), capability.span))
                }
                StatementKind::Needs { fields } => {
                    for field in fields {
                        if !kind.fields.iter().any(|f| f.name == field.text) {
                            let message = format!("the kind `{}` has no field `{}`", name.text, field.text);
                            let room = self.diagnostics.look_through(kind.fields.len());
                            let known = kind.fields.iter().map(|f| f.name.as_str()).take(room);
                            let unknown = Diagnostic::error(types::UNKNOWN_FIELD, field.span, message);
                            self.report(unknown.suggest(&field.text, known));
                        }
                    }
                    kind.needs.push(fields.iter().map(|f| f.text.clone()).collect());
                }
                StatementKind::Field { name: field, value } if field.text == "removal" => {
                    let ty = Type::Enum(Arc::new(EnumType {
                        name: "removal".to_owned(),
                        variants: ["Restore", "Remove", "Forget", "Nothing"]
                            .map(str::to_owned)
                            .to_vec(),
                        data: BTreeMap::new(),
                        span: None,
                    }));
                    let value = self.expression(value, &Expected::of(ty));
                    removal = Some(match self.constant(&value).as_ref().and_then(|v| v.as_str()) {
                        Some("Restore") => Removal::Restore,
                        Some("Remove") => Removal::Remove,
                        Some("Nothing") => Removal::Nothing,
                        _ => Removal::Forget,
                    });
                }
                StatementKind::Field { name: field, value } if field.text == "shared" => {
                    let value = self.expression(value, &Expected::of(Type::Bool));
                    kind.shared = self.constant(&value) == Some(serde_json::Value::Bool(true));
                    if kind.shared && !kind.outputs.is_empty() {
                        let message = "steps that find something out cannot be shared";
                        let wrong = Diagnostic::error(types::KIND_OUTPUT, value.span, message);
                        self.report(wrong.help("each run asks for itself: leave `shared` out"));
                    }
                }
                StatementKind::Field { name: field, value } if field.text == "replacement" => {
                    kind.replacement = self.replacement(value);
                }
                StatementKind::Field { name: field, .. } => {
                    let message = format!("a kind has no field `{}`", field.text);
                    let unknown = Diagnostic::error(types::UNKNOWN_FIELD, field.span, message)
                        .suggest(&field.text, ["removal", "replacement", "shared"]);
                    let bare = unknown.help.is_none();
                    self.report(if bare {
                        unknown.help("fields of its steps are declared with a type: `mode: Mode`")
                    } else {
                        unknown
                    });
                }
                _ => {}
            }
        }
        match removal {
            Some(removal) => kind.removal = removal,
            None if !unreadable(block) => {
                let message = format!(
                    "the kind `{}` does not say what happens when a step leaves the spec",
                    name.text
                );
                let help = "write `removal = Restore`, `Remove`, `Forget` or, for what only looks, `Nothing`";
                self.report(Diagnostic::error(types::MISSING_FIELD, name.span, message).help(help));
            }
            None => {}
        }
        self.replaceable(&kind, block);
        self.typed.kinds.insert(id, kind);
    }

    fn backend(&mut self, id: ItemId, name: &ast::Name, block: &ast::Block) {
        let fields = self.declarations(block);
        for statement in &block.statements {
            if let StatementKind::Declaration { parameter, .. } = &statement.kind {
                let ty = fields
                    .iter()
                    .find(|f| f.name == parameter.name.text)
                    .map(|f| f.ty.clone());
                let ty = ty.unwrap_or(Type::Error);
                self.refuse_secret(&ty, parameter.ty.span, "a setting of a backend");
            }
            if let StatementKind::Declaration { parameter, .. } = &statement.kind
                && let Some(field) = fields.iter().find(|f| f.name == parameter.name.text)
            {
                self.locals.insert(parameter.name.span, field.ty.clone());
            }
        }
        self.no_marks(block);
        let mut provides: BTreeMap<String, (Provision, Span)> = BTreeMap::new();
        for statement in &block.statements {
            let StatementKind::Provides { capability, level } = &statement.kind else {
                continue;
            };
            let Some(value) = self.provision(&name.text, &capability.text(), level) else {
                continue;
            };
            if let Some((_, first)) = provides.insert(capability.text(), (value, capability.span)) {
                let message = format!("`{}` is provided twice", capability.text());
                let twice = Diagnostic::error(types::DUPLICATE_FIELD, capability.span, message);
                self.report(twice.here("here again").label(first, "first here"));
            }
        }
        let backend = Backend {
            name: name.text.clone(),
            span: name.span,
            fields,
            provides,
        };
        self.typed.backends.insert(id, backend);
    }

    fn site(&mut self, id: ItemId, name: &ast::Name, block: &ast::Block) {
        let mut site = Site {
            name: name.text.clone(),
            span: name.span,
            backend: None,
            accepted: BTreeMap::new(),
            choices: self.choices(block),
            accepted_policies: BTreeMap::new(),
        };
        let mut machines: Option<Span> = None;
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Field { name: field, value } if field.text == "machines" => {
                    if let Some(first) = machines.replace(field.span) {
                        let twice = Diagnostic::error(
                            types::DUPLICATE_FIELD,
                            field.span,
                            "`machines` is given twice",
                        );
                        self.report(twice.here("here again").label(first, "first given here"));
                        continue;
                    }
                    site.backend = self.machines(value);
                }
                StatementKind::Field { name: field, .. } => {
                    let message = format!("a site has no field `{}`", field.text);
                    let unknown = Diagnostic::error(types::UNKNOWN_FIELD, field.span, message)
                        .suggest(&field.text, ["machines"]);
                    let bare = unknown.help.is_none();
                    if !bare {
                        // A slip of the pen: that `machines` is missing would be said twice.
                        machines = machines.or(Some(field.span));
                    }
                    self.report(if bare {
                        unknown.help("it has `machines`, and `accept gap`")
                    } else {
                        unknown
                    });
                }
                StatementKind::AcceptGap { capability, block } => {
                    let owner = Owner {
                        noun: "an accepted gap".to_owned(),
                        field: "field",
                        declared: None,
                        at: capability.span,
                        lenient: unreadable(block),
                        also: &[],
                    };
                    let declared = self.schema(Schema::Gap);
                    let mut fields = self.fields(block, &declared, &owner);
                    let because = fields
                        .remove("because")
                        .unwrap_or_else(|| super::expressions::error(capability.span));
                    if let Some((_, first)) = site
                        .accepted
                        .insert(capability.text(), (because, capability.span))
                    {
                        let message = format!("the gap `{}` is accepted twice", capability.text());
                        let twice = Diagnostic::error(types::DUPLICATE_FIELD, capability.span, message);
                        self.report(twice.here("here again").label(first, "first here"));
                    }
                }
                _ => {}
            }
        }
        if machines.is_none() && !unreadable(block) {
            let message = format!("the site `{}` does not say where machines come from", name.text);
            let help = "write `machines = local(image = bookworm)`";
            self.report(Diagnostic::error(types::MISSING_FIELD, name.span, message).help(help));
        }
        self.typed.sites.insert(id, site);
    }

    fn machines(&mut self, value: &ast::Expression) -> Option<(ItemId, BTreeMap<String, Expression>, Span)> {
        let callee = match &value.kind {
            ast::ExpressionKind::Call { callee, arguments } => match &callee.kind {
                ast::ExpressionKind::Name(name) => Some((name, arguments)),
                _ => None,
            },
            ast::ExpressionKind::Error => return None,
            _ => None,
        };
        let found = callee.and_then(
            |(name, arguments)| match self.resolved.references.get(&name.span) {
                Some(Definition::Item(id)) if self.typed.backends.contains_key(id) => {
                    Some((*id, name, arguments))
                }
                _ => None,
            },
        );
        let Some((id, name, arguments)) = found else {
            let broken = callee.is_some_and(|(name, _)| {
                self.resolved.references.get(&name.span) == Some(&Definition::Broken)
            });
            if !broken {
                let message = "machines come from a backend";
                let diagnostic = Diagnostic::error(types::MISMATCH, value.span, message);
                self.report(diagnostic.help("write `local(image = bookworm)` or `docker(image = bookworm)`"));
            }
            return None;
        };
        let backend = self.typed.backends[&id].clone();
        let owner = Owner {
            noun: format!("the backend `{}`", backend.name),
            field: "setting",
            declared: Some(backend.span),
            at: name.span,
            lenient: false,
            also: &[],
        };
        let fields = self.arguments(arguments, &backend.fields, &owner);
        Some((id, fields, value.span))
    }

    /// A deploy with its arguments; `None` if it has no workload or no site, which was reported.
    pub(super) fn deployed(&mut self, deploy: &ast::Deploy) -> Option<Deploy> {
        let item = |span: Span| match self.resolved.references.get(&span) {
            Some(Definition::Item(id)) => Some(*id),
            _ => None,
        };
        let (workload, site) = (item(deploy.workload.span), item(deploy.site.span));
        let Some(workload) = workload else {
            for argument in &deploy.arguments {
                let _ = self.infer(&argument.value, None);
            }
            return None;
        };
        let signature = self.functions.get(&workload).cloned().unwrap_or_default();
        let owner = Owner {
            noun: format!("the workload `{}`", deploy.workload.text()),
            field: "parameter",
            declared: self.resolved.item_name(workload).map(|n| n.span),
            at: deploy.workload.span,
            lenient: false,
            also: &[],
        };
        let given = self.given_arguments(&deploy.name.text, workload, &signature);
        let mut parameters = signature.parameters;
        for (name, value, _) in &given {
            let of = parameters.iter_mut().find(|p| p.name == *name);
            of.into_iter().for_each(|p| p.default = Some(value.clone()));
        }
        self.reader = Some(deploy.name.text.clone());
        let mut arguments = self.arguments(&deploy.arguments, &parameters, &owner);
        self.reader = None;
        let shown = given.iter().map(|(name, _, shown)| (name.clone(), shown.clone()));
        let shown = shown.collect();
        arguments.extend(given.into_iter().map(|(name, value, _)| (name, value)));
        let choices = self.choices(&deploy.block);
        let (name, span) = (deploy.name.text.clone(), deploy.name.span);
        Some(Deploy {
            name,
            span,
            workload,
            arguments,
            given: shown,
            site: site?,
            choices,
        })
    }
}
