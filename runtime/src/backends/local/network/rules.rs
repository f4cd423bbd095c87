//! The way out of a network: translation of addresses, and passage through this host.

use std::fs;

use super::super::errors;
use super::super::tools::{self, Turn};
use crate::backend::{BackendError, NetworkSpec};

/// The table that holds a bridge's rules.
pub(super) fn table(bridge: &str) -> String {
    bridge.replace("rb-", "rebar_")
}

/// Lets a network out, and keeps it apart from rebar's other networks.
pub(super) fn open_way_out(
    turn: &Turn,
    bridge: &str,
    deploy: &str,
    spec: &NetworkSpec,
) -> Result<(), BackendError> {
    let switch = if spec.cidr.network().is_ipv6() {
        "/proc/sys/net/ipv6/conf/all/forwarding"
    } else {
        "/proc/sys/net/ipv4/ip_forward"
    };
    if fs::read_to_string(switch).is_ok_and(|value| value.trim() == "0") {
        fs::write(switch, "1").map_err(|error| errors::file("switch on", switch.as_ref(), &error))?;
    }
    turn.run("nft", &["-f", "-"], script(bridge, deploy, spec).as_bytes())?;
    if docker_has_rules() {
        for direction in ["-i", "-o"] {
            turn.run(
                "iptables",
                &["-w", "-I", "DOCKER-USER", direction, bridge, "-j", "ACCEPT"],
                b"",
            )?;
        }
    }
    Ok(())
}

/// Takes the table away in one transaction, whether it is there or not: a program that a killed controller started may
/// be about to make or remove it at this moment.
fn no_table(bridge: &str) -> String {
    let table = table(bridge);
    format!("table inet {table} {{}}\ndelete table inet {table}\n")
}

fn script(bridge: &str, deploy: &str, spec: &NetworkSpec) -> String {
    let table = table(bridge);
    let family = if spec.cidr.network().is_ipv6() {
        "ip6"
    } else {
        "ip"
    };
    let plain: String = deploy
        .chars()
        .filter(|found| found.is_ascii_alphanumeric() || "-_".contains(*found))
        .take(60)
        .collect();
    no_table(bridge)
        + &format!(
            "table inet {table} {{
  comment \"rebar: network {name} of deploy {plain}\"
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname \"{bridge}\" oifname \"rb-*\" oifname != \"{bridge}\" drop
  }}
  chain out {{
    type nat hook postrouting priority srcnat; policy accept;
    {family} saddr {cidr} oifname != \"{bridge}\" masquerade
  }}
}}
",
            name = spec.name,
            cidr = spec.cidr.trunc(),
        )
}

/// Docker drops what it does not know; this chain of its is for exceptions.
fn docker_has_rules() -> bool {
    tools::installed("iptables") && tools::run("iptables", &["-w", "-n", "-L", "DOCKER-USER"], b"").is_ok()
}

/// Whether the table is there.
pub(super) fn are_there(bridge: &str) -> bool {
    tools::run("nft", &["list", "table", "inet", &table(bridge)], b"").is_ok()
}

/// Removes the rules, whatever is there of them.
pub(super) fn close_way_out(turn: &Turn, bridge: &str) -> Result<(), BackendError> {
    turn.run("nft", &["-f", "-"], no_table(bridge).as_bytes())?;
    if docker_has_rules() {
        for direction in ["-i", "-o"] {
            let rule = ["-w", "-D", "DOCKER-USER", direction, bridge, "-j", "ACCEPT"];
            while turn.run("iptables", &rule, b"").is_ok() {}
        }
    }
    Ok(())
}
