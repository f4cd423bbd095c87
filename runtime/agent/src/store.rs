//! The agent's own folder on the node, `/var/lib/rebar`: lock, journal, and what stood there before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::disk::{self, Access};
use crate::failure::{Attempt, Failure, Refusal};
use crate::root::Root;
use crate::text;

/// How long a second agent waits for the first.
const PATIENCE: Duration = Duration::from_secs(10);

/// The agent's folder.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    folder: PathBuf,
}

/// Held while an agent is at work; the system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// While it is held no agent begins anything.
#[derive(Debug)]
pub(crate) struct Pause {
    _file: Option<File>,
}

impl Store {
    /// The store of the node at `root`. Nothing is made yet.
    pub(crate) fn of(root: &Root) -> Store {
        Store {
            folder: root.at("/var/lib/rebar"),
        }
    }

    /// Where the journal is.
    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.join("journal")
    }

    /// A file of the store whose time tells when something was last done.
    pub(crate) fn stamp(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes the folder if it is missing, private to root.
    pub(crate) fn prepare(&self) -> Result<(), Refusal> {
        let refused = |error: &io::Error| {
            Refusal::journal(format!(
                "cannot use `{}` for the node's journal: {error}",
                self.folder.display()
            ))
        };
        let prior = self.folder.join("prior");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&prior)
            .map_err(|error| refused(&error))?;
        for folder in [&self.folder, &prior] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
                .map_err(|error| refused(&error))?;
        }
        disk::sync_folder_of(&self.folder).map_err(|error| refused(&error))
    }

    /// Bars a second agent. Waits a while for one that is at work.
    pub(crate) fn lock(&self) -> Result<Lock, Refusal> {
        self.lock_within(PATIENCE)
    }

    fn lock_within(&self, patience: Duration) -> Result<Lock, Refusal> {
        let file = self.open_lock().map_err(|error| {
            Refusal::journal(format!(
                "cannot open the lock in `{}`: {error}",
                self.folder.display()
            ))
        })?;
        let deadline = Instant::now() + patience;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => {
                    return Err(Refusal::busy(format!(
                        "another agent is at work on this node and did not finish within {}; wait for that \
                         run to end, then try again",
                        text::duration(patience)
                    )));
                }
                Err(error) => {
                    return Err(Refusal::journal(format!(
                        "cannot lock `{}`: {error}",
                        self.folder.display()
                    )));
                }
            }
        }
    }

    /// Holds agents off for a moment, to read what they wrote. Nothing when one is at work.
    pub(crate) fn hold_off(&self) -> Option<Pause> {
        let Ok(file) = File::open(self.folder.join("lock")) else {
            return Some(Pause { _file: None });
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => None,
            Ok(()) | Err(_) => Some(Pause { _file: Some(file) }),
        }
    }

    /// Keeps the content of a file and answers the digest to find it by.
    pub(crate) fn keep(&self, path: &Path) -> Result<(String, Access), Failure> {
        let what = || format!("keep the former content of `{}`", path.display());
        let mut file = File::open(path).attempt(what)?;
        let found = file.metadata().attempt(what)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = file.read(&mut buffer).attempt(what)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
        }
        let digest = text::hexadecimal(&hasher.finalize());
        let kept = self.folder.join("prior").join(&digest);
        if fs::metadata(&kept).is_ok_and(|there| there.len() == found.len()) {
            return Ok((digest, access_of(&found)));
        }
        let mut again = File::open(path).attempt(what)?;
        let own = fs::metadata(&self.folder).attempt(what)?;
        disk::replace_file(
            &kept,
            &mut again,
            Access {
                mode: 0o600,
                uid: own.uid(),
                gid: own.gid(),
            },
        )
        .attempt(what)?;
        Ok((digest, access_of(&found)))
    }

    /// Opens content that was kept.
    pub(crate) fn kept(&self, digest: &str) -> Result<File, Failure> {
        File::open(self.folder.join("prior").join(digest))
            .attempt(|| "find the content that was kept".to_owned())
    }

    /// Notes that something was done now.
    pub(crate) fn touch(&self, name: &str) {
        // A missing stamp only makes the next step do a little more.
        let _ = fs::write(self.stamp(name), b"");
    }

    fn open_lock(&self) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.folder.join("lock"))
    }
}

/// Owner and permissions of something found.
pub(crate) fn access_of(found: &fs::Metadata) -> Access {
    Access {
        mode: found.mode() & 0o7777,
        uid: found.uid(),
        gid: found.gid(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::of(&Root::new(folder.path()));
        store.prepare().unwrap();
        let first = store.lock().unwrap();
        assert!(store.hold_off().is_none());
        let refused = store.lock_within(Duration::from_millis(60)).unwrap_err();
        assert_eq!(refused.code, "E1305");
        drop(first);
        assert!(store.hold_off().is_some());
        store.lock().unwrap();
    }

    #[test]
    fn the_folder_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::of(&Root::new(folder.path()));
        store.prepare().unwrap();
        let mode = fs::metadata(folder.path().join("var/lib/rebar")).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o700);
    }

    #[test]
    fn content_is_kept_by_digest() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::of(&Root::new(folder.path()));
        store.prepare().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "hello").unwrap();
        let (digest, _) = store.keep(&file).unwrap();
        assert_eq!(digest, text::digest(b"hello"));
        let mut back = String::new();
        store.kept(&digest).unwrap().read_to_string(&mut back).unwrap();
        assert_eq!(back, "hello");
    }
}
