//! Refuses networks whose addresses mean something else on this host already.

use super::super::store::{self, Store};
use super::super::{errors, tools};
use crate::backend::{BackendError, NetworkSpec, Scope};
use crate::backends::routes::{collision, overlap, question};

/// Refuses a network that collides with a route of this host or another network of this backend.
pub(super) fn refuse(
    store: &Store,
    scope: &Scope,
    spec: &NetworkSpec,
    bridge: &str,
) -> Result<(), BackendError> {
    for deploy in store::children(store.local())?
        .iter()
        .filter(|name| *name != "ranges")
    {
        for name in store::children(&store.local().join(deploy).join("networks"))? {
            let folder = store.local().join(deploy).join("networks").join(&name);
            let Some(record) = store::record::<NetworkSpec>(&folder)? else {
                continue;
            };
            let same = record.scope.deploy_id == scope.deploy_id && name == spec.name;
            if !same && overlap(&record.object.cidr, &spec.cidr) {
                return Err(errors::collision(
                    &spec.name,
                    spec.cidr,
                    format!(
                        "network `{name}` ({}) of deploy `{}`",
                        record.object.cidr, record.scope.deploy
                    ),
                ));
            }
        }
    }
    let routes = tools::run("ip", &question(&spec.cidr), b"")?;
    match collision(&routes, &spec.cidr, bridge) {
        Some(route) => Err(errors::collision(&spec.name, spec.cidr, route)),
        None => Ok(()),
    }
}
