//! Runs: a plan opens one run, on the base it was made from; only that plan may resume it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rebar_compiler::plan::{Base, LedgerNode, Move};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::error::{Fault, Refusal, StateError};
use super::lease::{Token, verify};
use super::{State, durations, lease, ledger, record, rename, store};
use crate::journal::{Entry, Request};

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Carries out a plan.
    Apply,
    /// Destroys everything of a deploy.
    Destroy,
    /// Changes the record alone, for a person who asked for that.
    Surgery,
}

impl RunKind {
    /// `apply`, `destroy` or `surgery`.
    pub fn name(self) -> &'static str {
        match self {
            RunKind::Apply => "apply",
            RunKind::Destroy => "destroy",
            RunKind::Surgery => "surgery",
        }
    }

    pub(super) fn read(text: &str) -> Result<RunKind, Fault> {
        match text {
            "apply" => Ok(RunKind::Apply),
            "destroy" => Ok(RunKind::Destroy),
            "surgery" => Ok(RunKind::Surgery),
            _ => Err(Fault::Row(format!("run of kind `{text}`"))),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseAs {
    /// Everything was done.
    Done,
    /// Something failed, and nothing was changed.
    Failed,
    /// Something failed, other things were done.
    Partial,
    /// It was broken off, and another run took its place.
    Abandoned,
}

impl CloseAs {
    /// `done`, `failed`, `partial` or `abandoned`.
    pub fn name(self) -> &'static str {
        match self {
            CloseAs::Done => "done",
            CloseAs::Failed => "failed",
            CloseAs::Partial => "partial",
            CloseAs::Abandoned => "abandoned",
        }
    }
}

/// What opens a run.
#[derive(Debug, Clone)]
pub struct Opening {
    /// What it will do.
    pub kind: RunKind,
    /// SHA-256 (hex) of the plan.
    pub plan_hash: String,
    /// The plan as JSON.
    pub plan: String,
    /// The site.
    pub site: String,
    /// The backend.
    pub backend: String,
    /// What the plan was made from.
    pub base: Base,
    /// Names and addresses of this deploy's nodes as they are once the plan is done.
    pub ledger: BTreeMap<String, LedgerNode>,
    /// What is called otherwise from then on.
    pub moves: Vec<Move>,
}

/// What an opening would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// This plan's run was broken off: it goes on.
    Resume(RunRecord),
    /// A new run; another plan's broken-off run is to be abandoned for it.
    Fresh(Option<RunRecord>),
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id.
    pub id: String,
    /// What it does.
    pub kind: RunKind,
    /// SHA-256 (hex) of its plan.
    pub plan_hash: String,
    /// Milliseconds since 1970.
    pub opened: i64,
    /// Milliseconds since 1970; nothing if it was broken off or is under way.
    pub closed: Option<i64>,
    /// `done`, `failed`, `partial` or `abandoned`.
    pub outcome: Option<String>,
    /// Who opened it: user, host and process.
    pub who: Option<String>,
}

/// The last word on an operation of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationState {
    /// What it is about.
    pub subject: String,
    /// How often it was tried.
    pub attempt: u32,
    /// `intent`, `done` or `failed`.
    pub state: String,
    /// What was to be done.
    pub request: Request,
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryLine {
    /// Its number.
    pub seq: i64,
    /// Milliseconds since 1970.
    pub time: i64,
    /// The writer's epoch.
    pub epoch: u64,
    /// The operation.
    pub operation: String,
    /// What it is about.
    pub subject: String,
    /// Counts from 1.
    pub attempt: u32,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
}

impl State {
    /// Checks whether `opening` may open a run now, and what that would mean.
    ///
    /// # Errors
    /// [`StateError::Refused`] when the plan is stale, consumed, or of another state; those of reading.
    pub async fn examine_opening(&self, token: &Token, opening: &Opening) -> Result<Opened, StateError> {
        let (token, opening) = (token.clone(), opening.clone());
        self.read(move |connection| examine(connection, &token, &opening))
            .await
    }

    /// Opens a run: closes `abandon`, adds to the ledger and makes earlier plans stale, all in one transaction.
    /// Returns the run's id.
    ///
    /// # Errors
    /// [`StateError::Refused`] when a name or address was given away meanwhile; those of writing.
    pub async fn open_run(
        &self,
        token: &Token,
        opening: Opening,
        abandon: Option<String>,
    ) -> Result<String, StateError> {
        let token = token.clone();
        let (clock, id) = (Arc::clone(&self.clock), self.ids.next());
        self.write(move |connection| {
            open(
                connection,
                &token,
                &opening,
                abandon.as_deref(),
                (id, clock.milliseconds()),
            )
        })
        .await
    }

    /// Closes a run. Names that are not in `ledger` and have no machine are free again, if it ended well.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn close_run(
        &self,
        token: &Token,
        run: &str,
        outcome: CloseAs,
        ledger: BTreeMap<String, LedgerNode>,
    ) -> Result<(), StateError> {
        let (token, run) = (token.clone(), run.to_owned());
        let clock = Arc::clone(&self.clock);
        self.write(move |connection| close(connection, &token, &run, outcome, &ledger, clock.milliseconds()))
            .await
    }

    /// All operations of a run by id, each with its last word.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn operations(&self, run: &str) -> Result<BTreeMap<String, OperationState>, StateError> {
        let run = run.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, subject, attempt, state, request FROM operation WHERE run = ?1",
            )?;
            let mut rows = statement.query(params![run])?;
            let mut operations = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let operation = OperationState {
                    subject: row.get(1)?,
                    attempt: row.get(2)?,
                    state: row.get(3)?,
                    request: serde_json::from_str(&row.get::<_, String>(4)?)?,
                };
                operations.insert(row.get(0)?, operation);
            }
            Ok(operations)
        })
        .await
    }

    /// Which of `operations` are in the journal, of whatever run, as begun and not as done. What was done and is not
    /// recorded any more was forgotten on purpose.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn journalled(&self, operations: BTreeSet<String>) -> Result<BTreeSet<String>, StateError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id FROM operation WHERE state <> 'done' AND id IN (SELECT value FROM json_each(?1))",
            )?;
            let found =
                statement.query_map(params![serde_json::to_string(&operations)?], |row| row.get(0))?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// The latest runs of a deploy, the newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn runs(&self, deploy: &str, limit: u32) -> Result<Vec<RunRecord>, StateError> {
        let deploy = deploy.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, kind, plan_hash, opened, closed, outcome, who FROM run WHERE deploy = ?1
                 ORDER BY rowid DESC LIMIT ?2",
            )?;
            let mut rows = statement.query(params![deploy, limit])?;
            let mut runs = Vec::new();
            while let Some(row) = rows.next()? {
                runs.push(read_run(row)?);
            }
            Ok(runs)
        })
        .await
    }

    /// The plan of the latest apply of a deploy as JSON, if there was one.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn latest_plan(&self, deploy: &str) -> Result<Option<String>, StateError> {
        let deploy = deploy.to_owned();
        self.read(move |connection| {
            Ok(connection
                .query_row(
                    "SELECT plan FROM run WHERE deploy = ?1 AND kind = 'apply' ORDER BY rowid DESC LIMIT 1",
                    params![deploy],
                    |row| row.get(0),
                )
                .optional()?)
        })
        .await
    }

    /// The journal's lines of a run, in order.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn lines(&self, run: &str) -> Result<Vec<HistoryLine>, StateError> {
        let run = run.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT seq, time, epoch, operation, subject, attempt, payload FROM journal WHERE run = ?1 ORDER BY seq",
            )?;
            let mut rows = statement.query(params![run])?;
            let mut lines = Vec::new();
            while let Some(row) = rows.next()? {
                lines.push(HistoryLine {
                    seq: row.get(0)?,
                    time: row.get(1)?,
                    epoch: row.get(2)?,
                    operation: row.get(3)?,
                    subject: row.get(4)?,
                    attempt: row.get(5)?,
                    entry: serde_json::from_str(&row.get::<_, String>(6)?)?,
                });
            }
            Ok(lines)
        })
        .await
    }
}

pub(super) fn read_run(row: &rusqlite::Row<'_>) -> Result<RunRecord, Fault> {
    Ok(RunRecord {
        id: row.get(0)?,
        kind: RunKind::read(&row.get::<_, String>(1)?)?,
        plan_hash: row.get(2)?,
        opened: row.get(3)?,
        closed: row.get(4)?,
        outcome: row.get(5)?,
        who: row.get(6)?,
    })
}

/// The run of a deploy that was begun and not closed.
pub(super) fn open_run(connection: &Connection, deploy: &str) -> Result<Option<RunRecord>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT id, kind, plan_hash, opened, closed, outcome, who FROM run WHERE deploy = ?1 AND closed IS NULL",
    )?;
    let mut rows = statement.query(params![deploy])?;
    rows.next()?.map(read_run).transpose()
}

fn examine(connection: &Connection, token: &Token, opening: &Opening) -> Result<Opened, Fault> {
    verify(connection, token)?;
    let deploy = &token.deploy;
    let unclosed = open_run(connection, deploy)?;
    if let Some(run) = &unclosed
        && run.kind == opening.kind
        && (run.kind == RunKind::Destroy || run.plan_hash == opening.plan_hash)
    {
        return Ok(Opened::Resume(run.clone()));
    }
    let consumed: Option<String> = connection
        .query_row(
            "SELECT outcome FROM run WHERE deploy = ?1 AND plan_hash = ?2 AND closed IS NOT NULL",
            params![deploy, opening.plan_hash],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(outcome) = consumed {
        return Err(Refusal::Consumed { outcome }.into());
    }
    if opening
        .base
        .deploy_id
        .as_ref()
        .is_some_and(|id| *id != token.deploy_id)
    {
        return Err(Refusal::OtherState {
            deploy: deploy.clone(),
        }
        .into());
    }
    let now: u64 = connection.query_row(
        "SELECT serial FROM deploy WHERE name = ?1",
        params![deploy],
        |row| row.get(0),
    )?;
    if opening.base.serial != now {
        return Err(Refusal::Stale {
            deploy: deploy.clone(),
            made: opening.base.serial,
            now,
        }
        .into());
    }
    record::same_place(connection, deploy, &opening.site, Some(&opening.backend))?;
    if opening.base.ledger > ledger::version(connection, &opening.site)? {
        return Err(Refusal::OtherState {
            deploy: deploy.clone(),
        }
        .into());
    }
    Ok(Opened::Fresh(unclosed))
}

fn open(
    connection: &Connection,
    token: &Token,
    opening: &Opening,
    abandon: Option<&str>,
    (run, now): (String, i64),
) -> Result<String, Fault> {
    verify(connection, token)?;
    if let Some(run) = abandon {
        connection.execute(
            "UPDATE run SET closed = ?2, outcome = ?3 WHERE id = ?1",
            params![run, now, CloseAs::Abandoned.name()],
        )?;
        durations::learn(connection, run)?;
    }
    connection.execute(
        "UPDATE deploy SET site = ?2, backend = ?3 WHERE name = ?1",
        params![token.deploy, opening.site, opening.backend],
    )?;
    connection.execute(
        "INSERT OR IGNORE INTO site (name, version) VALUES (?1, 0)",
        params![opening.site],
    )?;
    ledger::add(connection, &opening.site, &token.deploy, &opening.ledger)?;
    connection.execute(
        "INSERT INTO run (id, deploy, kind, plan_hash, plan, opened, who) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            run,
            token.deploy,
            opening.kind.name(),
            opening.plan_hash,
            opening.plan,
            now,
            lease::who()
        ],
    )?;
    rename::journal(connection, token, &run, &opening.moves, now)?;
    store::bump(connection, &token.deploy)?;
    Ok(run)
}

fn close(
    connection: &Connection,
    token: &Token,
    run: &str,
    outcome: CloseAs,
    kept: &BTreeMap<String, LedgerNode>,
    now: i64,
) -> Result<(), Fault> {
    verify(connection, token)?;
    connection.execute(
        "UPDATE run SET closed = ?2, outcome = ?3 WHERE id = ?1 AND closed IS NULL",
        params![run, now, outcome.name()],
    )?;
    durations::learn(connection, run)?;
    if outcome == CloseAs::Done {
        connection.execute(
            "DELETE FROM names WHERE deploy = (SELECT deploy FROM run WHERE id = ?1 AND kind = 'destroy')",
            params![run],
        )?;
        ledger::tidy(connection, &token.deploy, kept)?;
    }
    store::bump(connection, &token.deploy)?;
    Ok(())
}
