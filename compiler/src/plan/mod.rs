//! The plan: the only thing that crosses from the compiler to the runtime.
//!
//! A plan is factored: `patterns × nodes + gates + base`. A *lane* is the ordered steps of one node. Nodes of
//! one class share a [`Pattern`], whose fields are [`Template`]s that are filled from the node's row; what has
//! to be done now (verbs) stands in the row, never in the pattern.

mod addresses;
mod compare;
mod difference;
mod digest;
mod file;
mod fill;
mod filler;
pub(crate) mod functions;
mod gates;
mod handed;
pub(crate) mod kept;
mod later;
mod leave;
mod moves;
mod names;
mod notes;
mod planning;
pub(crate) mod render;
mod replace;
mod reverse;
mod secret;
mod select;
mod template;
pub(crate) mod url;
mod verbs;

pub use addresses::Addresses;
pub use compare::{
    COMPARISON_FORMAT, CapabilityComparison, Comparison, Difference, GateDifference, GroupComparison,
    GroupSide, Only, RunSide, Setting, Side, compare, comparison_schema,
};
pub(crate) use digest::{hex, step_hash};
pub use digest::{machine_digest, pattern_hash, step_digest};
pub use file::{Counts, PlanFileError, canonical_bytes, counts, hash, is_empty, read, schema};
pub(crate) use fill::MAX_VALUES;
pub use fill::{FillContext, FillError, fill};
pub use filler::{FilledStep, Filler, filled_steps};
pub use functions::FunctionError;
pub use gates::{Gate, GateMode};
pub(crate) use handed::refuse_handed_over;
pub use later::{Later, LaterStep, OutputUse, Outputs, ValueType};
pub(crate) use leave::keeping;
pub use leave::{LEAVE, leave_undrained};
pub(crate) use moves::move_groups;
pub use moves::{Move, moved_step};
pub use names::split_address;
pub use notes::{GivenValue, PatchNote};
pub use planning::plan;
pub use render::RenderError;
pub use replace::{FieldChange, MadeOf, Replacement, replaced_step};
pub(crate) use reverse::{Places, refuse_cycles};
pub use secret::{
    PlannedSecret, Recipe, SecretKnown, SecretReference, holds_secret, know_secrets, macs_in, open, recorded,
    secrets_in, shown, without_secrets,
};
pub use select::{LeftOut, SelectError, Selection, Wanted, select};
pub use template::{Column, Function, NodeReference, Template};

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the plan format; readers refuse any other.
pub const FORMAT: u32 = 3;

/// What to do, in which order, and on what it is based.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// The deploy's name in the spec.
    pub deploy: String,
    /// The site's name in the spec.
    pub site: String,
    /// The state that this plan was made from; it is refused on any other.
    pub base: Base,
    /// SHA-256 (hex) over all text that was compiled, so that a report can tell which spec this was.
    pub spec: String,
    /// Which backend makes the machines, with its settings.
    pub backend: BackendChoice,
    /// Networks of this deploy by name, as this site instantiates them.
    pub networks: BTreeMap<String, Network>,
    /// Groups of nodes by name. A group of one made by `node` has `many = false`.
    pub groups: BTreeMap<String, Group>,
    /// The lanes' patterns; [`NodeRow::pattern`] is an index into this list.
    pub patterns: Vec<Pattern>,
    /// What waits for what between groups.
    pub gates: Vec<Gate>,
    /// One row a node, sorted by name; nodes that leave are in `leaving`.
    pub nodes: Vec<NodeRow>,
    /// Nodes that are in the state and no longer in the spec.
    pub leaving: Vec<LeavingNode>,
    /// Networks that are in the state and no longer in the spec.
    pub leaving_networks: Vec<String>,
    /// What the deploy hands out once it stands.
    pub outputs: BTreeMap<String, Template>,
    /// The ledger as it is once this plan is done: names and addresses, kept for ever after.
    pub ledger: Ledger,
    /// What the steps need of the site, by capability (`node.files`), and how far the site has it.
    pub capabilities: BTreeMap<String, Capability>,
    /// Secrets that its steps and outputs use, by id: which they are and a keyed MAC of each, never what they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, PlannedSecret>,
    /// What is called otherwise in the record before anything else is done; `nodes` and the rest go by the new names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
    /// Arguments that were given beside the spec: on the command line, in a file, in the environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, GivenValue>,
    /// Outputs of other deploys that this was made with, by deploy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reads: BTreeMap<String, serde_json::Value>,
    /// What the project's patches changed in packages, in written order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<PatchNote>,
    /// Nodes that are left alone, if this is a part of a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
}

/// What a plan was made from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The deploy's id, if it has been applied before.
    pub deploy_id: Option<String>,
    /// The deploy's serial: it grows with every change of the deploy's state.
    pub serial: u64,
    /// The version of the site's ledger.
    pub ledger: u64,
}

/// A backend and what the site gave it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendChoice {
    /// `local`, `docker` …
    pub name: String,
    /// The image that machines start from.
    pub image: Option<Image>,
    /// Further settings by name.
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// A file system that machines start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its name in the spec.
    pub name: String,
    /// `debian`.
    pub distribution: String,
    /// `bookworm`.
    pub suite: String,
    /// The set of packages to start with, in mmdebstrap's words: `minbase`.
    pub variant: String,
    /// Packages to add.
    pub packages: Vec<String>,
}

/// A network of this deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its addresses.
    #[schemars(with = "String")]
    pub cidr: IpNet,
    /// The router, which is an address of the network; a backend with outbound access answers at it.
    pub gateway: Option<IpAddr>,
    /// Largest packet in bytes, when not the usual 1500.
    pub mtu: Option<u32>,
    /// VLAN tag.
    pub vlan: Option<u16>,
    /// `create`, `change` (in place), `replace` or `keep`.
    pub verb: ObjectVerb,
}

/// A group of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Whether it was declared by `nodes`; then outputs of its runs are lists, else single values.
    pub many: bool,
    /// Its nodes' names in name order (`web-2` before `web-10`).
    pub nodes: Vec<String>,
    /// What its members are kept apart by.
    pub spread: Option<String>,
    /// The failure domain of each member, where whoever places them tells. No backend of this build does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub domains: BTreeMap<String, String>,
    /// The member that was chosen to lead, if something uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Leader>,
}

/// The member of a group that leads it. The choice is kept: it changes only when the leader leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leader {
    /// Its name.
    pub node: String,
    /// The leader before, if this one takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
}

/// The lane that all nodes of one class share: desired state only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// The group whose nodes follow it.
    pub group: String,
    /// What is asked of each machine.
    pub hardware: Hardware,
    /// One segment a run, in order.
    pub segments: Vec<Segment>,
}

/// What is asked of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// Its name in the spec.
    pub name: String,
    /// Number of processors.
    pub cpu: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// Disks by name: bytes.
    pub disks: BTreeMap<String, u64>,
    /// Network interfaces by name: the network each is on.
    pub nics: BTreeMap<String, String>,
}

/// The steps of one run on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// The run's name.
    pub run: String,
    /// The role's name with its module.
    pub role: String,
    /// SHA-256 (hex) over the steps with symbolic inputs. It leaves out backend, counts, values and rollout, so
    /// that the same role has the same hash at every scale.
    pub hash: String,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// How changes of serving nodes are spread over time.
    pub rollout: Rollout,
}

/// One step of a pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name in the role.
    pub name: String,
    /// Its kind, which is also the agent's action: `file`.
    pub kind: String,
    /// Names of the fields that together identify the thing on its node.
    pub key: Vec<String>,
    /// Fields by name, defaults included; fields without a value are left out.
    pub fields: BTreeMap<String, Template>,
    /// Steps of the same segment whose change makes this one load anew.
    pub reload_on: Vec<String>,
    /// What happens when the step leaves the spec.
    pub removal: Removal,
    /// SHA-256 (hex) over kind, fields (symbolic), and the hashes of the steps in `reload_on`.
    pub hash: String,
    /// Where it is written: `main.rebar:12:3`.
    pub place: String,
    /// What it finds out when it is carried out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, ValueType>,
    /// Steps of later runs on these nodes that want exactly the same, and so are this one: where each is written, by run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shared: BTreeMap<String, String>,
    /// Fields that cannot be changed in place: where one of them changes, the old thing is removed and a new one made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<String>,
    /// Fields that are changed in place, and interrupt what stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interrupts: Vec<String>,
    /// When the old thing goes, where another takes its place.
    #[serde(default, skip_serializing_if = "Replacement::is_usual")]
    pub replacement: Replacement,
}

/// What happens when a step leaves the spec. Only what we introduced is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// Put back what was there before; remove it if nothing was.
    Restore,
    /// Remove it if we introduced it.
    Remove,
    /// Leave it as it is and say so.
    Forget,
    /// There is nothing to undo: the step only looks. It looks again whenever something before it in its lane is
    /// done.
    Nothing,
}

/// How changes of serving nodes are spread over time; nodes that are not yet serving are not held back.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// So many nodes go first, alone.
    pub canary: Option<u32>,
    /// So many nodes at a time (already rounded up from a percentage).
    pub batch: Option<u32>,
    /// Nanoseconds of rest after each batch; then its nodes are looked at again.
    pub settle: Option<u64>,
    /// So many serving nodes may be away at a time, those that failed or were down before included: of the whole
    /// group, or of each failure domain where [`Group::domains`] tells them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<u32>,
    /// So many nodes may fail before the rest is not begun any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_budget: Option<u32>,
    /// So many members of the group must serve at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u32>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeRow {
    /// Its name, kept for ever: `web-2`, `edge`.
    pub name: String,
    /// Index into [`Plan::patterns`].
    pub pattern: usize,
    /// Its address on each network.
    pub addresses: Addresses,
    /// What to do with the machine.
    pub machine: ObjectVerb,
    /// What to do with its steps.
    pub steps: StepVerbs,
    /// For a machine that is replaced: what is done on it before, as it was recorded when it was applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave: Vec<RecordedStep>,
}

/// What to do with an object of the backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum ObjectVerb {
    /// It is as it should be.
    Keep,
    /// It is not there.
    Create,
    /// It is there, and stopped.
    Start,
    /// It must be destroyed and made anew. This interrupts.
    Replace {
        /// Why, in words.
        because: String,
        /// What it was made from otherwise, where that is known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changes: Vec<FieldChange>,
    },
}

/// What to do with the steps of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepVerbs {
    /// All of the pattern's steps are new: the machine is.
    All,
    /// These; a step that is not listed is as it should be. Empty: nothing to do.
    Some {
        /// Steps to carry out, by `run.step`.
        ensure: BTreeMap<String, Reason>,
        /// Steps that left the spec or are replaced, in the order of removal.
        remove: Vec<RecordedStep>,
        /// What goes when all that may use it has been changed: what is replaced by something that comes first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remove_last: Vec<RecordedStep>,
    },
}

/// Why a step is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is new in the spec.
    New,
    /// What is desired has changed: these fields.
    Changed(Vec<String>),
    /// What is desired has changed: these fields, and some of them interrupt what stands.
    Interrupts {
        /// All fields that have changed.
        changed: Vec<String>,
        /// Those that interrupt, with both values.
        because: Vec<FieldChange>,
    },
    /// What stands cannot become what is desired: it is removed, and a new one made.
    Replaced {
        /// Why, with both values.
        because: Vec<FieldChange>,
        /// Whether the old one goes before or after.
        order: Replacement,
    },
    /// The node no longer is as applied: what was found, in words.
    Drifted(String),
    /// An earlier run did not get to finish it.
    Unfinished,
    /// It only looks, and something before it in its lane is done; or its machine was stopped and is started.
    Verify,
    /// It uses what these steps find out, which are carried out as well: it is known then whether it changes.
    Awaits(Vec<String>),
}

/// A step as it was applied to one node: the recipe that its removal is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordedStep {
    /// `run.step`.
    pub address: String,
    /// The agent's action.
    pub kind: String,
    /// The identity on the node, as text: the fields of `key` joined.
    pub key: String,
    /// Digest of what was desired: see [`step_digest`].
    pub digest: String,
    /// Fields, filled.
    pub fields: BTreeMap<String, serde_json::Value>,
    /// What happens when it leaves the spec.
    pub removal: Removal,
    /// Its place among the node's steps; removal goes from the highest to the lowest.
    pub position: u32,
    /// What it found out when it was carried out last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, serde_json::Value>,
    /// The address under which the node knows it, where it was moved since it was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_as: Option<String>,
}
impl Eq for RecordedStep {}

/// A node that leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeavingNode {
    /// Its name.
    pub name: String,
    /// Its group when it was made.
    pub group: String,
    /// Its addresses, free again when it is gone.
    pub addresses: Addresses,
    /// What is done on it before it goes, as it was recorded when it was applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave: Vec<RecordedStep>,
}

/// A capability that some step needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// How far the site has it.
    pub provided: Provided,
    /// Kinds of the steps that need it, sorted.
    pub kinds: Vec<String>,
}

/// How far a site has a capability. What it lacks without accepting the gap is an error of the spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provided {
    /// As on a physical machine.
    Exact,
    /// In another way: in words, with its limits.
    Emulated(String),
    /// Not at all, and the site accepts that: why, in words.
    AcceptedGap(String),
}

impl Capability {
    /// What a reader of a plan should know: `None` when the site has it exactly.
    pub fn notice(&self) -> Option<String> {
        match &self.provided {
            Provided::Exact => None,
            Provided::Emulated(how) => Some(format!("emulated: {how}")),
            Provided::AcceptedGap(because) => Some(format!("accepted gap: {because}")),
        }
    }
}

/// Names and addresses, given once and kept: the input and, with additions, an output of planning.
/// It belongs to a site and is reviewed like a lock file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Grows with every change.
    pub version: u64,
    /// Nodes by deploy, then by name.
    pub deploys: BTreeMap<String, BTreeMap<String, LedgerNode>>,
}

/// What the ledger knows of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LedgerNode {
    /// Its group.
    pub group: String,
    /// Its address on each network.
    pub addresses: Addresses,
    /// Whether it was chosen to lead its group.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leader: bool,
    /// Whether it was asked to leave: its group goes on without it, and its name is not given again before it is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
}

impl Ledger {
    /// Marks a node as one that is to leave. `false` if there is no such node.
    pub fn retire(&mut self, deploy: &str, node: &str) -> bool {
        let nodes = self.deploys.get_mut(deploy);
        match nodes.and_then(|nodes| nodes.get_mut(node)) {
            Some(node) => {
                node.retired = true;
                true
            }
            None => false,
        }
    }
}

/// What is known of a deploy when it is planned: the record of what was applied, and what was just observed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// What a plan made from this snapshot is based on.
    pub base: Base,
    /// Networks by name, as applied.
    pub networks: BTreeMap<String, RecordedNetwork>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, RecordedNode>,
}

/// A network as applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedNetwork {
    /// Its addresses.
    #[schemars(with = "String")]
    pub cidr: IpNet,
    /// Its router.
    pub gateway: Option<IpAddr>,
    /// Whether it is there now.
    pub live: bool,
}

/// A node as applied, and as found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedNode {
    /// Its group.
    pub group: String,
    /// Its addresses.
    pub addresses: Addresses,
    /// SHA-256 (hex) of image, hardware and networks that it was made from: see [`machine_digest`].
    pub machine: String,
    /// What it was made from, where that is recorded, for telling what has changed.
    #[serde(default)]
    pub made: Option<Box<MadeOf>>,
    /// How the machine was found.
    pub live: Machine,
    /// Its steps by `run.step`.
    pub steps: BTreeMap<String, RecordedStep>,
    /// Steps that were found otherwise than applied: what was found, in words.
    pub drifted: BTreeMap<String, String>,
    /// Steps that a broken-off run began and did not finish.
    pub unfinished: Vec<String>,
}

/// How a machine was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Machine {
    /// It runs.
    Running,
    /// It is there and does not run.
    Stopped,
    /// It is gone.
    Absent,
    /// It could not be asked.
    Unknown,
}
