//! Refuses networks whose addresses mean something else on this host already.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::super::store::{self, Store};
use super::super::{errors, tools};
use super::overlap;
use crate::backend::{BackendError, NetworkSpec, Scope};

/// A route as `ip -json route` tells it.
#[derive(Deserialize)]
struct Route {
    dst: String,
    #[serde(default)]
    dev: String,
}

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
    let family = if spec.cidr.network().is_ipv6() { "-6" } else { "-4" };
    let routes = tools::run("ip", &["-json", family, "route", "show", "table", "main"], b"")?;
    match collision(&routes, &spec.cidr, bridge) {
        Some(route) => Err(errors::collision(&spec.name, spec.cidr, route)),
        None => Ok(()),
    }
}

/// The route that these addresses collide with. Default routes, also those in two halves, lead everywhere.
fn collision(routes: &[u8], cidr: &IpNet, bridge: &str) -> Option<String> {
    let routes: Vec<Route> = serde_json::from_slice(routes).unwrap_or_default();
    routes
        .iter()
        .filter(|route| route.dev != bridge)
        .find(|route| {
            destination(&route.dst).is_some_and(|found| found.prefix_len() > 1 && overlap(&found, cidr))
        })
        .map(|route| format!("this host's route to {} (interface `{}`)", route.dst, route.dev))
}

fn destination(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_of_the_host_collide_and_defaults_do_not() {
        let routes = br#"[{"dst":"default","dev":"eth0"},{"dst":"0.0.0.0/1","dev":"tun0"},
            {"dst":"10.77.0.0/16","dev":"eth0"},{"dst":"10.99.0.7","dev":"eth1"}]"#;
        let found = |cidr: &str, bridge: &str| collision(routes, &cidr.parse().unwrap(), bridge);
        assert!(found("10.77.3.0/24", "rb-x").unwrap().contains("10.77.0.0/16"));
        assert!(found("10.77.3.0/24", "eth0").is_none());
        assert!(found("10.99.0.0/24", "rb-x").unwrap().contains("eth1"));
        assert!(found("10.78.0.0/24", "rb-x").is_none());
    }
}
