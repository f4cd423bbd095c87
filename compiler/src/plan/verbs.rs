//! What is to be done to each node that stands: what it should be, held against what was applied and found.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::digest::MachineDigests;
use super::filler::{Filler, Used, key_of};
use super::names::split_address;
use super::replace::{field_changes, replaced_step};
use super::reverse::{Turn, in_turn};
use super::{
    FieldChange, Machine, MadeOf, NodeReference, NodeRow, ObjectVerb, Outputs, Pattern, Plan, Reason,
    RecordedNode, RecordedStep, Removal, Replacement, Segment, Snapshot, Step, StepVerbs,
};

/// The kind and key of a thing that is to be, and the step that is about it.
type Wanted<'w> = (&'w str, Cow<'w, str>, &'w str);

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
        (Some(recorded), Some(digests), Some(lane)) => match machine(plan, digests, row, recorded) {
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

fn machine(plan: &Plan, digests: &MachineDigests<'_>, row: &NodeRow, recorded: &RecordedNode) -> ObjectVerb {
    if recorded.live == Machine::Absent {
        return ObjectVerb::Create;
    }
    if recorded.machine != digests.digest(row) {
        let because = match recorded.addresses == row.addresses {
            true => "its image, hardware, networks or the site's settings have changed",
            false => "its addresses have changed",
        };
        let made = recorded.made.as_ref().zip(made_of(plan, row));
        return ObjectVerb::Replace {
            because: because.to_owned(),
            changes: made.map_or_else(Vec::new, |(made, now)| made.changes(&now)),
        };
    }
    match recorded.live {
        Machine::Stopped => ObjectVerb::Start,
        // What could not be asked is left alone.
        Machine::Running | Machine::Unknown | Machine::Absent => ObjectVerb::Keep,
    }
}

/// What the machine of a node is to be made from.
fn made_of(plan: &Plan, row: &NodeRow) -> Option<MadeOf> {
    let hardware = &plan.patterns.get(row.pattern)?.hardware;
    let address = |(name, network): (&String, &String)| Some((name.clone(), *row.addresses.get(network)?));
    Some(MadeOf {
        image: plan.backend.image.clone(),
        hardware: hardware.clone(),
        settings: plan.backend.settings.clone(),
        addresses: hardware.nics.iter().filter_map(address).collect(),
    })
}

/// Why another thing has to take the place of what was applied; empty if it can be changed in place.
fn replacing(
    step: &Step,
    key: &str,
    before: &RecordedStep,
    fields: &BTreeMap<String, serde_json::Value>,
) -> Vec<FieldChange> {
    if before.kind != step.kind {
        return vec![FieldChange {
            field: "kind".to_owned(),
            before: Some(before.kind.clone().into()),
            after: Some(step.kind.clone().into()),
        }];
    }
    let keys = step.key.iter().filter(|_| before.key != key);
    field_changes(keys.chain(&step.replaces), &before.fields, fields)
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
    // Kinds and keys that the spec still has on this node with their steps, for steps that left under another name.
    let mut wanted: Vec<Wanted<'_>> = Vec::with_capacity(lane.steps.len());
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
                wanted.push((&before.kind, Cow::Borrowed(&before.key), address));
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
                let because = known.map_or_else(Vec::new, |before| replacing(step, &key, before, &fields));
                let reason = match known {
                    None if recorded.unfinished.contains(address) => Reason::Unfinished,
                    None => Reason::New,
                    Some(before) if !because.is_empty() => {
                        // It is another thing now: the old one goes as if its step had left.
                        remove.push(replaced_step(before));
                        match before.removal {
                            Removal::Forget | Removal::Nothing => Reason::New,
                            Removal::Restore | Removal::Remove => Reason::Replaced {
                                because,
                                order: order(step, &key, before),
                            },
                        }
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
                        let because = field_changes(&step.interrupts, &before.fields, &fields);
                        match digest.is_none() && changed.is_empty() {
                            true if recorded.unfinished.contains(address) => Reason::Unfinished,
                            true => Reason::Awaits(awaited),
                            false if because.is_empty() => Reason::Changed(changed),
                            false => Reason::Interrupts { changed, because },
                        }
                    }
                };
                wanted.push((&step.kind, Cow::Owned(key), address));
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
    let taken_over = |step: &RecordedStep| {
        let mut same = wanted
            .iter()
            .filter(|(kind, key, _)| *kind == step.kind && *key == step.key);
        same.any(|(.., address)| step.successor() != Some(*address))
    };
    let (taken, remove): (Vec<_>, Vec<_>) = remove.into_iter().partition(taken_over);
    for address in taken.iter().filter_map(|step| step.successor()) {
        // Then nothing is removed for it: it is a new thing.
        if let Some(reason @ Reason::Replaced { .. }) = ensure.get_mut(address) {
            *reason = Reason::New;
        }
    }
    let (remove, remove_last) = in_turn(remove, |step| turn(lane, &wanted, step));
    StepVerbs::Some {
        ensure,
        remove,
        remove_last,
    }
}

/// When the old thing goes: two of one key cannot stand at once.
fn order(step: &Step, key: &str, before: &RecordedStep) -> Replacement {
    match before.kind == step.kind && before.key == key {
        true => Replacement::After,
        false => step.replacement,
    }
}

/// When a step goes that is not to be any more. `wanted` are kinds and keys with the steps that have them from now on.
fn turn(lane: &Lane<'_>, wanted: &[Wanted<'_>], old: &RecordedStep) -> Turn {
    let Some(address) = old.successor() else {
        let stays = split_address(&old.address).is_some_and(|(run, _)| lane.runs.contains(run));
        return if stays { Turn::Any } else { Turn::Gone };
    };
    let successor = lane.steps.iter().find(|(listed, ..)| listed == address);
    let same = |(kind, key, of): &Wanted<'_>| *of == address && *kind == old.kind && *key == old.key;
    match (successor, old.removal) {
        // Nothing of it goes, or nothing takes its place any more.
        (_, Removal::Forget | Removal::Nothing) | (None, _) => Turn::Any,
        (Some(_), _) if wanted.iter().any(same) => Turn::First,
        (Some((.., step)), _) => match step.replacement {
            Replacement::After => Turn::First,
            Replacement::Before => Turn::Last,
        },
    }
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
