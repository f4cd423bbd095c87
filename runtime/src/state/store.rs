//! Appending to the journal, and changing what is derived from it in the same transaction.

use std::borrow::Cow;

use rebar_compiler::plan::replaced_step;
use rusqlite::{Connection, OptionalExtension, params};

use super::error::{Fault, StateError};
use super::lease::{Token, verify};
use super::{State, durations, ledger, rename};
use crate::journal::{Change, Entry, Line, Request, changes, contradiction, is_another, is_older};

impl State {
    /// Appends lines to the journal of a run: all or none, durable when this returns.
    ///
    /// # Errors
    /// [`StateError::LeaseLost`] when `token` is no longer that of the holder, [`StateError::Contradiction`] when
    /// a line cannot follow what is there, and those of writing.
    pub async fn append(&self, token: &Token, run: &str, lines: Vec<Line>) -> Result<(), StateError> {
        let (token, run) = (token.clone(), run.to_owned());
        let clock = std::sync::Arc::clone(&self.clock);
        self.write(move |connection| append(connection, &token, &run, &lines, clock.milliseconds()))
            .await
    }
}

pub(super) fn append(
    connection: &Connection,
    token: &Token,
    run: &str,
    lines: &[Line],
    time: i64,
) -> Result<(), Fault> {
    verify(connection, token)?;
    let mut changed = false;
    for line in lines {
        let payload = serde_json::to_string(&line.entry)?;
        let request = follow(connection, run, line, &payload)?;
        connection
            .prepare_cached(
                "INSERT INTO journal (run, operation, subject, kind, epoch, attempt, payload, time)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                run,
                line.operation,
                line.subject,
                line.entry.kind(),
                token.epoch,
                line.attempt,
                payload,
                time
            ])?;
        if let Some(change) = changes(&request, &line.entry) {
            apply(connection, &token.deploy, run, change)?;
        }
        changed |= matches!(line.entry, Entry::Done { .. });
    }
    if changed {
        bump(connection, &token.deploy)?;
    }
    Ok(())
}

/// The deploy's state is another one now: plans made before are stale.
pub(super) fn bump(connection: &Connection, deploy: &str) -> Result<(), Fault> {
    connection
        .prepare_cached("UPDATE deploy SET serial = serial + 1 WHERE name = ?1")?
        .execute(params![deploy])?;
    Ok(())
}

/// Checks that the line may follow, notes the operation's last word, and returns what the operation is about.
/// `payload` is the entry as it goes into the journal.
fn follow(connection: &Connection, run: &str, line: &Line, payload: &str) -> Result<Request, Fault> {
    let last: Option<(String, String)> = connection
        .prepare_cached("SELECT state, request FROM operation WHERE id = ?1")?
        .query_row(params![line.operation], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let kind = line.entry.kind();
    if let Some(because) = contradiction(last.as_ref().map(|(state, _)| state.as_str()), kind) {
        let subject = line.subject.clone();
        return Err(StateError::Contradiction {
            kind,
            subject,
            because: because.to_owned(),
        }
        .into());
    }
    match &line.entry {
        Entry::Intent { request } => {
            connection
                .prepare_cached(
                    "INSERT INTO operation (id, run, subject, attempt, state, request, what)
                     VALUES (?1, ?2, ?3, ?4, 'intent', ?5, ?6)
                     ON CONFLICT (id) DO UPDATE SET attempt = excluded.attempt, state = 'intent', request = excluded.request",
                )?
                .execute(params![
                    line.operation,
                    run,
                    line.subject,
                    line.attempt,
                    request_of(payload, request)?,
                    durations::measured_as(request)
                ])?;
            return Ok(request.clone());
        }
        Entry::Handle { .. } => {}
        Entry::Done { took, .. } => {
            connection
                .prepare_cached("UPDATE operation SET state = 'done', took = ?2 WHERE id = ?1")?
                .execute(params![line.operation, took])?;
        }
        Entry::Failed { .. } => {
            connection
                .prepare_cached("UPDATE operation SET state = 'failed' WHERE id = ?1")?
                .execute(params![line.operation])?;
        }
    }
    let (_, request) = last.ok_or_else(|| Fault::Row(format!("operation `{}`", line.operation)))?;
    Ok(serde_json::from_str(&request)?)
}

/// The request as JSON: the very part of the entry that holds it, so that it is written out once.
fn request_of<'a>(payload: &'a str, request: &Request) -> Result<Cow<'a, str>, Fault> {
    let part = payload.strip_prefix(r#"{"kind":"intent","request":"#);
    match part.and_then(|part| part.strip_suffix('}')) {
        Some(part) => Ok(Cow::Borrowed(part)),
        None => Ok(Cow::Owned(serde_json::to_string(request)?)),
    }
}

fn apply(connection: &Connection, deploy: &str, run: &str, change: Change) -> Result<(), Fault> {
    match change {
        Change::PutNetwork(network) => {
            connection.execute(
                "INSERT INTO network (deploy, name, spec) VALUES (?1, ?2, ?3)
                 ON CONFLICT (deploy, name) DO UPDATE SET spec = excluded.spec",
                params![deploy, network.name, serde_json::to_string(&network)?],
            )?;
        }
        Change::DropNetwork(name) => {
            connection.execute(
                "DELETE FROM network WHERE deploy = ?1 AND name = ?2",
                params![deploy, name],
            )?;
        }
        Change::PutMachine(machine, facts) => {
            connection.execute(
                "DELETE FROM step WHERE deploy = ?1 AND node = ?2",
                params![deploy, machine.name],
            )?;
            connection.execute(
                "INSERT INTO machine (deploy, name, grp, addresses, digest, spec, told) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)
                 ON CONFLICT (deploy, name) DO UPDATE SET grp = excluded.grp, addresses = excluded.addresses,
                   digest = excluded.digest, spec = excluded.spec, told = 0",
                params![
                    deploy,
                    machine.name,
                    facts.group,
                    serde_json::to_string(&facts.addresses)?,
                    machine.digest,
                    serde_json::to_string(&machine)?
                ],
            )?;
        }
        Change::DropMachine(name, leaves) => {
            connection.execute(
                "DELETE FROM machine WHERE deploy = ?1 AND name = ?2",
                params![deploy, name],
            )?;
            if leaves {
                ledger::forget(connection, deploy, &name)?;
            }
        }
        Change::BeginStep(node, step) => {
            rename::set_aside(connection, deploy, (&node, &step.address), |recorded| {
                is_another(recorded, &step)
            })?;
            connection
                .prepare_cached(
                    "INSERT INTO step (deploy, node, address, since, unfinished, recipe)
                     SELECT ?1, ?2, ?3, NULL, 1, ?4 WHERE EXISTS (SELECT 1 FROM machine WHERE deploy = ?1 AND name = ?2)
                     ON CONFLICT (deploy, node, address) DO UPDATE SET unfinished = 1",
                )?
                .execute(params![deploy, node, step.address, serde_json::to_string(&step)?])?;
        }
        Change::BeginRemoval(node, step) => {
            if let Some(successor) = step.successor() {
                rename::set_aside(connection, deploy, (&node, successor), |recorded| {
                    is_older(recorded, &step)
                })?;
            }
            connection
                .prepare_cached(
                    "UPDATE step SET unfinished = 1 WHERE deploy = ?1 AND node = ?2 AND address = ?3",
                )?
                .execute(params![deploy, node, step.address])?;
        }
        Change::PutStep(node, step) => {
            // One owner for each thing: a step under another name that was about it has been taken over.
            connection
                .prepare_cached(
                    "DELETE FROM step WHERE deploy = ?1 AND node = ?2 AND address <> ?3
                     AND json_extract(recipe, '$.kind') = ?4 AND json_extract(recipe, '$.key') = ?5",
                )?
                .execute(params![deploy, node, step.address, step.kind, step.key])?;
            connection
                .prepare_cached(
                    "INSERT INTO step (deploy, node, address, since, unfinished, recipe)
                     SELECT ?1, ?2, ?3, ?5, 0, ?4 WHERE EXISTS (SELECT 1 FROM machine WHERE deploy = ?1 AND name = ?2)
                     ON CONFLICT (deploy, node, address) DO UPDATE SET unfinished = 0, recipe = excluded.recipe,
                       since = coalesce(step.since, excluded.since)",
                )?
                .execute(params![deploy, node, step.address, serde_json::to_string(&step)?, run])?;
        }
        Change::DropStep(node, step) => {
            let recorded = rename::recorded(connection, deploy, (&node, &step.address))?;
            let gone = match recorded.is_some_and(|recorded| is_another(&recorded, &step)) {
                true => replaced_step(&step).address,
                false => step.address.clone(),
            };
            connection
                .prepare_cached("DELETE FROM step WHERE deploy = ?1 AND node = ?2 AND address = ?3")?
                .execute(params![deploy, node, gone])?;
        }
        Change::Rename(renamed) => rename::apply(connection, deploy, &renamed)?,
        Change::Restarted(name) => {
            connection.execute(
                "UPDATE machine SET told = 0 WHERE deploy = ?1 AND name = ?2",
                params![deploy, name],
            )?;
        }
        Change::PutNames(names, told) => {
            connection.execute(
                "UPDATE machine SET told = name IN (SELECT value FROM json_each(?2)) WHERE deploy = ?1",
                params![deploy, serde_json::to_string(&told)?],
            )?;
            connection.execute(
                "INSERT INTO names (deploy, tbl) VALUES (?1, ?2)
                 ON CONFLICT (deploy) DO UPDATE SET tbl = excluded.tbl",
                params![deploy, serde_json::to_string(&names)?],
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::ObjectAction;

    #[test]
    fn a_request_is_written_out_once() {
        let request = Request::Object {
            action: ObjectAction::DestroyNetwork {
                name: "a \"front\" }".to_owned(),
            },
            node: None,
            leaves: true,
            told: Vec::new(),
        };
        let entry = Entry::Intent {
            request: request.clone(),
        };
        let payload = serde_json::to_string(&entry).unwrap();
        let part = request_of(&payload, &request).unwrap();
        assert!(matches!(part, Cow::Borrowed(_)));
        assert_eq!(part, serde_json::to_string(&request).unwrap());
    }
}
