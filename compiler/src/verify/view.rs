//! A plan as assertions see it: each part is made when it is asked for.

use serde_json::{Map, Value, json};

use petgraph::visit::EdgeRef;

use crate::check::evaluate::Stop;
use crate::check::{Deploy, Typed};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::tests as codes;
use crate::diagnostics::nearest;
use crate::expand::{GroupInstance, Instances, NodeInstance, RunInstance};
use crate::graph::Graph;
use crate::plan::{FillContext, Provided};
use crate::resolve::list_of;
use crate::source::Span;

/// Nodes, or filled steps, that an assertion can look at. More would take more memory than a laptop has.
const MOST: usize = 50_000;

/// One plan.
pub(super) struct View<'a> {
    typed: &'a Typed,
    deploy: &'a Deploy,
    graph: &'a Graph,
}

/// Why a part cannot be made.
pub(super) enum Missing {
    /// There is no such group, run or network: what it is, its name, and those there are.
    Unknown(&'static str, String, Vec<String>),
    /// Too many of something.
    TooLarge(&'static str),
    /// Only known once the deploy stands.
    Later(String),
}

impl Missing {
    /// As an error at the place that asks for it.
    pub(super) fn told(self, span: Span) -> Stop {
        let diagnostic = match self {
            Missing::Unknown(what, name, known) => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let message = format!("the plan has no {what} `{name}`");
                let help = match nearest(&name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`? it has {}", list_of(&known)),
                    None => format!("it has {}", list_of(&known)),
                };
                Diagnostic::error(codes::NO_PART, span, message).help(help)
            }
            Missing::TooLarge(what) => {
                let message = format!("the plan has more than {MOST} {what}: too many to look at here");
                Diagnostic::error(codes::TOO_LARGE_TO_CHECK, span, message)
                    .help("ask for less: the nodes of one group, the steps of one run, or `groups` with their counts")
            }
            Missing::Later(name) => {
                let message = format!("the output `{name}` is known only once the deploy stands");
                Diagnostic::error(codes::NO_PART, span, message)
                    .help("a test sees plans, and nothing runs: make assertions about what is known before")
            }
        };
        Stop::from(Box::new(diagnostic))
    }
}

impl<'a> View<'a> {
    pub(super) fn new(typed: &'a Typed, deploy: &'a Deploy, graph: &'a Graph) -> View<'a> {
        View { typed, deploy, graph }
    }

    fn instances(&self) -> &'a Instances {
        &self.graph.instances
    }

    /// The group called so, and where its name is written.
    pub(super) fn group(&self, name: &str) -> Option<&'a GroupInstance> {
        self.instances().groups.iter().find(|g| g.name == name)
    }

    /// The run called so.
    pub(super) fn run(&self, name: &str) -> Option<&'a RunInstance> {
        self.instances().runs.iter().find(|r| r.name == name)
    }

    /// The value of a part.
    pub(super) fn part(&self, part: &str) -> Result<Value, Missing> {
        let instances = self.instances();
        let path: Vec<&str> = part.split('/').collect();
        Ok(match path.as_slice() {
            ["name"] => instances.deploy.clone().into(),
            ["workload"] => self.typed.resolved.qualified_name(self.deploy.workload).into(),
            ["site"] => instances.site.clone().into(),
            ["backend"] => instances.backend.name.clone().into(),
            ["groups"] => instances.groups.iter().map(group_value).collect(),
            ["runs"] => instances.runs.iter().map(|r| self.run_value(r)).collect(),
            ["nodes"] => self.nodes(&instances.groups.iter().collect::<Vec<_>>())?,
            ["nodes", name] => match self.group(name) {
                Some(group) => self.nodes(&[group])?,
                None => {
                    let known = instances.groups.iter().map(|g| g.name.clone()).collect();
                    return Err(Missing::Unknown("group", (*name).to_owned(), known));
                }
            },
            ["steps"] => self.steps(&instances.runs.iter().collect::<Vec<_>>())?,
            ["networks"] => instances.networks.keys().map(|n| self.network(n)).collect(),
            ["networks", name] if instances.networks.contains_key(*name) => self.network(name),
            ["networks", name] => {
                let known = instances.networks.keys().cloned().collect();
                return Err(Missing::Unknown("network", (*name).to_owned(), known));
            }
            ["gaps"] => self.capabilities(|p| matches!(p, Provided::AcceptedGap(_))),
            ["emulated"] => self.capabilities(|p| matches!(p, Provided::Emulated(_))),
            ["outputs", name] => self.output(name)?,
            ["after", later, earlier] => {
                self.known_run(later)?;
                self.known_run(earlier)?;
                self.after(later, earlier).into()
            }
            ["run", name, what] => {
                let run = self.known_run(name)?;
                match *what {
                    "nodes" => match self.group(&run.group) {
                        Some(group) => self.nodes(&[group])?,
                        None => Value::Array(Vec::new()),
                    },
                    "steps" => self.steps(&[run])?,
                    "role" => run.role.clone().into(),
                    "group" => run.group.clone().into(),
                    _ => run.name.clone().into(),
                }
            }
            _ => Value::Null,
        })
    }

    fn known_run(&self, name: &str) -> Result<&'a RunInstance, Missing> {
        self.run(name).ok_or_else(|| {
            let known = self.instances().runs.iter().map(|r| r.name.clone()).collect();
            Missing::Unknown("run", name.to_owned(), known)
        })
    }

    /// Whether `later` begins when all of `earlier` is done, perhaps by way of other runs.
    fn after(&self, later: &str, earlier: &str) -> bool {
        let order = &self.graph.order;
        let find = |name: &str| order.node_indices().find(|n| order[*n].run == name);
        let (Some(start), Some(end)) = (find(earlier), find(later)) else {
            return false;
        };
        let mut seen = vec![start];
        let mut next = 0;
        while let Some(at) = seen.get(next).copied() {
            next += 1;
            for edge in order.edges(at).filter(|e| e.weight().gate) {
                if edge.target() == end {
                    return true;
                }
                if !seen.contains(&edge.target()) {
                    seen.push(edge.target());
                }
            }
        }
        false
    }

    fn nodes(&self, groups: &[&GroupInstance]) -> Result<Value, Missing> {
        if groups.iter().map(|g| g.nodes.len()).sum::<usize>() > MOST {
            return Err(Missing::TooLarge("nodes"));
        }
        let mut all = Vec::new();
        for group in groups {
            let hardware = json!({
                "name": group.hardware.name,
                "cpu": group.hardware.cpu,
                "memory": group.hardware.memory,
                "disks": group.hardware.disks,
                "nics": group.hardware.nics,
            });
            let runs = self.instances().runs.iter().filter(|r| r.group == group.name);
            let runs: Vec<&str> = runs.map(|r| r.name.as_str()).collect();
            for node in &group.nodes {
                all.push(node_value(node, group, &hardware, &runs));
            }
        }
        Ok(Value::Array(all))
    }

    fn steps(&self, runs: &[&RunInstance]) -> Result<Value, Missing> {
        let count =
            |run: &&RunInstance| self.group(&run.group).map_or(0, |g| g.nodes.len()) * run.steps.len();
        if runs.iter().map(count).sum::<usize>() > MOST {
            return Err(Missing::TooLarge("steps"));
        }
        let context = FillContext::of_groups(&self.instances().groups, usize::MAX);
        let mut all = Vec::new();
        for run in runs {
            let Some(group) = self.group(&run.group) else {
                continue;
            };
            for (index, node) in group.nodes.iter().enumerate() {
                for step in &run.steps {
                    let mut fields = Map::new();
                    for (name, template) in &step.fields {
                        // What is known only later is not there yet.
                        if let Ok(value) = context.fill(template, Some((&group.name, index))) {
                            fields.insert(name.clone(), text_of(value).into());
                        }
                    }
                    all.push(json!({
                        "name": step.name,
                        "kind": step.kind,
                        "run": run.name,
                        "role": run.role,
                        "group": group.name,
                        "node": node.name,
                        "fields": fields,
                    }));
                }
            }
        }
        Ok(Value::Array(all))
    }

    fn network(&self, name: &str) -> Value {
        let network = &self.instances().networks[name];
        json!({
            "name": name,
            "cidr": network.cidr,
            "gateway": network.gateway,
            "mtu": network.mtu,
            "vlan": network.vlan,
        })
    }

    fn capabilities(&self, wanted: fn(&Provided) -> bool) -> Value {
        let all = self.instances().capabilities.iter();
        all.filter(|(_, c)| wanted(&c.provided))
            .map(|(name, _)| Value::from(name.as_str()))
            .collect()
    }

    fn output(&self, name: &str) -> Result<Value, Missing> {
        let Some(template) = self.instances().outputs.get(name) else {
            return Ok(Value::Null);
        };
        let context = FillContext::of_groups(&self.instances().groups, MOST);
        context
            .fill(template, None)
            .map_err(|_| Missing::Later(name.to_owned()))
    }

    fn run_value(&self, run: &RunInstance) -> Value {
        let after: Vec<&str> = run.waits.iter().map(|w| w.run.as_str()).collect();
        let steps: Vec<&str> = run.steps.iter().map(|s| s.name.as_str()).collect();
        json!({
            "name": run.name,
            "role": run.role,
            "group": run.group,
            "after": after,
            "steps": steps,
            "canary": run.rollout.canary,
            "batch": run.rollout.batch,
        })
    }
}

fn group_value(group: &GroupInstance) -> Value {
    json!({
        "name": group.name,
        "many": group.many,
        "count": group.nodes.len(),
        "spread": group.spread,
    })
}

fn node_value(node: &NodeInstance, group: &GroupInstance, hardware: &Value, runs: &[&str]) -> Value {
    let first = group.hardware.nics.values().next();
    let address = first.and_then(|network| node.addresses.get(network));
    let addresses: Map<String, Value> = node
        .addresses
        .iter()
        .map(|(network, address)| (network.to_string(), address.to_string().into()))
        .collect();
    json!({
        "name": node.name,
        "group": group.name,
        "address": address.map(ToString::to_string),
        "addresses": addresses,
        "hardware": hardware,
        "runs": runs,
    })
}

/// A field as text: what is no text is as in JSON.
fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
