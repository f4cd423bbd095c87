//! `rebar destroy`

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
    if snapshot.nodes.is_empty() && snapshot.networks.is_empty() && record.open_run.is_none() {
        super::print(&format!("nothing of `{}` stands\n", args.deploy))?;
        return Ok(Exit::Done);
    }
    let nodes: Vec<&str> = snapshot.nodes.keys().map(String::as_str).collect();
    let what = format!(
        "destroys {} ({}) and {} of `{}`, with all that is on them",
        count(nodes.len(), "node"),
        names(&nodes),
        count(snapshot.networks.len(), "network"),
        args.deploy
    );
    super::tell(&format!("{}\n", context.err.remove(&what)));
    if !carry::confirm("Go on?", args.yes)? {
        super::tell("nothing was changed\n");
        return Ok(Exit::Refused);
    }
    let backend = backends::backend(&record.backend, &context.project.folders())?;
    let executor = carry::context(context, state, backend, None, args.json);
    let result = execute::destroy(&args.deploy, &executor).await;
    carry::conclude(context, result, args.json)
}
