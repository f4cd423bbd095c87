//! What a second plan does where steps, groups and runs stand in a `for`, are shared, or are called otherwise.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

#[path = "support/standing.rs"]
mod standing;
mod support;

use rebar_compiler::plan::{self, Ledger, ObjectVerb, Reason, Snapshot};

use standing::{applied, make, verbs};

const LOOP: &str = r#"
use std.linux { file, service }
use std.image { bookworm }
network  front { cidr = 10.20.0.0/22, gateway = 10.20.0.1 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
role pages(sites: List<{ name: String, text: String }>) {
  for site in sites by site.name {
    file page { path = "/srv/{site.name}", content = "{site.text}" }
    service own { name = "{site.name}", reload_on = [page] }
  }
  service web { name = "nginx", reload_on = [page] }
}
workload shop() {
  node edge { hardware = small }
  run all = pages([SITES]) on edge
}
site lab { machines = docker(image = bookworm) }
deploy d = shop() on lab
"#;

fn with_sites(sites: &[(&str, &str)]) -> String {
    let sites: Vec<String> = sites
        .iter()
        .map(|(name, text)| format!("{{ name = \"{name}\", text = \"{text}\" }}"))
        .collect();
    LOOP.replace("SITES", &sites.join(", "))
}

#[test]
fn an_element_of_a_loop_that_goes_takes_only_its_own_steps_along() {
    let all = with_sites(&[("blog", "a"), ("shop", "b"), ("wiki.example", "c")]);
    let first = make(&all, &Ledger::default(), &Snapshot::default());
    let names: Vec<&str> = first.patterns[0].segments[0]
        .steps
        .iter()
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "page[blog]",
            "own[blog]",
            "page[shop]",
            "own[shop]",
            "page[wiki.example]",
            "own[wiki.example]",
            "web"
        ]
    );
    // The first one goes: those behind it keep their names, and nothing is done to them.
    let fewer = with_sites(&[("shop", "b"), ("wiki.example", "c")]);
    let second = make(&fewer, &first.ledger, &applied(&first));
    let (_, ensure, remove) = verbs(&second, "edge");
    assert_eq!(remove, ["all.own[blog]", "all.page[blog]"]);
    assert_eq!(ensure, [("all.web", &Reason::Changed(Vec::new()))]);
    // Nor does another order of the elements rename any.
    let turned = with_sites(&[("wiki.example", "c"), ("blog", "a"), ("shop", "b")]);
    let third = make(&turned, &first.ledger, &applied(&first));
    let (_, ensure, remove) = verbs(&third, "edge");
    assert!(remove.is_empty(), "{remove:?}");
    assert!(
        ensure.iter().all(|(address, _)| *address == "all.web"),
        "{ensure:?}"
    );
    // What changes in one is changed in its steps, and in those that load them.
    let changed = with_sites(&[("blog", "a"), ("shop", "new"), ("wiki.example", "c")]);
    let fourth = make(&changed, &first.ledger, &applied(&first));
    let (_, ensure, _) = verbs(&fourth, "edge");
    let addresses: Vec<&str> = ensure.iter().map(|(address, _)| *address).collect();
    assert_eq!(addresses, ["all.own[shop]", "all.page[shop]", "all.web"]);
}

const LOOP_OF_RUNS: &str = r#"
use std.image { bookworm }
use std.linux { file }
network  front { cidr = 10.20.0.0/24 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
role note(name: String) { file note { path = "/etc/{name}", content = name } }
workload store() {
  nodes disk { count = 2, hardware = small }
  run serve = note("store") on disk
}
workload shops(names: List<String>) {
  node edge { hardware = small }
  for name in names {
    nodes web { count = 2, hardware = small }
    run pages  = note(name) on web
    run shared = note("shared-{name}") on edge
    run kv     = store()
  }
}
site lab { machines = local(image = bookworm) }
deploy d = shops(names = [NAMES]) on lab
"#;

#[test]
fn an_element_that_comes_or_goes_takes_its_own_groups_and_runs_along() {
    let spec = |names: &str| LOOP_OF_RUNS.replace("NAMES", names);
    let first = make(
        &spec(r#""shop", "wiki""#),
        &Ledger::default(),
        &Snapshot::default(),
    );
    // The new one stands before the others: they keep names, addresses and machines.
    let more = make(
        &spec(r#""blog", "shop", "wiki""#),
        &first.ledger,
        &applied(&first),
    );
    let created = |row: &&plan::NodeRow| row.machine == ObjectVerb::Create;
    let (new, old): (Vec<_>, Vec<_>) = more.nodes.iter().partition(created);
    let made: Vec<&str> = new.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(
        made,
        ["kv_blog_disk-1", "kv_blog_disk-2", "web_blog-1", "web_blog-2"]
    );
    for row in old {
        let (machine, ensure, remove) = verbs(&more, &row.name);
        let ensured: Vec<&str> = ensure.iter().map(|(address, _)| *address).collect();
        let expected: &[&str] = if row.name == "edge" {
            &["shared[blog].note"]
        } else {
            &[]
        };
        assert_eq!(ensured, expected, "{}", row.name);
        assert!(*machine == ObjectVerb::Keep && remove.is_empty());
    }
    assert!(more.leaving.is_empty());
    for (name, node) in &first.ledger.deploys["d"] {
        assert_eq!(more.ledger.deploys["d"].get(name), Some(node));
    }
    // Another order changes nothing, and one that goes takes only what is its own.
    let turned = make(&spec(r#""wiki", "blog", "shop""#), &more.ledger, &applied(&more));
    assert!(plan::is_empty(&turned), "{:#?}", plan::counts(&turned));
    let fewer = make(&spec(r#""blog", "wiki""#), &more.ledger, &applied(&more));
    let left: Vec<&str> = fewer.leaving.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(
        left,
        ["kv_shop_disk-1", "kv_shop_disk-2", "web_shop-1", "web_shop-2"]
    );
    assert_eq!(verbs(&fewer, "edge").2, ["shared[shop].note"]);
    assert!(
        fewer
            .nodes
            .iter()
            .all(|row| verbs(&fewer, &row.name).1.is_empty() && row.machine == ObjectVerb::Keep)
    );
}

const SHARED: &str = r#"
use std.image { bookworm }
use std.linux { file, package }
network  front { cidr = 10.20.0.0/24 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
role page(name: String) {
  package nginx { name = "nginx-light" }
  file    site  { path = "/srv/{name}", content = name }
}
workload shops() {
  node web { hardware = small }
  run a = page("a") on web
  run b = page("b") on web
}
site lab { machines = docker(image = bookworm) }
deploy d = shops() on lab
"#;

#[test]
fn a_step_that_two_runs_share_is_done_once_and_stays_while_one_of_them_does() {
    let first = make(SHARED, &Ledger::default(), &Snapshot::default());
    assert_eq!(plan::counts(&first).create, 1 + 1 + 3);
    let second = make(SHARED, &first.ledger, &applied(&first));
    assert!(plan::is_empty(&second), "{:#?}", plan::counts(&second));
    let only_b = SHARED.replace("  run a = page(\"a\") on web\n", "");
    let third = make(&only_b, &first.ledger, &applied(&first));
    let (_, ensure, remove) = verbs(&third, "web");
    assert_eq!(ensure, [("b.nginx", &Reason::New)]);
    assert_eq!(remove, ["a.site"]);
    let nobody = only_b.replace("  run b = page(\"b\") on web\n", "");
    let fourth = make(&nobody, &third.ledger, &applied(&third));
    assert_eq!(verbs(&fourth, "web").2, ["b.site", "b.nginx"]);
}

#[test]
fn what_is_moved_takes_inner_groups_and_all_turns_along() {
    let before = LOOP_OF_RUNS.replace("NAMES", r#""shop", "Eu-west""#);
    let first = make(&before, &Ledger::default(), &Snapshot::default());
    // A run of a workload, a group and a run in a `for`, and a group and a run within the workload.
    let after = before
        .replace("run kv     = store()", "run vault = store()")
        .replace("nodes web ", "nodes servers ")
        .replace("on web", "on servers")
        .replace("run pages  =", "run content =")
        .replace("nodes disk ", "nodes drive ")
        .replace(
            "run serve = note(\"store\") on disk",
            "run answer = note(\"store\") on drive",
        );
    let moves = "moved shops.kv -> shops.vault\nmoved shops.web -> shops.servers\n\
                 moved shops.pages -> shops.content\nmoved store.disk -> store.drive\n\
                 moved store.serve -> store.answer\n";
    let plain = make(&after, &first.ledger, &applied(&first));
    assert!(!plain.leaving.is_empty(), "without `moved` they are other things");
    let moved = make(&format!("{moves}{after}"), &first.ledger, &applied(&first));
    assert!(moved.leaving.is_empty(), "{:#?}", moved.leaving);
    for row in &moved.nodes {
        let (machine, ensure, remove) = verbs(&moved, &row.name);
        assert!(
            *machine == ObjectVerb::Keep && ensure.is_empty() && remove.is_empty(),
            "{}: {machine:?} {ensure:?} {remove:?}",
            row.name
        );
    }
    let names =
        |plan: &plan::Plan| -> Vec<String> { plan.nodes.iter().map(|row| row.name.clone()).collect() };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(names(&first)), sorted(names(&moved)));
    assert_eq!(
        moved.ledger.deploys["d"]["kv_eu_west_disk-1"].group,
        "vault_eu_west_drive"
    );
}
