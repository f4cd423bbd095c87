//! Ctrl-C: once to start nothing new, twice to leave at once.

use std::sync::Arc;

use tokio::sync::watch;

/// How urgently to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Go on.
    Run,
    /// Start nothing new, let calls in flight finish.
    Drain,
    /// Leave at once; the journal suffices.
    Leave,
}

/// A way to cancel an execution. Clones share it.
#[derive(Debug, Clone)]
pub struct Cancel {
    sender: Arc<watch::Sender<Urgency>>,
}

impl Default for Cancel {
    fn default() -> Self {
        Cancel {
            sender: Arc::new(watch::Sender::new(Urgency::Run)),
        }
    }
}

impl Cancel {
    /// Cancels: the first call drains, the second leaves.
    pub fn request(&self) {
        self.sender.send_modify(|urgency| {
            *urgency = match urgency {
                Urgency::Run => Urgency::Drain,
                Urgency::Drain | Urgency::Leave => Urgency::Leave,
            };
        });
    }

    /// How urgently to stop.
    pub fn urgency(&self) -> Urgency {
        *self.sender.borrow()
    }

    /// Returns when stopping is more urgent than `known`.
    pub async fn beyond(&self, known: Urgency) {
        let mut receiver = self.sender.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        drop(receiver.wait_for(|urgency| *urgency > known).await);
    }

    /// Sleeps; `false` if it was woken by a cancellation.
    pub(super) async fn sleep(&self, duration: std::time::Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(duration) => true,
            () = self.beyond(Urgency::Run) => false,
        }
    }
}
