//! Reading the record of what stands.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rebar_compiler::plan::{
    Base, Machine, MadeOf, Outputs, RecordedNetwork, RecordedNode, RecordedStep, Snapshot,
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::error::{Fault, StateError};
use super::{State, ledger, runs};
use crate::backend::{MachineSpec, NetworkSpec, Scope};

/// A deploy that was applied here at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployRecord {
    /// Its name.
    pub name: String,
    /// Its id, which all its objects carry.
    pub id: String,
    /// Where it stands, or stood.
    pub site: String,
    /// The backend that makes its machines.
    pub backend: String,
    /// Grows with every change.
    pub serial: u64,
    /// How many machines it has.
    pub machines: u64,
    /// How many networks it has.
    pub networks: u64,
    /// The kind of a run that was begun and not closed.
    pub open_run: Option<String>,
}

impl DeployRecord {
    /// Whose objects its are.
    pub fn scope(&self) -> Scope {
        Scope {
            deploy_id: self.id.clone(),
            deploy: self.name.clone(),
        }
    }
}

/// What the executor needs to know of a recorded node beyond the snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeDetail {
    /// How its machine was made.
    pub spec: MachineSpec,
    /// Whether it knows the table of names that was published last.
    pub told: bool,
    /// Steps that were finished before `run` (the one asked about) began, by `run.step`.
    pub served: BTreeSet<String>,
}

impl State {
    /// The record of a deploy, as if everything stood as applied: no backend is asked. A deploy that was never
    /// applied has an empty record.
    ///
    /// # Errors
    /// [`StateError::OtherSite`] when the deploy stands on another site; those of reading.
    pub async fn snapshot_record(&self, deploy: &str, site: &str) -> Result<Snapshot, StateError> {
        let (deploy, site) = (deploy.to_owned(), site.to_owned());
        self.read(move |connection| snapshot(connection, &deploy, &site))
            .await
    }

    /// Fails when the deploy stands on another site, or was made by another backend: what this one would say of its
    /// objects is that they are gone.
    ///
    /// # Errors
    /// [`StateError::OtherSite`]; those of reading.
    pub async fn same_place(&self, deploy: &str, site: &str, backend: &str) -> Result<(), StateError> {
        let (deploy, site, backend) = (deploy.to_owned(), site.to_owned(), backend.to_owned());
        self.read(move |connection| same_place(connection, &deploy, &site, Some(&backend)))
            .await
    }

    /// All deploys that were ever applied and were not forgotten since, by name.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn deploys(&self) -> Result<Vec<DeployRecord>, StateError> {
        self.read(|connection| deploys(connection, None)).await
    }

    /// One deploy; `None` if it was never applied.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn deploy(&self, name: &str) -> Result<Option<DeployRecord>, StateError> {
        let name = name.to_owned();
        self.read(move |connection| Ok(deploys(connection, Some(&name))?.pop()))
            .await
    }

    /// How each recorded machine was made and what it served before `run` began.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn node_details(
        &self,
        deploy: &str,
        run: &str,
    ) -> Result<BTreeMap<String, NodeDetail>, StateError> {
        let (deploy, run) = (deploy.to_owned(), run.to_owned());
        self.read(move |connection| details(connection, &deploy, &run))
            .await
    }

    /// What the steps of a deploy have found out.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn found_out(&self, deploy: &str) -> Result<Outputs, StateError> {
        let deploy = deploy.to_owned();
        self.read(move |connection| found_out(connection, &deploy)).await
    }

    /// The networks of a deploy, as they were made.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn networks(&self, deploy: &str) -> Result<BTreeMap<String, NetworkSpec>, StateError> {
        let deploy = deploy.to_owned();
        self.read(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT name, spec FROM network WHERE deploy = ?1")?;
            let mut rows = statement.query(params![deploy])?;
            let mut networks = BTreeMap::new();
            while let Some(row) = rows.next()? {
                networks.insert(row.get(0)?, serde_json::from_str(&row.get::<_, String>(1)?)?);
            }
            Ok(networks)
        })
        .await
    }

    /// The names that all machines of a deploy were last told.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn published_names(&self, deploy: &str) -> Result<BTreeMap<String, Vec<IpAddr>>, StateError> {
        let deploy = deploy.to_owned();
        self.read(move |connection| {
            let text: Option<String> = connection
                .query_row(
                    "SELECT tbl FROM names WHERE deploy = ?1",
                    params![deploy],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(text
                .map(|t| serde_json::from_str(&t))
                .transpose()?
                .unwrap_or_default())
        })
        .await
    }
}

/// Fails when the deploy has objects on another site, or of another backend than this one.
pub(super) fn same_place(
    connection: &Connection,
    deploy: &str,
    site: &str,
    wanted_backend: Option<&str>,
) -> Result<(), Fault> {
    let row: Option<(String, String, bool)> = connection
        .query_row(
            "SELECT site, backend, EXISTS (SELECT 1 FROM machine WHERE deploy = d.name)
               OR EXISTS (SELECT 1 FROM network WHERE deploy = d.name)
               OR EXISTS (SELECT 1 FROM run WHERE deploy = d.name AND closed IS NULL)
             FROM deploy d WHERE name = ?1",
            params![deploy],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    match row {
        Some((recorded, backend, true))
            if recorded != site || wanted_backend.is_some_and(|wanted| wanted != backend) =>
        {
            let deploy = deploy.to_owned();
            let wanted = match wanted_backend {
                Some(other) if recorded == site => format!("backend `{other}`"),
                _ => format!("`{site}`"),
            };
            Err(StateError::OtherSite {
                deploy,
                recorded,
                backend,
                wanted,
            }
            .into())
        }
        Some(_) | None => Ok(()),
    }
}

fn snapshot(connection: &Connection, deploy: &str, site: &str) -> Result<Snapshot, Fault> {
    same_place(connection, deploy, site, None)?;
    let known: Option<(String, u64)> = connection
        .query_row(
            "SELECT id, serial FROM deploy WHERE name = ?1",
            params![deploy],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let (deploy_id, serial) = known.map_or((None, 0), |(id, serial)| (Some(id), serial));
    let mut snapshot = Snapshot {
        base: Base {
            deploy_id,
            serial,
            ledger: ledger::version(connection, site)?,
        },
        ..Snapshot::default()
    };
    let mut networks = connection.prepare_cached("SELECT spec FROM network WHERE deploy = ?1")?;
    let mut rows = networks.query(params![deploy])?;
    while let Some(row) = rows.next()? {
        let spec: NetworkSpec = serde_json::from_str(&row.get::<_, String>(0)?)?;
        let network = RecordedNetwork {
            cidr: spec.cidr,
            gateway: spec.gateway,
            live: true,
        };
        snapshot.networks.insert(spec.name, network);
    }
    let mut machines = connection
        .prepare_cached("SELECT name, grp, addresses, digest, spec FROM machine WHERE deploy = ?1")?;
    let mut rows = machines.query(params![deploy])?;
    while let Some(row) = rows.next()? {
        let node = RecordedNode {
            group: row.get(1)?,
            addresses: serde_json::from_str(&row.get::<_, String>(2)?)?,
            machine: row.get(3)?,
            made: Some(Box::new(made_of(serde_json::from_str(
                &row.get::<_, String>(4)?,
            )?))),
            live: Machine::Running,
            steps: BTreeMap::new(),
            drifted: BTreeMap::new(),
            unfinished: Vec::new(),
        };
        snapshot.nodes.insert(row.get(0)?, node);
    }
    let mut steps =
        connection.prepare_cached("SELECT node, address, unfinished, recipe FROM step WHERE deploy = ?1")?;
    let mut rows = steps.query(params![deploy])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let address: String = row.get(1)?;
        let recipe: RecordedStep = serde_json::from_str(&row.get::<_, String>(3)?)?;
        if let Some(node) = snapshot.nodes.get_mut(&name) {
            if row.get(2)? {
                node.unfinished.push(address.clone());
            }
            node.steps.insert(address, recipe);
        }
    }
    Ok(snapshot)
}

/// What a machine was made from.
fn made_of(spec: MachineSpec) -> MadeOf {
    let addresses = spec.interfaces.into_iter();
    MadeOf {
        image: Some(spec.image),
        hardware: spec.hardware,
        settings: spec.settings,
        addresses: addresses
            .map(|interface| (interface.name, interface.address))
            .collect(),
    }
}

fn deploys(connection: &Connection, name: Option<&str>) -> Result<Vec<DeployRecord>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT name, id, site, backend, serial,
           (SELECT count(*) FROM machine WHERE deploy = d.name), (SELECT count(*) FROM network WHERE deploy = d.name)
         FROM deploy d WHERE name = ?1
           OR ?1 IS NULL AND NOT (
             NOT EXISTS (SELECT 1 FROM machine WHERE deploy = d.name)
             AND NOT EXISTS (SELECT 1 FROM network WHERE deploy = d.name)
             AND 'forget' IS (
               SELECT CASE kind WHEN 'surgery' THEN json_extract(plan, '$.surgery') ELSE '' END
               FROM run WHERE deploy = d.name ORDER BY opened DESC, rowid DESC LIMIT 1))
         ORDER BY name",
    )?;
    let rows = statement.query_map(params![name], |row| {
        Ok(DeployRecord {
            name: row.get(0)?,
            id: row.get(1)?,
            site: row.get(2)?,
            backend: row.get(3)?,
            serial: row.get(4)?,
            machines: row.get(5)?,
            networks: row.get(6)?,
            open_run: None,
        })
    })?;
    let mut records = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    for record in &mut records {
        record.open_run = runs::open_run(connection, &record.name)?.map(|run| run.kind.name().to_owned());
    }
    Ok(records)
}

fn found_out(connection: &Connection, deploy: &str) -> Result<Outputs, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT node, address, json_extract(recipe, '$.outputs') AS outputs FROM step
         WHERE deploy = ?1 AND outputs IS NOT NULL",
    )?;
    let mut rows = statement.query(params![deploy])?;
    let mut outputs = Outputs::default();
    while let Some(row) = rows.next()? {
        let (node, step): (String, String) = (row.get(0)?, row.get(1)?);
        outputs.insert(&node, &step, serde_json::from_str(&row.get::<_, String>(2)?)?);
    }
    Ok(outputs)
}

fn details(connection: &Connection, deploy: &str, run: &str) -> Result<BTreeMap<String, NodeDetail>, Fault> {
    let mut nodes = BTreeMap::new();
    let mut machines = connection.prepare_cached("SELECT name, spec, told FROM machine WHERE deploy = ?1")?;
    let mut rows = machines.query(params![deploy])?;
    while let Some(row) = rows.next()? {
        let spec = serde_json::from_str(&row.get::<_, String>(1)?)?;
        nodes.insert(
            row.get::<_, String>(0)?,
            NodeDetail {
                spec,
                told: row.get(2)?,
                served: BTreeSet::new(),
            },
        );
    }
    let mut steps = connection.prepare_cached(
        "SELECT node, address FROM step WHERE deploy = ?1 AND since IS NOT NULL AND since <> ?2",
    )?;
    let mut rows = steps.query(params![deploy, run])?;
    while let Some(row) = rows.next()? {
        if let Some(node) = nodes.get_mut(&row.get::<_, String>(0)?) {
            node.served.insert(row.get(1)?);
        }
    }
    Ok(nodes)
}
