//! What can go wrong with the state, each with its code and what to do about it.

use std::path::PathBuf;

/// Why something could not be read from, or written to, the state.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateError {
    /// The file is something else.
    #[error("`{path}` is not a state file of rebar: {found}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// The file was cut short or overwritten in parts.
    #[error("the state file `{path}` is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A later rebar made the file.
    #[error("the state file `{path}` has format {found}, this rebar knows format {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The file's format.
        found: i64,
        /// The format that this program reads and writes.
        known: i64,
    },
    /// Permissions, or a read-only file system.
    #[error("cannot {what} the state `{path}`: {cause}")]
    Denied {
        /// `create`, `open`, `write`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause in the operating system's words.
        cause: String,
    },
    /// No space left.
    #[error("cannot {what} the state `{path}`: no space left on its file system")]
    Full {
        /// `create`, `open`, `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Another program has the file locked.
    #[error("the state `{path}` is locked by another program")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Any other failure of the database or the disk.
    #[error("cannot {what} the state `{path}`: {cause}")]
    Failed {
        /// `create`, `open`, `read`, `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause in SQLite's or the operating system's words.
        cause: String,
    },
    /// Somebody else applies this deploy.
    #[error("deploy `{deploy}` is being changed by process {pid} on `{host}`, since {since}")]
    Leased {
        /// The deploy.
        deploy: String,
        /// The holder's process.
        pid: u32,
        /// The holder's machine.
        host: String,
        /// When the holder began, such as `2026-02-03 14:05:06 UTC`.
        since: String,
    },
    /// Somebody else took the lease over; nothing more is written.
    #[error(
        "the lease on deploy `{deploy}` was taken over by another process (epoch {current}, ours {ours})"
    )]
    LeaseLost {
        /// The deploy.
        deploy: String,
        /// Our epoch.
        ours: u64,
        /// The epoch that is current.
        current: u64,
    },
    /// The deploy stands elsewhere.
    #[error("deploy `{deploy}` stands on site `{recorded}` (backend `{backend}`), not on {wanted}")]
    OtherSite {
        /// The deploy.
        deploy: String,
        /// Where it stands.
        recorded: String,
        /// The backend that made it.
        backend: String,
        /// Where it was looked for, in words.
        wanted: String,
    },
    /// The backend speaks for another engine or host than the one that made the machines.
    #[error("the machines of deploy `{deploy}` are on {recorded}, and this is {found}")]
    OtherEngine {
        /// The deploy.
        deploy: String,
        /// Who made them, in the backend's words.
        recorded: String,
        /// Who answers now.
        found: String,
    },
    /// A document that would take something away from what is here.
    #[error("the document is not a later state of what is here: {what}")]
    NotLater {
        /// Why.
        what: String,
    },
    /// A document that is none, or was changed.
    #[error("the document cannot be taken over: {what}")]
    Document {
        /// What is wrong with it.
        what: String,
    },
    /// A change of the record that would lose track of something.
    #[error("{what}")]
    Surgery {
        /// What is refused, and why.
        what: String,
        /// What to do about it.
        help: String,
    },
    /// A line that cannot follow what the journal holds.
    #[error("the journal cannot take `{kind}` of {subject}: {because}")]
    Contradiction {
        /// `intent`, `done` …
        kind: &'static str,
        /// What the line is about.
        subject: String,
        /// Why.
        because: String,
    },
    /// The plan may not be carried out on this state.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Why a plan may not open a run on this state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The deploy's state has changed since.
    #[error("stale plan: made from serial {made} of deploy `{deploy}`, which is now at {now}")]
    Stale {
        /// The deploy.
        deploy: String,
        /// The plan's base.
        made: u64,
        /// The current serial.
        now: u64,
    },
    /// The plan comes from another state.
    #[error("the plan was made from another state: its deploy `{deploy}` is not the one recorded here")]
    OtherState {
        /// The deploy.
        deploy: String,
    },
    /// Another deploy has since been given a name or an address that this plan gives.
    #[error("stale plan: since it was made, {what} of site `{site}` was given away")]
    LedgerTaken {
        /// The site.
        site: String,
        /// What: "address `10.0.0.3` on `front`".
        what: String,
    },
    /// The plan has been carried out.
    #[error("this plan has already been carried out: its run was closed as `{outcome}`")]
    Consumed {
        /// The outcome of its run.
        outcome: String,
    },
}

impl Refusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Stale { .. } => "E1104",
            Refusal::OtherState { .. } => "E1105",
            Refusal::LedgerTaken { .. } => "E1106",
            Refusal::Consumed { .. } => "E1107",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Refusal::Stale { deploy, .. } | Refusal::OtherState { deploy } => {
                format!("plan again: `rebar plan {deploy}`")
            }
            Refusal::LedgerTaken { .. } => "plan again, other names or addresses will be chosen".to_owned(),
            Refusal::Consumed { .. } => "plan again to see whether anything is left to do".to_owned(),
        }
    }
}

impl StateError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            StateError::Foreign { .. } => "E1001",
            StateError::Denied { .. } => "E1002",
            StateError::Damaged { .. } => "E1003",
            StateError::Newer { .. } => "E1004",
            StateError::Leased { .. } => "E1005",
            StateError::LeaseLost { .. } => "E1006",
            StateError::Full { .. } => "E1007",
            StateError::Busy { .. } | StateError::Failed { .. } => "E1008",
            StateError::OtherSite { .. } => "E1009",
            StateError::Contradiction { .. } => "E1010",
            StateError::OtherEngine { .. } => "E1012",
            StateError::NotLater { .. } => "E1013",
            StateError::Document { .. } => "E1014",
            StateError::Surgery { .. } => "E1015",
            StateError::Refused(refusal) => refusal.code(),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            StateError::Foreign { path, .. } => {
                format!(
                    "nothing was changed; move `{}` away if it does not belong there",
                    path.display()
                )
            }
            StateError::Damaged { path, .. } => format!(
                "nothing was changed; move `{}` away, then put a copy in its place (`rebar state backup` makes them, `.rebar/backups` keeps some), or make the record anew from what stands: `rebar state rebuild <deploy>`",
                path.display()
            ),
            StateError::Newer { .. } => "use the newer rebar; nothing was changed".to_owned(),
            StateError::Denied { cause, .. } if cause == READ_ONLY => {
                "mount it writable, then run the same command again; nothing was changed".to_owned()
            }
            StateError::Denied { path, .. } => {
                format!(
                    "make `{}` and its folder writable for this user, or run as its owner",
                    path.display()
                )
            }
            StateError::Full { .. } => {
                "free some space, then run the same command again; what was recorded stays recorded"
                    .to_owned()
            }
            StateError::Busy { .. } => "wait until it is done, then try again".to_owned(),
            StateError::Failed { .. } => "look at the cause, then try again".to_owned(),
            StateError::Leased { pid, host, .. } => format!(
                "wait until it is done, or stop it (process {pid} on `{host}`); the lease of a process that is gone is taken over by itself"
            ),
            StateError::LeaseLost { .. } => {
                "nothing more was changed; see what the other run does with `rebar status`, then plan again"
                    .to_owned()
            }
            StateError::OtherSite { deploy, recorded, .. } => format!(
                "destroy it there first (`rebar destroy {deploy}`), or point the deploy back to site `{recorded}` as it was"
            ),
            StateError::Contradiction { .. } => {
                "this is a defect of rebar, please report it; the state is as it was before".to_owned()
            }
            StateError::OtherEngine { deploy, .. } => format!(
                "nothing was changed; use the engine that has them (`DOCKER_HOST`, `REBAR_DATA`), or, if it is gone for good, \
                 `rebar state forget {deploy}`"
            ),
            StateError::NotLater { .. } => {
                "nothing was changed; to look at the document, import it in another folder with `-C`"
                    .to_owned()
            }
            StateError::Document { .. } => {
                "nothing was changed; give a file that `rebar state export` wrote, as it was written"
                    .to_owned()
            }
            StateError::Surgery { help, .. } => help.clone(),
            StateError::Refused(refusal) => refusal.help(),
        }
    }

    /// Whether it is a refusal: nothing was touched, and something else has to be done first.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            StateError::Refused(_)
                | StateError::Leased { .. }
                | StateError::OtherSite { .. }
                | StateError::OtherEngine { .. }
                | StateError::NotLater { .. }
                | StateError::Surgery { .. }
        )
    }
}

/// What happens inside a transaction, before the file's path is known.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite's answer.
    Sql(rusqlite::Error),
    /// A row that does not read back.
    Row(String),
    /// An answer of ours.
    State(StateError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sql(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Fault::Row(error.to_string())
    }
}

impl From<StateError> for Fault {
    fn from(error: StateError) -> Self {
        Fault::State(error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::State(StateError::Refused(refusal))
    }
}

impl Fault {
    /// The error for a caller who wanted to `what` the state at `path`.
    pub(crate) fn at(self, path: &std::path::Path, what: &'static str) -> StateError {
        use rusqlite::ErrorCode;
        let path = path.to_path_buf();
        let error = match self {
            Fault::State(error) => return error,
            Fault::Row(cause) => {
                return StateError::Damaged {
                    path,
                    what: format!("a row does not read back ({cause})"),
                };
            }
            Fault::Sql(error) => error,
        };
        let cause = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StateError::Full { what, path },
            Some(ErrorCode::SystemIoFailure) if no_space(&path) => StateError::Full { what, path },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                if no_space(&path) {
                    StateError::Full { what, path }
                } else {
                    let cause = if read_only(&path) {
                        READ_ONLY.to_owned()
                    } else {
                        cause
                    };
                    StateError::Denied { what, path, cause }
                }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StateError::Damaged { path, what: cause }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StateError::Busy { path },
            Some(_) | None => StateError::Failed { what, path, cause },
        }
    }
}

/// Why a file on such a file system cannot be written.
const READ_ONLY: &str = "its file system is mounted read-only";

/// Whether the file system of `path` is mounted read-only.
fn read_only(path: &std::path::Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    rustix::fs::statvfs(folder).is_ok_and(|s| s.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// Whether the file system of `path` has no space left for this user.
fn no_space(path: &std::path::Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    rustix::fs::statvfs(folder).is_ok_and(|s| s.f_bavail == 0)
}
