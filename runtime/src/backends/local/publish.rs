//! Makes names resolve on all machines that run.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use rebar_agent::names;

use super::launcher::{Node, Request};
use super::machine::{self, Call};
use super::store::{self, Names};
use super::{errors, line};
use crate::backend::{Applied, BackendError};
use crate::backends::identity;

/// Writes the table where it differs, and keeps it for machines that start later. Machines that are known to have it,
/// since they were started with it or were told before, are not entered at all.
pub(super) async fn publish(
    call: Call<'_>,
    table: &BTreeMap<String, Vec<IpAddr>>,
) -> Result<Applied, BackendError> {
    let Call {
        store,
        scope,
        operation,
        ..
    } = call;
    for name in table.keys() {
        identity::check_host(name)?;
    }
    let machines = store.machines()?;
    if machines.is_empty() && store.networks()?.is_empty() {
        return Ok(Applied {
            handle: scope.deploy_id.clone(),
            note: "no machines".to_owned(),
        });
    }
    store.keep_names(&Names {
        epoch: operation.epoch,
        operation: operation.id.clone(),
        names: table.clone(),
    })?;
    let block = names::block(table);
    let mut nodes = Vec::new();
    let mut count = 0;
    for name in &machines {
        let folder = store.machine(name);
        if store::completed(&folder)?.is_some() && machine::running(&folder)?.is_some() {
            count += 1;
            if !store::has_names(&folder, &block) {
                nodes.push((name.clone(), folder, machine::node(store, scope, name)?));
            }
        }
    }
    let results: Vec<Result<bool, BackendError>> = stream::iter(nodes)
        .map(|(name, folder, node)| {
            let block = block.clone();
            async move {
                let changed = write(name, node, block.clone()).await?;
                store::note_names(&folder, &block);
                Ok(changed)
            }
        })
        .buffer_unordered(8)
        .collect()
        .await;
    let mut changed = 0;
    for result in results {
        changed += usize::from(result?);
    }
    Ok(Applied {
        handle: scope.deploy_id.clone(),
        note: format!("written on {changed} of {count} machines"),
    })
}

async fn write(name: String, node: Node, block: String) -> Result<bool, BackendError> {
    let patience = Duration::from_secs(30);
    match line::call(&Request::Names { node, block }, None, patience, &|_| {}).await {
        Ok(word) => Ok(word == "changed"),
        Err(error) if error.code == "E1407" => Err(errors::not_running(&name, "stopped meanwhile")),
        Err(error) => Err(BackendError {
            message: format!("machine `{name}`: {}", error.message),
            ..error
        }),
    }
}
