//! The folder of one run of the suite: machines' disks, states, and a list of all scopes, so that a run that was killed
//! can be taken away by the next one.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};

use crate::backend::{Folders, Scope};

/// The folder of one run. Locked as long as the run goes on.
#[derive(Debug)]
pub struct Premises {
    root: PathBuf,
    /// Held for its lock.
    _lock: File,
    scopes: Mutex<Vec<Scope>>,
    /// Folders above it that were not there before, the deepest first.
    made: Vec<PathBuf>,
}

fn told<T>(result: std::io::Result<T>, what: &str, path: &Path) -> Result<T, String> {
    result.map_err(|error| format!("cannot {what} `{}`: {error}", path.display()))
}

impl Premises {
    /// A new folder in `base`, which is made if it is not there.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn open(base: &Path) -> Result<Premises, String> {
        let root = base.join(uuid::Uuid::new_v4().simple().to_string());
        let made = base.ancestors().take_while(|folder| !folder.exists());
        let made = made.map(Path::to_owned).collect();
        told(fs::create_dir_all(&root), "make", &root)?;
        let mut premises = Premises::lock(root)?.ok_or_else(|| "a new folder is locked".to_owned())?;
        premises.made = made;
        Ok(premises)
    }

    /// The folders in `base` of runs that ended without taking away what they made; they are ours from now on.
    pub fn abandoned(base: &Path) -> Vec<Premises> {
        let entries = fs::read_dir(base).into_iter().flatten().flatten();
        let roots = entries
            .map(|entry| entry.path())
            .filter(|path| path.join(LIST).exists());
        roots
            .filter_map(|root| Premises::lock(root).ok().flatten())
            .collect()
    }

    fn lock(root: PathBuf) -> Result<Option<Premises>, String> {
        let path = root.join("lock");
        let file = told(
            OpenOptions::new().create(true).append(true).open(&path),
            "open",
            &path,
        )?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        let text = fs::read_to_string(root.join(LIST)).unwrap_or_default();
        // The last line of a run that was killed may be cut short; nothing was made for it yet.
        let scopes = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        Ok(Some(Premises {
            scopes: Mutex::new(scopes.collect()),
            root,
            _lock: file,
            made: Vec::new(),
        }))
    }

    /// The folders that the backend works in.
    pub fn folders(&self, cache: &Path) -> Folders {
        Folders {
            state: self.root.join("state"),
            data: self.root.join("data"),
            cache: cache.to_owned(),
        }
    }

    /// A folder for a state or a plan file.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.root.join(name);
        told(fs::create_dir_all(&folder), "make", &folder)?;
        Ok(folder)
    }

    /// Writes down a scope, before anything is made in it.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) fn note(&self, scope: &Scope) -> Result<(), String> {
        let path = self.root.join(LIST);
        let line = serde_json::to_string(scope).map_err(|error| error.to_string())?;
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let mut file = told(file, "open", &path)?;
        told(file.write_all(format!("{line}\n").as_bytes()), "write", &path)?;
        self.list().push(scope.clone());
        Ok(())
    }

    /// All scopes so far.
    pub fn scopes(&self) -> Vec<Scope> {
        self.list().clone()
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Scope>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the folder, and those above it that are empty now and were made for it.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub fn remove(&self) -> Result<(), String> {
        told(fs::remove_dir_all(&self.root), "remove", &self.root)?;
        let base = self.root.parent().map(Path::to_owned);
        for folder in base.iter().chain(&self.made) {
            // Another run, or a deploy, may be at work there.
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }
}

/// The list of scopes, one a line.
const LIST: &str = "scopes";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_made_is_found_and_what_a_running_one_makes_is_not() {
        let base = tempfile::tempdir().unwrap();
        let scope = Scope {
            deploy_id: "1".into(),
            deploy: "a".into(),
        };
        let one = Premises::open(base.path()).unwrap();
        one.note(&scope).unwrap();
        assert!(Premises::abandoned(base.path()).is_empty());
        fs::write(
            one.root.join(LIST),
            format!("{}\n{{\"deploy_id", serde_json::to_string(&scope).unwrap()),
        )
        .unwrap();
        drop(one);
        let found = Premises::abandoned(base.path());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].scopes(), [scope]);
        found[0].remove().unwrap();
        assert!(!base.path().exists());
    }
}
