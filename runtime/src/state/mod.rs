//! The state of a project: one SQLite file with the ledger, the journal, and the record of what stands.
//!
//! All access goes through one thread (see `writer`), so that nothing here blocks the caller's executor. Every
//! answer is durable when it arrives.

mod backup;
mod copy;
mod document;
mod durations;
mod engine;
mod error;
mod held;
mod history;
mod ids;
mod inspect;
mod lease;
mod ledger;
mod open;
mod practice;
mod record;
mod rehearsals;
mod rename;
mod runs;
mod sound;
mod store;
mod surgery;
mod writer;

pub use copy::DeployCopy;
pub use document::{Document, SCHEMA_VERSION, schema};
pub(crate) use durations::step_measured_as;
pub use durations::{Durations, measured_as, usual};
pub use error::{Refusal, StateError};
pub use history::HistoryRun;
pub use inspect::{HolderView, Inspected, InspectedMachine, InspectedStep, LedgerEntry, Unended};
pub use lease::{Lease, Token};
pub use practice::{Practice, Practised, Where};
pub use record::{DeployRecord, NodeDetail};
pub use rehearsals::KeptRehearsal;
pub use runs::{CloseAs, HistoryLine, Opened, Opening, OperationState, RunKind, RunRecord};
pub use surgery::group_of;

use error::Fault;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::clock::{Clock, SystemClock};
use ids::Ids;
use writer::Writer;

/// The name of the state file in a project's state folder.
pub const FILE: &str = "state.db";

/// An open state file. Clones share it.
#[derive(Clone)]
pub struct State {
    writer: Arc<Writer>,
    path: PathBuf,
    clock: Arc<dyn Clock>,
    ids: Ids,
    /// Where the process seems to run, if not here.
    host: Option<String>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Opens the state file `path` (`<project>/.rebar/state.db`); makes it, private to its user, if there is none.
    ///
    /// # Errors
    /// [`StateError`] when the file is foreign, damaged, of a later format, or cannot be opened or made. Nothing
    /// is overwritten then.
    pub fn open(path: &Path) -> Result<State, StateError> {
        let (connection, held) = open::open(path)?;
        let writer = Writer::start(path, connection, held).map_err(|error| StateError::Failed {
            what: "open",
            path: path.to_path_buf(),
            cause: error.to_string(),
        })?;
        Ok(State {
            writer: Arc::new(writer),
            path: path.to_path_buf(),
            clock: Arc::new(SystemClock),
            ids: Ids::default(),
            host: None,
        })
    }

    /// A state that is in memory only, with a clock of its own and ids that follow from `seed`: for rehearsals and simulations. It is never fsynced
    /// and answers on the caller's thread, so that the same seed takes the same course.
    ///
    /// # Errors
    /// When SQLite cannot be set up.
    pub fn in_memory(clock: Arc<dyn Clock>, seed: u64) -> Result<State, StateError> {
        let path = PathBuf::from(":memory:");
        let connection = open::in_memory().map_err(|error| Fault::Sql(error).at(&path, "open"))?;
        Ok(State {
            writer: Arc::new(Writer::inline(&path, connection)),
            path,
            clock,
            ids: Ids::seeded(seed),
            host: None,
        })
    }

    /// Opens the state in a project's state folder.
    ///
    /// # Errors
    /// Those of [`State::open`].
    pub fn in_folder(folder: &Path) -> Result<State, StateError> {
        State::open(&folder.join(FILE))
    }

    /// The same state as a process on `host` sees it, which cannot look at the processes of other hosts: two of them
    /// can be simulated in one process.
    pub fn seen_from(&self, host: &str) -> State {
        State {
            host: Some(host.to_owned()),
            ..self.clone()
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn submit<T, F>(&self, writes: bool, work: F) -> oneshot::Receiver<Result<T, StateError>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.writer.submit(writes, work)
    }

    async fn write<T, F>(&self, work: F) -> Result<T, StateError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.submit(true, work)
            .await
            .unwrap_or_else(|_| Err(self.writer.gone()))
    }

    async fn read<T, F>(&self, work: F) -> Result<T, StateError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.submit(false, work)
            .await
            .unwrap_or_else(|_| Err(self.writer.gone()))
    }
}

/// Milliseconds since 1970 as people write them: `2026-02-03 14:05:06 UTC`.
pub fn utc(milliseconds: i64) -> String {
    let seconds = milliseconds.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, so that the leap day is the last of its year.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_written_as_people_write_them() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_767_225_599_999), "2025-12-31 23:59:59 UTC");
    }
}
