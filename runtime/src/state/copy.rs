//! The record of one deploy, taken out of a state and put into another: rehearsals begin where a deploy stands.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::State;
use super::error::{Fault, StateError};

/// What is recorded of a deploy, and how long changes took: its names and addresses, objects and steps, and a run that
/// was broken off. Neither the journal nor closed runs.
#[derive(Debug, Clone, Default)]
pub struct DeployCopy {
    tables: Vec<Table>,
}

#[derive(Debug, Clone)]
struct Table {
    name: &'static str,
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// Tables in an order in which what refers follows what is referred to, with the rows that are taken: `?1` is the
/// deploy, `?2` the site.
const TABLES: [(&str, &str); 10] = [
    ("site", "name = ?2 AND ?1 = ?1"),
    ("ledger_node", "deploy = ?1 AND site = ?2"),
    ("ledger_address", "deploy = ?1 AND site = ?2"),
    ("deploy", "name = ?1 AND ?2 = ?2"),
    ("run", "deploy = ?1 AND closed IS NULL AND ?2 = ?2"),
    (
        "operation",
        "run IN (SELECT id FROM run WHERE deploy = ?1 AND closed IS NULL) AND ?2 = ?2",
    ),
    ("network", "deploy = ?1 AND ?2 = ?2"),
    ("machine", "deploy = ?1 AND ?2 = ?2"),
    ("step", "deploy = ?1 AND ?2 = ?2"),
    ("names", "deploy = ?1 AND ?2 = ?2"),
];

impl State {
    /// What is recorded of `deploy` on `site`. With `alone`, only how long changes took: as if nothing had ever been
    /// applied.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn copy_deploy(&self, deploy: &str, site: &str, alone: bool) -> Result<DeployCopy, StateError> {
        let (deploy, site) = (deploy.to_owned(), site.to_owned());
        self.read(move |connection| {
            let mut copy = DeployCopy::default();
            for (name, rows) in TABLES.into_iter().filter(|_| !alone) {
                copy.tables
                    .push(read(connection, name, rows, &[deploy.clone(), site.clone()])?);
            }
            copy.tables.push(read(connection, "duration", "TRUE", &[])?);
            Ok(copy)
        })
        .await
    }

    /// Puts a copy into this state, which knows nothing of the deploy. Nobody holds its lease then.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn put_copy(&self, copy: &DeployCopy) -> Result<(), StateError> {
        let copy = copy.clone();
        self.write(move |connection| {
            for table in &copy.tables {
                write(connection, table)?;
            }
            connection.execute(
                "UPDATE deploy SET holder = NULL, holder_since = NULL, holder_until = NULL",
                [],
            )?;
            Ok(())
        })
        .await
    }
}

fn read(connection: &Connection, name: &'static str, rows: &str, keys: &[String]) -> Result<Table, Fault> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {name} WHERE {rows}"))?;
    let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut found = statement.query(params_from_iter(keys))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let values = (0..columns.len()).map(|index| row.get(index));
        rows.push(values.collect::<rusqlite::Result<Vec<Value>>>()?);
    }
    Ok(Table { name, columns, rows })
}

fn write(connection: &Connection, table: &Table) -> Result<(), Fault> {
    let marks = vec!["?"; table.columns.len()].join(", ");
    let (name, columns) = (table.name, table.columns.join(", "));
    let mut statement = connection.prepare(&format!("INSERT INTO {name} ({columns}) VALUES ({marks})"))?;
    for row in &table.rows {
        statement.execute(params_from_iter(row))?;
    }
    Ok(())
}
