//! Exit codes: scripts rely on them, so each says one thing.

use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    Done,
    /// The spec has errors, or the command failed and changed nothing more.
    Failed,
    /// The command line was wrong. clap uses the same number.
    Usage,
    /// There are changes: `plan --exit-code`, `compare`, `drift`, `fmt --check`.
    Changes,
    /// Refused, and nothing was touched: a stale plan, another apply at work, a foreign object.
    Refused,
    /// Some things were done and some failed; apply again when the cause is mended.
    Partial,
    /// Interrupted; apply again to go on.
    Interrupted,
    /// A node could not be asked.
    Unknown,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Changes => 3,
            Exit::Refused => 4,
            Exit::Partial => 5,
            Exit::Interrupted => 6,
            Exit::Unknown => 7,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
