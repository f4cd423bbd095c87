//! Moments at which the program can be killed: before and after every line of the journal, before, inside and after
//! every call. A killed program passes no further moment; what it had sent goes on without it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::execute::JournalLayer;
use crate::journal::{Journal, Line};
use crate::state::StateError;

use super::Sim;

/// What a call leaves behind whose caller is killed inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// It had done nothing.
    Nothing,
    /// It had done half.
    Half,
    /// It had done everything.
    Whole,
    /// It is still on its way, and does everything some seconds later.
    Late,
}

/// Counts moments, and ends the program at one of them.
#[derive(Debug, Default)]
pub struct Moments {
    passed: AtomicU64,
    end: Mutex<Option<(u64, Leaves)>>,
    dead: AtomicBool,
    died: Notify,
    inside: Mutex<Vec<u64>>,
}

impl Moments {
    /// The numbers of those moments so far that were inside a call, where it matters what the call leaves.
    pub fn inside_calls(&self) -> Vec<u64> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many moments there were.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Ends the program at the moment with this number, counted from 1 over the life of the world; a call that it is
    /// inside leaves this.
    pub fn end_at(&self, number: u64, leaves: Leaves) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, leaves));
    }

    /// Returns when the program has been ended: time to drop its future.
    pub async fn ended(&self) {
        while !self.is_dead() {
            self.died.notified().await;
        }
    }

    /// Whether it has been ended.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Another program begins.
    pub fn revive(&self) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.dead.store(false, Ordering::SeqCst);
    }

    fn strike(&self) -> Option<Leaves> {
        let number = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        let end = *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        match end {
            Some((at, leaves)) if number >= at && !self.dead.swap(true, Ordering::SeqCst) => {
                self.died.notify_one();
                Some(leaves)
            }
            Some(_) | None => None,
        }
    }

    /// A moment; whoever is killed here never returns.
    pub(super) async fn pass(&self) {
        if self.is_dead() || self.strike().is_some() {
            self.stay().await;
        }
    }

    /// A moment inside a call: what it leaves, if the program is killed here.
    pub(super) fn inside(&self) -> Option<Leaves> {
        if self.is_dead() {
            return Some(Leaves::Nothing);
        }
        let number = self.passed() + 1;
        self.inside
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(number);
        self.strike()
    }

    /// Where the killed are.
    pub(super) async fn stay(&self) {
        std::future::pending::<()>().await;
    }
}

struct Watched {
    inner: Arc<dyn Journal>,
    sim: Arc<Sim>,
}

#[async_trait]
impl Journal for Watched {
    async fn append(&self, lines: Vec<Line>) -> Result<(), StateError> {
        self.sim.moments.pass().await;
        self.inner.append(lines).await?;
        self.sim.moments.pass().await;
        Ok(())
    }
}

impl Sim {
    /// A journal whose lines are moments too.
    pub fn journal(&self) -> JournalLayer {
        let this = self.this.clone();
        Arc::new(move |inner| match this.upgrade() {
            Some(sim) => Arc::new(Watched { inner, sim }),
            None => inner,
        })
    }
}
