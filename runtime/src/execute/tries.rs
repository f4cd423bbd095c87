//! What failed on a lane: whether it is tried again, and what it means to a person.

use std::time::Duration;

use rebar_agent::protocol::FailureClass;

use super::outcome::Failure;
use crate::observe::LineError;

/// How often the step in hand was tried, and how long that took.
#[derive(Default)]
pub(super) struct Tries {
    head: Option<usize>,
    /// So many attempts that count.
    pub(super) count: u32,
    /// All attempts with the pauses between them.
    pub(super) spent: Duration,
    /// Whether a person was asked.
    pub(super) asked: bool,
}

impl Tries {
    /// The step in hand: another one begins anew.
    pub(super) fn of(&mut self, step: usize) -> &mut Tries {
        if self.head != Some(step) {
            *self = Tries {
                head: Some(step),
                ..Tries::default()
            };
        }
        self
    }
}

/// Whether something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// No.
    No,
    /// As often as anything that may pass by itself.
    Counted,
    /// As long as time allows: somebody else is at work there. Not earlier than this, if that was said.
    Uncounted(Option<Duration>),
}

impl Waits {
    /// After a step that failed.
    pub(super) fn of(class: FailureClass) -> Waits {
        match class {
            FailureClass::Transient => Waits::Counted,
            FailureClass::Busy => Waits::Uncounted(None),
            FailureClass::Ambiguous | FailureClass::Terminal => Waits::No,
        }
    }

    /// When whoever is busy wants to be asked again, if that was said.
    pub(super) fn retry_after(self) -> Option<Duration> {
        match self {
            Waits::Uncounted(retry_after) => retry_after,
            Waits::Counted | Waits::No => None,
        }
    }

    /// After a line that broke.
    pub(super) fn after(error: &LineError) -> Waits {
        match error {
            // Nobody but the backend itself was asked: it is waited for elsewhere.
            LineError::Open(error) if error.is_of_backend() => Waits::Uncounted(None),
            LineError::Open(error) if error.class == FailureClass::Busy => {
                Waits::Uncounted(error.retry_after)
            }
            // Another agent is at work on the node.
            LineError::Refused { code, .. } if code == "E1305" => Waits::Uncounted(None),
            // Who was waited for that long is not waited for again.
            LineError::Silent(_) => Waits::No,
            error if hopeless(error) => Waits::No,
            LineError::Open(_)
            | LineError::Broken { .. }
            | LineError::Nonsense(_)
            | LineError::Refused { .. } => Waits::Counted,
        }
    }
}

/// Whether trying again cannot help.
pub(super) fn hopeless(error: &LineError) -> bool {
    match error {
        LineError::Open(error) => error.class == FailureClass::Terminal && !error.is_of_backend(),
        LineError::Broken { .. } | LineError::Silent(_) => false,
        LineError::Nonsense(_) | LineError::Refused { .. } => true,
    }
}

/// What a broken line means to a person.
pub(super) fn line_failed(node: &str, error: LineError) -> Failure {
    let node = node.to_owned();
    let step = None;
    let message = error.to_string();
    match error {
        LineError::Open(error) => {
            let code = error.code.to_owned();
            Failure {
                node,
                step,
                message,
                detail: error.detail,
                help: error.help,
                code,
            }
        }
        LineError::Broken { detail } => {
            let help = Some(format!("see whether `{node}` is well, then apply again"));
            Failure {
                node,
                step,
                message,
                detail,
                help,
                code: "E1202".to_owned(),
            }
        }
        LineError::Silent(_) => {
            let help = Some(format!("see whether `{node}` is well, then apply again"));
            Failure {
                node,
                step,
                message,
                detail: String::new(),
                help,
                code: "E1202".to_owned(),
            }
        }
        LineError::Nonsense(_) => {
            let help = Some("the agent and this program must be of the same build; see what stands before its answers on that node".to_owned());
            Failure {
                node,
                step,
                message,
                detail: String::new(),
                help,
                code: "E1203".to_owned(),
            }
        }
        LineError::Refused { code, .. } => Failure {
            node,
            step,
            message,
            detail: String::new(),
            help: None,
            code,
        },
    }
}
