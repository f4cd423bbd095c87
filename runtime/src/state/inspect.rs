//! What is recorded, for people who look into the state.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rebar_compiler::plan::{Addresses, RecordedStep};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::error::{Fault, StateError};
use super::lease::Holder;
use super::{DeployRecord, RunRecord, State, runs};
use crate::backend::NetworkSpec;

/// All that is recorded of a deploy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspected {
    /// The deploy.
    #[serde(flatten)]
    pub deploy: DeployRecord,
    /// How many holders the lease had.
    pub epoch: u64,
    /// Who made its machines, in the backend's words; nothing where that is not known.
    pub engine: Option<String>,
    /// Who holds the lease.
    pub holder: Option<HolderView>,
    /// The run that was begun and not closed.
    pub run: Option<RunRecord>,
    /// Operations of that run that were begun and have no end.
    pub unended: Vec<Unended>,
    /// Its networks.
    pub network: BTreeMap<String, NetworkSpec>,
    /// Its machines.
    pub machine: BTreeMap<String, InspectedMachine>,
    /// The names and addresses that it was given.
    pub ledger: BTreeMap<String, LedgerEntry>,
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderView {
    /// The process.
    pub pid: u32,
    /// Its host.
    pub host: String,
    /// Milliseconds since 1970.
    pub since: i64,
    /// Whether it is still there, as far as that can be told from here.
    pub alive: bool,
}

/// An operation without an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unended {
    /// Its id.
    pub operation: String,
    /// What it is about.
    pub subject: String,
    /// How often it was begun.
    pub attempt: u32,
    /// What it does: `create machine`, `step package pages.nginx`.
    pub what: Option<String>,
}

/// A machine that is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InspectedMachine {
    /// Its group.
    pub group: String,
    /// Its address on each network.
    pub addresses: Addresses,
    /// Digest of what it was made from.
    pub digest: String,
    /// Whether it knows the names that were published last.
    pub told: bool,
    /// What stands on it, in order.
    pub steps: Vec<InspectedStep>,
}

/// A step that is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectedStep {
    /// `run.step`
    pub address: String,
    /// The action.
    pub kind: String,
    /// What it is about.
    pub key: String,
    /// Whether it was begun and is not known to be finished.
    pub unfinished: bool,
    /// The run that first finished it.
    pub since: Option<String>,
}

/// A name that was given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The node's group.
    pub group: String,
    /// Its address on each network.
    pub addresses: BTreeMap<String, IpAddr>,
}

impl State {
    /// All that is recorded of a deploy; `None` if it was never applied.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn inspect(&self, deploy: &str) -> Result<Option<Inspected>, StateError> {
        let Some(record) = self.deploy(deploy).await? else {
            return Ok(None);
        };
        let network = self.networks(deploy).await?;
        let (now, ours) = (self.clock.milliseconds(), self.holder());
        self.read(move |connection| inspect(connection, record, network, (&ours, now)))
            .await
    }
}

fn inspect(
    connection: &Connection,
    record: DeployRecord,
    network: BTreeMap<String, NetworkSpec>,
    (ours, now): (&Holder, i64),
) -> Result<Option<Inspected>, Fault> {
    let name = record.name.clone();
    type Row = (u64, Option<String>, Option<String>, Option<i64>, Option<i64>);
    let row: Option<Row> = connection
        .query_row(
            "SELECT epoch, engine, holder, holder_since, holder_until FROM deploy WHERE name = ?1",
            params![name],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )
        .optional()?;
    let Some((epoch, engine, holder, since, until)) = row else {
        return Ok(None);
    };
    let holder = match holder {
        None => None,
        Some(text) => {
            let holder: Holder = serde_json::from_str(&text)?;
            Some(HolderView {
                alive: holder.holds(ours, until.unwrap_or(0) > now),
                pid: holder.pid,
                host: holder.host,
                since: since.unwrap_or(0),
            })
        }
    };
    let run = runs::open_run(connection, &name)?;
    Ok(Some(Inspected {
        unended: match &run {
            Some(run) => unended(connection, &run.id)?,
            None => Vec::new(),
        },
        machine: machines(connection, &name)?,
        ledger: ledger(connection, &name)?,
        deploy: record,
        epoch,
        engine,
        holder,
        run,
        network,
    }))
}

fn unended(connection: &Connection, run: &str) -> Result<Vec<Unended>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT id, subject, attempt, what FROM operation WHERE run = ?1 AND state = 'intent' ORDER BY subject",
    )?;
    let rows = statement.query_map(params![run], |row| {
        Ok(Unended {
            operation: row.get(0)?,
            subject: row.get(1)?,
            attempt: row.get(2)?,
            what: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn machines(connection: &Connection, deploy: &str) -> Result<BTreeMap<String, InspectedMachine>, Fault> {
    let mut machines = BTreeMap::new();
    let mut statement = connection
        .prepare_cached("SELECT name, grp, addresses, digest, told FROM machine WHERE deploy = ?1")?;
    let mut rows = statement.query(params![deploy])?;
    while let Some(row) = rows.next()? {
        let machine = InspectedMachine {
            group: row.get(1)?,
            addresses: serde_json::from_str(&row.get::<_, String>(2)?)?,
            digest: row.get(3)?,
            told: row.get(4)?,
            steps: Vec::new(),
        };
        machines.insert(row.get::<_, String>(0)?, machine);
    }
    let mut steps: BTreeMap<String, Vec<(u32, InspectedStep)>> = BTreeMap::new();
    let mut statement =
        connection.prepare_cached("SELECT node, since, unfinished, recipe FROM step WHERE deploy = ?1")?;
    let mut rows = statement.query(params![deploy])?;
    while let Some(row) = rows.next()? {
        let recipe: RecordedStep = serde_json::from_str(&row.get::<_, String>(3)?)?;
        let step = InspectedStep {
            address: recipe.address,
            kind: recipe.kind,
            key: recipe.key,
            since: row.get(1)?,
            unfinished: row.get(2)?,
        };
        steps
            .entry(row.get(0)?)
            .or_default()
            .push((recipe.position, step));
    }
    for (node, mut list) in steps {
        list.sort_by(|a, b| (a.0, &a.1.address).cmp(&(b.0, &b.1.address)));
        if let Some(machine) = machines.get_mut(&node) {
            machine.steps = list.into_iter().map(|(_, step)| step).collect();
        }
    }
    Ok(machines)
}

fn ledger(connection: &Connection, deploy: &str) -> Result<BTreeMap<String, LedgerEntry>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT n.node, n.grp, a.network, a.address FROM ledger_node n
         LEFT JOIN ledger_address a ON a.site = n.site AND a.deploy = n.deploy AND a.node = n.node
         WHERE n.deploy = ?1 AND n.site = (SELECT site FROM deploy WHERE name = ?1)",
    )?;
    let mut rows = statement.query(params![deploy])?;
    let mut ledger: BTreeMap<String, LedgerEntry> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let entry = ledger.entry(row.get(0)?).or_default();
        entry.group = row.get(1)?;
        if let (Some(network), Some(address)) =
            (row.get::<_, Option<String>>(2)?, row.get::<_, Option<String>>(3)?)
        {
            let parsed = address
                .parse()
                .map_err(|_| Fault::Row(format!("`{address}` is no address")))?;
            entry.addresses.insert(network, parsed);
        }
    }
    Ok(ledger)
}
