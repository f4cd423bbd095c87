//! What the tests of state and executor share: a scripted world, small plans, and a journal that crashes.

pub(crate) mod agent;
pub(crate) mod crash;
pub(crate) mod spec;
pub(crate) mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rebar_compiler::plan::Plan;
use rebar_runtime::execute::{Context, Event, Retry};
use rebar_runtime::observe::{Depth, observe};
use rebar_runtime::state::State;

use spec::Spec;
use world::TestWorld;

/// A folder in memory where there is one, so that thousands of commits take seconds.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
    .unwrap()
}

/// A context with short pauses.
pub(crate) fn context(state: &State, world: &Arc<TestWorld>) -> Context {
    let mut context = Context::new(state.clone(), world.clone());
    context.retry = Retry {
        attempts: 4,
        first: Duration::from_millis(1),
        longest: Duration::from_millis(4),
        silence: Duration::from_secs(60),
    };
    context
}

/// Plans `spec` from what is recorded and found.
pub(crate) async fn plan(state: &State, world: &Arc<TestWorld>, spec: &Spec) -> Plan {
    let snapshot = observe(state, world.as_ref(), &spec.deploy, &spec.site, Depth::Nodes)
        .await
        .unwrap();
    let ledger = state.ledger(&spec.site).await.unwrap();
    spec.plan(&snapshot, &ledger)
}

/// Gathers events.
pub(crate) fn listen(context: &mut Context) -> Arc<std::sync::Mutex<Vec<Event>>> {
    let events = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = events.clone();
    context.events = Arc::new(move |event| sink.lock().unwrap().push(event));
    events
}
