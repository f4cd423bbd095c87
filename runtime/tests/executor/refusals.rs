//! Plans that are not carried out, and writers that are kept apart.

use std::sync::Arc;
use std::time::Duration;

use rebar_runtime::execute::{ExecuteError, Status, destroy, execute};
use rebar_runtime::state::{State, StateError};

use crate::support::crash::{CrashAt, Side};
use crate::support::spec::Spec;
use crate::support::world::TestWorld;
use crate::support::{context, folder, plan};

fn code(result: Result<rebar_runtime::execute::Outcome, ExecuteError>) -> &'static str {
    let error = result.unwrap_err();
    assert!(error.help().is_some(), "{error} has no help");
    error.code()
}

#[tokio::test]
async fn a_plan_is_carried_out_once_and_on_its_base() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let context = context(&state, &world);
    let first = plan(&state, &world, &Spec::default()).await;
    let other = plan(
        &state,
        &world,
        &Spec {
            web: 3,
            ..Spec::default()
        },
    )
    .await;
    assert_eq!(execute(&first, &context).await.unwrap().status, Status::Done);
    let before = world.log();
    assert_eq!(code(execute(&first, &context).await), "E1107");
    let stale = execute(&other, &context).await.unwrap_err();
    assert_eq!((stale.code(), stale.status()), ("E1104", Status::Refused));
    assert!(
        stale
            .to_string()
            .starts_with("stale plan: made from serial 0 of deploy `shop`, which is now at"),
        "{stale}"
    );
    let mut foreign = plan(
        &state,
        &world,
        &Spec {
            web: 3,
            ..Spec::default()
        },
    )
    .await;
    foreign.base.deploy_id = Some("another".to_owned());
    assert_eq!(code(execute(&foreign, &context).await), "E1105");
    let mut circle = plan(
        &state,
        &world,
        &Spec {
            web: 3,
            greeting: "hi".to_owned(),
            ..Spec::default()
        },
    )
    .await;
    let mut back = circle.gates[0].clone();
    std::mem::swap(&mut back.of, &mut back.after);
    circle.gates.push(back);
    assert_eq!(code(execute(&circle, &context).await), "E1108");
    let elsewhere = Spec {
        site: "lab".to_owned(),
        ..Spec::default()
    };
    let snapshot = state.snapshot_record("shop", "laptop").await.unwrap();
    let moved = elsewhere.plan(&snapshot, &state.ledger("lab").await.unwrap());
    assert_eq!(code(execute(&moved, &context).await), "E1009");
    assert_eq!(world.log(), before, "a refused plan changes nothing");
    assert_eq!(state.runs("shop", 10).await.unwrap().len(), 1, "and opens no run");
}

#[tokio::test]
async fn an_interrupted_plan_is_stale_for_others() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let context = context(&state, &world);
    let first = plan(&state, &world, &Spec::default()).await;
    let rival = plan(
        &state,
        &world,
        &Spec {
            web: 3,
            ..Spec::default()
        },
    )
    .await;
    let mut crashing = context.clone();
    crashing.journal = Some(CrashAt::new(5, Side::After).layer());
    execute(&first, &crashing).await.unwrap_err();
    assert_eq!(code(execute(&rival, &context).await), "E1104");
    let record = state.deploy("shop").await.unwrap().unwrap();
    assert_eq!(record.open_run.as_deref(), Some("apply"));
    // A plan that was made later takes the run's place.
    let later = plan(
        &state,
        &world,
        &Spec {
            web: 3,
            ..Spec::default()
        },
    )
    .await;
    assert_eq!(execute(&later, &context).await.unwrap().status, Status::Done);
    let outcomes: Vec<_> = state
        .runs("shop", 10)
        .await
        .unwrap()
        .into_iter()
        .map(|r| r.outcome.unwrap())
        .collect();
    assert_eq!(outcomes, ["done", "abandoned"]);
    assert_eq!(code(execute(&first, &context).await), "E1107");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_are_kept_apart() {
    let folder = folder();
    let world = Arc::new(TestWorld {
        at_a_time: 4,
        step_time: Duration::from_millis(50),
        ..TestWorld::default()
    });
    let state = State::in_folder(folder.path()).unwrap();
    let first = plan(&state, &world, &Spec::default()).await;
    let slow = context(&state, &world);
    let running = tokio::spawn({
        let first = first.clone();
        async move { execute(&first, &slow).await }
    });
    while world.count("begin") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Another process, with a connection of its own.
    let other = State::in_folder(folder.path()).unwrap();
    let second = execute(&first, &context(&other, &world)).await.unwrap_err();
    assert_eq!((second.code(), second.status()), ("E1005", Status::Refused));
    let text = second.to_string();
    assert!(
        text.contains(&format!("process {}", std::process::id())) && text.contains(" UTC"),
        "{text}"
    );
    assert_eq!(code(destroy("shop", &context(&other, &world)).await), "E1005");
    assert_eq!(running.await.unwrap().unwrap().status, Status::Done);
}

#[tokio::test]
async fn the_lease_of_a_dead_process_is_taken_over_and_a_stale_holder_is_refused() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let lease = state.lease("shop", "laptop", "test").await.unwrap();
    assert!(!lease.taken_over());
    assert!(matches!(
        state.lease("shop", "laptop", "test").await,
        Err(StateError::Leased { .. })
    ));
    let raw = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    for (what, value) in [
        ("$.pid", "4194304"),
        ("$.started", "1"),
        ("$.boot", "\"earlier\""),
    ] {
        let change = format!("UPDATE deploy SET holder = json_set(holder, '{what}', json('{value}'))");
        raw.execute(&change, []).unwrap();
        let taken = state.lease("shop", "laptop", "test").await.unwrap();
        assert!(taken.taken_over(), "{what}");
        // Leave it held, as a process that was killed does.
        std::mem::forget(taken);
    }
    // The first holder was only paused: it may not write any more.
    let error = lease.renew().await.unwrap_err();
    assert_eq!(error.code(), "E1006");
    let error = state.append(lease.token(), "none", Vec::new()).await.unwrap_err();
    assert_eq!(error.code(), "E1006");
    // On another host nobody can look: the term decides.
    raw.execute(
        "UPDATE deploy SET holder = json_set(holder, '$.host', 'far', '$.boot', 'other')",
        [],
    )
    .unwrap();
    assert!(matches!(
        state.lease("shop", "laptop", "test").await,
        Err(StateError::Leased { .. })
    ));
    raw.execute("UPDATE deploy SET holder_until = 0", []).unwrap();
    let lease = state.lease("shop", "laptop", "test").await.unwrap();
    lease.release().await.unwrap();
    let first = plan(&state, &world, &Spec::default()).await;
    assert_eq!(
        execute(&first, &context(&state, &world)).await.unwrap().status,
        Status::Done
    );
}

#[tokio::test]
async fn two_deploys_of_a_site_do_not_void_each_others_plans() {
    let (folder, world) = (folder(), TestWorld::new());
    let other_world = TestWorld::new();
    let state = State::in_folder(folder.path()).unwrap();
    let one = plan(&state, &world, &Spec::default()).await;
    let other = plan(
        &state,
        &other_world,
        &Spec {
            deploy: "lab_shop".to_owned(),
            ..Spec::default()
        },
    )
    .await;
    assert_eq!(
        execute(&one, &context(&state, &world)).await.unwrap().status,
        Status::Done
    );
    assert_eq!(
        execute(&other, &context(&state, &other_world))
            .await
            .unwrap()
            .status,
        Status::Done
    );
    let ledger = state.ledger("laptop").await.unwrap();
    assert_eq!(ledger.deploys.len(), 2);
    destroy("shop", &context(&state, &world)).await.unwrap();
    let ledger = state.ledger("laptop").await.unwrap();
    assert_eq!(ledger.deploys.keys().collect::<Vec<_>>(), ["lab_shop"]);
    assert_eq!(code(destroy("none", &context(&state, &world)).await), "E1011");
}

/// Another backend would say that everything is gone, and the next apply would make it all a second time.
#[tokio::test]
async fn what_one_backend_made_is_not_taken_to_another() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let context = context(&state, &world);
    let first = plan(&state, &world, &Spec::default()).await;
    assert_eq!(execute(&first, &context).await.unwrap().status, Status::Done);
    let before = world.log();
    let mut moved = plan(
        &state,
        &world,
        &Spec {
            web: 3,
            ..Spec::default()
        },
    )
    .await;
    moved.backend.name = "another".to_owned();
    let refused = execute(&moved, &context).await.unwrap_err();
    assert_eq!((refused.code(), refused.status()), ("E1009", Status::Refused));
    assert!(
        refused.to_string().contains("not on backend `another`"),
        "{refused}"
    );
    let checked = state.same_place("shop", "laptop", "another").await.unwrap_err();
    assert_eq!(checked.code(), "E1009");
    assert_eq!(world.log(), before, "a refused plan changes nothing");
    // Where nothing stands any more it may go anywhere.
    assert_eq!(destroy("shop", &context).await.unwrap().status, Status::Done);
    state.same_place("shop", "laptop", "another").await.unwrap();
}
