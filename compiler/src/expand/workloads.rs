//! The body of a workload: its groups and runs. A workload that another one runs is put in where it is run: its runs
//! are called `kv.install`, its groups `kv_store`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::deploy::Layout;
use super::loops::name_of_group;
use super::{GroupInstance, RunInstance, WaitInstance};
use crate::check::choose::chosen;
use crate::check::evaluate::{Scope, as_item, record};
use crate::check::phases;
use crate::check::workloads::{Call, circle};
use crate::check::{
    Callee, Group, Parameter, RoleOrWorkload, Run, SignatureName, Statement, Thing, Type, Wait,
};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand as codes;
use crate::plan::{GateMode, Hardware, Template};
use crate::resolve::{ItemId, list_of};
use crate::source::Span;

/// More nodes than this are a slip of the pen.
const MAX_COUNT: u64 = 1_000_000;
/// Workloads within each other.
const MAX_DEPTH: usize = 64;

/// What a run of a workload has come to.
#[derive(Debug, Clone, Default)]
pub(super) struct Ran {
    /// Its name in the deploy.
    pub(super) called: String,
    /// The runs of roles in it.
    pub(super) leaves: Vec<String>,
}

/// A workload that is being put in.
pub(super) struct Frame {
    workload: ItemId,
    /// What stands before the names of its runs and groups: `kv.`; nothing for that of the deploy.
    run_prefix: String,
    /// Runs of roles that each of its runs comes to; behind a `for` also those of one turn: `pages[shop]`.
    pub(super) runs: BTreeMap<String, Ran>,
    /// The keys of the turns of `for` at hand, and the lists that they are from.
    pub(super) turns: Vec<(String, Span)>,
    /// What the runs of a `for` come from.
    pub(super) lists: BTreeMap<String, Span>,
    /// By parameter: what whoever uses it waits for.
    handed_in: BTreeMap<String, Vec<WaitInstance>>,
    /// What each of its runs waits for.
    after: Vec<WaitInstance>,
    /// All runs of roles in it.
    all: Vec<String>,
    /// The calls that led to it.
    calls: Vec<(ItemId, Span)>,
    /// What it hands out.
    pub(super) outputs: BTreeMap<String, Template>,
}

impl Frame {
    pub(super) fn of_deploy(workload: ItemId) -> Frame {
        Frame {
            workload,
            run_prefix: String::new(),
            runs: BTreeMap::new(),
            turns: Vec::new(),
            lists: BTreeMap::new(),
            handed_in: BTreeMap::new(),
            after: Vec::new(),
            all: Vec::new(),
            calls: Vec::new(),
            outputs: BTreeMap::new(),
        }
    }

    pub(super) fn run_name(&self, name: &str) -> String {
        format!("{}{}", self.run_prefix, self.in_turn(name))
    }

    fn group_name(&self, name: &str) -> String {
        name_of_group(&self.run_name(name))
    }

    /// Whether it was put into another one or is repeated, so that few lines may come to many runs.
    fn is_inner(&self) -> bool {
        !self.calls.is_empty() || !self.turns.is_empty()
    }
}

impl<'a> Layout<'a> {
    pub(super) fn statements(&mut self, body: &[Statement], scope: &mut Scope<'_>, frame: &mut Frame) {
        for statement in body {
            match statement {
                Statement::Let(name, value) => {
                    if let Some(value) = self.evaluate(value, scope) {
                        scope.variables.insert(name.clone(), value);
                    }
                }
                Statement::Group(group) => self.group(group, scope, frame),
                Statement::Run(run) => self.run(run, scope, frame),
                Statement::Out(name, value) => {
                    if let Some(value) = self.evaluate(value, scope) {
                        frame.outputs.insert(name.clone(), value);
                    }
                }
                Statement::If(branches, otherwise) => {
                    let body = self.branch(branches, otherwise, scope);
                    self.statements(body, scope, frame);
                }
                Statement::Match(subject, arms) => {
                    let Some(value) = self.evaluate(subject, scope) else {
                        continue;
                    };
                    let done = chosen(&value, arms, subject.span, scope, |body, scope| {
                        self.statements(body, scope, frame);
                    });
                    if let Err(stop) = done {
                        self.stopped(stop);
                    }
                }
                Statement::For(turns) => self.repeat(turns, scope, frame),
                // A workload has no steps.
                Statement::Step(_) | Statement::OnLeave(_) => {}
            }
        }
    }

    /// Takes room for one more group or run; `false` if there is none, which is told once.
    fn has_room(&mut self, frame: &Frame, span: Span) -> bool {
        if !frame.is_inner() {
            return true;
        }
        match self.room.statements {
            0 => false,
            1 => {
                self.room.statements = 0;
                let message = "this deploy comes to more groups and runs than can be laid out";
                let help = "look at the workloads that run others: each of them may stand for a lot";
                self.report(Diagnostic::error(codes::TOO_LARGE, span, message).help(help));
                false
            }
            _ => {
                self.room.statements -= 1;
                true
            }
        }
    }

    fn group(&mut self, group: &Group, scope: &mut Scope<'_>, frame: &Frame) {
        if !self.has_room(frame, group.span) {
            return;
        }
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
        let name = frame.group_name(&group.name);
        if let Some(before) = self.by_name.get(&name).copied() {
            return self.same_name(&name, group, before, frame);
        }
        let index = self.groups.len();
        self.by_name.insert(name.clone(), index);
        self.group_calls.push(self.calls.clone());
        self.spelled.push(frame.run_name(&group.name));
        self.groups.push(GroupInstance {
            name,
            many: group.many,
            spread: spread.as_ref().and_then(Value::as_str).map(str::to_owned),
            hardware,
            nodes: Vec::new(),
            leader: None,
            span: group.span,
        });
        self.counts.push(count);
        let quorum = group.fields.get("quorum");
        let quorum = quorum.and_then(|field| self.quorum(field, count, group.span, scope));
        self.quorums.push(quorum);
        let value = self.groups[index].value(group.many);
        scope.variables.insert(group.name.clone(), value);
    }

    fn run(&mut self, run: &Run, scope: &mut Scope<'_>, frame: &mut Frame) {
        if !self.has_room(frame, run.span) || !self.has_own_name(&frame.run_name(&run.name), run.span) {
            return;
        }
        let Some((id, called)) = self.called(run) else {
            self.failed = true;
            return;
        };
        let mut arguments = BTreeMap::new();
        for (name, value) in &run.arguments {
            if let Some(value) = self.evaluate(value, scope) {
                let parameter = called.parameters.iter().find(|p| p.name == *name);
                arguments.insert(name.clone(), self.handed_in(value, parameter));
            }
        }
        self.own_defaults(called, run, &mut arguments);
        self.known_arguments(&called.parameters, run, &mut arguments);
        if called.workload {
            self.workload(run, (id, called), arguments, scope, frame);
        } else {
            self.role_on_group(run, (id, called), arguments, scope, frame);
        }
    }

    /// What a run runs; `None` if nobody said which implementation, which is reported.
    fn called(&mut self, run: &Run) -> Option<(ItemId, &'a RoleOrWorkload)> {
        let id = match &run.callee {
            Callee::Function(id) => *id,
            Callee::Signature(signature) => match self.chosen.get(signature) {
                Some(id) => *id,
                None => {
                    self.no_implementation(run, signature);
                    return None;
                }
            },
        };
        Some((id, self.typed.functions.get(&id)?))
    }

    fn no_implementation(&mut self, run: &Run, signature: &SignatureName) {
        let typed = self.typed;
        let Some(interface) = typed.interfaces.get(&signature.interface) else {
            return;
        };
        let shown = format!("{}.{}", interface.name, signature.name);
        let implements = |f: &&RoleOrWorkload| f.implements.as_ref() == Some(signature);
        let known: Vec<&str> = typed
            .functions
            .values()
            .filter(implements)
            .map(|f| f.name.as_str())
            .collect();
        let message = match known.len() {
            0 => format!("nothing implements `{shown}`"),
            1 => format!("nobody says which implementation of `{shown}` is meant"),
            several => format!("`{shown}` has {several} implementations, and nobody says which is meant"),
        };
        let mut wrong = Diagnostic::error(codes::NO_IMPLEMENTATION, run.span, message).here("run here");
        if let Some(declared) = interface.signatures.get(&signature.name) {
            wrong = wrong.label(declared.span, "the signature is this");
        }
        let name = interface.name.rsplit('.').next().unwrap_or_default();
        let help = match known.as_slice() {
            [] => format!("write one: `workload … implements {shown}`, and take it with `use {name} = …`"),
            [single] => format!(
                "write `use {name} = {single}` in the deploy or the site, or `default = {single}` in the interface"
            ),
            several => format!(
                "write `use {name} = …` in the deploy or the site, with one of {}",
                list_of(several)
            ),
        };
        self.report(wrong.help(help));
    }

    /// An argument as its parameter takes it: a group of one is handed in as a group.
    fn handed_in(&self, value: Template, parameter: Option<&Parameter>) -> Template {
        let wants_many = parameter.is_some_and(|p| match p.ty.base() {
            Type::Thing(Thing::Group, members) => matches!(members.get("name"), Some(Type::List(_))),
            _ => false,
        });
        match GroupInstance::of_value(&value).and_then(|name| self.by_name.get(name)) {
            Some(index) if wants_many => self.groups[*index].value(true),
            _ => value,
        }
    }

    /// What an implementation takes besides the parameters of its signature.
    fn own_defaults(
        &mut self,
        called: &'a RoleOrWorkload,
        run: &Run,
        arguments: &mut BTreeMap<String, Template>,
    ) {
        for parameter in &called.parameters {
            if run.arguments.contains_key(&parameter.name) {
                continue;
            }
            if let Some(default) = &parameter.default {
                let mut scope = Scope::of(self.typed);
                if let Some(value) = self.evaluate(default, &mut scope) {
                    arguments.insert(parameter.name.clone(), value);
                }
            }
        }
        let given: Vec<&Parameter> = called.parameters.iter().filter(|p| p.default.is_none()).collect();
        for parameter in given {
            if !run.arguments.contains_key(&parameter.name) {
                arguments.insert(parameter.name.clone(), Template::Value(Value::Null));
            }
        }
    }

    /// What waits of a run come to: each run of a role once, the most that is asked of it.
    fn waits<'w>(
        &mut self,
        run: &Run,
        waits: impl Iterator<Item = &'w Wait>,
        scope: &mut Scope<'_>,
        frame: &Frame,
    ) -> Vec<WaitInstance> {
        let own = frame.run_name(&run.name);
        let mut all = Vec::new();
        for wait in waits {
            if wait.handed_in {
                all.extend(frame.handed_in.get(&wait.run).into_iter().flatten().cloned());
                continue;
            }
            let Some(Ran { called: of, leaves }) = self.waited_for(wait, scope, frame) else {
                continue;
            };
            let reason = match (&wait.output, wait.mode) {
                (Some(output), _) => format!("`{own}` uses the output `{output}` of `{of}`"),
                (None, GateMode::All) => format!("`{own}` is to come after `{of}`"),
                (None, mode) => format!("`{own}` is to come after {} `{of}`", mode.words()),
            };
            for leaf in leaves {
                all.push(WaitInstance {
                    run: leaf.clone(),
                    mode: wait.mode,
                    reason: reason.clone(),
                    span: wait.span,
                    place: wait.place.clone(),
                });
            }
        }
        self.strongest(all, run.span)
    }

    /// Each run once, with the most that is asked of it. Bounded, since runs of two workloads may wait for each other's.
    fn strongest(&mut self, all: Vec<WaitInstance>, span: Span) -> Vec<WaitInstance> {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut kept: Vec<WaitInstance> = Vec::new();
        for wait in all {
            match places.get(&wait.run) {
                Some(at) if kept[*at].mode >= wait.mode => {}
                Some(at) => kept[*at] = wait,
                None => {
                    places.insert(wait.run.clone(), kept.len());
                    kept.push(wait);
                }
            }
        }
        match self.room.waits.checked_sub(kept.len()) {
            Some(left) => {
                self.room.waits = left;
                kept
            }
            None => {
                let told = std::mem::replace(&mut self.room.waits, 0) == 0;
                if !told {
                    let message = "this deploy comes to more waits between runs than can be kept";
                    let help = "let a few runs wait instead of whole workloads";
                    self.report(Diagnostic::error(codes::TOO_LARGE, span, message).help(help));
                }
                Vec::new()
            }
        }
    }

    /// A parameter that is marked `known` takes what is known before anything runs, and nothing else: that is told here,
    /// and not once more where the parameter decides something.
    fn known_arguments(
        &mut self,
        parameters: &[Parameter],
        run: &Run,
        arguments: &mut BTreeMap<String, Template>,
    ) {
        for parameter in parameters.iter().filter(|p| p.known) {
            let (Some(value), Some(given)) =
                (arguments.get(&parameter.name), run.arguments.get(&parameter.name))
            else {
                continue;
            };
            if let Some(why) = phases::unknown(value, &self.later) {
                self.report(phases::not_known(parameter, given.span, why));
                arguments.remove(&parameter.name);
            }
        }
    }

    fn role_on_group(
        &mut self,
        run: &Run,
        (id, role): (ItemId, &'a RoleOrWorkload),
        arguments: BTreeMap<String, Template>,
        scope: &mut Scope<'_>,
        frame: &mut Frame,
    ) {
        let on = run.group.as_ref().and_then(|on| scope.variables.get(on));
        let on = on.and_then(|on| {
            Some((
                *self.by_name.get(GroupInstance::of_value(on)?)?,
                GroupInstance::is_many(on),
            ))
        });
        let Some((group, many)) = on else {
            // The group could not be laid out, and that was told.
            self.failed = true;
            return;
        };
        let name = frame.run_name(&run.name);
        let expanded = self.role(&name, id, (group, many), arguments);
        scope.later.clone_from(&self.later);
        scope.variables.insert(run.name.clone(), expanded.outputs);
        let rollout = self.rollout(run, group, scope);
        let mut waits = self.waits(run, run.waits.iter(), scope, frame);
        waits.extend(frame.after.iter().cloned());
        let waits = self.strongest(waits, run.span);
        let ran = Ran {
            called: name.clone(),
            leaves: vec![name.clone()],
        };
        frame.runs.insert(run.name.clone(), ran);
        frame.all.push(name.clone());
        self.runs.push(RunInstance {
            name,
            role: role.name.clone(),
            group: self.groups[group].name.clone(),
            hash: expanded.hash,
            steps: expanded.steps,
            spans: expanded.kinds.iter().map(|(_, span)| *span).collect(),
            rollout,
            waits,
            span: run.span,
        });
        self.roles.push(id);
        self.run_calls.push(self.calls.clone());
        self.steps.push(expanded.kinds);
    }

    /// Puts a workload in where it is run.
    fn workload(
        &mut self,
        run: &Run,
        (id, workload): (ItemId, &'a RoleOrWorkload),
        arguments: BTreeMap<String, Template>,
        scope: &mut Scope<'_>,
        frame: &mut Frame,
    ) {
        let mut calls = frame.calls.clone();
        calls.push((frame.workload, run.span));
        if let Some(from) = calls.iter().position(|(by, _)| *by == id) {
            // The checker follows workloads; this way went through an interface.
            let next = |at: usize| calls.get(at + 1).map_or(id, |(by, _)| *by);
            let way: Vec<Call> = (from..calls.len())
                .map(|at| Call {
                    by: calls[at].0,
                    of: next(at),
                    at: calls[at].1,
                })
                .collect();
            self.failed = true;
            self.diagnostics.push(circle(&self.typed.resolved, &way));
            return;
        }
        if calls.len() > MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} workloads run each other in a row");
            let help = "let one workload run several others instead";
            return self.report(Diagnostic::error(codes::TOO_LARGE, run.span, message).help(help));
        }
        let mut handed_in = BTreeMap::new();
        for name in run.arguments.keys() {
            let waits = self.waits(
                run,
                run.waits.iter().filter(|w| w.argument == *name),
                scope,
                frame,
            );
            if !waits.is_empty() {
                handed_in.insert(name.clone(), waits);
            }
        }
        let mut after = frame.after.clone();
        after.extend(self.waits(
            run,
            run.waits.iter().filter(|w| w.argument.is_empty()),
            scope,
            frame,
        ));
        let mut inner = Frame {
            workload: id,
            run_prefix: format!("{}.", frame.run_name(&run.name)),
            runs: BTreeMap::new(),
            turns: Vec::new(),
            lists: BTreeMap::new(),
            handed_in,
            after,
            all: Vec::new(),
            calls,
            outputs: BTreeMap::new(),
        };
        let mut names = Scope::of(self.typed);
        names.variables = arguments;
        names.left = self.parts;
        names.later.clone_from(&self.later);
        self.put_in.push((id, inner.run_prefix.clone()));
        self.calls.push(run.span);
        self.statements(&workload.body, &mut names, &mut inner);
        self.calls.pop();
        self.parts = names.left;
        scope.later.clone_from(&self.later);
        scope.variables.insert(run.name.clone(), record(inner.outputs));
        frame.all.extend(inner.all.iter().cloned());
        let ran = Ran {
            called: frame.run_name(&run.name),
            leaves: inner.all,
        };
        frame.runs.insert(run.name.clone(), ran);
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
