//! Addresses that mean something else on this host already.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

/// A route as `ip -json route` tells it.
#[derive(Deserialize)]
struct Route {
    dst: String,
    #[serde(default)]
    dev: String,
}

/// Whether two networks have an address in common.
pub(crate) fn overlap(left: &IpNet, right: &IpNet) -> bool {
    left.contains(&right.network()) || right.contains(&left.network())
}

/// How `ip` is asked for the routes that could collide with these addresses.
pub(crate) fn question(cidr: &IpNet) -> [&'static str; 6] {
    let family = if cidr.network().is_ipv6() { "-6" } else { "-4" };
    ["-json", family, "route", "show", "table", "main"]
}

/// The route that these addresses collide with. Default routes, also those in two halves, lead everywhere.
pub(crate) fn collision(routes: &[u8], cidr: &IpNet, bridge: &str) -> Option<String> {
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
