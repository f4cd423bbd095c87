//! One rehearsed run: the first apply, and further ones until it is done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rebar_compiler::plan::{self, Plan};
use tokio::time::Instant;

use super::{AGAIN, KILLED, Rehearsal, RehearseError};
use crate::backends::sim::{Latencies, Leaves, Settings, Sim, chance};
use crate::clock::SimClock;
use crate::execute::{Context, Event, ExecuteError, Failure, Outcome, Status, execute, practised};
use crate::observe::{Depth, look};
use crate::state::State;

/// Before somebody applies again.
const BETWEEN: Duration = Duration::from_secs(10);

/// A run that takes longer than this is stuck.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// When simulated clocks begin: 2026-01-01.
const NEW_YEAR: i64 = 1_767_225_600_000;

/// How an apply ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Everything is as the spec says.
    Done,
    /// Something failed.
    Failed,
    /// The program was killed.
    Killed,
    /// It could not be begun, or gone on with: why, with a code.
    Refused(String, String),
    /// It did not come to an end.
    Stuck,
}

/// A line of a run's story.
#[derive(Debug, Clone, PartialEq)]
pub enum Story {
    /// What the executor told.
    Event(Event),
    /// A fault struck: its name, and what.
    Struck(String, String),
    /// What happened around it.
    Note(String),
}

/// What became of one run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Its number, from 1.
    pub number: u64,
    /// How each apply ended, and how long it took.
    pub applies: Vec<(Ended, Duration)>,
    /// What failed for good, in which apply (from 0).
    pub failures: Vec<(usize, Failure)>,
    /// What was tried again, by what it was about and why: how often.
    pub retries: BTreeMap<(String, String), u64>,
    /// How long each thing took in all, by what it was about.
    pub times: BTreeMap<String, Duration>,
    /// How often each fault struck.
    pub injected: BTreeMap<String, u64>,
    /// See [`practised`].
    pub practised: BTreeMap<(String, String), (u64, u64)>,
    /// Moments at which the program could have been killed.
    pub moments: u64,
    /// What happened, with the time since the run began; only where it was asked for.
    pub story: Vec<(Duration, Story)>,
}

impl Run {
    /// Whether it was done in the end.
    pub fn is_done(&self) -> bool {
        self.applies
            .last()
            .is_some_and(|(ended, _)| *ended == Ended::Done)
    }

    /// How long all its applies took.
    pub fn took(&self) -> Duration {
        self.applies.iter().map(|(_, took)| *took).sum()
    }
}

/// Rehearses run `number`. `moments` are those of the run in which nothing goes wrong.
pub(super) fn rehearse(of: &Rehearsal, number: u64, moments: u64, story: bool) -> Result<Run, RehearseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| RehearseError::SetUp(error.to_string()))?;
    runtime.block_on(Stage::rehearse(of, number, moments, story))
}

type Told = Arc<Mutex<Vec<(Duration, Story)>>>;

/// A world with a state, and what happened there.
struct Stage<'a> {
    of: &'a Rehearsal,
    sim: Arc<Sim>,
    state: State,
    begun: Instant,
    told: Told,
    run: Run,
}

impl Stage<'_> {
    async fn rehearse(of: &Rehearsal, number: u64, moments: u64, story: bool) -> Result<Run, RehearseError> {
        let seed = of.seed_of(number);
        let set_up = |error: crate::state::StateError| RehearseError::SetUp(error.to_string());
        let state = State::in_memory(Arc::new(SimClock::new(NEW_YEAR)), seed).map_err(set_up)?;
        state.put_copy(&of.stands).await.map_err(set_up)?;
        let sim = Sim::new(Settings {
            seed,
            faults: of.faults.world.clone(),
            latencies: Latencies::measured(of.durations.clone()),
            parallelism: of.objects,
            log: story,
            ..Settings::default()
        });
        sim.stand_as_recorded(&state, &of.plan.deploy, &of.plan.site)
            .await
            .map_err(set_up)?;
        let mut stage = Stage {
            of,
            sim,
            state,
            begun: Instant::now(),
            told: Told::default(),
            run: Run {
                number,
                ..Run::default()
            },
        };
        stage.arm(seed, moments);
        stage.play().await;
        Ok(stage.leave(story))
    }

    /// Decides whether and where the program is killed.
    fn arm(&mut self, seed: u64, moments: u64) {
        if moments == 0 || chance(seed, KILLED, "", 0) >= self.of.faults.killed {
            return;
        }
        let at = 1 + (chance(seed, KILLED, "moment", 0) * moments as f64) as u64;
        let leaves = match (chance(seed, KILLED, "leaves", 0) * 4.0) as u8 {
            0 => Leaves::Nothing,
            1 => Leaves::Half,
            2 => Leaves::Late,
            _ => Leaves::Whole,
        };
        self.sim.moments().end_at(at, leaves);
    }

    async fn play(&mut self) {
        let first = self.of.plan.clone();
        self.apply(&first).await;
        for number in 1..=AGAIN {
            if self.run.is_done() {
                break;
            }
            tokio::time::sleep(BETWEEN).await;
            self.note(format!("apply again ({number})"));
            self.apply_again().await;
        }
        if !self.run.is_done() {
            self.note("given up".to_owned());
        }
    }

    /// Looks, plans and applies, as `rebar apply` does.
    async fn apply_again(&mut self) {
        let begun = Instant::now();
        let (deploy, site) = (&self.of.plan.deploy, &self.of.plan.site);
        let found = look(&self.state, self.sim.as_ref(), deploy, site, Depth::Nodes).await;
        let (found, ledger) = match (found, self.state.ledger(site).await) {
            (Ok(found), Ok(ledger)) => (found, ledger),
            (Err(error), _) => {
                return self.end(begun, Ended::Refused(error.code().to_owned(), error.to_string()));
            }
            (_, Err(error)) => {
                return self.end(begun, Ended::Refused(error.code().to_owned(), error.to_string()));
            }
        };
        let open = matches!(self.state.deploy(deploy).await, Ok(Some(record)) if record.open_run.is_some());
        let Some(plan) = (self.of.planner)(&ledger, &found.snapshot) else {
            let message = "what stands cannot be planned on".to_owned();
            return self.end(begun, Ended::Refused("E1811".to_owned(), message));
        };
        if plan::is_empty(&plan) && !open {
            let ended = if found.unknown.is_empty() {
                Ended::Done
            } else {
                Ended::Failed
            };
            return self.end(begun, ended);
        }
        self.apply(&plan).await;
    }

    async fn apply(&mut self, plan: &Plan) {
        let begun = Instant::now();
        let mut context = Context::new(self.state.clone(), self.sim.clone());
        context.secrets = Arc::new(crate::secrets::Secrets::rehearsed());
        context.parallelism = self.of.parallelism;
        context.journal = Some(self.sim.journal());
        let (told, since) = (Arc::clone(&self.told), self.begun);
        context.events = Arc::new(move |event| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.push((since.elapsed(), Story::Event(event)));
        });
        let ended = {
            let work = tokio::time::timeout(LONGEST, execute(plan, &context));
            tokio::select! {
                biased;
                () = self.sim.moments().ended() => None,
                result = work => Some(result),
            }
        };
        match ended {
            None => {
                *self.run.injected.entry(KILLED.to_owned()).or_default() += 1;
                self.note("the program is killed".to_owned());
                self.end(begun, Ended::Killed);
                self.sim.moments().revive();
            }
            Some(Err(_)) => self.end(begun, Ended::Stuck),
            Some(Ok(Err(error))) => self.end(begun, refused(&error)),
            Some(Ok(Ok(outcome))) => self.conclude(begun, plan, outcome),
        }
    }

    fn conclude(&mut self, begun: Instant, plan: &Plan, outcome: Outcome) {
        for (pattern, (done, failed)) in practised(plan, &outcome) {
            let counts = self.run.practised.entry(pattern).or_default();
            counts.0 += done;
            counts.1 += failed;
        }
        let apply = self.run.applies.len();
        self.run
            .failures
            .extend(outcome.failed.into_iter().map(|failure| (apply, failure)));
        let ended = match outcome.status {
            Status::Done => Ended::Done,
            Status::Failed | Status::Partial | Status::Interrupted | Status::Refused => Ended::Failed,
        };
        self.end(begun, ended);
    }

    fn end(&mut self, begun: Instant, ended: Ended) {
        let text = match &ended {
            Ended::Done => Some("done".to_owned()),
            Ended::Failed => Some("not done".to_owned()),
            Ended::Killed => None,
            Ended::Refused(code, message) => Some(format!("{code}: {message}")),
            Ended::Stuck => Some("it does not come to an end".to_owned()),
        };
        if let Some(text) = text {
            self.note(text);
        }
        self.run.applies.push((ended, begun.elapsed()));
    }

    fn note(&mut self, text: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push((self.begun.elapsed(), Story::Note(text)));
    }

    /// Counts what was told, and leaves the world.
    fn leave(mut self, story: bool) -> Run {
        self.run.moments = self.sim.moments().passed();
        for (fault, count) in self.sim.injected() {
            self.run.injected.insert(fault.name().to_owned(), count);
        }
        let told = std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner));
        let groups = super::gather::Groups::of(&self.of.plan);
        groups.count(&told, &mut self.run);
        if story {
            let struck = self.sim.world(|world| std::mem::take(&mut world.struck));
            let struck = struck
                .into_iter()
                .map(|(when, fault, about)| (when, Story::Struck(fault.name().to_owned(), about)));
            self.run.story = struck.chain(told).collect();
            // What happened at the same moment stays in this order: the fault before what it led to.
            self.run.story.sort_by_key(|(when, _)| *when);
        }
        self.run
    }
}

fn refused(error: &ExecuteError) -> Ended {
    Ended::Refused(error.code().to_owned(), error.to_string())
}
