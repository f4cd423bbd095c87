//! From the spec to a plan: what `plan`, `apply`, `graph` and `check` share.

use rebar_compiler::plan::{Ledger, Plan, Snapshot};
use rebar_compiler::{Analysis, expand, graph, plan};
use rebar_runtime::observe::{Depth, observe};
use rebar_runtime::state::State;

use super::Context;
use crate::backends;
use crate::cli::Format;
use crate::exit::Exit;
use crate::report::Failure;

/// A plan, or how the program ends instead (what was wrong has been shown).
pub(crate) enum Made {
    /// The plan.
    Plan(Box<Plan>),
    /// The spec has errors.
    Ended(Exit),
}

/// Compiles the spec and plans `deploy` on what stands.
///
/// Without a state (nothing was applied here) nothing is looked at, and no state is made.
///
/// # Errors
/// When the state or the backend cannot be asked.
pub(crate) async fn make(
    context: &Context,
    deploy: &str,
    depth: Depth,
    format: Format,
) -> Result<Made, Failure> {
    let analysis = super::analyse(context);
    let found = if analysis.diagnostics.has_errors() {
        None
    } else {
        Some(look(context, &analysis, deploy, depth).await?)
    };
    let (ledger, snapshot) = found.unwrap_or_default();
    plan_on(context, analysis, deploy, &ledger, &snapshot, format)
}

/// Plans on a ledger and a snapshot that are given.
pub(crate) fn plan_on(
    context: &Context,
    analysis: Analysis,
    deploy: &str,
    ledger: &Ledger,
    snapshot: &Snapshot,
    format: Format,
) -> Result<Made, Failure> {
    let Analysis { sources, mut diagnostics, typed } = analysis;
    let mut made = None;
    if !diagnostics.has_errors() {
        let library = super::library(context);
        if let Some(instances) = expand::expand(&typed, deploy, ledger, &library, &mut diagnostics) {
            let graph = graph::build(&instances, &mut diagnostics);
            if !diagnostics.has_errors() {
                made = Some(plan::plan(&instances, &graph, snapshot));
            }
        }
    }
    let exit = super::show(context, format, &diagnostics, &sources)?;
    Ok(match made {
        Some(plan) if exit == Exit::Done => Made::Plan(Box::new(plan)),
        _ => Made::Ended(Exit::Failed),
    })
}

/// What the ledger and the record know of a deploy, and how it was found.
async fn look(
    context: &Context,
    analysis: &Analysis,
    deploy: &str,
    depth: Depth,
) -> Result<(Ledger, Snapshot), Failure> {
    let Some(found) = analysis.typed.deploys.iter().find(|d| d.name == deploy) else {
        // Expansion reports the unknown name, with the nearest one.
        return Ok(Default::default());
    };
    let folder = context.project.folders().state;
    if !folder.join(rebar_runtime::state::FILE).exists() {
        return Ok(Default::default());
    }
    let state = State::in_folder(&folder).map_err(|error| Failure::from_state(&error))?;
    let ledger = state.ledger(&found.site_name).await.map_err(|error| Failure::from_state(&error))?;
    let recorded = state.deploy(deploy).await.map_err(|error| Failure::from_state(&error))?;
    let snapshot = match recorded {
        Some(record) if depth != Depth::None => {
            let backend = backends::backend(&record.backend, &context.project.folders())?;
            let snapshot = observe(&state, &*backend, deploy, &found.site_name, depth).await;
            snapshot.map_err(|error| Failure::from_observe(&error))?
        }
        _ => {
            let snapshot = state.snapshot_record(deploy, &found.site_name).await;
            snapshot.map_err(|error| Failure::from_state(&error))?
        }
    };
    Ok((ledger, snapshot))
}
