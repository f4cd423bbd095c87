//! What is waited for, how long, and by whom: busy and silent backends, calls that hang, lanes that only wait, and
//! questions to a person. Time is tokio's and stands still while anybody works.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rebar_agent::protocol::FailureClass;
use rebar_compiler::plan::{Plan, Removal, StepVerbs};
use rebar_runtime::clock::SimClock;
use rebar_runtime::execute::{Answers, Context, Event, Status, Told, execute};
use rebar_runtime::state::State;
use tokio::time::Instant;

use crate::support::spec::Spec;
use crate::support::world::{Leaves, TestWorld};
use crate::support::{context, listen, plan};

fn state() -> State {
    State::in_memory(Arc::new(SimClock::new(1_700_000_000_000)), 1).unwrap()
}

fn retries(events: &Mutex<Vec<Event>>) -> Vec<Duration> {
    let events = events.lock().unwrap();
    let pauses = events.iter().filter_map(|event| match event {
        Event::Retrying { pause, .. } => Some(Duration::from_millis(*pause)),
        _ => None,
    });
    pauses.collect()
}

fn silences(events: &Mutex<Vec<Event>>) -> usize {
    let is = |event: &&Event| matches!(event, Event::BackendSilent { .. });
    events.lock().unwrap().iter().filter(is).count()
}

#[tokio::test(start_paused = true)]
async fn who_is_busy_is_asked_again_when_it_says_and_that_is_no_attempt() {
    let (state, world) = (state(), TestWorld::new());
    let busy = FailureClass::Busy;
    world.fail_object("create machine/web-1", busy, Leaves::Nothing, 9);
    world.fail_step("web-2/pages.page", busy, 9);
    world.with(|w| w.retry_after = Some(Duration::from_secs(7)));
    let mut context = context(&state, &world);
    let events = listen(&mut context);
    let first = plan(&state, &world, &Spec::default()).await;
    let outcome = execute(&first, &context).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    let pauses = retries(&events);
    assert_eq!(
        pauses.len(),
        18,
        "more than the four attempts that anything else gets"
    );
    assert_eq!(pauses.iter().filter(|p| **p == Duration::from_secs(7)).count(), 9);
}

#[tokio::test(start_paused = true)]
async fn who_is_busy_for_ever_is_given_up_when_the_time_is_over() {
    let (state, world) = (state(), TestWorld::new());
    world.fail_object(
        "create machine/web-1",
        FailureClass::Busy,
        Leaves::Nothing,
        usize::MAX,
    );
    world.fail_step("edge/tuned.page", FailureClass::Busy, usize::MAX);
    world.with(|w| w.retry_after = Some(Duration::from_secs(60)));
    let mut context = context(&state, &world);
    context.retry.longest = Duration::from_secs(30);
    context.retry.first = Duration::from_secs(30);
    let spec = Spec {
        tuned: true,
        entry: false,
        ..Spec::default()
    };
    let first = plan(&state, &world, &spec).await;
    let begun = Instant::now();
    let outcome = execute(&first, &context).await.unwrap();
    assert_eq!(outcome.failed.len(), 2, "{outcome:#?}");
    let (machine, step) = (context.limits.machine.whole, context.limits.step);
    assert!(machine < begun.elapsed() && begun.elapsed() < step + Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_given_up_looked_up_and_told() {
    for (leaves, done) in [
        (Leaves::Whole, true),
        (Leaves::Half, true),
        (Leaves::Nothing, true),
    ] {
        let (state, world) = (state(), TestWorld::new());
        // The third call makes the first machine: after image and network.
        world.with(|w| w.freeze_call = Some((3, leaves)));
        let mut context = context(&state, &world);
        let events = listen(&mut context);
        let first = plan(&state, &world, &Spec::default()).await;
        let begun = Instant::now();
        let outcome = execute(&first, &context).await.unwrap();
        assert_eq!(outcome.status == Status::Done, done, "{leaves:?} {outcome:#?}");
        assert!(begun.elapsed() >= context.limits.machine.attempt);
        // What is whole was found; the others were made by a second call under the same id.
        assert_eq!(world.count("create machine/"), 3, "{leaves:?}");
        assert_eq!(retries(&events).is_empty(), leaves == Leaves::Whole);
    }
    // It hangs for ever: told with a code, and the rest goes on.
    let (state, world) = (state(), TestWorld::new());
    world.with(|w| w.freeze_call = Some((3, Leaves::Nothing)));
    let mut context = context(&state, &world);
    context.limits.machine.whole = context.limits.machine.attempt;
    let first = plan(&state, &world, &Spec::default()).await;
    let outcome = execute(&first, &context).await.unwrap();
    assert_eq!(outcome.failed.len(), 1, "{outcome:#?}");
    assert_eq!(outcome.failed[0].code, "E1210");
    assert!(
        outcome.failed[0].message.contains("600 s"),
        "{}",
        outcome.failed[0].message
    );
    assert_eq!(world.count("end web-"), 3, "the other node of the group is done");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_comes_back_is_waited_for() {
    let (state, world) = (state(), TestWorld::new());
    let mut context = context(&state, &world);
    let events = listen(&mut context);
    let spec = Spec {
        web: 12,
        ..Spec::default()
    };
    let first = plan(&state, &world, &spec).await;
    let answers = Arc::clone(&world);
    // Once machines are being made, nothing listens there any more for a while.
    let inner = Arc::clone(&context.events);
    context.events = Arc::new(move |event| {
        if matches!(&event, Event::ObjectDone { subject, .. } if subject == "network/front") {
            answers.with(|w| w.refuses = 11);
        }
        inner(event);
    });
    let outcome = execute(&first, &context).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    assert!(silences(&events) > 0);
    let heard = |event: &Event| matches!(event, Event::BackendAnswers { .. });
    assert!(events.lock().unwrap().iter().any(heard));
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_stays_silent_is_one_failure_and_blocks_the_rest() {
    let (state, world) = (state(), TestWorld::new());
    let mut context = context(&state, &world);
    let events = listen(&mut context);
    let spec = Spec {
        web: 40,
        ..Spec::default()
    };
    let first = plan(&state, &world, &spec).await;
    let answers = Arc::clone(&world);
    let inner = Arc::clone(&context.events);
    context.events = Arc::new(move |event| {
        if matches!(&event, Event::ObjectDone { subject, .. } if subject == "network/front") {
            answers.with(|w| w.refuses = usize::MAX);
        }
        inner(event);
    });
    let outcome = execute(&first, &context).await.unwrap();
    assert_eq!(outcome.status, Status::Partial);
    let failed: Vec<(String, &str)> = outcome
        .failed
        .iter()
        .map(|f| (f.subject(), f.code.as_str()))
        .collect();
    assert_eq!(failed, [("backend test".to_owned(), "E1211")]);
    assert!(outcome.blocked.len() >= 41 * 2, "{}", outcome.blocked.len());
    assert!(outcome.blocked.iter().all(|b| b.cause == "backend test"));
    assert_eq!(silences(&events), context.patience.looks as usize);
    // Four calls may have been under way and looked up; then only one looks, now and then.
    let refused = world.count("refused");
    assert!(refused <= 4 * 2 + context.patience.looks as usize, "{refused}");
    // It listens again: the next plan does what is left.
    world.with(|w| w.refuses = 0);
    let next = plan(&state, &world, &spec).await;
    context.events = Arc::new(|_| {});
    assert_eq!(execute(&next, &context).await.unwrap().status, Status::Done);
}

/// Makes the last step of the run on `group` one that waits for something.
fn wait_in(plan: &mut Plan, run: &str) {
    for segment in plan.patterns.iter_mut().flat_map(|p| &mut p.segments) {
        if segment.run == run {
            let step = &mut segment.steps[1];
            step.removal = Removal::Nothing;
            let within = serde_json::Value::from(60_000_000_000_u64);
            step.fields
                .insert("within".to_owned(), rebar_compiler::plan::Template::Value(within));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_only_waits_gives_its_place_to_others_and_takes_it_again() {
    let (state, world) = (state(), TestWorld::new());
    let spec = Spec {
        web: 6,
        entry: false,
        ..Spec::default()
    };
    let mut first = plan(&state, &world, &spec).await;
    wait_in(&mut first, "pages");
    assert!(first.nodes.iter().all(|row| row.steps == StepVerbs::All));
    world.with(|w| {
        for node in 1..=6 {
            w.step_times
                .insert(format!("web-{node}/pages.page"), Duration::from_secs(50));
            w.step_times
                .insert(format!("web-{node}/pages.serve"), Duration::from_secs(1));
        }
    });
    let mut context = context(&state, &world);
    context.parallelism = 1;
    let begun = Instant::now();
    let outcome = execute(&first, &context).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    // All wait at the same time, and what follows goes one by one: not six times fifty seconds.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let log = world.log();
    let mut serving = 0;
    for entry in &log {
        serving += i32::from(entry.starts_with("begin web-") && entry.ends_with(".serve"));
        serving -= i32::from(entry.starts_with("end web-") && entry.ends_with(".serve"));
        assert!(serving <= 1, "{log:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_before_another_attempt_holds_no_lane() {
    let (state, world) = (state(), TestWorld::new());
    world.fail_step("web-1/pages.install", FailureClass::Transient, 1);
    let mut context = context(&state, &world);
    context.parallelism = 1;
    context.retry.first = Duration::from_secs(60);
    context.retry.longest = Duration::from_secs(60);
    let spec = Spec {
        aside: 2,
        ..Spec::default()
    };
    let first = plan(&state, &world, &spec).await;
    let outcome = execute(&first, &context).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    let log = world.log();
    let again = log
        .iter()
        .rposition(|e| e == "begin web-1/pages.install")
        .unwrap();
    assert!(world.position("end aside-2/aside.serve") < again);
}

async fn ambiguous(answers: Answers) -> (Arc<TestWorld>, rebar_runtime::execute::Outcome) {
    let (state, world) = (state(), TestWorld::new());
    world.fail_step("web-1/pages.page", FailureClass::Ambiguous, 1);
    let first = plan(&state, &world, &Spec::default()).await;
    let mut context: Context = context(&state, &world);
    context.answers = answers;
    let outcome = execute(&first, &context).await.unwrap();
    (world, outcome)
}

#[tokio::test(start_paused = true)]
async fn a_person_tells_what_became_of_a_command_that_runs_once() {
    for (told, settled) in [
        (Told::Done, Some("true")),
        (Told::NotDone, Some("false")),
        (Told::Stop, None),
    ] {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let questions = Arc::clone(&asked);
        let (world, outcome) = ambiguous(Answers {
            assumed: BTreeMap::new(),
            asker: Some(Arc::new(move |subject, message| {
                questions.lock().unwrap().push((subject, message));
                Box::pin(async move { told })
            })),
        })
        .await;
        let expected = [("web-1/pages.page".to_owned(), "scripted fault".to_owned())];
        assert_eq!(*asked.lock().unwrap(), expected);
        match settled {
            Some(done) => {
                assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
                assert_eq!(world.count(&format!("settle web-1/pages.page {done}")), 1);
            }
            None => {
                assert_eq!(outcome.failed[0].code, "E1204");
                assert_eq!(world.count("settle"), 0);
            }
        }
    }
    // Said beforehand, nobody is asked; nobody there, the failure says how to answer.
    let assumed = BTreeMap::from([("web-1/pages.page".to_owned(), true)]);
    let (world, outcome) = ambiguous(Answers { assumed, asker: None }).await;
    assert_eq!(outcome.status, Status::Done);
    assert_eq!(world.count("settle web-1/pages.page true"), 1);
    let (_, outcome) = ambiguous(Answers::default()).await;
    let help = outcome.failed[0].help.as_deref().unwrap_or_default();
    assert!(help.contains("--assume 'web-1/pages.page=done'"), "{help}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_some_nodes_opens_when_they_are_done_and_blocks_when_they_never_can_be() {
    use rebar_compiler::plan::GateMode;
    // Two nodes of `pages`, and one of them fails: one is done, which is any and no quorum.
    for (mode, opens) in [
        (GateMode::Any, true),
        (GateMode::Quorum, false),
        (GateMode::All, false),
    ] {
        let (state, world) = (state(), TestWorld::new());
        world.fail_step("web-2/pages.page", FailureClass::Terminal, usize::MAX);
        let context = context(&state, &world);
        let mut first = plan(&state, &world, &Spec::default()).await;
        for gate in &mut first.gates {
            gate.mode = mode;
        }
        let outcome = execute(&first, &context).await.unwrap();
        assert_eq!(outcome.failed.len(), 1, "{mode:?} {outcome:#?}");
        assert_eq!(outcome.blocked.is_empty(), opens, "{mode:?} {outcome:#?}");
        let causes = outcome.blocked.iter().map(|blocked| blocked.cause.as_str());
        assert!(
            causes.into_iter().all(|cause| cause.contains("web-2")),
            "{outcome:#?}"
        );
    }
}
