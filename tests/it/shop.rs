//! The shop, from its spec to running nodes and back to nothing, with the real program, real nginx and real haproxy.

use std::collections::BTreeSet;

use crate::support::footprint::left;
use crate::support::machines::{Backend, alone, first_process, kill};
use crate::support::{World, page};

/// What must stay the same on a node that nobody touches.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    address: String,
    machine: String,
    page: String,
    page_file: String,
}

fn identity(world: &World, deploy: &str, node: &str) -> Identity {
    let inside = |line: &str| world.good(&["exec", deploy, node, "sh", "-c", line]).out;
    Identity {
        address: inside("ip -4 -o addr show eth0 | awk '{print $4}'"),
        machine: inside("hostname; cat /etc/machine-id"),
        page: inside("cat /var/www/html/index.html"),
        // Inode and time of change tell a rewrite with the same content from no touch at all.
        page_file: inside("stat -c '%i %Z' /var/www/html/index.html"),
    }
}

/// Nodes and steps that `drift` names, as `node` or `node step`.
fn drift(world: &World, deploy: &str) -> (i32, BTreeSet<String>) {
    let ran = world.run(&["drift", deploy, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
    let items = report["items"].as_array().unwrap();
    let named = items.iter().map(|item| {
        let node = item["node"].as_str().unwrap();
        let step = item["step"].as_str().unwrap_or("").to_owned();
        format!("{node} {step}").trim().to_owned()
    });
    (ran.code, named.collect())
}

fn scale(world: &World, site: &str, from: u32, to: u32) {
    world.edit(
        &format!("replicas = {from}) on {site}"),
        &format!("replicas = {to}) on {site}"),
    );
}

/// A rehearsal of what is planned on what stands leaves the plan as it was; facts come from what was applied.
fn the_change_is_rehearsed(world: &World, deploy: &str) {
    let facts = |world: &World| -> serde_json::Value {
        let ran = world.good(&["plan", deploy, "--facts", "--refresh", "none"]);
        serde_json::from_str(&ran.out).unwrap()
    };
    let before = facts(world);
    assert_eq!(before["basis"]["measured"], true, "{before}");
    let applied = before["practice"][0]["applied"].as_object().unwrap();
    assert!(
        applied.values().all(|nodes| nodes.as_u64() >= Some(2)) && applied.len() == 1,
        "{before}"
    );
    let ran = world.good(&["rehearse", deploy, "--runs", "5"]);
    assert!(ran.out.contains("as measured here"), "{}", ran.out);
    let after = facts(world);
    assert_eq!(
        (&after["plan_hash"], &after["expected"]),
        (&before["plan_hash"], &before["expected"])
    );
    assert!(after["practice"][0]["rehearsed"].as_u64() >= Some(5), "{after}");
}

fn greeters(front: &str) -> BTreeSet<String> {
    (0..8)
        .map(|_| page(front).unwrap_or_else(|error| error))
        .filter_map(|body| Some(body.split("<h1>").nth(1)?.split("</h1>").next()?.to_owned()))
        .collect()
}

#[test]
fn the_shop_is_applied_repaired_scaled_and_destroyed_on_local() {
    the_shop_is_applied_repaired_scaled_and_destroyed(Backend::Local, "laptop_shop", "laptop", 91);
}

#[test]
fn the_shop_is_applied_repaired_scaled_and_destroyed_on_docker() {
    the_shop_is_applied_repaired_scaled_and_destroyed(Backend::Docker, "lab_shop", "lab", 97);
}

fn the_shop_is_applied_repaired_scaled_and_destroyed(backend: Backend, deploy: &str, site: &str, range: u8) {
    let _alone = alone();
    if !backend.is_here("the shop") {
        return;
    }
    let world = World::of_example("shop", range);
    // Both begin with two pages.
    world.edit("shop(replicas = 5)", "shop(replicas = 2)");

    // Applied: the front hands requests to both pages in turn.
    let ran = world.good(&["apply", deploy, "--yes"]);
    let front = &format!("10.{range}.0.4");
    assert!(ran.out.contains(front), "the output `url` is told: {}", ran.out);
    let both: BTreeSet<String> = ["hello from web-1", "hello from web-2"].map(str::to_owned).into();
    assert_eq!(greeters(front), both);
    let names = world.good(&["exec", deploy, "edge", "getent", "hosts", "web-2"]);
    assert!(
        names.out.contains(&format!("10.{range}.0.3")),
        "names resolve between nodes: {names:?}"
    );

    // Again: nothing.
    let again = world.good(&["apply", deploy, "--yes"]);
    assert!(again.out.contains("0 changes"), "{}", again.out);
    assert_eq!(drift(&world, deploy), (0, BTreeSet::new()));

    // Three damages are found, exactly these, and repaired.
    kill(first_process(&world, deploy, "web-2").expect("web-2 runs"));
    world.good(&[
        "exec",
        deploy,
        "web-1",
        "sh",
        "-c",
        "echo defaced > /var/www/html/index.html",
    ]);
    world.good(&["exec", deploy, "edge", "systemctl", "stop", "haproxy"]);
    let three: BTreeSet<String> = ["web-2", "web-1 pages.page", "edge entry.proxy"]
        .map(str::to_owned)
        .into();
    assert_eq!(drift(&world, deploy), (3, three));
    world.good(&["apply", deploy, "--yes"]);
    assert_eq!(drift(&world, deploy), (0, BTreeSet::new()));
    assert_eq!(greeters(front), both);

    // 2 -> 4 -> 3: nobody else is touched.
    let (one, two) = (
        identity(&world, deploy, "web-1"),
        identity(&world, deploy, "web-2"),
    );
    scale(&world, site, 2, 4);
    the_change_is_rehearsed(&world, deploy);
    world.good(&["apply", deploy, "--yes"]);
    assert_eq!(
        (
            identity(&world, deploy, "web-1"),
            identity(&world, deploy, "web-2")
        ),
        (one, two)
    );
    assert_eq!(greeters(front).len(), 4);
    let (one, two, three) = (
        identity(&world, deploy, "web-1"),
        identity(&world, deploy, "web-2"),
        identity(&world, deploy, "web-3"),
    );
    scale(&world, site, 4, 3);
    world.good(&["apply", deploy, "--yes"]);
    assert_eq!(
        (
            identity(&world, deploy, "web-1"),
            identity(&world, deploy, "web-2"),
            identity(&world, deploy, "web-3")
        ),
        (one, two, three)
    );
    assert_eq!(greeters(front).len(), 3);
    assert_eq!(drift(&world, deploy), (0, BTreeSet::new()));

    // A step that leaves the spec is undone, and only what we brought.
    world.edit(
        "  out url: Url = healthy.url",
        "  file note { path = \"/etc/motd\", content = \"ours\" }\n  out url: Url = healthy.url",
    );
    world.good(&["apply", deploy, "--yes"]);
    world.edit("  file note { path = \"/etc/motd\", content = \"ours\" }\n", "");
    world.good(&["apply", deploy, "--yes"]);
    let motd = world.good(&[
        "exec",
        deploy,
        "web-1",
        "sh",
        "-c",
        "cat /etc/motd 2>/dev/null || true",
    ]);
    assert!(!motd.out.contains("ours"), "{motd:?}");

    // Destroyed: nothing is left.
    world.good(&["destroy", deploy, "--yes"]);
    let left = left(&world);
    assert!(left.is_empty(), "left behind: {left:#?}");
}
