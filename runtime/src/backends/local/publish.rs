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

/// Writes the table where it differs, and keeps it for machines that start later.
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
        check_host(name)?;
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
    for name in &machines {
        let folder = store.machine(name);
        if store::completed(&folder)?.is_some() && machine::running(&folder)?.is_some() {
            nodes.push((name.clone(), machine::node(store, scope, name)?));
        }
    }
    let count = nodes.len();
    let results: Vec<Result<bool, BackendError>> = stream::iter(nodes)
        .map(|(name, node)| write(name, node, block.clone()))
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

/// A name that may stand in a host table.
fn check_host(name: &str) -> Result<(), BackendError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !name.is_empty() && name.len() <= 253 && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(errors::bad_name("a host name", name))
    }
}
