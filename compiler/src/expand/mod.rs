//! From a checked spec and a ledger to instances: groups with named and addressed nodes, runs with their steps.
//! A role is evaluated once for a group, not once for a node.

mod addresses;
mod arguments;
mod capabilities;
mod deploy;
mod dump;
mod groups;
mod hardware;
mod leaders;
mod loops;
mod moves;
mod roles;
mod rollout;
mod shared;
mod turns;
mod workloads;

pub(crate) use addresses::MAX_HOST_NAME;
pub use dump::dump;
pub(crate) use moves::refuse_taken;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::check::{Deploy, Typed};
use crate::diagnostics::codes::expand as codes;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::plan::{
    Addresses, BackendChoice, Capability, GateMode, GivenValue, Hardware, Leader, Ledger, Move, Rollout,
    Step, Template,
};
use crate::resolve::list_of;
use crate::source::Span;

/// One deploy, laid out.
#[derive(Debug, Clone)]
pub struct Instances {
    /// The deploy's name.
    pub deploy: String,
    /// The site's name.
    pub site: String,
    /// SHA-256 (hex) over all text that was compiled.
    pub spec: String,
    /// The backend and what the site gives it.
    pub backend: BackendChoice,
    /// Networks by name.
    pub networks: BTreeMap<String, NetworkInstance>,
    /// Groups in written order.
    pub groups: Vec<GroupInstance>,
    /// Runs in written order.
    pub runs: Vec<RunInstance>,
    /// Branches of `if` that were taken: the place of the first condition, and which one.
    pub branches: BTreeSet<(Span, usize)>,
    /// What the deploy hands out.
    pub outputs: BTreeMap<String, Template>,
    /// The ledger with what this deploy needs, and without what it gives up.
    pub ledger: Ledger,
    /// What the steps need of the site, and how far the site has it.
    pub capabilities: BTreeMap<String, Capability>,
    /// What may be recorded under other names, in the order in which it is to be moved.
    pub moves: Vec<Move>,
    /// Arguments that are given beside the spec.
    pub arguments: BTreeMap<String, GivenValue>,
    /// Outputs of other deploys that the arguments use, by deploy.
    pub reads: BTreeMap<String, serde_json::Value>,
    /// Where each of them is written: the old name and the name of now.
    pub moved_at: Vec<(Span, Span)>,
}

/// A network of a deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInstance {
    /// Its addresses.
    pub cidr: IpNet,
    /// Its router.
    pub gateway: Option<IpAddr>,
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
    /// VLAN tag.
    pub vlan: Option<u16>,
    /// Where its name is written.
    pub span: Span,
}

/// A group of nodes.
#[derive(Debug, Clone)]
pub struct GroupInstance {
    /// Its name.
    pub name: String,
    /// Whether it is `nodes`.
    pub many: bool,
    /// What its members are kept apart by.
    pub spread: Option<String>,
    /// What is asked of their machines.
    pub hardware: Hardware,
    /// The nodes in name order.
    pub nodes: Vec<NodeInstance>,
    /// Its leader, if something uses it.
    pub leader: Option<Leader>,
    /// Where its name is written.
    pub span: Span,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInstance {
    /// Its name.
    pub name: String,
    /// Its address on each network.
    pub addresses: Addresses,
}

/// A run on a group.
#[derive(Debug, Clone)]
pub struct RunInstance {
    /// Its name.
    pub name: String,
    /// The role's name with its module.
    pub role: String,
    /// The group.
    pub group: String,
    /// SHA-256 (hex) over the role's steps with symbolic inputs.
    pub hash: String,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Where each is written; more may follow, of what is done before the node goes.
    pub spans: Vec<Span>,
    /// How changes are spread over time.
    pub rollout: Rollout,
    /// Runs that it waits for, each once.
    pub waits: Vec<WaitInstance>,
    /// Where its name is written.
    pub span: Span,
}

/// A run that another waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitInstance {
    /// The run that is waited for.
    pub run: String,
    /// How much of it.
    pub mode: GateMode,
    /// Why, in words.
    pub reason: String,
    /// Where that is written.
    pub span: Span,
    /// `main.rebar:31:27`
    pub place: String,
}

/// Lays out the deploy called `deploy`. `None` if something stands in the way, which is then reported.
pub fn expand(
    typed: &Typed,
    deploy: &str,
    ledger: &Ledger,
    diagnostics: &mut Diagnostics,
) -> Option<Instances> {
    let Some(found) = typed.deploys.iter().find(|d| d.name == deploy) else {
        let known: Vec<&str> = typed.deploys.iter().map(|d| d.name.as_str()).collect();
        let message = format!("there is no deploy `{deploy}`");
        let mut diagnostic =
            Diagnostic::without_place(codes::UNKNOWN_DEPLOY, message).suggest(deploy, known.iter().copied());
        diagnostic = match (diagnostic.help.take(), known.is_empty()) {
            (Some(near), _) => diagnostic.help(format!("{near} there are {}", list_of(&known))),
            (None, true) => diagnostic.help("write one: `deploy name = workload() on site`"),
            (None, false) => diagnostic.help(format!("there are {}", list_of(&known))),
        };
        diagnostics.push(diagnostic);
        return None;
    };
    expand_deploy(typed, found, ledger, diagnostics)
}

/// Lays out a deploy that need not be an item, such as one of a test.
pub fn expand_deploy(
    typed: &Typed,
    deploy: &Deploy,
    ledger: &Ledger,
    diagnostics: &mut Diagnostics,
) -> Option<Instances> {
    deploy::lay_out(typed, deploy, ledger, diagnostics)
}
