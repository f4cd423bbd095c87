//! Looking at a node again after its batch has rested.

use std::collections::BTreeMap;

use rebar_agent::protocol::{Observation, Step};

use super::calls::Calls;
use super::event::Event;
use super::outcome::{Failure, Stop};
use super::tries::hopeless;
use crate::observe::{LineError, ask_node};

/// Asks the agent of `node` whether these steps of `run` are as they were applied. Nothing is changed, so nothing is
/// written down. What the agent cannot tell of a step is not held against the node; a node that cannot be asked is not
/// well.
///
/// # Errors
/// [`Stop::Failed`] when it is not well; [`Stop::Interrupted`] when told so between two attempts.
pub(super) async fn settled(calls: &Calls, node: &str, run: &str, steps: Vec<Step>) -> Result<(), Stop> {
    let found = ask(calls, node, run, steps).await?;
    let found =
        found.map_err(|error| unwell(node, None, format!("cannot be asked after the rest: {error}")))?;
    let differs = found.into_iter().find_map(|(address, state)| match state {
        Observation::Differs { what } => Some((address, what)),
        Observation::InSync | Observation::Unknown { .. } => None,
    });
    match differs {
        None => Ok(()),
        Some((step, what)) => Err(unwell(
            node,
            Some(step),
            format!("not well after the rest: {what}"),
        )),
    }
}

/// What the agent of `node` finds of `steps`; tried again while that may help.
///
/// # Errors
/// [`Stop::Interrupted`]. Within: that it cannot be asked.
pub(super) async fn ask(
    calls: &Calls,
    node: &str,
    run: &str,
    steps: Vec<Step>,
) -> Result<Result<BTreeMap<String, Observation>, LineError>, Stop> {
    let subject = format!("{node}/{run}");
    let mut tries = 0;
    loop {
        tries += 1;
        let error = match ask_node(&*calls.backend, &calls.scope, node, steps.clone()).await {
            Ok(found) => return Ok(Ok(found)),
            Err(error) => error,
        };
        let silent = matches!(error, LineError::Silent(_));
        if silent || hopeless(&error) || tries >= calls.retry.attempts {
            return Ok(Err(error));
        }
        let pause = calls.retry.pause(tries, &subject);
        calls.tell(Event::Retrying {
            subject: subject.clone(),
            attempt: tries + 1,
            pause: pause.as_millis() as u64,
            message: error.to_string(),
        });
        if !calls.cancel.sleep(pause).await {
            return Err(Stop::Interrupted);
        }
    }
}

fn unwell(node: &str, step: Option<String>, message: String) -> Stop {
    Stop::Failed(Box::new(Failure {
        node: node.to_owned(),
        step,
        message,
        detail: String::new(),
        help: Some(
            "see what became of it on that node (`rebar drift`), mend it or the spec, then apply again"
                .to_owned(),
        ),
        code: "E1220".to_owned(),
    }))
}
