//! What is to be done: what should be, held against what was applied and what was found.

use std::collections::{BTreeMap, BTreeSet};

use super::filler::{Filler, key_of};
use super::{
    FORMAT, Group, LeavingNode, Machine, Network, NodeRow, ObjectVerb, Pattern, Plan, Reason, RecordedNode,
    RecordedStep, Removal, Segment, Snapshot, StepVerbs, machine_digest,
};
use crate::graph::Graph;

/// Makes the plan: O(patterns + nodes), and O(steps) only for nodes that stand already.
pub fn plan(graph: &Graph<'_>, snapshot: &Snapshot) -> Plan {
    let mut plan = desired(graph, snapshot);
    let verbs = verbs(&plan, snapshot);
    for (row, (machine, steps)) in plan.nodes.iter_mut().zip(verbs) {
        row.machine = machine;
        row.steps = steps;
    }
    plan
}

/// The plan as if nothing stood.
fn desired(graph: &Graph<'_>, snapshot: &Snapshot) -> Plan {
    let instances = graph.instances;
    let mut patterns = Vec::new();
    let mut groups = BTreeMap::new();
    let mut nodes = Vec::new();
    for (index, group) in instances.groups.iter().enumerate() {
        let segments = instances
            .runs
            .iter()
            .filter(|r| r.group == group.name)
            .map(|run| Segment {
                run: run.name.clone(),
                role: run.role.clone(),
                hash: run.hash.clone(),
                steps: run.steps.clone(),
                rollout: run.rollout.clone(),
            });
        patterns.push(Pattern {
            group: group.name.clone(),
            hardware: group.hardware.clone(),
            segments: segments.collect(),
        });
        let names = group.nodes.iter().map(|n| n.name.clone()).collect();
        groups.insert(
            group.name.clone(),
            Group {
                many: group.many,
                nodes: names,
                spread: group.spread.clone(),
            },
        );
        nodes.extend(group.nodes.iter().map(|node| NodeRow {
            name: node.name.clone(),
            pattern: index,
            addresses: node.addresses.clone(),
            machine: ObjectVerb::Create,
            steps: StepVerbs::All,
        }));
    }
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    let mut gates = Vec::new();
    for edge in graph.order.edge_references() {
        use petgraph::visit::EdgeRef as _;
        if edge.weight().gate {
            gates.push(super::Gate {
                of: graph.order[edge.target()].run.clone(),
                after: graph.order[edge.source()].run.clone(),
                reason: edge.weight().reason.clone(),
                place: edge.weight().place.clone(),
            });
        }
    }
    let networks: BTreeMap<String, Network> = instances
        .networks
        .iter()
        .map(|(name, network)| {
            let recorded = snapshot.networks.get(name);
            let verb = match recorded {
                None => ObjectVerb::Create,
                Some(recorded) if recorded.cidr != network.cidr => ObjectVerb::Replace {
                    because: format!("its addresses were {}", recorded.cidr),
                },
                Some(recorded) if recorded.gateway != network.gateway => ObjectVerb::Replace {
                    because: "its gateway has changed".to_owned(),
                },
                Some(recorded) if !recorded.live => ObjectVerb::Create,
                Some(_) => ObjectVerb::Keep,
            };
            let (cidr, gateway, mtu, vlan) = (network.cidr, network.gateway, network.mtu, network.vlan);
            (
                name.clone(),
                Network {
                    cidr,
                    gateway,
                    mtu,
                    vlan,
                    verb,
                },
            )
        })
        .collect();
    let stays: BTreeSet<&str> = nodes.iter().map(|n| n.name.as_str()).collect();
    let leaving = snapshot
        .nodes
        .iter()
        .filter(|(name, _)| !stays.contains(name.as_str()));
    let leaving = leaving.map(|(name, node)| LeavingNode {
        name: name.clone(),
        group: node.group.clone(),
        addresses: node.addresses.clone(),
    });
    Plan {
        format: FORMAT,
        deploy: instances.deploy.clone(),
        site: instances.site.clone(),
        base: snapshot.base.clone(),
        spec: instances.spec.clone(),
        backend: instances.backend.clone(),
        groups,
        patterns,
        gates,
        leaving: leaving.collect(),
        leaving_networks: snapshot
            .networks
            .keys()
            .filter(|n| !networks.contains_key(*n))
            .cloned()
            .collect(),
        networks,
        nodes,
        outputs: instances.outputs.clone(),
        ledger: instances.ledger.clone(),
        capabilities: instances.capabilities.clone(),
    }
}

fn verbs(plan: &Plan, snapshot: &Snapshot) -> Vec<(ObjectVerb, StepVerbs)> {
    if snapshot.nodes.is_empty() {
        return vec![(ObjectVerb::Create, StepVerbs::All); plan.nodes.len()];
    }
    let filler = Filler::new(plan);
    let row = |row: &NodeRow| match snapshot.nodes.get(&row.name) {
        None => (ObjectVerb::Create, StepVerbs::All),
        Some(recorded) => match machine(plan, row, recorded) {
            verb @ (ObjectVerb::Create | ObjectVerb::Replace { .. }) => (verb, StepVerbs::All),
            verb @ (ObjectVerb::Keep | ObjectVerb::Start) => {
                let steps = steps(plan, &filler, row, recorded, &verb);
                (verb, steps)
            }
        },
    };
    plan.nodes.iter().map(row).collect()
}

fn machine(plan: &Plan, row: &NodeRow, recorded: &RecordedNode) -> ObjectVerb {
    if recorded.live == Machine::Absent {
        return ObjectVerb::Create;
    }
    if recorded.machine != machine_digest(plan, row) {
        let because = match recorded.addresses == row.addresses {
            true => "its image, hardware or networks have changed",
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
    plan: &Plan,
    filler: &Filler<'_>,
    row: &NodeRow,
    recorded: &RecordedNode,
    machine: &ObjectVerb,
) -> StepVerbs {
    let mut ensure = BTreeMap::new();
    let mut remove: Vec<RecordedStep> = Vec::new();
    // Kinds and keys that the spec still has on this node, for steps that left under another name.
    let mut wanted: BTreeMap<String, ()> = BTreeMap::new();
    let Some(pattern) = plan.patterns.get(row.pattern) else {
        return StepVerbs::Some { ensure, remove };
    };
    // Nobody could ask a machine that was stopped how its steps are, and what is not kept for a boot is gone.
    let started = machine == &ObjectVerb::Start;
    // Whether something is done on this lane before the step in turn: then what only looks, looks again.
    let mut acted = started || leaves(pattern, recorded);
    let digests = filler.digests(row);
    let listed = pattern
        .segments
        .iter()
        .flat_map(|s| s.steps.iter().map(move |step| (s, step)));
    for ((segment, step), digest) in listed.zip(digests) {
        let address = format!("{}.{}", segment.run, step.name);
        let known = recorded.steps.get(&address);
        let reason = match known {
            Some(before) if before.digest == digest => {
                wanted.insert(format!("{} {}", before.kind, before.key), ());
                let unfinished = recorded.unfinished.contains(&address);
                match recorded.drifted.get(&address) {
                    Some(what) if recorded.live != Machine::Unknown => Some(Reason::Drifted(what.clone())),
                    _ => unfinished.then_some(Reason::Unfinished),
                }
            }
            _ => {
                let fields = filler.fields(row, step).unwrap_or_default();
                let key = key_of(step, &fields);
                wanted.insert(format!("{} {key}", step.kind), ());
                Some(match known {
                    None if recorded.unfinished.contains(&address) => Reason::Unfinished,
                    None => Reason::New,
                    Some(before) if before.kind != step.kind || before.key != key => {
                        // It is another thing now: the old one goes as if its step had left.
                        remove.push(before.clone());
                        Reason::New
                    }
                    Some(before) => Reason::Changed(changed(&before.fields, &fields)),
                })
            }
        };
        let looks = step.removal == Removal::Nothing;
        // What is repaired is loaded anew as well: whoever damaged it may have had it loaded.
        let loads = |name: &String| ensure.contains_key(&format!("{}.{name}", segment.run));
        let reason = match reason {
            None | Some(Reason::Drifted(_)) if looks && acted => Some(Reason::Verify),
            None if started => Some(Reason::Verify),
            None if step.reload_on.iter().any(loads) => Some(Reason::Changed(Vec::new())),
            reason => reason,
        };
        if let Some(reason) = reason {
            ensure.insert(address, reason);
            acted |= !looks;
        }
    }
    let listed: BTreeSet<String> = pattern
        .segments
        .iter()
        .flat_map(|s| s.steps.iter().map(move |step| format!("{}.{}", s.run, step.name)))
        .collect();
    remove.extend(
        recorded
            .steps
            .values()
            .filter(|step| !listed.contains(&step.address))
            .cloned(),
    );
    // What another step of the spec manages now stays; that step has taken it over.
    remove.retain(|step| !wanted.contains_key(&format!("{} {}", step.kind, step.key)));
    remove.sort_by(|a, b| {
        b.position
            .cmp(&a.position)
            .then_with(|| a.address.cmp(&b.address))
    });
    StepVerbs::Some { ensure, remove }
}

/// Whether a step that changed the node has left a segment that still exists: it is undone before the others.
fn leaves(pattern: &Pattern, recorded: &RecordedNode) -> bool {
    recorded
        .steps
        .values()
        .filter(|step| step.removal != Removal::Nothing)
        .any(|step| {
            let Some((run, name)) = step.address.split_once('.') else {
                return false;
            };
            let segment = pattern.segments.iter().find(|segment| segment.run == run);
            segment.is_some_and(|segment| !segment.steps.iter().any(|step| step.name == name))
        })
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
