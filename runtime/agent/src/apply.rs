//! Carrying out a lane segment: for each step the intent is made durable, then the change, then its record.

use std::io::Write;

use crate::actions::{self, Action, Effect, Node};
use crate::failure::{Failure, Refusal};
use crate::journal::{Entry, Journal, OnceState, Outcome, Progress};
use crate::ownership::{Former, Resource};
use crate::protocol::{Event, Observation, PlannedStep, Prior, Removal, Verb};
use crate::root::Root;
use crate::serve::Output;
use crate::settle::{self, Answer};
use crate::store::Store;

/// A segment as asked for.
pub(crate) struct Segment<'a> {
    /// The deploy's id.
    pub(crate) deploy: &'a str,
    /// The writer's epoch.
    pub(crate) epoch: u64,
    /// The steps in order.
    pub(crate) steps: &'a [PlannedStep],
}

/// Carries out the steps in order and stops at the first failure, or when nobody listens any more.
pub(crate) fn apply<W: Write>(root: &Root, segment: &Segment<'_>, output: &Output<W>) -> Result<(), Refusal> {
    let actions: Vec<Box<dyn Action>> = segment
        .steps
        .iter()
        .map(|planned| actions::parse(&planned.step))
        .collect::<Result<_, _>>()?;
    let store = Store::of(root);
    store.prepare()?;
    let _lock = store.lock()?;
    let mut journal = Journal::open(&store)?;
    admit(&mut journal, segment)?;
    for (index, (planned, action)) in segment.steps.iter().zip(&actions).enumerate() {
        if output.is_broken() {
            break;
        }
        let mut turn = Turn {
            root,
            store: &store,
            output,
            planned,
            action: action.as_ref(),
        };
        if turn.take(&mut journal, &segment.steps[index + 1..]).is_err() {
            break;
        }
    }
    Ok(())
}

/// Writes into the node's journal whether the `once` command of a step, which was broken off, has happened.
pub(crate) fn settle(root: &Root, writer: &Segment<'_>, address: &str, done: bool) -> Result<(), Refusal> {
    let store = Store::of(root);
    store.prepare()?;
    let _lock = store.lock()?;
    let mut journal = Journal::open(&store)?;
    admit(&mut journal, writer)?;
    let answer = if done { Answer::Accept } else { Answer::Forget };
    settle::record(&mut journal, address, answer).map_err(Refusal::bad_step)
}

/// Lets in the node's own deploy with the newest epoch, and nobody else.
fn admit(journal: &mut Journal, segment: &Segment<'_>) -> Result<(), Refusal> {
    check_deploy(journal.state().deploy.as_deref(), segment.deploy)?;
    let highest = journal.state().epoch;
    if segment.epoch < highest {
        return Err(Refusal::stale_epoch(format!(
            "this node has been changed by a newer writer (epoch {highest}, yours is {}); another run has taken over",
            segment.epoch
        )));
    }
    let mut entries = Vec::new();
    if journal.state().deploy.is_none() {
        entries.push(Entry::Claimed {
            deploy: segment.deploy.to_owned(),
        });
    }
    if segment.epoch > highest {
        entries.push(Entry::Epoch { epoch: segment.epoch });
    }
    for entry in entries {
        journal
            .append(entry)
            .map_err(|error| Refusal::journal(format!("cannot write the node's journal: {error}")))?;
    }
    Ok(())
}

/// Refuses a node that belongs to another deploy.
pub(crate) fn check_deploy(owner: Option<&str>, asking: &str) -> Result<(), Refusal> {
    match owner {
        Some(owner) if owner != asking => Err(Refusal::other_deploy(format!(
            "this node belongs to the deploy `{owner}`, not to `{asking}`; destroy it there first, or use another node"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// The segment is to stop here.
struct Stop;

/// One step's turn.
struct Turn<'a, W: Write> {
    root: &'a Root,
    store: &'a Store,
    output: &'a Output<W>,
    planned: &'a PlannedStep,
    action: &'a dyn Action,
}

/// What is known before a step is begun.
struct Intent {
    /// Whether a crash is ambiguous.
    once: bool,
    /// What stood there before, where it becomes ours now.
    former: Option<Former>,
}

/// How a step ended well.
struct Ending {
    effect: Effect,
    prior: Prior,
    released: bool,
}

impl<W: Write> Turn<'_, W> {
    fn take(&mut self, journal: &mut Journal, later: &[PlannedStep]) -> Result<(), Stop> {
        let operation = &self.planned.operation;
        let resource = Resource::of(&self.planned.step);
        if let Some(outcome) = self.already_done(journal, &resource) {
            self.say_done(&outcome);
            return Ok(());
        }
        let intent = self
            .prepare(journal, &resource)
            .map_err(|failure| self.say_failed(&failure))?;
        let broken_off = journal.state().unsettled.contains(&resource);
        self.record(
            journal,
            Entry::Begun {
                operation: operation.clone(),
                address: self.planned.step.address.clone(),
                resource: resource.clone(),
                verb: self.planned.verb,
                once: intent.once,
                former: intent.former,
            },
        )?;
        self.output.emit(&Event::Started {
            operation: operation.clone(),
        });
        let done = match self.planned.verb {
            Verb::Ensure => self.ensure(journal, &resource),
            Verb::Remove => self.remove(journal, &resource, later),
        };
        let Ending {
            effect,
            prior,
            released,
        } = match done {
            Ok(ending) => ending,
            Err(failure) => {
                let Failure { class, message, .. } = failure.clone();
                // When that cannot be written either, the intent without an end says enough.
                let _ = journal.append(Entry::Failed {
                    operation: operation.clone(),
                    class,
                    message,
                });
                return Err(self.say_failed(&failure));
            }
        };
        let touched = effect.changed || broken_off;
        let outcome = Outcome {
            changed: effect.changed,
            note: effect.note,
            prior,
            outputs: effect.outputs,
        };
        let done = Entry::Done {
            operation: operation.clone(),
            outcome: outcome.clone(),
            memory: effect.memory,
            released,
            touched,
        };
        self.record(journal, done)?;
        self.say_done(&outcome);
        Ok(())
    }

    /// What an earlier attempt under the same id recorded, if that still holds.
    fn already_done(&self, journal: &Journal, resource: &Resource) -> Option<Outcome> {
        let state = journal.state();
        let Progress::Done(outcome) = &state.operations.get(&self.planned.operation)?.progress else {
            return None;
        };
        let owner = state.owned.get(resource).map(|owned| owned.address.as_str());
        let ours = owner == Some(self.planned.step.address.as_str());
        let holds = match self.planned.verb {
            Verb::Ensure => {
                let known = state.known(resource);
                ours && !state.unsettled.contains(resource)
                    && self.node(&|_| {}, |node| self.action.observe(node, &known)) == Ok(Observation::InSync)
            }
            Verb::Remove => !ours,
        };
        holds.then(|| outcome.clone())
    }

    fn prepare(&self, journal: &Journal, resource: &Resource) -> Result<Intent, Failure> {
        if self.planned.verb == Verb::Remove {
            return Ok(Intent {
                once: false,
                former: None,
            });
        }
        let state = journal.state();
        let known = state.known(resource);
        let mut once = self.action.is_once();
        if once {
            // What need not run cannot be ambiguous, and a test of the step may tell that it did run.
            let nothing_to_do =
                self.node(&|_| {}, |node| self.action.observe(node, &known))? == Observation::InSync;
            if matches!(state.once.get(resource), Some(OnceState::Begun(_))) && !nothing_to_do {
                return Err(settle::ambiguous(&self.planned.step.address));
            }
            once = !nothing_to_do;
        }
        let former = match known.former {
            Some(_) => None,
            None => Some(self.node(&|_| {}, |node| self.action.former(node))?),
        };
        Ok(Intent { once, former })
    }

    fn ensure(&self, journal: &Journal, resource: &Resource) -> Result<Ending, Failure> {
        let known = journal.state().known(resource);
        let prior = known.former.as_ref().map_or(Prior::Absent, Former::prior);
        let effect = self.node(&|text| self.say_progress(text), |node| {
            self.action.ensure(node, &known)
        })?;
        Ok(Ending {
            effect,
            prior,
            released: false,
        })
    }

    fn remove(
        &self,
        journal: &Journal,
        resource: &Resource,
        later: &[PlannedStep],
    ) -> Result<Ending, Failure> {
        let left = |note: String, prior, released| Ending {
            effect: Effect::unchanged(note),
            prior,
            released,
        };
        let step = &self.planned.step;
        let Some(owned) = journal.state().owned.get(resource) else {
            return Ok(left(
                "left: rebar has no record of it".to_owned(),
                Prior::Present,
                false,
            ));
        };
        let prior = owned.former.prior();
        if owned.address != step.address {
            return Ok(left(
                format!("left: it belongs to `{}` now", owned.address),
                prior,
                false,
            ));
        }
        let heir = later
            .iter()
            .find(|later| later.verb == Verb::Ensure && Resource::of(&later.step) == *resource);
        if let Some(heir) = heir.filter(|_| !step.replaced) {
            return Ok(left(
                format!("handed over to `{}`", heir.step.address),
                prior,
                false,
            ));
        }
        match (step.removal, prior) {
            (Removal::Forget, _) => return Ok(left("left as it is".to_owned(), prior, true)),
            (Removal::Remove, Prior::Present) => {
                return Ok(left("left: it was there before rebar".to_owned(), prior, true));
            }
            (Removal::Restore | Removal::Remove, _) if owned.former == Former::Present => {
                return Ok(left("left: it was there before rebar".to_owned(), prior, true));
            }
            (Removal::Remove, Prior::Absent) | (Removal::Restore, _) => {}
        }
        let known = journal.state().known(resource);
        let former = owned.former.clone();
        let effect = self.node(&|text| self.say_progress(text), |node| {
            self.action.undo(node, &known, &former)
        })?;
        Ok(Ending {
            effect,
            prior,
            released: true,
        })
    }

    fn node<T>(&self, progress: &dyn Fn(&str), call: impl FnOnce(&Node<'_>) -> T) -> T {
        call(&Node {
            root: self.root,
            store: self.store,
            progress,
        })
    }

    fn record(&self, journal: &mut Journal, entry: Entry) -> Result<(), Stop> {
        journal.append(entry).map_err(|error| {
            self.say_failed(&Failure::system("write the node's journal", &error));
            Stop
        })
    }

    fn say_progress(&self, text: &str) {
        self.output.emit(&Event::Progress {
            operation: self.planned.operation.clone(),
            text: text.to_owned(),
        });
    }

    fn say_done(&self, outcome: &Outcome) {
        let Outcome {
            changed,
            note,
            prior,
            outputs,
        } = outcome.clone();
        self.output.emit(&Event::Done {
            operation: self.planned.operation.clone(),
            changed,
            note,
            prior,
            outputs,
        });
    }

    fn say_failed(&self, failure: &Failure) -> Stop {
        let Failure {
            class,
            message,
            detail,
        } = failure.clone();
        self.output.emit(&Event::Failed {
            operation: self.planned.operation.clone(),
            class,
            message,
            detail,
        });
        Stop
    }
}
