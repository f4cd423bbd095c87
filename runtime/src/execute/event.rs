//! What an execution tells while it goes on: for progress bars and JSON lines alike.

use std::sync::Arc;

use rebar_compiler::plan::GateMode;
use serde::{Deserialize, Serialize};

use super::outcome::Status;

/// Where events go. It is called from several threads and must not block.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// Something that happened. Subjects are `image/bookworm`, `network/front`, `machine/web-1`, `names`,
/// `web-1/pages` (a segment) or `web-1/pages.index` (a step).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The process that held the lease before is gone.
    LeaseTakenOver {
        /// The deploy.
        deploy: String,
    },
    /// A run is open.
    RunOpened {
        /// Its id.
        run: String,
        /// The deploy.
        deploy: String,
        /// Whether it goes on with what was broken off.
        resumed: bool,
        /// How many changes of objects there are to make, at most.
        objects: usize,
        /// How many steps there are to carry out, at most.
        steps: usize,
    },
    /// It was found out what became of a change whose answer was lost.
    Recovered {
        /// What it was about.
        subject: String,
        /// What was found, in words.
        found: String,
    },
    /// A change of an object begins.
    ObjectStarted {
        /// The object.
        subject: String,
        /// What is being done: `create`, `start`, `destroy`, `prepare`, `publish`.
        action: String,
    },
    /// How far it is.
    ObjectProgress {
        /// The object.
        subject: String,
        /// One line.
        text: String,
    },
    /// It is done.
    ObjectDone {
        /// The object.
        subject: String,
        /// What was done, in a few words.
        note: String,
    },
    /// It failed for good.
    ObjectFailed {
        /// The object.
        subject: String,
        /// Why.
        message: String,
    },
    /// A lane's segment begins.
    SegmentStarted {
        /// The node.
        node: String,
        /// The run.
        run: String,
        /// How many steps there are to carry out.
        steps: usize,
    },
    /// A step begins.
    StepStarted {
        /// The node.
        node: String,
        /// `run.step`.
        step: String,
    },
    /// How far it is.
    StepProgress {
        /// The node.
        node: String,
        /// `run.step`.
        step: String,
        /// One line.
        text: String,
    },
    /// It is done.
    StepDone {
        /// The node.
        node: String,
        /// `run.step`.
        step: String,
        /// Whether the node was changed.
        changed: bool,
        /// What was done, in a few words.
        note: String,
    },
    /// It failed for good.
    StepFailed {
        /// The node.
        node: String,
        /// `run.step`.
        step: String,
        /// Why.
        message: String,
    },
    /// Something failed that may pass by itself.
    Retrying {
        /// What is tried again.
        subject: String,
        /// The attempt that comes next.
        attempt: u32,
        /// Pause before it, in milliseconds.
        pause: u64,
        /// Why the last one failed.
        message: String,
    },
    /// As much of a run is done as another one waited for.
    GateOpened {
        /// The run that waited.
        of: String,
        /// The run that it waited for.
        after: String,
        /// How much of that was to be done.
        mode: GateMode,
    },
    /// A batch of a rollout is done and rests.
    Settling {
        /// The run.
        run: String,
        /// How long, in milliseconds.
        pause: u64,
    },
    /// A node goes without what was to be done on it before.
    LeaveSkipped {
        /// The node.
        node: String,
        /// Why.
        because: String,
    },
    /// Something is not done, because something else failed.
    Blocked {
        /// What is not done.
        subject: String,
        /// What failed.
        cause: String,
    },
    /// The backend itself does not answer; nothing calls it until it does.
    BackendSilent {
        /// Its name.
        backend: String,
        /// What it last said, or did not.
        message: String,
        /// When it is looked at again, in milliseconds.
        pause: u64,
    },
    /// It answers again.
    BackendAnswers {
        /// Its name.
        backend: String,
    },
    /// A person is asked what became of a step.
    Asking {
        /// The step: `web-1/cluster.init`.
        subject: String,
    },
    /// The person has answered, or will not.
    Answered {
        /// The step.
        subject: String,
    },
    /// Nothing new is started any more.
    Interrupting,
    /// The run has ended.
    Closed {
        /// How.
        status: Status,
    },
}
