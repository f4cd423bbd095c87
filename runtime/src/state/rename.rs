//! Groups, runs and steps that are called otherwise: the plan that says so makes that its first change, in the
//! transaction that opens its run.

use rebar_compiler::plan::{Move, RecordedStep, moved_step, replaced_step};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::error::Fault;
use super::lease::Token;
use super::store;
use super::surgery::{lines, operation};
use crate::journal::{Request, Surgery};

/// Journals the moves of a plan as lines of its run, which changes the record.
pub(super) fn journal(
    connection: &Connection,
    token: &Token,
    run: &str,
    moves: &[Move],
    now: i64,
) -> Result<(), Fault> {
    for renamed in moves {
        let subject = format!("moved/{}", renamed.before().replacen(' ', "/", 1));
        let surgery = Surgery::Rename {
            renamed: renamed.clone(),
        };
        let note = surgery.text();
        let lines = lines(
            operation(run, &subject),
            &subject,
            Request::Surgery { surgery },
            note,
        );
        store::append(connection, token, run, &lines, now)?;
    }
    Ok(())
}

/// Changes the record of what stands. Groups of the ledger follow with the plan's own.
pub(super) fn apply(connection: &Connection, deploy: &str, renamed: &Move) -> Result<(), Fault> {
    if let Move::Group { from, to } = renamed {
        for (table, column) in [("machine", "deploy"), ("ledger_node", "deploy")] {
            connection.execute(
                &format!("UPDATE {table} SET grp = ?3 WHERE {column} = ?1 AND grp = ?2"),
                params![deploy, from, to],
            )?;
        }
        return Ok(());
    }
    let mut statement =
        connection.prepare_cached("SELECT node, address, recipe FROM step WHERE deploy = ?1")?;
    let mut rows = statement.query(params![deploy])?;
    let mut moved: Vec<(String, String, RecordedStep)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (node, address): (String, String) = (row.get(0)?, row.get(1)?);
        if let Some(target) = renamed.address(&address) {
            let recipe: RecordedStep = serde_json::from_str(&row.get::<_, String>(2)?)?;
            moved.push((node, address, moved_step(recipe, &target)));
        }
    }
    drop(rows);
    let mut update = connection.prepare_cached(
        "UPDATE step SET address = ?4, recipe = ?5 WHERE deploy = ?1 AND node = ?2 AND address = ?3",
    )?;
    for (node, address, recipe) in moved {
        update.execute(params![
            deploy,
            node,
            address,
            recipe.address,
            serde_json::to_string(&recipe)?
        ])?;
    }
    Ok(())
}

/// What stands on a node under an address goes by that of an older thing from then on, if it is meant: another is about
/// to take its place.
pub(super) fn set_aside(
    connection: &Connection,
    deploy: &str,
    (node, address): (&str, &str),
    meant: impl Fn(&RecordedStep) -> bool,
) -> Result<(), Fault> {
    let recorded = recorded(connection, deploy, (node, address))?;
    if let Some(recorded) = recorded.filter(meant) {
        let older = replaced_step(&recorded);
        connection
            .prepare_cached(
                "UPDATE OR REPLACE step SET address = ?4, recipe = ?5
                 WHERE deploy = ?1 AND node = ?2 AND address = ?3",
            )?
            .execute(params![
                deploy,
                node,
                address,
                older.address,
                serde_json::to_string(&older)?
            ])?;
    }
    Ok(())
}

/// What is recorded on a node under an address.
pub(super) fn recorded(
    connection: &Connection,
    deploy: &str,
    (node, address): (&str, &str),
) -> Result<Option<RecordedStep>, Fault> {
    let recipe: Option<String> = connection
        .prepare_cached("SELECT recipe FROM step WHERE deploy = ?1 AND node = ?2 AND address = ?3")?
        .query_row(params![deploy, node, address], |row| row.get(0))
        .optional()?;
    Ok(recipe.map(|recipe| serde_json::from_str(&recipe)).transpose()?)
}
