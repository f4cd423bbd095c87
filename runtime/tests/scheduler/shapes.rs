//! Random plans: groups of nodes with chains of runs, gates between them, and steps of very different lengths.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rebar_compiler::plan::{
    Addresses, BackendChoice, Base, FORMAT, Gate, Group, Hardware, Image, Ledger, Network, NodeRow,
    ObjectVerb, Pattern, Plan, Reason, Removal, Rollout, Segment, Step, StepVerbs, Template,
};
use rebar_runtime::backends::sim::chance;
use rebar_runtime::state::Durations;

/// A group: its nodes, and how long each step of each of its runs takes.
struct Lanes {
    nodes: usize,
    /// Milliseconds.
    runs: Vec<Vec<u64>>,
}

pub(crate) struct Shape {
    /// How many lanes at a time.
    pub(crate) workers: usize,
    /// Of as many workers as all work and the longest path would keep busy, so large a share is there.
    pub(crate) share: f64,
    groups: Vec<Lanes>,
    /// Run that waits, run that is waited for, as (group, index).
    gates: Vec<((usize, usize), (usize, usize))>,
}

fn run_name((group, index): (usize, usize)) -> String {
    format!("r{group}x{index}")
}

impl Shape {
    pub(crate) fn random(seed: u64) -> Shape {
        let mut count = 0;
        let mut draw = |least: u64, most: u64| {
            count += 1;
            least + (chance(seed, "shape", "", count) * (most - least + 1) as f64) as u64
        };
        // Chains, wide groups and things between.
        let (widest, longest) = [(2, 6), (24, 2), (12, 4), (6, 8)][seed as usize % 4];
        let groups: Vec<Lanes> = (0..draw(1, 6))
            .map(|_| Lanes {
                nodes: draw(1, widest) as usize,
                runs: (0..draw(1, longest))
                    .map(|_| {
                        (0..draw(1, 4))
                            .map(|_| match draw(0, 9) {
                                0 => draw(5_000, 30_000),
                                1..=3 => draw(500, 5_000),
                                _ => draw(10, 500),
                            })
                            .collect()
                    })
                    .collect(),
            })
            .collect();
        // A run waits for runs of earlier groups only, so that nothing waits for itself.
        let mut gates = Vec::new();
        for later in 1..groups.len() {
            for earlier in 0..later {
                if draw(0, 2) == 0 {
                    let of = (later, draw(0, groups[later].runs.len() as u64 - 1) as usize);
                    let after = (earlier, draw(0, groups[earlier].runs.len() as u64 - 1) as usize);
                    gates.push((of, after));
                }
            }
        }
        Shape {
            workers: 1,
            share: draw(50, 150) as f64 / 100.0,
            groups,
            gates,
        }
    }

    /// How long each step takes.
    pub(crate) fn durations(&self) -> Durations {
        let mut durations = Durations::default();
        for (group, lanes) in self.groups.iter().enumerate() {
            for (index, steps) in lanes.runs.iter().enumerate() {
                for (step, milliseconds) in steps.iter().enumerate() {
                    let what = format!("step file {}.s{step}", run_name((group, index)));
                    durations.samples.insert(what, vec![*milliseconds]);
                }
            }
        }
        durations
    }

    /// Machines only.
    pub(crate) fn bare(&self, base: Base) -> Plan {
        self.plan(base, ObjectVerb::Create, false)
    }

    /// All steps, on machines that stand.
    pub(crate) fn full(&self, base: Base) -> Plan {
        self.plan(base, ObjectVerb::Keep, true)
    }

    fn plan(&self, base: Base, verb: ObjectVerb, with_steps: bool) -> Plan {
        let mut nodes = Vec::new();
        let mut groups = BTreeMap::new();
        for (group, lanes) in self.groups.iter().enumerate() {
            let names: Vec<String> = (0..lanes.nodes).map(|n| format!("g{group}-{n}")).collect();
            for name in &names {
                nodes.push(self.row(name, group, nodes.len(), verb.clone(), with_steps));
            }
            let entry = Group {
                many: true,
                nodes: names,
                spread: None,
                domains: Default::default(),
                leader: None,
            };
            groups.insert(format!("g{group}"), entry);
        }
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        let gates = self.gates.iter().filter(|_| with_steps).map(|(of, after)| Gate {
            mode: Default::default(),
            of: run_name(*of),
            after: run_name(*after),
            reason: String::new(),
            place: String::new(),
        });
        Plan {
            format: FORMAT,
            deploy: "d".to_owned(),
            site: "s".to_owned(),
            base,
            spec: String::new(),
            backend: BackendChoice {
                name: "sim".to_owned(),
                image: Some(Image {
                    name: "none".to_owned(),
                    distribution: "debian".to_owned(),
                    suite: "bookworm".to_owned(),
                    variant: "minbase".to_owned(),
                    packages: Vec::new(),
                }),
                settings: BTreeMap::new(),
            },
            networks: BTreeMap::from([(
                "n".to_owned(),
                Network {
                    cidr: "10.20.0.0/16".parse().unwrap(),
                    gateway: None,
                    mtu: None,
                    vlan: None,
                    verb,
                },
            )]),
            groups,
            patterns: (0..self.groups.len())
                .map(|group| self.pattern(group, with_steps))
                .collect(),
            gates: gates.collect(),
            nodes,
            leaving: Vec::new(),
            leaving_networks: Vec::new(),
            outputs: BTreeMap::new(),
            ledger: Ledger::default(),
            capabilities: BTreeMap::new(),
            secrets: BTreeMap::new(),
            patches: Vec::new(),
            moves: Vec::new(),
            arguments: BTreeMap::new(),
            reads: BTreeMap::new(),
            selection: None,
        }
    }

    fn pattern(&self, group: usize, with_steps: bool) -> Pattern {
        let runs = self.groups[group].runs.iter().enumerate().filter(|_| with_steps);
        Pattern {
            group: format!("g{group}"),
            hardware: Hardware {
                name: "h".to_owned(),
                cpu: 1,
                memory: 1 << 29,
                disks: BTreeMap::new(),
                nics: BTreeMap::from([("eth0".to_owned(), "n".to_owned())]),
            },
            segments: runs
                .map(|(index, steps)| segment(&run_name((group, index)), steps.len()))
                .collect(),
        }
    }

    fn row(&self, name: &str, group: usize, number: usize, machine: ObjectVerb, with_steps: bool) -> NodeRow {
        let mut ensure = BTreeMap::new();
        for (index, steps) in self.groups[group].runs.iter().enumerate().filter(|_| with_steps) {
            for step in 0..steps.len() {
                ensure.insert(format!("{}.s{step}", run_name((group, index))), Reason::New);
            }
        }
        let address = IpAddr::from([10, 20, (number / 250) as u8, (number % 250) as u8 + 2]);
        NodeRow {
            name: name.to_owned(),
            pattern: group,
            addresses: [("n", address)].into_iter().collect::<Addresses>(),
            machine,
            leave: Vec::new(),
            steps: if with_steps {
                StepVerbs::Some {
                    ensure,
                    remove: Vec::new(),
                    remove_last: Vec::new(),
                }
            } else {
                StepVerbs::All
            },
        }
    }
}

fn segment(run: &str, steps: usize) -> Segment {
    let step = |number: usize| Step {
        name: format!("s{number}"),
        kind: "file".to_owned(),
        key: vec!["name".to_owned()],
        fields: BTreeMap::from([(
            "name".to_owned(),
            Template::Value(format!("{run} {number}").into()),
        )]),
        reload_on: Vec::new(),
        removal: Removal::Remove,
        hash: number.to_string(),
        outputs: BTreeMap::new(),
        shared: BTreeMap::new(),
        replaces: Vec::new(),
        interrupts: Vec::new(),
        replacement: rebar_compiler::plan::Replacement::After,
        place: String::new(),
    };
    Segment {
        run: run.to_owned(),
        role: run.to_owned(),
        hash: String::new(),
        steps: (0..steps).map(step).collect(),
        rollout: Rollout::default(),
    }
}
