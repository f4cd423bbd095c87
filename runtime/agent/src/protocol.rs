//! What the controller and the agent say to each other: one JSON object a line, the request on the agent's
//! standard input, events on its standard output. The agent serves one request and ends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of this protocol; both sides refuse any other. Controller and agent are built together.
pub const PROTOCOL: u32 = 1;

/// What the controller asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Carry out a lane segment: the steps in order, stopping at the first failure.
    Apply {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The deploy's id; a node that belongs to another deploy refuses.
        deploy: String,
        /// The writer's epoch; the agent refuses one lower than the highest it has seen.
        epoch: u64,
        /// The segment's steps that have something to do.
        steps: Vec<PlannedStep>,
    },
    /// Compare the node with these steps and change nothing.
    Observe {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The deploy's id.
        deploy: String,
        /// The steps as they were applied.
        steps: Vec<Step>,
    },
    /// What the on-node journal knows of these operations.
    Probe {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The deploy's id.
        deploy: String,
        /// Ids of operations.
        operations: Vec<String>,
    },
    /// A person's answer: whether a `once` command that was broken off has happened.
    Settle {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The deploy's id.
        deploy: String,
        /// The writer's epoch.
        epoch: u64,
        /// The step: `cluster.init`.
        address: String,
        /// Whether it has happened; otherwise it is run again.
        done: bool,
    },
    /// Facts about the node.
    Facts {
        /// [`PROTOCOL`].
        protocol: u32,
    },
}

/// One thing on the node, as desired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name in the deploy: `pages.index` (`run.step`).
    pub address: String,
    /// Which action knows how: `file`, `package` …
    pub action: String,
    /// Its identity on the node for ownership, as text: path, package name, unit …
    pub key: String,
    /// Its fields in base units (bytes, nanoseconds); optional fields that have no value are missing.
    pub fields: BTreeMap<String, serde_json::Value>,
    /// What happens when it is removed.
    pub removal: Removal,
    /// For steps that load other steps: address → digest of what is desired of each.
    /// A service remembers which digests it has loaded and loads anew when they differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub loads: BTreeMap<String, String>,
    /// Fields with secrets in them, which must not be told, logged or kept. Where nothing is to be done (a step is
    /// looked at, or removed) they are not sent at all, or without what is secret in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret: Vec<String>,
    /// For a removal: another thing of the same key takes its place, and it is not handed over to that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaced: bool,
}

/// What happens when a step is removed. Only what we introduced is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// Put back what was there before; remove it if nothing was.
    Restore,
    /// Remove it if we introduced it.
    Remove,
    /// Leave it as it is.
    Forget,
}

/// A step with its operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// The id under which both journals know this operation. A retry after a crash uses the same id.
    pub operation: String,
    /// What to do.
    pub verb: Verb,
    /// The step.
    #[serde(flatten)]
    pub step: Step,
}

/// What to do with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Bring about what is desired.
    Ensure,
    /// Undo it, as its `removal` says.
    Remove,
}

/// What the agent answers, one a line, flushed at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first line: who speaks.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The agent's version.
        version: String,
    },
    /// The step is begun; its intent is durable on the node.
    Started {
        /// The operation.
        operation: String,
    },
    /// Something a person waiting would like to read: "installing nginx-light".
    Progress {
        /// The operation.
        operation: String,
        /// One line.
        text: String,
    },
    /// The step is done; that is durable on the node.
    Done {
        /// The operation.
        operation: String,
        /// Whether the node was changed.
        changed: bool,
        /// What was done, in a few words: "wrote 120 bytes", "reloaded".
        note: String,
        /// What was there before rebar first touched it.
        prior: Prior,
        /// What the step found out.
        #[serde(default)]
        outputs: BTreeMap<String, serde_json::Value>,
    },
    /// The step failed; later steps of the segment were not begun.
    Failed {
        /// The operation.
        operation: String,
        /// Whether trying again can help.
        class: FailureClass,
        /// What went wrong, in one line.
        message: String,
        /// The last lines that the failing program printed; may be empty.
        detail: String,
    },
    /// An answer to `Observe`.
    Observed {
        /// The step.
        address: String,
        /// What was found.
        state: Observation,
    },
    /// An answer to `Probe`.
    Operation {
        /// The operation.
        operation: String,
        /// What the node's journal knows.
        state: OperationState,
    },
    /// An answer to `Facts`.
    Facts {
        /// Facts by name: `boot_id`, `kernel`, `os`, `clock` (nanoseconds since 1970) …
        facts: BTreeMap<String, serde_json::Value>,
    },
    /// The request as a whole was refused; nothing was changed.
    Refused {
        /// A stable code: `E1301` …
        code: String,
        /// Why.
        message: String,
    },
    /// The last line of every answer. Without it the line broke.
    End,
}

/// What stood at a step's place before we first touched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// Nothing: we introduced it.
    Absent,
    /// Something: it is restored or left, never deleted.
    Present,
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// May pass by itself: a mirror that does not answer.
    Transient,
    /// Somebody else is at work there, or asks to come back later: a lock that is held, a rate limit. It is waited for,
    /// and does not count as an attempt.
    Busy,
    /// Nobody can tell whether it has happened: a crash inside a `once` command.
    Ambiguous,
    /// Will fail again until somebody changes something.
    Terminal,
}

/// How a step was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Observation {
    /// As applied.
    InSync,
    /// Otherwise than applied.
    Differs {
        /// What was found, in words: "content differs (12 bytes, not 120)", "stopped".
        what: String,
    },
    /// It could not be found out.
    Unknown {
        /// Why.
        because: String,
    },
}

/// What the node's journal knows of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum OperationState {
    /// Never begun here.
    Unseen,
    /// Begun and not finished, and no agent is at work on it.
    Broken,
    /// An agent is at work on it.
    Running,
    /// Done.
    Done {
        /// Whether the node was changed.
        changed: bool,
        /// What was there before.
        prior: Prior,
        /// What the step found out.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        outputs: BTreeMap<String, serde_json::Value>,
    },
    /// It failed.
    Failed {
        /// What went wrong.
        message: String,
    },
}
