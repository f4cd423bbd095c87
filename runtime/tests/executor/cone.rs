//! What a failure among a thousand nodes blocks, and what cancelling at any moment leaves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rebar_agent::protocol::FailureClass;
use rebar_compiler::plan::Gate;
use rebar_runtime::clock::SimClock;
use rebar_runtime::execute::{ExecuteError, Status, execute};
use rebar_runtime::state::State;

use crate::support::spec::Spec;
use crate::support::world::TestWorld;
use crate::support::{context, folder, plan};

#[tokio::test(start_paused = true)]
async fn one_of_a_thousand_fails_and_exactly_what_needs_it_is_blocked() {
    let state = State::in_memory(Arc::new(SimClock::new(1_700_000_000_000)), 1).unwrap();
    let world = TestWorld::new();
    world.fail_step("web-300/pages.page", FailureClass::Terminal, 99);
    let spec = Spec {
        web: 600,
        aside: 399,
        tuned: true,
        ..Spec::default()
    };
    let mut first = plan(&state, &world, &spec).await;
    assert_eq!(first.nodes.len(), 1000);
    // `aside` needs `entry`, so all of it is behind the one that fails.
    first.gates.push(Gate {
        mode: Default::default(),
        of: "aside".to_owned(),
        after: "entry".to_owned(),
        reason: "`aside` uses an output of `entry`".to_owned(),
        place: "main.rebar:12:1".to_owned(),
    });
    let outcome = execute(&first, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Partial);
    assert_eq!(outcome.failed.len(), 1, "{:#?}", outcome.failed);
    assert_eq!(outcome.failed[0].subject(), "web-300/pages.page");
    let expected: BTreeSet<String> = (1..=399)
        .map(|n| format!("aside-{n}/aside"))
        .chain(["edge/entry".to_owned()])
        .collect();
    let blocked: BTreeSet<String> = outcome.blocked.iter().map(|b| b.subject.clone()).collect();
    assert_eq!(outcome.blocked.len(), expected.len(), "each once");
    assert_eq!(blocked, expected);
    assert!(outcome.blocked.iter().all(|b| b.cause == "web-300/pages.page"));
    // All else is done: every machine, every other node's run, and what is beside it on `edge`.
    assert_eq!(world.count("create machine/"), 1000);
    assert_eq!(world.count("end web-"), 599 * 3 + 1);
    assert_eq!(world.count("end edge/tuned"), 3);
    assert_eq!(world.count("end aside-") + world.count("end edge/entry"), 0);
}

/// A deploy stands, and another spec replaces one thing, adds one and takes one away.
async fn grow(world: &Arc<TestWorld>, state: &State) -> (Spec, Spec) {
    let before = Spec {
        web: 2,
        aside: 1,
        ..Spec::default()
    };
    let after = Spec {
        web: 3,
        aside: 0,
        greeting: "changed".to_owned(),
        ..Spec::default()
    };
    let outcome = execute(&plan(state, world, &before).await, &context(state, world)).await;
    assert_eq!(outcome.unwrap().status, Status::Done);
    (before, after)
}

#[tokio::test]
async fn cancelling_once_or_twice_at_any_event_destroys_nothing_and_the_run_goes_on_to_the_same_end() {
    let reference = TestWorld::new();
    let home = folder();
    let state = State::in_folder(home.path()).unwrap();
    let (_, after) = grow(&reference, &state).await;
    let mut counted = context(&state, &reference);
    let events = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&events);
    counted.events = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    execute(&plan(&state, &reference, &after).await, &counted)
        .await
        .unwrap();
    let total = events.load(Ordering::SeqCst);
    assert!(total > 30, "{total} events");
    for times in [1, 2] {
        for at in 0..total {
            let (home, world) = (folder(), TestWorld::new());
            let state = State::in_folder(home.path()).unwrap();
            let (_, after) = grow(&world, &state).await;
            let made = plan(&state, &world, &after).await;
            let before = world.picture();
            let mut cancelled = context(&state, &world);
            let (seen, cancel) = (AtomicUsize::new(0), cancelled.cancel.clone());
            cancelled.events = Arc::new(move |_| {
                if seen.fetch_add(1, Ordering::SeqCst) == at {
                    for _ in 0..times {
                        cancel.request();
                    }
                }
            });
            let ended = match execute(&made, &cancelled).await {
                Ok(outcome) => outcome.status,
                Err(ExecuteError::Left) => Status::Interrupted,
                Err(error) => panic!("event {at}, {times} times: {error}"),
            };
            assert!(
                matches!(ended, Status::Interrupted | Status::Done),
                "event {at}, {times} times: {ended:?}"
            );
            // I10: of what stood, nothing has gone but what the plan takes away.
            let machines = |picture: &crate::support::world::Picture| -> BTreeSet<String> {
                picture
                    .keys()
                    .filter(|k| k.starts_with("machine/"))
                    .cloned()
                    .collect()
            };
            let lost: Vec<String> = machines(&before)
                .difference(&machines(&world.picture()))
                .cloned()
                .collect();
            let lost: Vec<&str> = lost.iter().map(String::as_str).collect();
            assert!(
                lost.is_empty() || lost == ["machine/aside-1"],
                "event {at}, {times} times: {lost:?}"
            );
            // The same plan goes on to the same end; a call that was broken off in the world ends by itself.
            let outcome = match ended {
                Status::Done => Status::Done,
                _ => execute(&made, &context(&state, &world)).await.unwrap().status,
            };
            assert_eq!(outcome, Status::Done, "event {at}, {times} times");
            assert_eq!(world.picture(), reference.picture(), "event {at}, {times} times");
            assert_eq!(
                world.count("create machine/web-3"),
                1,
                "event {at}, {times} times"
            );
        }
    }
}
