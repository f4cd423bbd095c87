//! What is to be done: what should be, held against what was applied and what was found.

use std::collections::BTreeMap;

use super::leave::leave_steps;
use super::moves::take_effect;
use super::verbs::verbs;
use super::{
    FORMAT, FieldChange, Gate, Group, LeavingNode, Machine, Network, NodeRow, ObjectVerb, Pattern, Plan,
    Segment, Snapshot, StepVerbs,
};
use crate::expand::Instances;
use crate::graph::Graph;

/// Makes the plan: O(patterns + nodes), and O(steps) only for nodes that stand already. Names and addresses are taken
/// over from the instances as they are.
pub fn plan(graph: Graph, snapshot: &Snapshot) -> Plan {
    let (moves, snapshot) = take_effect(&graph.instances.moves, snapshot);
    let snapshot = snapshot.as_ref();
    let mut plan = desired(graph, snapshot);
    plan.moves = moves;
    decide(&mut plan, snapshot);
    plan
}

/// Decides what is to be done to each node.
pub(super) fn decide(plan: &mut Plan, snapshot: &Snapshot) {
    // Where nothing stands all is to be made, and every row says so already.
    if !snapshot.nodes.is_empty() {
        let verbs = verbs(plan, snapshot);
        for (row, (machine, steps)) in plan.nodes.iter_mut().zip(verbs) {
            if let (ObjectVerb::Replace { .. }, Some(recorded)) = (&machine, snapshot.nodes.get(&row.name)) {
                row.leave = leave_steps(recorded);
            }
            row.machine = machine;
            row.steps = steps;
        }
    }
}

/// The plan as if nothing stood.
fn desired(graph: Graph, snapshot: &Snapshot) -> Plan {
    let gates = gates(&graph);
    let instances = graph.instances;
    let networks = networks(&instances, snapshot);
    let mut patterns = Vec::new();
    let mut groups = BTreeMap::new();
    let mut nodes = Vec::with_capacity(instances.groups.iter().map(|g| g.nodes.len()).sum());
    for (index, group) in instances.groups.into_iter().enumerate() {
        let segments = instances.runs.iter().filter(|r| r.group == group.name);
        let segments = segments.map(|run| Segment {
            run: run.name.clone(),
            role: run.role.clone(),
            hash: run.hash.clone(),
            steps: run.steps.clone(),
            rollout: run.rollout.clone(),
        });
        patterns.push(Pattern {
            group: group.name.clone(),
            hardware: group.hardware,
            segments: segments.collect(),
        });
        let names = group.nodes.iter().map(|n| n.name.clone()).collect();
        groups.insert(
            group.name,
            Group {
                many: group.many,
                nodes: names,
                spread: group.spread,
                domains: BTreeMap::new(),
                leader: group.leader,
            },
        );
        nodes.extend(group.nodes.into_iter().map(|node| NodeRow {
            name: node.name,
            pattern: index,
            addresses: node.addresses,
            machine: ObjectVerb::Create,
            steps: StepVerbs::All,
            leave: Vec::new(),
        }));
    }
    let nodes = by_name(nodes);
    let stays = |name: &str| nodes.binary_search_by(|n| n.name.as_str().cmp(name)).is_ok();
    let leaving = snapshot.nodes.iter().filter(|(name, _)| !stays(name));
    let leaving = leaving.map(|(name, node)| LeavingNode {
        name: name.clone(),
        group: node.group.clone(),
        addresses: node.addresses.clone(),
        // There is nothing left to drain where the machine is gone.
        leave: match node.live {
            Machine::Absent => Vec::new(),
            Machine::Running | Machine::Stopped | Machine::Unknown => leave_steps(node),
        },
    });
    let fields = patterns.iter().flat_map(|pattern: &Pattern| &pattern.segments);
    let fields = fields
        .flat_map(|segment| &segment.steps)
        .flat_map(|step| step.fields.values());
    let secrets = super::secret::of_plan(fields.chain(instances.outputs.values()));
    Plan {
        format: FORMAT,
        deploy: instances.deploy,
        site: instances.site,
        base: snapshot.base.clone(),
        spec: instances.spec,
        backend: instances.backend,
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
        outputs: instances.outputs,
        ledger: instances.ledger,
        capabilities: instances.capabilities,
        secrets,
        moves: Vec::new(),
        arguments: instances.arguments,
        reads: instances.reads,
        patches: Vec::new(),
        selection: None,
    }
}

/// Rows sorted by name. What is compared is mostly the names' first bytes, which are kept beside each other for that.
fn by_name(rows: Vec<NodeRow>) -> Vec<NodeRow> {
    let first = |name: &str| {
        let mut bytes = [0; 16];
        let length = name.len().min(16);
        bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
        u128::from_be_bytes(bytes)
    };
    let mut order: Vec<(u128, usize)> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| (first(&row.name), at))
        .collect();
    order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| rows[a.1].name.cmp(&rows[b.1].name)));
    let mut rows: Vec<Option<NodeRow>> = rows.into_iter().map(Some).collect();
    order.into_iter().filter_map(|(_, at)| rows[at].take()).collect()
}

fn gates(graph: &Graph) -> Vec<Gate> {
    use petgraph::visit::EdgeRef as _;
    let gates = graph.order.edge_references().filter(|edge| edge.weight().gate);
    let gate = gates.map(|edge| Gate {
        of: graph.order[edge.target()].run.clone(),
        after: graph.order[edge.source()].run.clone(),
        reason: edge.weight().reason.clone(),
        place: edge.weight().place.clone(),
        mode: edge.weight().mode,
    });
    gate.collect()
}

fn networks(instances: &Instances, snapshot: &Snapshot) -> BTreeMap<String, Network> {
    instances
        .networks
        .iter()
        .map(|(name, network)| {
            let recorded = snapshot.networks.get(name);
            let verb = match recorded {
                None => ObjectVerb::Create,
                Some(recorded) if recorded.cidr != network.cidr => ObjectVerb::Replace {
                    because: "its addresses have changed".to_owned(),
                    changes: vec![FieldChange {
                        field: "cidr".to_owned(),
                        before: Some(recorded.cidr.to_string().into()),
                        after: Some(network.cidr.to_string().into()),
                    }],
                },
                Some(recorded) if recorded.gateway != network.gateway => ObjectVerb::Replace {
                    because: "its gateway has changed".to_owned(),
                    changes: vec![FieldChange {
                        field: "gateway".to_owned(),
                        before: recorded.gateway.map(|gateway| gateway.to_string().into()),
                        after: network.gateway.map(|gateway| gateway.to_string().into()),
                    }],
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
        .collect()
}
