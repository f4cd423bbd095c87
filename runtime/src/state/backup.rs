//! Copies of the state: made by SQLite while the state may be in use, whole or not at all, and looked at before they are
//! called copies.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;

use super::error::{Fault, StateError};
use super::{State, open};

/// Pages that are copied at a time.
const PAGES: i32 = 1024;

impl State {
    /// Copies the state to `file`, which must not be there. The copy is private, durable, and was read in full.
    ///
    /// # Errors
    /// When there is such a file, or it cannot be written or does not read back; nothing is left of it then.
    pub async fn backup(&self, file: &Path) -> Result<(), StateError> {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        if std::fs::symlink_metadata(&file).is_ok() {
            return Err(StateError::Surgery {
                what: format!("`{}` is there already", file.display()),
                help: "a backup never replaces a file; give another name".to_owned(),
            });
        }
        let draft = draft(&file);
        let made = self.copy_to(&draft).await.and_then(|()| place(&draft, &file));
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut name = draft.clone().into_os_string();
            name.push(suffix);
            // Usually gone already.
            drop(std::fs::remove_file(PathBuf::from(name)));
        }
        made
    }

    /// A backup beside the state, before something is changed that cannot be changed back: `backups/<time>-<reason>.db`.
    /// Returns where it is.
    ///
    /// # Errors
    /// Those of [`State::backup`].
    pub async fn backup_before(&self, reason: &str) -> Result<PathBuf, StateError> {
        let folder = self.path.parent().unwrap_or(Path::new(".")).join("backups");
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| open::denied("create", &folder, &error))?;
        let time: String = super::utc(self.clock.milliseconds())
            .trim_end_matches(" UTC")
            .replace(':', "")
            .replace(' ', "-");
        let mut number = 1;
        loop {
            let again = if number == 1 { String::new() } else { format!("-{number}") };
            let file = folder.join(format!("{time}-{reason}{again}.db"));
            if std::fs::symlink_metadata(&file).is_err() {
                self.backup(&file).await?;
                return Ok(file);
            }
            number += 1;
        }
    }

    async fn copy_to(&self, draft: &Path) -> Result<(), StateError> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft);
        made.map_err(|error| open::denied("create", draft, &error))?;
        let target = draft.to_owned();
        self.read(move |connection| Ok(copy(connection, &target).map_err(|error| error.at(&target, "write"))?))
            .await
    }
}

fn copy(from: &Connection, target: &Path) -> Result<(), Fault> {
    let mut to = Connection::open(target)?;
    Backup::new(from, &mut to)?.run_to_completion(PAGES, Duration::ZERO, None)?;
    let verdict: String = to.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Fault::Row(verdict));
    }
    to.close().map_err(|(_, error)| Fault::Sql(error))
}

fn draft(file: &Path) -> PathBuf {
    file.with_file_name(format!(".rebar-{}.new", uuid::Uuid::new_v4()))
}

/// Gives a finished file its name, durably; never in the place of another.
fn place(draft: &Path, file: &Path) -> Result<(), StateError> {
    let work = || -> std::io::Result<()> {
        File::open(draft)?.sync_all()?;
        std::fs::hard_link(draft, file)?;
        match file.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    work().map_err(|error| open::denied("write", file, &error))
}

/// Writes a private file so that it is there as a whole or not at all, in the place of one that may be there.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write_private(file: &Path, text: &[u8]) -> Result<(), StateError> {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let draft = draft(&file);
    let work = || -> std::io::Result<()> {
        let mut open = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        open.write_all(text)?;
        open.sync_all()?;
        std::fs::rename(&draft, &file)?;
        match file.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    work().map_err(|error| {
        // What there is of it is of no use.
        drop(std::fs::remove_file(&draft));
        open::denied("write", &file, &error)
    })
}
