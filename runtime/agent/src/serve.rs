//! Serving one request: a line in, lines out, the end.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use crate::actions::{self, Node};
use crate::apply::{self, Segment};
use crate::facts;
use crate::failure::Refusal;
use crate::journal::{self, Progress};
use crate::ownership::Resource;
use crate::protocol::{Event, Observation, OperationState, PROTOCOL, Request, Step};
use crate::root::Root;
use crate::store::Store;
use crate::text;

/// A longer request is refused (bytes).
pub const LONGEST_REQUEST: u64 = 16 * 1024 * 1024;

/// Reads one request from `input`, carries it out on the node whose `/` is `root`, and tells about it on
/// `output`. Answers whether all of it could be told; what was done is in the node's journal in any case.
pub fn serve(root: &Path, input: impl Read, output: impl Write) -> bool {
    let root = Root::new(root);
    let output = Output::new(output);
    output.emit(&Event::Hello {
        protocol: PROTOCOL,
        version: version(),
    });
    if let Err(Refusal { code, message }) = read(input).and_then(|request| answer(&root, &request, &output)) {
        output.emit(&Event::Refused {
            code: code.to_owned(),
            message,
        });
    }
    output.emit(&Event::End);
    !output.is_broken()
}

/// The agent's version with the digest of the very program that runs: `0.1.0+e3b0c4…`.
pub fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match std::fs::read("/proc/self/exe") {
        Ok(program) => format!("{version}+{}", text::digest(&program)),
        Err(_) => version.to_owned(),
    }
}

/// Where events go. When nobody reads them any more the rest is silence, so that a step can be finished.
pub(crate) struct Output<W> {
    writer: RefCell<W>,
    broken: Cell<bool>,
}

impl<W: Write> Output<W> {
    /// Events go to this writer, one a line, flushed at once.
    pub(crate) fn new(writer: W) -> Output<W> {
        Output {
            writer: RefCell::new(writer),
            broken: Cell::new(false),
        }
    }

    /// Tells something.
    pub(crate) fn emit(&self, event: &Event) {
        if self.broken.get() {
            return;
        }
        let mut line = serde_json::to_vec(event).unwrap_or_default();
        line.push(b'\n');
        let mut writer = self.writer.borrow_mut();
        if writer.write_all(&line).and_then(|()| writer.flush()).is_err() {
            self.broken.set(true);
        }
    }

    /// Whether nobody listens any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.get()
    }
}

fn read(input: impl Read) -> Result<Request, Refusal> {
    let mut line = Vec::new();
    BufReader::new(input)
        .take(LONGEST_REQUEST + 1)
        .read_until(b'\n', &mut line)
        .map_err(|error| Refusal::unreadable(format!("cannot read the request: {error}")))?;
    if line.len() as u64 > LONGEST_REQUEST {
        let limit = LONGEST_REQUEST / 1024 / 1024;
        return Err(Refusal::unreadable(format!(
            "the request is longer than {limit} MiB; split the role in two"
        )));
    }
    check_protocol(&line)?;
    serde_json::from_slice(&line).map_err(|error| {
        Refusal::unreadable(format!(
            "the request is not one that this agent understands: {error}"
        ))
    })
}

/// Another version of the protocol may have other requests, so this is looked at before anything else.
fn check_protocol(line: &[u8]) -> Result<(), Refusal> {
    let request: serde_json::Value = serde_json::from_slice(line)
        .map_err(|error| Refusal::unreadable(format!("the request is not JSON: {error}")))?;
    match request.get("protocol").and_then(serde_json::Value::as_u64) {
        Some(protocol) if protocol == u64::from(PROTOCOL) => Ok(()),
        Some(protocol) => Err(Refusal::protocol(format!(
            "this agent speaks version {PROTOCOL} of the protocol, not {protocol}; put the agent there that belongs \
             to your rebar"
        ))),
        None => Err(Refusal::unreadable("the request does not tell its `protocol`")),
    }
}

fn answer<W: Write>(root: &Root, request: &Request, output: &Output<W>) -> Result<(), Refusal> {
    match request {
        Request::Apply {
            protocol: _,
            deploy,
            epoch,
            steps,
        } => apply::apply(
            root,
            &Segment {
                deploy,
                epoch: *epoch,
                steps,
            },
            output,
        ),
        Request::Observe {
            protocol: _,
            deploy,
            steps,
        } => observe(root, deploy, steps, output),
        Request::Probe {
            protocol: _,
            deploy,
            operations,
        } => probe(root, deploy, operations, output),
        Request::Settle {
            protocol: _,
            deploy,
            epoch,
            address,
            done,
        } => {
            let writer = Segment {
                deploy,
                epoch: *epoch,
                steps: &[],
            };
            apply::settle(root, &writer, address, *done)
        }
        Request::Facts { protocol: _ } => {
            output.emit(&Event::Facts {
                facts: facts::gather(root),
            });
            Ok(())
        }
    }
}

fn observe<W: Write>(root: &Root, deploy: &str, steps: &[Step], output: &Output<W>) -> Result<(), Refusal> {
    let store = Store::of(root);
    let state = journal::read(&store)?;
    apply::check_deploy(state.deploy.as_deref(), deploy)?;
    let node = Node {
        root,
        store: &store,
        progress: &|_| {},
    };
    for step in steps {
        if output.is_broken() {
            break;
        }
        let known = state.known(&Resource::of(step));
        let found = match actions::parse(step) {
            Ok(action) => action.observe(&node, &known).map_err(|failure| failure.message),
            Err(refusal) => Err(refusal.message),
        };
        let state = found.unwrap_or_else(|because| Observation::Unknown { because });
        output.emit(&Event::Observed {
            address: step.address.clone(),
            state,
        });
    }
    Ok(())
}

fn probe<W: Write>(
    root: &Root,
    deploy: &str,
    operations: &[String],
    output: &Output<W>,
) -> Result<(), Refusal> {
    let store = Store::of(root);
    let pause = store.hold_off();
    let state = journal::read(&store)?;
    apply::check_deploy(state.deploy.as_deref(), deploy)?;
    let newest = state.operations.values().map(|operation| operation.begun).max();
    for id in operations {
        let found = match state.operations.get(id) {
            None => OperationState::Unseen,
            Some(operation) => match &operation.progress {
                Progress::Begun if pause.is_none() && Some(operation.begun) == newest => {
                    OperationState::Running
                }
                Progress::Begun => OperationState::Broken,
                Progress::Done(outcome) => OperationState::Done {
                    changed: outcome.changed,
                    prior: outcome.prior,
                    outputs: outcome.outputs.clone(),
                },
                Progress::Failed(message) => OperationState::Failed {
                    message: message.clone(),
                },
            },
        };
        output.emit(&Event::Operation {
            operation: id.clone(),
            state: found,
        });
    }
    Ok(())
}
