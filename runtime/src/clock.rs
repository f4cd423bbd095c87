//! What time it is. The state stamps lines and leases by a clock that it is given, so that a rehearsal has a time of
//! its own.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time of day.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// Milliseconds since 1970. It may jump, forth and back.
    fn milliseconds(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn milliseconds(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_millis() as i64)
    }
}

/// A clock that starts at a time of its own, goes with tokio's (which can be paused), and can be set.
#[derive(Debug)]
pub struct SimClock {
    begun: tokio::time::Instant,
    start: AtomicI64,
}

impl SimClock {
    /// A clock that shows `start`, in milliseconds since 1970.
    pub fn new(start: i64) -> SimClock {
        SimClock {
            begun: tokio::time::Instant::now(),
            start: AtomicI64::new(start),
        }
    }

    /// Sets it forth, or back, by so many milliseconds.
    pub fn jump(&self, milliseconds: i64) {
        self.start.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn milliseconds(&self) -> i64 {
        self.start.load(Ordering::SeqCst) + self.begun.elapsed().as_millis() as i64
    }
}
