//! How often a pattern was carried out or rehearsed, where, and how that ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::State;
use super::error::StateError;

/// Whether a pattern met real machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Practised {
    /// On machines.
    Applied,
    /// In a rehearsal.
    Rehearsed,
}

impl Practised {
    fn name(self) -> &'static str {
        match self {
            Practised::Applied => "applied",
            Practised::Rehearsed => "rehearsed",
        }
    }
}

/// A backend, and whether it was met or only rehearsed for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Where {
    /// `local`, `docker` …
    pub backend: String,
    /// Whether it was met.
    pub how: Practised,
}

/// How often a pattern ended well and badly.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Practice {
    /// The role, `main.web_page`.
    pub role: String,
    /// How often it was carried out on a node to its end.
    pub done: u64,
    /// How often it failed on a node.
    pub failed: u64,
    /// When it was last carried out, in milliseconds since 1970.
    pub last: i64,
}

impl State {
    /// Adds to the practice of patterns: `counts` are (pattern hash, role) with how many nodes ended well and badly.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn practise(
        &self,
        at: &Where,
        counts: BTreeMap<(String, String), (u64, u64)>,
    ) -> Result<(), StateError> {
        let at = at.clone();
        let clock = Arc::clone(&self.clock);
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO practice (pattern, role, backend, how, outcome, count, last) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (pattern, backend, how, outcome) DO UPDATE SET count = count + excluded.count,
                   last = excluded.last, role = excluded.role",
            )?;
            let now = clock.milliseconds();
            for ((pattern, role), (done, failed)) in counts {
                for (outcome, count) in [("done", done), ("failed", failed)] {
                    if count > 0 {
                        statement.execute(params![pattern, role, at.backend, at.how.name(), outcome, count, now])?;
                    }
                }
            }
            Ok(())
        })
        .await
    }

    /// The practice of all patterns, by pattern hash.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn practice(&self) -> Result<BTreeMap<String, BTreeMap<Where, Practice>>, StateError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT pattern, role, backend, how, outcome, count, last FROM practice")?;
            let mut rows = statement.query([])?;
            let mut practice: BTreeMap<String, BTreeMap<Where, Practice>> = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let how = match row.get::<_, String>(3)?.as_str() {
                    "applied" => Practised::Applied,
                    _ => Practised::Rehearsed,
                };
                let at = Where {
                    backend: row.get(2)?,
                    how,
                };
                let entry = practice.entry(row.get(0)?).or_default().entry(at).or_default();
                entry.role = row.get(1)?;
                entry.last = entry.last.max(row.get(6)?);
                match row.get::<_, String>(4)?.as_str() {
                    "done" => entry.done = row.get(5)?,
                    _ => entry.failed = row.get(5)?,
                }
            }
            Ok(practice)
        })
        .await
    }
}
