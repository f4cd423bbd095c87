//! Bodies of roles and workloads.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::constructs::Schema;
use super::fields::{Owner, unreadable};
use super::typed::{For, Group, RoleOrWorkload, Statement, Step};
use super::types::{Thing, Type};
use super::{Checker, Expected, Signature};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{names, types};
use crate::resolve::{Definition, ItemId};
use crate::source::Span;
use crate::syntax::ast::{self, FunctionWord, ItemKind, StatementKind};

impl Checker<'_> {
    /// Reads what a role or workload takes and gives.
    pub(super) fn signature(&mut self, id: ItemId) {
        let ItemKind::Function {
            parameters, block, ..
        } = &self.resolved.item(id).kind
        else {
            return;
        };
        let mut signature = Signature::default();
        for parameter in parameters {
            let parameter = self.parameter(parameter, false);
            signature.parameters.push(parameter);
        }
        let mut places: BTreeMap<&str, Span> = BTreeMap::new();
        for statement in &block.statements {
            let StatementKind::Out { name, ty, value } = &statement.kind else {
                continue;
            };
            if let Some(first) = places.insert(&name.text, name.span) {
                let message = format!("the output `{}` is there twice", name.text);
                let twice = Diagnostic::error(names::DUPLICATE_NAME, name.span, message);
                self.report(twice.here("here again").label(first, "first here"));
            }
            if value.is_none() {
                let message = format!("the output `{}` has no value", name.text);
                let missing = Diagnostic::error(types::MISSING_FIELD, name.span, message);
                self.report(missing.help(format!("write `out {}: … = …`", name.text)));
            }
            let ty = self.written_type(ty);
            signature.outputs.insert(name.text.clone(), ty);
        }
        self.functions.insert(id, signature);
    }

    /// Checks what a role or workload does.
    pub(super) fn body(&mut self, id: ItemId) {
        let ItemKind::Function {
            name,
            parameters,
            block,
            word,
            ..
        } = &self.resolved.item(id).kind
        else {
            return;
        };
        self.locals.clear();
        self.waits_of.clear();
        self.repeated.clear();
        self.handed_in.clear();
        self.origins.clear();
        let signature = self.functions.get(&id).cloned().unwrap_or_default();
        for (written, parameter) in parameters.iter().zip(&signature.parameters) {
            if parameter.ty.holds_secret() {
                self.origins.insert(written.name.text.clone(), written.ty.span);
            }
            self.locals.insert(written.name.span, parameter.ty.clone());
            if *word == FunctionWord::Workload && *parameter.ty.base() != Type::Error {
                self.handed_in.insert(written.name.span);
            }
        }
        let body = self.statements(block, *word, &signature);
        let function = RoleOrWorkload {
            name: self.resolved.qualified_name(id),
            span: name.span,
            parameters: signature.parameters,
            outputs: signature.outputs,
            workload: *word == FunctionWord::Workload,
            implements: self.implements.get(&id).cloned(),
            body,
        };
        self.typed.functions.insert(id, function);
    }

    fn statements(
        &mut self,
        block: &ast::Block,
        word: FunctionWord,
        signature: &Signature,
    ) -> Vec<Statement> {
        let mut body = Vec::new();
        for statement in &block.statements {
            match (&statement.kind, word) {
                (StatementKind::Let { name, ty, value }, _) => {
                    self.waits.clear();
                    let value = match ty {
                        Some(written) => {
                            let ty = self.written_type(written);
                            let declared = Some(written.span);
                            self.expression(
                                value,
                                &Expected {
                                    ty,
                                    name: name.text.clone(),
                                    declared,
                                },
                            )
                        }
                        None => self.infer(value, None),
                    };
                    let ty = self.bounded(value.ty.clone(), name.span);
                    self.remember_origin(&name.text, &value);
                    self.locals.insert(name.span, ty);
                    self.waits_of.insert(name.span, std::mem::take(&mut self.waits));
                    body.push(Statement::Let(name.text.clone(), value));
                }
                (StatementKind::Named { word, name, block }, FunctionWord::Role) => {
                    if let Some(step) = self.step(word, name, block, statement.span) {
                        body.push(Statement::Step(step));
                    }
                }
                (StatementKind::Nodes { many, name, block }, FunctionWord::Workload) => {
                    body.push(Statement::Group(self.group(*many, name, block)));
                }
                (
                    StatementKind::Run {
                        name,
                        role,
                        arguments,
                        on,
                        block,
                    },
                    FunctionWord::Workload,
                ) => {
                    if let Some(run) = self.run(name, role, arguments, on.as_ref(), block) {
                        body.push(Statement::Run(run));
                    }
                }
                (
                    StatementKind::Out {
                        name,
                        ty,
                        value: Some(value),
                    },
                    _,
                ) => {
                    let declared = signature.outputs.get(&name.text).cloned().unwrap_or(Type::Error);
                    let expected = Expected {
                        ty: declared,
                        name: name.text.clone(),
                        declared: Some(ty.span),
                    };
                    self.sink = super::secrets::Sink::Output;
                    let value = self.expression(value, &expected);
                    self.sink = super::secrets::Sink::default();
                    body.push(Statement::Out(name.text.clone(), value));
                }
                (StatementKind::Match { subject, arms }, _) => {
                    let subject = self.infer(subject, None);
                    let patterns = self.patterns(&subject, arms, statement.span, "{}");
                    let mut checked = Vec::new();
                    for (pattern, arm) in patterns.into_iter().zip(arms) {
                        checked.push((pattern, self.statements(&arm.value, word, signature)));
                    }
                    body.push(Statement::Match(subject, checked));
                }
                (
                    StatementKind::For {
                        variables,
                        list,
                        by,
                        block,
                    },
                    _,
                ) => {
                    self.waits.clear();
                    let turns = self.turns(variables, list, by.as_ref());
                    let waits = std::mem::take(&mut self.waits);
                    for name in variables.key.iter().chain([&variables.value]) {
                        self.waits_of.insert(name.span, waits.clone());
                    }
                    let inside = self.statements(block, word, signature);
                    match word {
                        FunctionWord::Role => self.steps_of_all_turns(block),
                        FunctionWord::Workload => self.runs_of_all_turns(block),
                    }
                    body.push(Statement::For(Box::new(For {
                        body: inside,
                        ..turns
                    })));
                }
                (StatementKind::If { branches, otherwise }, _) => {
                    let mut checked = Vec::new();
                    for (condition, block) in branches {
                        let condition = self.expression(condition, &Expected::of(Type::Bool));
                        checked.push((condition, self.statements(block, word, signature)));
                    }
                    let otherwise = otherwise.as_ref().map(|b| self.statements(b, word, signature));
                    body.push(Statement::If(checked, otherwise.unwrap_or_default()));
                }
                (StatementKind::OnLeave { block }, FunctionWord::Role) => {
                    body.push(Statement::OnLeave(self.statements(block, word, signature)));
                }
                // Anything else has been reported as out of place.
                _ => {}
            }
        }
        body
    }

    /// What a `for` goes through, and what tells its turns apart.
    fn turns(
        &mut self,
        variables: &ast::Variables,
        list: &ast::Expression,
        by: Option<&ast::Expression>,
    ) -> For {
        let list = self.gone_through(list, variables);
        let by = by.map(|key| self.infer(key, None));
        let key = match (&by, list.ty.base()) {
            (Some(key), _) => Some((key.ty.clone(), key.span)),
            (None, Type::List(element)) => Some(((**element).clone(), list.span)),
            (None, _) => None,
        };
        if let Some((ty, span)) = key
            && !(ty.is_textual() || matches!(ty.base(), Type::Int | Type::Error))
        {
            let message = format!(
                "a key is text or a number, and this is {}",
                super::coerce::noun(&ty)
            );
            let name = &variables.value.text;
            self.report(Diagnostic::error(types::BAD_KEY, span, message).help(format!(
                "say what tells one from the others: `for {name} in … by {name}.name`"
            )));
        }
        For {
            key_variable: variables.key.as_ref().map(|n| n.text.clone()),
            variable: variables.value.text.clone(),
            list,
            by,
            body: Vec::new(),
        }
    }

    /// Behind a `for` the names of its steps stand for those of all turns, which have no fields in common.
    fn steps_of_all_turns(&mut self, block: &ast::Block) {
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Named { name, .. } => {
                    self.locals.insert(name.span, Type::thing(Thing::Step));
                }
                StatementKind::For { block, .. } => self.steps_of_all_turns(block),
                StatementKind::If { branches, otherwise } => {
                    branches.iter().for_each(|(_, b)| self.steps_of_all_turns(b));
                    otherwise.iter().for_each(|b| self.steps_of_all_turns(b));
                }
                StatementKind::Match { arms, .. } => {
                    arms.iter().for_each(|arm| self.steps_of_all_turns(&arm.value));
                }
                _ => {}
            }
        }
    }

    fn step(
        &mut self,
        word: &ast::DottedName,
        name: &ast::Name,
        block: &ast::Block,
        whole: Span,
    ) -> Option<Step> {
        let kind_id = match self.resolved.references.get(&word.span) {
            Some(Definition::Item(id)) => *id,
            _ => {
                self.locals.insert(name.span, Type::Error);
                return None;
            }
        };
        let kind = self.typed.kinds.get(&kind_id)?.clone();
        let span = Span {
            end: name.span.end,
            ..whole
        };
        let owner = Owner {
            noun: format!("the kind `{}`", kind.name),
            field: "field",
            declared: Some(kind.span),
            at: name.span,
            lenient: unreadable(block),
            also: &[],
        };
        let mut fields = self.fields(block, &kind.fields, &owner);
        let given = |field: &String| {
            block
                .statements
                .iter()
                .any(|s| matches!(&s.kind, StatementKind::Field { name, .. } if name.text == *field))
        };
        for set in kind.needs.iter().filter(|set| !set.iter().any(given)) {
            let names: Vec<&str> = set.iter().map(String::as_str).collect();
            let list = crate::resolve::list_of(&names);
            let message = format!("the step `{}` must set one of {list}", name.text);
            let mut diagnostic = Diagnostic::error(types::NEEDS_ONE_OF, name.span, message);
            diagnostic = diagnostic.label(kind.span, format!("the kind `{}` needs one of them", kind.name));
            if kind.name == "command" {
                diagnostic = diagnostic.help(
                    "say how to know that it has been done: `unless = \"test …\"`, `creates = \"/path\"`, or `once = true`",
                );
            }
            if !owner.lenient {
                self.report(diagnostic);
            }
        }
        let mode = block.statements.iter().find_map(|s| match &s.kind {
            StatementKind::Field { name, value } if name.text == "mode" => Some(value.span),
            _ => None,
        });
        self.keep_private(&mut fields, mode);
        let fields_of_kind = kind.fields.iter().map(|f| (f.name.clone(), f.ty.clone()));
        let outputs = kind.outputs.iter();
        let outputs = outputs.map(|(name, of)| (name.clone(), super::phases::type_of(*of)));
        let members = fields_of_kind.chain(outputs).collect();
        self.locals
            .insert(name.span, Type::Thing(Thing::Step, Arc::new(members)));
        let place = self.sources.place(whole);
        Some(Step {
            name: name.text.clone(),
            kind: kind_id,
            fields,
            span,
            place,
        })
    }

    fn group(&mut self, many: bool, name: &ast::Name, block: &ast::Block) -> Group {
        let owner = Owner {
            noun: format!("the group `{}`", name.text),
            field: "field",
            declared: None,
            at: name.span,
            lenient: unreadable(block),
            also: &[],
        };
        let declared = self.schema(if many { Schema::Nodes } else { Schema::Node });
        let fields = self.fields(block, &declared, &owner);
        self.locals.insert(name.span, Type::nodes(many));
        Group {
            name: name.text.clone(),
            many,
            fields,
            span: name.span,
        }
    }
}
