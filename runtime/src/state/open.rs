//! Opening the state file: what is not ours, cut short, or of a later format is refused, and nothing is overwritten.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::{Fault, StateError};
use super::held::{Held, Opening};

/// `rbar` in ASCII; SQLite keeps it in the file's header.
const APPLICATION: u32 = 0x7262_6172;
/// The format of the tables.
pub(super) const FORMAT: i64 = 4;
const SCHEMA: &str = include_str!("schema.sql");
/// What leads from each earlier format to the next; the first is from 1 to 2.
const MIGRATIONS: [&str; 3] = [
    include_str!("migrate-1-to-2.sql"),
    include_str!("migrate-2-to-3.sql"),
    include_str!("migrate-3-to-4.sql"),
];
/// Files up to this size are checked in full at each opening, larger ones without their indexes.
const FULL_CHECK: u64 = 64 * 1024 * 1024;

/// So much of the file is kept in memory at most, in KiB: journals of large runs are looked up all over.
const CACHE: i64 = 64 * 1024;

/// Opens the state file, making it if there is none.
pub(super) fn open(path: &Path) -> Result<(Connection, Held), StateError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    make_folder(folder)?;
    let opening = Opening::begin();
    // What is open here has been looked at, and must not be opened beside SQLite.
    if !opening.has(path) {
        match open_without_waiting(path) {
            Ok(file) => inspect(path, file)?,
            Err(error) if error.kind() == ErrorKind::NotFound => create(folder, path)?,
            Err(error) => return Err(denied("open", path, &error)),
        }
    }
    let connection = connect(path).map_err(|e| Fault::Sql(e).at(path, "open"))?;
    check(path, &connection)?;
    migrate(&connection).map_err(|e| Fault::Sql(e).at(path, "migrate"))?;
    complete(path, &connection)?;
    Ok((connection, opening.held(path)))
}

/// A state in memory, of the current format.
pub(super) fn in_memory() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.execute_batch(SCHEMA)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Brings a file of an earlier format to the current one, all or nothing. Another process may be at it too.
fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    let format = || connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    if format()? >= FORMAT {
        return Ok(());
    }
    // A table that others refer to cannot be made anew otherwise; inside a transaction this setting does nothing.
    connection.pragma_update(None, "foreign_keys", false)?;
    let done = all_or_nothing(connection, format);
    connection.pragma_update(None, "foreign_keys", true)?;
    done
}

fn all_or_nothing(
    connection: &Connection,
    format: impl Fn() -> rusqlite::Result<i64>,
) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let step = || -> rusqlite::Result<()> {
        for migration in MIGRATIONS
            .iter()
            .skip(usize::try_from(format()? - 1).unwrap_or(0))
        {
            connection.execute_batch(migration)?;
        }
        connection.pragma_update(None, "user_version", FORMAT)
    };
    match step() {
        Ok(()) => connection.execute_batch("COMMIT"),
        Err(error) => {
            // The first failure is the one to tell; the transaction goes with the connection in any case.
            drop(connection.execute_batch("ROLLBACK"));
            Err(error)
        }
    }
}

/// Opens for reading. A pipe would otherwise wait for a writer for ever.
fn open_without_waiting(path: &Path) -> std::io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

pub(super) fn make_folder(folder: &Path) -> Result<(), StateError> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| denied("create", folder, &error))
}

/// Looks at the header with plain reads, before SQLite may touch the file.
fn inspect(path: &Path, mut file: File) -> Result<(), StateError> {
    let meta = file.metadata().map_err(|e| denied("open", path, &e))?;
    if !meta.is_file() && !meta.is_dir() {
        return Err(StateError::Foreign {
            path: path.to_path_buf(),
            found: "it is no regular file".to_owned(),
        });
    }
    let length = meta.len();
    let mut header = Vec::with_capacity(100);
    file.by_ref()
        .take(100)
        .read_to_end(&mut header)
        .map_err(|e| denied("open", path, &e))?;
    let at = path.to_path_buf();
    if header.is_empty() {
        return Err(StateError::Damaged {
            path: at,
            what: "it is empty".to_owned(),
        });
    }
    let magic = b"SQLite format 3\0";
    let known = header.len().min(magic.len());
    if header[..known] != magic[..known] {
        return Err(StateError::Foreign {
            path: at,
            found: "it is not an SQLite database".to_owned(),
        });
    }
    if header.len() < 100 {
        return Err(StateError::Damaged {
            path: at,
            what: format!("it was cut short, {length} bytes are left"),
        });
    }
    let number = |offset: usize| {
        let bytes = [
            header[offset],
            header[offset + 1],
            header[offset + 2],
            header[offset + 3],
        ];
        u32::from_be_bytes(bytes)
    };
    if number(68) != APPLICATION {
        return Err(StateError::Foreign {
            path: at,
            found: "it is an SQLite database of another program".to_owned(),
        });
    }
    let format = i64::from(number(60));
    if format > FORMAT {
        return Err(StateError::Newer {
            path: at,
            found: format,
            known: FORMAT,
        });
    }
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65536,
        size => u64::from(size),
    };
    let needed = page * u64::from(number(28));
    // A checkpoint that a full disk broke off leaves the file short, and what is missing in the log beside it.
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let logged = std::fs::metadata(log).is_ok_and(|m| m.len() > 0);
    if length < needed && !logged {
        let what = format!("it was cut short, {length} of {needed} bytes are left");
        return Err(StateError::Damaged { path: at, what });
    }
    Ok(())
}

/// Makes the whole file under another name first, so that a crash never leaves a half-made state behind.
fn create(folder: &Path, path: &Path) -> Result<(), StateError> {
    let draft = folder.join(format!(".state-{}.new", uuid::Uuid::new_v4()));
    let made = draw_up(&draft).and_then(|()| {
        // A hard link never replaces a file that another process has made meanwhile.
        match std::fs::hard_link(&draft, path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(denied("create", path, &error)),
        }
    });
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = draft.clone().into_os_string();
        name.push(suffix);
        // Usually absent; a leftover is harmless and hidden.
        drop(std::fs::remove_file(PathBuf::from(name)));
    }
    made?;
    let synced = File::open(folder).and_then(|f| f.sync_all());
    synced.map_err(|error| denied("create", path, &error))
}

fn draw_up(draft: &Path) -> Result<(), StateError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft);
    made.map_err(|error| denied("create", draft, &error))?;
    let fill = || -> rusqlite::Result<()> {
        let connection = Connection::open(draft)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "application_id", APPLICATION)?;
        connection.pragma_update(None, "user_version", FORMAT)?;
        connection.execute_batch("COMMIT")?;
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        debug_assert_eq!(mode, "wal");
        connection.close().map_err(|(_, error)| error)
    };
    fill().map_err(|error| Fault::Sql(error).at(draft, "create"))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let _: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // What a savepoint may have to take back need not go through a file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -CACHE)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn check(path: &Path, connection: &Connection) -> Result<(), StateError> {
    let large = std::fs::metadata(path).is_ok_and(|m| m.len() > FULL_CHECK);
    let pragma = if large {
        "PRAGMA quick_check(1)"
    } else {
        "PRAGMA integrity_check(1)"
    };
    let verdict: Result<String, rusqlite::Error> = connection.query_row(pragma, [], |row| row.get(0));
    match verdict {
        Ok(text) if text == "ok" => Ok(()),
        Ok(text) => Err(StateError::Damaged {
            path: path.to_path_buf(),
            what: text
                .trim_start_matches("*** in database main ***")
                .trim()
                .replace('\n', " "),
        }),
        Err(error) => Err(Fault::Sql(error).at(path, "read")),
    }
}

/// Every table and trigger of the current format is there: SQLite itself finds nothing wrong with a file that somebody
/// took a table out of.
fn complete(path: &Path, connection: &Connection) -> Result<(), StateError> {
    let names = |connection: &Connection| -> rusqlite::Result<BTreeSet<String>> {
        let mut statement = connection.prepare(
            "SELECT type || ' `' || name || '`' FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'",
        )?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let missing = || -> rusqlite::Result<Option<String>> {
        let there = names(connection)?;
        Ok(names(&in_memory()?)?
            .into_iter()
            .find(|name| !there.contains(name)))
    };
    match missing() {
        Ok(None) => Ok(()),
        Ok(Some(name)) => Err(StateError::Damaged {
            path: path.to_path_buf(),
            what: format!("its {name} is gone"),
        }),
        Err(error) => Err(Fault::Sql(error).at(path, "read")),
    }
}

pub(super) fn denied(what: &'static str, path: &Path, error: &std::io::Error) -> StateError {
    let path = path.to_path_buf();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StateError::Full { what, path },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory => {
            StateError::Denied {
                what,
                path,
                cause: error.to_string(),
            }
        }
        _ => StateError::Failed {
            what,
            path,
            cause: error.to_string(),
        },
    }
}
