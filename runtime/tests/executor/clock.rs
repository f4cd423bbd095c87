//! A clock that is set back an hour: what happened last is still what was written last, and a lease is still held.

use std::sync::Arc;

use rebar_runtime::clock::SimClock;
use rebar_runtime::execute::{Status, execute};
use rebar_runtime::state::State;

use crate::support::spec::Spec;
use crate::support::world::TestWorld;
use crate::support::{context, plan};

const HOUR: i64 = 3_600_000;

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_between_runs_and_within_one() {
    let clock = Arc::new(SimClock::new(1_700_000_000_000));
    let state = State::in_memory(clock.clone(), 1).unwrap();
    let world = TestWorld::new();
    for greeting in ["first", "second", "third"] {
        let spec = Spec {
            greeting: greeting.to_owned(),
            ..Spec::default()
        };
        let made = plan(&state, &world, &spec).await;
        let mut context = context(&state, &world);
        // Once more while the run goes on.
        let within = clock.clone();
        let jumped = std::sync::Once::new();
        context.events = Arc::new(move |_| jumped.call_once(|| within.jump(-HOUR)));
        assert_eq!(execute(&made, &context).await.unwrap().status, Status::Done);
        let runs = state.runs("shop", 10).await.unwrap();
        assert_eq!(
            runs[0].plan_hash,
            rebar_compiler::plan::hash(&made),
            "the latest comes first"
        );
        let latest = state.latest_plan("shop").await.unwrap().unwrap();
        assert!(
            latest.contains(greeting),
            "the latest plan is that of `{greeting}`"
        );
        clock.jump(-HOUR);
    }
    // Who holds the lease goes on holding it, and nobody gets it beside.
    let lease = state.lease("shop", "laptop", "test").await.unwrap();
    clock.jump(-HOUR);
    lease.renew().await.unwrap();
    let elsewhere = state.seen_from("elsewhere");
    assert_eq!(
        elsewhere
            .lease("shop", "laptop", "test")
            .await
            .unwrap_err()
            .code(),
        "E1005"
    );
    clock.jump(HOUR);
    lease.renew().await.unwrap();
    lease.release().await.unwrap();
}
