//! Makes names resolve on all machines.
//!
//! The engine writes `/etc/hosts` of a container anew whenever it starts it. So what was published is brought back when
//! a machine has been started. There are two ways to the table:
//! - The file is the engine's own, beside its other data, and is mounted into the container. Where the engine's host is
//!   this one, it is written there, which takes a hundredth of the time that a program on the machine takes. The machine
//!   cannot make anything else of that path.
//! - Elsewhere the agent writes it, and keeps the block on the machine's disk.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use rebar_agent::names;

use super::archive::{self, Entry};
use super::engine::{Engine, SHORT, call};
use super::errors as engine_errors;
use super::labels;
use super::machine::Call;
use super::world::{Container, Seen};
use super::{agent, exec};
use crate::backend::{Applied, BackendError, Scope};
use crate::backends::{errors, identity};

const PATIENCE: Duration = Duration::from_secs(60);
/// Each may take a process of the engine's host for a moment.
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
        identity::check_host(name)?;
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
    if let Some(table) = table(engine, &there.id).await? {
        return write_table(table, block, machine).await;
    }
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

/// The engine's own file for a container's table, where this process can write it.
async fn table(engine: &Engine, container: &str) -> Result<Option<PathBuf>, BackendError> {
    if !engine.is_here() {
        return Ok(None);
    }
    let inspect = engine.client.inspect_container(container, None);
    let found = call("tell about a container", SHORT, inspect).await?;
    let path = found
        .hosts_path
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let usable = |path: &PathBuf| std::fs::File::options().write(true).open(path).is_ok();
    Ok(path.filter(usable))
}

async fn write_table(table: PathBuf, block: String, machine: &str) -> Result<bool, BackendError> {
    let own = machine.to_owned();
    // The machine may hold the file's lock for some seconds.
    let write = tokio::task::spawn_blocking(move || {
        names::write_in_container(&table, &block, &own).map_err(|error| (table, error))
    });
    match write.await {
        Ok(Ok(changed)) => Ok(changed),
        Ok(Err((table, error))) => Err(BackendError {
            detail: format!("it is the table of machine `{machine}`"),
            ..errors::file("write", &table, &error)
        }),
        Err(error) => Err(engine_errors::silent("write names", error)),
    }
}

/// What a machine was told last, seen before it is started.
pub(super) async fn kept(engine: &Engine, container: &str) -> Result<Option<String>, BackendError> {
    let Some(table) = table(engine, container).await? else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(&table).unwrap_or_default();
    Ok(names::block_of(&text))
}

/// What the machines of this scope were told, asked of one of them: a machine that comes later gets it too.
pub(super) async fn of_others(
    engine: &Engine,
    seen: &Seen,
    scope: &Scope,
) -> Result<Option<String>, BackendError> {
    let others = seen
        .containers
        .iter()
        .filter(|there| there.is_of(scope) && there.complete());
    let Some(other) = others.max_by_key(|there| there.running) else {
        return Ok(None);
    };
    if table(engine, &other.id).await?.is_some() {
        return kept(engine, &other.id).await;
    }
    if !other.running {
        return Ok(None);
    }
    let words = ["cat", "/etc/hosts"];
    let machine = other.label(labels::NAME);
    let (_, text, _) = exec::run(engine, &other.id, machine, &words, b"", PATIENCE).await?;
    Ok(names::block_of(&text))
}

/// Writes names on a machine that runs.
pub(super) async fn give(
    engine: &Engine,
    container: &str,
    machine: &str,
    block: String,
) -> Result<(), BackendError> {
    match table(engine, container).await? {
        Some(table) => write_table(table, block, machine).await.map(drop),
        None => told(engine, container, machine, &["names"], &block)
            .await
            .map(drop),
    }
}

/// Brings back the names that a machine was told last. `kept`: what was seen of them before it was started.
pub(super) async fn restore(
    engine: &Engine,
    container: &str,
    machine: &str,
    kept: Option<String>,
) -> Result<(), BackendError> {
    match (table(engine, container).await?, kept) {
        (Some(table), Some(block)) => write_table(table, block, machine).await.map(drop),
        (Some(_), None) => Ok(()),
        (None, _) => told(engine, container, machine, &["names", "restore"], "")
            .await
            .map(drop),
    }
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
