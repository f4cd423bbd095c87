//! Ids of deploys and runs: random, or, for simulations, following from a seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// Where ids come from. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids {
    seeded: Option<(u64, Arc<AtomicU64>)>,
}

impl Ids {
    /// Ids that follow from `seed`.
    pub(super) fn seeded(seed: u64) -> Ids {
        Ids {
            seeded: Some((seed, Arc::default())),
        }
    }

    /// One more id.
    pub(super) fn next(&self) -> String {
        let id = match &self.seeded {
            None => Uuid::new_v4(),
            Some((seed, count)) => {
                let number = count.fetch_add(1, Ordering::SeqCst);
                Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{seed}/{number}").as_bytes())
            }
        };
        id.to_string()
    }
}
