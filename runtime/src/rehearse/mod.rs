//! Rehearsals: a plan is carried out by the real executor in simulated worlds, hundreds of times, and it is told how
//! often that ended well, how long it took, and what failed and why. Nothing real is touched.
//!
//! A run is a pure function of the plan, what is recorded, the faults and its seed: worlds, clocks and ids follow from
//! the seed, time is simulated, and the state is in memory.

mod faults;
mod gather;
mod report;
mod run;

pub use faults::{KILLED, RehearsedFaults};
pub use report::{
    Bucket, FailureGroup, Injected, Practised, Prospect, REPORT_FORMAT, Report, RetryGroup, Standout, Times,
    Worst, report_schema,
};
pub use run::{Ended, Run, Story};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rebar_compiler::plan::{Ledger, Plan, Snapshot};

use crate::backends::sim::chance;
use crate::state::{DeployCopy, Durations};

/// Plans the deploy of the spec anew, on what was found; nothing if it cannot be planned.
pub type Planner = Arc<dyn Fn(&Ledger, &Snapshot) -> Option<Plan> + Send + Sync>;

/// Told how many runs are done, and of how many.
pub type Done<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// What to rehearse, and how.
#[derive(Clone)]
pub struct Rehearsal {
    /// The plan of the first apply.
    pub plan: Plan,
    /// Makes the plan of each further apply.
    pub planner: Planner,
    /// What stands before.
    pub stands: DeployCopy,
    /// How long changes took before.
    pub durations: Durations,
    /// What goes wrong.
    pub faults: RehearsedFaults,
    /// What everything that is left to chance follows from.
    pub seed: u64,
    /// How many runs.
    pub runs: u64,
    /// How many lanes are carried out at a time.
    pub parallelism: usize,
    /// How many machines the backend makes at a time.
    pub objects: usize,
}

/// Why nothing could be rehearsed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RehearseError {
    /// A simulated world could not be set up.
    #[error("cannot set up a simulated world: {0}")]
    SetUp(String),
}

impl RehearseError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            RehearseError::SetUp(_) => "E1811",
        }
    }
}

/// How often a failed apply is repeated.
pub(crate) const AGAIN: usize = 3;

/// So many runs show the effect of another number of workers.
const SAMPLE: u64 = 15;

/// More workers than these are not tried.
const MOST_WORKERS: usize = 256;

impl Rehearsal {
    /// The seed of run number `number`.
    pub(crate) fn seed_of(&self, number: u64) -> u64 {
        (chance(self.seed, "run", "", number) * (1_u64 << 53) as f64) as u64
    }

    /// Rehearses one run; with its story.
    ///
    /// # Errors
    /// When its world cannot be set up.
    pub fn one(&self, number: u64) -> Result<Run, RehearseError> {
        let calm = self.calm()?;
        alone(|| run::rehearse(self, number, calm.moments, true))
    }

    /// Rehearses all runs on as many threads as there are processors.
    ///
    /// # Errors
    /// When their worlds cannot be set up.
    pub fn all(&self, done: Done<'_>) -> Result<Report, RehearseError> {
        let calm = self.calm()?;
        let steps = self.worker_counts();
        let sample = self.runs.min(SAMPLE);
        let total = self.runs + sample * steps.len() as u64;
        let finished = AtomicU64::new(0);
        let tick = || done(finished.fetch_add(1, Ordering::SeqCst) + 1, total);
        let runs = each(self.runs, |number| {
            let run = run::rehearse(self, number, calm.moments, false);
            tick();
            run
        })?;
        let mut prospects = Vec::new();
        for workers in steps {
            let rehearsal = Rehearsal {
                parallelism: workers,
                faults: self.faults.without_kills(),
                ..self.clone()
            };
            let runs = each(sample, |number| {
                let run = run::rehearse(&rehearsal, number, 0, false);
                tick();
                run
            })?;
            prospects.push(gather::prospect(workers, &runs));
        }
        Ok(gather::report(self, &calm, &runs, prospects))
    }

    /// The run in which nothing goes wrong.
    fn calm(&self) -> Result<Run, RehearseError> {
        let calm = Rehearsal {
            faults: RehearsedFaults::none(),
            ..self.clone()
        };
        alone(|| run::rehearse(&calm, 0, 0, false))
    }

    /// 1, 2, 4 … as far as more can be at work.
    fn worker_counts(&self) -> Vec<usize> {
        let nodes = self.plan.nodes.len().max(1);
        let mut counts = vec![1];
        while let Some(last) = counts.last().copied()
            && last < nodes
            && last < MOST_WORKERS
        {
            counts.push(last * 2);
        }
        counts
    }
}

/// Does `work` on a thread of its own: the caller's may belong to another runtime.
fn alone<T: Send>(work: impl Fn() -> Result<T, RehearseError> + Sync) -> Result<T, RehearseError> {
    let mut one = each(1, |_| work())?;
    one.pop()
        .ok_or_else(|| RehearseError::SetUp("no thread began".to_owned()))
}

/// Does `work` for each number from 1 to `count` on threads of their own; the results are in order.
fn each<T: Send>(
    count: u64,
    work: impl Fn(u64) -> Result<T, RehearseError> + Sync,
) -> Result<Vec<T>, RehearseError> {
    let threads = std::thread::available_parallelism()
        .map_or(1, |n| n.get() as u64)
        .min(count);
    let next = AtomicU64::new(1);
    let take = || {
        let mut results = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number > count {
                return results;
            }
            results.push((number, work(number)));
        }
    };
    let mut results = std::thread::scope(|scope| {
        let mut handles = Vec::new();
        for _ in 0..threads {
            let started = std::thread::Builder::new()
                .name("rehearsal".to_owned())
                // The executor's futures are deep in debug builds.
                .stack_size(16 << 20)
                .spawn_scoped(scope, take);
            handles.push(started.map_err(|error| RehearseError::SetUp(error.to_string()))?);
        }
        let mut results = Vec::new();
        for handle in handles {
            let joined = handle.join();
            results.extend(
                joined.map_err(|_| RehearseError::SetUp("a run ended by a defect of rebar".to_owned()))?,
            );
        }
        Ok::<_, RehearseError>(results)
    })?;
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
