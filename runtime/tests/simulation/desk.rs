//! What stands between the executor and the simulated world: a gate at which a program can be held, a disk that is
//! full, and seams that break the executor on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rebar_runtime::backend::{
    Applied, Backend, BackendError, Capability, Command, Finding, Operation, Probed, Process, Progress,
    Scope, World,
};
use rebar_runtime::backends::sim::{Sim, subject};
use rebar_runtime::execute::JournalLayer;
use rebar_runtime::journal::{Entry, Journal, Line};
use rebar_runtime::state::StateError;
use tokio::sync::{Notify, watch};

/// Ways to break the executor on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seam {
    /// As it is.
    None,
    /// Looking up says that nothing was done.
    ProbeAbsent,
    /// Looking up says that all was done.
    ProbeComplete,
    /// The Intent is written after the call.
    IntentLate,
    /// Nodes let in older writers.
    NoFence,
    /// An older writer takes its lines for written.
    StaleJournal,
    /// The last lines that were acknowledged are lost when the program is killed.
    LostLines,
    /// Agents forget what they did.
    Forgetful,
    /// What somebody else made under our name is taken for ours.
    Adopts,
}

/// Counts what passes, and can hold it.
#[derive(Debug)]
pub(crate) struct Gate {
    passed: AtomicU64,
    at: u64,
    holds: bool,
    pub(crate) reached: Notify,
    open: watch::Sender<bool>,
}

impl Gate {
    /// Tells when `at` calls and lines have come to it; with `holds`, these and all others wait there.
    pub(crate) fn new(at: u64, holds: bool) -> Arc<Gate> {
        Arc::new(Gate {
            passed: AtomicU64::new(0),
            at,
            holds,
            reached: Notify::new(),
            open: watch::Sender::new(true),
        })
    }

    /// Lets all go on.
    pub(crate) fn release(&self) {
        self.open.send_replace(true);
    }

    async fn pass(&self) {
        if self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            self.open.send_replace(!self.holds);
            self.reached.notify_one();
        }
        let mut open = self.open.subscribe();
        drop(open.wait_for(|open| *open).await);
    }
}

/// A backend in front of the simulated one.
pub(crate) struct Desk {
    pub(crate) sim: Arc<Sim>,
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) seam: Seam,
}

impl Desk {
    async fn pass(&self) {
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
    }
}

#[async_trait]
impl Backend for Desk {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn capabilities(&self) -> BTreeMap<String, Capability> {
        self.sim.capabilities()
    }

    fn parallelism(&self) -> usize {
        self.sim.parallelism()
    }

    async fn examine(&self) -> Vec<Finding> {
        self.sim.examine().await
    }

    async fn observe(&self, scope: &Scope) -> Result<World, BackendError> {
        self.pass().await;
        self.sim.observe(scope).await
    }

    async fn apply(
        &self,
        scope: &Scope,
        operation: &Operation,
        progress: Progress<'_>,
    ) -> Result<Applied, BackendError> {
        self.pass().await;
        if self.seam == Seam::Adopts {
            let name = subject(&operation.action).1;
            self.sim.world(|world| world.foreign.remove(&name));
        }
        self.sim.apply(scope, operation, progress).await
    }

    async fn probe(&self, scope: &Scope, operation: &Operation) -> Result<Probed, BackendError> {
        self.pass().await;
        match self.seam {
            Seam::ProbeAbsent => Ok(Probed::Absent),
            Seam::ProbeComplete => Ok(Probed::Complete(Applied {
                handle: "seam".to_owned(),
                note: "seam".to_owned(),
            })),
            _ => self.sim.probe(scope, operation).await,
        }
    }

    async fn open(&self, scope: &Scope, machine: &str, command: &Command) -> Result<Process, BackendError> {
        self.pass().await;
        self.sim.open(scope, machine, command).await
    }
}

/// What was acknowledged: operation, kind and attempt of each line.
pub(crate) type Acknowledged = Arc<Mutex<Vec<(String, &'static str, u32)>>>;

/// The journal of one session, with everything that stands before it.
pub(crate) struct Paper {
    pub(crate) sim: Arc<Sim>,
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) seam: Seam,
    /// After so many appends the disk is full.
    pub(crate) full_at: Option<u64>,
    pub(crate) acknowledged: Acknowledged,
}

impl Paper {
    pub(crate) fn layer(self) -> JournalLayer {
        let watched = self.sim.journal();
        let shared = Arc::new((self, AtomicU64::new(0)));
        Arc::new(move |inner| {
            watched(Arc::new(Written {
                inner,
                paper: Arc::clone(&shared),
                held: Mutex::default(),
            }))
        })
    }
}

struct Written {
    inner: Arc<dyn Journal>,
    paper: Arc<(Paper, AtomicU64)>,
    /// Lines that were acknowledged, or are to come, and are not written.
    held: Mutex<Vec<Line>>,
}

impl Written {
    /// What is written now, given what a seam holds back.
    fn due(&self, lines: Vec<Line>) -> Vec<Line> {
        let mut held = self.held.lock().unwrap();
        match self.paper.0.seam {
            Seam::IntentLate => {
                let ends: BTreeSet<String> = lines
                    .iter()
                    .filter(|line| !matches!(line.entry, Entry::Intent { .. }))
                    .map(|line| line.operation.clone())
                    .collect();
                held.extend(lines);
                let (due, rest) = held.drain(..).partition(|line| ends.contains(&line.operation));
                *held = rest;
                due
            }
            Seam::LostLines => {
                held.extend(lines);
                let keep = held.len().saturating_sub(3);
                held.drain(..keep).collect()
            }
            _ => lines,
        }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // Who ends in peace writes what is left.
        let rest = std::mem::take(&mut *self.held.lock().unwrap());
        if self.paper.0.seam == Seam::LostLines && !rest.is_empty() && !self.paper.0.sim.moments().is_dead() {
            let inner = Arc::clone(&self.inner);
            tokio::spawn(async move { drop(inner.append(rest).await) });
        }
    }
}

#[async_trait]
impl Journal for Written {
    async fn append(&self, lines: Vec<Line>) -> Result<(), StateError> {
        let (paper, count) = &*self.paper;
        if let Some(gate) = &paper.gate {
            gate.pass().await;
        }
        if paper
            .full_at
            .is_some_and(|at| count.fetch_add(1, Ordering::SeqCst) + 1 >= at)
        {
            return Err(StateError::Full {
                what: "write",
                path: ":memory:".into(),
            });
        }
        let said: Vec<_> = lines
            .iter()
            .map(|line| (line.operation.clone(), line.entry.kind(), line.attempt))
            .collect();
        let due = self.due(lines);
        if !due.is_empty() {
            match self.inner.append(due).await {
                Err(StateError::LeaseLost { .. }) if paper.seam == Seam::StaleJournal => {}
                other => other?,
            }
        }
        paper.acknowledged.lock().unwrap().extend(said);
        Ok(())
    }
}
