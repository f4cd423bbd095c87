//! Makes names resolve on all machines.
//!
//! The engine writes `/etc/hosts` of a container anew whenever it starts it. So the block is also kept on each
//! machine's disk, by the agent, which writes it once more when the machine has been started.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use rebar_agent::names;

use super::agent;
use super::archive::{self, Entry};
use super::engine::Engine;
use super::labels;
use super::machine::Call;
use super::world::{Container, Seen};
use crate::backend::{Applied, BackendError};
use crate::backends::errors;

const PATIENCE: Duration = Duration::from_secs(60);
/// Each takes a process of the engine's host for a moment.
const AT_A_TIME: usize = 4;

/// Writes the table where it differs.
pub(super) async fn publish(
    call: Call<'_>,
    table: &BTreeMap<String, Vec<IpAddr>>,
) -> Result<Applied, BackendError> {
    let Call {
        engine,
        scope,
        operation,
        ..
    } = call;
    for name in table.keys() {
        check_host(name)?;
    }
    let mut seen = Seen::of(engine, scope).await?;
    seen.check_epoch(scope, operation)?;
    seen.containers.retain(Container::complete);
    let block = names::block(table);
    let results: Vec<Result<bool, BackendError>> = stream::iter(seen.containers)
        .map(|there| write(engine, there, block.clone()))
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    let count = results.len();
    let mut changed = 0;
    for result in results {
        changed += usize::from(result?);
    }
    Ok(Applied {
        handle: scope.deploy_id.clone(),
        note: format!("written on {changed} of {count} machines"),
    })
}

async fn write(engine: &Engine, there: Container, block: String) -> Result<bool, BackendError> {
    let machine = there.label(labels::NAME);
    if there.running {
        return told(engine, &there.id, machine, &["names"], &block).await;
    }
    let kept = [
        Entry {
            path: "var/lib/rebar/",
            mode: 0o700,
            content: b"",
        },
        Entry {
            path: "var/lib/rebar/names",
            mode: 0o644,
            content: block.as_bytes(),
        },
    ];
    archive::upload(engine, &there.id, machine, &kept)
        .await
        .map(|()| true)
}

/// Writes the names that a machine was told last.
pub(super) async fn restore(engine: &Engine, container: &str, machine: &str) -> Result<(), BackendError> {
    told(engine, container, machine, &["names", "restore"], "")
        .await
        .map(drop)
}

async fn told(
    engine: &Engine,
    container: &str,
    machine: &str,
    words: &[&str],
    block: &str,
) -> Result<bool, BackendError> {
    let (code, output, problems) =
        agent::run(engine, container, machine, words, block.as_bytes(), PATIENCE).await?;
    if code == 0 {
        return Ok(output == "changed");
    }
    Err(errors::program(
        &format!("rebar-agent names` on machine `{machine}"),
        Some(code),
        &problems,
    ))
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
