//! `rebar plan`

use rebar_runtime::observe::Depth;
use rebar_runtime::plan_file;

use super::Context;
use super::compile::{Made, make, undrained};
use crate::cli::{PlanArgs, Refresh};
use crate::exit::Exit;
use crate::render;
use crate::render::plan::Summary;
use crate::report::Failure;

/// Shows what an apply would change.
pub(crate) async fn run(context: &Context, args: &PlanArgs) -> Result<Exit, Failure> {
    let (plan, unsure) = match make(
        context,
        &args.deploy,
        depth(args.refresh),
        args.diagnostics.format,
    )
    .await
    .and_then(|made| undrained(made, &args.drain.nodes))?
    {
        Made::Plan(plan, unsure) => (plan, unsure),
        Made::Ended(exit) => return Ok(exit),
    };
    let stage = tracing::debug_span!("print").entered();
    if args.json {
        super::print(&format!("{:#}\n", serde_json::json!(plan)))?;
    } else {
        super::print(&render::plan::plan(&plan, unsure, context.out))?;
    }
    drop(stage);
    if let Some(path) = &args.out {
        let written = plan_file::write(path, &plan);
        written.map_err(|error| Failure::new(error.code(), error.to_string()).help(error.help()))?;
        let shown = path.display();
        super::tell(&format!("wrote {shown}; `rebar apply {shown}` carries it out\n"));
    }
    let empty = Summary::of(&plan).is_empty();
    // The program ends here: freeing a million rows one by one would only take time.
    std::mem::forget(plan);
    Ok(match (args.exit_code, empty) {
        (true, false) => Exit::Changes,
        (true, true) if unsure => Exit::Unknown,
        (true, true) | (false, _) => Exit::Done,
    })
}

fn depth(refresh: Refresh) -> Depth {
    match refresh {
        Refresh::None => Depth::None,
        Refresh::Objects => Depth::Objects,
        Refresh::Nodes => Depth::Nodes,
    }
}
