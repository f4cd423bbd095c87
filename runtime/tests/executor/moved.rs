//! `moved`: names change in the record, by lines of the journal, and nothing is done anywhere.

use std::sync::Arc;

use rebar_compiler::plan::{self, Plan};
use rebar_runtime::execute::{Status, destroy, execute};
use rebar_runtime::state::{Opened, Opening, RunKind, State};

use crate::project::{START, compiled};
use crate::support::world::TestWorld;
use crate::support::{context, folder};
use crate::surgery::replays;

fn renamed() -> String {
    let text = START
        .replace("nodes web ", "nodes page_servers ")
        .replace(") on web", ") on page_servers")
        .replace("run pages =", "run content =")
        .replace("pages.url", "content.url")
        .replace("file index {", "file start {")
        .replace("reload_on = [index]", "reload_on = [start]")
        .replace("node  edge ", "node  gate ")
        .replace("on edge", "on gate");
    format!(
        "moved shop.web -> shop.page_servers\nmoved shop.edge -> shop.gate\nmoved shop.pages -> shop.content\n\
         moved page.index -> page.start\n{text}"
    )
}

pub(crate) async fn started(state: &State, world: &Arc<TestWorld>) {
    let first = compiled(START, state, world).await;
    let outcome = execute(&first, &context(state, world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done);
}

async fn nothing_is_left_to_do(state: &State, world: &Arc<TestWorld>) {
    let again = compiled(&renamed(), state, world).await;
    assert!(plan::is_empty(&again), "{:?} {:#?}", again.moves, again.nodes);
    assert_eq!(again.ledger, state.ledger("laptop").await.unwrap());
    replays(state, "here").await;
    let found = state.inspect("here").await.unwrap().unwrap();
    let groups: Vec<(&str, &str)> = found
        .machine
        .iter()
        .map(|(n, m)| (n.as_str(), m.group.as_str()))
        .collect();
    assert_eq!(
        groups,
        [
            ("edge", "gate"),
            ("web-1", "page_servers"),
            ("web-2", "page_servers")
        ]
    );
    let mut steps = found.machine["web-1"].steps.iter();
    assert!(steps.any(|step| step.address == "content.start"));
}

#[tokio::test]
async fn a_group_a_run_and_a_step_are_called_otherwise_and_nothing_is_done() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    started(&state, &world).await;
    let (before, log) = (world.picture(), world.log().len());
    let next = compiled(&renamed(), &state, &world).await;
    assert_eq!(next.moves.len(), 4);
    let outcome = execute(&next, &context(&state, &world)).await.unwrap();
    assert_eq!((outcome.status, outcome.changed), (Status::Done, 0));
    assert_eq!(world.picture(), before);
    let done = world.log()[log..]
        .iter()
        .filter(|l| !l.starts_with("observe"))
        .count();
    assert_eq!(done, 0, "{:#?}", &world.log()[log..]);
    nothing_is_left_to_do(&state, &world).await;
    let runs = state.history(Some("here"), 1).await.unwrap();
    let lines = state.lines(&runs[0].run.id).await.unwrap();
    assert_eq!(lines.len(), 8, "an intent and its end for each");
    // What is changed, added and removed later goes by the names of now.
    let more = renamed()
        .replace("shop(replicas = 2)", "shop(replicas = 3)")
        .replace("moved page.index -> page.start\n", "")
        .replace("moved shop.web -> shop.page_servers\n", "");
    let grown = compiled(&more, &state, &world).await;
    assert_eq!(
        grown.groups["page_servers"].nodes,
        ["web-1", "web-2", "page_servers-3"]
    );
    let outcome = execute(&grown, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    replays(&state, "here").await;
    let gone = destroy("here", &context(&state, &world)).await.unwrap();
    assert_eq!(gone.status, Status::Done);
    assert!(
        state
            .ledger("laptop")
            .await
            .unwrap()
            .deploys
            .get("here")
            .is_none_or(|d| d.is_empty())
    );
}

/// The run of a plan is opened, and the program dies.
pub(crate) async fn killed_after_opening(plan: &Plan, state: &State) {
    let lease = state.lease("here", "laptop", &plan.backend.name).await.unwrap();
    let opening = Opening {
        kind: RunKind::Apply,
        plan_hash: plan::hash(plan),
        plan: serde_json::to_string(plan).unwrap(),
        site: plan.site.clone(),
        backend: plan.backend.name.clone(),
        base: plan.base.clone(),
        ledger: plan.ledger.deploys["here"].clone(),
        moves: plan.moves.clone(),
    };
    let fresh = state.examine_opening(lease.token(), &opening).await.unwrap();
    assert_eq!(fresh, Opened::Fresh(None));
    state.open_run(lease.token(), opening, None).await.unwrap();
    lease.release().await.unwrap();
}

#[tokio::test]
async fn a_run_that_was_killed_after_its_moves_goes_on_or_is_taken_over() {
    for resumed in [true, false] {
        let (folder, world) = (folder(), TestWorld::new());
        let state = State::in_folder(folder.path()).unwrap();
        started(&state, &world).await;
        let before = world.picture();
        let next = compiled(&renamed(), &state, &world).await;
        killed_after_opening(&next, &state).await;
        replays(&state, "here").await;
        // The moves and the opening of the run are one transaction: who plans anew finds them done.
        let plan = match resumed {
            true => next,
            false => compiled(&renamed(), &state, &world).await,
        };
        assert_eq!(plan.moves.is_empty(), !resumed);
        let outcome = execute(&plan, &context(&state, &world)).await.unwrap();
        assert_eq!((outcome.status, outcome.changed), (Status::Done, 0));
        assert_eq!(world.picture(), before);
        nothing_is_left_to_do(&state, &world).await;
    }
}
