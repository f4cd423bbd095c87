//! The shop, from its spec to running nodes and back to nothing, with the real program, real nginx and real haproxy.

use std::collections::BTreeSet;

use crate::support::{Footprint, World, alone, first_process, local_is_here, page};

/// What must stay the same on a node that nobody touches.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    address: String,
    machine: String,
    page: String,
    page_file: String,
}

fn identity(world: &World, node: &str) -> Identity {
    let inside = |line: &str| world.good(&["exec", "laptop_shop", node, "sh", "-c", line]).out;
    Identity {
        address: inside("ip -4 -o addr show eth0 | awk '{print $4}'"),
        machine: inside("hostname; cat /etc/machine-id"),
        page: inside("cat /var/www/html/index.html"),
        // Inode and time of change tell a rewrite with the same content from no touch at all.
        page_file: inside("stat -c '%i %Z' /var/www/html/index.html"),
    }
}

/// Nodes and steps that `drift` names, as `node` or `node step`.
fn drift(world: &World) -> (i32, BTreeSet<String>) {
    let ran = world.run(&["drift", "laptop_shop", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
    let items = report["items"].as_array().unwrap();
    let named = items.iter().map(|item| {
        let node = item["node"].as_str().unwrap();
        let step = item["step"].as_str().unwrap_or("").to_owned();
        format!("{node} {step}").trim().to_owned()
    });
    (ran.code, named.collect())
}

fn greeters(front: &str) -> BTreeSet<String> {
    (0..8)
        .map(|_| page(front).unwrap_or_else(|error| error))
        .filter_map(|body| Some(body.split("<h1>").nth(1)?.split("</h1>").next()?.to_owned()))
        .collect()
}

#[test]
fn the_shop_is_applied_repaired_scaled_and_destroyed() {
    let _alone = alone();
    if !local_is_here("the shop on local") {
        return;
    }
    let world = World::of_example("shop", 91);
    let before = Footprint::now(&world);

    // Applied: the front hands requests to both pages in turn.
    let ran = world.good(&["apply", "laptop_shop", "--yes"]);
    let front = "10.91.0.4";
    assert!(ran.out.contains(front), "the output `url` is told: {}", ran.out);
    let both: BTreeSet<String> = ["hello from web-1", "hello from web-2"].map(str::to_owned).into();
    assert_eq!(greeters(front), both);
    let names = world.good(&["exec", "laptop_shop", "edge", "getent", "hosts", "web-2"]);
    assert!(
        names.out.contains("10.91.0.3"),
        "names resolve between nodes: {names:?}"
    );

    // Again: nothing.
    let again = world.good(&["apply", "laptop_shop", "--yes"]);
    assert!(again.out.contains("0 changes"), "{}", again.out);
    assert_eq!(drift(&world), (0, BTreeSet::new()));

    // Three damages are found, exactly these, and repaired.
    let pid = first_process("web-2").expect("web-2 runs");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid.cast_signed()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    world.good(&[
        "exec",
        "laptop_shop",
        "web-1",
        "sh",
        "-c",
        "echo defaced > /var/www/html/index.html",
    ]);
    world.good(&["exec", "laptop_shop", "edge", "systemctl", "stop", "haproxy"]);
    let three: BTreeSet<String> = ["web-2", "web-1 pages.page", "edge entry.proxy"]
        .map(str::to_owned)
        .into();
    assert_eq!(drift(&world), (3, three));
    world.good(&["apply", "laptop_shop", "--yes"]);
    assert_eq!(drift(&world), (0, BTreeSet::new()));
    assert_eq!(greeters(front), both);

    // 2 -> 4 -> 3: nobody else is touched.
    let (one, two) = (identity(&world, "web-1"), identity(&world, "web-2"));
    world.edit("replicas = 2) on laptop", "replicas = 4) on laptop");
    world.good(&["apply", "laptop_shop", "--yes"]);
    assert_eq!((identity(&world, "web-1"), identity(&world, "web-2")), (one, two));
    assert_eq!(greeters(front).len(), 4);
    let (one, two, three) = (
        identity(&world, "web-1"),
        identity(&world, "web-2"),
        identity(&world, "web-3"),
    );
    world.edit("replicas = 4) on laptop", "replicas = 3) on laptop");
    world.good(&["apply", "laptop_shop", "--yes"]);
    assert_eq!(
        (
            identity(&world, "web-1"),
            identity(&world, "web-2"),
            identity(&world, "web-3")
        ),
        (one, two, three)
    );
    assert_eq!(greeters(front).len(), 3);
    assert_eq!(drift(&world), (0, BTreeSet::new()));

    // A step that leaves the spec is undone, and only what we brought.
    world.edit(
        "  out url: Url = healthy.url",
        "  file note { path = \"/etc/motd\", content = \"ours\" }\n  out url: Url = healthy.url",
    );
    world.good(&["apply", "laptop_shop", "--yes"]);
    world.edit("  file note { path = \"/etc/motd\", content = \"ours\" }\n", "");
    world.good(&["apply", "laptop_shop", "--yes"]);
    let motd = world.good(&[
        "exec",
        "laptop_shop",
        "web-1",
        "sh",
        "-c",
        "cat /etc/motd 2>/dev/null || true",
    ]);
    assert!(!motd.out.contains("ours"), "{motd:?}");

    // Destroyed: nothing is left.
    world.good(&["destroy", "laptop_shop", "--yes"]);
    let left = Footprint::left(&world, &before);
    assert!(left.is_empty(), "left behind: {left:#?}");
}
