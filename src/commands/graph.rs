//! `rebar graph`

use rebar_runtime::observe::Depth;

use super::compile::{Made, make};
use super::{Context, expect};
use crate::cli::{Format, GraphArgs, GraphFormat};
use crate::exit::Exit;
use crate::render::graph;
use crate::report::Failure;

/// Draws what runs where and what waits for what; machines are not looked at, but how long things took here before is.
pub(crate) async fn run(context: &Context, args: &GraphArgs) -> Result<Exit, Failure> {
    let plan = match make(context, &args.deploy, Depth::None, Format::Human, &args.arguments).await? {
        Made::Plan(plan, _) => plan,
        Made::Ended(exit) => return Ok(exit),
    };
    let expected = expect::graph(context, &plan).await?;
    let text = match args.format {
        GraphFormat::Dot => graph::dot(&plan, &expected),
        GraphFormat::Mermaid => graph::mermaid(&plan, &expected),
        GraphFormat::Svg => graph::svg(&plan, &expected)
            .map_err(|cause| Failure::new("E1611", format!("cannot draw the graph: {cause}")))?,
    };
    super::print(&text)?;
    Ok(Exit::Done)
}
