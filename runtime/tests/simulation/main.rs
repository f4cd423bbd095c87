//! The executor in simulated worlds.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::sync::Arc;

use rebar_runtime::backends::sim::{Faults, Settings, Sim};
use rebar_runtime::clock::SimClock;
use rebar_runtime::execute::{Context, Outcome, Status, execute};
use rebar_runtime::observe::{Depth, observe};
use rebar_runtime::state::State;
use support::spec::Spec;

fn simulated(seed: u64, faults: &Faults) -> (Outcome, Vec<String>, u128) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let state = State::in_memory(Arc::new(SimClock::new(1_700_000_000_000)), seed).unwrap();
        let sim = Sim::new(Settings {
            seed,
            faults: faults.clone(),
            log: true,
            ..Settings::default()
        });
        let begun = tokio::time::Instant::now();
        let spec = Spec {
            web: 6,
            ..Spec::default()
        };
        let snapshot = observe(&state, sim.as_ref(), "shop", "laptop", Depth::Nodes)
            .await
            .unwrap();
        let plan = spec.plan(&snapshot, &state.ledger("laptop").await.unwrap());
        let context = Context::new(state, sim.clone());
        let outcome = execute(&plan, &context).await.unwrap();
        (
            outcome,
            sim.world(|world| world.log.clone()),
            begun.elapsed().as_millis(),
        )
    })
}

#[test]
fn the_same_seed_takes_the_same_course() {
    let faults = Faults::passing(0.05);
    let first = simulated(7, &faults);
    let again = simulated(7, &faults);
    assert_eq!(first.1, again.1);
    assert_eq!(first.2, again.2);
    assert_ne!(first.1, simulated(8, &faults).1);
    assert_eq!(simulated(7, &Faults::none()).0.status, Status::Done);
}
