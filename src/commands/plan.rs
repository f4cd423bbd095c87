//! `rebar plan`

use rebar_runtime::observe::Depth;
use rebar_runtime::plan_file;

use super::compile::{Made, make_part};
use super::{Context, expect, given};
use crate::cli::{PlanArgs, Refresh};
use crate::exit::Exit;
use crate::render;
use crate::render::plan::Summary;
use crate::report::Failure;

/// Plans of more nodes are not forecast unless `--facts` asks for it: that fills every step.
const FORESEEN: usize = 2000;

/// Shows what an apply would change.
pub(crate) async fn run(context: &Context, args: &PlanArgs) -> Result<Exit, Failure> {
    if let Some(path) = &args.out {
        context.project.refuse_own(path)?;
    }
    let part = (&args.select, &args.drain, &args.arguments);
    let (depth, format) = (depth(args.refresh), args.diagnostics.format);
    let (plan, unsure) = match make_part(context, &args.deploy, depth, format, part).await? {
        Made::Plan(plan, unsure) => (plan, unsure),
        Made::Ended(exit) => return Ok(exit),
    };
    if !args.arguments.drop_args && !Summary::of(&plan).is_empty() {
        given::tell_missed(context, &plan).await?;
    }
    let wanted = args.facts || !args.json && !Summary::of(&plan).is_empty() && plan.nodes.len() <= FORESEEN;
    let facts = if wanted {
        Some(expect::of(context, &plan).await?)
    } else {
        None
    };
    let stage = tracing::debug_span!("print").entered();
    let text = match &facts {
        Some(facts) if args.facts => format!("{:#}\n", serde_json::json!(facts)),
        _ if args.json => format!("{:#}\n", serde_json::json!(plan)),
        facts => {
            let expected = facts
                .as_ref()
                .map(|f| format!("\n{}", render::facts::facts(f, context.out)));
            render::plan::plan(&plan, unsure, context.out) + &expected.unwrap_or_default()
        }
    };
    super::print(&text)?;
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
