//! Faults of backends, agents and lines; cancelling; rollouts.

use std::sync::Arc;
use std::time::Duration;

use rebar_agent::protocol::FailureClass;
use rebar_compiler::plan::Rollout;
use rebar_runtime::execute::{Cancel, Event, ExecuteError, Status, execute};
use rebar_runtime::observe::{Drift, drift};
use rebar_runtime::state::State;

use crate::support::spec::Spec;
use crate::support::world::{Leaves, TestWorld};
use crate::support::{context, folder, listen, plan};

#[tokio::test]
async fn what_may_pass_is_tried_again_and_no_more_than_that() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    world.fail_object(
        "create machine/web-1",
        FailureClass::Transient,
        Leaves::Nothing,
        3,
    );
    world.fail_step("web-1/pages.page", FailureClass::Transient, 3);
    world.fail_step("web-2/pages.page", FailureClass::Transient, 4);
    let mut context = context(&state, &world);
    let events = listen(&mut context);
    let first = plan(&state, &world, &Spec::default()).await;
    let outcome = execute(&first, &context).await.unwrap();
    assert_eq!(outcome.status, Status::Partial);
    assert_eq!(outcome.failed.len(), 1);
    assert_eq!(
        (
            outcome.failed[0].subject().as_str(),
            outcome.failed[0].code.as_str()
        ),
        ("web-2/pages.page", "E1201")
    );
    assert_eq!(world.count("begin web-1/pages.page"), 4);
    assert_eq!(world.count("begin web-2/pages.page"), 4);
    assert_eq!(
        world.count("begin web-1/pages.install"),
        1,
        "what is done is not done again"
    );
    let retries = events
        .lock()
        .unwrap()
        .iter()
        .filter(|e| matches!(e, Event::Retrying { .. }))
        .count();
    assert_eq!(retries, 3 + 3 + 3);
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_not_repeated() {
    for (class, leaves) in [
        (FailureClass::Ambiguous, Leaves::Whole),
        (FailureClass::Ambiguous, Leaves::Nothing),
        (FailureClass::Ambiguous, Leaves::Half),
        (FailureClass::Terminal, Leaves::Whole),
    ] {
        let (folder, world) = (folder(), TestWorld::new());
        let state = State::in_folder(folder.path()).unwrap();
        world.fail_object("create machine/web-1", class, leaves, 1);
        let first = plan(&state, &world, &Spec::default()).await;
        let outcome = execute(&first, &context(&state, &world)).await.unwrap();
        assert_eq!(outcome.status, Status::Done, "{class:?} {leaves:?}");
        assert_eq!(world.count("create machine/web-1"), 1, "{class:?} {leaves:?}");
    }
}

#[tokio::test]
async fn a_half_that_failed_for_good_is_removed() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    world.fail_object("create machine/web-1", FailureClass::Terminal, Leaves::Half, 1);
    let first = plan(&state, &world, &Spec::default()).await;
    let outcome = execute(&first, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Partial);
    assert_eq!(world.count("destroy machine/web-1"), 1);
    assert!(!world.picture().contains_key("machine/web-1"));
    let next = plan(&state, &world, &Spec::default()).await;
    assert_eq!(
        execute(&next, &context(&state, &world)).await.unwrap().status,
        Status::Done
    );
}

#[tokio::test]
async fn an_ambiguous_step_asks() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    world.fail_step("web-1/pages.page", FailureClass::Ambiguous, 1);
    let first = plan(&state, &world, &Spec::default()).await;
    let outcome = execute(&first, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.failed[0].code, "E1204");
    assert!(outcome.failed[0].help.as_ref().unwrap().contains("web-1"));
    assert_eq!(
        world.count("begin web-1/pages.page"),
        1,
        "it is not tried again by itself"
    );
}

#[tokio::test]
async fn an_agent_that_falls_silent_does_not_hold_its_lane_for_ever() {
    let (folder, mut world) = (folder(), TestWorld::new());
    Arc::get_mut(&mut world).unwrap().step_time = Duration::from_millis(600);
    let state = State::in_folder(folder.path()).unwrap();
    let mut impatient = context(&state, &world);
    impatient.retry.silence = Duration::from_millis(100);
    let first = plan(&state, &world, &Spec::default()).await;
    let outcome = execute(&first, &impatient).await.unwrap();
    let failed = &outcome.failed[0];
    assert_eq!((failed.node.as_str(), failed.code.as_str()), ("web-1", "E1202"));
    assert!(failed.message.contains("has not answered"), "{}", failed.message);
    assert_eq!(
        world.count("begin web-1/pages.install"),
        1,
        "it is not begun a second time"
    );

    // The agent finishes what it has in hand; the next apply goes on.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let second = plan(&state, &world, &Spec::default()).await;
    let outcome = execute(&second, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
}

#[tokio::test]
async fn a_broken_line_is_taken_up_where_it_broke() {
    // After so many lines: greeting, started, done, started …
    for breaks in 0..8 {
        let (folder, world) = (folder(), TestWorld::new());
        let state = State::in_folder(folder.path()).unwrap();
        world.with(|w| w.broken_lines.insert("web-1".to_owned(), breaks));
        let first = plan(&state, &world, &Spec::default()).await;
        let outcome = execute(&first, &context(&state, &world)).await.unwrap();
        assert_eq!(
            outcome.status,
            Status::Done,
            "broken after {breaks}: {outcome:#?}"
        );
        for step in ["install", "page", "serve"] {
            assert_eq!(
                world.count(&format!("end web-1/pages.{step}")),
                1,
                "{step}, broken after {breaks}"
            );
        }
    }
}

#[tokio::test]
async fn an_unreachable_node_fails_alone_and_is_unknown() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let spec = Spec {
        aside: 1,
        ..Spec::default()
    };
    let first = plan(&state, &world, &spec).await;
    execute(&first, &context(&state, &world)).await.unwrap();
    let clean = drift(&state, world.as_ref(), "shop", "laptop").await.unwrap();
    assert!(
        clean.items.is_empty() && clean.nodes == 4 && clean.steps == 12,
        "{clean:#?}"
    );
    world.with(|w| {
        w.unreachable.push("aside-1".to_owned());
        w.machines.remove("web-1");
        w.machines.get_mut("web-2").unwrap().running = false;
        let edge = w.machines["edge"].node.clone();
        edge.lock()
            .unwrap()
            .things
            .insert("file entry page".to_owned(), "by hand".into());
    });
    let report = drift(&state, world.as_ref(), "shop", "laptop").await.unwrap();
    assert!(report.drifted() && report.unknown());
    let of = |node: &str| {
        report
            .items
            .iter()
            .find(|item| item.node == node)
            .unwrap()
            .what
            .clone()
    };
    assert_eq!(of("web-1"), Drift::MachineGone);
    assert_eq!(of("web-2"), Drift::MachineStopped);
    assert!(matches!(of("edge"), Drift::StepDiffers { step, .. } if step == "entry.page"));
    assert!(matches!(of("aside-1"), Drift::Unknown { step: None, .. }));
    // All that can be mended is.
    let next = plan(
        &state,
        &world,
        &Spec {
            greeting: "hi".to_owned(),
            ..spec.clone()
        },
    )
    .await;
    let outcome = execute(&next, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    world.with(|w| w.unreachable.clear());
    let report = drift(&state, world.as_ref(), "shop", "laptop").await.unwrap();
    assert!(report.items.is_empty(), "{report:#?}");
}

#[tokio::test]
async fn a_machine_that_vanished_after_planning_is_not_made_unasked() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    execute(
        &plan(&state, &world, &Spec::default()).await,
        &context(&state, &world),
    )
    .await
    .unwrap();
    let next = plan(
        &state,
        &world,
        &Spec {
            greeting: "hi".to_owned(),
            ..Spec::default()
        },
    )
    .await;
    world.with(|w| w.machines.remove("web-1"));
    let outcome = execute(&next, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.failed[0].code, "E1205");
    assert_eq!(world.count("create machine/web-1"), 1);
    let again = plan(
        &state,
        &world,
        &Spec {
            greeting: "hi".to_owned(),
            ..Spec::default()
        },
    )
    .await;
    assert_eq!(
        execute(&again, &context(&state, &world)).await.unwrap().status,
        Status::Done
    );
    assert_eq!(world.count("create machine/web-1"), 2);
}

/// Most lanes of `pages` at work at a time, and the order in which they began.
fn lanes(log: &[String]) -> (usize, Vec<String>) {
    let (mut now, mut most, mut order) = (0_usize, 0, Vec::new());
    for entry in log {
        let Some((what, step)) = entry.split_once(' ') else {
            continue;
        };
        match (what, step.split_once('/')) {
            ("begin", Some((node, "pages.page"))) => {
                now += 1;
                most = most.max(now);
                order.push(node.to_owned());
            }
            ("end", Some((_, "pages.page"))) => now -= 1,
            _ => {}
        }
    }
    (most, order)
}

#[tokio::test]
async fn a_rollout_goes_in_batches_and_does_not_hold_new_nodes_back() {
    let folder = folder();
    let world = Arc::new(TestWorld {
        at_a_time: 8,
        step_time: Duration::from_millis(15),
        ..TestWorld::default()
    });
    let state = State::in_folder(folder.path()).unwrap();
    let rollout = Rollout {
        canary: Some(1),
        batch: Some(2),
        settle: Some(60_000_000),
        ..Rollout::default()
    };
    let spec = Spec {
        web: 6,
        rollout,
        ..Spec::default()
    };
    execute(&plan(&state, &world, &spec).await, &context(&state, &world))
        .await
        .unwrap();
    let (most, _) = lanes(&world.log());
    assert!(most > 2, "new nodes go side by side, {most}");
    let begun = world.log().len();
    let mut with_events = context(&state, &world);
    let events = listen(&mut with_events);
    let changed = Spec {
        greeting: "hi".to_owned(),
        ..spec.clone()
    };
    let outcome = execute(&plan(&state, &world, &changed).await, &with_events)
        .await
        .unwrap();
    assert_eq!(outcome.status, Status::Done);
    let (most, order) = lanes(&world.log()[begun..]);
    assert_eq!(most, 2);
    assert_eq!(order[0], "web-1");
    assert_eq!(order.len(), 6);
    let rests = events
        .lock()
        .unwrap()
        .iter()
        .filter(|e| matches!(e, Event::Settling { pause: 60, .. }))
        .count();
    assert_eq!(rests, 4, "after the canary and each batch");
    // A canary that fails ends the rollout.
    world.fail_step("web-1/pages.page", FailureClass::Terminal, 1);
    let bad = Spec {
        greeting: "oops".to_owned(),
        ..spec
    };
    let outcome = execute(&plan(&state, &world, &bad).await, &context(&state, &world))
        .await
        .unwrap();
    assert_eq!(outcome.status, Status::Failed);
    assert_eq!(
        outcome.blocked.len(),
        5,
        "the other nodes; nothing is to be done on `edge`"
    );
    assert!(outcome.blocked.iter().all(|b| b.cause == "web-1/pages.page"));
}

#[tokio::test]
async fn machines_that_are_replaced_go_in_the_batches_of_their_run() {
    let folder = folder();
    let world = Arc::new(TestWorld {
        at_a_time: 8,
        step_time: Duration::from_millis(5),
        ..TestWorld::default()
    });
    let state = State::in_folder(folder.path()).unwrap();
    let rollout = Rollout {
        canary: Some(1),
        batch: Some(2),
        ..Rollout::default()
    };
    let spec = Spec {
        web: 6,
        rollout,
        ..Spec::default()
    };
    execute(&plan(&state, &world, &spec).await, &context(&state, &world))
        .await
        .unwrap();
    let begun = world.log().len();
    let larger = Spec {
        memory: 1 << 30,
        ..spec
    };
    let outcome = execute(&plan(&state, &world, &larger).await, &context(&state, &world))
        .await
        .unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    let (mut down, mut most, mut first) = (0_usize, 0, None);
    for entry in &world.log()[begun..] {
        if let Some(name) = entry.strip_prefix("destroy machine/web-") {
            down += 1;
            first.get_or_insert(name.to_owned());
        } else if entry.starts_with("end web-") && entry.ends_with("/pages.serve") {
            down -= 1;
        }
        most = most.max(down);
    }
    assert_eq!((most, down, first.as_deref()), (2, 0, Some("1")));
    assert_eq!(world.count("create machine/web-"), 12);
}

#[tokio::test]
async fn cancelled_once_it_finishes_what_is_in_flight() {
    let folder = folder();
    let world = Arc::new(TestWorld {
        at_a_time: 4,
        step_time: Duration::from_millis(10),
        ..TestWorld::default()
    });
    let state = State::in_folder(folder.path()).unwrap();
    let first = plan(&state, &world, &Spec::default()).await;
    let mut context = context(&state, &world);
    let cancel = Cancel::default();
    context.cancel = cancel.clone();
    context.events = Arc::new(move |event| {
        if matches!(&event, Event::StepStarted { step, .. } if step == "pages.page") {
            cancel.request();
        }
    });
    // The event may come from two nodes: the second request leaves at once.
    let result = execute(&first, &context).await;
    match &result {
        Ok(outcome) => assert_eq!(outcome.status, Status::Interrupted),
        Err(error) => assert!(matches!(error, ExecuteError::Left), "{error}"),
    }
    assert_eq!(world.count("begin edge"), 0, "nothing new was begun");
    let fresh = crate::support::context(&state, &world);
    assert_eq!(
        execute(&first, &fresh).await.unwrap().status,
        Status::Done,
        "the same plan goes on"
    );
    for subject in [
        "create machine/web-1",
        "create machine/web-2",
        "create network/front",
    ] {
        assert_eq!(world.count(subject), 1, "{subject}");
    }
}
