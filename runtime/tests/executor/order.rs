//! What happens in which order, and what a failure blocks.

use rebar_agent::protocol::FailureClass;
use rebar_runtime::execute::{Status, destroy, execute};
use rebar_runtime::state::State;

use crate::support::spec::Spec;
use crate::support::world::TestWorld;
use crate::support::{context, folder, plan};

#[tokio::test]
async fn a_first_apply_makes_everything_in_order() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let spec = Spec::default();
    let first = plan(&state, &world, &spec).await;
    let outcome = execute(&first, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    assert_eq!(outcome.outputs["url"], "http://10.20.0.2/");
    let before = |a: &str, b: &str| assert!(world.position(a) < world.position(b), "{a} before {b}");
    before("create network/front", "create machine/web-1");
    before("prepare image/bookworm", "create machine/web-1");
    before("create machine/web-1", "begin web-1/pages.install");
    before("end web-1/pages.install", "begin web-1/pages.page");
    before("end web-1/pages.serve", "begin edge/entry.install");
    before("end web-2/pages.serve", "begin edge/entry.install");
    for machine in ["web-1", "web-2", "edge"] {
        let known = world.with(|w| w.machines[machine].names.len());
        assert_eq!(known, 3, "{machine} knows all names");
    }
    // A second plan has nothing to do.
    let second = plan(&state, &world, &spec).await;
    let calls = world.log().len();
    let outcome = execute(&second, &context(&state, &world)).await.unwrap();
    assert_eq!((outcome.status, outcome.changed), (Status::Done, 0));
    assert_eq!(world.log().len(), calls, "{:#?}", &world.log()[calls..]);
}

#[tokio::test]
async fn a_failure_blocks_only_what_needs_it() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let spec = Spec {
        aside: 2,
        tuned: true,
        ..Spec::default()
    };
    world.fail_step("web-2/pages.page", FailureClass::Terminal, 99);
    let first = plan(&state, &world, &spec).await;
    let outcome = execute(&first, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Partial);
    assert_eq!(outcome.failed.len(), 1);
    assert_eq!(outcome.failed[0].subject(), "web-2/pages.page");
    assert_eq!(outcome.failed[0].detail, "its last words");
    let blocked: Vec<_> = outcome
        .blocked
        .iter()
        .map(|b| (b.subject.as_str(), b.cause.as_str()))
        .collect();
    assert_eq!(blocked, [("edge/entry", "web-2/pages.page")]);
    for done in [
        "web-1/pages.serve",
        "aside-1/aside.serve",
        "aside-2/aside.serve",
        "edge/tuned.serve",
    ] {
        world.position(&format!("end {done}"));
    }
    // The next plan does what is left, and only that.
    world.with(|w| w.step_faults.clear());
    let next = plan(&state, &world, &spec).await;
    let calls = world.log().len();
    let outcome = execute(&next, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done);
    let begun: Vec<_> = world.log()[calls..]
        .iter()
        .filter(|e| e.starts_with("begin"))
        .cloned()
        .collect();
    let expected = [
        "begin web-2/pages.page",
        "begin web-2/pages.serve",
        "begin edge/entry.install",
        "begin edge/entry.page",
        "begin edge/entry.serve",
    ];
    assert_eq!(begun, expected);
}

#[tokio::test]
async fn destroying_leaves_nothing_but_history() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let spec = Spec::default();
    let first = plan(&state, &world, &spec).await;
    execute(&first, &context(&state, &world)).await.unwrap();
    // One machine is gone already.
    world.with(|w| w.machines.remove("web-2"));
    let outcome = destroy("shop", &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    assert!(world.picture().is_empty());
    assert!(world.position("destroy machine/edge") < world.position("destroy machine/web-1"));
    let snapshot = state.snapshot_record("shop", "laptop").await.unwrap();
    assert!(snapshot.nodes.is_empty() && snapshot.networks.is_empty());
    assert!(state.ledger("laptop").await.unwrap().deploys.is_empty());
    let runs = state.runs("shop", 10).await.unwrap();
    assert_eq!(runs.len(), 2);
    // Once more finds nothing to do, and the deploy can be made again.
    let again = destroy("shop", &context(&state, &world)).await.unwrap();
    assert_eq!((again.status, again.changed), (Status::Done, 0));
    let fresh = plan(&state, &world, &spec).await;
    let outcome = execute(&fresh, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done);
}

#[tokio::test]
async fn replicas_grow_and_shrink() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    for count in [2, 4, 3] {
        let spec = Spec {
            web: count,
            ..Spec::default()
        };
        let next = plan(&state, &world, &spec).await;
        let outcome = execute(&next, &context(&state, &world)).await.unwrap();
        assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
        let picture = world.picture();
        assert_eq!(
            picture.keys().filter(|k| k.starts_with("machine/web-")).count(),
            count
        );
        let ledger = state.ledger("laptop").await.unwrap();
        assert_eq!(ledger.deploys["shop"].len(), count + 1);
    }
    assert_eq!(
        world.count("create machine/web-1"),
        1,
        "names and machines that stay are not touched"
    );
    // The consumer was changed before the node that it no longer uses went.
    let log = world.log();
    let changed = log.iter().rposition(|e| e == "end edge/entry.page").unwrap();
    assert!(changed < world.position("destroy machine/web-4"));
    let names = world.with(|w| w.machines["edge"].names.keys().cloned().collect::<Vec<_>>());
    assert_eq!(names, ["edge", "web-1", "web-2", "web-3"]);
}
