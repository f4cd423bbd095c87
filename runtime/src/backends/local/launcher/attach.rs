//! Plugs a machine into its networks.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::super::{errors, sys, tools};
use super::Interface;
use crate::backend::BackendError;

/// The hardware address that goes with an address (`10.20.0.2/24`): the same in every life of a machine, so that
/// its neighbours, who remember it for a minute, find it again at once after a restart.
fn hardware_address(address: &str) -> String {
    let bare = address.split('/').next().unwrap_or(address);
    let [a, b, c, d] = match bare.parse() {
        Ok(IpAddr::V4(four)) => four.octets(),
        Ok(IpAddr::V6(six)) => {
            let bytes = six.octets();
            [bytes[12], bytes[13], bytes[14], bytes[15]]
        }
        Err(_) => [0; 4],
    };
    // 02: locally administered, and the second byte tells the families apart on one bridge.
    let family = if bare.contains(':') { 6 } else { 4 };
    format!("02:{family:02x}:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// Makes a virtual cable for each interface, from its bridge into the network namespace of process `pid`, and
/// gives the inner ends their names and addresses. Nothing in the machine runs yet.
pub(super) fn attach(interfaces: &[Interface], pid: i32) -> Result<(), BackendError> {
    let mut outside = String::new();
    let mut inside = String::from("link set lo up\n");
    for interface in interfaces {
        let Interface {
            name,
            host,
            bridge,
            address,
            label,
            ..
        } = interface;
        let mtu = interface.mtu.map(|mtu| format!("mtu {mtu} ")).unwrap_or_default();
        let mac = hardware_address(address);
        outside +=
            &format!("link add {host} {mtu}type veth peer name {name} address {mac} {mtu}netns {pid}\n");
        outside += &format!("link set {host} alias {label}\n");
        outside += &format!("link set {host} master {bridge} up\n");
        let settled = if address.contains(':') { " nodad" } else { "" };
        inside += &format!("addr add {address} dev {name}{settled}\n");
        inside += &format!("link set {name} up\n");
    }
    for interface in interfaces {
        if let Some(gateway) = interface.gateway {
            inside += &format!("route add default via {gateway} dev {}\n", interface.name);
        }
    }
    tools::run("ip", &["-batch", "-"], outside.as_bytes())?;
    let namespace: OwnedFd = File::open(format!("/proc/{pid}/ns/net"))
        .map_err(|error| errors::kernel("open the machine's network namespace", error))?
        .into();
    let mut command = Command::new("ip");
    command.args(["-batch", "-"]);
    // SAFETY: between fork and exec only one system call is made.
    unsafe { command.pre_exec(move || sys::enter(namespace.as_fd(), libc::CLONE_NEWNET)) };
    tools::finish("ip", command, inside.as_bytes()).map(drop)
}
