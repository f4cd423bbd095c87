//! `rebar compare`

use std::path::Path;

use rebar_compiler::Analysis;
use rebar_compiler::plan::{Comparison, Ledger, Plan, Snapshot, compare};
use rebar_runtime::plan_file;

use super::Context;
use crate::cli::{CompareArgs, Format};
use crate::exit::Exit;
use crate::render;
use crate::report::Failure;

/// Compares two deploys of the spec, or plan files. Neither machines nor the state are looked at: deploys are planned
/// as if nothing stood.
pub(crate) fn run(context: &Context, args: &CompareArgs) -> Result<Exit, Failure> {
    // The spec is read once, and only where a deploy of it is meant.
    let mut analysis = None;
    let left = plan(context, &args.left, &mut analysis)?;
    let right = plan(context, &args.right, &mut analysis)?;
    if let Some(analysis) = &analysis {
        super::show(context, Format::Human, &analysis.diagnostics, &analysis.sources)?;
    }
    let (Some(left), Some(right)) = (left, right) else {
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
fn plan(context: &Context, what: &str, analysis: &mut Option<Analysis>) -> Result<Option<Plan>, Failure> {
    if super::is_file(what) {
        let (plan, _) = plan_file::read(Path::new(what))
            .map_err(|error| Failure::new(error.code(), error.to_string()).help(error.help()))?;
        return Ok(Some(plan));
    }
    let analysis = analysis.get_or_insert_with(|| super::analyse(context));
    Ok(analysis.plan(what, &Ledger::default(), &Snapshot::default()))
}
