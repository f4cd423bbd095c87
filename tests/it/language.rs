//! The language on containers: an enum with data, a function, `match`, a loop with keys, a secret, and a token that one node
//! finds out and others use through an inner workload.

use crate::support::machines::{Backend, alone};
use crate::support::{World, footprint};

const SPEC: &str = r#"use std.image { bookworm }
use std.linux { capture, command, file }

network  front { cidr = 10.94.0.0/24, gateway = 10.94.0.1 }
hardware small { cpu = 1, memory = 256MiB, nic eth0 { network = front } }
site     here  { machines = local(image = bookworm) }

type Token = String matches "^[a-z0-9]{8}$"

enum Store { Memory, Disk(path: Path, title: String) }

fn line(title: String, times: Int): String = "{title} {(times * 2)}"

role lead() {
  command make  { run = "echo first123 > /etc/token", creates = "/etc/token" }
  capture token { run = "cat /etc/token" }
  out token: Token = token.text
}

pub role member(known store: Store, token: Token, known sites: List<{ name: String, title: String }>, key: Secret<String>) {
  match store {
    Memory => {}
    Disk(path, title) => {
      file kept { path = path, content = line(title, 2) }
    }
  }
  for site in sites by site.name {
    file page { path = "/srv/{site.name}.html", content = "{site.title} of {node.name}" }
  }
  file joined { path = "/etc/joined", content = "join with {token}" }
  file secret_key { path = "/etc/key", content = "key={key}" }
}

workload members(token: Token, known sites: List<{ name: String, title: String }>, on: Nodes) {
  run all = member(Disk(path = "/srv/store", title = "kept"), token, sites, key = generated("key")) on on
}

workload cluster() {
  node  head { hardware = small }
  nodes web  { count = 2, hardware = small }
  run first = lead() on head
  run inner = members(
    token = first.token,
    sites = [
      { name = "shop", title = "Shop" },
      { name = "news", title = "News" },
    ],
    on    = web,
  )
  out token: Token = first.token
  out greeting: String = "the token is {first.token}"
}

deploy d = cluster() on here
"#;

fn inside(world: &World, node: &str, line: &str) -> String {
    world.good(&["exec", "d", node, "sh", "-c", line]).out
}

/// A plan that has nothing to do.
fn nothing_to_do(world: &World) {
    let ran = world.run(&["plan", "d", "--exit-code"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("0 changes"), "{}", ran.out);
}

fn status(world: &World) -> serde_json::Value {
    let ran = world.good(&["status", "d", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    shown[0]["outputs"].clone()
}

#[test]
fn values_that_are_found_out_go_from_node_to_node() {
    if !Backend::Local.is_here("later values") {
        return;
    }
    let _turn = alone();
    let world = World::of_spec(SPEC);
    world.good(&["apply", "d", "--yes"]);
    for node in ["web-1", "web-2"] {
        assert_eq!(inside(&world, node, "cat /etc/joined"), "join with first123");
        assert_eq!(inside(&world, node, "cat /srv/store"), "kept 4");
        let pages = inside(&world, node, "cat /srv/shop.html /srv/news.html");
        assert_eq!(pages, format!("Shop of {node}News of {node}"));
        assert_eq!(inside(&world, node, "wc -c < /etc/key").trim(), "36");
    }
    nothing_to_do(&world);
    let outputs = status(&world);
    assert_eq!(outputs["token"], "first123");
    assert_eq!(outputs["greeting"], "the token is first123");
    let shown = world.good(&["status", "d"]).out;
    assert!(shown.contains("the token is first123"), "{shown}");

    // One element less is one step less on each node, and nothing else.
    world.edit("{ name = \"shop\", title = \"Shop\" },", "");
    let planned = world.good(&["plan", "d", "--json"]);
    assert!(planned.out.contains("page[shop]"), "{}", planned.out);
    world.good(&["apply", "d", "--yes"]);
    let left = "ls /srv; stat -c %Y /srv/news.html > /dev/null; cat /etc/joined";
    assert_eq!(
        inside(&world, "web-2", left),
        "news.html\nstore\njoin with first123"
    );
    nothing_to_do(&world);

    // What is changed on the node is told, and carried over.
    inside(&world, "head", "echo other456 > /etc/token");
    let ran = world.run(&["drift", "d"]);
    assert!(
        ran.code != 0 && ran.out.contains("token") && !ran.out.contains("joined"),
        "{ran:?}"
    );
    world.good(&["apply", "d", "--yes"]);
    for node in ["web-1", "web-2"] {
        assert_eq!(inside(&world, node, "cat /etc/joined"), "join with other456");
    }
    assert_eq!(status(&world)["token"], "other456");
    nothing_to_do(&world);

    // What breaks the rule of its type is written nowhere, and the error names who found it out.
    inside(&world, "head", "echo Not-A-Token > /etc/token");
    let ran = world.run(&["apply", "d", "--yes"]);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(
        ran.code != 0 && said.contains("E1222") && said.contains("`Not-A-Token` is no `Token`"),
        "{said}"
    );
    assert!(said.contains("`head/first.token` found it out"), "{said}");
    assert_eq!(inside(&world, "web-1", "cat /etc/joined"), "join with other456");
    inside(&world, "head", "echo third789 > /etc/token");
    world.good(&["apply", "d", "--yes"]);
    assert_eq!(inside(&world, "web-1", "cat /etc/joined"), "join with third789");
    nothing_to_do(&world);

    world.good(&["destroy", "d", "--yes"]);
    let mut left = footprint::left(&world);
    // Others may have networks on this machine meanwhile.
    let own = |line: &String| line.contains("10.94.0.") || line.contains("of deploy d\"");
    left.retain(|line| !line.starts_with("rules ") || own(line));
    assert!(left.is_empty(), "left behind: {left:#?}");
}
