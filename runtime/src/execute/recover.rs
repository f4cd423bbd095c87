//! Finding out what became of changes that were begun and whose end is not in the journal.
//!
//! Each is looked up by its operation, at the backend or in the node's own journal, and its end is written down:
//! Done, or Failed with the reason. Nothing is repeated here.

use std::collections::{BTreeMap, BTreeSet};

use rebar_agent::protocol::OperationState as NodeOperation;

use super::calls::Calls;
use super::event::Event;
use super::lookup::{probe_steps, resolve};
use super::objects::{ObjectChange, clean};
use super::outcome::{ExecuteError, Stop};
use crate::backend::{BackendError, ObjectAction, Operation, Probed};
use crate::journal::{Entry, FailedClass, NodeFacts, Request};
use crate::state::OperationState;

/// Settles every operation of `operations` that has an Intent and no end, and notes in `calls` what is known of
/// all. With `abandon`, objects that were left half-way are removed: nobody will go on with them.
pub(super) async fn settle(
    calls: &Calls,
    operations: &BTreeMap<String, OperationState>,
    abandon: bool,
) -> Result<(), ExecuteError> {
    for (id, operation) in operations {
        calls.known.note(id, operation.attempt, operation.state == "done");
    }
    let open = || {
        operations
            .iter()
            .filter(|(_, operation)| operation.state == "intent")
    };
    let mut steps: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    // Objects first: a node can be asked only when its machine is known.
    for (id, operation) in open() {
        match &operation.request {
            Request::Object {
                action,
                node,
                leaves,
                told: _,
            } => {
                object(
                    calls,
                    id,
                    &operation.subject,
                    action,
                    (node.clone(), *leaves),
                    abandon,
                )
                .await?;
            }
            Request::Step { node, .. } => {
                steps
                    .entry(node.clone())
                    .or_default()
                    .push((id.clone(), operation.subject.clone()));
            }
            // Begun and ended in one transaction.
            Request::Surgery { .. } => {}
        }
    }
    if steps.is_empty() {
        return Ok(());
    }
    let world = calls.observe().await;
    let world = world.map_err(|cause| ExecuteError::Backend {
        what: "what is there".to_owned(),
        cause: Box::new(cause),
    })?;
    let running: BTreeSet<&String> = world
        .machines
        .iter()
        .filter(|(_, view)| view.running)
        .map(|(name, _)| name)
        .collect();
    let nodes = steps
        .iter()
        .map(|(node, open)| settle_node(calls, node, open, running.contains(node)));
    for done in futures::future::join_all(nodes).await {
        done?;
    }
    Ok(())
}

async fn object(
    calls: &Calls,
    id: &str,
    subject: &str,
    action: &ObjectAction,
    (node, leaves): (Option<NodeFacts>, bool),
    abandon: bool,
) -> Result<(), ExecuteError> {
    let call = Operation {
        id: id.to_owned(),
        epoch: calls.epoch,
        action: action.clone(),
    };
    let probed = probe(calls, &call, subject)
        .await
        .map_err(|cause| ExecuteError::Backend {
            what: format!("what became of {subject}"),
            cause: Box::new(cause),
        })?;
    let (lines, found, done) = match &probed {
        Probed::Complete(applied) => {
            let entry = Entry::Done {
                changed: true,
                note: applied.note.clone(),
                prior: None,
                outputs: BTreeMap::new(),
                took: None,
            };
            let handle = Entry::Handle {
                handle: applied.handle.clone(),
            };
            let lines = vec![calls.line(id, subject, handle), calls.line(id, subject, entry)];
            (lines, "it is done", true)
        }
        Probed::Absent => {
            let found = "it left no trace";
            (
                vec![calls.failed(id, subject, FailedClass::NotBegun, found, "")],
                found,
                false,
            )
        }
        Probed::Partial => {
            let found = "it was left half-way";
            (
                vec![calls.failed(id, subject, FailedClass::Transient, found, "")],
                found,
                false,
            )
        }
    };
    calls.append(lines).await?;
    calls.known.note(id, calls.known.attempts(id), done);
    calls.tell(Event::Recovered {
        subject: subject.to_owned(),
        found: found.to_owned(),
    });
    if abandon && probed == Probed::Partial {
        let mut half = ObjectChange::new(format!("abandoned {id}"), subject, action.clone());
        (half.node, half.leaves) = (node, leaves);
        clean(calls, &half).await.map_err(ExecuteError::from)?;
    }
    Ok(())
}

async fn probe(calls: &Calls, call: &Operation, subject: &str) -> Result<Probed, BackendError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match calls.probe(call, subject).await {
            Ok(probed) => return Ok(probed),
            Err(error) if tries >= calls.retry.attempts => return Err(error),
            Err(_) => tokio::time::sleep(calls.retry.pause(tries, &call.id)).await,
        }
    }
}

async fn settle_node(
    calls: &Calls,
    node: &str,
    open: &[(String, String)],
    runs: bool,
) -> Result<(), ExecuteError> {
    let asked: Vec<String> = open.iter().map(|(id, _)| id.clone()).collect();
    let states = if runs {
        probe_steps(calls, node, &asked)
            .await
            .map_err(|error| error.to_string())
    } else {
        Err("its machine does not run".to_owned())
    };
    let mut lines = Vec::new();
    for (id, subject) in open {
        let line = match &states {
            Ok(states) => resolve(calls, id, subject, states.get(id)),
            Err(why) => {
                let message = format!("nobody can tell: {why}");
                calls.failed(id, subject, FailedClass::Ambiguous, &message, "")
            }
        };
        let done = matches!(line.entry, Entry::Done { .. });
        lines.push((line, done));
    }
    calls
        .append(lines.iter().map(|(line, _)| line.clone()).collect())
        .await?;
    for ((line, done), (_, subject)) in lines.iter().zip(open) {
        calls
            .known
            .note(&line.operation, calls.known.attempts(&line.operation), *done);
        let state = states
            .as_ref()
            .ok()
            .and_then(|states| states.get(&line.operation));
        let found = match state {
            Some(NodeOperation::Done { .. }) => "it is done",
            Some(NodeOperation::Failed { .. }) => "it failed",
            Some(NodeOperation::Broken | NodeOperation::Running) => "it was broken off",
            Some(NodeOperation::Unseen) => "it was not begun",
            None => "nobody can tell",
        };
        calls.tell(Event::Recovered {
            subject: subject.clone(),
            found: found.to_owned(),
        });
    }
    Ok(())
}

impl From<Stop> for ExecuteError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Halt(error) => ExecuteError::State(error),
            Stop::Interrupted => ExecuteError::Left,
            Stop::Failed(failure) | Stop::Blocked(failure) => ExecuteError::Malformed(failure.message),
        }
    }
}
