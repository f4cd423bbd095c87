//! From the spec to a plan: what `plan`, `apply`, `graph` and `check` share.

use std::collections::BTreeMap;
use std::path::Path;

use rebar_compiler::Analysis;
use rebar_compiler::plan::{Ledger, Plan, Snapshot, leave_undrained};
use rebar_runtime::observe::{self, Depth};
use rebar_runtime::state::State;

use super::show::show_beside;
use super::{Context, given, select};
use crate::backends;
use crate::cli::{ArgumentArgs, DrainArgs, Format, SelectArgs};
use crate::exit::Exit;
use crate::report::Failure;

/// A plan, or how the program ends instead (what was wrong has been shown).
pub(crate) enum Made {
    /// The plan, and whether some node or step could not be asked how it is.
    Plan(Box<Plan>, bool),
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
    arguments: &ArgumentArgs,
) -> Result<Made, Failure> {
    Ok(compiled(context, deploy, depth, format, (&[], arguments))
        .await?
        .0)
}

/// As [`make`], of the part that is asked for; of these nodes, none is drained before it goes.
///
/// # Errors
/// Those of [`make`], and when there is no such part.
pub(crate) async fn make_part(
    context: &Context,
    deploy: &str,
    depth: Depth,
    format: Format,
    (part, undrained, arguments): (&SelectArgs, &DrainArgs, &ArgumentArgs),
) -> Result<Made, Failure> {
    let (mut made, snapshot) = compiled(context, deploy, depth, format, (&part.retire, arguments)).await?;
    if let Made::Plan(plan, _) = &mut made {
        select::only_nodes_that_can_leave(plan, &part.retire)?;
        select::part(plan, part, &snapshot)?;
        for node in &undrained.nodes {
            if !leave_undrained(plan, node) {
                let message = format!("`{node}` is no node that leaves or is replaced");
                return Err(Failure::new("E1625", message)
                    .help("`rebar plan` shows which nodes go")
                    .exit(Exit::Usage));
            }
        }
    }
    Ok(made)
}

async fn compiled(
    context: &Context,
    deploy: &str,
    depth: Depth,
    format: Format,
    (retire, arguments): (&[String], &ArgumentArgs),
) -> Result<(Made, Snapshot), Failure> {
    let mut analysis = given::analyse(context, deploy, arguments).await?;
    let (mut made, mut unsure, mut found) = (None, false, Snapshot::default());
    if !analysis.diagnostics.has_errors() {
        let (mut ledger, snapshot, unknown) = look(context, &analysis, deploy, depth).await?;
        for (name, because) in &unknown {
            let because = crate::render::palette::plain(because);
            eprintln!("warning: `{name}` could not be asked, and is taken to be as applied: {because}");
        }
        unsure = !unknown.is_empty();
        select::retire(&mut ledger, deploy, retire)?;
        made = analysis.plan(deploy, &ledger, &snapshot);
        found = snapshot;
        if let Some(plan) = &mut made {
            refuse_other_place(context, plan).await?;
            super::secrets::know(context, plan, &found).await?;
        }
    }
    let (said, sources) = (&analysis.diagnostics, &analysis.sources);
    let made = match made {
        // Where there is a plan, standard output is for it alone.
        Some(plan) if !said.has_errors() => {
            show_beside(context, format, said, sources);
            Made::Plan(Box::new(plan), unsure)
        }
        Some(_) | None => {
            super::show(context, format, said, sources)?;
            Made::Ended(Exit::Failed)
        }
    };
    Ok((made, found))
}

/// What the ledger and the record know of a deploy, and how it was found.
async fn look(
    context: &Context,
    analysis: &Analysis,
    deploy: &str,
    depth: Depth,
) -> Result<(Ledger, Snapshot, BTreeMap<String, String>), Failure> {
    // Expansion reports an unknown name, with the nearest one.
    let Some(site) = site(analysis, deploy) else {
        return Ok(Default::default());
    };
    let folder = context.project.folders()?.state;
    if is_new(&folder) {
        return Ok(Default::default());
    }
    let state = State::in_folder(&folder).map_err(|error| Failure::from_state(&error))?;
    let ledger = state
        .ledger(&site)
        .await
        .map_err(|error| Failure::from_state(&error))?;
    let recorded = state
        .deploy(deploy)
        .await
        .map_err(|error| Failure::from_state(&error))?;
    let (snapshot, unknown) = match recorded {
        Some(record) if depth != Depth::None => {
            let backend = backends::backend(&record.backend, &context.project.folders()?)?;
            let findings = observe::look(&state, &*backend, deploy, &site, depth).await;
            let findings = findings.map_err(|error| Failure::from_observe(&error))?;
            (findings.snapshot, findings.unknown)
        }
        _ => {
            let snapshot = state.snapshot_record(deploy, &site).await;
            let snapshot = snapshot.map_err(|error| Failure::from_state(&error))?;
            (snapshot, BTreeMap::new())
        }
    };
    Ok((ledger, snapshot, unknown))
}

/// What another backend made, this plan's backend would take for gone, and leave behind.
async fn refuse_other_place(context: &Context, plan: &Plan) -> Result<(), Failure> {
    let folder = context.project.folders()?.state;
    if is_new(&folder) {
        return Ok(());
    }
    let state = State::in_folder(&folder).map_err(|error| Failure::from_state(&error))?;
    let checked = state
        .same_place(&plan.deploy, &plan.site, &plan.backend.name)
        .await;
    checked.map_err(|error| Failure::from_state(&error))
}

/// Whether nothing was ever applied here. A folder that cannot be looked into, or a link to one that is away,
/// may hold a state: planning as if there were none would make everything anew.
pub(super) fn is_new(folder: &Path) -> bool {
    let absent = |path: &Path| {
        let found = std::fs::symlink_metadata(path);
        found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    };
    absent(folder) || folder.is_dir() && absent(&folder.join(rebar_runtime::state::FILE))
}

/// The name of the site that a deploy stands on.
fn site(analysis: &Analysis, deploy: &str) -> Option<String> {
    let found = analysis.typed.deploys.iter().find(|d| d.name == deploy)?;
    Some(analysis.typed.resolved.item_name(found.site)?.text.clone())
}
