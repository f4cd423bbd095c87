//! Whether what a document says can be a state: every value reads as what it stands for, and the record is what the
//! journal says. A hash tells only that nobody changed it by accident.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rebar_compiler::plan::{Addresses, RecordedStep};
use serde::de::DeserializeOwned;

use super::document::{Json, Tables};
use crate::backend::{MachineSpec, NetworkSpec};
use crate::journal::{Entry, Line, Request, replay};

/// Numbers up to here are the same in JSON, SQLite and every program that reads either: 2^53.
const LARGEST: i64 = 1 << 53;

/// Fails, in words, at the first thing that cannot be.
pub(super) fn check(tables: &Tables) -> Result<(), String> {
    numbers(tables)?;
    for row in &tables.network {
        let spec: NetworkSpec = parsed(&row.spec, "network", &row.name)?;
        same(&spec.name, &row.name, "network")?;
    }
    for row in &tables.machine {
        let spec: MachineSpec = parsed(&row.spec, "machine", &row.name)?;
        same(&spec.name, &row.name, "machine")?;
        let _: Addresses = parsed(&row.addresses, "machine", &row.name)?;
    }
    for row in &tables.step {
        let recipe: RecordedStep = parsed(&row.recipe, "step", &row.address)?;
        same(&recipe.address, &row.address, "step")?;
    }
    for row in &tables.names {
        let _: BTreeMap<String, Vec<IpAddr>> = parsed(&row.tbl, "names", &row.deploy)?;
    }
    for row in &tables.ledger_address {
        let address: Result<IpAddr, _> = row.address.parse();
        address.map_err(|_| format!("`{}` is no address of `{}`", row.address, row.node))?;
    }
    for row in &tables.duration {
        let _: Vec<u64> = parsed(&row.samples, "duration", &row.what)?;
    }
    for row in &tables.operation {
        let _: Request = parsed(&row.request, "operation", &row.id)?;
    }
    for row in &tables.run {
        let known = [
            None,
            Some("done"),
            Some("failed"),
            Some("partial"),
            Some("abandoned"),
        ];
        if !known.contains(&row.outcome.as_deref()) {
            return Err(format!("run `{}` has an outcome that there is not", row.id));
        }
    }
    tables
        .deploy
        .iter()
        .try_for_each(|row| journal(tables, &row.name))
}

fn parsed<T: DeserializeOwned>(json: &Json, what: &str, name: &str) -> Result<T, String> {
    serde_json::from_value(json.value().clone()).map_err(|error| format!("{what} `{name}`: {error}"))
}

fn same(inner: &str, outer: &str, what: &str) -> Result<(), String> {
    if inner == outer {
        return Ok(());
    }
    Err(format!("{what} `{outer}` holds what `{inner}` is"))
}

/// No column holds a number that some reader would take for another; seeds may be any.
fn numbers(tables: &Tables) -> Result<(), String> {
    let all = serde_json::to_value(tables).map_err(|error| error.to_string())?;
    for (table, rows) in all.as_object().into_iter().flatten() {
        for (column, value) in rows
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|r| r.as_object())
            .flatten()
        {
            let fits = value.as_i64().is_none_or(|n| (0..=LARGEST).contains(&n));
            if !fits && column != "seed" {
                return Err(format!("{value} is no `{column}` of a {table}"));
            }
        }
    }
    Ok(())
}

/// The lines of a deploy follow one another, and what stands is what they say.
fn journal(tables: &Tables, deploy: &str) -> Result<(), String> {
    let runs: BTreeSet<&str> = tables
        .run
        .iter()
        .filter(|run| run.deploy == deploy)
        .map(|run| run.id.as_str())
        .collect();
    let mut rows: Vec<_> = tables
        .journal
        .iter()
        .filter(|row| runs.contains(row.run.as_str()))
        .collect();
    rows.sort_by_key(|row| row.seq);
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let entry: Entry = parsed(&row.payload, "line", &row.seq.to_string())?;
        same(entry.kind(), &row.kind, "line")?;
        lines.push(Line {
            operation: row.operation.clone(),
            subject: row.subject.clone(),
            attempt: u32::try_from(row.attempt).unwrap_or(u32::MAX),
            entry,
        });
    }
    let derived = replay(&lines).map_err(|error| format!("the journal of `{deploy}`: {error}"))?;
    let machines: BTreeSet<&str> = tables
        .machine
        .iter()
        .filter(|row| row.deploy == deploy)
        .map(|row| row.name.as_str())
        .collect();
    let steps: BTreeSet<(&str, &str)> = tables
        .step
        .iter()
        .filter(|row| row.deploy == deploy)
        .map(|row| (row.node.as_str(), row.address.as_str()))
        .collect();
    let networks: BTreeSet<&str> = tables
        .network
        .iter()
        .filter(|row| row.deploy == deploy)
        .map(|row| row.name.as_str())
        .collect();
    let said = derived
        .steps
        .keys()
        .map(|(node, step)| (node.as_str(), step.as_str()));
    if !machines
        .iter()
        .copied()
        .eq(derived.machines.keys().map(String::as_str))
        || !networks
            .iter()
            .copied()
            .eq(derived.networks.keys().map(String::as_str))
        || !steps.iter().copied().eq(said)
    {
        return Err(format!("what stands of `{deploy}` is not what its journal says"));
    }
    Ok(())
}
