//! `rebar compare`

use std::path::Path;

use rebar_compiler::plan::{Comparison, Ledger, Plan, Snapshot, compare};
use rebar_runtime::plan_file;

use super::{Context, given};
use crate::cli::{CompareArgs, Format};
use crate::exit::Exit;
use crate::render;
use crate::report::Failure;

/// Compares two deploys of the spec, or plan files. Machines are not looked at: deploys are planned as if
/// nothing stood, with the outputs that others have handed out.
pub(crate) async fn run(context: &Context, args: &CompareArgs) -> Result<Exit, Failure> {
    let Some(left) = plan(context, &args.left, args).await? else {
        return Ok(Exit::Failed);
    };
    let Some(right) = plan(context, &args.right, args).await? else {
        return Ok(Exit::Failed);
    };
    let comparison: Comparison = compare(&left, &right);
    let text = if args.json {
        format!("{:#}\n", serde_json::json!(comparison))
    } else {
        render::compare::compare(&comparison, context.out)
    };
    super::print(&text)?;
    Ok(if comparison.agree {
        Exit::Done
    } else {
        Exit::Changes
    })
}

/// The plan of a file, if the argument looks like one, else of a deploy. `None` when the spec has errors.
async fn plan(context: &Context, what: &str, args: &CompareArgs) -> Result<Option<Plan>, Failure> {
    if super::is_file(what) {
        let (plan, _) = plan_file::read(Path::new(what))
            .map_err(|error| Failure::new(error.code(), error.to_string()).help(error.help()))?;
        return Ok(Some(plan));
    }
    let mut analysis = given::analyse(context, what, &args.arguments).await?;
    let plan = analysis.plan(what, &Ledger::default(), &Snapshot::default());
    super::show(context, Format::Human, &analysis.diagnostics, &analysis.sources)?;
    Ok(plan)
}
