//! The order of a plan in words: numbered stages, and for each wait its cause.

use std::collections::{BTreeMap, BTreeSet};

use rebar_compiler::plan::{Gate, GateMode, NodeRow, ObjectVerb, Plan, StepVerbs};

use super::palette::{count, names};

/// One thing that happens, when, and why not earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    /// From 1; turns of the same stage do not wait for each other.
    pub(crate) stage: usize,
    /// What happens.
    pub(crate) what: String,
    /// What it waits for, and why; empty for the first.
    pub(crate) waits: Vec<String>,
}

/// Whether a node is not left out.
fn selected(plan: &Plan, node: &str) -> bool {
    let out = |selection: &rebar_compiler::plan::Selection| selection.left_out.contains_key(node);
    !plan.selection.as_ref().is_some_and(out)
}

/// What is made before anything runs on it; nothing where all of it stands.
fn making(plan: &Plan) -> Option<Turn> {
    let networks = plan
        .networks
        .values()
        .filter(|network| network.verb != ObjectVerb::Keep);
    let machines = plan
        .nodes
        .iter()
        .filter(|row| row.machine != ObjectVerb::Keep && selected(plan, &row.name));
    let networks = count(networks.count(), "network");
    let machines = count(machines.count(), "machine");
    let what = match (networks.starts_with("0 "), machines.starts_with("0 ")) {
        (true, true) => return None,
        (true, false) => machines,
        (false, true) => networks,
        (false, false) => format!("{networks}, then {machines}"),
    };
    Some(Turn {
        stage: 1,
        what,
        waits: Vec::new(),
    })
}

/// The turns of a plan in order.
pub(crate) fn order(plan: &Plan) -> Vec<Turn> {
    let mut turns: Vec<Turn> = making(plan).into_iter().collect();
    let mut stages: BTreeMap<&str, usize> = BTreeMap::new();
    // Gates always point from a run that is written earlier to one written later, so one pass over
    // the runs in an order in which all predecessors come first suffices; repeat until nothing moves.
    let runs = runs(plan);
    for _ in 0..=runs.len() {
        for run in &runs {
            let after_gates = plan
                .gates
                .iter()
                .filter(|g| g.of == run.name)
                .map(|g| g.after.as_str());
            let latest = after_gates
                .chain(run.before_in_lane)
                .filter_map(|r| stages.get(r))
                .max();
            stages.insert(run.name, latest.map_or(2, |stage| stage + 1));
        }
    }
    for run in runs.iter().filter(|run| busy(plan, run.name)) {
        let mut waits: Vec<String> = plan
            .gates
            .iter()
            .filter(|gate| gate.of == run.name)
            .map(|gate| {
                let what = awaited(gate, nodes_of(plan, &gate.after));
                format!("after {what}: {} ({})", gate.reason, gate.place)
            })
            .collect();
        if let Some(before) = run.before_in_lane {
            waits.push(format!(
                "after `{before}` on the same node: that is the written order"
            ));
        }
        if waits.is_empty() {
            waits.push("each node as soon as its own machine runs".to_owned());
        }
        waits.extend(pace(plan, run.name));
        let nodes = count(busy_nodes(plan, run.name), "node");
        let what = format!("`{}` on {nodes} of {}", run.name, run.group);
        turns.push(Turn {
            stage: stages[run.name],
            what,
            waits,
        });
    }
    turns.extend(going(plan));
    turns.sort_by_key(|turn| turn.stage);
    numbered(turns)
}

/// What leaves, last of all.
fn going(plan: &Plan) -> Option<Turn> {
    let leaving = plan.leaving.iter().map(|node| node.name.as_str());
    let nodes: Vec<&str> = leaving.filter(|node| selected(plan, node)).collect();
    let networks: Vec<&str> = plan.leaving_networks.iter().map(String::as_str).collect();
    let told = |list: &[&str], noun: &str| match list {
        [] => None,
        [one] => Some(format!("{noun} {one} goes")),
        list => Some(format!("{} go: {}", count(list.len(), noun), names(list))),
    };
    let what: Vec<String> = told(&nodes, "node")
        .into_iter()
        .chain(told(&networks, "network"))
        .collect();
    (!what.is_empty()).then(|| Turn {
        stage: usize::MAX,
        what: what.join(", then "),
        waits: Vec::new(),
    })
}

/// How much of a run is waited for, where so many nodes have it.
fn awaited(gate: &Gate, nodes: usize) -> String {
    let after = &gate.after;
    match gate.mode {
        GateMode::All => format!("`{after}` on {}", count(nodes, "node")),
        GateMode::Any => format!("any node of `{after}`"),
        mode @ GateMode::Quorum => {
            let enough = mode.enough(nodes);
            format!("a quorum ({enough} of {nodes}) of `{after}`")
        }
    }
}

/// The same turns, their stages counted from 1 without a gap: those in which nothing is to be done are not shown.
fn numbered(mut turns: Vec<Turn>) -> Vec<Turn> {
    let stages: BTreeSet<usize> = turns.iter().map(|turn| turn.stage).collect();
    let numbers: BTreeMap<usize, usize> = stages.into_iter().zip(1..).collect();
    for turn in &mut turns {
        turn.stage = numbers[&turn.stage];
    }
    turns
}

/// A run, where it runs, and the run before it on the same lane.
struct Run<'a> {
    name: &'a str,
    group: &'a str,
    before_in_lane: Option<&'a str>,
}

fn runs(plan: &Plan) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for pattern in &plan.patterns {
        for (index, segment) in pattern.segments.iter().enumerate() {
            let before_in_lane = index.checked_sub(1).map(|i| pattern.segments[i].run.as_str());
            if !runs.iter().any(|r| r.name == segment.run) {
                runs.push(Run {
                    name: &segment.run,
                    group: &pattern.group,
                    before_in_lane,
                });
            }
        }
    }
    runs
}

/// How the changes of nodes that serve already are spread over time, if any serves.
fn pace(plan: &Plan, run: &str) -> Option<String> {
    let segments = plan.patterns.iter().flat_map(|pattern| &pattern.segments);
    let rollout = &segments.into_iter().find(|segment| segment.run == run)?.rollout;
    let serving = plan
        .nodes
        .iter()
        .filter(|row| row.machine == ObjectVerb::Keep || matches!(row.machine, ObjectVerb::Replace { .. }))
        .filter(|row| is_busy(plan, row, run))
        .count();
    let mut parts = Vec::new();
    parts.extend(rollout.canary.map(|nodes| format!("{nodes} first")));
    parts.extend(rollout.batch.map(|nodes| format!("{nodes} at a time")));
    parts.extend(rollout.max_unavailable.map(|most| format!("at most {most} away")));
    parts.extend(rollout.quorum.map(|least| format!("at least {least} serving")));
    parts.extend(
        rollout
            .settle
            .map(|rest| format!("{} s of rest after each batch", rest as f64 / 1e9)),
    );
    parts.extend(rollout.error_budget.map(|most| format!("{most} may fail")));
    (serving > 0 && !parts.is_empty())
        .then(|| format!("of those that serve already ({serving}): {}", parts.join(", ")))
}

/// Whether there is anything to do in a run.
fn busy(plan: &Plan, run: &str) -> bool {
    busy_nodes(plan, run) > 0
}

/// On how many nodes there is anything to do in a run.
fn busy_nodes(plan: &Plan, run: &str) -> usize {
    plan.nodes.iter().filter(|row| is_busy(plan, row, run)).count()
}

fn is_busy(plan: &Plan, row: &NodeRow, run: &str) -> bool {
    match &row.steps {
        StepVerbs::All => {
            let pattern = plan.patterns.get(row.pattern);
            pattern.is_some_and(|pattern| pattern.segments.iter().any(|segment| segment.run == run))
        }
        StepVerbs::Some { ensure, remove, .. } => {
            // Names of runs, such as `kv.install`, and keys in names of steps may hold dots.
            let of_run = |address: &str| {
                let step = address.strip_prefix(run);
                step.is_some_and(|step| step.starts_with('.'))
            };
            ensure.keys().any(|address| of_run(address)) || remove.iter().any(|step| of_run(&step.address))
        }
    }
}

/// On how many nodes a run runs.
fn nodes_of(plan: &Plan, run: &str) -> usize {
    plan.nodes
        .iter()
        .filter(|n| {
            plan.patterns
                .get(n.pattern)
                .is_some_and(|p| p.segments.iter().any(|s| s.run == run))
        })
        .count()
}
