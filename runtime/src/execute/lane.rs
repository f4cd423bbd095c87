//! Carrying out one segment of one lane: the agent does the steps, this end keeps the journal. It needs a backend
//! that reaches the node and somewhere to write lines, and nothing else of the executor.

mod later;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rebar_agent::protocol::{Event as AgentEvent, FailureClass, PROTOCOL, PlannedStep, Request as Ask, Verb};
use rebar_compiler::plan::{LaterStep, RecordedStep, ValueType};

use super::calls::Calls;
use super::event::Event;
use super::lookup::{probe_steps, resolve};
use super::outcome::{Failure, Stop};
use super::seat;
use super::tries::{Tries, Waits, line_failed};
use crate::journal::{Entry, FailedClass, Line as JournalLine, Request};
use crate::observe::{Line, LineError, agent_step, removed_step};

/// Steps of one run on one node, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneSegment {
    /// The node.
    pub node: String,
    /// The run; for the removal of steps whose runs are gone, any name for people.
    pub run: String,
    /// What there is to do.
    pub steps: Vec<LaneStep>,
}

/// A step with what to do about it.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneStep {
    /// Ensure or remove.
    pub verb: Verb,
    /// The step, filled.
    pub recipe: RecordedStep,
    /// For steps that load others: address → digest of what is desired of each.
    pub loads: BTreeMap<String, String>,
    /// What is missing of it until other steps have told what they found out.
    pub later: Option<LaterStep>,
    /// What it is to find out.
    pub outputs: BTreeMap<String, ValueType>,
}

/// How a conversation ended.
enum End {
    /// All steps are done.
    Done,
    /// This step failed.
    Step {
        index: usize,
        class: FailureClass,
        message: String,
        detail: String,
    },
    /// The line broke, or the agent could not be reached.
    Line(LineError),
}

struct Session<'a> {
    calls: &'a Calls,
    segment: &'a LaneSegment,
    /// Operations in the order of the segment's steps.
    operations: Vec<String>,
    changed: usize,
    /// Steps of the last conversation: their Intents are written.
    asked: Vec<usize>,
    /// Steps that waited for what others find out, as they are now that it is known.
    completed: BTreeMap<usize, (RecordedStep, BTreeMap<String, String>)>,
    /// When each step was begun, as far as that was heard.
    begun: BTreeMap<usize, tokio::time::Instant>,
    /// What was heard in one go, in order: it is written down together and told when that is durable.
    heard: Vec<(Option<(usize, Entry)>, Event)>,
    /// The spans of those that have not ended.
    spans: BTreeMap<usize, tracing::Span>,
}

/// Carries out a segment; what this run has done already is left out. Returns how many steps changed the node.
///
/// # Errors
/// [`Stop::Failed`] with the step that failed for good; later steps were not begun.
#[tracing::instrument(name = "segment", skip_all, fields(node = segment.node, run = segment.run))]
pub async fn run_segment(calls: &Calls, segment: &LaneSegment) -> Result<usize, Stop> {
    let operations = segment
        .steps
        .iter()
        .map(|step| step_operation(calls, &segment.node, step))
        .collect();
    let mut session = Session {
        calls,
        segment,
        operations,
        changed: 0,
        asked: Vec::new(),
        completed: BTreeMap::new(),
        begun: BTreeMap::new(),
        heard: Vec::new(),
        spans: BTreeMap::new(),
    };
    if session.rest().is_empty() {
        return Ok(0);
    }
    calls.tell(Event::SegmentStarted {
        node: segment.node.clone(),
        run: segment.run.clone(),
        steps: session.rest().len(),
    });
    let result = carry_out(&mut session).await;
    if result.is_err() {
        // The segment is not done, but this much of it is.
        calls.known.lost.fetch_add(session.changed, Ordering::Relaxed);
    }
    result.map(|()| session.changed)
}

/// Why a conversation ended without all being done.
enum Cause {
    Step(FailureClass, String, String),
    Line(LineError),
}

/// Speaks with the agent until all steps are done, or one is not to be done.
async fn carry_out(session: &mut Session<'_>) -> Result<(), Stop> {
    let (calls, segment) = (session.calls, session.segment);
    let mut tries = Tries::default();
    loop {
        let rest = session.rest();
        let Some(first) = rest.first().copied() else {
            return Ok(());
        };
        // A lane whose agent waited had given its place to others.
        if seat::is_away() && !seat::take(&calls.cancel).await {
            return Err(Stop::Interrupted);
        }
        calls.pass().await?;
        let begun = tokio::time::Instant::now();
        let rest = session.until_later(session.until_wait(&rest));
        session.complete(rest)?;
        let end = session.converse(rest).await?;
        let taken = begun.elapsed();
        let (index, waits, cause) = match end {
            End::Done => continue,
            End::Step {
                index,
                class,
                message,
                detail,
            } => {
                session.give_up(index, class.into(), &message, &detail).await?;
                let tries = tries.of(index);
                if class == FailureClass::Ambiguous && !std::mem::replace(&mut tries.asked, true) {
                    let (node, step) = (&segment.node, session.address(index));
                    if calls.settle_once(node, &step, &message).await? {
                        continue;
                    }
                }
                let cause = Cause::Step(class, message, detail);
                (index, Waits::of(class), cause)
            }
            End::Line(error) => {
                session.look_up(&error).await?;
                (first, Waits::after(&error), Cause::Line(error))
            }
        };
        let tries = tries.of(index);
        tries.spent += taken;
        tries.count += u32::from(matches!(waits, Waits::Counted));
        let operation = &session.operations[index];
        let pause = calls
            .retry
            .pause_after(tries.count.max(1), operation, waits.retry_after());
        let longest = calls.limits.step + session.longest(index);
        tries.spent += pause;
        if waits == Waits::No || tries.count >= calls.retry.attempts || tries.spent >= longest {
            return Err(match cause {
                Cause::Step(class, message, detail) => session.step_failed(index, class, message, detail),
                Cause::Line(error) => Stop::Failed(Box::new(line_failed(&segment.node, error))),
            });
        }
        let (subject, message) = match cause {
            Cause::Step(_, message, _) => (session.subject(index), message),
            Cause::Line(error) => (format!("{}/{}", segment.node, segment.run), error.to_string()),
        };
        calls.tell(Event::Retrying {
            subject,
            attempt: calls.known.attempts(operation) + 1,
            pause: pause.as_millis() as u64,
            message,
        });
        if !seat::pause(&calls.cancel, pause).await {
            return Err(Stop::Interrupted);
        }
    }
}

/// The id of a step's operation.
fn step_operation(calls: &Calls, node: &str, step: &LaneStep) -> String {
    let verb = match step.verb {
        Verb::Ensure => "ensure",
        Verb::Remove => "remove",
    };
    calls.operation(verb, &step_subject(node, &step.recipe))
}

fn step_subject(node: &str, recipe: &RecordedStep) -> String {
    format!("{node}/{}", recipe.address)
}

impl Session<'_> {
    /// Indexes of steps that are not done.
    fn rest(&self) -> Vec<usize> {
        (0..self.operations.len())
            .filter(|i| !self.calls.known.is_done(&self.operations[*i]))
            .collect()
    }

    /// Indexes of steps that were asked for last and are not done.
    fn open(&self) -> Vec<usize> {
        let done = |i: &usize| self.calls.known.is_done(&self.operations[*i]);
        self.asked.iter().copied().filter(|i| !done(i)).collect()
    }

    fn subject(&self, index: usize) -> String {
        step_subject(&self.segment.node, &self.segment.steps[index].recipe)
    }

    fn address(&self, index: usize) -> String {
        self.segment.steps[index].recipe.address.clone()
    }

    /// How long the step at `index` says that it may take.
    fn longest(&self, index: usize) -> Duration {
        let fields = &self.segment.steps[index].recipe.fields;
        let limits = ["timeout", "within"]
            .iter()
            .filter_map(|name| fields.get(*name)?.as_u64());
        Duration::from_nanos(limits.max().unwrap_or(0))
    }

    /// A step as it is carried out.
    fn recipe(&self, index: usize) -> (&RecordedStep, &BTreeMap<String, String>) {
        match self.completed.get(&index) {
            Some((recipe, loads)) => (recipe, loads),
            None => (
                &self.segment.steps[index].recipe,
                &self.segment.steps[index].loads,
            ),
        }
    }

    /// Up to the first step that only waits for something on its node, which may take long: while it does, the lane gives
    /// its place to others, and what follows waits for a place again.
    fn until_wait<'b>(&self, rest: &'b [usize]) -> &'b [usize] {
        let end = rest.iter().position(|index| self.only_waits(*index));
        end.map_or(rest, |end| &rest[..=end])
    }

    fn only_waits(&self, index: usize) -> bool {
        let step = &self.segment.steps[index];
        step.verb == Verb::Ensure
            && step.recipe.removal == rebar_compiler::plan::Removal::Nothing
            && step.recipe.fields.contains_key("within")
    }

    /// The step at `index` as the agent is asked for it, with its secrets.
    async fn planned(&self, index: usize) -> Result<PlannedStep, Stop> {
        let (calls, verb) = (self.calls, self.segment.steps[index].verb);
        let (recipe, loads) = self.recipe(index);
        let mut step = match verb {
            Verb::Ensure => agent_step(recipe, loads.clone()),
            Verb::Remove => removed_step(recipe),
        };
        if verb == Verb::Ensure && !step.secret.is_empty() {
            match calls.secrets.open(recipe, &calls.scope.deploy_id).await {
                Ok(opened) => step.fields.extend(opened),
                Err(error) => {
                    return Err(Stop::Failed(Box::new(Failure {
                        node: self.segment.node.clone(),
                        step: Some(self.address(index)),
                        message: error.message,
                        detail: String::new(),
                        help: Some(error.help),
                        code: error.code.to_owned(),
                    })));
                }
            }
        }
        Ok(PlannedStep {
            operation: self.operations[index].clone(),
            verb,
            step,
        })
    }

    /// One round trip: all intents first, then the request, then the answers as they come.
    async fn converse(&mut self, rest: &[usize]) -> Result<End, Stop> {
        let calls = self.calls;
        let intents = rest.iter().map(|i| {
            let step = &self.segment.steps[*i];
            let request = Request::Step {
                node: self.segment.node.clone(),
                verb: step.verb,
                step: Box::new(self.recipe(*i).0.clone()),
            };
            calls.intent(&self.operations[*i], &self.subject(*i), request)
        });
        // Secrets are there before anything is written, and in the request alone.
        let mut steps = Vec::with_capacity(rest.len());
        for index in rest {
            steps.push(self.planned(*index).await?);
        }
        let intents = intents.collect();
        calls.append(intents).await?;
        self.asked = rest.to_vec();
        let request = Ask::Apply {
            protocol: PROTOCOL,
            deploy: calls.scope.deploy_id.clone(),
            epoch: calls.epoch,
            steps,
        };
        let asked = Line::ask(&*calls.backend, &calls.scope, &self.segment.node, &request);
        let asked = tokio::time::timeout(calls.limits.lookup, asked).await;
        let mut line = match asked {
            Ok(Ok(line)) => line,
            Ok(Err(error)) => {
                if let LineError::Open(error) = &error {
                    calls.breaker.heard::<()>(&Err(error.clone()));
                }
                return Ok(End::Line(error));
            }
            Err(_) => return Ok(End::Line(LineError::Silent(calls.limits.lookup.as_secs()))),
        };
        calls.breaker.heard(&Ok(()));
        let patience = calls.retry.silence + rest.iter().map(|i| self.longest(*i)).max().unwrap_or_default();
        let mut failed = None;
        loop {
            match line.next_within(patience).await {
                Ok(Some(event)) => failed = self.hear(event).or(failed),
                Ok(None) => break,
                Err(error) => {
                    self.write_down().await?;
                    return Ok(failed.unwrap_or(End::Line(error)));
                }
            }
            if !line.more() {
                self.write_down().await?;
            }
        }
        self.write_down().await?;
        Ok(match failed {
            Some(end) => end,
            None if rest.iter().all(|i| calls.known.is_done(&self.operations[*i])) => End::Done,
            None => End::Line(LineError::Nonsense(
                "it ended without having answered for every step".to_owned(),
            )),
        })
    }

    /// Takes note of an event of the agent.
    fn hear(&mut self, event: AgentEvent) -> Option<End> {
        let node = self.segment.node.clone();
        let index = |operation: &str| self.operations.iter().position(|o| o == operation);
        match event {
            AgentEvent::Started { operation } => {
                let index = index(&operation)?;
                self.begun.insert(index, tokio::time::Instant::now());
                let (step, attempt) = (self.address(index), self.calls.known.attempts(&operation));
                let span = tracing::info_span!("step", %node, %step, %operation, attempt);
                self.spans.insert(index, span);
                if self.only_waits(index) {
                    seat::leave();
                }
                self.heard.push((None, Event::StepStarted { node, step }));
            }
            AgentEvent::Progress { operation, text } => {
                let step = self.address(index(&operation)?);
                let text = self.calls.secrets.hide(text);
                self.heard.push((None, Event::StepProgress { node, step, text }));
            }
            AgentEvent::Done {
                operation,
                changed,
                note,
                prior,
                outputs,
            } => {
                let index = index(&operation)?;
                let told = |(done, _): &(Option<(usize, Entry)>, Event)| {
                    done.as_ref().is_some_and(|(other, _)| *other == index)
                };
                if self.calls.known.is_done(&operation) || self.heard.iter().any(told) {
                    return None;
                }
                self.spans.remove(&index);
                let secrets = &self.calls.secrets;
                let note = secrets.hide(note);
                let outputs = outputs
                    .into_iter()
                    .map(|(name, value)| (name, secrets.hide_in(value)));
                let outputs = outputs.collect();
                let begun = self.begun.get(&index);
                let outputs = match later::told_outputs(outputs, &self.segment.steps[index]) {
                    Ok(outputs) => outputs,
                    Err(message) => {
                        return Some(End::Step {
                            index,
                            class: FailureClass::Terminal,
                            message,
                            detail: String::new(),
                        });
                    }
                };
                let entry = Entry::Done {
                    changed,
                    note: note.clone(),
                    prior: Some(prior),
                    outputs,
                    took: begun.map(|begun| begun.elapsed().as_millis() as u64),
                };
                let step = self.address(index);
                let event = Event::StepDone {
                    node,
                    step,
                    changed,
                    note,
                };
                self.heard.push((Some((index, entry)), event));
            }
            AgentEvent::Failed {
                operation,
                class,
                message,
                detail,
            } => {
                let index = index(&operation)?;
                self.spans.remove(&index);
                return Some(End::Step {
                    index,
                    class,
                    message: self.calls.secrets.hide(message),
                    detail: self.calls.secrets.hide(detail),
                });
            }
            // Answers to other questions.
            AgentEvent::Hello { .. }
            | AgentEvent::Observed { .. }
            | AgentEvent::Operation { .. }
            | AgentEvent::Facts { .. }
            | AgentEvent::Refused { .. }
            | AgentEvent::End => {}
        }
        None
    }

    /// Writes down all that was heard, and then tells it.
    async fn write_down(&mut self) -> Result<(), Stop> {
        let heard = std::mem::take(&mut self.heard);
        let (mut lines, mut events, mut ended, mut changed) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (done, event) in heard {
            if let Some((index, entry)) = done {
                changed += usize::from(matches!(entry, Entry::Done { changed: true, .. }));
                lines.push(
                    self.calls
                        .line(&self.operations[index], &self.subject(index), entry),
                );
                ended.push(index);
            }
            events.push(event);
        }
        self.calls.append(lines).await?;
        self.changed += changed;
        for index in ended {
            let operation = &self.operations[index];
            let known = &self.calls.known;
            known.note(operation, known.attempts(operation), true);
        }
        for event in events {
            self.calls.tell(event);
        }
        Ok(())
    }

    /// Writes that the step at `index` failed and that the steps after it were not begun.
    async fn give_up(
        &self,
        index: usize,
        class: FailedClass,
        message: &str,
        detail: &str,
    ) -> Result<(), Stop> {
        let lines = self.open().into_iter().map(|i| {
            if i == index {
                self.calls
                    .failed(&self.operations[i], &self.subject(i), class, message, detail)
            } else {
                self.not_begun(i, "an earlier step failed")
            }
        });
        Ok(self.calls.append(lines.collect()).await?)
    }

    fn not_begun(&self, index: usize, why: &str) -> JournalLine {
        let (operation, subject) = (&self.operations[index], self.subject(index));
        self.calls
            .failed(operation, &subject, FailedClass::NotBegun, why, "")
    }

    /// After a broken line: asks the node's own journal what became of the steps, and writes that down.
    async fn look_up(&mut self, error: &LineError) -> Result<(), Stop> {
        self.spans.clear();
        let rest = self.open();
        let asked: Vec<String> = rest.iter().map(|i| self.operations[*i].clone()).collect();
        let states = match error {
            LineError::Open(_) | LineError::Refused { .. } => None,
            LineError::Broken { .. } | LineError::Silent(_) | LineError::Nonsense(_) => {
                Some(probe_steps(self.calls, &self.segment.node, &asked).await)
            }
        };
        let states = match states {
            None => {
                let lines = rest.iter().map(|i| self.not_begun(*i, &error.to_string()));
                return Ok(self.calls.append(lines.collect()).await?);
            }
            Some(Ok(states)) => states,
            Some(Err(unknown)) => {
                let message = format!("{error}; {unknown}");
                let lines = rest.iter().map(|i| {
                    let (operation, subject) = (&self.operations[*i], self.subject(*i));
                    self.calls
                        .failed(operation, &subject, FailedClass::Ambiguous, &message, "")
                });
                return Ok(self.calls.append(lines.collect()).await?);
            }
        };
        for index in rest {
            let state = states.get(&self.operations[index]);
            let line = resolve(self.calls, &self.operations[index], &self.subject(index), state);
            if let Entry::Done { changed, note, .. } = &line.entry {
                self.changed += usize::from(*changed);
                let (node, step) = (self.segment.node.clone(), self.address(index));
                self.calls.tell(Event::StepDone {
                    node,
                    step,
                    changed: *changed,
                    note: note.clone(),
                });
            }
            let done = matches!(line.entry, Entry::Done { .. });
            self.calls.append(vec![line]).await?;
            let operation = &self.operations[index];
            self.calls
                .known
                .note(operation, self.calls.known.attempts(operation), done);
        }
        Ok(())
    }

    fn step_failed(&self, index: usize, class: FailureClass, message: String, detail: String) -> Stop {
        let step = self.address(index);
        let node = self.segment.node.clone();
        let (code, help) = match class {
            FailureClass::Ambiguous => (
                "E1204",
                Some(format!(
                    "find out on `{node}` whether `{step}` has happened, then apply again with `--assume '{node}/{step}=done'` if it has, `--assume '{node}/{step}=not-done'` if not"
                )),
            ),
            FailureClass::Transient | FailureClass::Busy => (
                "E1201",
                Some("it may pass by itself: apply again later, a new plan does what is left".to_owned()),
            ),
            FailureClass::Terminal => ("E1201", None),
        };
        self.calls.tell(Event::StepFailed {
            node: node.clone(),
            step: step.clone(),
            message: message.clone(),
        });
        let code = code.to_owned();
        Stop::Failed(Box::new(Failure {
            node,
            step: Some(step),
            message,
            detail,
            help,
            code,
        }))
    }
}
