//! How long changes took before: learned when a run is closed, used for priorities, forecasts and rehearsals.

use std::collections::BTreeMap;
use std::time::Duration;

use rebar_agent::protocol::Verb;
use rebar_compiler::plan::RecordedStep;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::State;
use super::error::{Fault, StateError};
use crate::backend::ObjectAction;
use crate::journal::Request;

/// So many of the latest durations of each kind are kept.
const SAMPLES: usize = 64;

/// How long changes took before, by what they were: see [`measured_as`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Durations {
    /// The latest durations in milliseconds, the newest last.
    pub samples: BTreeMap<String, Vec<u64>>,
}

impl Durations {
    /// The median of what was measured, or nothing if it never was.
    pub fn expected(&self, what: &str) -> Option<Duration> {
        let mut sorted = self.samples.get(what)?.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().map(Duration::from_millis)
    }

    /// What was measured, or what is usual; see [`usual`].
    pub fn expected_or_usual(&self, what: &str) -> Duration {
        self.expected(what).unwrap_or_else(|| usual(what))
    }

    /// Whether nothing was measured yet.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

/// How long a change takes where nothing was measured: rough, but a package outweighs a hundred files.
pub fn usual(what: &str) -> Duration {
    let mut words = what.split(' ');
    let milliseconds = match (words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
        ("prepare", _) => 30_000,
        ("create" | "destroy", "network") => 500,
        ("create", _) => 5_000,
        ("start", _) => 3_000,
        ("destroy", _) => 2_000,
        ("publish", _) => 200,
        ("step" | "removal", "package") => 10_000,
        ("step" | "removal", "service" | "command") => 2_000,
        ("step" | "removal", "probe") => 1_000,
        _ => 50,
    };
    Duration::from_millis(milliseconds)
}

/// The name under which durations of a change are kept: `create machine`, `prepare image/bookworm`,
/// `step package pages.nginx` (kind and address), `removal package`.
pub fn measured_as(request: &Request) -> String {
    match request {
        Request::Object { action, .. } => match action {
            ObjectAction::PrepareImage { image } => format!("prepare image/{}", image.name),
            ObjectAction::CreateNetwork { .. } => "create network".to_owned(),
            ObjectAction::DestroyNetwork { .. } => "destroy network".to_owned(),
            ObjectAction::CreateMachine { .. } => "create machine".to_owned(),
            ObjectAction::StartMachine { .. } => "start machine".to_owned(),
            ObjectAction::DestroyMachine { .. } => "destroy machine".to_owned(),
            ObjectAction::PublishNames { .. } => "publish names".to_owned(),
        },
        Request::Step { verb, step, .. } => step_measured_as(*verb, step),
        Request::Surgery { .. } => "surgery".to_owned(),
    }
}

/// [`measured_as`] for a step.
pub(crate) fn step_measured_as(verb: Verb, step: &RecordedStep) -> String {
    match verb {
        Verb::Ensure => format!("step {} {}", step.kind, step.address),
        Verb::Remove => format!("removal {}", step.kind),
    }
}

impl State {
    /// How long changes by `backend` took before.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn durations(&self, backend: &str) -> Result<Durations, StateError> {
        let backend = backend.to_owned();
        self.read(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT what, samples FROM duration WHERE backend = ?1")?;
            let mut rows = statement.query(params![backend])?;
            let mut durations = Durations::default();
            while let Some(row) = rows.next()? {
                let samples = serde_json::from_str(&row.get::<_, String>(1)?)?;
                durations.samples.insert(row.get(0)?, samples);
            }
            Ok(durations)
        })
        .await
    }
}

/// Adds what a run has measured.
pub(super) fn learn(connection: &Connection, run: &str) -> Result<(), Fault> {
    let backend: Option<String> = connection
        .query_row(
            "SELECT backend FROM deploy WHERE name = (SELECT deploy FROM run WHERE id = ?1)",
            params![run],
            |row| row.get(0),
        )
        .optional()?;
    let Some(backend) = backend else { return Ok(()) };
    let mut measured: BTreeMap<String, (u64, u64, Vec<u64>)> = BTreeMap::new();
    let mut statement = connection.prepare_cached(
        "SELECT what, took FROM operation WHERE run = ?1 AND state = 'done' AND took IS NOT NULL AND what IS NOT NULL",
    )?;
    let mut rows = statement.query(params![run])?;
    while let Some(row) = rows.next()? {
        let took: u64 = row.get(1)?;
        let (count, total, samples) = measured.entry(row.get(0)?).or_default();
        *count += 1;
        *total = total.saturating_add(took);
        samples.push(took);
    }
    for (what, (count, total, mut samples)) in measured {
        let known: Option<(u64, u64, String)> = connection
            .query_row(
                "SELECT count, total, samples FROM duration WHERE backend = ?1 AND what = ?2",
                params![backend, what],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()?;
        let (mut counted, mut sum, mut all) = (0, 0, Vec::new());
        if let Some((count, total, text)) = known {
            (counted, sum, all) = (count, total, serde_json::from_str(&text)?);
        }
        all.append(&mut samples);
        let surplus = all.len().saturating_sub(SAMPLES);
        connection.execute(
            "INSERT INTO duration (backend, what, count, total, samples) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (backend, what) DO UPDATE SET count = excluded.count, total = excluded.total,
               samples = excluded.samples",
            params![
                backend,
                what,
                counted + count,
                sum.saturating_add(total),
                serde_json::to_string(&all[surplus..])?
            ],
        )?;
    }
    Ok(())
}
