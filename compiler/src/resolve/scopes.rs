//! Names inside of items: parameters, steps, groups, runs and variables.
//!
//! Steps, groups, runs, `let`s and parameters are values of one scope. Kinds, roles, workloads, types and sites
//! are words: they stand where a value cannot, so a step may be called like a kind.

mod entry;
pub(crate) mod interfaces;
mod lookup;
mod moved;
mod patched;
mod patterns;

pub(super) use entry::resolve_bodies;
pub(crate) use moved::{parts, split as split_part};
pub(crate) use patterns::bindings;

use std::collections::HashMap;

use super::imports::Table;
use super::placement::{Place, misplaced};
use super::{Definition, Resolved, name_of};
use crate::diagnostics::codes::names;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::source::Span;
use crate::syntax::ast::{
    Argument, Block, BlockWord, Deploy, DottedName, Expression, ExpressionKind, FunctionWord, Item, ItemKind,
    Name, Parameter, Statement, StatementKind, StringPart, TestWord, Type, TypeKind,
};
use crate::syntax::walk;

/// A name inside of a function.
#[derive(Debug, Clone)]
struct Local {
    name: String,
    span: Span,
    noun: &'static str,
    /// Whether it was defined again, so that nobody knows which is meant.
    twice: bool,
}

pub(super) struct Walker<'a> {
    resolved: &'a Resolved,
    module: usize,
    tables: &'a mut [Table],
    references: &'a mut HashMap<Span, Definition>,
    diagnostics: &'a mut Diagnostics,
    /// Names in reach, the innermost last.
    locals: Vec<Local>,
    /// All names that the function declares anywhere.
    declared: Vec<Local>,
    in_role: bool,
    /// Names of statements that were refused: perhaps they were meant as something else.
    misplaced: Vec<String>,
}

/// A class of items, for look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Type,
    Kind,
    Workload,
    Interface,
    Site,
    /// What has parts that can be moved.
    RoleOrWorkload,
    Deploy,
}

impl Walker<'_> {
    /// All names in an item.
    pub(super) fn item_of_module(&mut self, item: &Item) {
        self.locals.clear();
        self.declared.clear();
        self.misplaced.clear();
        self.in_role = false;
        match &item.kind {
            ItemKind::Use { .. } | ItemKind::Error => {}
            ItemKind::Enum { variants, .. } => {
                let fields = variants.iter().flat_map(|v| &v.fields);
                fields.for_each(|(_, t)| self.ty(t));
            }
            ItemKind::Type { definition, .. } => self.ty(definition),
            ItemKind::Let { ty, value, .. } => {
                ty.iter().for_each(|t| self.ty(t));
                self.expression(value);
            }
            ItemKind::Fn {
                parameters,
                result,
                body,
                ..
            } => {
                self.parameters(parameters);
                result.iter().for_each(|t| self.ty(t));
                self.expression(body);
            }
            ItemKind::Block { word, block, .. } => {
                self.block(place_of(*word), block);
                if *word == BlockWord::Backend {
                    self.provisions(block);
                }
            }
            ItemKind::Function {
                word,
                parameters,
                implements,
                block,
                ..
            } => {
                implements.iter().for_each(|path| self.signature_of(path));
                self.function(*word, parameters, block);
            }
            ItemKind::Interface { block, .. } => {
                self.interface(block);
            }
            ItemKind::Deploy(deploy) => self.deploy(deploy),
            // What is in it has been put where it belongs, and is resolved there.
            ItemKind::Patch(patch) => self.patch(patch),
            ItemKind::Moved { from, to } => self.moved(from, to),
            ItemKind::Test { word, title, block } => {
                let place = match word {
                    TestWord::Test => Place::Test,
                    TestWord::Policy => Place::Policy,
                };
                self.declared = declarations(block);
                if place == Place::Policy {
                    for (name, span) in policy_names(title.span) {
                        self.locals.push(Local {
                            name: name.to_owned(),
                            span,
                            noun: "part of every policy",
                            twice: false,
                        });
                    }
                }
                self.block(place, block);
            }
        }
    }

    fn function(&mut self, word: FunctionWord, parameters: &[Parameter], block: &Block) {
        self.in_role = word == FunctionWord::Role;
        self.declared = declarations(block);
        self.parameters(parameters);
        let place = match word {
            FunctionWord::Role => Place::Role,
            FunctionWord::Workload => Place::Workload,
        };
        self.block(place, block);
    }

    fn parameters(&mut self, parameters: &[Parameter]) {
        // A default is a value of the caller as much as of the function: it sees no other parameter.
        for parameter in parameters {
            self.ty(&parameter.ty);
            parameter.default.iter().for_each(|d| self.expression(d));
        }
        parameters.iter().for_each(|p| self.declare(&p.name, "parameter"));
    }

    fn deploy(&mut self, deploy: &Deploy) {
        self.item(&deploy.workload, Wanted::Workload);
        self.arguments(&deploy.arguments);
        let site = DottedName {
            names: vec![deploy.site.clone()],
            span: deploy.site.span,
        };
        self.item(&site, Wanted::Site);
        self.block(Place::Deploy, &deploy.block);
    }

    fn block(&mut self, place: Place, block: &Block) {
        let depth = self.locals.len();
        for statement in &block.statements {
            if self.may_stand(place, statement) {
                self.statement(place, statement);
            }
        }
        self.locals.truncate(depth);
    }

    /// Whether a statement may stand here; if not, that is reported.
    fn may_stand(&mut self, place: Place, statement: &Statement) -> bool {
        let misplaced = misplaced(place, statement);
        let fits = misplaced.is_none();
        self.tables[self.module].tolerant |= !fits;
        if !fits && let StatementKind::Named { name, .. } = &statement.kind {
            self.misplaced.push(name.text.clone());
        }
        misplaced.into_iter().for_each(|d| self.diagnostics.push(d));
        fits
    }

    fn statement(&mut self, place: Place, statement: &Statement) {
        match &statement.kind {
            StatementKind::Field { value, .. } => self.expression(value),
            StatementKind::Declaration { parameter, .. } => {
                self.ty(&parameter.ty);
                parameter.default.iter().for_each(|d| self.expression(d));
            }
            StatementKind::Let { name, ty, value } => {
                ty.iter().for_each(|t| self.ty(t));
                self.expression(value);
                self.declare(name, "value");
            }
            StatementKind::Named { word, name, block } => {
                if place == Place::Hardware {
                    return self.block(Place::Settings, block);
                }
                self.item(word, Wanted::Kind);
                self.block(Place::Settings, block);
                self.declare_step(name);
            }
            StatementKind::Nodes { name, block, .. } => {
                self.block(Place::Settings, block);
                self.declare(name, "group");
            }
            StatementKind::Run {
                name,
                role,
                arguments,
                on,
                block,
            } => {
                self.called(role);
                self.arguments(arguments);
                on.iter().for_each(|on| self.value(on));
                self.run_settings(block);
                self.declare(name, "run");
            }
            StatementKind::Out { ty, value, .. } => {
                self.ty(ty);
                value.iter().for_each(|v| self.expression(v));
            }
            StatementKind::Match { subject, arms } => {
                self.expression(subject);
                for arm in arms {
                    let depth = self.locals.len();
                    self.pattern(&arm.pattern);
                    self.block(place.inside(), &arm.value);
                    self.locals.truncate(depth);
                }
            }
            StatementKind::For {
                variables,
                list,
                by,
                block,
            } => {
                self.expression(list);
                let depth = self.locals.len();
                self.variables(variables);
                by.iter().for_each(|e| self.expression(e));
                self.block(place.inside(), block);
                self.locals.truncate(depth);
                // All of its steps together can be loaded by a later one, and all of its runs waited for.
                for declared in declarations(block) {
                    if matches!(declared.noun, "step" | "run")
                        && !self.locals.iter().any(|l| l.name == declared.name)
                    {
                        self.locals.push(declared);
                    }
                }
            }
            StatementKind::If { branches, otherwise } => {
                let inner = place.inside();
                for (condition, block) in branches {
                    self.expression(condition);
                    self.block(inner, block);
                }
                otherwise.iter().for_each(|b| self.block(inner, b));
            }
            StatementKind::OnLeave { block } => self.block(Place::OnLeave, block),
            StatementKind::Choice {
                interface,
                implementation,
            } => {
                self.item(interface, Wanted::Interface);
                self.item(implementation, Wanted::RoleOrWorkload);
            }
            StatementKind::AcceptGap { block, .. } | StatementKind::AcceptPolicy { block, .. } => {
                self.block(Place::Settings, block);
            }
            StatementKind::ExpectError { block, .. } => self.block(Place::Expected, block),
            StatementKind::Deploy(deploy) => {
                self.deploy(deploy);
                self.declare(&deploy.name, "deploy");
            }
            StatementKind::Assert { condition, .. } => self.expression(condition),
            // Looked at when all settings are known: see `provisions`.
            StatementKind::Provides { .. }
            | StatementKind::Signature { .. }
            | StatementKind::Requires { .. }
            | StatementKind::Needs { .. }
            | StatementKind::Change(_)
            | StatementKind::Error => {}
        }
    }

    /// The conditions of `provides`, which see the settings of their backend, wherever these are written.
    fn provisions(&mut self, block: &Block) {
        let levels: Vec<&Expression> = block
            .statements
            .iter()
            .filter_map(|s| match &s.kind {
                StatementKind::Provides { level, .. } => Some(level),
                _ => None,
            })
            .collect();
        if !levels.iter().any(|l| matches!(l.kind, ExpressionKind::If { .. })) {
            return;
        }
        for statement in &block.statements {
            if let StatementKind::Declaration { parameter, .. } = &statement.kind
                // One that is declared twice is told where types are.
                && !self.locals.iter().any(|l| l.name == parameter.name.text)
            {
                self.declare(&parameter.name, "setting");
            }
        }
        levels.into_iter().for_each(|l| self.level(l));
        self.locals.clear();
    }

    /// `exact`, `absent` and `emulated(…)` are words of `provides`, not names.
    fn level(&mut self, level: &Expression) {
        if let ExpressionKind::If {
            condition,
            then,
            otherwise,
        } = &level.kind
        {
            self.expression(condition);
            self.level(then);
            self.level(otherwise);
        }
    }

    /// The block of a run: `all(…)` in `after` is a word, not a name.
    fn run_settings(&mut self, block: &Block) {
        for statement in &block.statements {
            if !self.may_stand(Place::Settings, statement) {
                continue;
            }
            if let StatementKind::Field { name, value } = &statement.kind {
                match (&value.kind, name.text == "after") {
                    (ExpressionKind::List(waits), true) => {
                        for wait in waits {
                            match &wait.kind {
                                ExpressionKind::Call { arguments, .. } => self.arguments(arguments),
                                _ => self.expression(wait),
                            }
                        }
                    }
                    _ => self.expression(value),
                }
            }
        }
    }

    fn declare_step(&mut self, name: &Name) {
        let twin = self
            .declared
            .iter()
            .find(|d| d.noun == "step" && d.name == name.text)
            .cloned();
        match twin {
            // The first of its name may stand in a branch that is already closed.
            Some(first) if first.span != name.span && !self.locals.iter().any(|l| l.name == name.text) => {
                self.duplicate(name, &first);
            }
            _ => self.declare(name, "step"),
        }
    }

    fn declare(&mut self, name: &Name, noun: &'static str) {
        if let Some(before) = self.locals.iter_mut().find(|l| l.name == name.text) {
            before.twice = true;
            let before = before.clone();
            return self.duplicate(name, &before);
        }
        let outer = self.outer_value(self.module, &name.text);
        // What a patch puts in sees the values of two files.
        let outer = outer.or_else(|| self.outer_value(self.home(name.span)?, &name.text));
        if let Some((id, span)) = outer {
            let item = self.resolved.item(id);
            self.diagnostics.push(
                Diagnostic::error(
                    names::SHADOWS,
                    name.span,
                    format!("`{}` has a meaning here already", name.text),
                )
                .label(span, format!("{} of this name", super::noun(item)))
                .help("names do not hide each other: choose another one"),
            );
        } else if super::Builtin::is_value(&name.text) {
            self.diagnostics.push(
                Diagnostic::error(
                    names::SHADOWS,
                    name.span,
                    format!("`{}` is a name of the language itself", name.text),
                )
                .help("choose another name"),
            );
        }
        self.locals.push(Local {
            name: name.text.clone(),
            span: name.span,
            noun,
            twice: false,
        });
    }

    fn duplicate(&mut self, name: &Name, before: &Local) {
        self.diagnostics.push(
            Diagnostic::error(
                names::DUPLICATE_NAME,
                name.span,
                format!("`{}` is defined twice", name.text),
            )
            .here("here again")
            .label(before.span, format!("first defined here, as a {}", before.noun))
            .help("give one of them another name"),
        );
    }

    fn arguments(&mut self, arguments: &[Argument]) {
        arguments.iter().for_each(|a| self.expression(&a.value));
    }

    fn expression(&mut self, expression: &Expression) {
        match &expression.kind {
            ExpressionKind::Name(name) => self.value(name),
            ExpressionKind::Record(fields) => {
                for (name, value) in fields {
                    match value {
                        Some(value) => self.expression(value),
                        None => self.value(name),
                    }
                }
            }
            ExpressionKind::Call { callee, arguments } => {
                let mut of_deploy = false;
                match &callee.kind {
                    ExpressionKind::Name(name) => {
                        self.callee(name);
                        let outputs = Definition::Builtin(super::Builtin::Outputs);
                        of_deploy = self.references.get(&name.span) == Some(&outputs);
                    }
                    _ => self.expression(callee),
                }
                match of_deploy {
                    true => self.deploys(arguments),
                    false => self.arguments(arguments),
                }
            }
            ExpressionKind::Match { subject, arms } => {
                self.expression(subject);
                for arm in arms {
                    let depth = self.locals.len();
                    self.pattern(&arm.pattern);
                    self.expression(&arm.value);
                    self.locals.truncate(depth);
                }
            }
            ExpressionKind::Comprehension {
                key,
                element,
                variables,
                list,
                condition,
            } => {
                self.expression(list);
                let depth = self.locals.len();
                self.variables(variables);
                key.iter().for_each(|k| self.expression(k));
                self.expression(element);
                condition.iter().for_each(|c| self.expression(c));
                self.locals.truncate(depth);
            }
            ExpressionKind::String(parts) => {
                for part in parts {
                    if let StringPart::Interpolation(inner) = part {
                        self.expression(inner);
                    }
                }
            }
            _ => walk::children(expression)
                .into_iter()
                .for_each(|e| self.expression(e)),
        }
    }

    fn ty(&mut self, ty: &Type) {
        match &ty.kind {
            TypeKind::Named { name, arguments } => {
                let builtin =
                    name.names.len() == 1 && crate::syntax::BUILTIN_TYPES.contains(&name.text().as_str());
                if !builtin {
                    self.item(name, Wanted::Type);
                }
                arguments.iter().for_each(|t| self.ty(t));
            }
            TypeKind::Optional(inner) => self.ty(inner),
            TypeKind::Record(fields) => fields.iter().for_each(|(_, t)| self.ty(t)),
            TypeKind::Union(members) => members.iter().for_each(|t| self.ty(t)),
            TypeKind::In { base, range } => {
                self.ty(base);
                self.expression(range);
            }
            TypeKind::Matches { base, .. } => self.ty(base),
            TypeKind::Where { base, condition } => {
                self.ty(base);
                let depth = self.locals.len();
                let it = Name {
                    text: "it".to_owned(),
                    span: ty.span,
                };
                self.declare(&it, "value");
                self.expression(condition);
                self.locals.truncate(depth);
            }
            TypeKind::Error => {}
        }
    }
}

/// The names that a policy knows, with the places that stand for their declarations.
pub(crate) fn policy_names(title: Span) -> [(&'static str, Span); 2] {
    let begin = Span {
        end: title.start,
        ..title
    };
    [("deploy", title), ("site", begin)]
}

fn place_of(word: BlockWord) -> Place {
    match word {
        BlockWord::Network => Place::Network,
        BlockWord::Hardware => Place::Hardware,
        BlockWord::Image => Place::Image,
        BlockWord::Kind => Place::Kind,
        BlockWord::Backend => Place::Backend,
        BlockWord::Site => Place::Site,
    }
}

/// All names that the statements of a block declare, at any depth.
fn declarations(block: &Block) -> Vec<Local> {
    let mut all = Vec::new();
    for statement in &block.statements {
        let mut add = |name: &Name, noun| {
            all.push(Local {
                name: name.text.clone(),
                span: name.span,
                noun,
                twice: false,
            })
        };
        match &statement.kind {
            StatementKind::Let { name, .. } => add(name, "value"),
            StatementKind::Named { name, .. } => add(name, "step"),
            StatementKind::Nodes { name, .. } => add(name, "group"),
            StatementKind::Run { name, .. } => add(name, "run"),
            StatementKind::Deploy(deploy) => add(&deploy.name, "deploy"),
            StatementKind::OnLeave { block } | StatementKind::For { block, .. } => {
                all.extend(declarations(block));
            }
            StatementKind::Match { arms, .. } => {
                arms.iter().for_each(|arm| all.extend(declarations(&arm.value)));
            }
            StatementKind::If { branches, otherwise } => {
                branches.iter().for_each(|(_, b)| all.extend(declarations(b)));
                otherwise.iter().for_each(|b| all.extend(declarations(b)));
            }
            _ => {}
        }
    }
    all
}
