//! Rehearsals that were kept.

use std::sync::Arc;

use rusqlite::params;

use super::State;
use super::error::StateError;

/// A rehearsal as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRehearsal {
    /// When it ended, in milliseconds since 1970.
    pub time: i64,
    /// SHA-256 (hex) of the plan that was rehearsed.
    pub plan_hash: String,
    /// What it was seeded with.
    pub seed: u64,
    /// How many runs there were.
    pub runs: u64,
    /// The report as JSON.
    pub report: String,
}

impl State {
    /// Keeps a rehearsal of `deploy`; the time is now.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn keep_rehearsal(&self, deploy: &str, kept: KeptRehearsal) -> Result<(), StateError> {
        let (deploy, id, clock) = (deploy.to_owned(), self.ids.next(), Arc::clone(&self.clock));
        self.write(move |connection| {
            connection.execute(
                "INSERT INTO rehearsal (id, deploy, time, plan_hash, seed, runs, report) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    id,
                    deploy,
                    clock.milliseconds(),
                    kept.plan_hash,
                    // SQLite's numbers have a sign.
                    kept.seed.cast_signed(),
                    kept.runs,
                    kept.report
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// The rehearsals of `deploy`, the newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn rehearsals(&self, deploy: &str) -> Result<Vec<KeptRehearsal>, StateError> {
        let deploy = deploy.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT time, plan_hash, seed, runs, report FROM rehearsal WHERE deploy = ?1 ORDER BY time DESC, rowid DESC",
            )?;
            let rows = statement.query_map(params![deploy], |row| {
                Ok(KeptRehearsal {
                    time: row.get(0)?,
                    plan_hash: row.get(1)?,
                    seed: row.get::<_, i64>(2)?.cast_unsigned(),
                    runs: row.get(3)?,
                    report: row.get(4)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await
    }

    /// How many runs with `backend` were closed here: what its durations were learned from.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn closed_runs(&self, backend: &str) -> Result<u64, StateError> {
        let backend = backend.to_owned();
        self.read(move |connection| {
            let count = "SELECT count(*) FROM run WHERE closed IS NOT NULL
                         AND deploy IN (SELECT name FROM deploy WHERE backend = ?1)";
            Ok(connection.query_row(count, params![backend], |row| row.get(0))?)
        })
        .await
    }
}
