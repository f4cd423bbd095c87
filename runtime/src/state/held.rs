//! Which state files this process has open.
//!
//! POSIX gives up all locks of a process on a file when the process closes *any* descriptor of it (fcntl(2), "Advisory
//! record locking"). SQLite knows that of its own descriptors; a file that is opened beside it and closed again would take
//! the lock of a connection away. Another process would then take itself for the last user, and remove the log that the
//! first one still writes to. So a file that is open here already is not opened beside SQLite.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Device and inode.
type File = (u64, u64);

static OPEN: Mutex<BTreeMap<File, usize>> = Mutex::new(BTreeMap::new());

/// No state is opened by another thread as long as this is kept.
pub(super) struct Opening(MutexGuard<'static, BTreeMap<File, usize>>);

/// A connection to a state file; to be dropped after it.
pub(super) struct Held(Option<File>);

impl Opening {
    /// Waits until no other thread opens a state.
    pub(super) fn begin() -> Opening {
        Opening(OPEN.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this process has the file open.
    pub(super) fn has(&self, path: &Path) -> bool {
        identity(path).is_some_and(|file| self.0.contains_key(&file))
    }

    /// Counts one more connection to the file.
    pub(super) fn held(mut self, path: &Path) -> Held {
        let file = identity(path);
        if let Some(file) = file {
            *self.0.entry(file).or_default() += 1;
        }
        Held(file)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(file) = self.0 else { return };
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&file) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(open.remove(&file)),
        }
    }
}

fn identity(path: &Path) -> Option<File> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use crate::state::State;

    /// How many locks this process has on a file, as the kernel tells.
    fn locks(path: &std::path::Path) -> usize {
        let inode = std::fs::metadata(path).unwrap().ino();
        let own = std::process::id().to_string();
        let all = std::fs::read_to_string("/proc/locks").unwrap();
        all.lines()
            .filter(|line| line.split_whitespace().any(|word| word == own))
            .filter(|line| line.contains(&format!(":{inode} ")))
            .count()
    }

    #[tokio::test]
    async fn opening_a_state_twice_keeps_the_locks_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = State::in_folder(folder.path()).unwrap();
        first.deploys().await.unwrap();
        let before = locks(first.path());
        assert!(before > 0, "SQLite holds a lock as long as a connection is open");
        let second = State::in_folder(folder.path()).unwrap();
        second.deploys().await.unwrap();
        assert_eq!(locks(first.path()), before);
        drop(second);
        assert_eq!(locks(first.path()), before);
        // Once nobody here has it open, it is looked at again.
        let path = first.path().to_path_buf();
        drop(first);
        assert_eq!(locks(&path), 0);
        std::fs::write(&path, "not a state").unwrap();
        assert!(State::in_folder(folder.path()).is_err());
    }
}
