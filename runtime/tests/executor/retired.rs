//! Nodes that are asked to leave: they, and no others, whatever is killed meanwhile.

use rebar_compiler::plan;
use rebar_runtime::execute::{Status, execute};
use rebar_runtime::state::State;

use crate::moved::{killed_after_opening, started};
use crate::project::{START, compiled, retiring};
use crate::support::world::TestWorld;
use crate::support::{context, folder};
use crate::surgery::replays;

async fn names(state: &State) -> Vec<String> {
    let ledger = state.ledger("laptop").await.unwrap();
    ledger.deploys["here"].keys().cloned().collect()
}

#[tokio::test]
async fn a_retired_node_leaves_although_the_program_dies_and_somebody_plans_anew() {
    for resumed in [true, false] {
        let (folder, world) = (folder(), TestWorld::new());
        let state = State::in_folder(folder.path()).unwrap();
        started(&state, &world).await;
        assert_eq!(names(&state).await, ["edge", "web-1", "web-2"]);
        let next = retiring(START, &["web-1"], &state, &world).await;
        assert_eq!(next.groups["web"].nodes, ["web-2", "web-3"]);
        killed_after_opening(&next, &state).await;
        assert_eq!(names(&state).await, ["edge", "web-1", "web-2", "web-3"]);
        // Who plans anew does not say again who is to leave.
        let plan = match resumed {
            true => next,
            false => compiled(START, &state, &world).await,
        };
        assert_eq!(plan.groups["web"].nodes, ["web-2", "web-3"]);
        let outcome = execute(&plan, &context(&state, &world)).await.unwrap();
        assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
        replays(&state, "here").await;
        assert_eq!(names(&state).await, ["edge", "web-2", "web-3"]);
        let after = compiled(START, &state, &world).await;
        assert!(plan::is_empty(&after), "{:#?}", after.nodes);
        // The name is free.
        let more = START.replace("shop(replicas = 2)", "shop(replicas = 3)");
        let grown = compiled(&more, &state, &world).await;
        assert_eq!(grown.groups["web"].nodes, ["web-1", "web-2", "web-3"]);
    }
}
