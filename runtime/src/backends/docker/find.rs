//! All deploys that the engine has objects of: for a state that was lost.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;

use super::labels;
use super::world::Seen;
use crate::backend::{Found, FoundObject, Scope};

/// The scopes of what is seen, by what its labels tell.
pub(super) fn find(seen: &Seen) -> Vec<Found> {
    let mut scopes: BTreeMap<String, Found> = BTreeMap::new();
    for there in &seen.containers {
        let Some(scope) = scope(&there.labels).filter(|scope| there.is_of(scope)) else {
            continue;
        };
        let removal = format!("docker rm --force --volumes {}", there.handle);
        let object = object(&there.labels, &there.handle, there.complete(), removal);
        let found = of(&mut scopes, scope, &there.labels);
        // Of a whole machine and a half of the same name, the whole one counts.
        let name = there.label(labels::NAME).to_owned();
        if object.complete || !found.machines.contains_key(&name) {
            found.machines.insert(name, object);
        }
    }
    for there in &seen.networks {
        let Some(scope) = scope(&there.labels).filter(|scope| there.is_of(scope)) else {
            continue;
        };
        let removal = format!("docker network rm {}", there.handle);
        let object = object(&there.labels, &there.handle, true, removal);
        let found = of(&mut scopes, scope, &there.labels);
        found
            .networks
            .insert(there.label(labels::NAME).to_owned(), object);
    }
    scopes.into_values().collect()
}

fn text(labels: &HashMap<String, String>, label: &str) -> String {
    labels.get(label).cloned().unwrap_or_default()
}

fn scope(labels: &HashMap<String, String>) -> Option<Scope> {
    let deploy_id = text(labels, labels::DEPLOY_ID);
    (!deploy_id.is_empty()).then(|| Scope {
        deploy_id,
        deploy: text(labels, labels::DEPLOY),
    })
}

fn object<T: DeserializeOwned>(
    labels: &HashMap<String, String>,
    handle: &str,
    complete: bool,
    removal: String,
) -> FoundObject<T> {
    FoundObject {
        handle: handle.to_owned(),
        operation: text(labels, labels::OPERATION),
        complete,
        spec: serde_json::from_str(&text(labels, labels::SPEC)).ok(),
        removal,
    }
}

/// The entry of a scope, whose epoch is the highest of its objects.
fn of<'a>(
    scopes: &'a mut BTreeMap<String, Found>,
    scope: Scope,
    labels: &HashMap<String, String>,
) -> &'a mut Found {
    let found = scopes.entry(scope.deploy_id.clone()).or_insert_with(|| Found {
        scope,
        epoch: 0,
        machines: BTreeMap::new(),
        networks: BTreeMap::new(),
    });
    found.epoch = found.epoch.max(text(labels, labels::EPOCH).parse().unwrap_or(0));
    found
}
