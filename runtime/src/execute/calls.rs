//! What every call to a backend or an agent shares: ids, attempts, pauses, and the lines written around it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rebar_compiler::plan::Outputs;
use uuid::Uuid;

use super::ask::Answers;
use super::breaker::Breaker;
use super::cancel::Cancel;
use super::deadline::TimeLimits;
use super::event::{Event, EventSink};
use crate::backend::{Backend, Scope};
use crate::journal::{Entry, FailedClass, Journal, Line, Request};
use crate::secrets::Secrets;
use crate::state::StateError;

/// How often something that may pass by itself is tried, and how long the pauses are.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// All attempts, the first included.
    pub attempts: u32,
    /// The first pause; each further one is twice as long, give or take a quarter.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How long an agent may say nothing: so long and, on top, as long as a step of its segment says that it may take.
    pub silence: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 4,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            // Longer than any action of the agent takes by itself: package installation has its own limits.
            silence: Duration::from_secs(900),
        }
    }
}

impl Retry {
    /// Like [`Retry::pause`]; whoever says when to come back is not asked earlier.
    pub fn pause_after(&self, attempt: u32, operation: &str, retry_after: Option<Duration>) -> Duration {
        self.pause(attempt, operation)
            .max(retry_after.unwrap_or_default())
    }

    /// The pause after attempt number `attempt` (from 1) of `operation`. Spread by the operation, so that many
    /// nodes that fail together do not come back together.
    pub fn pause(&self, attempt: u32, operation: &str) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1 << attempt.saturating_sub(1).min(16))
            .min(self.longest);
        let spread = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{operation}/{attempt}").as_bytes());
        let quarter = f64::from(spread.as_bytes()[0]) / 255.0 * 0.5 + 0.75;
        doubled.mul_f64(quarter)
    }
}

/// All that a piece of work needs to make its calls. Lanes need nothing else.
pub struct Calls {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// Whose objects.
    pub scope: Scope,
    /// The writer's epoch.
    pub epoch: u64,
    /// The run.
    pub run: String,
    /// Where lines go.
    pub journal: Arc<dyn Journal>,
    /// Where events go.
    pub events: EventSink,
    /// Whether to stop.
    pub cancel: Cancel,
    /// When to try again.
    pub retry: Retry,
    /// How long things may take.
    pub limits: TimeLimits,
    /// Secrets, for the steps that need them.
    pub secrets: Arc<Secrets>,
    /// Who knows what became of commands that must not run twice.
    pub answers: Answers,
    /// Whether the backend answers at all.
    pub(super) breaker: Breaker,
    /// One question at a time.
    pub(super) question: tokio::sync::Mutex<()>,
    /// What earlier sessions of the run, and this one, have done.
    pub known: Known,
}

/// Operations of the run that have a history.
#[derive(Debug, Default)]
pub struct Known {
    done: Mutex<BTreeSet<String>>,
    attempts: Mutex<BTreeMap<String, u32>>,
    /// What steps have found out, in this run and before.
    outputs: Mutex<Outputs>,
    /// Steps that changed their node in segments that then failed or were broken off.
    pub(super) lost: AtomicUsize,
}

impl Known {
    /// Notes an operation's last word.
    pub fn note(&self, operation: &str, attempt: u32, done: bool) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.insert(operation.to_owned(), attempt);
        drop(attempts);
        if done {
            self.done
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(operation.to_owned());
        }
    }

    /// Whether it is done.
    pub fn is_done(&self, operation: &str) -> bool {
        self.done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(operation)
    }

    /// What steps have found out.
    pub fn outputs(&self) -> MutexGuard<'_, Outputs> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it was tried.
    pub fn attempts(&self, operation: &str) -> u32 {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.get(operation).copied().unwrap_or(0)
    }
}

impl Calls {
    /// The id of an operation: the same whenever the run is resumed, another one in every other run.
    pub fn operation(&self, verb: &str, subject: &str) -> String {
        operation_id(&self.scope.deploy_id, &self.run, verb, subject)
    }

    /// Tells an event.
    pub fn tell(&self, event: Event) {
        (self.events)(event);
    }

    /// Writes the Intent of the next attempt of an operation, and returns the attempt's number.
    pub(super) fn intent(&self, operation: &str, subject: &str, request: Request) -> Line {
        let attempt = self.known.attempts(operation) + 1;
        self.known.note(operation, attempt, false);
        self.line(operation, subject, Entry::Intent { request })
    }

    /// A line about an operation's current attempt.
    pub(super) fn line(&self, operation: &str, subject: &str, entry: Entry) -> Line {
        let attempt = self.known.attempts(operation).max(1);
        Line {
            operation: operation.to_owned(),
            subject: subject.to_owned(),
            attempt,
            entry,
        }
    }

    /// A Failed line.
    pub(super) fn failed(
        &self,
        operation: &str,
        subject: &str,
        class: FailedClass,
        message: &str,
        detail: &str,
    ) -> Line {
        let entry = Entry::Failed {
            class,
            message: message.to_owned(),
            detail: detail.to_owned(),
        };
        self.line(operation, subject, entry)
    }

    /// Writes lines.
    pub(super) async fn append(&self, lines: Vec<Line>) -> Result<(), StateError> {
        if lines.is_empty() {
            return Ok(());
        }
        let found = lines.iter().filter_map(|line| match &line.entry {
            Entry::Done { outputs, .. } if !outputs.is_empty() => {
                Some((line.subject.clone(), outputs.clone()))
            }
            _ => None,
        });
        let found: Vec<_> = found.collect();
        self.journal.append(lines).await?;
        // Only what is durable is handed on: whoever used it must find it again.
        for (subject, outputs) in found {
            if let Some((node, step)) = subject.split_once('/') {
                self.known.outputs().insert(node, step, outputs);
            }
        }
        Ok(())
    }
}

/// UUID v5 of deploy, run, verb and subject.
pub fn operation_id(deploy_id: &str, run: &str, verb: &str, subject: &str) -> String {
    let name = format!("{deploy_id}\n{run}\n{verb}\n{subject}");
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_spread() {
        let retry = Retry::default();
        for (attempt, low, high) in [
            (1, 375, 625),
            (2, 750, 1250),
            (3, 1500, 2500),
            (20, 22_500, 37_500),
        ] {
            let pause = retry.pause(attempt, "a").as_millis();
            assert!((low..=high).contains(&pause), "{attempt}: {pause}");
        }
        assert_ne!(retry.pause(1, "a"), retry.pause(1, "b"));
    }

    #[test]
    fn ids_differ_by_run_and_stay_within_one() {
        let id = operation_id("d", "r", "create", "machine/a");
        assert_eq!(id, operation_id("d", "r", "create", "machine/a"));
        assert_ne!(id, operation_id("d", "s", "create", "machine/a"));
        assert_ne!(id, operation_id("d", "r", "destroy", "machine/a"));
    }
}
