//! One change of one object: Intent, call, Done; tried again where that can help, looked up where nobody knows.

use rebar_agent::protocol::FailureClass;
use tracing::Instrument;

use super::calls::Calls;
use super::event::Event;
use super::outcome::{Failure, Stop};
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
    let mut tries = 0;
    loop {
        tries += 1;
        let intent = calls.intent(&operation, subject, wanted.request());
        calls.append(vec![intent]).await?;
        let progress = |text: &str| {
            calls.tell(Event::ObjectProgress {
                subject: subject.clone(),
                text: text.to_owned(),
            });
        };
        let begun = tokio::time::Instant::now();
        let span = tracing::info_span!("backend call", %subject, %operation, attempt = calls.known.attempts(&operation));
        let applied = calls.backend.apply(&calls.scope, &call, &progress);
        let mut error = match applied.instrument(span).await {
            Ok(applied) => {
                let took = begun.elapsed().as_millis() as u64;
                return done(calls, wanted, &operation, applied, Some(took)).await;
            }
            Err(error) => error,
        };
        // Nobody knows what came of it: look, before anything is done again.
        let mut half = false;
        if error.class != FailureClass::Transient {
            match calls.backend.probe(&calls.scope, &call).await {
                Ok(Probed::Complete(applied)) => {
                    return done(calls, wanted, &operation, applied, None).await;
                }
                Ok(Probed::Partial) => half = true,
                Ok(Probed::Absent) => {}
                Err(unknown) if error.class == FailureClass::Ambiguous => {
                    error.detail = format!("{}\nlooking it up failed: {unknown}", error.detail);
                }
                Err(_) => {}
            }
        }
        let failed = calls.failed(
            &operation,
            subject,
            error.class.into(),
            &error.message,
            &error.detail,
        );
        calls.append(vec![failed]).await?;
        let hopeless = error.class == FailureClass::Terminal || tries >= calls.retry.attempts;
        if hopeless {
            if half {
                clean(calls, wanted).await?;
            }
            calls.tell(Event::ObjectFailed {
                subject: subject.clone(),
                message: error.message.clone(),
            });
            return Err(Stop::Failed(Box::new(failure(subject, error))));
        }
        let pause = calls.retry.pause(tries, &operation);
        calls.tell(Event::Retrying {
            subject: subject.clone(),
            attempt: tries + 1,
            pause: pause.as_millis() as u64,
            message: error.message,
        });
        if !calls.cancel.sleep(pause).await {
            return Err(Stop::Interrupted);
        }
    }
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
    match calls.backend.apply(&calls.scope, &call, &|_| {}).await {
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
        FailureClass::Transient => Some("apply again: a new plan does what is left".to_owned()),
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
