//! The plan as a graph of pieces of work: what there is to do, and what waits for what.
//!
//! *Hard* edges carry failure: what needs something that failed is blocked. *Soft* edges are only sequence.
//! Groups meet at barriers, so that N nodes that wait for M nodes make N + M edges.

mod leaving;
mod order;
mod rollout;
mod selection;
mod slot;

pub(super) use selection::LEFT_OUT;
pub use slot::Slot;

use std::collections::{BTreeMap, BTreeSet};

use rebar_compiler::plan::{GateMode, NodeRow, ObjectVerb, Plan};

use super::filled::NodeWork;
use super::weights::Weights;
pub(super) use rollout::RolloutJobs;

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    /// Prepare the image.
    Image,
    /// Make a network.
    MakeNetwork(String),
    /// Destroy a network.
    DropNetwork(String),
    /// Make a machine.
    MakeMachine(String),
    /// Start a machine.
    StartMachine(String),
    /// See that a machine is there.
    KeepMachine(String),
    /// Destroy a machine; `true` if its node leaves.
    DropMachine(String, bool),
    /// Do on a node what is to be done before it goes.
    Leave(String),
    /// Make all names known to a node.
    Names(String),
    /// Take back the names of nodes that have left.
    FinalNames,
    /// A node's segment, by its index in the pattern.
    Segment(String, usize),
    /// Look at a node's segment again, after a rest.
    Look(String, usize),
    /// Remove steps whose runs are gone from a node.
    Removal(String),
    /// Nothing to do; others meet here.
    Barrier(Barrier),
}

/// Where groups meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Barrier {
    /// A gate of the plan, by index.
    Gate(usize),
    /// A batch of a rollout is done and has rested: run, number, nanoseconds of rest.
    Batch(String, usize, u64),
    /// A batch of a rollout was looked at again: run, number.
    Looked(String, usize),
    /// Everything that may use a group has been changed; no name stands for everything.
    Users(String),
    /// All segments have ended.
    Changed,
}

/// A piece of work with what it waits for.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) task: Task,
    /// Must be done.
    pub(super) hard: Vec<usize>,
    /// Must have ended.
    pub(super) soft: Vec<usize>,
    /// It begins when so many of the hard ones are done; `None`: all. Such a job has no soft ones.
    pub(super) enough: Option<usize>,
    /// How long it is expected to take, in milliseconds; for priorities and forecasts.
    pub(super) weight: u64,
    /// Why it can never be done by this plan: what it needs is left out.
    pub(super) withheld: Option<String>,
}

/// All work, and in which order to prefer it.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) jobs: Vec<Job>,
    /// Jobs that wait for each job.
    pub(super) dependents: Vec<Vec<usize>>,
    /// How long the longest way from each job to the end is expected to take, in milliseconds.
    pub(super) remaining: Vec<u64>,
    /// Rollouts that set limits.
    pub(super) rollouts: Vec<RolloutJobs>,
}

/// What the plan alone does not tell.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Steps that were in place before this run began, by node: those nodes serve.
    pub(super) served: BTreeMap<String, BTreeSet<String>>,
    /// Machines that this run has taken down to replace them: what they served, they served until then.
    pub(super) replaced: BTreeSet<String>,
    /// Machines that are recorded and do not run: they serve nobody.
    pub(super) down: BTreeSet<String>,
    /// Nodes on which this run began something that it has not finished.
    pub(super) begun: BTreeSet<String>,
    /// Whether the names that machines know differ from those that they need.
    pub(super) names: bool,
}

struct Builder<'a> {
    plan: &'a Plan,
    work: &'a BTreeMap<String, NodeWork>,
    weights: &'a Weights,
    graph: Graph,
    index: BTreeMap<Task, usize>,
    /// Whether machines that are replaced go in the batches of rollouts.
    batch_replacements: bool,
    /// Machines that are in a batch.
    batched: BTreeSet<String>,
}

/// Builds the graph. Fails, in words, on a plan that cannot be carried out.
pub(super) fn build(
    plan: &Plan,
    work: &BTreeMap<String, NodeWork>,
    standing: &Standing,
    weights: &Weights,
) -> Result<Graph, String> {
    // Runs that wait for each other across one group leave no order in which its machines could go in batches.
    // Then they go as soon as they can, as if there were none.
    let strict = attempt(plan, work, standing, weights, true);
    let replaces = plan
        .nodes
        .iter()
        .any(|row| matches!(row.machine, ObjectVerb::Replace { .. }));
    match strict {
        Err(_) if replaces => attempt(plan, work, standing, weights, false),
        strict => strict,
    }
}

fn attempt(
    plan: &Plan,
    work: &BTreeMap<String, NodeWork>,
    standing: &Standing,
    weights: &Weights,
    batch_replacements: bool,
) -> Result<Graph, String> {
    let mut builder = Builder {
        plan,
        work,
        weights,
        graph: Graph::default(),
        index: BTreeMap::new(),
        batch_replacements,
        batched: BTreeSet::new(),
    };
    builder.batch_replacements &= !builder.replaces_networks();
    builder.objects();
    builder.lanes(standing);
    builder.gates();
    builder.rollouts(standing)?;
    builder.leaving();
    builder.finish()
}

fn is_kept(row: &NodeRow) -> bool {
    row.machine == ObjectVerb::Keep
}

impl Builder<'_> {
    fn add(&mut self, task: Task) -> usize {
        if let Some(at) = self.index.get(&task) {
            return *at;
        }
        let weight = self.weights.of(self.plan, self.work, &task).as_millis() as u64;
        let at = self.graph.jobs.len();
        self.index.insert(task.clone(), at);
        self.graph.jobs.push(Job {
            task,
            hard: Vec::new(),
            soft: Vec::new(),
            enough: None,
            weight,
            withheld: None,
        });
        at
    }

    fn at(&self, task: &Task) -> Option<usize> {
        self.index.get(task).copied()
    }

    fn hard(&mut self, job: usize, on: usize) {
        self.graph.jobs[job].hard.push(on);
    }

    fn soft(&mut self, job: usize, on: usize) {
        self.graph.jobs[job].soft.push(on);
    }

    /// Image, networks and machines.
    fn objects(&mut self) {
        let plan = self.plan;
        let made = |row: &&NodeRow| matches!(row.machine, ObjectVerb::Create | ObjectVerb::Replace { .. });
        let image = plan
            .nodes
            .iter()
            .any(|row| made(&row))
            .then(|| self.add(Task::Image));
        for row in plan
            .nodes
            .iter()
            .filter(|row| matches!(row.machine, ObjectVerb::Replace { .. }))
        {
            let drop = self.add(Task::DropMachine(row.name.clone(), false));
            let leave = (!row.leave.is_empty()).then(|| self.leave(&row.name, drop));
            if let Some(image) = image {
                self.hard(leave.unwrap_or(drop), image);
            }
        }
        for (name, network) in &plan.networks {
            match network.verb {
                ObjectVerb::Keep => {}
                ObjectVerb::Create | ObjectVerb::Start => {
                    self.add(Task::MakeNetwork(name.clone()));
                }
                ObjectVerb::Replace { .. } => self.replace_network(name),
            }
        }
        for row in &plan.nodes {
            let job = match row.machine {
                ObjectVerb::Create | ObjectVerb::Replace { .. } => {
                    self.add(Task::MakeMachine(row.name.clone()))
                }
                ObjectVerb::Start => self.add(Task::StartMachine(row.name.clone())),
                ObjectVerb::Keep if self.work.get(&row.name).is_some_and(|w| !w.is_empty()) => {
                    self.add(Task::KeepMachine(row.name.clone()))
                }
                ObjectVerb::Keep => continue,
            };
            if made(&row) {
                let needs = image
                    .into_iter()
                    .chain(self.at(&Task::DropMachine(row.name.clone(), false)));
                for on in needs.collect::<Vec<_>>() {
                    self.hard(job, on);
                }
            }
            for network in row.addresses.keys() {
                if let Some(on) = self.at(&Task::MakeNetwork(network.to_owned())) {
                    self.hard(job, on);
                }
            }
        }
    }

    /// What is done on a node before its machine goes.
    fn leave(&mut self, node: &str, drop: usize) -> usize {
        let leave = self.add(Task::Leave(node.to_owned()));
        self.hard(drop, leave);
        leave
    }

    /// All machines on it go first, those that leave as well.
    fn replace_network(&mut self, name: &str) {
        let plan = self.plan;
        let drop = self.add(Task::DropNetwork(name.to_owned()));
        for row in &plan.nodes {
            if let Some(on) = self.at(&Task::DropMachine(row.name.clone(), false)) {
                self.hard(drop, on);
            }
        }
        for node in plan
            .leaving
            .iter()
            .filter(|node| node.addresses.contains_key(name))
        {
            let on = self.add(Task::DropMachine(node.name.clone(), true));
            if !node.leave.is_empty() {
                self.leave(&node.name, on);
            }
            self.hard(drop, on);
        }
        let make = self.add(Task::MakeNetwork(name.to_owned()));
        self.hard(make, drop);
    }

    /// Names and segments of each node.
    fn lanes(&mut self, standing: &Standing) {
        let plan = self.plan;
        let names = standing.names || plan.nodes.iter().any(|row| !is_kept(row));
        for row in &plan.nodes {
            let machine = [Task::MakeMachine, Task::StartMachine, Task::KeepMachine]
                .iter()
                .find_map(|task| self.at(&task(row.name.clone())));
            let Some(machine) = machine else { continue };
            let ready = if names {
                let job = self.add(Task::Names(row.name.clone()));
                self.hard(job, machine);
                job
            } else {
                machine
            };
            let Some(work) = self.work.get(&row.name) else {
                continue;
            };
            let mut previous = None;
            for (index, segment) in work.segments.iter().enumerate() {
                if segment.steps.is_empty() {
                    continue;
                }
                let job = self.add(Task::Segment(row.name.clone(), index));
                self.hard(job, ready);
                if let Some(previous) = previous {
                    self.soft(job, previous);
                }
                // What it shares with a run before it must be there.
                for owner in self.owners_of_shared(row, &segment.run) {
                    self.hard(job, owner);
                }
                previous = Some(job);
            }
            if !work.removals.is_empty() {
                let job = self.add(Task::Removal(row.name.clone()));
                self.hard(job, ready);
            }
        }
        if standing.names
            && plan
                .nodes
                .iter()
                .all(|row| self.at(&Task::Names(row.name.clone())).is_none())
        {
            // Nothing but the table of names has to change.
            self.add(Task::FinalNames);
        }
    }

    /// The jobs that must be done before `run` is done: its segments, or at least the machines of its nodes.
    fn jobs_of(&self, run: &str) -> Vec<usize> {
        let mut jobs = Vec::new();
        for row in &self.plan.nodes {
            let Some(pattern) = self.plan.patterns.get(row.pattern) else {
                continue;
            };
            let Some(index) = pattern.segments.iter().position(|segment| segment.run == run) else {
                continue;
            };
            let segment = self.at(&Task::Segment(row.name.clone(), index));
            let machine = [Task::MakeMachine, Task::StartMachine];
            let machine = machine.iter().find_map(|task| self.at(&task(row.name.clone())));
            let owners = self.owners_of_shared(row, run);
            match (segment, owners.is_empty()) {
                (Some(segment), _) => jobs.push(segment),
                // All that it has to do is done by runs before it.
                (None, false) => jobs.extend(owners),
                (None, true) => jobs.extend(machine),
            }
        }
        jobs
    }

    /// The segments of a node in which steps are to be done that they share with `run`.
    fn owners_of_shared(&self, row: &NodeRow, run: &str) -> Vec<usize> {
        let (Some(pattern), Some(work)) = (self.plan.patterns.get(row.pattern), self.work.get(&row.name))
        else {
            return Vec::new();
        };
        let shares = |index: &usize| {
            let segment = &pattern.segments[*index];
            let shared = segment.steps.iter().filter(|step| step.shared.contains_key(run));
            let work = work.segments.get(*index).map_or(&[][..], |work| &work.steps);
            let mut addresses = shared.map(|step| format!("{}.{}", segment.run, step.name));
            addresses.any(|address| work.iter().any(|todo| todo.recipe.address == address))
        };
        let owners = (0..pattern.segments.len()).filter(shares);
        owners
            .filter_map(|index| self.at(&Task::Segment(row.name.clone(), index)))
            .collect()
    }

    fn segments_of(&self, run: &str) -> Vec<usize> {
        let is = |job: &usize| matches!(self.graph.jobs[*job].task, Task::Segment(..));
        self.jobs_of(run).into_iter().filter(is).collect()
    }

    /// How many more nodes of a run must be done for a gate, where `jobs` of them are still to be.
    fn still_needed(&self, run: &str, mode: GateMode, jobs: usize) -> usize {
        let has = |row: &&NodeRow| {
            let pattern = self.plan.patterns.get(row.pattern);
            pattern.is_some_and(|p| p.segments.iter().any(|s| s.run == run))
        };
        let nodes = self.plan.nodes.iter().filter(has).count();
        // The others stand as they should, but for those that are left out.
        let done = nodes.saturating_sub(jobs + self.count_left_out(run));
        mode.enough(nodes).saturating_sub(done)
    }

    fn gates(&mut self) {
        for (index, gate) in self.plan.gates.iter().enumerate() {
            let (before, after) = (self.jobs_of(&gate.after), self.segments_of(&gate.of));
            let withheld = self.left_out([gate.after.as_str()]);
            let (enough, withheld) = match gate.mode {
                GateMode::All => (None, withheld),
                mode => match self.still_needed(&gate.after, mode, before.len()) {
                    0 => continue,
                    more if more > before.len() => (None, withheld),
                    more => (Some(more), None),
                },
            };
            if before.is_empty() && withheld.is_none() || after.is_empty() {
                continue;
            }
            let barrier = self.add(Task::Barrier(Barrier::Gate(index)));
            self.graph.jobs[barrier].withheld = withheld;
            self.graph.jobs[barrier].enough = enough;
            for job in before {
                self.hard(barrier, job);
            }
            for job in after {
                self.hard(job, barrier);
            }
        }
    }

    /// Checks that everything can come to its turn, and computes priorities.
    fn finish(mut self) -> Result<Graph, String> {
        let count = self.graph.jobs.len();
        let mut waiting = vec![0_usize; count];
        let mut dependents = vec![Vec::new(); count];
        for (at, job) in self.graph.jobs.iter_mut().enumerate() {
            job.hard.sort_unstable();
            job.hard.dedup();
            job.soft.sort_unstable();
            job.soft.dedup();
            job.soft.retain(|on| job.hard.binary_search(on).is_err());
            waiting[at] = job.hard.len() + job.soft.len();
            for on in job.hard.iter().chain(&job.soft) {
                dependents[*on].push(at);
            }
        }
        let mut order: Vec<usize> = (0..count).filter(|at| waiting[*at] == 0).collect();
        let mut next = 0;
        while let Some(at) = order.get(next).copied() {
            next += 1;
            for dependent in &dependents[at] {
                waiting[*dependent] -= 1;
                if waiting[*dependent] == 0 {
                    order.push(*dependent);
                }
            }
        }
        if order.len() < count {
            let stuck = (0..count)
                .find(|at| waiting[*at] > 0)
                .map(|at| subject(self.plan, &self.graph.jobs[at].task));
            return Err(format!("{} waits for itself", stuck.unwrap_or_default()));
        }
        let mut remaining = vec![0; count];
        for at in order.into_iter().rev() {
            let longest = dependents[at].iter().map(|d| remaining[*d]).max().unwrap_or(0);
            remaining[at] = longest + self.graph.jobs[at].weight;
        }
        self.graph.dependents = dependents;
        self.graph.remaining = remaining;
        Ok(self.graph)
    }
}

/// What a task is about, for people.
pub(super) fn subject(plan: &Plan, task: &Task) -> String {
    match task {
        Task::Image => {
            format!(
                "image/{}",
                plan.backend
                    .image
                    .as_ref()
                    .map_or("none", |image| image.name.as_str())
            )
        }
        Task::MakeNetwork(name) | Task::DropNetwork(name) => format!("network/{name}"),
        Task::MakeMachine(name)
        | Task::StartMachine(name)
        | Task::KeepMachine(name)
        | Task::DropMachine(name, _) => format!("machine/{name}"),
        Task::Names(_) | Task::FinalNames => "names".to_owned(),
        Task::Segment(node, index) | Task::Look(node, index) => {
            let row = plan.nodes.binary_search_by(|row| row.name.as_str().cmp(node));
            let row = row.ok().and_then(|at| plan.nodes.get(at));
            let pattern = row.and_then(|row| plan.patterns.get(row.pattern));
            let run = pattern
                .and_then(|p| p.segments.get(*index))
                .map_or("", |segment| segment.run.as_str());
            format!("{node}/{run}")
        }
        Task::Leave(node) => format!("{node}/leave"),
        Task::Removal(node) => format!("{node}/removals"),
        Task::Barrier(Barrier::Gate(index)) => plan.gates.get(*index).map_or_else(String::new, |gate| {
            format!("gate {} after {}", gate.of, gate.after)
        }),
        Task::Barrier(Barrier::Batch(run, number, _) | Barrier::Looked(run, number)) => {
            format!("batch {} of {run}", number + 1)
        }
        Task::Barrier(Barrier::Users(group)) => format!("users of {group}"),
        Task::Barrier(Barrier::Changed) => "all changes".to_owned(),
    }
}

impl Graph {
    /// How many changes of objects there are.
    pub(super) fn objects(&self) -> usize {
        let is = |job: &&Job| match job.task {
            Task::Image
            | Task::MakeNetwork(_)
            | Task::DropNetwork(_)
            | Task::MakeMachine(_)
            | Task::StartMachine(_)
            | Task::DropMachine(..)
            | Task::FinalNames => true,
            Task::KeepMachine(_)
            | Task::Names(_)
            | Task::Segment(..)
            | Task::Look(..)
            | Task::Leave(_)
            | Task::Removal(_)
            | Task::Barrier(_) => false,
        };
        self.jobs.iter().filter(is).count()
    }
}
