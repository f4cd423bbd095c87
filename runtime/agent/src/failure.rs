//! Why something did not work.

use std::io;

use crate::protocol::FailureClass;

/// A failure of one step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// Whether trying again can help.
    pub(crate) class: FailureClass,
    /// What went wrong, in one line.
    pub(crate) message: String,
    /// The last lines that the failing program printed; may be empty.
    pub(crate) detail: String,
}

impl Failure {
    /// It will fail again until somebody changes something.
    pub(crate) fn terminal(message: impl Into<String>) -> Failure {
        Failure {
            class: FailureClass::Terminal,
            message: message.into(),
            detail: String::new(),
        }
    }

    /// It may pass by itself.
    pub(crate) fn transient(message: impl Into<String>) -> Failure {
        Failure {
            class: FailureClass::Transient,
            message: message.into(),
            detail: String::new(),
        }
    }

    /// Somebody else is at work there.
    pub(crate) fn busy(message: impl Into<String>) -> Failure {
        Failure {
            class: FailureClass::Busy,
            message: message.into(),
            detail: String::new(),
        }
    }

    /// A call to the system failed while doing `what` ("write `/etc/hosts`").
    pub(crate) fn system(what: impl AsRef<str>, error: &io::Error) -> Failure {
        let class = match error.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy => {
                FailureClass::Transient
            }
            _ => FailureClass::Terminal,
        };
        Failure {
            class,
            message: format!("cannot {}: {error}", what.as_ref()),
            detail: String::new(),
        }
    }

    /// The same with the last lines of a program's output.
    pub(crate) fn with_detail(self, detail: impl Into<String>) -> Failure {
        Failure {
            detail: detail.into(),
            ..self
        }
    }
}

/// Names the attempted operation of a call that failed.
pub(crate) trait Attempt<T> {
    /// Turns the error into a failure that tells what was attempted.
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::system(what(), &error))
    }
}

/// A refusal of a whole request; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// A stable code: `E1301` …
    pub(crate) code: &'static str,
    /// Why.
    pub(crate) message: String,
}

impl Refusal {
    /// The request cannot be read.
    pub(crate) fn unreadable(message: impl Into<String>) -> Refusal {
        Refusal {
            code: "E1301",
            message: message.into(),
        }
    }

    /// The controller speaks another version of the protocol.
    pub(crate) fn protocol(message: impl Into<String>) -> Refusal {
        Refusal {
            code: "E1302",
            message: message.into(),
        }
    }

    /// The node belongs to another deploy.
    pub(crate) fn other_deploy(message: impl Into<String>) -> Refusal {
        Refusal {
            code: "E1303",
            message: message.into(),
        }
    }

    /// A newer writer has been here.
    pub(crate) fn stale_epoch(message: impl Into<String>) -> Refusal {
        Refusal {
            code: "E1304",
            message: message.into(),
        }
    }

    /// Another agent is at work.
    pub(crate) fn busy(message: impl Into<String>) -> Refusal {
        Refusal {
            code: "E1305",
            message: message.into(),
        }
    }

    /// The node's journal cannot be read or written.
    pub(crate) fn journal(message: impl Into<String>) -> Refusal {
        Refusal {
            code: "E1306",
            message: message.into(),
        }
    }

    /// A step cannot be understood.
    pub(crate) fn bad_step(message: impl Into<String>) -> Refusal {
        Refusal {
            code: "E1307",
            message: message.into(),
        }
    }
}
