//! Runs programs on machines, by the engine's "exec".

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::{ExecConfig, ExecInspectResponse};
use futures::{Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::engine::{Engine, SHORT, answer, call};
use super::errors as engine_errors;
use crate::backend::{BackendError, Command, Process};
use crate::backends::errors;

/// How much of a program's output is held until somebody reads it.
const BUFFER: usize = 64 << 10;
/// How often the engine is asked whether a program has begun or ended.
const LOOK: Duration = Duration::from_millis(10);
/// How often it is asked while the program's streams say that it still runs.
const GLANCE: Duration = Duration::from_secs(1);

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What the engine and the first process would pass on: a name without a value takes it away.
const STRIPPED: [&str; 2] = ["HOSTNAME", "container"];

fn environment(command: &Command) -> Vec<String> {
    let terminal = match command.terminal {
        Some(_) => "xterm-256color",
        None => "dumb",
    };
    let mut all: BTreeMap<&str, &str> = [
        ("PATH", PATH),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LANG", "C.UTF-8"),
        ("TERM", terminal),
    ]
    .into();
    for (name, value) in &command.environment {
        all.insert(name, value);
    }
    let stripped = STRIPPED.into_iter().filter(|name| !all.contains_key(name));
    let stripped: Vec<String> = stripped.map(str::to_owned).collect();
    let given = all.into_iter().map(|(name, value)| format!("{name}={value}"));
    given.chain(stripped).collect()
}

/// What the engine is told to run. Only an engine of API 1.42 takes a terminal's size before the program begins, and a
/// program that asks at once must not be told `0 0`: so the size is set from inside first.
fn words(command: &Command) -> Vec<String> {
    const SIZED: &str = "stty cols \"$1\" rows \"$2\"; shift 2; exec \"$@\"";
    let Some((columns, rows)) = command.terminal else {
        return command.arguments.clone();
    };
    let (columns, rows) = (columns.to_string(), rows.to_string());
    let before = ["/bin/sh", "-c", SIZED, "sh", &columns, &rows].map(str::to_owned);
    before
        .into_iter()
        .chain(command.arguments.iter().cloned())
        .collect()
}

/// Runs a program in a container; returns when it has been started.
///
/// # Errors
/// `E1407` if the machine does not run, `E1413` if the program cannot be started.
pub(super) async fn open(
    engine: &Engine,
    container: &str,
    machine: &str,
    command: &Command,
) -> Result<Process, BackendError> {
    let program = command.arguments.first().map_or("", String::as_str);
    let attempted = format!("run `{program}` on machine `{machine}`");
    let tty = command.terminal.is_some();
    let config = ExecConfig {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(tty),
        env: Some(environment(command)),
        cmd: Some(words(command)),
        user: Some("0:0".to_owned()),
        working_dir: Some("/root".to_owned()),
        ..ExecConfig::default()
    };
    let created = answer(&attempted, SHORT, engine.client.create_exec(container, config)).await?;
    let id = match created {
        Ok(created) => created.id,
        Err(refusal) if refusal.status == 404 => return Err(errors::not_running(machine, "is not there")),
        Err(refusal) if refusal.status == 409 && refusal.message.contains("paused") => {
            return Err(BackendError {
                help: Some(format!("`docker unpause {container}` lets it go on")),
                ..errors::not_running(machine, "is paused")
            });
        }
        Err(refusal) if refusal.status == 409 => return Err(errors::not_running(machine, "does not run")),
        Err(refusal) => {
            return Err(engine_errors::refused(
                &attempted,
                refusal.status,
                &refusal.message,
            ));
        }
    };
    let options = StartExecOptions {
        detach: false,
        tty,
        output_capacity: Some(BUFFER),
    };
    let started = call(&attempted, SHORT, engine.client.start_exec(&id, Some(options))).await?;
    let StartExecResults::Attached { output, input } = started else {
        return Err(engine_errors::silent(&attempted, "it gave no streams"));
    };
    let (mut told, telling) = duplex(BUFFER);
    let (complaints, complaining) = duplex(BUFFER);
    let (ended, end) = oneshot::channel();
    tokio::spawn(async move {
        pump(output, telling, complaining).await;
        let _ = ended.send(());
    });
    begun(engine, &id, &attempted, machine, program, &mut told).await?;
    let client = engine.client.clone();
    let exit = async move {
        let mut end = end;
        loop {
            // The streams end with the program, unless something that it left behind holds them.
            let streams_ended = timeout(GLANCE, &mut end).await.is_ok();
            let state = call("tell how a program ended", SHORT, client.inspect_exec(&id)).await?;
            match code(&state) {
                Some(code) => return Ok(code),
                None if streams_ended => break,
                None => {}
            }
        }
        let deadline = tokio::time::Instant::now() + SHORT;
        while tokio::time::Instant::now() < deadline {
            sleep(LOOK).await;
            let state = call("tell how a program ended", SHORT, client.inspect_exec(&id)).await?;
            if let Some(code) = code(&state) {
                return Ok(code);
            }
        }
        Err(engine_errors::silent(
            "run a program",
            "the line to the program broke, and it still runs",
        ))
    };
    Ok(Process {
        input: Box::pin(Input {
            line: Some(input),
            terminal: tty,
        }),
        output: Box::pin(told),
        errors: Box::pin(complaints),
        exit: Box::pin(exit),
    })
}

/// The exit code of a program that has ended.
fn code(state: &ExecInspectResponse) -> Option<i32> {
    match (state.running, state.exit_code) {
        (Some(false), Some(code)) => i32::try_from(code).ok(),
        _ => None,
    }
}

/// Waits until the program has begun. If it cannot begin, the engine says why on the program's output.
async fn begun(
    engine: &Engine,
    id: &str,
    attempted: &str,
    machine: &str,
    program: &str,
    output: &mut DuplexStream,
) -> Result<(), BackendError> {
    let deadline = tokio::time::Instant::now() + SHORT;
    while tokio::time::Instant::now() < deadline {
        let state = call(attempted, SHORT, engine.client.inspect_exec(id)).await?;
        let has_process = state.pid.is_some_and(|pid| pid > 0);
        match code(&state) {
            Some(_) if has_process => return Ok(()),
            Some(_) => {
                let mut text = Vec::new();
                let _ = timeout(SHORT, output.take(BUFFER as u64).read_to_end(&mut text)).await;
                let text = String::from_utf8_lossy(&text);
                return Err(errors::not_started(program, machine, reason(&text)));
            }
            None if has_process && state.running == Some(true) => return Ok(()),
            None => sleep(LOOK).await,
        }
    }
    Err(engine_errors::silent(
        attempted,
        format!("it has not begun after {} s", SHORT.as_secs()),
    ))
}

/// The last part of what the engine and its helpers wrapped around the cause.
fn reason(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.unwrap_or("the engine does not say why");
    let last = line.rsplit(": ").find(|part| *part != "unknown").unwrap_or(line);
    last.to_owned()
}

/// Carries what the program prints to whoever reads it, and throws away what nobody reads.
async fn pump(
    mut output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    mut out: DuplexStream,
    mut errors: DuplexStream,
) {
    while let Some(Ok(piece)) = output.next().await {
        let _ = match piece {
            LogOutput::StdErr { message } => errors.write_all(&message).await,
            LogOutput::StdOut { message } | LogOutput::Console { message } => out.write_all(&message).await,
            LogOutput::StdIn { .. } => Ok(()),
        };
    }
}

type Line = Pin<Box<dyn AsyncWrite + Send>>;

/// What ends the input of a terminal. Closing the line would hang up instead.
const END_OF_INPUT: u8 = 4;

/// A program's standard input. The line to the engine is one for both directions; dropping this half closes it.
struct Input {
    line: Option<Line>,
    terminal: bool,
}

impl Input {
    fn line(&mut self) -> io::Result<Pin<&mut (dyn AsyncWrite + Send + 'static)>> {
        match &mut self.line {
            Some(line) => Ok(line.as_mut()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl AsyncWrite for Input {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.line()?.poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.terminal {
            let written = self.line()?.poll_write(context, &[END_OF_INPUT]);
            return written.map_ok(|_| ());
        }
        self.line()?.poll_shutdown(context)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let terminal = self.terminal;
        if let Some(mut line) = self.line.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                let end = async {
                    if terminal {
                        line.write_all(&[END_OF_INPUT]).await?;
                        line.flush().await
                    } else {
                        line.shutdown().await
                    }
                };
                let _ = timeout(SHORT, end).await;
            });
        }
    }
}

/// Runs a program to its end with this input: exit code, output and errors.
pub(super) async fn run(
    engine: &Engine,
    container: &str,
    machine: &str,
    arguments: &[&str],
    input: &[u8],
    patience: Duration,
) -> Result<(i32, String, String), BackendError> {
    let command = Command {
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        environment: BTreeMap::new(),
        terminal: None,
    };
    let program = arguments.first().copied().unwrap_or_default();
    let attempted = format!("run `{program}` on machine `{machine}`");
    let work = async {
        let mut process = open(engine, container, machine, &command).await?;
        // Who does not read its input says why on its errors.
        let _ = process.input.write_all(input).await;
        drop(process.input);
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let mut out = (&mut process.output).take(BUFFER as u64);
        let mut err = (&mut process.errors).take(BUFFER as u64);
        let _ = tokio::join!(out.read_to_end(&mut output), err.read_to_end(&mut errors));
        let code = process.exit.await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Ok((code, text(&output), text(&errors)))
    };
    timeout(patience, work).await.unwrap_or_else(|_| {
        let cause = format!("{} s have passed", patience.as_secs());
        Err(engine_errors::silent(&attempted, cause))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_innermost() {
        let text = "OCI runtime exec failed: exec failed: unable to start container process: exec: \"curl\": executable \
                    file not found in $PATH: unknown\r\n";
        assert_eq!(reason(text), "executable file not found in $PATH");
        assert_eq!(reason(""), "the engine does not say why");
    }

    #[test]
    fn what_the_engine_adds_to_the_environment_is_taken_away_unless_it_was_asked_for() {
        let mut command = Command {
            arguments: Vec::new(),
            environment: [("HOSTNAME".to_owned(), "x".to_owned())].into(),
            terminal: None,
        };
        assert!(environment(&command).contains(&"HOSTNAME=x".to_owned()));
        assert!(!environment(&command).contains(&"HOSTNAME".to_owned()));
        command.environment.clear();
        assert!(environment(&command).contains(&"HOSTNAME".to_owned()));
    }
}
