//! One change of one object: Intent, call, Done; tried again where that can help, looked up where nobody knows.

use std::time::Duration;

use rebar_agent::protocol::FailureClass;
use tokio::time::Instant;
use tracing::Instrument;

use super::calls::Calls;
use super::event::Event;
use super::outcome::{Failure, Stop};
use super::seat;
use crate::backend::{Applied, BackendError, ObjectAction, Operation, Probed};
use crate::journal::{Entry, FailedClass, NodeFacts, Request};

/// A change to make.
#[derive(Debug, Clone)]
pub(super) struct ObjectChange {
    /// `create`, `start`, `destroy` …: with the subject it makes the operation's id.
    pub(super) verb: String,
    /// `machine/web-1`
    pub(super) subject: String,
    pub(super) action: ObjectAction,
    /// For machines that are made.
    pub(super) node: Option<NodeFacts>,
    /// For machines that are destroyed: whether the name is free again.
    pub(super) leaves: bool,
    /// For names that are published: the machines that are told.
    pub(super) told: Vec<String>,
}

impl ObjectChange {
    pub(super) fn new(verb: impl Into<String>, subject: impl Into<String>, action: ObjectAction) -> Self {
        ObjectChange {
            verb: verb.into(),
            subject: subject.into(),
            action,
            node: None,
            leaves: false,
            told: Vec::new(),
        }
    }

    fn request(&self) -> Request {
        Request::Object {
            action: self.action.clone(),
            node: self.node.clone(),
            leaves: self.leaves,
            told: self.told.clone(),
        }
    }
}

/// Makes a change, unless this run has made it. Returns whether something was done.
#[tracing::instrument(name = "object", skip_all, fields(verb = wanted.verb, subject = wanted.subject))]
pub(super) async fn change(calls: &Calls, wanted: &ObjectChange) -> Result<bool, Stop> {
    let operation = calls.operation(&wanted.verb, &wanted.subject);
    if calls.known.is_done(&operation) {
        return Ok(false);
    }
    let subject = &wanted.subject;
    let action = wanted.verb.split('#').next().unwrap_or_default().to_owned();
    calls.tell(Event::ObjectStarted {
        subject: subject.clone(),
        action,
    });
    let call = Operation {
        id: operation.clone(),
        epoch: calls.epoch,
        action: wanted.action.clone(),
    };
    let whole = calls.limits.of(&wanted.action).whole;
    let (mut tries, mut spent, mut lost) = (0, Duration::ZERO, false);
    loop {
        calls.pass().await?;
        let begun = Instant::now();
        let ended = attempt(calls, wanted, &call, lost, whole.saturating_sub(spent)).await?;
        spent += begun.elapsed();
        let (error, half) = match ended {
            Ended::Done(applied, took) => return done(calls, wanted, &operation, applied, took).await,
            Ended::Failed {
                error,
                half,
                lost: now,
            } => {
                lost = now;
                (error, half)
            }
        };
        // A backend that is busy, or does not answer at all, says nothing about this change: only time limits that.
        if error.class != FailureClass::Busy && !error.is_of_backend() {
            tries += 1;
        }
        let pause = calls
            .retry
            .pause_after(tries.max(1), &operation, error.retry_after);
        let hopeless = error.class == FailureClass::Terminal && !error.is_of_backend();
        if hopeless || tries >= calls.retry.attempts || spent + pause >= whole {
            if half {
                clean(calls, wanted).await?;
            }
            calls.tell(Event::ObjectFailed {
                subject: subject.clone(),
                message: error.message.clone(),
            });
            return Err(Stop::Failed(Box::new(failure(subject, error))));
        }
        calls.tell(Event::Retrying {
            subject: subject.clone(),
            attempt: calls.known.attempts(&operation) + 1,
            pause: pause.as_millis() as u64,
            message: error.message,
        });
        spent += pause;
        if !seat::pause(&calls.cancel, pause).await {
            return Err(Stop::Interrupted);
        }
    }
}

/// How an attempt ended.
enum Ended {
    /// With this, and how long it took where that was seen.
    Done(Applied, Option<u64>),
    Failed {
        error: BackendError,
        /// Whether it left a half.
        half: bool,
        /// Whether nobody could say what came of it.
        lost: bool,
    },
}

/// Tries once. What came of an attempt before that was `lost` is looked up first; no attempt takes longer than
/// `longest`.
async fn attempt(
    calls: &Calls,
    wanted: &ObjectChange,
    call: &Operation,
    lost: bool,
    longest: Duration,
) -> Result<Ended, Stop> {
    let subject = &wanted.subject;
    if lost {
        match calls.probe(call, subject).await {
            Ok(Probed::Complete(applied)) => {
                // Its last word was that it failed: only a new Intent may be followed by Done.
                let intent = calls.intent(&call.id, subject, wanted.request());
                calls.append(vec![intent]).await?;
                return Ok(Ended::Done(applied, None));
            }
            Ok(Probed::Partial | Probed::Absent) => {}
            Err(error) => {
                let (half, lost) = (false, true);
                return Ok(Ended::Failed { error, half, lost });
            }
        }
    }
    let intent = calls.intent(&call.id, subject, wanted.request());
    calls.append(vec![intent]).await?;
    let begun = Instant::now();
    let number = calls.known.attempts(&call.id);
    let span = tracing::info_span!("backend call", %subject, operation = call.id, attempt = number);
    let mut error = match calls.apply(call, subject, longest).instrument(span).await {
        Ok(applied) => return Ok(Ended::Done(applied, Some(begun.elapsed().as_millis() as u64))),
        Err(error) => error,
    };
    // Nobody knows what came of it: look, before anything is done again.
    let (mut half, mut lost) = (false, false);
    if !matches!(error.class, FailureClass::Transient | FailureClass::Busy) {
        match calls.probe(call, subject).await {
            Ok(Probed::Complete(applied)) => return Ok(Ended::Done(applied, None)),
            Ok(Probed::Partial) => half = true,
            Ok(Probed::Absent) => {}
            Err(unknown) if error.class == FailureClass::Ambiguous => {
                error.detail = format!("{}\nlooking it up failed: {unknown}", error.detail);
                lost = true;
            }
            Err(_) => {}
        }
    }
    let class = error.class.into();
    let failed = calls.failed(&call.id, subject, class, &error.message, &error.detail);
    calls.append(vec![failed]).await?;
    Ok(Ended::Failed { error, half, lost })
}

async fn done(
    calls: &Calls,
    wanted: &ObjectChange,
    operation: &str,
    applied: Applied,
    took: Option<u64>,
) -> Result<bool, Stop> {
    let Applied { handle, note } = applied;
    let entry = Entry::Done {
        changed: true,
        note: note.clone(),
        prior: None,
        outputs: std::collections::BTreeMap::new(),
        took,
    };
    let lines = vec![
        calls.line(operation, &wanted.subject, Entry::Handle { handle }),
        calls.line(operation, &wanted.subject, entry),
    ];
    calls.append(lines).await?;
    calls.known.note(operation, calls.known.attempts(operation), true);
    calls.tell(Event::ObjectDone {
        subject: wanted.subject.clone(),
        note,
    });
    Ok(true)
}

/// Removes what a change that failed for good left half-way. That this fails too is told, not fatal: the half is
/// known by its operation and goes with the next plan or with `destroy`.
pub(super) async fn clean(calls: &Calls, wanted: &ObjectChange) -> Result<(), Stop> {
    let action = match &wanted.action {
        ObjectAction::CreateMachine { machine } => ObjectAction::DestroyMachine {
            name: machine.name.clone(),
        },
        ObjectAction::CreateNetwork { network } => ObjectAction::DestroyNetwork {
            name: network.name.clone(),
        },
        ObjectAction::PrepareImage { .. }
        | ObjectAction::DestroyNetwork { .. }
        | ObjectAction::StartMachine { .. }
        | ObjectAction::DestroyMachine { .. }
        | ObjectAction::PublishNames { .. } => return Ok(()),
    };
    let sequence = calls
        .known
        .attempts(&calls.operation(&wanted.verb, &wanted.subject));
    let cleaning = ObjectChange::new(
        format!("clean up#{}{sequence}", wanted.verb),
        &*wanted.subject,
        action,
    );
    let operation = calls.operation(&cleaning.verb, &cleaning.subject);
    if calls.known.is_done(&operation) {
        return Ok(());
    }
    calls
        .append(vec![calls.intent(
            &operation,
            &cleaning.subject,
            cleaning.request(),
        )])
        .await?;
    let call = Operation {
        id: operation.clone(),
        epoch: calls.epoch,
        action: cleaning.action.clone(),
    };
    match calls.apply(&call, &cleaning.subject, Duration::MAX).await {
        Ok(applied) => done(calls, &cleaning, &operation, applied, None)
            .await
            .map(|_| ()),
        Err(error) => {
            let class = FailedClass::from(error.class);
            let line = calls.failed(
                &operation,
                &cleaning.subject,
                class,
                &error.message,
                &error.detail,
            );
            Ok(calls.append(vec![line]).await?)
        }
    }
}

/// What a backend's error means to a person.
pub(super) fn failure(subject: &str, error: BackendError) -> Failure {
    let help = error.help.or_else(|| match error.class {
        FailureClass::Ambiguous => Some(format!(
            "find out whether {subject} was changed, then plan and apply again"
        )),
        FailureClass::Transient | FailureClass::Busy => {
            Some("apply again: a new plan does what is left".to_owned())
        }
        FailureClass::Terminal => None,
    });
    Failure {
        node: subject.strip_prefix("machine/").unwrap_or(subject).to_owned(),
        step: None,
        message: error.message,
        detail: error.detail,
        help,
        code: error.code.to_owned(),
    }
}
