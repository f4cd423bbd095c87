//! The line to the agent on a machine: one request out, events in, nothing trusted.

use std::collections::VecDeque;
use std::time::Duration;

use rebar_agent::protocol::{Event, PROTOCOL, Request};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinHandle;

use crate::backend::{Backend, BackendError, Command, Process, Scope};

/// Longest line that is read, in bytes.
const LONGEST: u64 = 1 << 20;
/// So much of what the agent prints as errors is kept, in bytes.
const TAIL: usize = 4096;

/// Why the conversation ended before its end.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LineError {
    /// The agent could not be started.
    #[error(transparent)]
    Open(#[from] BackendError),
    /// The line broke.
    #[error("the line to the agent broke")]
    Broken {
        /// The last that it printed.
        detail: String,
    },
    /// The agent says nothing any more.
    #[error("the agent has not answered for {0} s")]
    Silent(u64),
    /// The agent said something that it must not say.
    #[error("the agent's answer is not understood: {0}")]
    Nonsense(String),
    /// The agent refused the request as a whole.
    #[error("{message}")]
    Refused {
        /// Its code.
        code: String,
        /// Why.
        message: String,
    },
}

/// A conversation with the agent of one machine.
pub(crate) struct Line {
    process: Option<Process>,
    output: BufReader<std::pin::Pin<Box<dyn AsyncRead + Send>>>,
    errors: JoinHandle<String>,
    greeted: bool,
    buffer: Vec<u8>,
}

impl Line {
    /// Starts the agent on `machine` and asks it.
    pub(crate) async fn ask(
        backend: &dyn Backend,
        scope: &Scope,
        machine: &str,
        request: &Request,
    ) -> Result<Line, LineError> {
        let agent = Command {
            arguments: Vec::new(),
            environment: Default::default(),
            terminal: None,
        };
        let mut process = backend.open(scope, machine, &agent).await?;
        let output = std::mem::replace(&mut process.output, Box::pin(tokio::io::empty()));
        let errors = std::mem::replace(&mut process.errors, Box::pin(tokio::io::empty()));
        let mut line = Line {
            process: Some(process),
            output: BufReader::new(output),
            errors: tokio::spawn(tail(errors)),
            greeted: false,
            buffer: Vec::new(),
        };
        let text = serde_json::to_vec(request).map_err(|e| LineError::Nonsense(e.to_string()))?;
        // It may hold secrets.
        let mut text = zeroize::Zeroizing::new(text);
        text.push(b'\n');
        if let Some(process) = &mut line.process {
            let sent = process.input.write_all(&text).await;
            if sent.is_err() || process.input.flush().await.is_err() {
                return Err(line.broken().await);
            }
        }
        Ok(line)
    }

    /// The next event; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, LineError> {
        loop {
            self.buffer.clear();
            let read = (&mut self.output)
                .take(LONGEST)
                .read_until(b'\n', &mut self.buffer)
                .await;
            match read {
                Ok(n) if n > 0 && self.buffer.ends_with(b"\n") => {}
                Ok(n) if n as u64 >= LONGEST => {
                    return Err(LineError::Nonsense("a line of more than one MiB".to_owned()));
                }
                Ok(_) | Err(_) => return Err(self.broken().await),
            }
            let event: Event = serde_json::from_slice(&self.buffer)
                .map_err(|error| LineError::Nonsense(format!("{error} in `{}`", excerpt(&self.buffer))))?;
            match event {
                Event::Hello { protocol, .. } if protocol == PROTOCOL => self.greeted = true,
                Event::Hello { protocol, version } => {
                    return Err(LineError::Nonsense(format!(
                        "it speaks protocol {protocol} (version {version}), not {PROTOCOL}"
                    )));
                }
                Event::Refused { code, message } => {
                    self.hang_up(Duration::from_secs(2)).await;
                    return Err(LineError::Refused { code, message });
                }
                _ if !self.greeted => {
                    return Err(LineError::Nonsense(
                        "it does not begin with a greeting".to_owned(),
                    ));
                }
                Event::End => {
                    self.hang_up(Duration::from_secs(10)).await;
                    return Ok(None);
                }
                Event::Started { .. }
                | Event::Progress { .. }
                | Event::Done { .. }
                | Event::Failed { .. }
                | Event::Observed { .. }
                | Event::Operation { .. }
                | Event::Facts { .. } => return Ok(Some(event)),
            }
        }
    }

    /// Whether events have arrived that are not read yet, beside the very last: what is kept back until this is false
    /// never waits for the agent.
    pub(crate) fn more(&self) -> bool {
        let mut ends = self.output.buffer().iter().filter(|byte| **byte == b'\n');
        ends.next().is_some() && ends.next().is_some()
    }

    /// The next event, if it comes within `patience`; otherwise the line is given up, and an agent that still works
    /// finishes the step in hand.
    pub(crate) async fn next_within(&mut self, patience: Duration) -> Result<Option<Event>, LineError> {
        match tokio::time::timeout(patience, self.next()).await {
            Ok(event) => event,
            Err(_) => {
                self.process = None;
                Err(LineError::Silent(patience.as_secs()))
            }
        }
    }

    /// Closes the agent's input and waits for its exit, so that no process is left behind.
    async fn hang_up(&mut self, patience: Duration) -> Option<i32> {
        let process = self.process.take()?;
        drop(process.input);
        tokio::time::timeout(patience, process.exit).await.ok()?.ok()
    }

    async fn broken(&mut self) -> LineError {
        let exit = self.hang_up(Duration::from_secs(2)).await;
        let printed = tokio::time::timeout(Duration::from_millis(200), &mut self.errors).await;
        let mut detail = printed.ok().and_then(Result::ok).unwrap_or_default();
        if let Some(code) = exit {
            if !detail.is_empty() && !detail.ends_with('\n') {
                detail.push('\n');
            }
            detail.push_str(&format!("the agent ended with exit code {code}"));
        }
        LineError::Broken { detail }
    }
}

/// Reads all and keeps the end.
async fn tail(mut from: std::pin::Pin<Box<dyn AsyncRead + Send>>) -> String {
    let mut kept = VecDeque::with_capacity(TAIL);
    let mut buffer = [0; 1024];
    while let Ok(n) = from.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        kept.extend(&buffer[..n]);
        let surplus = kept.len().saturating_sub(TAIL);
        kept.drain(..surplus);
    }
    let kept: Vec<u8> = kept.into();
    String::from_utf8_lossy(&kept).into_owned()
}

fn excerpt(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.trim_end().chars().take(80).collect()
}
