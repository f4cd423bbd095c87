//! How an execution ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::journal::FailedClass;
use crate::state::StateError;

/// How an execution ended; each has an exit code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything was done.
    Done,
    /// Something failed, and nothing was changed.
    Failed,
    /// Something failed, other things were changed.
    Partial,
    /// It was cancelled; the same plan goes on with it.
    Interrupted,
    /// It was not begun.
    Refused,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// How many objects and steps were changed.
    pub changed: usize,
    /// What failed.
    pub failed: Vec<Failure>,
    /// What was not done because of that.
    pub blocked: Vec<Blocked>,
    /// Nodes that the plan leaves out and that have something to be done: the deploy is not complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// What the deploy hands out; empty unless it is done.
    pub outputs: BTreeMap<String, serde_json::Value>,
}

/// Something that failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The node; for other objects, the object: `network/front`.
    pub node: String,
    /// `run.step`; nothing if it is not about a step.
    pub step: Option<String>,
    /// Why, in one line.
    pub message: String,
    /// The last lines that the failing program printed; may be empty.
    pub detail: String,
    /// What to do about it.
    pub help: Option<String>,
    /// A stable code such as `E1201`.
    pub code: String,
}

impl Failure {
    /// What failed, in words: `web-1/pages.index`.
    pub fn subject(&self) -> String {
        match &self.step {
            Some(step) => format!("{}/{step}", self.node),
            None => self.node.clone(),
        }
    }
}

/// Something that was not done, because something that it needs failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// What was not done: `web-1/pages`, `machine/web-1`.
    pub subject: String,
    /// What failed: `web-1/pages.index`; or what is not done because the plan leaves it out: `left out: web-1/pages`.
    pub cause: String,
}

impl Blocked {
    /// The subjects of the failures that its cause names; of a rollout whose budget is spent, the first few.
    pub fn causes(&self) -> impl Iterator<Item = &str> {
        let list = match self.cause.rsplit_once(" and ") {
            Some((list, more)) if more.ends_with(" more") => list,
            _ => &self.cause,
        };
        list.split(", ")
    }
}

/// Why nothing could be executed, or no more could be.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExecuteError {
    /// The state refused, or could not be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The backend could not be asked what is there.
    #[error("cannot ask the backend {what}: {cause}")]
    Backend {
        /// `what is there`, `what became of machine/web-1`.
        what: String,
        /// Its answer.
        cause: Box<crate::backend::BackendError>,
    },
    /// The plan cannot be carried out as it is.
    #[error("the plan is not well formed: {0}")]
    Malformed(String),
    /// A secret is not there, or another one.
    #[error(transparent)]
    Secret(#[from] crate::secrets::SecretError),
    /// There is no such deploy.
    #[error("deploy `{0}` was never applied here")]
    UnknownDeploy(String),
    /// The program was told to leave at once.
    #[error("interrupted; what is in flight is looked up next time")]
    Left,
}

impl ExecuteError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            ExecuteError::State(error) => error.code(),
            ExecuteError::Backend { cause, .. } => cause.code,
            ExecuteError::Malformed(_) => "E1108",
            ExecuteError::Secret(error) => error.code,
            ExecuteError::UnknownDeploy(_) => "E1011",
            ExecuteError::Left => "E1207",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            ExecuteError::State(error) => Some(error.help()),
            ExecuteError::Backend { cause, .. } => cause.help.clone(),
            ExecuteError::Secret(error) => Some(error.help.clone()),
            ExecuteError::Malformed(_) => Some("make the plan anew with `rebar plan`".to_owned()),
            ExecuteError::UnknownDeploy(_) => Some("`rebar status` lists what was applied".to_owned()),
            ExecuteError::Left => {
                Some("apply again: the same plan goes on where it was broken off".to_owned())
            }
        }
    }

    /// The status that goes with it.
    pub fn status(&self) -> Status {
        match self {
            ExecuteError::State(error) if error.is_refusal() => Status::Refused,
            ExecuteError::Malformed(_) | ExecuteError::UnknownDeploy(_) | ExecuteError::Secret(_) => {
                Status::Refused
            }
            ExecuteError::Left => Status::Interrupted,
            ExecuteError::State(_) | ExecuteError::Backend { .. } => Status::Failed,
        }
    }
}

/// Why a piece of work ended without being done.
#[derive(Debug, Clone)]
pub enum Stop {
    /// It failed for good.
    Failed(Box<Failure>),
    /// It needs what has failed already, for everybody: this.
    Blocked(Box<Failure>),
    /// It was told to start nothing new.
    Interrupted,
    /// The journal does not take lines any more: nothing may be changed.
    Halt(StateError),
}

impl From<StateError> for Stop {
    fn from(error: StateError) -> Self {
        Stop::Halt(error)
    }
}

impl From<rebar_agent::protocol::FailureClass> for FailedClass {
    fn from(class: rebar_agent::protocol::FailureClass) -> Self {
        use rebar_agent::protocol::FailureClass;
        match class {
            FailureClass::Transient => FailedClass::Transient,
            FailureClass::Busy => FailedClass::Busy,
            FailureClass::Ambiguous => FailedClass::Ambiguous,
            FailureClass::Terminal => FailedClass::Terminal,
        }
    }
}
