//! What is to be done to each node that stands: what it should be, held against what was applied and found.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::digest::MachineDigests;
use super::filler::{Filler, Used, key_of};
use super::names::split_address;
use super::{
    Machine, NodeReference, NodeRow, ObjectVerb, Outputs, Pattern, Plan, Reason, RecordedNode, RecordedStep,
    Removal, Segment, Snapshot, Step, StepVerbs,
};

/// The verbs of all rows, in their order.
pub(super) fn verbs(plan: &Plan, snapshot: &Snapshot) -> Vec<(ObjectVerb, StepVerbs)> {
    let outputs = Outputs::of_snapshot(snapshot);
    let filler = Filler::with_outputs(plan, &outputs);
    let machines: Vec<MachineDigests<'_>> = plan
        .patterns
        .iter()
        .map(|pattern| MachineDigests::of(plan, Some(pattern)))
        .collect();
    let lanes: Vec<Lane<'_>> = plan.patterns.iter().map(Lane::of).collect();
    let row = |row: &NodeRow, pending: &Pending<'_>| match (
        snapshot.nodes.get(&row.name),
        machines.get(row.pattern),
        lanes.get(row.pattern),
    ) {
        (Some(recorded), Some(digests), Some(lane)) => match machine(digests, row, recorded) {
            verb @ (ObjectVerb::Create | ObjectVerb::Replace { .. }) => (verb, StepVerbs::All),
            verb @ (ObjectVerb::Keep | ObjectVerb::Start) => {
                let steps = steps(lane, &filler, row, recorded, &verb, pending);
                (verb, steps)
            }
        },
        _ => (ObjectVerb::Create, StepVerbs::All),
    };
    let mut all: Vec<_> = plan.nodes.iter().map(|node| row(node, &|_, _| false)).collect();
    // Whoever uses what a step finds out that is carried out is carried out too, and may itself find something out.
    // What is to be done only grows, so this ends.
    let uses: Vec<bool> = (0..plan.patterns.len())
        .map(|index| filler.outputs_used(index).any(|used| !used.is_empty()))
        .collect();
    let users: Vec<usize> = (0..plan.nodes.len())
        .filter(|index| uses.get(plan.nodes[*index].pattern) == Some(&true))
        .collect();
    if users.is_empty() {
        return all;
    }
    loop {
        let begun = Begun::of(plan, &all);
        let pending = |group: &str, step: &str| begun.any(group, step);
        let next: Vec<_> = users
            .iter()
            .map(|index| row(&plan.nodes[*index], &pending))
            .collect();
        if users.iter().zip(&next).all(|(index, next)| all[*index] == *next) {
            return all;
        }
        for (index, next) in users.iter().zip(next) {
            all[*index] = next;
        }
    }
}

/// Whether a step is carried out on any member of a group.
type Pending<'p> = dyn Fn(&str, &str) -> bool + 'p;

/// Steps that are carried out, by group.
struct Begun<'p> {
    /// Groups with a machine that is made: all of its steps are.
    made: HashSet<&'p str>,
    steps: HashSet<(&'p str, &'p str)>,
}

impl<'p> Begun<'p> {
    fn of(plan: &'p Plan, verbs: &'p [(ObjectVerb, StepVerbs)]) -> Begun<'p> {
        let mut begun = Begun {
            made: HashSet::new(),
            steps: HashSet::new(),
        };
        for (row, (_, steps)) in plan.nodes.iter().zip(verbs) {
            let group = plan.patterns.get(row.pattern).map_or("", |p| p.group.as_str());
            match steps {
                StepVerbs::All => {
                    begun.made.insert(group);
                }
                StepVerbs::Some { ensure, .. } => {
                    begun
                        .steps
                        .extend(ensure.keys().map(|step| (group, step.as_str())));
                }
            }
        }
        begun
    }

    fn any(&self, group: &str, step: &str) -> bool {
        self.made.contains(group) || self.steps.contains(&(group, step))
    }
}

/// The steps of a pattern with their addresses, which are made once and not for each node.
struct Lane<'a> {
    steps: Vec<(String, &'a Segment, &'a Step)>,
    runs: HashSet<&'a str>,
}

impl<'a> Lane<'a> {
    fn of(pattern: &'a Pattern) -> Lane<'a> {
        let of_segment = |segment: &'a Segment| {
            segment
                .steps
                .iter()
                .map(move |step| (format!("{}.{}", segment.run, step.name), segment, step))
        };
        Lane {
            steps: pattern.segments.iter().flat_map(of_segment).collect(),
            runs: pattern
                .segments
                .iter()
                .map(|segment| segment.run.as_str())
                .collect(),
        }
    }

    /// The steps that were applied and are not listed any more.
    fn left<'r>(&self, recorded: &'r RecordedNode) -> Vec<&'r RecordedStep> {
        // There is no other where each step that is listed was applied, and no more were.
        let applied = |(address, ..): &(String, _, _)| recorded.steps.contains_key(address);
        if recorded.steps.len() == self.steps.len() && self.steps.iter().all(applied) {
            return Vec::new();
        }
        let listed: HashSet<&str> = self.steps.iter().map(|(address, ..)| address.as_str()).collect();
        recorded
            .steps
            .values()
            .filter(|step| !listed.contains(step.address.as_str()))
            .collect()
    }

    /// Whether a step that changed the node has left a segment that still exists: it is undone before the others.
    fn undoes(&self, left: &[&RecordedStep]) -> bool {
        left.iter()
            .filter(|step| step.removal != Removal::Nothing)
            .filter_map(|step| split_address(&step.address))
            .any(|(run, _)| self.runs.contains(run))
    }
}

fn machine(digests: &MachineDigests<'_>, row: &NodeRow, recorded: &RecordedNode) -> ObjectVerb {
    if recorded.live == Machine::Absent {
        return ObjectVerb::Create;
    }
    if recorded.machine != digests.digest(row) {
        let because = match recorded.addresses == row.addresses {
            true => "its image, hardware, networks or the site's settings have changed",
            false => "its addresses have changed",
        };
        return ObjectVerb::Replace {
            because: because.to_owned(),
        };
    }
    match recorded.live {
        Machine::Stopped => ObjectVerb::Start,
        // What could not be asked is left alone.
        Machine::Running | Machine::Unknown | Machine::Absent => ObjectVerb::Keep,
    }
}

fn steps(
    lane: &Lane<'_>,
    filler: &Filler<'_>,
    row: &NodeRow,
    recorded: &RecordedNode,
    machine: &ObjectVerb,
    pending: &Pending<'_>,
) -> StepVerbs {
    let mut ensure = BTreeMap::new();
    let mut remove: Vec<RecordedStep> = Vec::new();
    // Kinds and keys that the spec still has on this node, for steps that left under another name.
    let mut wanted: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(lane.steps.len());
    // Nobody could ask a machine that was stopped how its steps are, and what is not kept for a boot is gone.
    let started = machine == &ObjectVerb::Start;
    let left = lane.left(recorded);
    // Whether something is done on this lane before the step in turn: then what only looks, looks again.
    let mut acted = started || lane.undoes(&left);
    let digests = filler.digests(row);
    let uses = filler.outputs_used(row.pattern);
    for (((address, segment, step), digest), used) in lane.steps.iter().zip(digests).zip(uses) {
        let known = recorded.steps.get(address);
        let awaited = awaited(used, &ensure, pending);
        let digest = digest.filter(|_| awaited.is_empty());
        let reason = match known {
            Some(before) if digest.as_deref() == Some(before.digest.as_str()) => {
                wanted.push((&before.kind, Cow::Borrowed(&before.key)));
                let unfinished = recorded.unfinished.contains(address);
                let silent = step.outputs.keys().any(|name| !before.outputs.contains_key(name));
                match recorded.drifted.get(address) {
                    Some(what) if recorded.live != Machine::Unknown => Some(Reason::Drifted(what.clone())),
                    _ if unfinished => Some(Reason::Unfinished),
                    // What it finds out is not recorded, so it is asked again.
                    _ => silent.then_some(Reason::Verify),
                }
            }
            _ => {
                let (fields, later) = filler.fields(row, step).unwrap_or_default();
                let key = key_of(step, &fields);
                let reason = match known {
                    None if recorded.unfinished.contains(address) => Reason::Unfinished,
                    None => Reason::New,
                    Some(before) if before.kind != step.kind || before.key != key => {
                        // It is another thing now: the old one goes as if its step had left.
                        remove.push(before.clone());
                        Reason::New
                    }
                    Some(before) => {
                        let mut changed = changed(&before.fields, &fields);
                        // What is not known yet may turn out to be the same.
                        if digest.is_none() {
                            let uses = |name: &String| {
                                step.fields.get(name).is_some_and(|f| f.later_step().is_some())
                            };
                            changed.retain(|name| !later.contains_key(name) && !uses(name));
                        }
                        match digest.is_none() && changed.is_empty() {
                            true if recorded.unfinished.contains(address) => Reason::Unfinished,
                            true => Reason::Awaits(awaited),
                            false => Reason::Changed(changed),
                        }
                    }
                };
                wanted.push((&step.kind, Cow::Owned(key)));
                Some(reason)
            }
        };
        let looks = step.removal == Removal::Nothing;
        // What is repaired is loaded anew as well: whoever damaged it may have had it loaded.
        let loads = |name: &String| ensure.contains_key(&format!("{}.{name}", segment.run));
        let reason = match reason {
            None | Some(Reason::Drifted(_)) if looks && acted => Some(Reason::Verify),
            None if started => Some(Reason::Verify),
            None if !ensure.is_empty() && step.reload_on.iter().any(loads) => {
                Some(Reason::Changed(Vec::new()))
            }
            reason => reason,
        };
        if let Some(reason) = reason {
            ensure.insert(address.clone(), reason);
            acted |= !looks;
        }
    }
    remove.extend(left.into_iter().cloned());
    // What another step of the spec manages now stays; that step has taken it over.
    remove.retain(|step| {
        !wanted
            .iter()
            .any(|(kind, key)| *kind == step.kind && *key == step.key)
    });
    remove.sort_by(|a, b| {
        b.position
            .cmp(&a.position)
            .then_with(|| a.address.cmp(&b.address))
    });
    StepVerbs::Some { ensure, remove }
}

/// The steps that find out what a step uses, and that are carried out before it.
fn awaited(used: &Used<'_>, ensure: &BTreeMap<String, Reason>, pending: &Pending<'_>) -> Vec<String> {
    let is_awaited = |(node, step, _): &(&NodeReference, &str, &str)| match node {
        NodeReference::Own => ensure.contains_key(*step),
        NodeReference::Member(group) | NodeReference::Leader(group) => pending(group, step),
    };
    let awaited: BTreeSet<&str> = used
        .iter()
        .filter(|u| is_awaited(u))
        .map(|(_, step, _)| *step)
        .collect();
    awaited.into_iter().map(str::to_owned).collect()
}

/// Names of fields that differ. A step that loads others can change without a field of its own.
fn changed(
    before: &BTreeMap<String, serde_json::Value>,
    now: &BTreeMap<String, serde_json::Value>,
) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.get(*name) != now.get(*name))
        .cloned()
        .collect()
}
