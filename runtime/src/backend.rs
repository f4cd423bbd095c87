//! The contract between the executor and whatever realises machines.
//!
//! A backend is stateless between calls: everything it needs to find an object again is carried by the object
//! itself (name, labels, files beside it). Every call that changes something names its operation; the id is
//! chosen by the executor, journalled before the call, and stored with the object, so that a call whose answer
//! was lost can be looked up with [`Backend::probe`] instead of being repeated blindly.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;

use async_trait::async_trait;
use ipnet::IpNet;
use rebar_compiler::plan::{Hardware, Image};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

/// Whose objects these are. Objects of any other scope are foreign and never touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The deploy's id (a UUID), minted at its first apply.
    pub deploy_id: String,
    /// The deploy's name, for people.
    pub deploy: String,
}

/// One change of one object. Applying the same action twice under the same id is the same as applying it once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum ObjectAction {
    /// Build (or find in the cache) the file system that machines start from.
    PrepareImage {
        /// The image.
        image: Image,
    },
    /// Make a network.
    CreateNetwork {
        /// The network.
        network: NetworkSpec,
    },
    /// Remove a network of this scope. Already gone is fine.
    DestroyNetwork {
        /// Its name in the deploy.
        name: String,
    },
    /// Make and start a machine, until it can run the agent.
    CreateMachine {
        /// The machine.
        machine: Box<MachineSpec>,
    },
    /// Start a machine that is there and stopped, with its disk as it is.
    StartMachine {
        /// The machine as it was created.
        machine: Box<MachineSpec>,
    },
    /// Stop and remove a machine of this scope with its disk. Already gone is fine.
    DestroyMachine {
        /// Its name in the deploy.
        name: String,
    },
    /// Make the names of all machines resolve on all machines of this scope that run.
    PublishNames {
        /// Host names and their addresses: the whole table.
        names: BTreeMap<String, Vec<IpAddr>>,
    },
}

/// A network to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Its name in the deploy.
    pub name: String,
    /// Its addresses.
    pub cidr: IpNet,
    /// The router's address, at which the backend offers the way out.
    pub gateway: Option<IpAddr>,
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
}

/// A machine to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MachineSpec {
    /// Its name in the deploy, which is also its host name.
    pub name: String,
    /// What it starts from.
    pub image: Image,
    /// What is asked of it.
    pub hardware: Hardware,
    /// For each interface: the network and the fixed address.
    pub interfaces: Vec<InterfaceSpec>,
    /// What the site gives the backend beside the image, by the names of the backend's parameters, with the defaults
    /// of those that it does not give. It is part of the digest, so a changed setting replaces the machine.
    #[serde(default)]
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Digest of all that it was made from; stored with the object and reported by `observe`.
    pub digest: String,
}

/// One interface of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceSpec {
    /// `eth0`
    pub name: String,
    /// The network's name in the deploy.
    pub network: String,
    /// The network's addresses.
    pub cidr: IpNet,
    /// The fixed address.
    pub address: IpAddr,
    /// Where packets for elsewhere go, on the first interface that has one.
    pub gateway: Option<IpAddr>,
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
}

/// A change with its operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Chosen by the executor, journalled before the call, carried by the object.
    pub id: String,
    /// The writer's epoch.
    pub epoch: u64,
    /// What to do.
    #[serde(flatten)]
    pub action: ObjectAction,
}

/// The outcome of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The backend's own name for the object, for the journal's Handle.
    pub handle: String,
    /// What was done, in a few words.
    pub note: String,
}

/// What became of an operation whose answer was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Probed {
    /// It left no trace: do it (again).
    Absent,
    /// It is done.
    Complete(Applied),
    /// It was begun and left half-way; `apply` with the same id first removes the half, then does it anew.
    Partial,
}

/// What the backend sees of a scope.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct World {
    /// Machines by name.
    pub machines: BTreeMap<String, MachineView>,
    /// Networks by name.
    pub networks: BTreeMap<String, NetworkView>,
}

/// A machine as found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineView {
    /// The backend's own name for it.
    pub handle: String,
    /// The operation that made it.
    pub operation: String,
    /// The digest of what it was made from.
    pub digest: String,
    /// Whether it runs.
    pub running: bool,
    /// Whether its making was finished.
    pub complete: bool,
}

/// A network as found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkView {
    /// The backend's own name for it.
    pub handle: String,
    /// The operation that made it.
    pub operation: String,
    /// Its addresses.
    pub cidr: IpNet,
}

/// A scope that a backend has objects of, told by what the objects carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Whose objects these are, as they say themselves: a deploy that was moved since has another name.
    pub scope: Scope,
    /// The highest epoch that is known of a writer.
    pub epoch: u64,
    /// Its machines, by name.
    pub machines: BTreeMap<String, FoundObject<MachineSpec>>,
    /// Its networks, by name.
    pub networks: BTreeMap<String, FoundObject<NetworkSpec>>,
}

/// An object of a scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundObject<T> {
    /// The backend's own name for it.
    pub handle: String,
    /// The operation that made it.
    pub operation: String,
    /// Whether its making was finished.
    pub complete: bool,
    /// What it was made from; nothing where an earlier rebar made it, which did not keep that.
    pub spec: Option<T>,
    /// The command that removes it by hand.
    pub removal: String,
}

/// How well a backend does something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// As on metal.
    Exact,
    /// By other means: how.
    Emulated(String),
    /// Not at all.
    Absent,
}

/// What the rebar agent is called on every machine: its messages tell people to call it.
pub const AGENT_NAME: &str = "rebar-agent";

/// What the agent is to be told, if this is a call of it: `Some` of nothing for its usual work.
pub fn agent_words(arguments: &[String]) -> Option<&[String]> {
    match arguments {
        [] => Some(&[]),
        [first, words @ ..] if first == AGENT_NAME => Some(words),
        [_, ..] => None,
    }
}

/// A program to run on a machine, as its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments. Empty, or with [`AGENT_NAME`] as the program: the rebar agent.
    pub arguments: Vec<String>,
    /// Additional environment; the rest is a clean one.
    pub environment: BTreeMap<String, String>,
    /// Give it a terminal of this size (columns, rows).
    pub terminal: Option<(u16, u16)>,
}

/// A running program on a machine.
pub struct Process {
    /// Its standard input; dropping it closes it.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// Its standard output.
    pub output: Pin<Box<dyn AsyncRead + Send>>,
    /// Its standard error; empty where it has a terminal.
    pub errors: Pin<Box<dyn AsyncRead + Send>>,
    /// Its exit code, 128 + n when a signal n ended it.
    pub exit: Pin<Box<dyn Future<Output = Result<i32, BackendError>> + Send>>,
}

/// Something that this machine lacks for a backend, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at: "mmdebstrap", "user namespaces".
    pub subject: String,
    /// How it stands.
    pub state: FindingState,
    /// What was found, or what is missing and what for.
    pub text: String,
    /// The command that mends it, if there is one.
    pub command: Option<String>,
}

/// How a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingState {
    /// As it should be.
    Good,
    /// It works up to a point that the text tells.
    Limited,
    /// The backend cannot work.
    Missing,
}

/// What went wrong in a backend.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct BackendError {
    /// A stable code such as `E1401`.
    pub code: &'static str,
    /// Whether trying again can help, or nobody knows what happened.
    pub class: rebar_agent::protocol::FailureClass,
    /// What was attempted and why it failed, in one line.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The last lines that a failing program printed; may be empty.
    pub detail: String,
    /// When whoever is busy wants to be asked again, if it said so.
    pub retry_after: Option<std::time::Duration>,
}

/// Codes that say that the backend itself does not answer: no engine there, no answer from it, none in time.
const OF_THE_BACKEND: [&str; 3] = ["E1701", "E1706", "E1210"];

impl BackendError {
    /// Whether it speaks of the backend itself, and not of one machine, network or request. Whoever calls next would
    /// hear the same.
    pub fn is_of_backend(&self) -> bool {
        OF_THE_BACKEND.contains(&self.code)
    }
}

/// Where a backend tells how far it is, one line at a time.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Realises machines, networks and images.
#[async_trait]
pub trait Backend: Send + Sync {
    /// `local`, `docker` …
    fn name(&self) -> &'static str;

    /// Capabilities by name (`node.sysctl`), three-valued. One that is not listed is absent.
    fn capabilities(&self) -> BTreeMap<String, Capability>;

    /// How many machines may be made at a time.
    fn parallelism(&self) -> usize;

    /// What this machine lacks.
    async fn examine(&self) -> Vec<Finding>;

    /// Everything of this scope that is there now.
    async fn observe(&self, scope: &Scope) -> Result<World, BackendError>;

    /// All scopes that it has objects of, found by what the objects carry: for a state that was lost. What does not
    /// carry our marks is never among it.
    async fn find(&self) -> Result<Vec<Found>, BackendError> {
        Ok(Vec::new())
    }

    /// Which engine, or which folder of which host, this is: another one would say of everything that it is gone.
    /// Nothing where there is no such thing.
    async fn identity(&self) -> Result<Option<String>, BackendError> {
        Ok(None)
    }

    /// Carries out one change. Cancelling the future never leaves a child process behind.
    async fn apply(
        &self,
        scope: &Scope,
        operation: &Operation,
        progress: Progress<'_>,
    ) -> Result<Applied, BackendError>;

    /// What became of an operation.
    async fn probe(&self, scope: &Scope, operation: &Operation) -> Result<Probed, BackendError>;

    /// Runs a program on a machine that runs.
    async fn open(&self, scope: &Scope, machine: &str, command: &Command) -> Result<Process, BackendError>;
}

/// Folders that the runtime works in.
#[derive(Debug, Clone)]
pub struct Folders {
    /// State of one project: `<project>/.rebar`.
    pub state: PathBuf,
    /// Machines' disks of embedded backends: `/var/lib/rebar`, or `REBAR_DATA`.
    pub data: PathBuf,
    /// Things that can be made again, such as images: `/var/cache/rebar`, or `REBAR_CACHE`.
    pub cache: PathBuf,
}
