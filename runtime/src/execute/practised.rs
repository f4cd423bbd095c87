//! What a run has shown of the patterns that it carried out.

use std::collections::{BTreeMap, BTreeSet};

use rebar_compiler::plan::{NodeRow, Plan, Segment, StepVerbs, split_address};

use super::outcome::{Outcome, Status};

/// For each segment's pattern (its hash) and role, on how many nodes it was carried out to its end, and on how many it
/// failed. What was not begun counts as neither; of a run that was interrupted, only failures are known.
pub fn practised(plan: &Plan, outcome: &Outcome) -> BTreeMap<(String, String), (u64, u64)> {
    let blocked: BTreeSet<&str> = outcome.blocked.iter().map(|b| b.subject.as_str()).collect();
    let mut failed_steps: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut failed_nodes = BTreeSet::new();
    for failure in &outcome.failed {
        match failure.step.as_deref().and_then(split_address) {
            Some((run, _)) => {
                failed_steps.insert((failure.node.as_str(), run));
            }
            None => {
                failed_nodes.insert(failure.node.as_str());
            }
        }
    }
    let mut counts: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for row in &plan.nodes {
        let segments = plan.patterns.get(row.pattern).map(|p| p.segments.as_slice());
        // Which of its segments broke off with a node that was lost, nobody says: the first that was not blocked.
        let mut lost = failed_nodes.contains(row.name.as_str());
        for segment in segments.unwrap_or_default().iter().filter(|s| has_work(row, s)) {
            if blocked.contains(format!("{}/{}", row.name, segment.run).as_str()) {
                continue;
            }
            let failed = failed_steps.contains(&(row.name.as_str(), segment.run.as_str()));
            let key = (segment.hash.clone(), segment.role.clone());
            let (done, bad) = counts.entry(key).or_default();
            if failed || lost {
                *bad += 1;
                if !failed {
                    break;
                }
                lost = false;
            } else if outcome.status != Status::Interrupted {
                *done += 1;
            }
        }
    }
    counts.retain(|_, (done, failed)| *done + *failed > 0);
    counts
}

/// Whether there is anything to ensure of a segment on a node.
fn has_work(row: &NodeRow, segment: &Segment) -> bool {
    match &row.steps {
        StepVerbs::All => !segment.steps.is_empty(),
        StepVerbs::Some { ensure, .. } => {
            let is = |address: &String| {
                let run = split_address(address).map(|(run, _)| run);
                run == Some(segment.run.as_str())
            };
            ensure.keys().any(is)
        }
    }
}
