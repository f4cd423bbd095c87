//! Networks: a bridge each, with the gateway's address on it and a way out.

mod collisions;
mod rules;

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::errors;
use super::store::{self, Machine, NetworkRecord, Store};
use super::tools::{self, Turn};
use crate::backend::{Applied, BackendError, NetworkSpec, Operation, Scope};
use crate::backends::identity;

fn short(parts: &[&str]) -> String {
    let digest = Sha256::digest(parts.join("/"));
    digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

/// The bridge of a network: names of interfaces have at most 15 characters.
pub(super) fn bridge(scope: &Scope, network: &str) -> String {
    format!("rb-{}", short(&[&scope.deploy_id, "network", network]))
}

/// The commands that remove a network by hand.
pub(super) fn removal(scope: &Scope, network: &str) -> String {
    let bridge = bridge(scope, network);
    format!(
        "nft delete table inet {}; ip link delete {bridge}",
        rules::table(&bridge)
    )
}

/// This host's end of the cable to a machine's interface.
pub(super) fn cable(scope: &Scope, machine: &str, interface: &str) -> String {
    format!("rv-{}", short(&[&scope.deploy_id, "machine", machine, interface]))
}

/// What an interface carries as its alias: whose it is and who made it.
pub(super) fn label(scope: &Scope, name: &str, operation: &str) -> String {
    let plain = |byte: char| {
        if byte.is_ascii_alphanumeric() || "-_.".contains(byte) {
            byte
        } else {
            '_'
        }
    };
    let operation: String = operation.chars().take(100).map(plain).collect();
    format!("rebar:{}:{name}:{operation}", scope.deploy_id)
}

/// The alias of an interface; none if there is no such interface.
fn alias(interface: &str) -> Option<String> {
    let folder = Path::new("/sys/class/net").join(interface);
    folder.exists().then(|| {
        fs::read_to_string(folder.join("ifalias"))
            .unwrap_or_default()
            .trim()
            .to_owned()
    })
}

fn is_ours(scope: &Scope, network: &str, alias: &str) -> bool {
    alias.starts_with(&label(scope, network, ""))
}

/// Whether the network's bridge is there.
pub(super) fn live(scope: &Scope, network: &str) -> bool {
    alias(&bridge(scope, network)).is_some_and(|alias| is_ours(scope, network, &alias))
}

/// Whether all of the network is there: its bridge, and the rules that let it out and keep it apart.
pub(super) fn whole(scope: &Scope, spec: &NetworkSpec) -> bool {
    live(scope, &spec.name) && (spec.gateway.is_none() || rules::are_there(&bridge(scope, &spec.name)))
}

/// Makes a network.
pub(super) fn create(
    store: &Store,
    scope: &Scope,
    operation: &Operation,
    spec: &NetworkSpec,
) -> Result<Applied, BackendError> {
    identity::check_name("the name of a network", &spec.name)?;
    let folder = store.network(&spec.name);
    let name = bridge(scope, &spec.name);
    let record: Option<NetworkRecord> = store::record(&folder)?;
    if record.is_none() {
        store::refuse_foreign(&folder)?;
    }
    if let (Some(record), Some(applied)) = (&record, store::completed(&folder)?)
        && whole(scope, &record.object)
    {
        if record.operation == operation.id {
            return Ok(applied);
        }
        return Err(errors::exists(
            format!("network `{}`", spec.name),
            &record.operation,
        ));
    }
    if let Some(alias) = alias(&name)
        && !is_ours(scope, &spec.name, &alias)
        // A half of ours may have died between the bridge and its label.
        && !(alias.is_empty() && record.is_some())
    {
        let alias = if alias.is_empty() {
            "it has no label".to_owned()
        } else {
            format!("its label is `{alias}`")
        };
        return Err(errors::foreign(format!("the interface `{name}`"), alias));
    }
    if let Some(gateway) = spec.gateway
        && !spec.cidr.contains(&gateway)
    {
        let text = format!(
            "network `{}` ({}) does not contain its gateway {gateway}",
            spec.name, spec.cidr
        );
        return Err(errors::network(
            text,
            "give it a gateway from its own addresses, or none",
        ));
    }
    // Two networks that collide with each other must not be made at the same time.
    let turn = Turn::wait(store.local())?;
    if let Err(error) = collisions::refuse(store, scope, spec, &name) {
        store.prune();
        return Err(error);
    }
    remove_objects(&turn, scope, &spec.name, record.is_some())?;
    let _ = fs::remove_file(folder.join("complete"));
    store::begin(
        &folder,
        &NetworkRecord {
            scope: scope.clone(),
            operation: operation.id.clone(),
            epoch: operation.epoch,
            object: spec.clone(),
        },
    )?;
    make_bridge(&turn, &name, &label(scope, &spec.name, &operation.id), spec)?;
    if spec.gateway.is_some() {
        rules::open_way_out(&turn, &name, &scope.deploy, spec)?;
    }
    plug_in_again(&turn, store, scope, &spec.name)?;
    let applied = Applied {
        handle: name.clone(),
        note: format!("bridge {name}"),
    };
    store::complete(&folder, &applied)?;
    Ok(applied)
}

fn make_bridge(turn: &Turn, name: &str, label: &str, spec: &NetworkSpec) -> Result<(), BackendError> {
    let mut batch =
        format!("link add name {name} type bridge forward_delay 0\nlink set {name} alias {label}\n");
    if let Some(mtu) = spec.mtu {
        batch += &format!("link set {name} mtu {mtu}\n");
    }
    if let Some(gateway) = spec.gateway {
        let settled = if gateway.is_ipv6() { " nodad" } else { "" };
        batch += &format!(
            "addr add {gateway}/{} dev {name}{settled}\n",
            spec.cidr.prefix_len()
        );
    }
    batch += &format!("link set {name} up\n");
    turn.run("ip", &["-batch", "-"], batch.as_bytes()).map(drop)
}

/// Machines that run while their network is made anew have cables that lead nowhere.
fn plug_in_again(turn: &Turn, store: &Store, scope: &Scope, network: &str) -> Result<(), BackendError> {
    let bridge = bridge(scope, network);
    for name in store.machines()? {
        let Some(record) = store::record::<Machine>(&store.machine(&name))? else {
            continue;
        };
        let interfaces = &record.object.spec.interfaces;
        for interface in interfaces.iter().filter(|found| found.network == network) {
            let cable = cable(scope, &name, &interface.name);
            if alias(&cable).is_none_or(|alias| !is_ours(scope, &name, &alias)) {
                continue;
            }
            match turn.run("ip", &["link", "set", &cable, "master", &bridge], b"") {
                // The machine may just have ended, and its cables with it.
                Err(_) if alias(&cable).is_none() => {}
                other => drop(other?),
            }
        }
    }
    Ok(())
}

/// Removes a network of this scope.
pub(super) fn destroy(store: &Store, scope: &Scope, name: &str) -> Result<Applied, BackendError> {
    identity::check_name("the name of a network", name)?;
    let folder = store.network(name);
    let bridge = bridge(scope, name);
    if let Some(record) = store::record::<NetworkSpec>(&folder)? {
        if record.scope.deploy_id != scope.deploy_id {
            return Err(errors::foreign(
                format!("network `{name}`"),
                "it belongs to another deploy",
            ));
        }
    } else {
        store::refuse_foreign(&folder)?;
    }
    let turn = Turn::wait(store.local())?;
    let users = store::children(&Path::new("/sys/class/net").join(&bridge).join("brif"))?;
    if !users.is_empty() {
        return Err(errors::network(
            format!("network `{name}` is in use by {} interfaces", users.len()),
            "destroy the machines on it first",
        ));
    }
    let found = folder.exists() || live(scope, name);
    remove_objects(&turn, scope, name, folder.exists()).inspect_err(|_| store.prune())?;
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(errors::file("remove", &folder, &error));
        }
        _ => store.prune(),
    }
    let note = if found {
        format!("removed {bridge}")
    } else {
        "was gone".to_owned()
    };
    Ok(Applied { handle: bridge, note })
}

/// Removes bridge and rules, whatever is there of them. A bridge without a label is ours only if a record is
/// there: then its maker died between making and labelling it.
fn remove_objects(turn: &Turn, scope: &Scope, network: &str, recorded: bool) -> Result<(), BackendError> {
    let name = bridge(scope, network);
    match alias(&name) {
        None => rules::close_way_out(turn, &name),
        Some(alias) if (alias.is_empty() && recorded) || is_ours(scope, network, &alias) => {
            rules::close_way_out(turn, &name)?;
            turn.run("ip", &["link", "delete", &name], b"").map(drop)
        }
        Some(alias) => Err(errors::foreign(
            format!("the interface `{name}`"),
            format!("its label is `{alias}`"),
        )),
    }
}

/// Removes this host's end of a machine's cable, which takes the machine's end along.
pub(super) fn unplug(scope: &Scope, machine: &str, interface: &str) -> Result<(), BackendError> {
    let name = cable(scope, machine, interface);
    match alias(&name) {
        None => Ok(()),
        Some(alias) if alias.is_empty() || is_ours(scope, machine, &alias) => {
            match tools::run("ip", &["link", "delete", &name], b"") {
                // The kernel may have been faster: it removes cables of machines that ended.
                Err(_) if self::alias(&name).is_none() => Ok(()),
                other => other.map(drop),
            }
        }
        Some(alias) => Err(errors::foreign(
            format!("the interface `{name}`"),
            format!("its label is `{alias}`"),
        )),
    }
}
