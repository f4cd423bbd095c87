//! The objects of this backend as they stand on disk: `<data>/local/<deploy id>/{machines,networks}/<name>/`.
//!
//! A folder has `record.json`, written before anything is made, and `complete`, written when all is. An object
//! without `complete` is a half of which anything may exist.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::errors;
use crate::backend::{Applied, BackendError, Folders, MachineSpec, NetworkSpec, Scope};
use crate::backends::identity;

/// What is recorded of an object before it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record<T> {
    /// Whose it is.
    pub(super) scope: Scope,
    /// The operation that made it.
    pub(super) operation: String,
    /// The writer's epoch.
    pub(super) epoch: u64,
    /// What was asked for.
    pub(super) object: T,
}

/// A machine with what this backend decided about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Machine {
    /// What was asked for.
    pub(super) spec: MachineSpec,
    /// The first of its ids on this host.
    pub(super) base: u32,
    /// The image's key in the cache.
    pub(super) image: String,
    /// The build of that image: another build under the same key does not fit under this machine's disk.
    pub(super) build: String,
}

pub(super) type MachineRecord = Record<Machine>;
pub(super) type NetworkRecord = Record<NetworkSpec>;

/// What the whole deploy knows: the names that machines are given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Names {
    /// The writer's epoch.
    pub(super) epoch: u64,
    /// The operation that published them.
    pub(super) operation: String,
    /// Host names and their addresses.
    pub(super) names: std::collections::BTreeMap<String, Vec<std::net::IpAddr>>,
}

/// The folders of one scope.
#[derive(Debug, Clone)]
pub(super) struct Store {
    local: PathBuf,
    deploy: PathBuf,
}

/// A name that an interface of Linux may have.
pub(super) fn check_interface(name: &str) -> Result<(), BackendError> {
    let good = (1..=15).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if good {
        Ok(())
    } else {
        Err(errors::bad_name("the name of an interface", name))
    }
}

impl Store {
    pub(super) fn new(folders: &Folders, scope: &Scope) -> Result<Store, BackendError> {
        identity::check_name("the id of a deploy", &scope.deploy_id)?;
        let local = root(folders);
        Ok(Store {
            deploy: local.join(&scope.deploy_id),
            local,
        })
    }

    pub(super) fn local(&self) -> &Path {
        &self.local
    }

    pub(super) fn machine(&self, name: &str) -> PathBuf {
        self.deploy.join("machines").join(name)
    }

    pub(super) fn network(&self, name: &str) -> PathBuf {
        self.deploy.join("networks").join(name)
    }

    pub(super) fn machines(&self) -> Result<Vec<String>, BackendError> {
        children(&self.deploy.join("machines"))
    }

    pub(super) fn networks(&self) -> Result<Vec<String>, BackendError> {
        children(&self.deploy.join("networks"))
    }

    pub(super) fn names(&self) -> Result<Names, BackendError> {
        Ok(read(&self.deploy.join("names.json"))?.unwrap_or_default())
    }

    pub(super) fn keep_names(&self, names: &Names) -> Result<(), BackendError> {
        make_folder(&self.deploy)?;
        write(&self.deploy.join("names.json"), names)
    }

    /// Refuses a writer that an epoch higher than its own has followed, and keeps the highest: so that one file is read
    /// for each operation and not the record of every object.
    pub(super) fn admit(&self, epoch: u64) -> Result<(), BackendError> {
        let path = self.deploy.join("epoch");
        let kept: Option<u64> = read(&path)?;
        let highest = match kept {
            Some(kept) => kept,
            None => self.highest_recorded()?,
        };
        if epoch < highest {
            return Err(errors::stale(epoch, highest));
        }
        // Before its folder is there, or while another thread takes it away, nothing can be kept: the records tell.
        if kept != Some(epoch) && self.deploy.is_dir() {
            static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
            let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Err(error) = write(&path, &epoch)
                && self.deploy.is_dir()
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// The highest epoch of a writer that is known.
    pub(super) fn highest(&self) -> Result<u64, BackendError> {
        let kept: Option<u64> = read(&self.deploy.join("epoch"))?;
        Ok(kept.unwrap_or(0).max(self.highest_recorded()?))
    }

    /// The highest epoch of all records, where none is kept.
    fn highest_recorded(&self) -> Result<u64, BackendError> {
        let mut highest = self.names()?.epoch;
        for name in self.machines()? {
            highest = highest.max(record::<Machine>(&self.machine(&name))?.map_or(0, |record| record.epoch));
        }
        for name in self.networks()? {
            highest =
                highest.max(record::<NetworkSpec>(&self.network(&name))?.map_or(0, |record| record.epoch));
        }
        Ok(highest)
    }

    /// Removes folders that have become empty, up to the data folder itself.
    pub(super) fn prune(&self) {
        let _ = fs::remove_dir(self.deploy.join("machines"));
        let _ = fs::remove_dir(self.deploy.join("networks"));
        if !self.deploy.join("machines").exists() && !self.deploy.join("networks").exists() {
            for file in ["names.json", "epoch"] {
                let _ = fs::remove_file(self.deploy.join(file));
            }
        }
        let ranges = self.local.join("ranges");
        let up = self.local.parent();
        for folder in [Some(self.deploy.as_path()), Some(&ranges), Some(&self.local), up]
            .into_iter()
            .flatten()
        {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Where this backend keeps everything.
pub(super) fn root(folders: &Folders) -> PathBuf {
    folders.data.join("local")
}

/// Names of the folders in a folder; none if it is not there.
pub(super) fn children(folder: &Path) -> Result<Vec<String>, BackendError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(errors::file("read", folder, &error)),
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// The record of an object; none if there is no object or its folder was made and nothing more.
pub(super) fn record<T: DeserializeOwned>(folder: &Path) -> Result<Option<Record<T>>, BackendError> {
    read(&folder.join("record.json"))
}

/// How an object was finished, if it was.
pub(super) fn completed(folder: &Path) -> Result<Option<Applied>, BackendError> {
    read(&folder.join("complete"))
}

/// Records an object that is about to be made.
pub(super) fn begin<T: Serialize>(folder: &Path, record: &Record<T>) -> Result<(), BackendError> {
    make_folder(folder)?;
    write(&folder.join("record.json"), record)
}

/// Marks an object as finished.
pub(super) fn complete(folder: &Path, applied: &Applied) -> Result<(), BackendError> {
    write(&folder.join("complete"), applied)
}

fn digest(block: &str) -> Vec<u8> {
    Sha256::digest(block).to_vec()
}

/// Whether a machine was last given this block of names, in the life that it is in.
pub(super) fn has_names(folder: &Path, block: &str) -> bool {
    fs::read(folder.join("names")).is_ok_and(|kept| kept == digest(block))
}

/// Notes which block of names a machine was given. Where that fails, it is only given again.
pub(super) fn note_names(folder: &Path, block: &str) {
    let _ = fs::write(folder.join("names"), digest(block));
}

/// Refuses a folder that holds something that this backend did not put there.
pub(super) fn refuse_foreign(folder: &Path) -> Result<(), BackendError> {
    let ours = ["record.json", "record.json.new"];
    match children(folder)?
        .iter()
        .find(|name| !ours.contains(&name.as_str()))
    {
        Some(name) => Err(errors::foreign(
            format!("the folder `{}`", folder.display()),
            format!("it holds `{name}` and no record of rebar's"),
        )),
        None => Ok(()),
    }
}

/// Makes a folder and those above it, for root alone: on a machine's disk files have the ids that they have
/// inside, and nobody on this host may come to run a program there that is marked to run as root. Another thread
/// may be pruning the same folders.
pub(super) fn make_folder(folder: &Path) -> Result<(), BackendError> {
    let mut last = Ok(());
    for _ in 0..10 {
        last = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        match &last {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => break,
        }
    }
    last.map_err(|error| errors::file("make the folder", folder, &error))
}

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, BackendError> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| errors::file("read", path, &io::Error::from(error))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(errors::file("read", path, &error)),
    }
}

/// Writes a file so that it is there as a whole or not at all, also after a loss of power.
pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), BackendError> {
    let work = || -> io::Result<()> {
        let partial = path.with_extension(if path.extension().is_some() {
            "json.new"
        } else {
            "new"
        });
        let mut file = File::create(&partial)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    work().map_err(|error| errors::file("write", path, &error))
}
