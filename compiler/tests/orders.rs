//! Systems whose order others once wrote by hand, as workloads: the compiler's order agrees with theirs, at every scale.
//!
//! The orders are facts about the role graph of a Kubernetes workload for Digital Rebar (its requirements, and the order
//! in which its wizard applied them) and about the sequence of proposals of an 8-node, highly available OpenStack.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rebar_compiler::plan::{Ledger, Plan, Snapshot};
use rebar_compiler::{Library, analyse};

/// The plan of one deploy of `tests/orders/<name>`.
fn plan(name: &str, deploy: &str) -> Plan {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/orders")
        .join(name);
    let project = support::folder(&folder);
    let std = support::standard_library();
    let mut analysis = analyse(&Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    analysis.examine();
    let said = support::render(&analysis.sources, &analysis.diagnostics);
    assert!(said.is_empty(), "{said}");
    analysis
        .plan(deploy, &Ledger::default(), &Snapshot::default())
        .unwrap()
}

/// For each run all runs that are over on every node before it begins there, by gates.
fn before(plan: &Plan) -> BTreeMap<String, BTreeSet<String>> {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let runs = plan
        .patterns
        .iter()
        .flat_map(|p| p.segments.iter().map(|s| s.run.clone()));
    let runs: BTreeSet<String> = runs.collect();
    loop {
        let mut grown = false;
        for gate in &plan.gates {
            let mut more = known.get(&gate.after).cloned().unwrap_or_default();
            more.insert(gate.after.clone());
            let mine = known.entry(gate.of.clone()).or_default();
            let size = mine.len();
            mine.extend(more);
            grown |= mine.len() > size;
        }
        if !grown {
            break;
        }
    }
    for run in runs {
        known.entry(run).or_default();
    }
    known
}

/// Whether the sequence could be carried out one after the other.
fn is_an_order_of(sequence: &[&str], before: &BTreeMap<String, BTreeSet<String>>) {
    for (place, run) in sequence.iter().enumerate() {
        let waits = &before[*run];
        for later in &sequence[place + 1..] {
            assert!(
                !waits.contains(*later),
                "`{run}` waits for `{later}`, which comes later by hand"
            );
        }
    }
}

/// The same patterns and gates, whatever the number of nodes.
fn same_shape(name: &str, nodes: usize, small: &Plan) {
    let large = plan(name, &format!("nodes_{nodes}"));
    assert_eq!(large.nodes.len(), nodes);
    assert_eq!(large.patterns.len(), small.patterns.len());
    assert_eq!(large.gates, small.gates);
    assert_eq!(before(&large), before(small));
    for (large, small) in large.patterns.iter().zip(&small.patterns) {
        let hashes = |pattern: &rebar_compiler::plan::Pattern| -> Vec<String> {
            pattern.segments.iter().map(|s| s.hash.clone()).collect()
        };
        assert_eq!(hashes(large), hashes(small), "{}", large.group);
    }
}

#[test]
fn kubernetes_comes_in_the_order_of_its_role_graph() {
    let small = plan("kubernetes", "nodes_8");
    assert_eq!(small.nodes.len(), 8);
    let before = before(&small);
    // What each role required, by hand.
    let required = [
        ("etcd_install", "k8s_config"),
        ("etcd_install", "etcd_sync"),
        ("etcd", "etcd_install"),
        ("etcd", "etcd_sync"),
        ("k8s_master", "etcd"),
        ("k8s_master", "k8s_config"),
        ("k8s_worker", "etcd"),
        ("k8s_worker", "k8s_config"),
        ("k8s_kubernetes", "k8s_master"),
        ("k8s_kubernetes", "k8s_worker"),
        ("k8s_dns", "k8s_kubernetes"),
        ("k8s_addons", "k8s_dns"),
    ];
    for (run, first) in required {
        assert!(before[run].contains(first), "`{run}` does not wait for `{first}`");
    }
    is_an_order_of(&["etcd", "k8s_worker", "k8s_master", "k8s_addons"], &before);
    for nodes in [80, 800] {
        same_shape("kubernetes", nodes, &small);
    }
}

#[test]
fn openstack_comes_in_the_order_of_its_proposals() {
    let small = plan("openstack", "nodes_8");
    assert_eq!(small.nodes.len(), 8);
    let before = before(&small);
    let by_hand = [
        "pacemaker_services",
        "pacemaker_data",
        "pacemaker_network",
        "sql",
        "rabbitmq",
        "keystone",
        "swift",
        "glance",
        "cinder",
        "neutron",
        "nova",
        "horizon",
        "heat",
        "barbican",
        "ceilometer",
        "manila",
        "aodh",
        "sahara",
        "tempest",
    ];
    is_an_order_of(&by_hand, &before);
    // What may go at the same time, the sequence by hand could not say: it is most of the gain.
    let pairs = by_hand.len() * (by_hand.len() - 1) / 2;
    let forced = by_hand
        .iter()
        .map(|run| by_hand.iter().filter(|b| before[*run].contains(**b)).count());
    let forced: usize = forced.sum();
    println!("of {pairs} pairs that were in sequence by hand, {forced} must be");
    assert!(before["tempest"].len() > 15 && forced < pairs);
    for nodes in [80, 800] {
        same_shape("openstack", nodes, &small);
    }
}
