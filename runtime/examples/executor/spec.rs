//! A plan of one group of machines, each with the same steps.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use rebar_compiler::plan::{
    BackendChoice, FORMAT, Group, Hardware, Image, Ledger, LedgerNode, Network, NodeRow, ObjectVerb, Pattern,
    Plan, Removal, Replacement, Rollout, Segment, Snapshot, Step, StepVerbs, Template,
};

pub(crate) const DEPLOY: &str = "many";
pub(crate) const SITE: &str = "memory";

/// Machines that are to be made, or that stand and are to be given so many steps each.
pub(crate) fn plan(nodes: usize, steps: usize, snapshot: &Snapshot, ledger: &Ledger) -> Plan {
    let names: Vec<String> = (1..=nodes).map(|n| format!("node-{n:06}")).collect();
    let stands = !snapshot.nodes.is_empty();
    let mut ledger = ledger.clone();
    let held = ledger.deploys.entry(DEPLOY.to_owned()).or_default();
    let mut rows = Vec::with_capacity(nodes);
    for (n, name) in (0u32..).zip(&names) {
        let address = IpAddr::from(Ipv4Addr::from(0x0A00_0002 + n));
        let node = LedgerNode {
            leader: false,
            retired: false,
            group: "node".to_owned(),
            addresses: [("front", address)].into_iter().collect(),
        };
        rows.push(NodeRow {
            name: name.clone(),
            pattern: 0,
            addresses: node.addresses.clone(),
            machine: if stands {
                ObjectVerb::Keep
            } else {
                ObjectVerb::Create
            },
            steps: StepVerbs::All,
            leave: Vec::new(),
        });
        held.insert(name.clone(), node);
    }
    Plan {
        format: FORMAT,
        deploy: DEPLOY.to_owned(),
        site: SITE.to_owned(),
        base: snapshot.base.clone(),
        spec: String::new(),
        backend: BackendChoice {
            name: "idle".to_owned(),
            image: Some(Image {
                name: "bookworm".to_owned(),
                distribution: "debian".to_owned(),
                suite: "bookworm".to_owned(),
                variant: "minbase".to_owned(),
                packages: Vec::new(),
            }),
            settings: BTreeMap::new(),
        },
        networks: BTreeMap::from([(
            "front".to_owned(),
            Network {
                cidr: "10.0.0.0/8".parse().unwrap(),
                gateway: None,
                mtu: None,
                vlan: None,
                verb: if stands {
                    ObjectVerb::Keep
                } else {
                    ObjectVerb::Create
                },
            },
        )]),
        groups: BTreeMap::from([(
            "node".to_owned(),
            Group {
                many: true,
                nodes: names,
                spread: None,
                domains: Default::default(),
                leader: None,
            },
        )]),
        patterns: vec![Pattern {
            group: "node".to_owned(),
            hardware: Hardware {
                name: "small".to_owned(),
                cpu: 1,
                memory: 1 << 29,
                disks: BTreeMap::new(),
                nics: BTreeMap::from([("eth0".to_owned(), "front".to_owned())]),
            },
            segments: if steps == 0 {
                Vec::new()
            } else {
                vec![segment(steps)]
            },
        }],
        gates: Vec::new(),
        nodes: rows,
        leaving: Vec::new(),
        leaving_networks: Vec::new(),
        outputs: BTreeMap::new(),
        ledger,
        capabilities: BTreeMap::new(),
        secrets: BTreeMap::new(),
        patches: Vec::new(),
        moves: Vec::new(),
        arguments: BTreeMap::new(),
        reads: BTreeMap::new(),
        selection: None,
    }
}

fn segment(steps: usize) -> Segment {
    Segment {
        run: "pages".to_owned(),
        role: "main.pages".to_owned(),
        hash: String::new(),
        steps: (0..steps).map(step).collect(),
        rollout: Rollout::default(),
    }
}

/// A small file.
fn step(number: usize) -> Step {
    let value = |text: String| Template::Value(text.into());
    Step {
        name: format!("page_{number}"),
        kind: "file".to_owned(),
        key: vec!["path".to_owned()],
        fields: BTreeMap::from([
            (
                "path".to_owned(),
                value(format!("/srv/www/pages/page-{number}.html")),
            ),
            ("content".to_owned(), value("a page of some length\n".repeat(3))),
            ("mode".to_owned(), value("0644".to_owned())),
            ("owner".to_owned(), value("root".to_owned())),
        ]),
        reload_on: Vec::new(),
        removal: Removal::Restore,
        hash: format!("step {number}"),
        outputs: BTreeMap::new(),
        shared: BTreeMap::new(),
        replaces: Vec::new(),
        interrupts: Vec::new(),
        replacement: Replacement::After,
        place: format!("main.rebar:{}:3", number + 10),
    }
}
