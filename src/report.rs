//! How failures outside of specs are told: one code, one line, and what to do.

use rebar_runtime::backend::BackendError;
use rebar_runtime::observe::ObserveError;
use rebar_runtime::state::StateError;

use crate::exit::Exit;
use crate::render::palette::{Palette, plain};

/// A failure of the runtime, told to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// A stable code; `rebar explain` knows it.
    pub(crate) code: String,
    /// What went wrong, in one line.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
    /// The last lines that a failing program printed; may be empty.
    pub(crate) detail: String,
    /// How the program ends because of it.
    pub(crate) exit: Exit,
}

impl Failure {
    /// A failure that ends the program with [`Exit::Failed`].
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Failure {
        Failure {
            code: code.to_owned(),
            message: message.into(),
            help: None,
            detail: String::new(),
            exit: Exit::Failed,
        }
    }

    /// Says what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }

    /// Ends the program otherwise.
    pub(crate) fn exit(mut self, exit: Exit) -> Failure {
        self.exit = exit;
        self
    }

    /// As text, several lines, ending in a newline.
    pub(crate) fn text(&self, paint: Palette) -> String {
        let mut out = format!(
            "{} {}\n",
            paint.remove(&format!("error[{}]:", plain(&self.code))),
            lines(&self.message)
        );
        for line in self.detail.lines() {
            out.push_str(&paint.faint(&format!("  | {}", plain(line))));
            out.push('\n');
        }
        if let Some(help) = &self.help {
            out.push_str(&format!("  {} {}\n", paint.change("help:"), lines(help)));
        }
        out
    }
}

/// Text that may have several lines, each plain.
fn lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

impl Failure {
    /// A failure of a backend.
    pub(crate) fn from_backend(error: &BackendError) -> Failure {
        Failure {
            code: error.code.to_owned(),
            message: error.message.clone(),
            help: error.help.clone(),
            detail: error.detail.clone(),
            exit: Exit::Failed,
        }
    }

    /// A failure of the state.
    pub(crate) fn from_state(error: &StateError) -> Failure {
        let exit = if error.is_refusal() {
            Exit::Refused
        } else {
            Exit::Failed
        };
        Failure::new(error.code(), error.to_string())
            .help(error.help())
            .exit(exit)
    }

    /// A failure of looking at what stands.
    pub(crate) fn from_observe(error: &ObserveError) -> Failure {
        match error {
            ObserveError::State(error) => Failure::from_state(error),
            ObserveError::Backend(error) => Failure::from_backend(error),
        }
    }
}
