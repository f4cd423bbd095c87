//! The record as a pure function of the journal's lines. Any prefix of a journal is a valid journal.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rebar_compiler::plan::{Move, RecordedStep, moved_step, replaced_step};

use super::{Change, Entry, Line, NodeFacts, Request, changes};
use crate::backend::{MachineSpec, NetworkSpec};

/// What stands, as the lines tell it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Derived {
    /// Networks by name.
    pub networks: BTreeMap<String, NetworkSpec>,
    /// Machines by name.
    pub machines: BTreeMap<String, (MachineSpec, NodeFacts)>,
    /// Steps by node and address.
    pub steps: BTreeMap<(String, String), StepRecord>,
    /// The table of names that was published last.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// Machines that know it.
    pub told: BTreeSet<String>,
    /// Operations by id.
    pub operations: BTreeMap<String, OperationRecord>,
}

/// A step as the lines tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// How it was applied, or is being applied for the first time.
    pub recipe: RecordedStep,
    /// Whether it was ever finished.
    pub applied: bool,
    /// Whether it was begun and is not known to be finished.
    pub unfinished: bool,
}

/// The last word on an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationRecord {
    /// What it is about.
    pub subject: String,
    /// What was to be done.
    pub request: Request,
    /// How often it was tried.
    pub attempt: u32,
    /// `intent`, `done` or `failed`.
    pub state: &'static str,
}

/// A line that cannot follow the lines before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {kind} of {subject}: {because}")]
pub struct ReplayError {
    /// Counts from 1.
    pub line: usize,
    /// `intent`, `handle`, `done` or `failed`.
    pub kind: &'static str,
    /// What the line is about.
    pub subject: String,
    /// What is wrong.
    pub because: &'static str,
}

/// Why `kind` may not follow, or `None` if it may; `last` is the operation's last word.
pub(crate) fn contradiction(last: Option<&str>, kind: &str) -> Option<&'static str> {
    match (last, kind) {
        (Some("done"), _) => Some("the operation is already done"),
        (None, "intent") | (Some("failed"), "intent") | (Some("intent"), _) => None,
        (None, _) => Some("there is no intent"),
        (Some(_), _) => Some("the operation has failed and was not begun again"),
    }
}

/// Reads lines in order.
///
/// # Errors
/// [`ReplayError`] at the first line that cannot follow.
pub fn replay<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Result<Derived, ReplayError> {
    let mut derived = Derived::default();
    for (index, line) in lines.into_iter().enumerate() {
        derived.read(line).map_err(|because| ReplayError {
            line: index + 1,
            kind: line.entry.kind(),
            subject: line.subject.clone(),
            because,
        })?;
    }
    Ok(derived)
}

/// Whether `step`, which is begun, is about another thing than was recorded under its address.
pub(crate) fn is_another(recorded: &RecordedStep, step: &RecordedStep) -> bool {
    recorded.kind != step.kind || recorded.key != step.key
}

/// Whether `removed`, which is removed to be replaced, is what is still recorded under its own address.
pub(crate) fn is_older(recorded: &RecordedStep, removed: &RecordedStep) -> bool {
    replaced_step(recorded).address == removed.address
}

impl Derived {
    fn read(&mut self, line: &Line) -> Result<(), &'static str> {
        let last = self.operations.get(&line.operation).map(|o| o.state);
        if let Some(because) = contradiction(last, line.entry.kind()) {
            return Err(because);
        }
        match &line.entry {
            Entry::Intent { request } => {
                let record = OperationRecord {
                    subject: line.subject.clone(),
                    request: request.clone(),
                    attempt: line.attempt,
                    state: "intent",
                };
                self.operations.insert(line.operation.clone(), record);
            }
            Entry::Handle { .. } => {}
            Entry::Done { .. } | Entry::Failed { .. } => {
                if let Some(operation) = self.operations.get_mut(&line.operation) {
                    operation.state = line.entry.kind();
                }
            }
        }
        let request = self.operations.get(&line.operation).map(|o| o.request.clone());
        if let Some(change) = request.and_then(|request| changes(&request, &line.entry)) {
            self.change(change);
        }
        Ok(())
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::PutNetwork(network) => {
                self.networks.insert(network.name.clone(), network);
            }
            Change::DropNetwork(name) => {
                self.networks.remove(&name);
            }
            Change::PutMachine(machine, facts) => {
                self.told.remove(&machine.name);
                self.steps.retain(|(node, _), _| *node != machine.name);
                self.machines.insert(machine.name.clone(), (*machine, facts));
            }
            Change::DropMachine(name, _) => {
                self.steps.retain(|(node, _), _| *node != name);
                self.machines.remove(&name);
                self.told.remove(&name);
            }
            Change::BeginStep(node, step) => {
                self.set_aside(&node, &step.address, |recorded| is_another(recorded, &step));
                if self.machines.contains_key(&node) {
                    self.steps
                        .entry((node, step.address.clone()))
                        .and_modify(|record| record.unfinished = true)
                        .or_insert(StepRecord {
                            recipe: *step,
                            applied: false,
                            unfinished: true,
                        });
                }
            }
            Change::BeginRemoval(node, step) => {
                if let Some(successor) = step.successor() {
                    self.set_aside(&node, successor, |recorded| is_older(recorded, &step));
                }
                if let Some(record) = self.steps.get_mut(&(node, step.address)) {
                    record.unfinished = true;
                }
            }
            Change::PutStep(node, step) => {
                // One owner for each thing: a step under another name that was about it has been taken over.
                self.steps.retain(|(of, address), record| {
                    let same = record.recipe.kind == step.kind && record.recipe.key == step.key;
                    *of != node || *address == step.address || !same
                });
                if self.machines.contains_key(&node) {
                    let key = (node, step.address.clone());
                    self.steps.insert(
                        key,
                        StepRecord {
                            recipe: *step,
                            applied: true,
                            unfinished: false,
                        },
                    );
                }
            }
            Change::DropStep(node, step) => {
                let at = (node, step.address.clone());
                // Journals of before name what was replaced by the address of what replaced it.
                let another = |record: &StepRecord| is_another(&record.recipe, &step);
                let gone = match self.steps.get(&at).is_some_and(another) {
                    true => (at.0, replaced_step(&step).address),
                    false => at,
                };
                self.steps.remove(&gone);
            }
            Change::Rename(renamed) => self.rename(&renamed),
            Change::Restarted(name) => {
                self.told.remove(&name);
            }
            Change::PutNames(names, told) => {
                self.names = names;
                let known = told.into_iter().filter(|name| self.machines.contains_key(name));
                self.told = known.collect();
            }
        }
    }

    /// What stands under an address goes by that of an older thing, if it is meant.
    fn set_aside(&mut self, node: &str, address: &str, meant: impl Fn(&RecordedStep) -> bool) {
        let at = (node.to_owned(), address.to_owned());
        if self.steps.get(&at).is_some_and(|record| meant(&record.recipe))
            && let Some(mut record) = self.steps.remove(&at)
        {
            record.recipe = replaced_step(&record.recipe);
            self.steps.insert((at.0, record.recipe.address.clone()), record);
        }
    }

    fn rename(&mut self, renamed: &Move) {
        if let Move::Group { from, to } = renamed {
            let of_group = self.machines.values_mut().map(|(_, facts)| facts);
            of_group
                .filter(|facts| facts.group == *from)
                .for_each(|facts| facts.group.clone_from(to));
            return;
        }
        let steps = std::mem::take(&mut self.steps);
        let moved = steps
            .into_iter()
            .map(|((node, address), mut record)| match renamed.address(&address) {
                Some(target) => {
                    record.recipe = moved_step(record.recipe, &target);
                    ((node, target), record)
                }
                None => ((node, address), record),
            });
        self.steps = moved.collect();
    }
}
