//! A shop, its plans, and its record after one was carried out.

#![allow(dead_code)]

use std::collections::BTreeMap;

use rebar_compiler::plan::{
    self, Base, Ledger, Machine, ObjectVerb, Plan, Reason, RecordedNetwork, RecordedNode, Snapshot, StepVerbs,
};
use rebar_compiler::{Library, analyse};

use crate::support;

pub(crate) const SPEC: &str = r#"
use std.linux   { package, file, service, probe }
use std.haproxy { balancer }
use std.image   { bookworm }
network  front { cidr = 10.20.0.0/22, gateway = 10.20.0.1 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
role page(text: String, port: Port = 80) {
  package nginx { name = "nginx-light" }
  file index { path = "/var/www/index.html", content = "{text} from {node.name}" }
  service web { name = "nginx", reload_on = [index] }
  probe up { url = "http://{node.address}:{port}/" }
  out url: Url = up.url
}
workload shop(replicas: Int, text: String = "hello") {
  nodes web { count = replicas, hardware = small }
  node edge { hardware = small }
  run pages = page(text = text) on web
  run entry = balancer(backends = pages.url) on edge
}
site lab { machines = docker(image = bookworm) }
deploy d = shop(replicas = COUNT, text = "TEXT") on lab
"#;

pub(crate) fn make(spec: &str, ledger: &Ledger, snapshot: &Snapshot) -> Plan {
    let project = BTreeMap::from([("main.rebar".to_owned(), spec.to_owned())]);
    let std = support::standard_library();
    let mut analysis = analyse(&Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    let plan = analysis.plan("d", ledger, snapshot);
    plan.unwrap_or_else(|| panic!("{}", support::render(&analysis.sources, &analysis.diagnostics)))
}

pub(crate) fn spec(count: usize, text: &str) -> String {
    SPEC.replace("COUNT", &count.to_string()).replace("TEXT", text)
}

/// The state after a plan was carried out.
pub(crate) fn applied(plan: &Plan) -> Snapshot {
    let filler = plan::Filler::new(plan);
    let node = |row: &plan::NodeRow| {
        let steps = filler
            .steps(row)
            .unwrap()
            .into_iter()
            .map(|s| (s.step.address.clone(), s.step))
            .collect();
        let recorded = RecordedNode {
            group: plan.patterns[row.pattern].group.clone(),
            addresses: row.addresses.clone(),
            machine: plan::machine_digest(plan, row),
            made: None,
            live: Machine::Running,
            steps,
            drifted: BTreeMap::new(),
            unfinished: Vec::new(),
        };
        (row.name.clone(), recorded)
    };
    let network = |(name, n): (&String, &plan::Network)| {
        (
            name.clone(),
            RecordedNetwork {
                cidr: n.cidr,
                gateway: n.gateway,
                live: true,
            },
        )
    };
    Snapshot {
        base: Base {
            deploy_id: Some("id".to_owned()),
            serial: 1,
            ledger: plan.ledger.version,
        },
        networks: plan.networks.iter().map(network).collect(),
        nodes: plan.nodes.iter().map(node).collect(),
    }
}

pub(crate) fn verbs<'a>(
    plan: &'a Plan,
    name: &str,
) -> (&'a ObjectVerb, Vec<(&'a str, &'a Reason)>, Vec<&'a str>) {
    let row = plan.nodes.iter().find(|n| n.name == name).unwrap();
    match &row.steps {
        StepVerbs::All => panic!("{name} is new"),
        StepVerbs::Some { ensure, remove, .. } => (
            &row.machine,
            ensure.iter().map(|(a, r)| (a.as_str(), r)).collect(),
            remove.iter().map(|r| r.address.as_str()).collect(),
        ),
    }
}
