//! The order of a plan in words: numbered stages, and for each wait its cause.

use std::collections::BTreeMap;

use rebar_compiler::plan::{Plan, StepVerbs};

use super::palette::count;

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

/// The turns of a plan in order.
pub(crate) fn order(plan: &Plan) -> Vec<Turn> {
    let mut turns = vec![Turn {
        stage: 1,
        what: format!(
            "{}, then {}",
            count(plan.networks.len(), "network"),
            count(
                plan.nodes.iter().filter(|row| selected(plan, &row.name)).count(),
                "machine"
            )
        ),
        waits: Vec::new(),
    }];
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
                let nodes = count(nodes_of(plan, &gate.after), "node");
                format!(
                    "after `{}` on {nodes}: {} ({})",
                    gate.after, gate.reason, gate.place
                )
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
        let nodes = count(nodes_of(plan, run.name), "node");
        let what = format!("`{}` on {nodes} of {}", run.name, run.group);
        turns.push(Turn {
            stage: stages[run.name],
            what,
            waits,
        });
    }
    turns.sort_by_key(|turn| turn.stage);
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

/// Whether there is anything to do in a run.
fn busy(plan: &Plan, run: &str) -> bool {
    plan.nodes.iter().any(|row| match &row.steps {
        StepVerbs::All => {
            let pattern = plan.patterns.get(row.pattern);
            pattern.is_some_and(|pattern| pattern.segments.iter().any(|segment| segment.run == run))
        }
        StepVerbs::Some { ensure, remove } => {
            let of_run = |address: &str| address.split_once('.').is_some_and(|(name, _)| name == run);
            ensure.keys().any(|address| of_run(address)) || remove.iter().any(|step| of_run(&step.address))
        }
    })
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
