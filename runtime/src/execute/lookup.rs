//! Looking up what became of steps: the node keeps a journal of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use rebar_agent::protocol::{Event as AgentEvent, OperationState, PROTOCOL, Request as Ask};

use super::calls::Calls;
use super::tries::hopeless;
use crate::journal::{Entry, FailedClass, Line as JournalLine};
use crate::observe::{Line, LineError};

/// The line that says what became of an operation, given what the node knows of it.
pub(super) fn resolve(
    calls: &Calls,
    operation: &str,
    subject: &str,
    state: Option<&OperationState>,
) -> JournalLine {
    match state {
        Some(OperationState::Done {
            changed,
            prior,
            outputs,
        }) => {
            let note = "was done, its answer was lost".to_owned();
            let mut outputs = outputs.clone();
            plain(&mut outputs);
            let entry = Entry::Done {
                changed: *changed,
                note,
                prior: Some(*prior),
                outputs,
                took: None,
            };
            calls.line(operation, subject, entry)
        }
        Some(OperationState::Failed { message }) => {
            calls.failed(operation, subject, FailedClass::Terminal, message, "")
        }
        Some(OperationState::Broken | OperationState::Running) => calls.failed(
            operation,
            subject,
            FailedClass::Transient,
            "it was broken off",
            "",
        ),
        Some(OperationState::Unseen) | None => calls.failed(
            operation,
            subject,
            FailedClass::NotBegun,
            "the node has not seen it",
            "",
        ),
    }
}

/// Longer text is no value of a step.
const LONGEST_OUTPUT: usize = 64 * 1024;

/// Leaves out what no output can be. Nodes are not trusted.
pub(super) fn plain(outputs: &mut BTreeMap<String, serde_json::Value>) {
    outputs.retain(|_, value| match value {
        serde_json::Value::String(text) => text.len() <= LONGEST_OUTPUT,
        value => value.is_i64() || value.is_boolean(),
    });
}

/// What a node's journal knows of operations; waits while an agent is still at work on one of them, but not for ever.
pub(super) async fn probe_steps(
    calls: &Calls,
    node: &str,
    operations: &[String],
) -> Result<BTreeMap<String, OperationState>, LineError> {
    let mut tries = 0;
    let begun = tokio::time::Instant::now();
    let silence = calls.retry.silence;
    loop {
        let answer = ask_journal(calls, node, operations).await;
        let error = match answer {
            Ok(states) if states.values().any(|s| *s == OperationState::Running) => {
                if begun.elapsed() >= silence {
                    return Err(LineError::Silent(silence.as_secs()));
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
                continue;
            }
            Ok(states) => return Ok(states),
            Err(error) => error,
        };
        tries += 1;
        if tries >= calls.retry.attempts || hopeless(&error) {
            return Err(error);
        }
        tokio::time::sleep(calls.retry.pause(tries, node)).await;
    }
}

async fn ask_journal(
    calls: &Calls,
    node: &str,
    operations: &[String],
) -> Result<BTreeMap<String, OperationState>, LineError> {
    let request = Ask::Probe {
        protocol: PROTOCOL,
        deploy: calls.scope.deploy_id.clone(),
        operations: operations.to_vec(),
    };
    let limit = calls.limits.lookup;
    let asked = tokio::time::timeout(limit, Line::ask(&*calls.backend, &calls.scope, node, &request));
    let mut line = asked.await.map_err(|_| LineError::Silent(limit.as_secs()))??;
    let mut states = BTreeMap::new();
    let silence = calls.retry.silence;
    while let Some(event) = line.next_within(silence).await? {
        if let AgentEvent::Operation { operation, state } = event
            && operations.contains(&operation)
        {
            states.insert(operation, state);
        }
    }
    Ok(states)
}
