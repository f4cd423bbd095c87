//! What was done here, run by run.

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::error::{Fault, StateError};
use super::{RunRecord, State, runs};

/// A run with what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRun {
    /// The deploy, as it is called now.
    pub deploy: String,
    /// The run.
    #[serde(flatten)]
    pub run: RunRecord,
    /// How many operations were done.
    pub done: u64,
    /// How many failed, or were not begun because of others.
    pub failed: u64,
    /// How many were begun and have no end.
    pub unended: u64,
}

impl State {
    /// The latest runs of a deploy, or of all, the newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn history(&self, deploy: Option<&str>, limit: u32) -> Result<Vec<HistoryRun>, StateError> {
        let deploy = deploy.map(str::to_owned);
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&select(
                "(?1 IS NULL OR deploy = ?1) ORDER BY opened DESC, run.rowid DESC LIMIT ?2",
            ))?;
            let mut rows = statement.query(params![deploy, limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(read(row)?);
            }
            Ok(found)
        })
        .await
    }

    /// The runs whose id begins like this: more than one if it is too short.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn runs_like(&self, id: &str) -> Result<Vec<HistoryRun>, StateError> {
        let id = id.to_owned();
        self.read(move |connection| {
            let mut statement =
                connection.prepare_cached(&select("substr(id, 1, length(?1)) = ?1 ORDER BY opened DESC"))?;
            let mut rows = statement.query(params![id])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(read(row)?);
            }
            Ok(found)
        })
        .await
    }
}

fn select(condition: &str) -> String {
    let count = |state: &str| {
        format!("(SELECT count(*) FROM operation o WHERE o.run = run.id AND o.state = '{state}')")
    };
    format!(
        "SELECT id, kind, plan_hash, opened, closed, outcome, who, deploy, {}, {}, {} FROM run WHERE {condition}",
        count("done"),
        count("failed"),
        count("intent")
    )
}

fn read(row: &rusqlite::Row<'_>) -> Result<HistoryRun, Fault> {
    Ok(HistoryRun {
        run: runs::read_run(row)?,
        deploy: row.get(7)?,
        done: row.get(8)?,
        failed: row.get(9)?,
        unended: row.get(10)?,
    })
}
