//! A journal that dies at a given line: everything before it is durable, nothing after it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use rebar_runtime::execute::JournalLayer;
use rebar_runtime::journal::{Journal, Line};
use rebar_runtime::state::StateError;

/// Which side of the append the crash comes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

#[derive(Clone)]
pub(crate) struct CrashAt {
    left: Arc<AtomicI64>,
    dead: Arc<AtomicBool>,
    side: Side,
    appends: Arc<AtomicI64>,
}

struct CrashJournal {
    inner: Arc<dyn Journal>,
    at: CrashAt,
}

impl CrashAt {
    /// Dies at the append with this number, counted from 0.
    pub(crate) fn new(number: i64, side: Side) -> CrashAt {
        CrashAt {
            left: Arc::new(AtomicI64::new(number)),
            dead: Arc::default(),
            side,
            appends: Arc::default(),
        }
    }

    pub(crate) fn layer(&self) -> JournalLayer {
        let at = self.clone();
        Arc::new(move |inner| {
            Arc::new(CrashJournal {
                inner,
                at: at.clone(),
            })
        })
    }

    pub(crate) fn died(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    pub(crate) fn appends(&self) -> i64 {
        self.appends.load(Ordering::SeqCst)
    }
}

fn dead() -> StateError {
    StateError::Failed {
        what: "write",
        path: "test".into(),
        cause: "the test ended the program here".to_owned(),
    }
}

#[async_trait]
impl Journal for CrashJournal {
    async fn append(&self, lines: Vec<Line>) -> Result<(), StateError> {
        if self.at.died() {
            return Err(dead());
        }
        self.at.appends.fetch_add(1, Ordering::SeqCst);
        if self.at.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.at.dead.store(true, Ordering::SeqCst);
            if self.at.side == Side::After {
                self.inner.append(lines).await?;
            }
            return Err(dead());
        }
        self.inner.append(lines).await
    }
}
