//! The node's journal: an append-only file of lines, each with a checksum. Every prefix of it is valid.
//!
//! A line is durable before the agent says so on its standard output. A torn last line, as a crash or a full
//! disk leaves it, is dropped; damage before the last line is an error, because then nobody knows what is lost.

mod line;
mod state;

pub(crate) use state::{Entry, OnceState, Outcome, Progress, State};

use line::Reading;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use crate::disk;
use crate::failure::Refusal;
use crate::store::Store;

/// A journal longer than this (bytes) is rewritten as one line with its state when it is opened.
const LONG: u64 = 1024 * 1024;

/// The journal, open for writing. The store's lock must be held.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    /// Bytes that are known to be good; what follows is the rest of a write that failed.
    length: u64,
    torn: bool,
    state: State,
}

/// What the journal says; changes nothing, and works while an agent writes.
pub(crate) fn read(store: &Store) -> Result<State, Refusal> {
    Ok(load(store)?.1)
}

impl Journal {
    /// Opens the journal, drops a torn end, and shortens it when it has become long.
    pub(crate) fn open(store: &Store) -> Result<Journal, Refusal> {
        let (reading, state) = load(store)?;
        let path = store.journal();
        let opened = if reading.length > LONG && reading.entries.len() > 64 {
            shorten(&path, &state)
        } else {
            open_file(&path, reading.length)
        };
        let (file, length) = opened.map_err(|error| unusable(&path, &error))?;
        Ok(Journal {
            file,
            length,
            torn: false,
            state,
        })
    }

    /// What the journal says.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Adds a line and makes it durable. When that fails the journal is as before.
    pub(crate) fn append(&mut self, entry: Entry) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
        }
        let line = line::encode(&entry);
        self.torn = true;
        self.file.write_all_at(&line, self.length)?;
        self.file.sync_data()?;
        self.torn = false;
        self.length += line.len() as u64;
        self.state.apply(entry);
        Ok(())
    }
}

fn load(store: &Store) -> Result<(Reading, State), Refusal> {
    let path = store.journal();
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(unusable(&path, &error)),
    };
    let reading = line::decode(&bytes).map_err(|number| {
        Refusal::journal(format!(
            "line {number} of `{}` is damaged, and lines follow it: the disk has lost data; make the node anew, \
             or move the file away to let rebar forget what it did here",
            path.display()
        ))
    })?;
    let mut state = State::default();
    for entry in &reading.entries {
        state.apply(entry.clone());
    }
    Ok((reading, state))
}

fn open_file(path: &PathBuf, length: u64) -> io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.len() != length {
        file.set_len(length)?;
    }
    file.sync_all()?;
    disk::sync_folder_of(path)?;
    Ok((file, length))
}

fn shorten(path: &PathBuf, state: &State) -> io::Result<(File, u64)> {
    let line = line::encode(&Entry::Snapshot {
        state: Box::new(state.clone()),
    });
    let fresh = path.with_extension("new");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all_at(&line, 0)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    disk::sync_folder_of(path)?;
    Ok((file, line.len() as u64))
}

fn unusable(path: &std::path::Path, error: &io::Error) -> Refusal {
    Refusal::journal(format!(
        "cannot use the node's journal `{}`: {error}",
        path.display()
    ))
}

#[cfg(test)]
mod tests;
