//! Finding a deploy of the state, and reaching its nodes.

use std::sync::Arc;

use rebar_compiler::diagnostics::nearest;
use rebar_runtime::backend::{Backend, Command, Process};
use rebar_runtime::state::{DeployRecord, State};

use super::Context;
use crate::backends;
use crate::report::Failure;

/// The state of the project.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn state(context: &Context) -> Result<State, Failure> {
    context.project.exists()?;
    State::in_folder(&context.project.folders()?.state).map_err(|error| Failure::from_state(&error))
}

/// The record of a deploy that was applied.
///
/// # Errors
/// `E1608` if there is none, with the nearest name.
pub(crate) async fn recorded(state: &State, deploy: &str) -> Result<DeployRecord, Failure> {
    let all = state
        .deploys()
        .await
        .map_err(|error| Failure::from_state(&error))?;
    if let Some(record) = all.iter().find(|record| record.name == deploy) {
        return Ok(record.clone());
    }
    let help = match nearest(deploy, all.iter().map(|record| record.name.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None if all.is_empty() => format!("nothing was applied here yet; `rebar apply {deploy}` does"),
        None => "`rebar status` lists what was applied".to_owned(),
    };
    Err(Failure::new("E1608", format!("no deploy `{deploy}` was applied here")).help(help))
}

/// Runs a program on a node of a deploy.
///
/// # Errors
/// `E1608` and `E1609` for an unknown deploy or node; those of the backend.
pub(crate) async fn open(
    context: &Context,
    deploy: &str,
    node: &str,
    command: &Command,
) -> Result<Process, Failure> {
    let state = state(context)?;
    let record = recorded(&state, deploy).await?;
    known(&state, &record, node).await?;
    let backend: Arc<dyn Backend> = backends::backend(&record.backend, &context.project.folders()?)?;
    let process = backend.open(&record.scope(), node, command).await;
    process.map_err(|error| Failure::from_backend(&error))
}

/// Fails unless a node of that name is recorded.
///
/// # Errors
/// `E1609`, with the nearest name.
pub(crate) async fn known(state: &State, record: &DeployRecord, node: &str) -> Result<(), Failure> {
    let deploy = &record.name;
    let snapshot = state.snapshot_record(&record.name, &record.site).await;
    let snapshot = snapshot.map_err(|error| Failure::from_state(&error))?;
    if !snapshot.nodes.contains_key(node) {
        let names: Vec<&str> = snapshot.nodes.keys().map(String::as_str).collect();
        let help = match nearest(node, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has: {}", names.join(", ")),
        };
        return Err(Failure::new("E1609", format!("deploy `{deploy}` has no node `{node}`")).help(help));
    }
    Ok(())
}
