//! Three time limits: an attempt, all attempts together, and how long nothing may be heard. What takes longer is given
//! up: its future is dropped, and as nobody knows what came of it, it is looked up.

use std::fmt::Display;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rebar_agent::protocol::FailureClass;
use tokio::time::Instant;

use super::calls::Calls;
use super::event::Event;
use crate::backend::{Applied, BackendError, ObjectAction, Operation, Probed, World};

/// How long one kind of change of a backend may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// One attempt.
    pub attempt: Duration,
    /// All attempts with the pauses between them; waiting for a backend that does not answer is not counted.
    pub whole: Duration,
    /// How long the backend may tell no progress.
    pub silence: Duration,
}

/// How long things may take. How long an agent may be silent stands in [`super::Retry::silence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// Preparing an image.
    pub image: Limit,
    /// Making or destroying a network.
    pub network: Limit,
    /// Making, starting or destroying a machine.
    pub machine: Limit,
    /// Publishing names.
    pub names: Limit,
    /// Looking at what is there, or what became of a change.
    pub lookup: Duration,
    /// All attempts of a step with the pauses between them; as long as the step says that it may take comes on top.
    pub step: Duration,
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

impl Default for TimeLimits {
    fn default() -> Self {
        TimeLimits {
            // Built from packages over a slow line; each package is told.
            image: Limit {
                attempt: minutes(60),
                whole: minutes(120),
                silence: minutes(15),
            },
            network: Limit {
                attempt: minutes(2),
                whole: minutes(10),
                silence: minutes(2),
            },
            machine: Limit {
                attempt: minutes(10),
                whole: minutes(30),
                silence: minutes(10),
            },
            // One call tells all machines.
            names: Limit {
                attempt: minutes(5),
                whole: minutes(15),
                silence: minutes(5),
            },
            lookup: minutes(5),
            step: minutes(60),
        }
    }
}

impl TimeLimits {
    /// Those of an action.
    pub fn of(&self, action: &ObjectAction) -> Limit {
        match action {
            ObjectAction::PrepareImage { .. } => self.image,
            ObjectAction::CreateNetwork { .. } | ObjectAction::DestroyNetwork { .. } => self.network,
            ObjectAction::CreateMachine { .. }
            | ObjectAction::StartMachine { .. }
            | ObjectAction::DestroyMachine { .. } => self.machine,
            ObjectAction::PublishNames { .. } => self.names,
        }
    }
}

fn given_up(what: impl Display, limit: Duration) -> BackendError {
    BackendError {
        code: "E1210",
        class: FailureClass::Ambiguous,
        message: format!("the backend gave no answer within {} s: {what}", limit.as_secs()),
        help: Some("see whether the backend itself is well (`rebar doctor`), then apply again".to_owned()),
        detail: String::new(),
        retry_after: None,
    }
}

impl Calls {
    /// Has the backend make a change, for no longer than `longest` and the limits of the action allow.
    pub(super) async fn apply(
        &self,
        call: &Operation,
        subject: &str,
        longest: Duration,
    ) -> Result<Applied, BackendError> {
        let limit = self.limits.of(&call.action);
        let attempt = limit.attempt.min(longest);
        let begun = Instant::now();
        let heard = Mutex::new(begun);
        let last = || *heard.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = |text: &str| {
            *heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            self.tell(Event::ObjectProgress {
                subject: subject.to_owned(),
                text: text.to_owned(),
            });
        };
        let watch = async {
            loop {
                let (end, quiet) = (begun + attempt, last() + limit.silence);
                tokio::time::sleep_until(end.min(quiet)).await;
                if Instant::now() >= end {
                    return given_up(subject, attempt);
                }
                if Instant::now() >= last() + limit.silence {
                    return given_up(format!("{subject} tells no progress"), limit.silence);
                }
            }
        };
        let result = tokio::select! {
            biased;
            result = self.backend.apply(&self.scope, call, &progress) => result,
            error = watch => Err(error),
        };
        self.breaker.heard(&result);
        result
    }

    /// What became of a change.
    pub(super) async fn probe(&self, call: &Operation, subject: &str) -> Result<Probed, BackendError> {
        let asked = self.backend.probe(&self.scope, call);
        self.look(asked, &format!("what became of {subject}")).await
    }

    /// What is there; asked again where that may help, since nothing can go on without it.
    pub(super) async fn observe(&self) -> Result<World, BackendError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let asked = self.backend.observe(&self.scope);
            let error = match self.look(asked, "what is there").await {
                Ok(world) => return Ok(world),
                Err(error) => error,
            };
            let passes = matches!(error.class, FailureClass::Transient | FailureClass::Busy);
            let pause = self.retry.pause_after(tries, "observe", error.retry_after);
            if !passes || tries >= self.retry.attempts || !self.cancel.sleep(pause).await {
                return Err(error);
            }
        }
    }

    async fn look<T>(
        &self,
        asked: impl Future<Output = Result<T, BackendError>>,
        what: &str,
    ) -> Result<T, BackendError> {
        let limit = self.limits.lookup;
        let answer = tokio::time::timeout(limit, asked).await;
        let answer = answer.unwrap_or_else(|_| Err(given_up(what, limit)));
        if answer.is_ok() {
            self.breaker.heard(&answer);
        }
        answer
    }
}
