//! What the disk and SQLite can do by themselves: nothing that is durable is faster.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Each is measured for so long.
const TIME: Duration = Duration::from_secs(2);
/// As many bytes as the journal keeps of an ordinary step.
const ROW: usize = 400;

pub(crate) fn floor(folder: &Path) -> serde_json::Value {
    let folder = tempfile::tempdir_in(folder).unwrap();
    serde_json::json!({
        "fsyncs": fsyncs(&folder.path().join("file")),
        "inserts_alone": inserts(&folder.path().join("alone.db"), 1),
        "inserts_together": inserts(&folder.path().join("together.db"), 256),
    })
}

/// Writes of a page that are forced to the disk, a second.
fn fsyncs(path: &Path) -> f64 {
    let mut file = File::create(path).unwrap();
    file.write_all(&[0; 4096]).unwrap();
    per_second(|| {
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&[1; 4096]).unwrap();
        file.sync_data().unwrap();
        1
    })
}

/// Rows a second into a table with one index, so many to a transaction.
fn inserts(path: &Path, together: usize) -> f64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    let _: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection
        .execute_batch("CREATE TABLE line (id INTEGER PRIMARY KEY, run TEXT, payload TEXT); CREATE INDEX by_run ON line(run, id)")
        .unwrap();
    let payload = "x".repeat(ROW);
    per_second(|| {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut insert = connection
            .prepare_cached("INSERT INTO line (run, payload) VALUES ('run', ?1)")
            .unwrap();
        for _ in 0..together {
            insert.execute([&payload]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        together
    })
}

fn per_second(mut work: impl FnMut() -> usize) -> f64 {
    let (begun, mut done) = (Instant::now(), 0);
    while begun.elapsed() < TIME {
        done += work();
    }
    done as f64 / begun.elapsed().as_secs_f64()
}
