//! Two plans side by side: whether the same steps run on the nodes of each group, and what differs otherwise.
//!
//! Verbs, addresses, names of nodes and numbers of nodes are no part of a pattern; a plan for a laptop and one for
//! a rack agree when what they make of each node is the same.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::difference::first_difference;
use super::digest::pattern_hash;
use super::{Capability, GateMode, Pattern, Plan, Rollout, Segment, Step, Template};

/// The version of the form in which comparisons are written.
pub const COMPARISON_FORMAT: u32 = 1;

/// Two plans, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// [`COMPARISON_FORMAT`].
    pub format: u32,
    /// The first plan.
    pub left: Side,
    /// The second plan.
    pub right: Side,
    /// Whether all patterns agree, and what waits for what.
    pub agree: bool,
    /// Groups in the order of the first plan; then those that only the second has.
    pub groups: Vec<GroupComparison>,
    /// Waits between runs that only one of the two has.
    pub gates: Vec<GateDifference>,
    /// Settings of backend, image, networks and hardware that differ; they are no part of a pattern.
    pub provisioning: Vec<Setting>,
    /// What the steps of either plan need of its site, by capability.
    pub capabilities: BTreeMap<String, CapabilityComparison>,
}

/// Which plan it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// The deploy's name.
    pub deploy: String,
    /// The site's name.
    pub site: String,
    /// The backend's name.
    pub backend: String,
    /// Number of nodes.
    pub nodes: usize,
    /// SHA-256 (hex) over all text that was compiled.
    pub spec: String,
}

/// Something that may be in one plan only, or in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// Only the first plan has it.
    Left,
    /// Only the second plan has it.
    Right,
}

/// A group in both plans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupComparison {
    /// Its name.
    pub group: String,
    /// The group in the first plan.
    pub left: Option<GroupSide>,
    /// The group in the second plan.
    pub right: Option<GroupSide>,
    /// Whether both have it, with the same pattern.
    pub agree: bool,
    /// Where the patterns differ, in the order of the steps.
    pub differences: Vec<Difference>,
}

/// A group in one plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupSide {
    /// SHA-256 (hex) over the runs with their steps: see [`pattern_hash`].
    pub hash: String,
    /// Number of nodes.
    pub nodes: usize,
    /// Number of steps on each.
    pub steps: usize,
    /// What its members are kept apart by.
    pub spread: Option<String>,
    /// Its runs in order.
    pub runs: Vec<RunSide>,
}

/// A run in one plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSide {
    /// Its name.
    pub run: String,
    /// The role's name with its module.
    pub role: String,
    /// SHA-256 (hex) over the role as it is written: arguments are no part of it.
    pub role_hash: String,
    /// How changes are spread over time; no part of a pattern.
    pub rollout: Rollout,
}

/// A place where two patterns differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// A run that only one plan has on this group.
    Run {
        /// The run.
        run: String,
        /// Which plan has it.
        only: Only,
    },
    /// A step that only one plan has in this run.
    Step {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// Its kind.
        kind: String,
        /// Which plan has it.
        only: Only,
    },
    /// The same runs, or the same steps of a run, in another order.
    Order {
        /// The run; of the runs themselves when it is missing.
        run: Option<String>,
        /// The order of the first plan.
        left: Vec<String>,
        /// The order of the second plan.
        right: Vec<String>,
    },
    /// A field of a step, or `kind`, `reload_on`, `key` or `removal`.
    Field {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// The field.
        field: String,
        /// The first differing place within the field, such as `greeting` or `line 3`; empty for the whole.
        at: String,
        /// What stands there in the first plan.
        left: Option<Template>,
        /// What stands there in the second plan.
        right: Option<Template>,
    },
}

/// A wait that only one plan has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateDifference {
    /// The run that waits.
    pub of: String,
    /// The run that is waited for.
    pub after: String,
    /// How much of that run must be done.
    #[serde(default, skip_serializing_if = "GateMode::is_all")]
    pub mode: GateMode,
    /// Which plan has it.
    pub only: Only,
}

/// A setting of provisioning that differs. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// What has it: `machines`, `network front`, `hardware of web`.
    pub of: String,
    /// Its name: `backend`, `cidr`, `memory`, `disk root`.
    pub setting: String,
    /// Its value in the first plan, if it has any.
    pub left: Option<Value>,
    /// Its value in the second plan, if it has any.
    pub right: Option<Value>,
}

/// A capability on both sites. A plan that has no such step does not say how its site stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapabilityComparison {
    /// For the steps of the first plan.
    pub left: Option<Capability>,
    /// For the steps of the second plan.
    pub right: Option<Capability>,
}

/// The JSON Schema of comparisons.
pub fn comparison_schema() -> schemars::Schema {
    schemars::schema_for!(Comparison)
}

/// Compares two plans: O(patterns), whatever the number of nodes.
pub fn compare(left: &Plan, right: &Plan) -> Comparison {
    let groups = groups(left, right);
    let gates = gates(left, right);
    Comparison {
        format: COMPARISON_FORMAT,
        left: side(left),
        right: side(right),
        agree: gates.is_empty() && groups.iter().all(|group| group.agree),
        groups,
        gates,
        provisioning: provisioning(left, right),
        capabilities: capabilities(left, right),
    }
}

fn side(plan: &Plan) -> Side {
    Side {
        deploy: plan.deploy.clone(),
        site: plan.site.clone(),
        backend: plan.backend.name.clone(),
        nodes: plan.nodes.len(),
        spec: plan.spec.clone(),
    }
}

fn groups(left: &Plan, right: &Plan) -> Vec<GroupComparison> {
    let of_group = |plan: &'_ Plan, name: &str| plan.patterns.iter().position(|p| p.group == name);
    let mut all = Vec::new();
    for pattern in &left.patterns {
        let other = of_group(right, &pattern.group).map(|index| &right.patterns[index]);
        all.push(group(
            &pattern.group,
            Some((left, pattern)),
            other.map(|p| (right, p)),
        ));
    }
    let added = right
        .patterns
        .iter()
        .filter(|p| of_group(left, &p.group).is_none());
    all.extend(added.map(|pattern| group(&pattern.group, None, Some((right, pattern)))));
    all
}

fn group(name: &str, left: Option<(&Plan, &Pattern)>, right: Option<(&Plan, &Pattern)>) -> GroupComparison {
    let sides = (
        left.map(|(plan, p)| group_side(plan, p)),
        right.map(|(plan, p)| group_side(plan, p)),
    );
    let agree = matches!(&sides, (Some(left), Some(right)) if left.hash == right.hash);
    let differences = match (left, right) {
        (Some((_, left)), Some((_, right))) if !agree => patterns(left, right),
        _ => Vec::new(),
    };
    GroupComparison {
        group: name.to_owned(),
        left: sides.0,
        right: sides.1,
        agree,
        differences,
    }
}

fn group_side(plan: &Plan, pattern: &Pattern) -> GroupSide {
    let group = plan.groups.get(&pattern.group);
    let run = |segment: &Segment| RunSide {
        run: segment.run.clone(),
        role: segment.role.clone(),
        role_hash: segment.hash.clone(),
        rollout: segment.rollout.clone(),
    };
    GroupSide {
        hash: pattern_hash(pattern),
        nodes: group.map_or(0, |group| group.nodes.len()),
        steps: pattern.segments.iter().map(|segment| segment.steps.len()).sum(),
        spread: group.and_then(|group| group.spread.clone()),
        runs: pattern.segments.iter().map(run).collect(),
    }
}

/// Where two patterns differ.
fn patterns(left: &Pattern, right: &Pattern) -> Vec<Difference> {
    let mut found = Vec::new();
    let names = |pattern: &Pattern| pattern.segments.iter().map(|s| s.run.clone()).collect::<Vec<_>>();
    let both = in_both(&names(left), &names(right), None, &mut found, |run, only| {
        Difference::Run { run, only }
    });
    for run in both {
        let of = |pattern: &'_ Pattern| pattern.segments.iter().position(|segment| segment.run == run);
        if let (Some(one), Some(other)) = (of(left), of(right)) {
            segments(&left.segments[one], &right.segments[other], &mut found);
        }
    }
    found
}

fn segments(left: &Segment, right: &Segment, found: &mut Vec<Difference>) {
    let names = |segment: &Segment| segment.steps.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    let step = |segment: &'_ Segment, name: &str| segment.steps.iter().position(|step| step.name == name);
    let only_there = |name: String, only: Only| {
        let segment = match only {
            Only::Left => left,
            Only::Right => right,
        };
        let kind = step(segment, &name).map_or(String::new(), |index| segment.steps[index].kind.clone());
        Difference::Step {
            run: left.run.clone(),
            step: name,
            kind,
            only,
        }
    };
    for name in in_both(&names(left), &names(right), Some(&left.run), found, only_there) {
        if let (Some(one), Some(other)) = (step(left, &name), step(right, &name)) {
            steps(&left.run, &left.steps[one], &right.steps[other], found);
        }
    }
}

/// Names that both lists hold; reports what only one has, and another order.
fn in_both(
    left: &[String],
    right: &[String],
    run: Option<&str>,
    found: &mut Vec<Difference>,
    only_there: impl Fn(String, Only) -> Difference,
) -> Vec<String> {
    let (of_left, of_right): (BTreeSet<&String>, BTreeSet<&String>) =
        (left.iter().collect(), right.iter().collect());
    found.extend(
        left.iter()
            .filter(|n| !of_right.contains(n))
            .map(|n| only_there(n.clone(), Only::Left)),
    );
    found.extend(
        right
            .iter()
            .filter(|n| !of_left.contains(n))
            .map(|n| only_there(n.clone(), Only::Right)),
    );
    let shared = |list: &[String], other: &BTreeSet<&String>| -> Vec<String> {
        list.iter().filter(|name| other.contains(name)).cloned().collect()
    };
    let (ordered, others) = (shared(left, &of_right), shared(right, &of_left));
    if ordered != others {
        let run = run.map(str::to_owned);
        found.push(Difference::Order {
            run,
            left: ordered.clone(),
            right: others,
        });
    }
    ordered
}

fn steps(run: &str, left: &Step, right: &Step, found: &mut Vec<Difference>) {
    let mut field = |name: &str, at: String, one: Option<Template>, other: Option<Template>| {
        found.push(Difference::Field {
            run: run.to_owned(),
            step: left.name.clone(),
            field: name.to_owned(),
            at,
            left: one,
            right: other,
        });
    };
    // What a step says besides its fields, as text and lists of text.
    let besides = |step: &Step| {
        [
            ("kind", serde_json::json!(step.kind)),
            ("key", serde_json::json!(step.key)),
            ("removal", serde_json::json!(step.removal)),
            ("reload_on", serde_json::json!(step.reload_on)),
        ]
    };
    for ((name, one), (_, other)) in besides(left).into_iter().zip(besides(right)) {
        if one != other {
            field(
                name,
                String::new(),
                Some(Template::Value(one)),
                Some(Template::Value(other)),
            );
        }
    }
    let names: BTreeSet<&String> = left.fields.keys().chain(right.fields.keys()).collect();
    for name in names {
        match (left.fields.get(name), right.fields.get(name)) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) => {
                let place = first_difference(one, other);
                field(name, place.at, place.left, place.right);
            }
            (one, other) => field(name, String::new(), one.cloned(), other.cloned()),
        }
    }
}

fn gates(left: &Plan, right: &Plan) -> Vec<GateDifference> {
    let all = |plan: &Plan| -> BTreeSet<(String, String, GateMode)> {
        plan.gates
            .iter()
            .map(|gate| (gate.of.clone(), gate.after.clone(), gate.mode))
            .collect()
    };
    let (of_left, of_right) = (all(left), all(right));
    let one_sided = of_left
        .symmetric_difference(&of_right)
        .map(|gate| GateDifference {
            of: gate.0.clone(),
            after: gate.1.clone(),
            mode: gate.2,
            only: if of_left.contains(gate) {
                Only::Left
            } else {
                Only::Right
            },
        });
    one_sided.collect()
}

/// All settings of provisioning: by what has them and their name.
fn settings(plan: &Plan) -> BTreeMap<(String, String), Value> {
    let mut all = BTreeMap::new();
    let mut set = |of: &str, setting: String, value: Value| {
        if !value.is_null() {
            all.insert((of.to_owned(), setting), value);
        }
    };
    let backend = &plan.backend;
    set("machines", "backend".to_owned(), backend.name.as_str().into());
    if let Some(image) = &backend.image {
        let start = format!("{} {} {}", image.distribution, image.suite, image.variant);
        set("machines", "image".to_owned(), image.name.as_str().into());
        set("machines", "image: starts from".to_owned(), start.into());
        set(
            "machines",
            "image: packages".to_owned(),
            serde_json::json!(image.packages),
        );
    }
    for (name, value) in &backend.settings {
        set("machines", name.clone(), value.clone());
    }
    for (name, network) in &plan.networks {
        let of = format!("network {name}");
        set(&of, "cidr".to_owned(), network.cidr.to_string().into());
        set(&of, "gateway".to_owned(), serde_json::json!(network.gateway));
        set(&of, "mtu".to_owned(), serde_json::json!(network.mtu));
        set(&of, "vlan".to_owned(), serde_json::json!(network.vlan));
    }
    for pattern in &plan.patterns {
        let (of, hardware) = (format!("hardware of {}", pattern.group), &pattern.hardware);
        set(&of, "name".to_owned(), hardware.name.as_str().into());
        set(&of, "cpu".to_owned(), hardware.cpu.into());
        set(&of, "memory".to_owned(), hardware.memory.into());
        for (disk, size) in &hardware.disks {
            set(&of, format!("disk {disk}"), (*size).into());
        }
        for (nic, network) in &hardware.nics {
            set(&of, format!("nic {nic}"), network.as_str().into());
        }
    }
    all
}

fn provisioning(left: &Plan, right: &Plan) -> Vec<Setting> {
    let (of_left, of_right) = (settings(left), settings(right));
    let names: BTreeSet<&(String, String)> = of_left.keys().chain(of_right.keys()).collect();
    let differing = names
        .into_iter()
        .filter(|name| of_left.get(*name) != of_right.get(*name));
    let setting = |name: &(String, String)| Setting {
        of: name.0.clone(),
        setting: name.1.clone(),
        left: of_left.get(name).cloned(),
        right: of_right.get(name).cloned(),
    };
    differing.map(setting).collect()
}

fn capabilities(left: &Plan, right: &Plan) -> BTreeMap<String, CapabilityComparison> {
    let names: BTreeSet<&String> = left
        .capabilities
        .keys()
        .chain(right.capabilities.keys())
        .collect();
    let both = |name: &String| CapabilityComparison {
        left: left.capabilities.get(name).cloned(),
        right: right.capabilities.get(name).cloned(),
    };
    names.into_iter().map(|name| (name.clone(), both(name))).collect()
}
