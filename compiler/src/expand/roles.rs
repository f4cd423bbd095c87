//! A role on a group: steps with symbolic fields, and outputs as others see them.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::deploy::Layout;
use super::turns::loaded;
use crate::check::choose::chosen;
use crate::check::evaluate::{Scope, record};
use crate::check::phases;
use crate::check::turns::two_nodes;
use crate::check::{Expression, ExpressionKind, Statement, Step as TypedStep, Thing, Type};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{names, types};
use crate::plan::{NodeReference, Step, Template, keeping};
use crate::resolve::ItemId;
use crate::source::Span;

/// What a role gives on a group.
pub(super) struct Expanded {
    /// The run.
    run: String,
    pub(super) steps: Vec<Step>,
    /// Of each step, and then of each that is kept for when the node leaves.
    pub(super) kinds: Vec<(ItemId, Span)>,
    /// What is done before the node goes, and the kinds of that.
    leave: (Vec<Step>, Vec<(ItemId, Span)>),
    /// What the turns of `for` at hand add to the names of steps: `[shop]`, from the outermost to the innermost.
    pub(super) turns: Vec<String>,
    /// A record of outputs, from outside of the group.
    pub(super) outputs: Template,
    pub(super) hash: String,
}

impl Layout<'_> {
    pub(super) fn role(
        &mut self,
        name: &str,
        role: ItemId,
        (group, many): (usize, bool),
        arguments: BTreeMap<String, Template>,
    ) -> Expanded {
        let mut expanded = Expanded {
            run: name.to_owned(),
            steps: Vec::new(),
            kinds: Vec::new(),
            leave: (Vec::new(), Vec::new()),
            turns: Vec::new(),
            outputs: Template::Value(Value::Null),
            hash: String::new(),
        };
        let Some(role) = self.typed.functions.get(&role) else {
            return expanded;
        };
        let group = self.groups[group].clone();
        let mut scope = Scope::of(self.typed);
        scope.variables = arguments;
        scope.left = self.parts;
        scope.later = self.later.clone();
        scope.interfaces = Some((&group.name, group.hardware.nics.values().cloned().collect()));
        let mut outputs = BTreeMap::new();
        let mut symbolic = Sha256::new();
        absorb(&mut symbolic, &role.name);
        self.role_statements(&role.body, &mut scope, &mut expanded, &mut outputs, &mut symbolic);
        self.parts = scope.left;
        self.later = std::mem::take(&mut scope.later);
        let (leave, kinds) = std::mem::take(&mut expanded.leave);
        if !leave.is_empty() {
            expanded.steps.push(keeping(name, &leave));
            expanded.kinds.extend(kinds);
        }
        let mut seen = BTreeMap::new();
        for (name, (value, span)) in outputs {
            let value = match outside(value, &group.name, false) {
                Some(value) if many => Template::Each {
                    group: group.name.clone(),
                    element: Box::new(value),
                },
                Some(value) => value,
                None => {
                    self.report(*two_nodes(&group.name, span));
                    continue;
                }
            };
            seen.insert(name, value);
        }
        expanded.outputs = record(seen);
        expanded.hash = crate::plan::hex(&symbolic.finalize());
        expanded
    }

    pub(super) fn role_statements(
        &mut self,
        body: &[Statement],
        scope: &mut Scope<'_>,
        expanded: &mut Expanded,
        outputs: &mut BTreeMap<String, (Template, Span)>,
        symbolic: &mut Sha256,
    ) {
        for statement in body {
            match statement {
                Statement::Let(name, value) => {
                    absorb(symbolic, &format!("let {name} = {value}"));
                    absorb_templates(symbolic, value);
                    if let Some(value) = self.evaluate(value, scope) {
                        scope.variables.insert(name.clone(), value);
                    }
                }
                Statement::Step(step) => {
                    absorb(symbolic, &format!("step {}", step.name));
                    for (name, value) in &step.fields {
                        absorb(symbolic, &format!("{name} = {value}"));
                        absorb_templates(symbolic, value);
                    }
                    self.step(step, scope, expanded);
                }
                Statement::Out(name, value) => {
                    let span = value.span;
                    if let Some(value) = self.evaluate(value, scope) {
                        outputs.insert(name.clone(), (value, span));
                    }
                }
                Statement::If(branches, otherwise) => {
                    let body = self.branch(branches, otherwise, scope);
                    self.role_statements(body, scope, expanded, outputs, symbolic);
                }
                Statement::Match(subject, arms) => {
                    let Some(value) = self.evaluate(subject, scope) else {
                        continue;
                    };
                    let done = chosen(&value, arms, subject.span, scope, |body, scope| {
                        self.role_statements(body, scope, expanded, outputs, symbolic);
                    });
                    if let Err(stop) = done {
                        self.stopped(stop);
                    }
                }
                Statement::For(turns) => {
                    absorb(symbolic, &format!("for {} in {}", turns.variable, turns.list));
                    self.turns(turns, scope, expanded, outputs, symbolic);
                }
                Statement::OnLeave(body) => {
                    absorb(symbolic, "on leave");
                    let steps = std::mem::take(&mut expanded.steps);
                    let kinds = std::mem::take(&mut expanded.kinds);
                    self.role_statements(body, scope, expanded, outputs, symbolic);
                    self.nothing_is_loaded(expanded);
                    expanded.leave.0.append(&mut expanded.steps);
                    expanded.leave.1.append(&mut expanded.kinds);
                    (expanded.steps, expanded.kinds) = (steps, kinds);
                }
                // A role has no groups and runs.
                Statement::Group(_) | Statement::Run(_) => {}
            }
        }
    }

    /// What is done before a node goes is done once, in order: there is nothing that it could load anew.
    fn nothing_is_loaded(&mut self, expanded: &Expanded) {
        for (step, (_, span)) in expanded.steps.iter().zip(&expanded.kinds) {
            if !step.outputs.is_empty() {
                let message = format!(
                    "what the step `{}` finds out in `on leave` cannot be used",
                    step.name
                );
                let help = "its node goes then: read it in the role, before `on leave`";
                self.report(Diagnostic::error(types::LEAVE_OUTPUT, *span, message).help(help));
            }
            if !step.reload_on.is_empty() {
                let message = "`reload_on` cannot stand in `on leave`";
                let help = "its steps are done once, in their order: say what the service should be";
                self.report(Diagnostic::error(names::MISPLACED_STATEMENT, *span, message).help(help));
            }
        }
    }

    fn step(&mut self, step: &TypedStep, scope: &mut Scope<'_>, expanded: &mut Expanded) {
        let Some(kind) = self.typed.kinds.get(&step.kind) else {
            return;
        };
        let mut fields = BTreeMap::new();
        let mut reload_on: Vec<String> = Vec::new();
        for (name, value) in &step.fields {
            let is_steps = kind.fields.iter().any(|f| f.name == *name && is_steps(&f.ty));
            let Some(value) = self.evaluate(value, scope) else {
                continue;
            };
            let key = kind.fields.iter().any(|f| f.key && f.name == *name);
            if (key || kind.replaces.contains(name))
                && let Some(found_out) = value.later_step()
            {
                let span = step.fields.get(name).map_or(step.span, |field| field.span);
                let defined = scope.later.get(found_out);
                self.report(*phases::later_decides(
                    found_out,
                    defined,
                    span,
                    if key {
                        "the key of a step"
                    } else {
                        "whether a step is replaced"
                    },
                ));
                continue;
            }
            match value {
                Template::Value(Value::Null) => {}
                Template::Value(Value::Array(list)) if is_steps => {
                    reload_on.extend(list.iter().filter_map(|v| v.as_str().map(str::to_owned)));
                }
                Template::Value(Value::String(single)) if is_steps => reload_on.push(single),
                value => {
                    fields.insert(name.clone(), value);
                }
            }
        }
        let mut members = fields.clone();
        let address = format!("{}.{}", expanded.run, step.name);
        for output in kind.outputs.keys() {
            members.insert(
                output.clone(),
                Template::Output {
                    node: NodeReference::Own,
                    step: address.clone(),
                    output: output.clone(),
                },
            );
            scope.later.insert(address.clone(), step.span);
        }
        for field in &kind.fields {
            members
                .entry(field.name.clone())
                .or_insert(Template::Value(Value::Null));
        }
        scope
            .variables
            .insert(step.name.clone(), Template::Record(members));
        let reload_on = loaded(&reload_on, expanded);
        let loads = expanded
            .steps
            .iter()
            .filter(|s| reload_on.contains(&s.name))
            .map(|s| s.hash.as_str());
        let hash = crate::plan::step_hash(&kind.name, &fields, loads);
        expanded.steps.push(Step {
            name: format!("{}{}", step.name, expanded.turns.concat()),
            kind: kind.name.clone(),
            key: kind
                .fields
                .iter()
                .filter(|f| f.key)
                .map(|f| f.name.clone())
                .collect(),
            fields,
            reload_on,
            removal: kind.removal,
            hash,
            place: step.place.clone(),
            outputs: kind.outputs.clone(),
            shared: BTreeMap::new(),
            replaces: kind.replaces.clone(),
            interrupts: kind.interrupts.clone(),
            replacement: kind.replacement,
        });
        expanded.kinds.push((step.kind, step.span));
    }
}

fn is_steps(ty: &Type) -> bool {
    match ty.base() {
        Type::Thing(Thing::Step, _) => true,
        Type::List(inner) | Type::Optional(inner) => is_steps(inner),
        _ => false,
    }
}

fn absorb(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

/// The text of a template is part of what a role does.
fn absorb_templates(hash: &mut Sha256, expression: &Expression) {
    if let ExpressionKind::Render(_, text, _) = &expression.kind {
        absorb(hash, text);
    }
    expression
        .children()
        .into_iter()
        .for_each(|child| absorb_templates(hash, child));
}

/// A value of a node as others see it: its own columns become those of a member of its group. `None` if that
/// would mix up two nodes, because the value goes through the same group already.
fn outside(value: Template, group: &str, within: bool) -> Option<Template> {
    Some(match value {
        Template::Value(value) => Template::Value(value),
        Template::Secret(reference) => Template::Secret(reference),
        Template::Column {
            node: NodeReference::Own,
            ..
        } if within => return None,
        Template::Column {
            node: NodeReference::Own,
            column,
        } => Template::Column {
            node: NodeReference::Member(group.to_owned()),
            column,
        },
        Template::Column { node, column } => Template::Column { node, column },
        Template::Output {
            node: NodeReference::Own,
            ..
        } if within => return None,
        Template::Output { node, step, output } => Template::Output {
            node: match node {
                NodeReference::Own => NodeReference::Member(group.to_owned()),
                member => member,
            },
            step,
            output,
        },
        Template::Each {
            group: through,
            element,
        } => {
            let element = outside(*element, group, within || through == group)?;
            Template::Each {
                group: through,
                element: Box::new(element),
            }
        }
        Template::Apply { function, arguments } => Template::Apply {
            function,
            arguments: outside_all(arguments, group, within)?,
        },
        Template::List(list) => Template::List(outside_all(list, group, within)?),
        Template::Record(fields) => {
            let mut record = BTreeMap::new();
            for (name, value) in fields {
                record.insert(name, outside(value, group, within)?);
            }
            Template::Record(record)
        }
    })
}

fn outside_all(list: Vec<Template>, group: &str, within: bool) -> Option<Vec<Template>> {
    list.into_iter()
        .map(|value| outside(value, group, within))
        .collect()
}
