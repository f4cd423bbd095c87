//! The journal: every change is written down before it is made, and again when it is made.
//!
//! ```text
//! Intent(run, subject, attempt, operation, request)   durable before the call
//! Handle(operation, the backend's own name)           as soon as it is known
//! Done(operation) | Failed(class)
//! ```
//!
//! An Intent without Done is never repeated blindly: it is looked up by its operation first. What stands
//! (networks, machines, steps) is a pure function of the lines: see [`changes`] and [`replay`].

mod derive;
mod replay;

pub use derive::{Change, changes};
pub use replay::{Derived, OperationRecord, ReplayError, StepRecord, replay};
pub(crate) use replay::{contradiction, is_another, is_older};

use std::collections::BTreeMap;

use async_trait::async_trait;
use rebar_agent::protocol::{Prior, Verb};
use rebar_compiler::plan::{Addresses, Move, RecordedStep};
use serde::{Deserialize, Serialize};

use crate::backend::ObjectAction;
use crate::state::StateError;

/// One line, before it is numbered, timed and stamped with its run and epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The id under which journal, object and node know this change.
    pub operation: String,
    /// What it is about: `machine/web-1`, `web-1/pages.index`.
    pub subject: String,
    /// Counts from 1.
    pub attempt: u32,
    /// What is said.
    pub entry: Entry,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// About to be done.
    Intent {
        /// What is about to be done.
        request: Request,
    },
    /// The backend's own name for the object is known.
    Handle {
        /// That name.
        handle: String,
    },
    /// It is done.
    Done {
        /// Whether anything was changed.
        changed: bool,
        /// What was done, in a few words.
        note: String,
        /// For steps: what stood there before rebar first touched it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prior: Option<Prior>,
        /// For steps: what was found out.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        outputs: BTreeMap<String, serde_json::Value>,
        /// How long it took, in milliseconds, where that was seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took: Option<u64>,
    },
    /// It is not done.
    Failed {
        /// What kind of failure.
        class: FailedClass,
        /// Why, in one line.
        message: String,
        /// The last lines of the failing program; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
}

impl Entry {
    /// `intent`, `handle`, `done` or `failed`.
    pub fn kind(&self) -> &'static str {
        match self {
            Entry::Intent { .. } => "intent",
            Entry::Handle { .. } => "handle",
            Entry::Done { .. } => "done",
            Entry::Failed { .. } => "failed",
        }
    }
}

/// Why something is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedClass {
    /// May pass by itself.
    Transient,
    /// Somebody else is at work there, or asks to come back later.
    Busy,
    /// Nobody can tell whether it has happened.
    Ambiguous,
    /// Will fail again until somebody changes something.
    Terminal,
    /// It was never begun: something before it failed, or a crash came first.
    NotBegun,
}

/// A change that is about to be made, with all that is recorded once it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// A change of a network, machine, image or of the names.
    Object {
        /// The change.
        action: ObjectAction,
        /// For machines that are made: what the record keeps of the node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeFacts>,
        /// For machines that are destroyed: whether the name and addresses are free again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        leaves: bool,
        /// For names that are published: the machines that were up when that began, and so are told.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        told: Vec<String>,
    },
    /// A step on a node.
    Step {
        /// The node.
        node: String,
        /// Ensure or remove.
        verb: Verb,
        /// The step, filled.
        step: Box<RecordedStep>,
    },
    /// A change of the record alone, asked for by a person: no object and no node was touched.
    Surgery {
        /// What was changed.
        #[serde(flatten)]
        surgery: Surgery,
    },
}

/// A change of the record alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "surgery", rename_all = "snake_case")]
pub enum Surgery {
    /// The deploy has another name.
    Move {
        /// The name before.
        from: String,
        /// The name from then on.
        to: String,
    },
    /// The deploy as a whole is forgotten, and has another id from then on.
    Forget {
        /// The id that its objects carry.
        deploy_id: String,
    },
    /// A machine, with all that is on it, is not recorded any more; its name and addresses are free.
    ForgetMachine {
        /// Its name.
        name: String,
    },
    /// A network is not recorded any more.
    ForgetNetwork {
        /// Its name.
        name: String,
    },
    /// The names that machines were told are not recorded any more.
    ForgetNames,
    /// The record was made anew from what the backend has with our mark; lines about each object follow.
    Rebuild {
        /// The id that the objects carry.
        deploy_id: String,
    },
    /// A group, run or step is called otherwise from then on.
    Rename {
        /// What was called how, and is called how.
        renamed: Move,
    },
    /// The state was taken over from a document.
    Import {
        /// The document's hash.
        document: String,
    },
}

impl Surgery {
    /// What was done to which thing, in words.
    pub fn text(&self) -> String {
        match self {
            Surgery::Move { from, to } => format!("moved from `{from}` to `{to}`"),
            Surgery::Forget { deploy_id } => {
                format!("forgot the deploy; its objects carry the id {deploy_id}")
            }
            Surgery::ForgetMachine { name } => format!("forgot machine `{name}`"),
            Surgery::ForgetNetwork { name } => format!("forgot network `{name}`"),
            Surgery::ForgetNames => "forgot the names that were published".to_owned(),
            Surgery::Rebuild { deploy_id } => format!("rebuilt from the objects with the id {deploy_id}"),
            Surgery::Rename { renamed } => {
                format!("{} is called `{}` from now on", renamed.before(), renamed.after())
            }
            Surgery::Import { document } => format!("imported from the document {document}"),
        }
    }
}

/// What the record keeps of a node besides its machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Its group.
    pub group: String,
    /// Its address on each network.
    pub addresses: Addresses,
}

/// Where lines are written. A lane needs nothing else of the state.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes lines, all or none, and returns when they are durable.
    ///
    /// # Errors
    /// When they could not be written, or the lease is lost; then nothing may be changed any more.
    async fn append(&self, lines: Vec<Line>) -> Result<(), StateError>;
}
