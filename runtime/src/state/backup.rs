//! Copies of the state: made by SQLite while the state may be in use, whole or not at all, and looked at before they are
//! called copies.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::error::{Fault, StateError};
use super::{State, open};

/// How long another program may have the file locked.
const PATIENCE: Duration = Duration::from_secs(10);

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
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        made.map_err(|error| open::denied("create", &folder, &error))?;
        let time: String = super::utc(self.clock.milliseconds())
            .trim_end_matches(" UTC")
            .replace(':', "")
            .replace(' ', "-");
        let mut number = 1;
        loop {
            let again = if number == 1 {
                String::new()
            } else {
                format!("-{number}")
            };
            let file = folder.join(format!("{time}-{reason}{again}.db"));
            if std::fs::symlink_metadata(&file).is_err() {
                self.backup(&file).await?;
                return Ok(file);
            }
            number += 1;
        }
    }

    async fn copy_to(&self, draft: &Path) -> Result<(), StateError> {
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(draft);
        made.map_err(|error| open::denied("create", draft, &error))?;
        let (source, target) = (self.path.clone(), draft.to_owned());
        // Beside the thread that writes, which goes on meanwhile.
        let copied = tokio::task::spawn_blocking(move || copy(&source, &target)).await;
        match copied {
            Ok(result) => result.map_err(|fault| fault.at(draft, "write")),
            Err(_) => Err(self.writer.gone()),
        }
    }
}

/// Copies what is committed, in one go: that is one moment of the state, whoever writes meanwhile.
fn copy(source: &Path, target: &Path) -> Result<(), Fault> {
    let from = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    from.busy_timeout(PATIENCE)?;
    let mut to = Connection::open(target)?;
    match Backup::new(&from, &mut to)?.step(-1)? {
        StepResult::Done => {}
        _ => {
            let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            return Err(Fault::Sql(rusqlite::Error::SqliteFailure(busy, None)));
        }
    }
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

/// Writes a private file so that it is there as a whole or not at all, in the place of one that may be there. A link is
/// followed; what is no file, such as a pipe or a device, is written to and stays what it is.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write_private(file: &Path, text: &[u8]) -> Result<(), StateError> {
    let found = std::fs::metadata(file);
    if found
        .as_ref()
        .is_ok_and(|found| !found.is_file() && !found.is_dir())
    {
        let written = OpenOptions::new()
            .write(true)
            .open(file)
            .and_then(|mut device| device.write_all(text));
        return written.map_err(|error| open::denied("write", file, &error));
    }
    let named = match found {
        Ok(_) => std::fs::canonicalize(file),
        Err(_) => std::path::absolute(file),
    };
    let file = named.unwrap_or_else(|_| file.to_owned());
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
