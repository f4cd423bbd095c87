//! How long a run will take, before it begins: the executor's rules played over a plan's jobs with their expected
//! durations, as if nothing failed. Pure: no backend, no clock.

mod facts;

pub use facts::{Basis, FACTS_FORMAT, Facts, PatternPractice, Piece, Workers, facts, facts_schema};

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use crate::execute::{ForecastJob, Slot};

/// Which of the jobs that may begin begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The one with the longest path to the end: what the executor does.
    CriticalPathFirst,
    /// The one that could begin first.
    FirstInFirstOut,
    /// The one that could begin last: each lane is followed as deep as it goes.
    DepthFirst,
}

/// How much goes on at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Lanes: conversations with agents.
    pub lanes: usize,
    /// Machines and networks that are made or destroyed.
    pub objects: usize,
}

impl Capacity {
    /// As much as there is.
    pub fn unlimited() -> Capacity {
        Capacity {
            lanes: usize::MAX,
            objects: usize::MAX,
        }
    }
}

/// How a run is expected to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// From the first job's beginning to the last one's end.
    pub makespan: Duration,
    /// All jobs' durations together.
    pub work: Duration,
    /// The most pieces of work that go on at one moment, waiting left out.
    pub peak: usize,
}

/// Whether a job is work that somebody does. Where groups meet and rest (`batch 1 of pages`) nobody works.
fn is_work(job: &ForecastJob) -> bool {
    !job.weight.is_zero() && (job.slot != Slot::Free || !job.subject.contains(' '))
}

/// Plays the jobs.
pub fn forecast(jobs: &[ForecastJob], capacity: Capacity, policy: Policy) -> Forecast {
    let mut play = Play::new(jobs, capacity, policy);
    play.run();
    Forecast {
        makespan: play.now,
        work: jobs.iter().filter(|job| is_work(job)).map(|job| job.weight).sum(),
        peak: play.peak,
    }
}

struct Play<'a> {
    jobs: &'a [ForecastJob],
    capacity: Capacity,
    policy: Policy,
    dependents: Vec<Vec<usize>>,
    waiting: Vec<usize>,
    /// Jobs that may begin, for each slot in the order of preference.
    ready: BTreeMap<Slot, BTreeSet<(i64, usize)>>,
    became_ready: i64,
    running: BinaryHeap<Reverse<(Duration, usize)>>,
    busy: BTreeSet<&'a str>,
    lanes: usize,
    objects: usize,
    at_work: usize,
    peak: usize,
    now: Duration,
}

impl<'a> Play<'a> {
    fn new(jobs: &'a [ForecastJob], capacity: Capacity, policy: Policy) -> Play<'a> {
        let mut dependents = vec![Vec::new(); jobs.len()];
        for (at, job) in jobs.iter().enumerate() {
            for on in &job.after {
                dependents[*on].push(at);
            }
        }
        Play {
            jobs,
            capacity,
            policy,
            dependents,
            waiting: jobs.iter().map(|job| job.after.len()).collect(),
            ready: BTreeMap::new(),
            became_ready: 0,
            running: BinaryHeap::new(),
            busy: BTreeSet::new(),
            lanes: 0,
            objects: 0,
            at_work: 0,
            peak: 0,
            now: Duration::ZERO,
        }
    }

    fn run(&mut self) {
        for at in 0..self.jobs.len() {
            if self.waiting[at] == 0 {
                self.enqueue(at);
            }
        }
        self.start();
        while let Some(Reverse((end, at))) = self.running.pop() {
            self.now = end;
            self.end(at);
            // All that ends at one moment makes room together.
            while let Some(Reverse((next, at))) = self.running.peek().copied()
                && next == end
            {
                self.running.pop();
                self.end(at);
            }
            self.start();
        }
    }

    fn enqueue(&mut self, at: usize) {
        self.became_ready += 1;
        let preference = match self.policy {
            Policy::CriticalPathFirst => self.jobs[at].rank as i64,
            Policy::FirstInFirstOut => self.became_ready,
            Policy::DepthFirst => -self.became_ready,
        };
        let slot = self.jobs[at].slot;
        self.ready.entry(slot).or_default().insert((preference, at));
    }

    fn start(&mut self) {
        for (slot, mut ready) in std::mem::take(&mut self.ready) {
            let mut passed = Vec::new();
            while self.has_room(slot)
                && let Some(next) = ready.pop_first()
            {
                if !self.begin(next.1) {
                    passed.push(next);
                }
            }
            ready.extend(passed);
            self.ready.insert(slot, ready);
        }
    }

    fn has_room(&self, slot: Slot) -> bool {
        match slot {
            Slot::Free => true,
            Slot::Lane => self.lanes < self.capacity.lanes.max(1),
            Slot::Object => self.objects < self.capacity.objects.max(1),
        }
    }

    /// Begins a job, unless its node is at work.
    fn begin(&mut self, at: usize) -> bool {
        let job = &self.jobs[at];
        let node = job.node.as_deref();
        if node.is_some_and(|node| self.busy.contains(node)) {
            return false;
        }
        match job.slot {
            Slot::Free => {}
            Slot::Lane => self.lanes += 1,
            Slot::Object => self.objects += 1,
        }
        self.busy.extend(node);
        if is_work(job) {
            self.at_work += 1;
            self.peak = self.peak.max(self.at_work);
        }
        self.running.push(Reverse((self.now + job.weight, at)));
        true
    }

    fn end(&mut self, at: usize) {
        let job = &self.jobs[at];
        match job.slot {
            Slot::Free => {}
            Slot::Lane => self.lanes -= 1,
            Slot::Object => self.objects -= 1,
        }
        if let Some(node) = job.node.as_deref() {
            self.busy.remove(node);
        }
        if is_work(job) {
            self.at_work -= 1;
        }
        for dependent in std::mem::take(&mut self.dependents[at]) {
            self.waiting[dependent] -= 1;
            if self.waiting[dependent] == 0 {
                self.enqueue(dependent);
            }
        }
    }
}

/// The jobs of the longest path, in order: what takes no time is left out. No number of workers makes a run shorter
/// than they take together.
pub fn critical_path(jobs: &[ForecastJob]) -> Vec<usize> {
    let mut longest: Vec<Option<(Duration, Option<usize>)>> = vec![None; jobs.len()];
    for start in 0..jobs.len() {
        // Depth first with a stack of its own: paths can be as long as there are jobs.
        let mut stack = vec![start];
        while let Some(at) = stack.last().copied() {
            if longest[at].is_some() {
                stack.pop();
                continue;
            }
            let open: Vec<usize> = jobs[at]
                .after
                .iter()
                .copied()
                .filter(|on| longest[*on].is_none())
                .collect();
            if open.is_empty() {
                let before = jobs[at]
                    .after
                    .iter()
                    .filter_map(|on| longest[*on].map(|(time, _)| (time, Reverse(*on))))
                    .max();
                let time = before.map_or(Duration::ZERO, |(time, _)| time) + jobs[at].weight;
                longest[at] = Some((time, before.map(|(_, on)| on.0)));
                stack.pop();
            } else {
                stack.extend(open);
            }
        }
    }
    let last = (0..jobs.len()).max_by_key(|at| (longest[*at].map(|(time, _)| time), Reverse(*at)));
    let mut path = Vec::new();
    let mut next = last;
    while let Some(at) = next {
        if !jobs[at].weight.is_zero() {
            path.push(at);
        }
        next = longest[at].and_then(|(_, before)| before);
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, seconds: u64, after: &[usize], rank: usize) -> ForecastJob {
        ForecastJob {
            subject: name.to_owned(),
            weight: Duration::from_secs(seconds),
            slot: Slot::Lane,
            after: after.to_vec(),
            rank,
            node: None,
        }
    }

    fn lanes(lanes: usize) -> Capacity {
        Capacity { lanes, objects: 1 }
    }

    /// A chain of three beside four short jobs.
    fn jobs() -> Vec<ForecastJob> {
        vec![
            job("w", 4, &[], 3),
            job("x", 4, &[], 4),
            job("y", 4, &[], 5),
            job("a", 5, &[], 0),
            job("b", 5, &[3], 1),
            job("c", 5, &[4], 2),
        ]
    }

    #[test]
    fn the_longest_path_goes_first_and_bounds_the_run() {
        let jobs = jobs();
        let path: Vec<&str> = critical_path(&jobs)
            .iter()
            .map(|at| jobs[*at].subject.as_str())
            .collect();
        assert_eq!(path, ["a", "b", "c"]);
        let seconds = |n, policy| forecast(&jobs, lanes(n), policy).makespan.as_secs();
        assert_eq!(seconds(2, Policy::CriticalPathFirst), 15);
        assert_eq!(seconds(2, Policy::FirstInFirstOut), 19);
        assert_eq!(seconds(1, Policy::DepthFirst), 27);
        let whole = forecast(&jobs, Capacity::unlimited(), Policy::CriticalPathFirst);
        assert_eq!((whole.peak, whole.work.as_secs()), (4, 27));
    }

    #[test]
    fn one_node_does_one_thing_at_a_time() {
        let mut jobs = vec![job("a", 3, &[], 0), job("b", 3, &[], 1)];
        for job in &mut jobs {
            job.node = Some("web-1".to_owned());
        }
        assert_eq!(
            forecast(&jobs, lanes(8), Policy::CriticalPathFirst)
                .makespan
                .as_secs(),
            6
        );
    }
}
