//! Plans as files: canonical bytes, hash, schema, and reading one that anybody may have written.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::digest::hex;
use super::names::{is_name, is_run_or_step, split_address};
use super::{FORMAT, ObjectVerb, Plan, Reason, StepVerbs};
use crate::expand::MAX_HOST_NAME;

/// Why a plan file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFileError {
    /// It is not JSON, or not that of a plan.
    #[error("this is not a plan: {0}")]
    Malformed(String),
    /// It is of another format version.
    #[error("this plan is of format {found}, and this rebar reads format {FORMAT}; make a new plan")]
    Format {
        /// The version that was found.
        found: u64,
    },
    /// Two parts of it do not fit together.
    #[error("this plan contradicts itself: {0}")]
    Inconsistent(String),
}

/// The bytes that stand for a plan: JSON without spaces, maps sorted by key.
pub fn canonical_bytes(plan: &Plan) -> Vec<u8> {
    // Everything in a plan has a JSON form.
    serde_json::to_vec(plan).unwrap_or_default()
}

/// SHA-256 (hex) of the canonical bytes.
pub fn hash(plan: &Plan) -> String {
    hex(&Sha256::digest(canonical_bytes(plan)))
}

/// The JSON Schema of plan files.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Plan)
}

/// Reads a plan file.
///
/// # Errors
/// [`PlanFileError`] when it is not a plan of this format, or refers to what it does not hold.
pub fn read(bytes: &[u8]) -> Result<Plan, PlanFileError> {
    let malformed = |error: serde_json::Error| PlanFileError::Malformed(error.to_string());
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(malformed)?;
    let Some(found) = value.get("format").and_then(serde_json::Value::as_u64) else {
        return Err(PlanFileError::Malformed("it names no format".to_owned()));
    };
    if found != u64::from(FORMAT) {
        return Err(PlanFileError::Format { found });
    }
    let plan: Plan = serde_json::from_value(value).map_err(malformed)?;
    consistent(&plan).map_err(PlanFileError::Inconsistent)?;
    Ok(plan)
}

/// Names become names of folders, machines and hosts; in a spec they are made of these characters only.
fn names_are_names(plan: &Plan) -> Result<(), String> {
    let mut runs_and_steps: Vec<&str> = Vec::new();
    let mut all: Vec<&str> = vec![&plan.deploy, &plan.site, &plan.backend.name];
    all.extend(plan.networks.keys().map(String::as_str));
    all.extend(plan.leaving_networks.iter().map(String::as_str));
    for (name, group) in &plan.groups {
        all.push(name);
        all.extend(group.nodes.iter().map(String::as_str));
    }
    for pattern in &plan.patterns {
        all.extend(pattern.hardware.nics.keys().map(String::as_str));
        all.extend(pattern.hardware.disks.keys().map(String::as_str));
        for segment in &pattern.segments {
            runs_and_steps.push(&segment.run);
            runs_and_steps.extend(segment.steps.iter().map(|step| step.name.as_str()));
        }
    }
    if let Some(node) = plan.nodes.iter().find(|n| n.name.len() > MAX_HOST_NAME) {
        return Err(format!(
            "no host can be called `{}`",
            node.name.chars().take(80).collect::<String>()
        ));
    }
    all.extend(plan.nodes.iter().map(|node| node.name.as_str()));
    all.extend(plan.leaving.iter().map(|node| node.name.as_str()));
    for (deploy, nodes) in &plan.ledger.deploys {
        all.push(deploy);
        for (name, node) in nodes {
            all.extend([name.as_str(), node.group.as_str()]);
            all.extend(node.addresses.keys());
        }
    }
    let wrong = all.into_iter().find(|name| !is_name(name));
    let wrong = wrong.or_else(|| runs_and_steps.into_iter().find(|name| !is_run_or_step(name)));
    match wrong {
        Some(name) => Err(format!(
            "{:?} is no name",
            name.chars().take(80).collect::<String>()
        )),
        None => Ok(()),
    }
}

fn consistent(plan: &Plan) -> Result<(), String> {
    names_are_names(plan)?;
    let mut runs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut of_group = BTreeSet::new();
    for pattern in &plan.patterns {
        if !plan.groups.contains_key(&pattern.group) {
            return Err(format!(
                "a pattern is for the group `{}`, which it has not",
                pattern.group
            ));
        }
        if !of_group.insert(&pattern.group) {
            return Err(format!("the group `{}` has two patterns", pattern.group));
        }
        for network in pattern.hardware.nics.values() {
            if !plan.networks.contains_key(network) {
                return Err(format!(
                    "an interface is on the network `{network}`, which it has not"
                ));
            }
        }
        for (at, segment) in pattern.segments.iter().enumerate() {
            let mut steps = BTreeSet::new();
            for step in &segment.steps {
                let missing = step.reload_on.iter().find(|name| !steps.contains(name.as_str()));
                if let Some(name) = missing {
                    return Err(format!(
                        "`{}.{}` loads `{name}`, which is not above it",
                        segment.run, step.name
                    ));
                }
                let of_later = |run: &String| pattern.segments[at + 1..].iter().any(|s| s.run == *run);
                if let Some(run) = step.shared.keys().find(|run| !of_later(run)) {
                    return Err(format!(
                        "`{}.{}` is shared with `{run}`, which is no later run of its nodes",
                        segment.run, step.name
                    ));
                }
                if !steps.insert(step.name.as_str()) {
                    return Err(format!("the step `{}.{}` is there twice", segment.run, step.name));
                }
            }
            if runs.insert(&segment.run, steps).is_some() {
                return Err(format!("the run `{}` is there twice", segment.run));
            }
        }
    }
    for gate in &plan.gates {
        for run in [&gate.of, &gate.after] {
            if !runs.contains_key(run.as_str()) {
                return Err(format!("a gate names the run `{run}`, which it has not"));
            }
        }
    }
    gates_have_no_cycle(plan)?;
    let mut members: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, group) in &plan.groups {
        if !group.many && group.nodes.len() != 1 {
            return Err(format!("the group `{name}` should be of one node"));
        }
        for node in &group.nodes {
            if members.insert(node, name).is_some() {
                return Err(format!("the node `{node}` is in a group twice"));
            }
        }
    }
    if members.len() != plan.nodes.len() {
        return Err("groups and nodes do not agree".to_owned());
    }
    for pair in plan.nodes.windows(2) {
        if pair[0].name >= pair[1].name {
            return Err(format!("the node `{}` is not at its place", pair[1].name));
        }
    }
    for node in &plan.nodes {
        let Some(pattern) = plan.patterns.get(node.pattern) else {
            return Err(format!(
                "the node `{}` follows a pattern that is not there",
                node.name
            ));
        };
        if members.get(node.name.as_str()) != Some(&pattern.group.as_str()) {
            return Err(format!(
                "the node `{}` is not in the group of its pattern",
                node.name
            ));
        }
        if let Some(network) = pattern
            .hardware
            .nics
            .values()
            .find(|n| !node.addresses.contains_key(n))
        {
            return Err(format!("the node `{}` has no address on `{network}`", node.name));
        }
        if let StepVerbs::Some { ensure, .. } = &node.steps {
            let of_pattern = |address: &&String| {
                let (run, step) = split_address(address).unwrap_or((address, ""));
                let segment = pattern.segments.iter().any(|s| s.run == run);
                !(segment && runs.get(run).is_some_and(|steps| steps.contains(step)))
            };
            if let Some(address) = ensure.keys().find(of_pattern) {
                return Err(format!(
                    "`{}` is to carry out `{address}`, which it has not",
                    node.name
                ));
            }
        }
    }
    match plan
        .leaving
        .iter()
        .find(|l| members.contains_key(l.name.as_str()))
    {
        Some(leaving) => Err(format!("the node `{}` both stays and leaves", leaving.name)),
        None => Ok(()),
    }
}

fn gates_have_no_cycle(plan: &Plan) -> Result<(), String> {
    let mut order: petgraph::graphmap::DiGraphMap<&str, ()> = petgraph::graphmap::DiGraphMap::new();
    for gate in &plan.gates {
        order.add_edge(&gate.after, &gate.of, ());
    }
    for pattern in &plan.patterns {
        for pair in pattern.segments.windows(2) {
            order.add_edge(&pair[0].run, &pair[1].run, ());
        }
    }
    match petgraph::algo::toposort(&order, None) {
        Ok(_) => Ok(()),
        Err(cycle) => Err(format!("the run `{}` waits for itself", cycle.node_id())),
    }
}

/// How much a plan does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Machines, networks and steps that are made.
    pub create: usize,
    /// Machines and networks that are started, and steps that are carried out anew.
    pub change: usize,
    /// Machines, networks and steps of which the old one goes and a new one is made.
    pub replace: usize,
    /// Steps whose change interrupts what stands, which are among those that change, and machines that are replaced.
    pub interrupt: usize,
    /// Machines, networks and steps that go.
    pub remove: usize,
    /// Groups, runs and steps that are called otherwise in the record.
    pub moved: usize,
}

/// Counts what is created, changed and removed: machines, networks and steps.
pub fn counts(plan: &Plan) -> Counts {
    let mut counts = Counts {
        moved: plan.moves.len(),
        ..Counts::default()
    };
    let mut object = |verb: &ObjectVerb| match verb {
        ObjectVerb::Keep => {}
        ObjectVerb::Create => counts.create += 1,
        ObjectVerb::Start => counts.change += 1,
        ObjectVerb::Replace { .. } => counts.replace += 1,
    };
    plan.networks.values().for_each(|n| object(&n.verb));
    plan.nodes.iter().for_each(|n| object(&n.machine));
    let replaced = |row: &&super::NodeRow| matches!(row.machine, ObjectVerb::Replace { .. });
    counts.interrupt += plan.nodes.iter().filter(replaced).count();
    for node in &plan.nodes {
        match &node.steps {
            StepVerbs::All => {
                let segments = plan
                    .patterns
                    .get(node.pattern)
                    .map(|p| p.segments.as_slice())
                    .unwrap_or_default();
                counts.create += segments.iter().map(|s| s.steps.len()).sum::<usize>();
            }
            StepVerbs::Some {
                ensure,
                remove,
                remove_last,
            } => {
                for reason in ensure.values() {
                    match reason {
                        Reason::New => counts.create += 1,
                        Reason::Replaced { .. } => counts.replace += 1,
                        Reason::Interrupts { .. } => {
                            counts.change += 1;
                            counts.interrupt += 1;
                        }
                        Reason::Changed(_)
                        | Reason::Drifted(_)
                        | Reason::Unfinished
                        | Reason::Verify
                        | Reason::Awaits(_) => counts.change += 1,
                    }
                }
                // What is replaced is counted once.
                let gone = remove.iter().chain(remove_last);
                counts.remove += gone.filter(|step| step.successor().is_none()).count();
            }
        }
    }
    counts.remove += plan.leaving.len() + plan.leaving_networks.len();
    counts
}

/// Whether there is nothing to do.
pub fn is_empty(plan: &Plan) -> bool {
    counts(plan) == Counts::default()
}
