//! The file system that the agent works on.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Where the node's `/` is. It is `/` but in tests, which point file-like actions at a folder of their own.
#[derive(Debug, Clone)]
pub(crate) struct Root(PathBuf);

impl Root {
    /// A node whose file system stands at `path`.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Root {
        Root(path.into())
    }

    /// Where an absolute path of the node is found.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// Whether this is the system that the agent itself runs on.
    pub(crate) fn is_running_system(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Refuses what can be done only on the running system, because it runs the node's own programs.
    pub(crate) fn require_running_system(&self, action: &str) -> Result<(), Failure> {
        if self.is_running_system() {
            Ok(())
        } else {
            Err(Failure::terminal(format!(
                "`{action}` works only on the running system, not on `{}`",
                self.0.display()
            )))
        }
    }
}
