//! `rebar destroy`

use std::collections::BTreeSet;

use rebar_runtime::execute;

use super::{Context, carry, node};
use crate::backends;
use crate::cli::DestroyArgs;
use crate::exit::Exit;
use crate::render::palette::{count, names};
use crate::report::Failure;

/// Asks, then takes everything of a deploy down. Works without the spec: the state knows what stands.
pub(crate) async fn run(context: &Context, args: &DestroyArgs) -> Result<Exit, Failure> {
    let state = node::state(context)?;
    let record = node::recorded(&state, &args.deploy).await?;
    let snapshot = state.snapshot_record(&record.name, &record.site).await;
    let snapshot = snapshot.map_err(|error| Failure::from_state(&error))?;
    let backend = backends::backend(&record.backend, &context.project.folders()?)?;
    let same = state.same_engine(&record.name, &*backend).await;
    same.map_err(|error| Failure::from_state(&error))?;
    // Also what the record does not know of, should there be such a thing.
    let found = backend
        .observe(&record.scope())
        .await
        .map_err(|error| Failure::from_backend(&error))?;
    let nodes: BTreeSet<&str> = snapshot
        .nodes
        .keys()
        .chain(found.machines.keys())
        .map(String::as_str)
        .collect();
    let networks: BTreeSet<&String> = snapshot.networks.keys().chain(found.networks.keys()).collect();
    if nodes.is_empty() && networks.is_empty() && record.open_run.is_none() {
        super::print(&format!("nothing of `{}` stands\n", args.deploy))?;
        return Ok(Exit::Done);
    }
    let nodes: Vec<&str> = nodes.into_iter().collect();
    let what = format!(
        "destroys {} ({}) and {} of `{}`, with all that is on them",
        count(nodes.len(), "node"),
        names(&nodes),
        count(networks.len(), "network"),
        args.deploy
    );
    super::tell(&format!("{}\n", context.err.remove(&what)));
    if !carry::confirm("Go on?", args.yes)? {
        super::tell("nothing was changed\n");
        return Ok(Exit::Refused);
    }
    let executor = carry::context(context, state.clone(), backend, None, args.json)?;
    let result = execute::destroy(&args.deploy, &executor).await;
    let left = state
        .deploys()
        .await
        .map_err(|error| Failure::from_state(&error))?;
    if left
        .iter()
        .all(|deploy| deploy.machines == 0 && deploy.open_run.is_none())
    {
        context.project.forget_data();
    }
    drop(executor); // with it the bars, before the outcome is told
    carry::conclude(context, result, args.json)
}
