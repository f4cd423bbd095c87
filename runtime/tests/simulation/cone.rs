//! I8: what may be blocked by what, worked out from the plan alone.

use std::collections::{BTreeMap, BTreeSet};

use rebar_compiler::plan::{ObjectVerb, Plan};
use rebar_runtime::execute::{Outcome, Status};

/// Who waits for whom; a barrier is a name like any other.
#[derive(Default)]
struct Edges(BTreeMap<String, BTreeSet<String>>);

impl Edges {
    fn add(&mut self, from: impl Into<String>, to: impl Into<String>) {
        self.0.entry(from.into()).or_default().insert(to.into());
    }

    /// All that waits for `start`, directly or not.
    fn descendants(&self, start: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut queue = vec![start.to_owned()];
        while let Some(at) = queue.pop() {
            for next in self.0.get(&at).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    queue.push(next.clone());
                }
            }
        }
        seen
    }
}

/// Every hard dependency that the plan can give rise to.
fn edges(plan: &Plan) -> Edges {
    let mut edges = Edges::default();
    let runs_of = |pattern: usize| plan.patterns[pattern].segments.iter().map(|segment| &segment.run);
    for row in &plan.nodes {
        let (node, machine) = (&row.name, format!("machine/{}", row.name));
        // A failure of a machine, and of the line to its agent, is told under the node's name.
        edges.add(node.as_str(), machine.as_str());
        edges.add(machine.as_str(), "names");
        edges.add(machine.as_str(), format!("{node}/removals"));
        edges.add("names", format!("{node}/removals"));
        for run in runs_of(row.pattern) {
            let segment = format!("{node}/{run}");
            edges.add(machine.as_str(), segment.as_str());
            edges.add("names", segment.as_str());
            edges.add(node.as_str(), segment.as_str());
            edges.add(segment.as_str(), format!("run {run}"));
            edges.add(format!("gate {run}"), segment.as_str());
            // Nothing that anybody may use is taken away while its users are not changed.
            edges.add(segment.as_str(), "users");
            let rolls = plan.patterns[row.pattern].segments.iter().any(|segment| {
                segment.run == *run && (segment.rollout.canary.is_some() || segment.rollout.batch.is_some())
            });
            if rolls {
                edges.add(segment.as_str(), format!("batch {run}"));
                edges.add(format!("batch {run}"), segment.as_str());
                edges.add(format!("batch {run}"), machine.as_str());
            }
        }
        edges.add(node.as_str(), format!("{node}/removals"));
        edges.add("users", format!("{node}/removals"));
        if let Some(image) = &plan.backend.image {
            edges.add(format!("image/{}", image.name), machine.as_str());
        }
        for network in row.addresses.keys() {
            edges.add(format!("network/{network}"), machine.as_str());
            if plan
                .networks
                .get(network)
                .is_some_and(|n| matches!(n.verb, ObjectVerb::Replace { .. }))
                || plan.leaving_networks.iter().any(|leaving| leaving == network)
            {
                edges.add(machine.as_str(), format!("network/{network}"));
                edges.add(node.as_str(), format!("network/{network}"));
            }
        }
        // Networks that leave wait for machines that are replaced.
        for network in &plan.leaving_networks {
            edges.add(machine.as_str(), format!("network/{network}"));
            edges.add(node.as_str(), format!("network/{network}"));
        }
    }
    for gate in &plan.gates {
        edges.add(format!("run {}", gate.after), format!("gate {}", gate.of));
    }
    for node in &plan.leaving {
        edges.add("users", format!("machine/{}", node.name));
        edges.add(node.name.as_str(), format!("machine/{}", node.name));
        for network in node.addresses.keys() {
            edges.add(format!("machine/{}", node.name), format!("network/{network}"));
        }
    }
    edges
}

/// What is blocked and should not be, or should be and is not.
pub(crate) fn violations(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    if outcome.failed.is_empty() && outcome.blocked.is_empty() {
        return Vec::new();
    }
    let edges = edges(plan);
    let failed: BTreeSet<String> = outcome.failed.iter().map(|failure| failure.subject()).collect();
    // A step's failure is that of its segment.
    let segment = |subject: &str| match subject.rsplit_once('.') {
        Some((segment, _)) if subject.contains('/') && !subject.starts_with("network/") => segment.to_owned(),
        _ => subject.to_owned(),
    };
    let mut violations = Vec::new();
    let mut reach: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (blocked, cause) in outcome
        .blocked
        .iter()
        .flat_map(|blocked| blocked.causes().map(move |cause| (blocked, cause)))
    {
        if !failed.contains(cause) {
            violations.push(format!(
                "I8: {} is blocked by {cause}, which did not fail",
                blocked.subject
            ));
            continue;
        }
        let below = reach
            .entry(cause)
            .or_insert_with(|| edges.descendants(&segment(cause)));
        if !below.contains(&blocked.subject) {
            violations.push(format!(
                "I8: {} is blocked by {cause}, on which it does not depend",
                blocked.subject
            ));
        }
    }
    if outcome.status != Status::Interrupted {
        violations.extend(unblocked(plan, outcome, &failed));
    }
    violations
}

/// What waits for a run that failed on a node, and was done all the same.
fn unblocked(plan: &Plan, outcome: &Outcome, failed: &BTreeSet<String>) -> Vec<String> {
    let blocked: BTreeSet<&str> = outcome
        .blocked
        .iter()
        .map(|blocked| blocked.subject.as_str())
        .collect();
    let mut violations = Vec::new();
    for gate in &plan.gates {
        let run = format!("/{}.", gate.after);
        let Some(cause) = failed.iter().find(|subject| subject.contains(&run)) else {
            continue;
        };
        for row in &plan.nodes {
            let works = plan.patterns[row.pattern]
                .segments
                .iter()
                .any(|segment| segment.run == gate.of);
            let all = matches!(row.steps, rebar_compiler::plan::StepVerbs::All);
            let subject = format!("{}/{}", row.name, gate.of);
            let fails = failed
                .iter()
                .any(|failed| failed.starts_with(&format!("{subject}.")));
            if works && all && (fails || !blocked.contains(subject.as_str())) {
                violations.push(format!(
                    "I8: {subject} waits for {} and was not blocked by {cause}",
                    gate.after
                ));
            }
        }
    }
    violations
}
