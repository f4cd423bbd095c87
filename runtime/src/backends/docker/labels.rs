//! What our objects are called and what they carry: labels are all that this backend knows of them.

use std::collections::HashMap;

use crate::backend::{Operation, Scope};
use crate::backends::identity;

/// Says that an object is ours, and what it is.
pub(super) const KIND: &str = "rebar";
/// The deploy's id.
pub(crate) const DEPLOY_ID: &str = "rebar.deploy-id";
/// The deploy's name, for people.
pub(super) const DEPLOY: &str = "rebar.deploy";
/// The object's name in the deploy.
pub(super) const NAME: &str = "rebar.name";
/// The operation that made it.
pub(super) const OPERATION: &str = "rebar.operation";
/// The epoch of the writer that made it.
pub(super) const EPOCH: &str = "rebar.epoch";
/// What a machine was made from.
pub(super) const DIGEST: &str = "rebar.digest";
/// The first process of a machine.
pub(super) const INIT: &str = "rebar.init";
/// A network's addresses.
pub(super) const CIDR: &str = "rebar.cidr";
/// What an object was made from, as JSON: a state that was lost is made anew from it.
pub(super) const SPEC: &str = "rebar.spec";
/// An image's key.
pub(crate) const IMAGE: &str = "rebar.image";

/// The end of the name of a machine that is still being made. A machine's own name has no dot.
const HALF: &str = ".new";

/// A short word for a deploy that no other deploy has.
pub(crate) fn short(scope: &Scope) -> String {
    identity::hexadecimal(&scope.deploy_id, 5)
}

/// What the engine calls an object that is whole.
pub(super) fn handle(scope: &Scope, name: &str) -> String {
    format!("rebar-{}-{name}", short(scope))
}

/// What the engine calls a machine that is being made.
pub(super) fn half(scope: &Scope, name: &str) -> String {
    handle(scope, name) + HALF
}

/// Whether the engine's name for a container is that of one that is being made.
pub(super) fn is_half(container: &str) -> bool {
    container.ends_with(HALF)
}

/// The control group that a machine's groups stand in: nothing else is in it.
pub(super) fn group(scope: &Scope, name: &str, slices: bool) -> String {
    if slices {
        // A dash would mean a slice within a slice.
        format!(
            "rebar{}.slice",
            identity::hexadecimal(&format!("{}/{name}", scope.deploy_id), 8)
        )
    } else {
        handle(scope, name)
    }
}

/// What every object of ours carries.
pub(super) fn labels(
    scope: &Scope,
    kind: &str,
    name: &str,
    operation: &Operation,
) -> HashMap<String, String> {
    [
        (KIND, kind.to_owned()),
        (DEPLOY_ID, scope.deploy_id.clone()),
        (DEPLOY, scope.deploy.clone()),
        (NAME, name.to_owned()),
        (OPERATION, operation.id.clone()),
        (EPOCH, operation.epoch.to_string()),
    ]
    .into_iter()
    .map(|(label, value)| (label.to_owned(), value))
    .collect()
}

/// The filter that the engine's lists take for what has this label.
pub(super) fn filter(label: &str, value: &str) -> Option<HashMap<String, Vec<String>>> {
    Some([("label".to_owned(), vec![format!("{label}={value}")])].into())
}
