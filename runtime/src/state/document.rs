//! The whole state as one JSON document, and back.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, Value as Sql};
use rusqlite::{Connection, Row, ToSql, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{Fault, StateError};
use super::lease::{self, Holder, take};
use super::{State, backup, open, sound, surgery};
use crate::journal::Surgery;

/// The version of the document's form.
pub const SCHEMA_VERSION: u32 = 1;

/// The whole of a state: what was given away, what was done, and what stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The version of this form: 1.
    pub format: u32,
    /// The format of the tables.
    pub state_format: i64,
    /// Which state this is: copies of one have the same.
    pub lineage: String,
    /// When it was written, in milliseconds since 1970.
    pub exported: i64,
    /// Who wrote it.
    pub by: String,
    /// SHA-256 (hexadecimal) of this document as compact JSON in this order, with this field empty.
    pub hash: String,
    /// The rows of every table.
    pub tables: Tables,
}

/// A column that holds JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Json(serde_json::Value);

impl Json {
    pub(super) fn value(&self) -> &serde_json::Value {
        &self.0
    }
}

impl rusqlite::types::FromSql for Json {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        let parsed = serde_json::from_str(value.as_str()?);
        parsed
            .map(Json)
            .map_err(|error| rusqlite::types::FromSqlError::Other(Box::new(error)))
    }
}

impl ToSql for Json {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Sql::Text(self.0.to_string())))
    }
}

/// Declares the tables, each as a structure of its columns, and how all of them are read and written.
macro_rules! tables {
    ($($(#[$about:meta])* $table:ident $row:ident { $($column:ident: $kind:ty),* $(,)? })*) => {
        /// The rows of every table, in the order in which they can be written.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct Tables {
            $($(#[$about])* pub $table: Vec<$row>,)*
        }

        $(
            $(#[$about])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
            #[serde(deny_unknown_fields)]
            #[allow(missing_docs, reason = "the columns are explained in schema.sql")]
            pub struct $row { $(pub $column: $kind,)* }

            impl $row {
                fn read(row: &Row<'_>) -> rusqlite::Result<$row> {
                    Ok($row { $($column: row.get(stringify!($column))?,)* })
                }
            }
        )*

        impl Tables {
            fn read(connection: &Connection) -> rusqlite::Result<Tables> {
                Ok(Tables { $($table: {
                    let columns = [$(stringify!($column)),*].join(", ");
                    let text = format!("SELECT {columns} FROM {} ORDER BY rowid", stringify!($table));
                    let mut statement = connection.prepare(&text)?;
                    let rows = statement.query_map([], $row::read)?;
                    rows.collect::<rusqlite::Result<_>>()?
                },)* })
            }

            fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
                $({
                    let columns = [$(stringify!($column)),*];
                    let places = vec!["?"; columns.len()].join(", ");
                    let text = format!(
                        "INSERT INTO {} ({}) VALUES ({places})", stringify!($table), columns.join(", ")
                    );
                    let mut statement = connection.prepare(&text)?;
                    for row in &self.$table {
                        statement.execute(params![$(row.$column),*])?;
                    }
                })*
                Ok(())
            }

            /// The tables' names, in the order in which they can be written.
            const NAMES: &[&str] = &[$(stringify!($table)),*];
        }
    };
}

tables! {
    /// Sites.
    site SiteRow { name: String, version: i64 }
    /// Names that were given.
    ledger_node LedgerNodeRow { site: String, deploy: String, node: String, grp: String, leader: i64, retired: i64 }
    /// Addresses that were given.
    ledger_address LedgerAddressRow { site: String, deploy: String, node: String, network: String, address: String }
    /// Deploys. Who holds a lease is not part of it.
    deploy DeployRow {
        name: String, id: String, site: String, backend: String, serial: i64, epoch: i64, engine: Option<String>,
    }
    /// Runs.
    run RunRow {
        id: String, deploy: String, kind: String, plan_hash: String, plan: Json, opened: i64, closed: Option<i64>,
        outcome: Option<String>, who: Option<String>,
    }
    /// The journal.
    journal JournalRow {
        seq: i64, run: String, operation: String, subject: String, kind: String, epoch: i64, attempt: i64,
        payload: Json, time: i64,
    }
    /// The last word on each operation.
    operation OperationRow {
        id: String, run: String, subject: String, attempt: i64, state: String, request: Json, what: Option<String>,
        took: Option<i64>,
    }
    /// Networks that stand.
    network NetworkRow { deploy: String, name: String, spec: Json }
    /// Machines that stand.
    machine MachineRow {
        deploy: String, name: String, grp: String, addresses: Json, digest: String, spec: Json, told: i64,
    }
    /// Steps that stand.
    step StepRow {
        deploy: String, node: String, address: String, since: Option<String>, unfinished: i64, recipe: Json,
    }
    /// Names that were published.
    names NamesRow { deploy: String, tbl: Json }
    /// How long changes took.
    duration DurationRow { backend: String, what: String, count: i64, total: i64, samples: Json }
    /// How often patterns were carried out or rehearsed.
    practice PracticeRow {
        pattern: String, role: String, backend: String, how: String, outcome: String, count: i64, last: i64,
    }
    /// Rehearsals.
    rehearsal RehearsalRow {
        id: String, deploy: String, time: i64, plan_hash: String, seed: i64, runs: i64, report: Json,
    }
}

/// The JSON Schema of documents.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Document)
}

impl Document {
    /// Reads a document, and checks that nobody changed it.
    ///
    /// # Errors
    /// [`StateError::Document`] when it is none, of another format, or was changed.
    pub fn read(text: &[u8]) -> Result<Document, StateError> {
        let wrong = |what: String| StateError::Document { what };
        let value: serde_json::Value =
            serde_json::from_slice(text).map_err(|error| wrong(format!("it is no JSON: {error}")))?;
        for (field, known) in [
            ("format", i64::from(SCHEMA_VERSION)),
            ("state_format", open::FORMAT),
        ] {
            match value.get(field).and_then(serde_json::Value::as_i64) {
                Some(found) if found == known => {}
                Some(found) => {
                    return Err(wrong(format!(
                        "its `{field}` is {found}, this rebar knows {known}"
                    )));
                }
                None => return Err(wrong(format!("it has no `{field}`"))),
            }
        }
        let document: Document = serde_json::from_value(value)
            .map_err(|error| wrong(format!("it is not of the form: {error}")))?;
        if document.hash != document.computed() {
            return Err(wrong("its hash is not that of its content".to_owned()));
        }
        sound::check(&document.tables).map_err(|what| wrong(format!("it cannot be a state: {what}")))?;
        Ok(document)
    }

    /// As text, with a newline at the end.
    pub fn text(&self) -> String {
        format!("{:#}\n", serde_json::json!(self))
    }

    fn computed(&self) -> String {
        let empty = Document {
            hash: String::new(),
            ..self.clone()
        };
        // Text keys and plain values: there is nothing that has no JSON form.
        let text = serde_json::to_vec(&empty).unwrap_or_default();
        Sha256::digest(text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl State {
    /// The whole state as one document.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn export(&self) -> Result<Document, StateError> {
        let exported = self.clock.milliseconds();
        self.read(move |connection| {
            let mut document = Document {
                format: SCHEMA_VERSION,
                state_format: open::FORMAT,
                lineage: lineage(connection)?,
                exported,
                by: lease::who(),
                hash: String::new(),
                tables: Tables::read(connection)?,
            };
            document.hash = document.computed();
            Ok(document)
        })
        .await
    }

    /// Writes the document of the whole state to a private file, in the place of one that may be there.
    ///
    /// # Errors
    /// Those of [`State::export`] and of writing.
    pub async fn export_to(&self, file: &Path) -> Result<(), StateError> {
        let document = self.export().await?;
        backup::write_private(file, document.text().as_bytes())
    }

    /// Whether anything was ever applied here.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn is_empty(&self) -> Result<bool, StateError> {
        self.read(|connection| {
            Ok(connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM deploy)", [], |row| row.get(0))?)
        })
        .await
    }

    /// Takes a document over, all or nothing. A state that has anything must be an earlier state of the same lineage:
    /// all that it has is in the document.
    ///
    /// # Errors
    /// [`StateError::NotLater`] when the document would take something away, [`StateError::Leased`] when a deploy is being
    /// changed, [`StateError::Document`] when its rows do not fit together; those of writing.
    pub async fn import(&self, document: Document) -> Result<(), StateError> {
        let (now, holder) = (self.clock.milliseconds(), self.holder());
        self.write(move |connection| import(connection, &document, &holder, now))
            .await
    }
}

fn lineage(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("SELECT lineage FROM about", [], |row| row.get(0))
}

fn import(connection: &Connection, document: &Document, ours: &Holder, now: i64) -> Result<(), Fault> {
    let here = Tables::read(connection)?;
    nobody_at_work(connection, ours, now)?;
    later(&lineage(connection)?, &here, document)?;
    // The journal is append-only for everybody but this.
    let triggers: Vec<(String, String)> = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (name, _) in &triggers {
        connection.execute_batch(&format!("DROP TRIGGER {name}"))?;
    }
    for table in Tables::NAMES.iter().rev() {
        connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    let rows = document.tables.write(connection);
    rows.map_err(|error| StateError::Document {
        what: format!("its rows do not fit together: {error}"),
    })?;
    for (_, sql) in &triggers {
        connection.execute_batch(sql)?;
    }
    connection.execute("UPDATE about SET lineage = ?1", params![document.lineage])?;
    for deploy in &document.tables.deploy {
        let (token, _) = take(connection, &deploy.name, ours, now)?;
        let surgery = Surgery::Import {
            document: document.hash.clone(),
        };
        surgery::operate(connection, &token, "deploy", surgery, now)?;
        surgery::release(connection, &token)?;
    }
    Ok(())
}

fn nobody_at_work(connection: &Connection, ours: &Holder, now: i64) -> Result<(), Fault> {
    let mut statement = connection
        .prepare("SELECT name, holder, holder_since, holder_until FROM deploy WHERE holder IS NOT NULL")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let holder: Holder = serde_json::from_str(&row.get::<_, String>(1)?)?;
        if holder.holds(ours, row.get::<_, Option<i64>>(3)?.unwrap_or(0) > now) {
            return Err(StateError::Leased {
                deploy: row.get(0)?,
                pid: holder.pid,
                host: holder.host,
                since: super::utc(row.get::<_, Option<i64>>(2)?.unwrap_or(now)),
            }
            .into());
        }
    }
    Ok(())
}

/// Fails unless everything that is here is in the document too.
fn later(lineage: &str, here: &Tables, document: &Document) -> Result<(), StateError> {
    let refuse = |what: String| Err(StateError::NotLater { what });
    if here.deploy.is_empty() && here.journal.is_empty() {
        return Ok(());
    }
    if lineage != document.lineage {
        return refuse("it is of another state, and this one has something".to_owned());
    }
    let theirs = &document.tables;
    if theirs.journal.len() < here.journal.len() || theirs.journal[..here.journal.len()] != here.journal[..] {
        let last = here
            .journal
            .iter()
            .zip(&theirs.journal)
            .take_while(|(ours, theirs)| ours == theirs)
            .count();
        let text = format!(
            "after line {last} of the journal, {} more are here that it does not have",
            here.journal.len() - last
        );
        return refuse(text);
    }
    if let Some(run) = here
        .run
        .iter()
        .find(|run| !theirs.run.iter().any(|other| other.id == run.id))
    {
        return refuse(format!("run {} is here and not in it", run.id));
    }
    for deploy in &here.deploy {
        let other = theirs.deploy.iter().find(|other| other.id == deploy.id);
        match other {
            Some(other) if other.serial >= deploy.serial => {}
            Some(other) => {
                return refuse(format!(
                    "deploy `{}` is at serial {} here and at {} in it",
                    deploy.name, deploy.serial, other.serial
                ));
            }
            None => return refuse(format!("deploy `{}` is here and not in it", deploy.name)),
        }
    }
    Ok(())
}
