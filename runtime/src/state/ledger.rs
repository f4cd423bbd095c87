//! The ledger of a site: names and addresses, given once and kept.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rebar_compiler::plan::{Addresses, Ledger, LedgerNode};
use rusqlite::{Connection, OptionalExtension, params};

use super::State;
use super::error::{Fault, Refusal, StateError};

impl State {
    /// The ledger of `site`; empty if nothing was ever applied there.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn ledger(&self, site: &str) -> Result<Ledger, StateError> {
        let site = site.to_owned();
        self.read(move |connection| read(connection, &site)).await
    }
}

pub(super) fn version(connection: &Connection, site: &str) -> Result<u64, Fault> {
    let version = connection
        .query_row("SELECT version FROM site WHERE name = ?1", params![site], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(version.unwrap_or(0))
}

fn read(connection: &Connection, site: &str) -> Result<Ledger, Fault> {
    let mut ledger = Ledger {
        version: version(connection, site)?,
        deploys: BTreeMap::new(),
    };
    let mut nodes = connection
        .prepare_cached("SELECT deploy, node, grp, leader, retired FROM ledger_node WHERE site = ?1")?;
    let mut rows = nodes.query(params![site])?;
    while let Some(row) = rows.next()? {
        let node = LedgerNode {
            group: row.get(2)?,
            addresses: Addresses::default(),
            leader: row.get(3)?,
            retired: row.get(4)?,
        };
        ledger
            .deploys
            .entry(row.get(0)?)
            .or_default()
            .insert(row.get(1)?, node);
    }
    let mut addresses = connection
        .prepare_cached("SELECT deploy, node, network, address FROM ledger_address WHERE site = ?1")?;
    let mut rows = addresses.query(params![site])?;
    while let Some(row) = rows.next()? {
        let (deploy, name): (String, String) = (row.get(0)?, row.get(1)?);
        let text: String = row.get(3)?;
        let address = text
            .parse()
            .map_err(|_| Fault::Row(format!("`{text}` is no address")))?;
        if let Some(node) = ledger
            .deploys
            .get_mut(&deploy)
            .and_then(|nodes| nodes.get_mut(&name))
        {
            node.addresses = node.addresses.with(row.get::<_, String>(2)?, address);
        }
    }
    Ok(ledger)
}

/// Brings `wanted` into the ledger. What is there stays, but for a node that moved to another group or network.
pub(super) fn add(
    connection: &Connection,
    site: &str,
    deploy: &str,
    wanted: &BTreeMap<String, LedgerNode>,
) -> Result<(), Fault> {
    let current = read(connection, site)?.deploys.remove(deploy).unwrap_or_default();
    let mut added = false;
    for (name, node) in wanted {
        let known = current.get(name);
        if known.is_some_and(|known| known.group != node.group) {
            connection.execute(
                "UPDATE ledger_node SET grp = ?4 WHERE site = ?1 AND deploy = ?2 AND node = ?3",
                params![site, deploy, name, node.group],
            )?;
            added = true;
        }
        if node.retired {
            // One that is gone by now is not given its name again.
            if known.is_some_and(|known| !known.retired) {
                connection.execute(
                    "UPDATE ledger_node SET retired = 1, leader = 0 WHERE site = ?1 AND deploy = ?2 AND node = ?3",
                    params![site, deploy, name],
                )?;
                added = true;
            }
            continue;
        }
        if known.is_none() {
            connection.execute(
                "INSERT INTO ledger_node (site, deploy, node, grp) VALUES (?1, ?2, ?3, ?4)",
                params![site, deploy, name, node.group],
            )?;
            added = true;
        }
        for (network, address) in node.addresses.iter() {
            match known.and_then(|k| k.addresses.get(network)) {
                Some(held) if held == address => {}
                Some(_) => {
                    // The network itself was given other addresses: the node moves with it.
                    forget_address(connection, site, deploy, name, network)?;
                    give(connection, site, deploy, name, network, *address)?;
                    added = true;
                }
                None => {
                    give(connection, site, deploy, name, network, *address)?;
                    added = true;
                }
            }
        }
    }
    for (name, node) in wanted.iter().filter(|(_, node)| node.leader) {
        if !current.get(name).is_some_and(|known| known.leader) {
            lead(connection, site, deploy, &node.group, name)?;
            added = true;
        }
    }
    if added {
        bump(connection, site)?;
    }
    Ok(())
}

/// A group has one leader: whoever was it before, and is about to leave, is it no more.
fn lead(connection: &Connection, site: &str, deploy: &str, group: &str, node: &str) -> Result<(), Fault> {
    connection.execute(
        "UPDATE ledger_node SET leader = (node = ?4) WHERE site = ?1 AND deploy = ?2 AND grp = ?3",
        params![site, deploy, group, node],
    )?;
    Ok(())
}

fn give(
    connection: &Connection,
    site: &str,
    deploy: &str,
    node: &str,
    network: &str,
    address: IpAddr,
) -> Result<(), Fault> {
    let done = connection.execute(
        "INSERT INTO ledger_address (site, deploy, node, network, address) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![site, deploy, node, network, address.to_string()],
    );
    match done {
        Ok(_) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
            Err(taken(site, format!("address `{address}` on `{network}`")))
        }
        Err(error) => Err(error.into()),
    }
}

fn forget_address(
    connection: &Connection,
    site: &str,
    deploy: &str,
    node: &str,
    network: &str,
) -> Result<(), Fault> {
    connection.execute(
        "DELETE FROM ledger_address WHERE site = ?1 AND deploy = ?2 AND node = ?3 AND network = ?4",
        params![site, deploy, node, network],
    )?;
    Ok(())
}

/// Frees a node's name and addresses.
pub(super) fn forget(connection: &Connection, deploy: &str, node: &str) -> Result<(), Fault> {
    let site: String = connection.query_row(
        "SELECT site FROM deploy WHERE name = ?1",
        params![deploy],
        |row| row.get(0),
    )?;
    let gone = connection.execute(
        "DELETE FROM ledger_node WHERE site = ?1 AND deploy = ?2 AND node = ?3",
        params![site, deploy, node],
    )?;
    if gone > 0 {
        bump(connection, &site)?;
    }
    Ok(())
}

/// Frees the names of `deploy` that are not in `kept` and have no machine.
pub(super) fn tidy(
    connection: &Connection,
    deploy: &str,
    kept: &BTreeMap<String, LedgerNode>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT node FROM ledger_node l WHERE deploy = ?1 AND site = (SELECT site FROM deploy WHERE name = ?1)
         AND NOT EXISTS (SELECT 1 FROM machine m WHERE m.deploy = l.deploy AND m.name = l.node)",
    )?;
    let names: Vec<String> = statement
        .query_map(params![deploy], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for name in names
        .iter()
        .filter(|name| kept.get(*name).is_none_or(|node| node.retired))
    {
        forget(connection, deploy, name)?;
    }
    Ok(())
}

fn bump(connection: &Connection, site: &str) -> Result<(), Fault> {
    connection.execute(
        "UPDATE site SET version = version + 1 WHERE name = ?1",
        params![site],
    )?;
    Ok(())
}

fn taken(site: &str, what: String) -> Fault {
    Refusal::LedgerTaken {
        site: site.to_owned(),
        what,
    }
    .into()
}
