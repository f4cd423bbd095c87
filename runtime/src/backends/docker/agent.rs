//! The agent on a machine: put there when it is made, and again where a newer rebar finds an older one.

use std::time::Duration;

use super::archive::{self, Entry};
use super::engine::Engine;
use super::{container, exec};
use crate::agent_program;
use crate::backend::{BackendError, Command, Process};

async fn upload(engine: &Engine, container: &str, machine: &str) -> Result<(), BackendError> {
    let path = container::agent_path();
    let agent = Entry {
        path: path.trim_start_matches('/'),
        mode: 0o755,
        content: agent_program::PROGRAM,
    };
    archive::upload(engine, container, machine, &[agent]).await
}

/// Starts the agent with these words. Its path holds its hash, so that it cannot be started exactly if another one is there, or none.
pub(super) async fn open(
    engine: &Engine,
    container: &str,
    machine: &str,
    command: &Command,
    words: &[String],
) -> Result<Process, BackendError> {
    let path = std::iter::once(container::agent_path());
    let command = Command {
        arguments: path.chain(words.iter().cloned()).collect(),
        ..command.clone()
    };
    match exec::open(engine, container, machine, &command).await {
        Err(error) if error.code == "E1413" => {
            upload(engine, container, machine).await?;
            exec::open(engine, container, machine, &command).await
        }
        other => other,
    }
}

/// Runs the agent to its end with these words and this input: exit code, output and errors.
pub(super) async fn run(
    engine: &Engine,
    container: &str,
    machine: &str,
    words: &[&str],
    input: &[u8],
    patience: Duration,
) -> Result<(i32, String, String), BackendError> {
    let path = container::agent_path();
    let arguments: Vec<&str> = std::iter::once(path.as_str())
        .chain(words.iter().copied())
        .collect();
    match exec::run(engine, container, machine, &arguments, input, patience).await {
        Err(error) if error.code == "E1413" => {
            upload(engine, container, machine).await?;
            exec::run(engine, container, machine, &arguments, input, patience).await
        }
        other => other,
    }
}
