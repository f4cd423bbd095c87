//! The body of a workload, for one deploy.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{GroupInstance, Instances, NetworkInstance, RunInstance, WaitInstance};
use crate::check::choose::fits;
use crate::check::evaluate::{Scope, Stop, as_item, evaluate, known, truth};
use crate::check::{Deploy, Expression, Group, Parameter, Run, Site, Statement, Typed};
use crate::diagnostics::codes::expand as codes;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::plan::{BackendChoice, Column, Hardware, Ledger, NodeReference, Template};
use crate::resolve::ItemId;
use crate::source::Span;

/// More nodes than this are a slip of the pen.
const MAX_COUNT: u64 = 1_000_000;

/// The state of laying out one deploy.
pub(super) struct Layout<'a> {
    pub(super) typed: &'a Typed,
    pub(super) diagnostics: &'a mut Diagnostics,
    pub(super) failed: bool,
    pub(super) networks: BTreeMap<String, (ItemId, NetworkInstance)>,
    pub(super) groups: Vec<GroupInstance>,
    /// The number of nodes of each group.
    pub(super) counts: Vec<u64>,
    pub(super) runs: Vec<RunInstance>,
    /// The quorum of each group that has one, and where it is written.
    pub(super) quorums: Vec<Option<(u32, Span)>>,
    /// For each run: each step's kind and the place where it is written.
    pub(super) steps: Vec<Vec<(ItemId, Span)>>,
    /// The role of each run.
    pub(super) roles: Vec<ItemId>,
    pub(super) outputs: BTreeMap<String, Template>,
    /// Branches that were taken.
    pub(super) branches: BTreeSet<(Span, usize)>,
    /// How many more parts values of roles may have.
    pub(super) parts: usize,
}

pub(super) fn lay_out(
    typed: &Typed,
    deploy: &Deploy,
    ledger: &Ledger,
    diagnostics: &mut Diagnostics,
) -> Option<Instances> {
    let mut layout = Layout {
        typed,
        diagnostics,
        failed: false,
        networks: BTreeMap::new(),
        groups: Vec::new(),
        counts: Vec::new(),
        quorums: Vec::new(),
        runs: Vec::new(),
        steps: Vec::new(),
        roles: Vec::new(),
        outputs: BTreeMap::new(),
        branches: BTreeSet::new(),
        parts: Scope::of(typed).left,
    };
    let site = typed.sites.get(&deploy.site)?;
    let backend = layout.backend(site);
    let workload = typed.functions.get(&deploy.workload)?;
    let mut scope = Scope::of(typed);
    let mut arguments = Scope::of(typed);
    for (name, value) in &deploy.arguments {
        if let Some(value) = layout.evaluate(value, &mut arguments) {
            scope.variables.insert(name.clone(), value);
        }
    }
    not_given(&workload.parameters, &deploy.arguments, &mut scope.variables);
    layout.statements(&workload.body, &mut scope);
    let capabilities = layout.capabilities(site, deploy);
    layout.same_things();
    layout.check_networks();
    let (moves, moved_at) = layout.moves(deploy);
    let moved = layout.moved_ledger(&deploy.name, ledger, &moves, &moved_at);
    let ledger = moved.as_ref().unwrap_or(ledger);
    let ledger = match layout.failed {
        true => None,
        false => layout.addresses(&deploy.name, ledger),
    };
    let (ledger, backend) = (ledger?, backend?);
    layout.sample();
    if layout.failed {
        return None;
    }
    Some(Instances {
        deploy: deploy.name.clone(),
        site: site.name.clone(),
        spec: typed.spec.clone(),
        backend,
        networks: layout
            .networks
            .into_iter()
            .map(|(name, (_, network))| (name, network))
            .collect(),
        groups: layout.groups,
        runs: layout.runs,
        branches: layout.branches,
        outputs: layout.outputs,
        ledger,
        capabilities,
        moves,
        moved_at,
    })
}

impl Layout<'_> {
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.failed = true;
        self.diagnostics.push(diagnostic);
    }

    /// What stopped an evaluation, unless that has been told.
    pub(super) fn stopped(&mut self, stop: Stop) {
        self.failed = true;
        if let Stop::Error(diagnostic) = stop {
            self.diagnostics.push(*diagnostic);
        }
    }

    /// The value, or `None` when there is none and that has been reported.
    pub(super) fn evaluate(&mut self, expression: &Expression, scope: &mut Scope<'_>) -> Option<Template> {
        evaluate(expression, scope)
            .map_err(|stop| self.stopped(stop))
            .ok()
    }

    /// A value that decides the shape; `None` if it is missing or was reported.
    pub(super) fn known(
        &mut self,
        expression: &Expression,
        scope: &mut Scope<'_>,
        decides: &str,
    ) -> Option<Value> {
        let value = evaluate(expression, scope).and_then(|value| known(value, expression.span, decides));
        value
            .map_err(|stop| self.stopped(stop))
            .ok()
            .filter(|value| !value.is_null())
    }

    pub(super) fn branch<'s>(
        &mut self,
        branches: &'s [(Expression, Vec<Statement>)],
        otherwise: &'s [Statement],
        scope: &mut Scope<'_>,
    ) -> &'s [Statement] {
        let place = branches.first().map(|(first, _)| first.span).unwrap_or_default();
        for (index, (condition, body)) in branches.iter().enumerate() {
            match truth(condition, scope, "a condition") {
                Ok(true) => {
                    self.branches.insert((place, index));
                    return body;
                }
                Ok(false) => {}
                Err(stop) => {
                    self.stopped(stop);
                    return &[];
                }
            }
        }
        self.branches.insert((place, branches.len()));
        otherwise
    }

    fn statements(&mut self, body: &[Statement], scope: &mut Scope<'_>) {
        for statement in body {
            match statement {
                Statement::Let(name, value) => {
                    if let Some(value) = self.evaluate(value, scope) {
                        scope.variables.insert(name.clone(), value);
                    }
                }
                Statement::Group(group) => self.group(group, scope),
                Statement::Run(run) => self.run(run, scope),
                Statement::Out(name, value) => {
                    if let Some(value) = self.evaluate(value, scope) {
                        self.outputs.insert(name.clone(), value);
                    }
                }
                Statement::If(branches, otherwise) => {
                    let body = self.branch(branches, otherwise, scope);
                    self.statements(body, scope);
                }
                Statement::Match(subject, arms) => {
                    let Some(value) = self.evaluate(subject, scope) else {
                        continue;
                    };
                    let body = arms.iter().find_map(|(pattern, body)| {
                        let names = fits(pattern, &value, subject.span);
                        names.map(|names| names.map(|names| (names, body))).transpose()
                    });
                    match body {
                        Some(Ok((names, body))) => {
                            scope.variables.extend(names);
                            self.statements(body, scope);
                        }
                        Some(Err(stop)) => self.stopped(stop),
                        None => self.failed = true,
                    }
                }
                // A workload has no steps, and no steps in turns.
                Statement::For(_) => {}
                Statement::Step(_) | Statement::OnLeave(_) => {}
            }
        }
    }

    fn group(&mut self, group: &Group, scope: &mut Scope<'_>) {
        let count = match group.fields.get("count") {
            Some(count) => {
                let value = self.known(count, scope, "the number of nodes");
                match value.as_ref().and_then(Value::as_i64) {
                    Some(number) if (0..=MAX_COUNT as i64).contains(&number) => number as u64,
                    Some(number) => {
                        let message = format!("a group cannot have {number} nodes");
                        let help = format!("give a number from 0 to {MAX_COUNT}");
                        self.report(Diagnostic::error(codes::BAD_AMOUNT, count.span, message).help(help));
                        0
                    }
                    None => 0,
                }
            }
            None => 1,
        };
        let total = self.counts.iter().sum::<u64>() + count;
        if total > MAX_COUNT {
            let message = format!("a deploy of {total} nodes is too large");
            let help = format!("a deploy has at most {MAX_COUNT} nodes: make several");
            self.report(Diagnostic::error(codes::TOO_LARGE, group.span, message).help(help));
            return;
        }
        let spread = group
            .fields
            .get("spread")
            .and_then(|s| self.known(s, scope, "how nodes are spread"));
        let hardware = group.fields.get("hardware").and_then(|hardware| {
            let value = self.evaluate(hardware, scope)?;
            as_item(&value)
        });
        let hardware = hardware
            .and_then(|id| self.hardware(id))
            .unwrap_or_else(empty_hardware);
        let of = |column: Column| {
            let node = NodeReference::Member(group.name.clone());
            let column = Template::Column { node, column };
            match group.many {
                true => Template::Each {
                    group: group.name.clone(),
                    element: Box::new(column),
                },
                false => column,
            }
        };
        let on = |network: &String| (network.clone(), of(Column::AddressOn(network.clone())));
        let mut members = BTreeMap::from([
            ("name".to_owned(), of(Column::Name)),
            (
                "addresses".to_owned(),
                Template::Record(hardware.nics.values().map(on).collect()),
            ),
        ]);
        if !hardware.nics.is_empty() {
            members.insert("address".to_owned(), of(Column::Address));
        }
        scope
            .variables
            .insert(group.name.clone(), Template::Record(members));
        self.groups.push(GroupInstance {
            name: group.name.clone(),
            many: group.many,
            spread: spread.as_ref().and_then(Value::as_str).map(str::to_owned),
            hardware,
            nodes: Vec::new(),
            span: group.span,
        });
        self.counts.push(count);
        let quorum = group.fields.get("quorum");
        let quorum = quorum.and_then(|field| self.quorum(field, count, group.span, scope));
        self.quorums.push(quorum);
    }

    fn run(&mut self, run: &Run, scope: &mut Scope<'_>) {
        let mut arguments = BTreeMap::new();
        for (name, value) in &run.arguments {
            if let Some(value) = self.evaluate(value, scope) {
                arguments.insert(name.clone(), value);
            }
        }
        if let Some(role) = self.typed.functions.get(&run.role) {
            not_given(&role.parameters, &run.arguments, &mut arguments);
        }
        let Some(group) = self.groups.iter().position(|g| g.name == run.group) else {
            return;
        };
        let expanded = self.role(run, group, arguments);
        scope.variables.insert(run.name.clone(), expanded.outputs);
        let rollout = self.rollout(run, group, scope);
        let mut waits: Vec<WaitInstance> = Vec::new();
        for wait in &run.waits {
            if waits.iter().any(|w| w.run == wait.run) {
                continue;
            }
            let reason = match &wait.output {
                Some(output) => format!("`{}` uses the output `{output}` of `{}`", run.name, wait.run),
                None => format!("`{}` is to come after `{}`", run.name, wait.run),
            };
            let (span, place) = (wait.span, wait.place.clone());
            waits.push(WaitInstance {
                run: wait.run.clone(),
                reason,
                span,
                place,
            });
        }
        let role = self
            .typed
            .functions
            .get(&run.role)
            .map_or(String::new(), |r| r.name.clone());
        self.runs.push(RunInstance {
            name: run.name.clone(),
            role,
            group: run.group.clone(),
            hash: expanded.hash,
            steps: expanded.steps,
            rollout,
            waits,
            span: run.span,
        });
        self.steps.push(expanded.kinds);
        self.roles.push(run.role);
    }

    fn backend(&mut self, site: &Site) -> Option<BackendChoice> {
        let (id, fields, _) = site.backend.as_ref()?;
        let mut choice = BackendChoice {
            name: self.typed.backends.get(id)?.name.clone(),
            image: None,
            settings: BTreeMap::new(),
        };
        let mut scope = Scope::of(self.typed);
        for (name, field) in fields {
            let Some(value) = self.evaluate(field, &mut scope) else {
                continue;
            };
            if let Some(item) = as_item(&value) {
                choice.image = self.image(item);
            } else if let Template::Value(value) = value {
                choice.settings.insert(name.clone(), value);
            }
        }
        Some(choice)
    }
}

/// Optional parameters that nobody gave are missing values.
pub(super) fn not_given(
    parameters: &[Parameter],
    given: &BTreeMap<String, Expression>,
    values: &mut BTreeMap<String, Template>,
) {
    for parameter in parameters.iter().filter(|p| !given.contains_key(&p.name)) {
        values.insert(parameter.name.clone(), Template::Value(Value::Null));
    }
}

/// What stands for a hardware that could not be read; the reason has been reported.
fn empty_hardware() -> Hardware {
    Hardware {
        name: String::new(),
        cpu: 0,
        memory: 0,
        disks: BTreeMap::new(),
        nics: BTreeMap::new(),
    }
}
