//! One owner holds the ready set; tasks do the calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::cancel::Urgency;
use super::event::Event;
use super::graph::{Barrier, Graph, Standing, Task, subject};
use super::outcome::{Blocked, ExecuteError, Failure, Stop};
use super::queue::{Limits, Queue};
use super::rollouts::{Rollouts, Turn};
use super::seat::{Message, Seat};
use super::work::{Work, perform};
use crate::state::Lease;

/// The lease is renewed this often.
pub(super) const RENEWAL: Duration = Duration::from_secs(15);

/// What came of all the work.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) changed: usize,
    pub(super) failed: Vec<Failure>,
    pub(super) blocked: Vec<Blocked>,
    /// Pieces of work that were not begun, or not finished, because of a cancellation.
    pub(super) left: usize,
}

impl Tally {
    /// Something was not done because of a failure that is everybody's; the failure is told once.
    pub(super) fn block(&mut self, subject: String, failure: Failure) {
        let cause = failure.subject();
        if !self.failed.iter().any(|known| known.subject() == cause) {
            self.failed.push(failure);
        }
        self.blocked.push(Blocked { subject, cause });
    }
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Waiting,
    Running,
    Done,
    /// What failed.
    Failed(String),
    Left,
}

struct Owner<'a> {
    graph: &'a Graph,
    work: Arc<Work>,
    states: Vec<State>,
    /// For each job, how many that it waits for have not ended; where some are enough, how many of those are missing.
    waiting: Vec<usize>,
    /// Where some are enough: how many may still fail.
    spare: BTreeMap<usize, usize>,
    /// Jobs that wait for nothing but room.
    queue: Queue,
    /// Jobs that go on when there is room again.
    returning: BTreeMap<usize, oneshot::Sender<()>>,
    /// Where jobs tell that they only wait.
    seats: mpsc::UnboundedSender<Message>,
    /// Who may go next in rollouts, and jobs that it holds back.
    rollouts: Rollouts<'a>,
    held: BTreeSet<usize>,
    running: BTreeMap<tokio::task::Id, usize>,
    tally: Tally,
}

/// Does all the work of the graph, as far as it goes.
pub(super) async fn schedule(
    graph: &Graph,
    work: Arc<Work>,
    limits: Limits,
    lease: &Lease,
    standing: &Standing,
) -> Result<Tally, ExecuteError> {
    let mut tasks = JoinSet::new();
    let plan = Arc::clone(&work.plan);
    let rollouts = Rollouts::new(graph, &plan, standing);
    let tally = drive(graph, work, limits, lease, rollouts, &mut tasks).await;
    // Whatever the reason for an early end, nothing goes on behind the caller's back.
    tasks.shutdown().await;
    tally
}

async fn drive<'a>(
    graph: &'a Graph,
    work: Arc<Work>,
    limits: Limits,
    lease: &Lease,
    rollouts: Rollouts<'a>,
    tasks: &mut JoinSet<Result<usize, Stop>>,
) -> Result<Tally, ExecuteError> {
    let cancel = work.calls.cancel.clone();
    let waiting = graph
        .jobs
        .iter()
        .map(|job| job.enough.unwrap_or(job.hard.len() + job.soft.len()))
        .collect();
    let some = graph.jobs.iter().enumerate();
    let spare = some.filter_map(|(at, job)| Some((at, job.hard.len().saturating_sub(job.enough?))));
    let (seats, mut messages) = mpsc::unbounded_channel();
    let queue = Queue::new(
        limits,
        graph.needs(&work.plan, limits.per_domain.is_some()),
        graph.ranks(&work.plan),
    );
    let mut owner = Owner {
        graph,
        work,
        states: vec![State::Waiting; graph.jobs.len()],
        waiting,
        spare: spare.collect(),
        queue,
        returning: BTreeMap::new(),
        seats,
        rollouts,
        held: BTreeSet::new(),
        running: BTreeMap::new(),
        tally: Tally::default(),
    };
    let free: Vec<usize> = (0..graph.jobs.len())
        .filter(|at| owner.waiting[*at] == 0)
        .collect();
    for at in free {
        match owner.cause(at) {
            None => owner.queue.add(at),
            Some(cause) => owner.settle(at, State::Failed(cause)),
        }
    }
    let mut renewal = tokio::time::interval(RENEWAL);
    let mut urgency = Urgency::Run;
    loop {
        if urgency == Urgency::Run {
            owner.start(tasks);
        }
        if tasks.is_empty() {
            if urgency == Urgency::Run && owner.give_up_held() {
                continue;
            }
            break;
        }
        tokio::select! {
            // What is rare comes first: pieces of work that end one after the other must not drown it.
            biased;
            () = cancel.beyond(urgency) => {
                urgency = cancel.urgency();
                if urgency == Urgency::Leave {
                    return Err(ExecuteError::Left);
                }
                owner.work.calls.tell(Event::Interrupting);
            }
            _ = renewal.tick() => lease.renew().await?,
            Some(message) = messages.recv() => owner.heard(message),
            Some(joined) = tasks.join_next_with_id() => match joined {
                Ok((id, result)) => owner.ended(id, result)?,
                Err(error) => {
                    // The panic was printed where it happened; what the task had begun is in the journal.
                    let failure = panicked(&error);
                    owner.ended(error.id(), Err(Stop::Failed(Box::new(failure))))?;
                }
            },
        }
    }
    let unfinished = owner
        .states
        .iter()
        .filter(|s| matches!(s, State::Waiting | State::Left))
        .count();
    owner.tally.left = unfinished;
    owner.tally.changed += owner.work.calls.known.lost.load(Ordering::Relaxed);
    Ok(owner.tally)
}

impl Owner<'_> {
    fn subject(&self, at: usize) -> String {
        subject(&self.work.plan, &self.graph.jobs[at].task)
    }

    /// Starts what may start, or go on.
    fn start(&mut self, tasks: &mut JoinSet<Result<usize, Stop>>) {
        while let Some(at) = self.queue.next() {
            if let Some(returning) = self.returning.remove(&at) {
                if returning.send(()).is_err() {
                    self.queue.leave(at);
                }
                continue;
            }
            match self.rollouts.turn(at) {
                Turn::Now => {}
                Turn::Wait => {
                    self.queue.end(at);
                    self.held.insert(at);
                    continue;
                }
                Turn::Never(cause) => {
                    self.queue.end(at);
                    self.block(at, cause);
                    continue;
                }
            }
            self.states[at] = State::Running;
            let (work, task) = (Arc::clone(&self.work), self.graph.jobs[at].task.clone());
            let seat = Seat::new(at, self.seats.clone());
            let piece = async move { do_one(&work, &task).await }.in_current_span();
            let handle = tasks.spawn(seat.hold(piece));
            self.running.insert(handle.id(), at);
        }
    }

    /// A job that goes on gives up its place while it waits, or wants it back.
    fn heard(&mut self, message: Message) {
        match message {
            Message::Left(at) => self.queue.leave(at),
            Message::Wants(at, tell) if self.states[at] == State::Running => {
                self.returning.insert(at, tell);
                self.queue.add(at);
            }
            Message::Wants(..) => {}
        }
    }

    /// Takes note of how a piece of work ended.
    fn ended(&mut self, id: tokio::task::Id, result: Result<usize, Stop>) -> Result<(), ExecuteError> {
        let Some(at) = self.running.remove(&id) else {
            return Ok(());
        };
        self.queue.end(at);
        self.returning.remove(&at);
        match result {
            Ok(changed) => {
                self.tally.changed += changed;
                if let Task::Barrier(Barrier::Gate(gate)) = self.graph.jobs[at].task
                    && let Some(gate) = self.work.plan.gates.get(gate)
                {
                    let (of, after, mode) = (gate.of.clone(), gate.after.clone(), gate.mode);
                    self.work.calls.tell(Event::GateOpened { of, after, mode });
                }
                self.settle(at, State::Done);
            }
            Err(Stop::Failed(failure)) => {
                let cause = failure.subject();
                self.tally.failed.push(*failure);
                self.settle(at, State::Failed(cause));
            }
            Err(Stop::Blocked(failure)) => {
                let (subject, cause) = (self.subject(at), failure.subject());
                self.work.calls.tell(Event::Blocked {
                    subject: subject.clone(),
                    cause: cause.clone(),
                });
                self.tally.block(subject, *failure);
                self.settle(at, State::Failed(cause));
            }
            Err(Stop::Interrupted) => self.states[at] = State::Left,
            Err(Stop::Halt(error)) => return Err(error.into()),
        }
        Ok(())
    }

    /// Nothing goes on any more: what a rollout still holds back will never come to its turn. `true` if there was any.
    fn give_up_held(&mut self) -> bool {
        let held = std::mem::take(&mut self.held);
        for at in &held {
            let (cause, failure) = self.rollouts.stuck(*at);
            if let Some(failure) = failure
                && !self.tally.failed.contains(&failure)
            {
                self.tally.failed.push(failure);
            }
            self.block(*at, cause);
        }
        !held.is_empty()
    }

    /// A job is not begun, because of what failed.
    fn block(&mut self, at: usize, cause: String) {
        self.tell_blocked(at, &cause);
        self.settle(at, State::Failed(cause));
    }

    fn tell_blocked(&mut self, at: usize, cause: &str) {
        if matches!(self.graph.jobs[at].task, Task::Barrier(_) | Task::Look(..)) {
            return;
        }
        let (subject, cause) = (self.subject(at), cause.to_owned());
        self.work.calls.tell(Event::Blocked {
            subject: subject.clone(),
            cause: cause.clone(),
        });
        self.tally.blocked.push(Blocked { subject, cause });
    }

    /// A job has ended: others may come to their turn, or be blocked.
    fn settle(&mut self, at: usize, state: State) {
        let mut ended = vec![(at, state)];
        while let Some((at, state)) = ended.pop() {
            let failed = match &state {
                State::Failed(cause) => Some(cause.as_str()),
                State::Waiting | State::Running | State::Done | State::Left => None,
            };
            if self.rollouts.ended(at, failed) {
                for held in std::mem::take(&mut self.held) {
                    self.queue.add(held);
                }
            }
            let cause = failed.map(str::to_owned);
            self.states[at] = state;
            for dependent in self.graph.dependents[at].clone() {
                if self.graph.jobs[dependent].enough.is_some() {
                    if let Some(cause) = self.one_of_some(dependent, cause.as_deref()) {
                        self.tell_blocked(dependent, &cause);
                        ended.push((dependent, State::Failed(cause)));
                    }
                    continue;
                }
                self.waiting[dependent] -= 1;
                if self.waiting[dependent] > 0 || self.states[dependent] != State::Waiting {
                    continue;
                }
                match self.cause(dependent) {
                    None => self.queue.add(dependent),
                    Some(cause) => {
                        self.tell_blocked(dependent, &cause);
                        ended.push((dependent, State::Failed(cause)));
                    }
                }
            }
        }
    }

    /// One of those has ended of which a job needs only some. It comes to its turn when enough are done; when they can
    /// never be enough any more, this is why.
    fn one_of_some(&mut self, at: usize, failed: Option<&str>) -> Option<String> {
        if self.states[at] != State::Waiting || self.waiting[at] == 0 {
            return None;
        }
        match (failed, self.spare.get_mut(&at)) {
            (None, _) => {
                self.waiting[at] -= 1;
                if self.waiting[at] == 0 {
                    self.queue.add(at);
                }
                None
            }
            (Some(_), Some(spare)) if *spare > 0 => {
                *spare -= 1;
                None
            }
            (Some(cause), _) => Some(cause.to_owned()),
        }
    }

    /// What failed of all that a job must have.
    fn cause(&self, at: usize) -> Option<String> {
        let job = &self.graph.jobs[at];
        if let Some(left_out) = &job.withheld {
            return Some(left_out.clone());
        }
        job.hard.iter().find_map(|on| match &self.states[*on] {
            State::Failed(cause) => Some(cause.clone()),
            State::Waiting | State::Running | State::Done | State::Left => None,
        })
    }
}

async fn do_one(work: &Work, task: &Task) -> Result<usize, Stop> {
    if let Task::Barrier(Barrier::Batch(run, _, rest)) = task
        && *rest > 0
    {
        let rest = Duration::from_nanos(*rest);
        work.calls.tell(Event::Settling {
            run: run.clone(),
            pause: rest.as_millis() as u64,
        });
        if !work.calls.cancel.sleep(rest).await {
            return Err(Stop::Interrupted);
        }
    }
    perform(work, task).await
}

fn panicked(error: &tokio::task::JoinError) -> Failure {
    Failure {
        node: "rebar".to_owned(),
        step: None,
        message: format!("a piece of work ended by a defect of rebar: {error}"),
        detail: String::new(),
        help: Some("please report it; apply again to go on".to_owned()),
        code: "E1208".to_owned(),
    }
}
