//! What is wanted: networks, groups of nodes and runs on them, at random; planned by the compiler's own planner.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use rebar_compiler::diagnostics::Diagnostics;
use rebar_compiler::expand::{
    GroupInstance, Instances, NetworkInstance, NodeInstance, RunInstance, WaitInstance,
};
use rebar_compiler::graph;
use rebar_compiler::plan::{
    self, Addresses, BackendChoice, Column, Function, Hardware, Image, Ledger, LedgerNode, NodeReference,
    Plan, Removal, Replacement, Rollout, Snapshot, Step, Template, filled_steps,
};
use rebar_compiler::source::Span;
use rebar_runtime::backends::sim::Picture;

use crate::random::Random;

pub(crate) const DEPLOY: &str = "shop";
pub(crate) const SITE: &str = "laptop";

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Spec {
    /// By name, the second number of its addresses.
    pub(crate) networks: BTreeMap<String, u8>,
    pub(crate) groups: Vec<Group>,
    pub(crate) runs: Vec<Run>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) network: String,
    pub(crate) count: u64,
    pub(crate) memory: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) group: String,
    /// What its steps say.
    pub(crate) content: u64,
    pub(crate) steps: Vec<Kind>,
    /// Runs that it waits for.
    pub(crate) after: Vec<String>,
    pub(crate) canary: u32,
    pub(crate) batch: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Package,
    File,
    Service,
    Once,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Package => "package",
            Kind::File => "file",
            Kind::Service => "service",
            Kind::Once => "command",
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in &self.groups {
            let (name, count, network) = (&group.name, group.count, &group.network);
            let octet = self.networks.get(network).copied().unwrap_or(0);
            write!(
                f,
                "{count} {name} on {network} (10.{octet}), memory {}; ",
                group.memory
            )?;
        }
        for run in &self.runs {
            let kinds: Vec<&str> = run.steps.iter().map(|kind| kind.name()).collect();
            write!(
                f,
                "{} {} on {}: {}",
                run.name,
                run.content,
                run.group,
                kinds.join(" ")
            )?;
            if !run.after.is_empty() {
                write!(f, " after {}", run.after.join(" "))?;
            }
            if run.batch > 0 {
                write!(f, " canary {} batch {}", run.canary, run.batch)?;
            }
            write!(f, "; ")?;
        }
        Ok(())
    }
}

impl Spec {
    /// A spec of at most `nodes` nodes.
    pub(crate) fn random(random: &mut Random, nodes: u64) -> Spec {
        let mut spec = Spec::default();
        for number in 0..random.between(1, 2) {
            spec.networks.insert(format!("net{number}"), 20 + number as u8);
        }
        let mut left = random.small(nodes);
        while left > 0 && spec.groups.len() < 5 {
            let count = if spec.groups.len() == 4 {
                left
            } else {
                random.between(1, left)
            };
            left -= count;
            spec.add_group(random, count);
        }
        for _ in 0..random.between(1, 2 + spec.groups.len() as u64) {
            spec.add_run(random);
        }
        spec
    }

    /// Three nodes, two runs, the second of which waits for the first.
    pub(crate) fn three() -> Spec {
        let group = |name: &str, count| Group {
            name: name.to_owned(),
            network: "net0".to_owned(),
            count,
            memory: 1,
        };
        let run = |name: &str, group: &str, after: &[&str]| Run {
            name: name.to_owned(),
            group: group.to_owned(),
            content: 1,
            steps: vec![Kind::File, Kind::Service],
            after: after.iter().map(|run| (*run).to_owned()).collect(),
            canary: 0,
            batch: 0,
        };
        Spec {
            networks: BTreeMap::from([("net0".to_owned(), 20)]),
            groups: vec![group("web", 2), group("edge", 1)],
            runs: vec![run("pages", "web", &[]), run("entry", "edge", &["pages"])],
        }
    }

    fn add_group(&mut self, random: &mut Random, count: u64) {
        let taken = |name: &String| self.groups.iter().any(|group| group.name == *name);
        let name = (0..).map(|n| format!("g{n}")).find(|name| !taken(name));
        let networks: Vec<String> = self.networks.keys().cloned().collect();
        self.groups.push(Group {
            name: name.unwrap(),
            network: random.one_of(&networks).clone(),
            count,
            memory: 1,
        });
    }

    fn add_run(&mut self, random: &mut Random) {
        let taken = |name: &String| self.runs.iter().any(|run| run.name == *name);
        let name = (0..).map(|n| format!("r{n}")).find(|name| !taken(name));
        let group = random.one_of(&self.groups).name.clone();
        let kinds = [Kind::Package, Kind::File, Kind::File, Kind::Service, Kind::Once];
        let steps = (0..random.between(1, 4))
            .map(|_| *random.one_of(&kinds))
            .collect();
        let others = self.runs.iter().filter(|run| run.group != group);
        let others: Vec<String> = others.map(|run| run.name.clone()).collect();
        let after = others.into_iter().filter(|_| random.chance(0.4)).collect();
        let rolls = random.chance(0.4);
        self.runs.push(Run {
            name: name.unwrap(),
            group,
            content: 1,
            steps,
            after,
            canary: if rolls { random.between(0, 1) as u32 } else { 0 },
            batch: if rolls { random.between(1, 4) as u32 } else { 0 },
        });
    }

    pub(crate) fn remove_run(&mut self, name: &str) {
        self.runs.retain(|run| run.name != name);
        for run in &mut self.runs {
            run.after.retain(|after| after != name);
        }
    }

    pub(crate) fn remove_group(&mut self, name: &str) {
        let of = |run: &&Run| run.group == name;
        let runs: Vec<String> = self.runs.iter().filter(of).map(|run| run.name.clone()).collect();
        for run in runs {
            self.remove_run(&run);
        }
        self.groups.retain(|group| group.name != name);
    }

    pub(crate) fn nodes(&self) -> u64 {
        self.groups.iter().map(|group| group.count).sum()
    }

    /// Changes something, as a person would.
    pub(crate) fn change(&mut self, random: &mut Random, nodes: u64) {
        let group = random.between(0, self.groups.len() as u64 - 1) as usize;
        let run = random.between(0, self.runs.len().max(1) as u64 - 1) as usize;
        match random.between(0, 11) {
            0..=2 if !self.runs.is_empty() => self.runs[run].content += 1,
            3 => {
                let room = nodes.saturating_sub(self.nodes());
                self.groups[group].count += if room > 0 { random.small(room) } else { 0 };
            }
            4 | 5 => self.groups[group].count = random.between(1, self.groups[group].count),
            6 => self.groups[group].memory += 1,
            7 if self.runs.len() > 1 => {
                let name = self.runs[run].name.clone();
                self.remove_run(&name);
            }
            8 if self.groups.len() > 1 => {
                let name = self.groups[group].name.clone();
                self.remove_group(&name);
            }
            9 if !self.runs.is_empty() => {
                self.runs[run].steps.push(Kind::File);
            }
            10 => {
                if let Some(octet) = self.networks.values_mut().next() {
                    *octet += 10;
                }
            }
            _ => self.add_run(random),
        }
        if self.runs.is_empty() {
            self.add_run(random);
        }
    }

    /// The plan to get there from what was found.
    pub(crate) fn plan(&self, snapshot: &Snapshot, ledger: &Ledger) -> Plan {
        let mut ledger = ledger.clone();
        let mut held = ledger.deploys.remove(DEPLOY).unwrap_or_default();
        let groups = self
            .groups
            .iter()
            .map(|group| self.lay_out(group, &mut held))
            .collect();
        let groups: Vec<GroupInstance> = groups;
        let wanted = |name: &String| {
            groups
                .iter()
                .any(|g| g.nodes.iter().any(|node| node.name == *name))
        };
        held.retain(|name, _| wanted(name));
        ledger.deploys.insert(DEPLOY.to_owned(), held);
        let instances = Instances {
            deploy: DEPLOY.to_owned(),
            site: SITE.to_owned(),
            spec: String::new(),
            backend: BackendChoice {
                name: "sim".to_owned(),
                image: Some(Image {
                    name: "bookworm".to_owned(),
                    distribution: "debian".to_owned(),
                    suite: "bookworm".to_owned(),
                    variant: "minbase".to_owned(),
                    packages: Vec::new(),
                }),
                settings: BTreeMap::new(),
            },
            networks: self
                .networks
                .iter()
                .map(|(name, octet)| (name.clone(), network(*octet)))
                .collect(),
            groups,
            runs: self.runs.iter().map(run_instance).collect(),
            branches: std::collections::BTreeSet::new(),
            outputs: BTreeMap::new(),
            ledger,
            capabilities: BTreeMap::new(),
            moves: Vec::new(),
            moved_at: Vec::new(),
            arguments: BTreeMap::new(),
            reads: BTreeMap::new(),
        };
        let mut diagnostics = Diagnostics::default();
        plan::plan(graph::build(instances, &mut diagnostics), snapshot)
    }

    fn lay_out(&self, group: &Group, held: &mut BTreeMap<String, LedgerNode>) -> GroupInstance {
        let octet = self.networks[&group.network];
        let network = group.network.as_str();
        let inside = |address: &IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[1] == octet);
        let mut taken: std::collections::BTreeSet<IpAddr> = held
            .values()
            .flat_map(|node| node.addresses.values().copied())
            .collect();
        let mut next = 2_u32;
        let mut nodes = Vec::new();
        for number in 1..=group.count {
            let name = format!("{}-{number}", group.name);
            let known = held
                .get(&name)
                .and_then(|node| node.addresses.get(network))
                .copied();
            let address = known.filter(inside).unwrap_or_else(|| {
                loop {
                    let address = IpAddr::from(Ipv4Addr::from(u32::from_be_bytes([10, octet, 0, 0]) + next));
                    next += 1;
                    if taken.insert(address) {
                        break address;
                    }
                }
            });
            let addresses: Addresses = [(network, address)].into_iter().collect();
            let node = LedgerNode {
                leader: false,
                retired: false,
                group: group.name.clone(),
                addresses: addresses.clone(),
            };
            held.insert(name.clone(), node);
            nodes.push(NodeInstance { name, addresses });
        }
        GroupInstance {
            leader: None,
            name: group.name.clone(),
            many: true,
            spread: None,
            hardware: Hardware {
                name: "small".to_owned(),
                cpu: 1,
                memory: group.memory << 28,
                disks: BTreeMap::new(),
                nics: BTreeMap::from([("eth0".to_owned(), group.network.clone())]),
            },
            nodes,
            span: Span::default(),
        }
    }
}

fn network(octet: u8) -> NetworkInstance {
    NetworkInstance {
        cidr: format!("10.{octet}.0.0/16").parse().unwrap(),
        gateway: Some(IpAddr::from([10, octet, 0, 1])),
        mtu: None,
        vlan: None,
        span: Span::default(),
    }
}

fn run_instance(run: &Run) -> RunInstance {
    let steps = run
        .steps
        .iter()
        .enumerate()
        .map(|(number, kind)| step(run, number, *kind));
    let wait = |after: &String| WaitInstance {
        mode: Default::default(),
        run: after.clone(),
        reason: format!("`{}` uses an output of `{after}`", run.name),
        span: Span::default(),
        place: "main.rebar:9:1".to_owned(),
    };
    RunInstance {
        name: run.name.clone(),
        role: format!("main.{}", run.name),
        group: run.group.clone(),
        hash: String::new(),
        steps: steps.collect(),
        spans: Vec::new(),
        rollout: Rollout {
            canary: (run.canary > 0).then_some(run.canary),
            batch: (run.batch > 0).then_some(run.batch),
            settle: (run.batch > 2).then_some(1_000_000_000),
            ..Rollout::default()
        },
        waits: run.after.iter().map(wait).collect(),
        span: Span::default(),
    }
}

fn step(run: &Run, number: usize, kind: Kind) -> Step {
    let content = Template::Apply {
        function: Function::Concat,
        arguments: vec![
            Template::Value(format!("{} on ", run.content).into()),
            Template::Column {
                node: NodeReference::Own,
                column: Column::Name,
            },
        ],
    };
    // Every other change replaces: in runs that wait for others the new one comes first, under another key.
    let edition = run.content / 2;
    let first = !run.after.is_empty();
    let replaced = kind != Kind::Once;
    let name = match replaced && first {
        true => format!("{} {number} edition {edition}", run.name),
        false => format!("{} {number}", run.name),
    };
    let hash = format!("{name} {} {}", run.content, kind.name());
    let mut fields = BTreeMap::from([
        ("name".to_owned(), Template::Value(name.into())),
        ("content".to_owned(), content),
        ("edition".to_owned(), Template::Value(edition.into())),
    ]);
    if kind == Kind::Once {
        fields.insert("once".to_owned(), Template::Value(true.into()));
    }
    let earlier = number.checked_sub(1).filter(|_| kind == Kind::Service);
    Step {
        name: format!("s{number}"),
        kind: kind.name().to_owned(),
        key: vec!["name".to_owned()],
        hash,
        fields,
        reload_on: earlier.map(|earlier| format!("s{earlier}")).into_iter().collect(),
        removal: Removal::Restore,
        outputs: BTreeMap::new(),
        shared: BTreeMap::new(),
        replaces: Vec::from_iter(replaced.then(|| "edition".to_owned())),
        interrupts: Vec::new(),
        replacement: match first {
            true => Replacement::Before,
            false => Replacement::After,
        },
        place: "main.rebar:1:1".to_owned(),
    }
}

/// The world as `plan` wants it, but for digests of machines, which depend on the road by their addresses.
pub(crate) fn wanted(plan: &Plan) -> Picture {
    let mut picture = Picture::new();
    let names: Vec<&String> = plan.nodes.iter().map(|row| &row.name).collect();
    for (name, network) in &plan.networks {
        picture.insert(format!("network/{name}"), network.cidr.to_string());
    }
    for row in &plan.nodes {
        picture.insert(
            format!("machine/{}", row.name),
            format!("(true, true, {names:?})"),
        );
        for filled in filled_steps(plan, row).unwrap() {
            let thing = format!("{}/{} {}", row.name, filled.step.kind, filled.step.key);
            picture.insert(
                thing,
                serde_json::to_value(&filled.step.fields).unwrap().to_string(),
            );
        }
    }
    picture
}

/// A picture without the digests of machines.
pub(crate) fn comparable(picture: Picture) -> Picture {
    let strip = |(key, value): (String, String)| match key.starts_with("machine/") {
        true => {
            let rest = value
                .split_once(", ")
                .map_or(String::new(), |(_, rest)| format!("({rest}"));
            (key, rest)
        }
        false => (key, value),
    };
    picture.into_iter().map(strip).collect()
}

/// Where two worlds differ, for people.
pub(crate) fn differences(found: &Picture, expected: &Picture) -> String {
    let keys: std::collections::BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let differ = keys
        .into_iter()
        .filter(|key| found.get(*key) != expected.get(*key));
    let differ = differ.map(|key| format!("{key}: {:?} is not {:?}", found.get(key), expected.get(key)));
    differ.take(4).collect::<Vec<_>>().join("; ")
}
