//! One suite over every backend: what the contract promises, held against what a backend does.
//!
//! A [`Check`] is data: an id, a title, and the clause of the contract (`backend.rs`) or the invariant it holds the
//! backend to. It works in [`Bed`]s, each a scope and a range of addresses of its own. [`run`] carries the checks out one
//! after the other; after each, what it made is destroyed, and what is still there is a failure of that check.
//!
//! Some checks kill the program that uses the backend. They start this very program again, so a program that runs the
//! suite must begin its `main` with [`controller::is_controller`] and [`controller::run`].
//!
//! Everything happens in a folder of its own (see [`Premises`]), whose machines the next run takes away should this
//! program be killed.

mod bed;
mod checks;
pub mod controller;
mod crash;
mod hosts;
mod premises;
mod project;
mod report;
mod run;

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;

pub use bed::Bed;
pub use checks::CHECKS;
pub use hosts::{Foreign, Host, Planted, of as host_of};
pub use premises::Premises;
pub use report::{Outcome, Report, Verdict};
pub use run::{Told, run, sweep};

use crate::backend::{Backend, BackendError, Folders};

/// Makes the backend that is examined, for the folders that it is to use.
pub type Factory = Arc<dyn Fn(&Folders) -> Arc<dyn Backend> + Send + Sync>;

/// One promise, and how it is examined.
pub struct Check {
    /// Unique, `group.name`; `--only` looks for it.
    pub id: &'static str,
    /// What holds when it passes, as a sentence.
    pub title: &'static str,
    /// The clause of the contract or the invariant.
    pub promise: &'static str,
    /// So many seconds it may take; then it has failed.
    pub patience: u64,
    examine: for<'a> fn(&'a Ground) -> BoxFuture<'a, Kept>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.id)
    }
}

/// What a check comes to: nothing, or why not.
pub(crate) type Kept = Result<(), Stop>;

/// Why a check ends before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The promise is not kept.
    Failed(String),
    /// The backend does not promise it.
    DoesNotApply(String),
}

impl From<BackendError> for Stop {
    fn from(error: BackendError) -> Stop {
        let detail = error.detail.lines().last().unwrap_or_default();
        let text = format!("{}: {} {detail}", error.code, error.message);
        Stop::Failed(text.trim().to_owned())
    }
}

impl From<String> for Stop {
    fn from(text: String) -> Stop {
        Stop::Failed(text)
    }
}

/// Ends a check unless the condition holds.
macro_rules! hold {
    ($condition:expr, $($text:tt)+) => {{
        let holds: bool = $condition;
        if !holds {
            return Err($crate::conformance::Stop::Failed(format!($($text)+)));
        }
    }};
}
pub(crate) use hold;

/// What is examined, and how to get at it.
#[derive(Clone)]
pub struct Target {
    /// The backend's name, as specs have it.
    pub name: String,
    /// Makes it.
    pub make: Factory,
    /// What only this backend's host knows: somebody else's things, and traces of ours.
    pub host: Arc<dyn Host>,
    /// Where machines of the suite may stand: a folder of its own is made in it.
    pub base: PathBuf,
    /// Where images are kept; those stay.
    pub cache: PathBuf,
    /// The program dies at every line of the journal (1), or at each so many-th, where time is short.
    pub stride: u8,
}

/// What a check works on.
pub(crate) struct Ground {
    target: Target,
    premises: Arc<Premises>,
    /// The second part of the addresses, `10.x`.
    range: u8,
    beds: std::sync::atomic::AtomicU8,
}

impl Ground {
    fn folders(&self) -> Folders {
        self.premises.folders(&self.target.cache)
    }

    /// A scope and a range of addresses that nobody else has.
    pub(crate) fn bed(&self) -> Result<Bed, Stop> {
        let number = self.beds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let deploy_id = uuid::Uuid::new_v4().to_string();
        let scope = crate::backend::Scope {
            deploy: format!("conformance-{}", &deploy_id[..8]),
            deploy_id,
        };
        self.premises.note(&scope)?;
        Ok(Bed::new(self, scope, number))
    }
}
