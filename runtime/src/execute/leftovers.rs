//! What is there, not recorded, and ours all the same: a request that outlived its sender was carried out after it had
//! been looked up as absent and its run abandoned, or a half could not be removed. The journal knows the operation that
//! such an object carries; one that it does not know is left alone.

use std::collections::{BTreeMap, BTreeSet};

use rebar_compiler::plan::{ObjectVerb, Plan, machine_digest};

use super::calls::Calls;
use super::objects::{ObjectChange, change};
use super::outcome::{ExecuteError, Failure, Stop};
use crate::backend::{NetworkSpec, ObjectAction, World};
use crate::state::{NodeDetail, State};

/// Machines of the world that are not recorded, and whose operations the journal knows.
pub(super) async fn machines(
    state: &State,
    world: &World,
    recorded: &BTreeMap<String, NodeDetail>,
) -> Result<BTreeSet<String>, ExecuteError> {
    let unknown = world
        .machines
        .iter()
        .filter(|(name, _)| !recorded.contains_key(*name))
        .map(|(name, view)| (name.clone(), view.operation.clone()));
    ours(state, unknown.collect()).await
}

/// Networks of the world that are not recorded, and whose operations the journal knows.
pub(super) async fn networks(
    state: &State,
    world: &World,
    recorded: &BTreeMap<String, NetworkSpec>,
) -> Result<BTreeSet<String>, ExecuteError> {
    let unknown = world
        .networks
        .iter()
        .filter(|(name, _)| !recorded.contains_key(*name))
        .map(|(name, view)| (name.clone(), view.operation.clone()));
    ours(state, unknown.collect()).await
}

async fn ours(state: &State, unknown: Vec<(String, String)>) -> Result<BTreeSet<String>, ExecuteError> {
    if unknown.is_empty() {
        return Ok(BTreeSet::new());
    }
    let operations = unknown.iter().map(|(_, operation)| operation.clone()).collect();
    let known = state.journalled(operations).await?;
    let ours = unknown
        .into_iter()
        .filter(|(_, operation)| known.contains(operation));
    Ok(ours.map(|(name, _)| name).collect())
}

/// Machines that the plan takes for gone, and that are there in part, or as something else: they are on networks that
/// may have to go first.
pub(super) fn in_the_way(
    plan: &Plan,
    world: &World,
    recorded: &BTreeMap<String, NodeDetail>,
) -> BTreeSet<String> {
    let made = plan.nodes.iter().filter(|row| {
        row.machine == ObjectVerb::Create
            && recorded.contains_key(&row.name)
            && world
                .machines
                .get(&row.name)
                .is_some_and(|view| !view.complete || view.digest != machine_digest(plan, row))
    });
    made.map(|row| row.name.clone()).collect()
}

/// Removes leftovers before anything else: machines first, for they may be on a network that has to go, then networks
/// that the plan has no place for; those that it names are cleared when their turn comes. What this very run made is
/// not left over. What cannot be removed is returned as failed, and goes with a later plan.
pub(super) async fn clear(
    calls: &Calls,
    plan: &Plan,
    world: &World,
    machines: &BTreeSet<String>,
    networks: &BTreeSet<String>,
) -> Result<(usize, Vec<Failure>), ExecuteError> {
    let ours = |name: &String| {
        let own = calls.operation("create", &format!("machine/{name}"));
        world.machines.get(name).is_some_and(|view| view.operation == own)
    };
    let machines = machines.iter().filter(|name| !ours(name)).map(|name| {
        let action = ObjectAction::DestroyMachine { name: name.clone() };
        ObjectChange::new("clear", format!("machine/{name}"), action)
    });
    let networks = networks
        .iter()
        .filter(|name| !plan.networks.contains_key(*name))
        .map(|name| {
            let action = ObjectAction::DestroyNetwork { name: name.clone() };
            ObjectChange::new("clear", format!("network/{name}"), action)
        });
    let (mut cleared, mut failed) = (0, Vec::new());
    for wanted in machines.chain(networks) {
        match change(calls, &wanted).await {
            Ok(changed) => cleared += usize::from(changed),
            Err(Stop::Failed(failure) | Stop::Blocked(failure)) => failed.push(*failure),
            Err(Stop::Interrupted) => break,
            Err(Stop::Halt(error)) => return Err(error.into()),
        }
    }
    Ok((cleared, failed))
}
