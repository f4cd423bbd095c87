//! What must hold, whatever happened: one check for each invariant. It is told nothing by the executor but its
//! outcome; it looks at the world, the journal and the record.

use std::collections::{BTreeMap, BTreeSet};

use rebar_runtime::backends::sim::Sim;
use rebar_runtime::journal::{Derived, Entry, FailedClass, Line, replay};
use rebar_runtime::state::{HistoryLine, State};

use crate::desk::Acknowledged;
use crate::spec::{DEPLOY, SITE};

/// The last word on an operation, by class where it failed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Last {
    Open,
    Done,
    Failed(FailedClass),
}

#[derive(Default)]
pub(crate) struct Oracle {
    /// Lines of runs that are closed.
    closed: BTreeMap<String, Vec<HistoryLine>>,
    /// How many acknowledged lines were found in the journal.
    found: usize,
    /// Operations that made something, as far as they were looked at.
    creations: usize,
    made: BTreeSet<String>,
    /// Machines that somebody touched behind our back.
    pub(crate) touched: BTreeSet<String>,
    pub(crate) acknowledged: Acknowledged,
}

impl Oracle {
    /// Everything that does not hold now.
    pub(crate) async fn violations(&mut self, state: &State, sim: &Sim) -> Vec<String> {
        let mut violations = sim.world(|world| std::mem::take(&mut world.violations));
        let history = self.history(state).await;
        violations.extend(epochs(&history));
        let lines: Vec<Line> = history.iter().map(line).collect();
        violations.extend(self.acknowledged_lines(&lines));
        match replay(&lines) {
            Err(error) => violations.push(format!("I5: the journal does not replay: {error}")),
            Ok(derived) => {
                violations.extend(prefixes(&lines));
                violations.extend(record(state, &derived).await);
                violations.extend(self.objects(sim, &derived, &lines));
            }
        }
        violations.extend(self.twice(sim));
        violations
    }

    /// All lines of the deploy in the order in which they were written.
    async fn history(&mut self, state: &State) -> Vec<HistoryLine> {
        let mut all = Vec::new();
        for run in state.runs(DEPLOY, 10_000).await.unwrap() {
            if let Some(lines) = self.closed.get(&run.id) {
                all.extend(lines.iter().cloned());
                continue;
            }
            let lines = state.lines(&run.id).await.unwrap();
            all.extend(lines.iter().cloned());
            if run.closed.is_some() {
                self.closed.insert(run.id, lines);
            }
        }
        all.sort_by_key(|line| line.seq);
        all
    }

    /// I3: what was acknowledged is there.
    fn acknowledged_lines(&mut self, lines: &[Line]) -> Vec<String> {
        let acknowledged = self.acknowledged.lock().unwrap();
        if acknowledged.len() == self.found {
            return Vec::new();
        }
        let there: BTreeSet<(&str, &str, u32)> = lines
            .iter()
            .map(|line| (line.operation.as_str(), line.entry.kind(), line.attempt))
            .collect();
        let lost = acknowledged[self.found..]
            .iter()
            .filter(|(operation, kind, attempt)| !there.contains(&(operation.as_str(), *kind, *attempt)));
        let lost: Vec<String> = lost
            .map(|(operation, kind, _)| {
                format!("I3: {kind} of {operation} was acknowledged and is not there")
            })
            .collect();
        self.found = acknowledged.len();
        lost
    }

    /// I1: objects with our label are in the journal, and the journal's objects are there. I2: no two share an address.
    fn objects(&self, sim: &Sim, derived: &Derived, lines: &[Line]) -> Vec<String> {
        let mut violations = Vec::new();
        let mut last: BTreeMap<&str, Last> = BTreeMap::new();
        for line in lines {
            let word = match &line.entry {
                Entry::Intent { .. } | Entry::Handle { .. } => Last::Open,
                Entry::Done { .. } => Last::Done,
                Entry::Failed { class, .. } => Last::Failed(*class),
            };
            last.insert(&line.operation, word);
        }
        // What nobody can know yet: operations without an end, and those that may be done when nobody expects it.
        let late = sim.world(|world| world.late.clone());
        let unsure: BTreeSet<&str> = derived
            .operations
            .iter()
            .filter(|(id, _)| {
                late.contains(*id)
                    || matches!(
                        last.get(id.as_str()),
                        Some(Last::Open | Last::Failed(FailedClass::Ambiguous))
                    )
            })
            .map(|(_, operation)| operation.subject.as_str())
            .collect();
        let mut addresses: BTreeMap<String, String> = BTreeMap::new();
        sim.world(|world| {
            let machines = world
                .machines
                .iter()
                .map(|(key, m)| (format!("machine/{}", key.1), &m.operation, m.complete));
            let networks = world
                .networks
                .iter()
                .map(|(key, n)| (format!("network/{}", key.1), &n.operation, true));
            for (name, operation, complete) in machines.chain(networks) {
                let Some(known) = derived.operations.get(operation) else {
                    violations.push(format!(
                        "I1: {name} was made by {operation}, which is not in the journal"
                    ));
                    continue;
                };
                if known.subject != name {
                    violations.push(format!(
                        "I1: {name} was made by an operation about {}",
                        known.subject
                    ));
                }
                if let Some(Last::Failed(class)) = last.get(operation.as_str())
                    && complete
                    && *class != FailedClass::Ambiguous
                    && !late.contains(operation)
                {
                    violations.push(format!(
                        "I1: {name} is there and the journal says that it was not made ({class:?})"
                    ));
                }
                for address in known.request.addresses() {
                    if let Some(other) = addresses.insert(address.clone(), name.clone()) {
                        violations.push(format!("I2: {name} and {other} have the address {address}"));
                    }
                }
            }
            let there = |name: &String| world.machines.keys().any(|key| key.1 == *name);
            for name in derived.machines.keys().filter(|name| !there(name)) {
                if !self.touched.contains(name) && !unsure.contains(format!("machine/{name}").as_str()) {
                    violations.push(format!("I1: machine/{name} is recorded and not there"));
                }
            }
            let there = |name: &String| world.networks.keys().any(|key| key.1 == *name);
            for name in derived.networks.keys().filter(|name| !there(name)) {
                if !unsure.contains(format!("network/{name}").as_str()) {
                    violations.push(format!("I1: network/{name} is recorded and not there"));
                }
            }
        });
        violations
    }

    /// I2: no operation made an object, or had its effect on a node, twice.
    fn twice(&mut self, sim: &Sim) -> Vec<String> {
        let mut violations = Vec::new();
        sim.world(|world| {
            for (operation, name) in &world.creations[self.creations..] {
                if !self.made.insert(operation.clone()) && !world.late.contains(operation) {
                    violations.push(format!("I2: {operation} made {name} twice"));
                }
            }
            self.creations = world.creations.len();
            for (key, machine) in &world.machines {
                let node = machine.node.lock().unwrap();
                if node.effects.values().any(|count| *count > 1) && !self.touched.contains(&key.1) {
                    violations.push(format!("I2: a step on {} had its effect twice", key.1));
                }
            }
        });
        violations
    }
}

fn line(from: &HistoryLine) -> Line {
    Line {
        operation: from.operation.clone(),
        subject: from.subject.clone(),
        attempt: from.attempt,
        entry: from.entry.clone(),
    }
}

/// I6: once a writer has written, no older one does.
fn epochs(history: &[HistoryLine]) -> Option<String> {
    let back = history.windows(2).find(|pair| pair[1].epoch < pair[0].epoch)?;
    Some(format!(
        "I6: {} of {} was written in epoch {} after epoch {}",
        back[1].entry.kind(),
        back[1].subject,
        back[1].epoch,
        back[0].epoch
    ))
}

/// I5: some prefixes; that all are valid follows from the whole, which is read line by line.
fn prefixes(lines: &[Line]) -> Vec<String> {
    [lines.len() / 3, lines.len() / 2]
        .into_iter()
        .filter_map(|end| replay(&lines[..end]).err())
        .map(|error| format!("I5: a prefix does not replay: {error}"))
        .collect()
}

/// I5: what is recorded is what the lines tell.
async fn record(state: &State, derived: &Derived) -> Vec<String> {
    let mut violations = Vec::new();
    let record = state.snapshot_record(DEPLOY, SITE).await.unwrap();
    let recorded = record
        .nodes
        .iter()
        .map(|(name, node)| (name.clone(), node.machine.clone()));
    let replayed = derived
        .machines
        .iter()
        .map(|(name, (spec, _))| (name.clone(), spec.digest.clone()));
    if !recorded.eq(replayed) {
        violations.push("I5: machines recorded and replayed differ".to_owned());
    }
    let recorded = record
        .networks
        .iter()
        .map(|(name, network)| (name.clone(), network.cidr));
    if !recorded.eq(derived
        .networks
        .iter()
        .map(|(name, network)| (name.clone(), network.cidr)))
    {
        violations.push("I5: networks recorded and replayed differ".to_owned());
    }
    let mut recorded = BTreeSet::new();
    for (name, node) in &record.nodes {
        let unfinished: BTreeSet<&String> = node.unfinished.iter().collect();
        for address in node.steps.keys().chain(&node.unfinished) {
            recorded.insert((name.clone(), address.clone(), unfinished.contains(address)));
        }
    }
    let replayed: BTreeSet<_> = derived
        .steps
        .iter()
        .map(|((node, address), step)| (node.clone(), address.clone(), step.unfinished))
        .collect();
    if recorded != replayed {
        let differ: Vec<_> = recorded.symmetric_difference(&replayed).take(3).collect();
        violations.push(format!("I5: steps recorded and replayed differ: {differ:?}"));
    }
    violations
}

/// The addresses that an operation gives.
trait Gives {
    fn addresses(&self) -> Vec<String>;
}

impl Gives for rebar_runtime::journal::Request {
    fn addresses(&self) -> Vec<String> {
        use rebar_runtime::backend::ObjectAction;
        match self {
            rebar_runtime::journal::Request::Object {
                action: ObjectAction::CreateMachine { machine },
                ..
            } => {
                let interfaces = machine.interfaces.iter();
                interfaces
                    .map(|interface| format!("{}%{}", interface.address, interface.network))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}
