//! The project's secrets: where they come from, and what a plan may know of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rebar_compiler::plan::{Plan, SecretKnown, Snapshot, know_secrets, recorded};
use rebar_compiler::{Diagnostics, Sources, manifest};
use rebar_runtime::secrets::{SecretError, Secrets};

use super::Context;
use crate::exit::Exit;
use crate::report::Failure;

/// The secrets of the project, as `rebar.toml` says.
///
/// # Errors
/// When `rebar.toml` cannot be understood.
pub(crate) fn of(context: &Context) -> Result<Arc<Secrets>, Failure> {
    let (mut sources, mut told) = (Sources::default(), Diagnostics::default());
    let manifest = manifest::load(&context.project, manifest::FILE, &mut sources, &mut told);
    if let Some(first) = told.sorted().first() {
        return Err(
            Failure::new(first.code.0, format!("`rebar.toml`: {}", first.message))
                .help("`rebar check` shows where")
                .exit(Exit::Refused),
        );
    }
    let (root, state) = (context.project.root.clone(), context.project.folders()?.state);
    Ok(Arc::new(Secrets::of_project(root, state, &manifest.secrets)))
}

/// Asks for the MACs of a plan's secrets. One that is not there is told, and taken to be as it was applied.
///
/// # Errors
/// When the project's key cannot be used, or is not the one that generated secrets were made with.
pub(crate) async fn know(context: &Context, plan: &mut Plan, snapshot: &Snapshot) -> Result<(), Failure> {
    if plan.secrets.is_empty() {
        return Ok(());
    }
    let secrets = of(context)?;
    let key = secrets.key().map_err(|error| failure(&error))?;
    let mut known = BTreeMap::new();
    for (id, planned) in &plan.secrets {
        let reference = &planned.reference;
        let before = recorded(snapshot, id);
        let found = match (&key, &before) {
            (None, Some(_)) if reference.generated.is_some() => {
                return Err(other_key(&reference.name, "is gone"));
            }
            (Some(key), Some(mac)) if reference.generated.is_some() && !key.made(mac) => {
                return Err(other_key(&reference.name, "is another one"));
            }
            (None, _) => SecretKnown::NoKey,
            (Some(_), _) => match secrets.mac(reference).await {
                Ok(mac) => mac.map_or(SecretKnown::Unavailable, SecretKnown::Mac),
                Err(error) => {
                    let then = match before {
                        Some(_) => "it is taken to be as it was applied",
                        None => "it must be there for the apply",
                    };
                    super::tell(&format!("warning: {error}; {then}\n"));
                    SecretKnown::Unavailable
                }
            },
        };
        known.insert(id.clone(), found);
    }
    know_secrets(plan, snapshot, &known);
    Ok(())
}

/// Generated secrets follow from the key: another one would silently give all of them another value.
fn other_key(name: &str, how: &str) -> Failure {
    let message = format!("the key that the generated secret `{name}` was made with {how}");
    Failure::new("E1071", message)
        .help("bring `.rebar/secrets.key` back; or raise `version` of the generated secret, and it is made anew")
        .exit(Exit::Refused)
}

fn failure(error: &SecretError) -> Failure {
    Failure::new(error.code, error.message.clone())
        .help(error.help.clone())
        .exit(Exit::Refused)
}
