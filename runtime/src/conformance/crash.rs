//! A journal that counts its lines, and one that ends the program at a given one. It is put before the executor's
//! journal by [`JournalLayer`], the seam that is there for it; nothing else in the program knows of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

use crate::execute::JournalLayer;
use crate::journal::{Journal, Line};
use crate::state::StateError;

/// On which side of an append the program dies. Between two appends lies what is done because of the first, so the
/// boundary before an append is also the one after the call that it tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Side {
    /// What it tells of has happened, and nobody has written it down.
    Before,
    /// It is durable, and what it announces has not begun.
    After,
}

/// When to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Death {
    /// At the append with this number, counted from 1.
    pub(super) append: u64,
    pub(super) side: Side,
}

impl Death {
    pub(super) fn layer(self) -> JournalLayer {
        let seen = Arc::new(AtomicU64::new(0));
        Arc::new(move |inner| {
            Arc::new(Deadly {
                inner,
                seen: Arc::clone(&seen),
                death: Some(self),
            })
        })
    }
}

/// Counts appends and lets them through.
pub(super) fn counting(seen: &Arc<AtomicU64>) -> JournalLayer {
    let seen = Arc::clone(seen);
    Arc::new(move |inner| {
        Arc::new(Deadly {
            inner,
            seen: Arc::clone(&seen),
            death: None,
        })
    })
}

struct Deadly {
    inner: Arc<dyn Journal>,
    seen: Arc<AtomicU64>,
    death: Option<Death>,
}

#[async_trait]
impl Journal for Deadly {
    async fn append(&self, lines: Vec<Line>) -> Result<(), StateError> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        let here = |side| self.death == Some(Death { append: number, side });
        if here(Side::Before) {
            die().await;
        }
        self.inner.append(lines).await?;
        if here(Side::After) {
            die().await;
        }
        Ok(())
    }
}

/// Ends this process as a loss of power would: no destructor runs, nothing is flushed.
async fn die() {
    let _ = kill_process(getpid(), Signal::KILL);
    std::future::pending::<()>().await;
}
