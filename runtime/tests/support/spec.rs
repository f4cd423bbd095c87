//! A small spec and a small planner, so that these tests need no compiler stages: `pages` runs on `web`, `entry` on
//! `edge` after it, and `aside` on `aside` on its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rebar_compiler::plan::machine_digest;
use rebar_compiler::plan::{
    Addresses, BackendChoice, FORMAT, Gate, Group, Hardware, Image, LeavingNode, Ledger, LedgerNode, Machine,
    Network, NodeRow, ObjectVerb, Pattern, Plan, Reason, RecordedStep, Removal, Rollout, Segment, Snapshot,
    Step, StepVerbs, Template,
};

#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) deploy: String,
    pub(crate) site: String,
    pub(crate) web: usize,
    pub(crate) aside: usize,
    pub(crate) greeting: String,
    /// Whether `entry` is run on `edge` at all, and `tuned` after it, which nothing waits for.
    pub(crate) entry: bool,
    pub(crate) tuned: bool,
    pub(crate) rollout: Rollout,
    pub(crate) memory: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Spec {
            deploy: "shop".to_owned(),
            site: "laptop".to_owned(),
            web: 2,
            aside: 0,
            greeting: "hello".to_owned(),
            entry: true,
            tuned: false,
            rollout: Rollout::default(),
            memory: 1 << 29,
        }
    }
}

fn step(run: &str, name: &str, kind: &str, content: &serde_json::Value, reload_on: &[&str]) -> Step {
    Step {
        name: name.to_owned(),
        kind: kind.to_owned(),
        key: vec!["name".to_owned()],
        fields: BTreeMap::from([
            ("name".to_owned(), Template::Value(format!("{run} {name}").into())),
            ("content".to_owned(), Template::Value(content.clone())),
        ]),
        reload_on: reload_on.iter().map(|s| (*s).to_owned()).collect(),
        removal: Removal::Restore,
        hash: format!("{name} {content}"),
        outputs: BTreeMap::new(),
        shared: BTreeMap::new(),
        replaces: Vec::new(),
        interrupts: Vec::new(),
        replacement: rebar_compiler::plan::Replacement::After,
        place: "main.rebar:1:1".to_owned(),
    }
}

impl Spec {
    fn segment(&self, run: &str, content: &serde_json::Value) -> Segment {
        Segment {
            run: run.to_owned(),
            role: format!("main.{run}"),
            hash: String::new(),
            steps: vec![
                step(run, "install", "package", &"nginx".into(), &[]),
                step(run, "page", "file", content, &[]),
                step(run, "serve", "service", &"nginx".into(), &["page"]),
            ],
            rollout: if run == "pages" {
                self.rollout.clone()
            } else {
                Rollout::default()
            },
        }
    }

    fn patterns(&self, web: &[String]) -> Vec<Pattern> {
        let hardware = Hardware {
            name: "small".to_owned(),
            cpu: 1,
            memory: self.memory,
            disks: BTreeMap::new(),
            nics: BTreeMap::from([("eth0".to_owned(), "front".to_owned())]),
        };
        let pattern = |group: &str, segments| Pattern {
            group: group.to_owned(),
            hardware: hardware.clone(),
            segments,
        };
        let mut edge = Vec::new();
        if self.entry {
            edge.push(self.segment("entry", &web.to_vec().into()));
        }
        if self.tuned {
            edge.push(self.segment("tuned", &"net.core".into()));
        }
        vec![
            pattern("web", vec![self.segment("pages", &self.greeting.clone().into())]),
            pattern("edge", edge),
            pattern("aside", vec![self.segment("aside", &"aside".into())]),
        ]
    }

    pub(crate) fn plan(&self, snapshot: &Snapshot, ledger: &Ledger) -> Plan {
        let names =
            |group: &str, count: usize| (1..=count).map(|n| format!("{group}-{n}")).collect::<Vec<_>>();
        let groups = [
            ("web", names("web", self.web)),
            ("edge", vec!["edge".to_owned()]),
            ("aside", names("aside", self.aside)),
        ];
        let mut ledger = ledger.clone();
        let held = ledger.deploys.entry(self.deploy.clone()).or_default();
        let wanted: BTreeSet<&String> = groups.iter().flat_map(|(_, names)| names).collect();
        let leaving: Vec<LeavingNode> = snapshot
            .nodes
            .iter()
            .filter(|(name, _)| !wanted.contains(*name))
            .map(|(name, node)| LeavingNode {
                name: name.clone(),
                group: node.group.clone(),
                addresses: node.addresses.clone(),
                leave: Vec::new(),
            })
            .collect();
        let mut nodes = Vec::new();
        let patterns = self.patterns(&groups[0].1);
        for (pattern, (group, names)) in groups.iter().enumerate() {
            for name in names {
                let addresses = match held.get(name) {
                    Some(node) => node.addresses.clone(),
                    None => [("front", free(held))].into_iter().collect(),
                };
                held.insert(
                    name.clone(),
                    LedgerNode {
                        leader: false,
                        retired: false,
                        group: (*group).to_owned(),
                        addresses: addresses.clone(),
                    },
                );
                nodes.push(self.row(name, pattern, &patterns[pattern], addresses, snapshot));
            }
        }
        held.retain(|name, _| wanted.contains(name));
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        let live = snapshot.networks.get("front").is_some_and(|network| network.live);
        let mut plan = Plan {
            format: FORMAT,
            deploy: self.deploy.clone(),
            site: self.site.clone(),
            base: snapshot.base.clone(),
            spec: String::new(),
            backend: BackendChoice {
                name: "test".to_owned(),
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
                    cidr: "10.20.0.0/16".parse().unwrap(),
                    gateway: Some("10.20.0.1".parse().unwrap()),
                    mtu: None,
                    vlan: None,
                    verb: if live {
                        ObjectVerb::Keep
                    } else {
                        ObjectVerb::Create
                    },
                },
            )]),
            groups: groups
                .iter()
                .map(|(name, nodes)| {
                    let group = Group {
                        many: *name != "edge",
                        nodes: nodes.clone(),
                        spread: None,
                        domains: BTreeMap::new(),
                        leader: None,
                    };
                    ((*name).to_owned(), group)
                })
                .collect(),
            patterns,
            gates: if self.entry {
                vec![Gate {
                    mode: Default::default(),
                    of: "entry".to_owned(),
                    after: "pages".to_owned(),
                    reason: "`entry` uses the output `url` of `pages`".to_owned(),
                    place: "main.rebar:9:1".to_owned(),
                }]
            } else {
                Vec::new()
            },
            nodes,
            leaving,
            leaving_networks: Vec::new(),
            outputs: BTreeMap::from([("url".to_owned(), Template::Value("http://10.20.0.2/".into()))]),
            ledger,
            capabilities: BTreeMap::new(),
            secrets: BTreeMap::new(),
            patches: Vec::new(),
            moves: Vec::new(),
            arguments: BTreeMap::new(),
            reads: BTreeMap::new(),
            selection: None,
        };
        for index in 0..plan.nodes.len() {
            let digest = machine_digest(&plan, &plan.nodes[index]);
            let row = &mut plan.nodes[index];
            let recorded = snapshot.nodes.get(&row.name).map(|node| &node.machine);
            if row.machine == ObjectVerb::Keep && recorded != Some(&digest) {
                row.machine = ObjectVerb::Replace {
                    because: "its hardware changed".to_owned(),
                    changes: Vec::new(),
                };
                row.steps = StepVerbs::All;
            }
        }
        plan
    }

    fn row(
        &self,
        name: &str,
        pattern: usize,
        of: &Pattern,
        addresses: Addresses,
        snapshot: &Snapshot,
    ) -> NodeRow {
        let (mut machine, mut steps) = (ObjectVerb::Create, StepVerbs::All);
        if let Some(node) = snapshot.nodes.get(name)
            && node.live != Machine::Absent
        {
            machine = if node.live == Machine::Stopped {
                ObjectVerb::Start
            } else {
                ObjectVerb::Keep
            };
            steps = verbs(of, node);
        }
        NodeRow {
            name: name.to_owned(),
            pattern,
            addresses,
            machine,
            steps,
            leave: Vec::new(),
        }
    }
}

fn free(held: &BTreeMap<String, LedgerNode>) -> IpAddr {
    let taken: BTreeSet<&IpAddr> = held.values().flat_map(|node| node.addresses.values()).collect();
    (2..u16::MAX)
        .map(|n| IpAddr::from([10, 20, (n >> 8) as u8, n as u8]))
        .find(|address| !taken.contains(address))
        .unwrap()
}

fn verbs(pattern: &Pattern, node: &rebar_compiler::plan::RecordedNode) -> StepVerbs {
    let mut ensure = BTreeMap::new();
    let mut kept = Vec::new();
    for segment in &pattern.segments {
        for step in &segment.steps {
            let address = format!("{}.{}", segment.run, step.name);
            kept.push(address.clone());
            let content = step.fields.get("content");
            let reason = match node.steps.get(&address) {
                None => Some(Reason::New),
                Some(_) if node.unfinished.contains(&address) => Some(Reason::Unfinished),
                Some(_) if node.drifted.contains_key(&address) => Some(Reason::Drifted(String::new())),
                Some(old) if content != old.fields.get("content").cloned().map(Template::Value).as_ref() => {
                    Some(Reason::Changed(vec!["content".to_owned()]))
                }
                Some(_) => None,
            };
            if let Some(reason) = reason {
                ensure.insert(address, reason);
            }
        }
    }
    let mut remove: Vec<RecordedStep> = node
        .steps
        .values()
        .filter(|step| !kept.contains(&step.address))
        .cloned()
        .collect();
    remove.sort_by_key(|step| std::cmp::Reverse(step.position));
    StepVerbs::Some {
        ensure,
        remove,
        remove_last: Vec::new(),
    }
}
