//! Plans as files: `{"hash": …, "plan": {…}}`, so that what is reviewed is what is applied.

use std::io::Write;
use std::path::{Path, PathBuf};

use rebar_compiler::plan::{self, Plan};
use serde::{Deserialize, Serialize};

/// Largest plan file that is read, in bytes.
const LARGEST: u64 = 1 << 30;

#[derive(Serialize)]
struct Written<'a> {
    hash: &'a str,
    plan: &'a Plan,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    hash: String,
    plan: serde_json::Value,
}

/// Why a plan file was not written or not read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PlanFileError {
    /// The file system refused.
    #[error("cannot {what} the plan `{path}`: {cause}")]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause in the operating system's words.
        cause: String,
    },
    /// It is something else, or was cut short.
    #[error("`{path}` is not a plan: {cause}")]
    NotAPlan {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// It was changed since it was written.
    #[error("the plan `{path}` was changed after it was made: its hash does not fit")]
    Edited {
        /// The file.
        path: PathBuf,
    },
}

impl PlanFileError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            PlanFileError::Io { .. } => "E1101",
            PlanFileError::NotAPlan { .. } => "E1102",
            PlanFileError::Edited { .. } => "E1103",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            PlanFileError::Io { path, .. } => {
                format!("see that `{}` and its folder can be used", path.display())
            }
            PlanFileError::NotAPlan { .. } => "make one with `rebar plan --out <file>`".to_owned(),
            PlanFileError::Edited { .. } => "change the spec instead, and plan again".to_owned(),
        }
    }
}

/// Writes `plan` to `path`, private to its user, all or nothing. Returns its hash.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, plan: &Plan) -> Result<String, PlanFileError> {
    let io = |error: std::io::Error| PlanFileError::Io {
        what: "write",
        path: path.to_path_buf(),
        cause: error.to_string(),
    };
    let hash = plan::hash(plan);
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    serde_json::to_writer_pretty(&mut draft, &Written { hash: &hash, plan }).map_err(|e| io(e.into()))?;
    draft.write_all(b"\n").map_err(io)?;
    draft.as_file().sync_all().map_err(io)?;
    draft.persist(path).map_err(|error| io(error.error))?;
    Ok(hash)
}

/// Reads a plan, and its hash.
///
/// # Errors
/// When the file cannot be read, is no plan of this format, or was changed since it was written.
pub fn read(path: &Path) -> Result<(Plan, String), PlanFileError> {
    let at = || path.to_path_buf();
    let io = |error: std::io::Error| PlanFileError::Io {
        what: "read",
        path: at(),
        cause: error.to_string(),
    };
    let size = std::fs::metadata(path).map_err(io)?.len();
    if size > LARGEST {
        return Err(PlanFileError::NotAPlan {
            path: at(),
            cause: format!("it has {size} bytes"),
        });
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let not = |cause: String| PlanFileError::NotAPlan { path: at(), cause };
    let read: Read = serde_json::from_slice(&bytes).map_err(|error| not(error.to_string()))?;
    let text = serde_json::to_vec(&read.plan).map_err(|error| not(error.to_string()))?;
    let plan = plan::read(&text).map_err(|error| not(error.to_string()))?;
    if plan::hash(&plan) != read.hash {
        return Err(PlanFileError::Edited { path: at() });
    }
    Ok((plan, read.hash))
}
