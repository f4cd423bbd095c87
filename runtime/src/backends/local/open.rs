//! Runs programs on machines: the controller's side.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::errors;
use super::launcher::{Execute, Node, Request};
use super::line::{Streams, launch};
use crate::backend::{BackendError, Command, Process, agent_words};

/// Entering a machine takes milliseconds. Its root could hold the helper up for ever by freezing a group.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a program on a machine; returns when it has been started.
pub(super) async fn open(
    node: Node,
    machine: &str,
    command: &Command,
    agent: std::os::fd::BorrowedFd<'_>,
) -> Result<Process, BackendError> {
    let request = Request::Execute(Execute {
        node,
        arguments: command.arguments.clone(),
        environment: command.environment.clone(),
        terminal: command.terminal,
    });
    let agent = agent_words(&command.arguments).is_some().then_some(agent);
    let mut launched = launch(&request, agent, &Streams::Piped).await?;
    let started = tokio::time::timeout(PATIENCE, launched.outcome(&|_| {})).await;
    let started =
        started.unwrap_or_else(|_| Err(errors::launcher("the machine did not let it in within 30 s")));
    started.map_err(|error| named(error, machine, command))?;
    let lost = || errors::launcher("a stream of the program is missing");
    let input: Box<dyn AsyncWrite + Send> = Box::new(launched.child.stdin.take().ok_or_else(lost)?);
    let output: Box<dyn AsyncRead + Send> = Box::new(launched.child.stdout.take().ok_or_else(lost)?);
    let problems: Box<dyn AsyncRead + Send> = Box::new(launched.child.stderr.take().ok_or_else(lost)?);
    Ok(Process {
        input: input.into(),
        output: output.into(),
        errors: problems.into(),
        exit: Box::pin(launched.end()),
    })
}

/// The launcher knows numbers, not names.
fn named(error: BackendError, machine: &str, command: &Command) -> BackendError {
    let program = command
        .arguments
        .first()
        .map_or("the rebar agent", String::as_str);
    match error.code {
        "E1407" => errors::not_running(machine, "stopped meanwhile"),
        "E1413" => {
            let cause = error
                .message
                .rsplit_once("``: ")
                .map_or(error.message.clone(), |(_, cause)| cause.to_owned());
            errors::not_started(program, machine, cause)
        }
        _ => error,
    }
}
