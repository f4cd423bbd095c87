//! Before anything is changed: are the secrets there that a plan needs, and are they those that it was made with?

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rebar_compiler::plan::{LEAVE, Plan, RecordedStep, SecretReference, secrets_in};

use super::{SecretError, Secrets};

/// The plan with the MACs of the secrets that `steps` need, where it was made without them.
///
/// # Errors
/// `E1230` when a secret is not there, `E1231` when it has changed since the plan was made.
pub(crate) async fn settle<'p>(
    plan: &'p Plan,
    steps: impl Iterator<Item = &RecordedStep>,
    secrets: &Secrets,
) -> Result<Cow<'p, Plan>, SecretError> {
    let mut plan = Cow::Borrowed(plan);
    for reference in needed(steps) {
        let Some(now) = secrets.mac(&reference).await? else {
            continue;
        };
        let id = reference.id();
        let planned = plan.secrets.get(&id);
        match planned.and_then(|secret| secret.mac.as_ref()) {
            Some(mac) if *mac == now => {}
            Some(_) if planned.is_some_and(|secret| !secret.assumed) => {
                return Err(SecretError {
                    code: "E1231",
                    message: format!("the {reference} is another one than when the plan was made"),
                    help: "make the plan anew with `rebar plan`".to_owned(),
                });
            }
            // It could not be asked for when the plan was made.
            Some(_) | None => {
                if let Some(secret) = plan.to_mut().secrets.get_mut(&id) {
                    (secret.mac, secret.assumed) = (Some(now), false);
                }
            }
        }
    }
    Ok(plan)
}

fn needed<'s>(steps: impl Iterator<Item = &'s RecordedStep>) -> BTreeSet<SecretReference> {
    let fields = steps
        .filter(|step| step.kind != LEAVE)
        .flat_map(|step| step.fields.values());
    let found: BTreeMap<String, SecretReference> = fields
        .flat_map(secrets_in)
        .map(|reference| (reference.id(), reference))
        .collect();
    found.into_values().collect()
}
