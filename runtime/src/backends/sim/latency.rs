//! How long things take in a simulated world: as they took before, or else what is usual.

use std::time::Duration;

use super::faults::chance;
use crate::state::{Durations, usual};

/// How long things take.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Latencies {
    /// What was measured.
    pub measured: Durations,
    /// Nothing takes any time.
    pub none: bool,
}

impl Latencies {
    /// Nothing takes any time.
    pub fn none() -> Latencies {
        Latencies {
            none: true,
            ..Latencies::default()
        }
    }

    /// As long as it took before.
    pub fn measured(measured: Durations) -> Latencies {
        Latencies {
            measured,
            none: false,
        }
    }

    /// How long the change `what` (see [`crate::state::measured_as`]) takes this time: one of the durations that were
    /// measured, or the usual one give or take a quarter.
    pub(super) fn of(&self, seed: u64, what: &str, subject: &str, number: u64) -> Duration {
        if self.none {
            return Duration::ZERO;
        }
        let drawn = chance(seed, "latency", subject, number);
        if let Some(samples) = self
            .measured
            .samples
            .get(what)
            .filter(|samples| !samples.is_empty())
        {
            let index = (drawn * samples.len() as f64) as usize;
            return Duration::from_millis(samples[index.min(samples.len() - 1)]);
        }
        usual(what).mul_f64(0.75 + drawn / 2.0)
    }
}
