//! Plans as files: `{"hash": …, "plan": {…}}`, so that what is reviewed is what is applied.

use std::fs::{self, File};
use std::io::{Read as _, Write};
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

/// Writes `plan` to `path`, private to its user, all or nothing. A link is followed; what is no file, such as
/// a pipe, is written to and stays what it is. Returns its hash.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, plan: &Plan) -> Result<String, PlanFileError> {
    let io = |error: std::io::Error| PlanFileError::Io {
        what: "write",
        path: path.to_path_buf(),
        cause: plain(&error),
    };
    let hash = plan::hash(plan);
    let found = fs::metadata(path);
    if found.as_ref().is_ok_and(|found| !found.is_file()) {
        let mut text = serde_json::to_vec_pretty(&Written { hash: &hash, plan }).map_err(|e| io(e.into()))?;
        text.push(b'\n');
        let mut device = fs::OpenOptions::new().write(true).open(path).map_err(io)?;
        device.write_all(&text).map_err(io)?;
        return Ok(hash);
    }
    let target = match found {
        Ok(_) => fs::canonicalize(path).map_err(io)?,
        Err(_) => path.to_path_buf(),
    };
    let folder = target
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    // Word by word the file system would be asked millions of times.
    let mut buffered = std::io::BufWriter::new(&mut draft);
    serde_json::to_writer_pretty(&mut buffered, &Written { hash: &hash, plan }).map_err(|e| io(e.into()))?;
    buffered.write_all(b"\n").map_err(io)?;
    buffered.flush().map_err(io)?;
    drop(buffered);
    draft.as_file().sync_all().map_err(io)?;
    draft.persist(&target).map_err(|error| io(error.error))?;
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
        cause: plain(&error),
    };
    let file = File::open(path).map_err(io)?;
    let Some(bytes) = at_most(LARGEST, file).map_err(io)? else {
        return Err(PlanFileError::NotAPlan {
            path: at(),
            cause: format!("it is larger than {} MiB", LARGEST >> 20),
        });
    };
    let not = |cause: String| PlanFileError::NotAPlan { path: at(), cause };
    let read: Read = serde_json::from_slice(&bytes).map_err(|error| not(error.to_string()))?;
    let text = serde_json::to_vec(&read.plan).map_err(|error| not(error.to_string()))?;
    let plan = plan::read(&text).map_err(|error| not(error.to_string()))?;
    if plan::hash(&plan) != read.hash {
        return Err(PlanFileError::Edited { path: at() });
    }
    Ok((plan, read.hash))
}

/// All that `from` holds, or nothing if it is more than that: a device has no size, and may have no end.
fn at_most(limit: u64, from: impl std::io::Read) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// The system's words for an error, without its number and the names of drafts.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{at_most, plain};

    #[test]
    fn what_never_ends_is_not_read_to_the_end() {
        assert_eq!(at_most(10, std::io::repeat(0)).unwrap(), None);
        assert_eq!(at_most(10, &[7; 10][..]).unwrap(), Some(vec![7; 10]));
        assert_eq!(
            plain(&std::io::Error::from_raw_os_error(2)),
            "no such file or directory"
        );
    }
}
