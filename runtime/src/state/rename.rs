//! Groups, runs and steps that are called otherwise: the plan that says so makes that its first change, in the
//! transaction that opens its run.

use rebar_compiler::plan::{Move, RecordedStep, moved_step};
use rusqlite::{Connection, params};

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
