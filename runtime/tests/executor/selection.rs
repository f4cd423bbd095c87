//! Parts of plans: some nodes only, and nodes that are replaced because somebody asked for it.

use std::sync::Arc;

use rebar_compiler::plan::{Plan, SelectError, Snapshot, Wanted, canonical_bytes, hash, read, select};
use rebar_runtime::execute::{Outcome, Status, execute};
use rebar_runtime::state::State;

use crate::support::spec::Spec;
use crate::support::world::TestWorld;
use crate::support::{context, folder, plan};

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn only(names: &[&str]) -> Wanted {
    Wanted {
        only: list(names),
        ..Wanted::default()
    }
}

fn except(names: &[&str]) -> Wanted {
    Wanted {
        except: list(names),
        ..Wanted::default()
    }
}

fn replace(names: &[&str]) -> Wanted {
    Wanted {
        replace: list(names),
        ..Wanted::default()
    }
}

async fn part(state: &State, world: &Arc<TestWorld>, spec: &Spec, wanted: &Wanted) -> Plan {
    let mut part = plan(state, world, spec).await;
    select(&mut part, wanted, &Snapshot::default()).unwrap();
    part
}

async fn apply(state: &State, world: &Arc<TestWorld>, plan: &Plan) -> Outcome {
    execute(plan, &context(state, world)).await.unwrap()
}

#[tokio::test]
async fn only_the_selected_nodes_are_touched_and_the_rest_is_told() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let spec = Spec::default();
    let first = part(&state, &world, &spec, &only(&["web-1"])).await;
    assert_ne!(
        hash(&first),
        hash(&plan(&state, &world, &spec).await),
        "another plan"
    );
    assert_eq!(
        read(&canonical_bytes(&first)).unwrap(),
        first,
        "it survives a file"
    );
    let outcome = apply(&state, &world, &first).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    assert_eq!(outcome.left_out, ["edge", "web-2"]);
    assert!(outcome.outputs.is_empty(), "the deploy is not complete");
    assert_eq!(
        (world.count("create machine/"), world.count("end web-1/")),
        (1, 3)
    );
    let run = &state.runs("shop", 1).await.unwrap()[0];
    assert_eq!(run.outcome.as_deref(), Some("partial"));
    // The rest, by a group and by a pattern; then nothing is left to do.
    let outcome = apply(
        &state,
        &world,
        &part(&state, &world, &spec, &except(&["edge"])).await,
    )
    .await;
    assert_eq!((outcome.status, world.count("end web-2/")), (Status::Done, 3));
    let outcome = apply(
        &state,
        &world,
        &part(&state, &world, &spec, &except(&["web"])).await,
    )
    .await;
    assert_eq!(
        (outcome.status, outcome.left_out.len()),
        (Status::Done, 0),
        "{outcome:#?}"
    );
    assert_eq!(outcome.outputs["url"], "http://10.20.0.2/");
    assert_eq!(world.count("create machine/"), 3);
    let rest = plan(&state, &world, &spec).await;
    assert_eq!(apply(&state, &world, &rest).await.changed, 0);
}

#[tokio::test]
async fn what_needs_left_out_work_is_blocked_with_that_cause() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let spec = Spec {
        tuned: true,
        ..Spec::default()
    };
    for wanted in [only(&["edge"]), except(&["web-*"])] {
        let outcome = apply(&state, &world, &part(&state, &world, &spec, &wanted).await).await;
        let blocked: Vec<_> = outcome
            .blocked
            .iter()
            .map(|b| (b.subject.as_str(), b.cause.as_str()))
            .collect();
        assert_eq!(blocked, [("edge/entry", "left out: web-1/pages")]);
        assert!(outcome.failed.is_empty());
        assert_ne!(outcome.status, Status::Done);
    }
    assert_eq!(
        world.count("end edge/tuned"),
        3,
        "what needs nothing of them is done, once"
    );
    assert_eq!(world.count("end edge/entry"), 0);
    let outcome = apply(&state, &world, &plan(&state, &world, &spec).await).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
}

#[tokio::test]
async fn what_leaves_stays_while_a_node_that_is_left_out_may_use_it() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let before = Spec {
        web: 3,
        ..Spec::default()
    };
    apply(&state, &world, &plan(&state, &world, &before).await).await;
    // `edge` uses all of `web`; without it being changed, `web-3` must not go.
    let after = Spec::default();
    let outcome = apply(
        &state,
        &world,
        &part(&state, &world, &after, &except(&["edge"])).await,
    )
    .await;
    assert_eq!(world.count("destroy machine/web-3"), 0, "{outcome:#?}");
    let is = |b: &rebar_runtime::execute::Blocked| {
        b.subject == "machine/web-3" && b.cause == "left out: edge/entry"
    };
    assert!(outcome.blocked.iter().any(is), "{outcome:#?}");
    // Left out itself, it keeps its address whatever else is done.
    let outcome = apply(
        &state,
        &world,
        &part(&state, &world, &after, &except(&["web-3"])).await,
    )
    .await;
    assert_eq!(
        (outcome.status, world.count("destroy")),
        (Status::Done, 0),
        "{outcome:#?}"
    );
    assert!(state.ledger("laptop").await.unwrap().deploys["shop"].contains_key("web-3"));
    let outcome = apply(&state, &world, &plan(&state, &world, &after).await).await;
    assert_eq!(outcome.status, Status::Done);
    assert_eq!(world.count("destroy machine/web-3"), 1);
    assert!(!state.ledger("laptop").await.unwrap().deploys["shop"].contains_key("web-3"));
}

#[tokio::test]
async fn one_node_is_replaced_because_it_was_asked_for() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let spec = Spec::default();
    apply(&state, &world, &plan(&state, &world, &spec).await).await;
    let again = part(&state, &world, &spec, &replace(&["web-2"])).await;
    let outcome = apply(&state, &world, &again).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    assert_eq!(
        (world.count("destroy machine/web-2"), world.count("destroy")),
        (1, 1)
    );
    assert_eq!(
        (world.count("create machine/web-2"), world.count("end web-2/")),
        (2, 6)
    );
    assert_eq!(world.count("end web-1/"), 3, "others are not touched");
    let after = plan(&state, &world, &spec).await;
    assert_eq!(apply(&state, &world, &after).await.changed, 0);
}

#[tokio::test]
async fn wrong_selections_are_refused_in_words() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let whole = plan(&state, &world, &Spec::default()).await;
    let refused = |wanted: &Wanted| select(&mut whole.clone(), wanted, &Snapshot::default()).unwrap_err();
    match refused(&only(&["wbe-1"])) {
        SelectError::Unknown { pattern, known } => {
            assert_eq!((pattern.as_str(), known.len()), ("wbe-1", 4), "{known:?}");
        }
        other => panic!("{other}"),
    }
    let both = Wanted {
        only: list(&["web-1"]),
        replace: list(&["web-2"]),
        ..Wanted::default()
    };
    assert_eq!(refused(&both), SelectError::Both("web-2".to_owned()));
    let mut network = whole.clone();
    network.networks.get_mut("front").unwrap().verb = rebar_compiler::plan::ObjectVerb::Replace {
        because: "its addresses were others".to_owned(),
        changes: Vec::new(),
    };
    let error = select(&mut network, &only(&["web-1"]), &Snapshot::default()).unwrap_err();
    assert!(error.to_string().contains("`edge` cannot be left out"), "{error}");
}
