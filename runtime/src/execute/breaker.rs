//! When a backend itself does not answer, nobody calls it any more until one look at it succeeds; when it stays silent,
//! all that needs it is blocked by that one cause.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::calls::Calls;
use super::cancel::Urgency;
use super::event::Event;
use super::outcome::{Failure, Stop};
use super::seat;
use crate::backend::BackendError;

/// When a backend counts as silent, and how long it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// So many calls one after the other that the backend itself did not answer.
    pub failures: u32,
    /// The pause before it is looked at again; each further one is twice as long, up to a minute.
    pub pause: Duration,
    /// So many looks; then it is given up.
    pub looks: u32,
}

impl Default for Patience {
    fn default() -> Self {
        // About three minutes in all: an engine that is restarted is back by then.
        Patience {
            failures: 3,
            pause: Duration::from_secs(5),
            looks: 6,
        }
    }
}

#[derive(Debug, Clone)]
enum Condition {
    /// So many failures in a row.
    Closed(u32),
    /// Silent; whether somebody is looking, and why it counts as silent.
    Open { looking: bool, why: BackendError },
    /// Given up.
    Broken(Box<Failure>),
}

/// One breaker a backend.
#[derive(Debug)]
pub(super) struct Breaker {
    patience: Patience,
    condition: Mutex<Condition>,
    changed: Notify,
}

impl Breaker {
    pub(super) fn new(patience: Patience) -> Breaker {
        Breaker {
            patience,
            condition: Mutex::new(Condition::Closed(0)),
            changed: Notify::new(),
        }
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of how a call ended.
    pub(super) fn heard<T>(&self, result: &Result<T, BackendError>) {
        let mut condition = self.condition();
        match (result, &mut *condition) {
            (Err(error), Condition::Closed(failures)) if error.is_of_backend() => {
                *failures += 1;
                if *failures >= self.patience.failures.max(1) {
                    let why = error.clone();
                    *condition = Condition::Open { looking: false, why };
                }
            }
            // Whatever it answered, it answered.
            (_, Condition::Closed(failures)) => *failures = 0,
            // Calls that were under way say nothing new; who looks decides.
            (_, Condition::Open { .. } | Condition::Broken(_)) => {}
        }
    }

    fn set(&self, condition: Condition) {
        *self.condition() = condition;
        self.changed.notify_waiters();
    }

    /// Why the backend counts as silent, if it is this caller's turn to look.
    fn turn(&self) -> Result<Option<BackendError>, Pass> {
        match &mut *self.condition() {
            Condition::Closed(_) => Err(Pass::Free),
            Condition::Broken(failure) => Err(Pass::Broken(failure.clone())),
            Condition::Open { looking: true, .. } => Ok(None),
            Condition::Open { looking, why } => {
                *looking = true;
                Ok(Some(why.clone()))
            }
        }
    }
}

enum Pass {
    Free,
    Broken(Box<Failure>),
}

impl Calls {
    /// Returns when the backend may be called.
    pub(super) async fn pass(&self) -> Result<(), Stop> {
        loop {
            // Registered before the condition is read, so that no change is missed.
            let changed = self.breaker.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.breaker.turn() {
                Err(Pass::Free) => break,
                Err(Pass::Broken(failure)) => return Err(Stop::Blocked(failure)),
                Ok(Some(why)) => {
                    seat::leave();
                    self.wait_for_backend(why).await?;
                }
                Ok(None) => {
                    seat::leave();
                    tokio::select! {
                        () = changed => {}
                        () = self.cancel.beyond(Urgency::Run) => return Err(Stop::Interrupted),
                    }
                }
            }
        }
        if seat::is_away() && !seat::take(&self.cancel).await {
            return Err(Stop::Interrupted);
        }
        Ok(())
    }

    /// Looks at the backend until it answers or is given up.
    async fn wait_for_backend(&self, mut why: BackendError) -> Result<(), Stop> {
        let patience = self.breaker.patience;
        let backend = self.backend.name().to_owned();
        let mut pause = patience.pause;
        for _ in 0..patience.looks.max(1) {
            self.tell(Event::BackendSilent {
                backend: backend.clone(),
                message: why.message.clone(),
                pause: pause.as_millis() as u64,
            });
            if !self.cancel.sleep(pause).await {
                // Others are interrupted as well; nobody waits for this look.
                self.breaker.set(Condition::Open { looking: false, why });
                return Err(Stop::Interrupted);
            }
            match self.observe().await {
                Err(error) if error.is_of_backend() => why = error,
                Ok(_) | Err(_) => {
                    self.tell(Event::BackendAnswers { backend });
                    self.breaker.set(Condition::Closed(0));
                    return Ok(());
                }
            }
            pause = (pause * 2).min(Duration::from_secs(60));
        }
        let failure = Failure {
            node: format!("backend {backend}"),
            step: None,
            message: format!("the backend `{backend}` does not answer: {}", why.message),
            detail: why.detail,
            help: Some(why.help.unwrap_or_else(|| {
                "see whether it is well (`rebar doctor`), then apply again: a new plan does what is left"
                    .to_owned()
            })),
            code: "E1211".to_owned(),
        };
        self.breaker.set(Condition::Broken(Box::new(failure)));
        Ok(())
    }
}
