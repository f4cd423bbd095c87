//! The place that a piece of work holds among those that go on, given up while it only waits and taken again after.
//!
//! Lanes can be carried out without a scheduler; then there is no seat, and all this does nothing.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::cancel::{Cancel, Urgency};

tokio::task_local! {
    static SEAT: Seat;
}

/// What a piece of work tells the owner of the ready set.
#[derive(Debug)]
pub(super) enum Message {
    /// This job waits and needs nothing but its node.
    Left(usize),
    /// This job would go on; it is told when there is room.
    Wants(usize, oneshot::Sender<()>),
}

/// The place of one job.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    job: usize,
    owner: mpsc::UnboundedSender<Message>,
    away: Arc<AtomicBool>,
}

impl Seat {
    pub(super) fn new(job: usize, owner: mpsc::UnboundedSender<Message>) -> Seat {
        Seat {
            job,
            owner,
            away: Arc::default(),
        }
    }

    /// Runs `work` with this seat.
    pub(super) async fn hold<T>(self, work: impl Future<Output = T>) -> T {
        SEAT.scope(self, work).await
    }
}

fn current() -> Option<Seat> {
    SEAT.try_with(Seat::clone).ok()
}

/// Gives the seat to others.
pub(super) fn leave() {
    if let Some(seat) = current()
        && !seat.away.swap(true, Ordering::SeqCst)
    {
        // An owner that has gone ends this job in any case.
        drop(seat.owner.send(Message::Left(seat.job)));
    }
}

/// Whether the seat is given to others.
pub(super) fn is_away() -> bool {
    current().is_some_and(|seat| seat.away.load(Ordering::SeqCst))
}

/// Takes the seat again, in the job's old place in the order of preference; `false` if nothing is to be begun any more.
pub(super) async fn take(cancel: &Cancel) -> bool {
    let Some(seat) = current().filter(|seat| seat.away.load(Ordering::SeqCst)) else {
        return cancel.urgency() == Urgency::Run;
    };
    let (tell, told) = oneshot::channel();
    if seat.owner.send(Message::Wants(seat.job, tell)).is_err() {
        return false;
    }
    tokio::select! {
        biased;
        () = cancel.beyond(Urgency::Run) => false,
        answer = told => {
            seat.away.store(false, Ordering::SeqCst);
            answer.is_ok()
        }
    }
}

/// Pauses without a seat; `false` if nothing is to be begun any more.
pub(super) async fn pause(cancel: &Cancel, duration: Duration) -> bool {
    leave();
    cancel.sleep(duration).await && take(cancel).await
}
