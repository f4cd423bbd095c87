//! `rebar exec` and `rebar shell`: programs on nodes.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use rebar_runtime::backend::{Command, Process};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Context;
use crate::cli::{ExecArgs, ShellArgs};
use crate::project::plain;
use crate::report::Failure;
use crate::terminal::RawTerminal;

/// Runs a program on a node, its streams joined to ours. Returns its exit code.
///
/// # Errors
/// When the deploy or node is unknown, or the backend cannot run the program.
pub(crate) async fn run(context: &Context, args: &ExecArgs) -> Result<u8, Failure> {
    let command = Command {
        arguments: args.command.clone(),
        environment: BTreeMap::new(),
        terminal: None,
    };
    let process = super::node::open(context, &args.deploy, &args.node, &command).await?;
    join(process).await
}

/// Opens a login shell on a node. Returns its exit code.
///
/// # Errors
/// As [`run`]; and `E1607` without a terminal.
pub(crate) async fn shell(context: &Context, args: &ShellArgs) -> Result<u8, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::new("E1607", "a shell needs a terminal").help(format!(
            "to run one command, use `rebar exec {} {} COMMAND`",
            args.deploy, args.node
        )));
    }
    let (rows, columns) = console::Term::stdout().size();
    let terminal = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
    let command = Command {
        arguments: vec![
            "/bin/sh".into(),
            "-c".into(),
            "command -v bash >/dev/null && exec bash -l; exec sh -l".into(),
        ],
        environment: BTreeMap::from([("TERM".to_owned(), terminal)]),
        terminal: Some((columns, rows)),
    };
    let process = super::node::open(context, &args.deploy, &args.node, &command).await?;
    let raw = RawTerminal::enter()
        .map_err(|error| Failure::new("E1607", format!("cannot switch the terminal: {}", plain(&error))))?;
    let code = join(process).await;
    drop(raw);
    code
}

/// Copies streams until the program ends.
async fn join(process: Process) -> Result<u8, Failure> {
    let Process {
        input,
        output,
        errors,
        exit,
    } = process;
    // Reading standard input blocks a thread until it ends, so it is left behind when the program is done.
    let feeding = tokio::spawn(feed(input));
    let out = tokio::spawn(copy(output, tokio::io::stdout()));
    let err = tokio::spawn(copy(errors, tokio::io::stderr()));
    let code = exit.await.map_err(|error| Failure::from_backend(&error))?;
    let _ = tokio::join!(out, err);
    feeding.abort();
    Ok(u8::try_from(code).unwrap_or(255))
}

async fn feed(mut input: std::pin::Pin<Box<dyn AsyncWrite + Send>>) {
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut input).await;
    let _ = input.shutdown().await;
}

async fn copy(mut from: std::pin::Pin<Box<dyn AsyncRead + Send>>, mut to: impl AsyncWrite + Unpin) {
    // Flushed after every read: a shell's prompt has no newline.
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer).await {
        if length == 0 || to.write_all(&buffer[..length]).await.is_err() || to.flush().await.is_err() {
            break;
        }
    }
}
