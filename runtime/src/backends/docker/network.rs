//! Networks: bridges of the engine.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use ipnet::IpNet;
use tokio::time::{Instant, sleep};

use super::engine::{Engine, LONG, Refusal, SHORT, answer};
use super::errors as engine_errors;
use super::labels::{self, handle};
use super::world::Seen;
use crate::backend::{Applied, BackendError, NetworkSpec, Operation, Scope};
use crate::backends::{errors, identity, routes};

/// How long an engine may go on with a call that nobody waits for any more: it takes a network's addresses first, and
/// tells of the network only when its bridge stands. So an overlap with something unseen may be with ourselves.
const IN_FLIGHT: Duration = Duration::from_secs(5);
/// How often it is looked meanwhile.
const LOOK: Duration = Duration::from_millis(100);

fn applied(scope: &Scope, name: &str, note: &str) -> Applied {
    Applied {
        handle: handle(scope, name),
        note: note.to_owned(),
    }
}

/// Makes a network.
pub(super) async fn create(
    engine: &Engine,
    scope: &Scope,
    operation: &Operation,
    spec: &NetworkSpec,
) -> Result<Applied, BackendError> {
    identity::check_name("the name of a network", &spec.name)?;
    let seen = Seen::all(engine).await?;
    seen.check_epoch(scope, operation)?;
    if let Some(there) = seen.network(scope, &spec.name).next() {
        let made_by = there.label(labels::OPERATION);
        if made_by == operation.id {
            return Ok(applied(scope, &spec.name, "was there"));
        }
        return Err(errors::exists(format!("network `{}`", spec.name), made_by));
    }
    let own = handle(scope, &spec.name);
    if seen.networks.iter().any(|network| network.handle == own) {
        return Err(foreign(&own));
    }
    check_addresses(spec)?;
    if let Some(other) = collision(&seen, &spec.cidr) {
        return Err(errors::collision(&spec.name, spec.cidr, other));
    }
    if engine.is_here()
        && let Some(route) = route_of_this_host(&spec.cidr).await
    {
        return Err(errors::collision(&spec.name, spec.cidr, route));
    }
    let attempted = format!("make network `{}`", spec.name);
    let request = request(scope, operation, spec);
    let deadline = Instant::now() + IN_FLIGHT;
    loop {
        match answer(&attempted, LONG, engine.client.create_network(request.clone())).await? {
            Ok(made) => return alone(engine, scope, operation, spec, &made.id).await,
            Err(Refusal { message, .. }) if message.contains("overlap") => {
                if is_made(&Seen::of(engine, scope).await?, scope, operation, spec) {
                    return Ok(applied(scope, &spec.name, "was there"));
                }
                if Instant::now() >= deadline {
                    let other = "addresses that the container engine uses";
                    return Err(errors::collision(&spec.name, spec.cidr, other));
                }
                sleep(LOOK).await;
            }
            Err(refusal) => {
                return Err(engine_errors::refused(
                    &attempted,
                    refusal.status,
                    &refusal.message,
                ));
            }
        }
    }
}

/// Whether this very operation has made the network.
fn is_made(seen: &Seen, scope: &Scope, operation: &Operation, spec: &NetworkSpec) -> bool {
    seen.network(scope, &spec.name)
        .any(|there| there.label(labels::OPERATION) == operation.id)
}

fn foreign(own: &str) -> BackendError {
    errors::foreign(
        format!("the container engine's network `{own}`"),
        "it has not the labels of this deploy",
    )
}

/// An engine may take two networks of one name. The one that another writer made at the same moment stays.
async fn alone(
    engine: &Engine,
    scope: &Scope,
    operation: &Operation,
    spec: &NetworkSpec,
    own: &str,
) -> Result<Applied, BackendError> {
    let seen = Seen::of(engine, scope).await?;
    let first = seen
        .network(scope, &spec.name)
        .min_by(|one, other| one.id.cmp(&other.id));
    match first {
        Some(first) if first.id != own => {
            let attempted = format!("remove network `{}`", spec.name);
            let _ = answer(&attempted, LONG, engine.client.remove_network(own)).await?;
            if first.label(labels::OPERATION) == operation.id {
                return Ok(applied(scope, &spec.name, "was there"));
            }
            let made_by = first.label(labels::OPERATION);
            Err(errors::exists(format!("network `{}`", spec.name), made_by))
        }
        _ => Ok(applied(scope, &spec.name, "made")),
    }
}

fn check_addresses(spec: &NetworkSpec) -> Result<(), BackendError> {
    let wrong = |what: String| Err(errors::network(what, "give it an address of the network"));
    match spec.gateway {
        Some(gateway) if !spec.cidr.contains(&gateway) => wrong(format!(
            "network `{}` ({}) has the gateway {gateway}, which is not one of its addresses",
            spec.name, spec.cidr
        )),
        _ => Ok(()),
    }
}

/// What of the engine has these addresses already.
fn collision(seen: &Seen, cidr: &IpNet) -> Option<String> {
    seen.networks.iter().find_map(|network| {
        let theirs = network
            .subnets
            .iter()
            .find(|theirs| routes::overlap(theirs, cidr))?;
        let deploy = network.label(labels::DEPLOY);
        Some(if deploy.is_empty() {
            format!("the container engine's network `{}` ({theirs})", network.handle)
        } else {
            let name = network.label(labels::NAME);
            format!("network `{name}` ({theirs}) of deploy `{deploy}`")
        })
    })
}

/// The engine's own bridges have routes too, but they are seen among its networks, with their names. Where `ip` is
/// not installed, nobody looks.
async fn route_of_this_host(cidr: &IpNet) -> Option<String> {
    let question = tokio::process::Command::new("ip")
        .args(routes::question(cidr))
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(SHORT, question).await.ok()?.ok()?;
    routes::collision(&output.stdout, cidr, "")
}

/// The bridge's own address. A bridge of an engine has one, even where nobody is to leave by it; then it is the one
/// that machines get last.
fn bridge_address(spec: &NetworkSpec) -> IpAddr {
    spec.gateway.unwrap_or_else(|| match spec.cidr {
        IpNet::V4(cidr) if cidr.prefix_len() < 31 => IpAddr::V4((u32::from(cidr.broadcast()) - 1).into()),
        IpNet::V4(cidr) => IpAddr::V4(cidr.broadcast()),
        IpNet::V6(cidr) => IpAddr::V6((u128::from(cidr.broadcast()) - 1).into()),
    })
}

fn request(scope: &Scope, operation: &Operation, spec: &NetworkSpec) -> NetworkCreateRequest {
    let mut labels = labels::labels(scope, "network", &spec.name, operation);
    labels.insert(labels::CIDR.to_owned(), spec.cidr.to_string());
    labels.insert(labels::SPEC.to_owned(), serde_json::json!(spec).to_string());
    let mut options = HashMap::new();
    if let Some(mtu) = spec.mtu {
        options.insert("com.docker.network.driver.mtu".to_owned(), mtu.to_string());
    }
    let addresses = IpamConfig {
        subnet: Some(spec.cidr.trunc().to_string()),
        gateway: Some(bridge_address(spec).to_string()),
        ..IpamConfig::default()
    };
    NetworkCreateRequest {
        name: handle(scope, &spec.name),
        driver: Some("bridge".to_owned()),
        internal: Some(spec.gateway.is_none()),
        enable_ipv6: Some(spec.cidr.network().is_ipv6()),
        ipam: Some(Ipam {
            config: Some(vec![addresses]),
            ..Ipam::default()
        }),
        options: Some(options),
        labels: Some(labels),
        ..NetworkCreateRequest::default()
    }
}

/// Removes a network of this scope.
pub(super) async fn destroy(
    engine: &Engine,
    scope: &Scope,
    operation: &Operation,
    name: &str,
) -> Result<Applied, BackendError> {
    identity::check_name("the name of a network", name)?;
    let seen = Seen::all(engine).await?;
    seen.check_epoch(scope, operation)?;
    let own = handle(scope, name);
    if seen
        .networks
        .iter()
        .any(|network| network.handle == own && !network.is_of(scope))
    {
        return Err(foreign(&own));
    }
    let mut note = "was gone";
    for network in seen.network(scope, name) {
        let attempted = format!("remove network `{name}`");
        match answer(&attempted, LONG, engine.client.remove_network(&network.id)).await? {
            Ok(()) => note = "removed",
            Err(refusal) if refusal.status == 404 => {}
            Err(refusal) if refusal.message.contains("active endpoints") => {
                return Err(errors::network(
                    format!("network `{name}` still has machines on it"),
                    "machines go before their networks: plan again",
                ));
            }
            Err(refusal) => {
                return Err(engine_errors::refused(
                    &attempted,
                    refusal.status,
                    &refusal.message,
                ));
            }
        }
    }
    Ok(applied(scope, name, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(cidr: &str, gateway: Option<&str>) -> NetworkSpec {
        NetworkSpec {
            name: "lan".into(),
            cidr: cidr.parse().unwrap(),
            gateway: gateway.map(|text| text.parse().unwrap()),
            mtu: None,
        }
    }

    #[test]
    fn a_bridge_without_a_gateway_takes_the_address_that_machines_get_last() {
        let address = |cidr, gateway| bridge_address(&spec(cidr, gateway)).to_string();
        assert_eq!(address("10.7.0.0/24", Some("10.7.0.1")), "10.7.0.1");
        assert_eq!(address("10.7.0.0/24", None), "10.7.0.254");
        assert_eq!(address("10.7.0.0/30", None), "10.7.0.2");
    }

    #[test]
    fn a_gateway_elsewhere_is_refused() {
        assert_eq!(
            check_addresses(&spec("10.7.0.0/24", Some("10.8.0.1")))
                .unwrap_err()
                .code,
            "E1414"
        );
    }
}
