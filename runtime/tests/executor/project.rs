//! Real specs through the real compiler: whatever changes, the world ends up as if the last spec had been applied to
//! nothing, and a second plan is empty.

use std::collections::BTreeMap;
use std::sync::Arc;

use rebar_compiler::plan::{self, Plan};
use rebar_compiler::source::{FileError, Files};
use rebar_compiler::{Library, analyse};
use rebar_runtime::execute::{Status, execute};
use rebar_runtime::observe::{Depth, observe};
use rebar_runtime::plan_file;
use rebar_runtime::state::State;

use crate::support::world::{Picture, TestWorld};
use crate::support::{context, folder};

struct Memory(BTreeMap<String, String>);

impl Files for Memory {
    fn read(&self, path: &str) -> Result<String, FileError> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| FileError::Missing(path.to_owned()))
    }

    fn list(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

pub(crate) const START: &str = r#"
use std.linux { package, file, service }
use std.image { bookworm }

network front { cidr = 10.20.0.0/24, gateway = 10.20.0.1 }
hardware small {
  cpu = 1, memory = 512MiB
  disk root { size = 8GiB }
  nic  eth0 { network = front }
}

role page(greeting: String) {
  package nginx { name = "nginx-light" }
  file index {
    path    = "/srv/index.html"
    content = "{greeting} from {node.name}"
  }
  service web { name = "nginx", reload_on = [index] }
  out url: String = "http://{node.address}/"
}

role entry(backends: List<String>) {
  file config {
    path    = "/etc/proxy.cfg"
    content = "{len(backends)} backends"
  }
}

workload shop(replicas: Int in 1..100 = 2, greeting: String = "hello") {
  nodes web  { count = replicas, hardware = small }
  node  edge { hardware = small }
  run pages = page(greeting) on web { canary = 1, batch = 2 }
  run front_door = entry(backends = pages.url) on edge
}

site laptop { machines = local(image = bookworm) }
deploy here = shop(replicas = 2) on laptop
"#;

pub(crate) async fn compiled(text: &str, state: &State, world: &Arc<TestWorld>) -> Plan {
    retiring(text, &[], state, world).await
}

/// As [`compiled`], with nodes that are asked to leave.
pub(crate) async fn retiring(text: &str, nodes: &[&str], state: &State, world: &Arc<TestWorld>) -> Plan {
    let project = Memory(BTreeMap::from([("main.rebar".to_owned(), text.to_owned())]));
    let std = rebar_stdlib::FILES
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let std = Memory(std.collect());
    let mut analysis = analyse(&Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    let snapshot = observe(state, world.as_ref(), "here", "laptop", Depth::Nodes)
        .await
        .unwrap();
    let mut ledger = state.ledger("laptop").await.unwrap();
    assert!(nodes.iter().all(|node| ledger.retire("here", node)));
    let made = analysis.plan("here", &ledger, &snapshot);
    let said: Vec<_> = analysis
        .diagnostics
        .sorted()
        .iter()
        .map(|d| format!("{} {}", d.code.0, d.message))
        .collect();
    made.unwrap_or_else(|| panic!("{said:#?}"))
}

pub(crate) async fn applied(text: &str, state: &State, world: &Arc<TestWorld>) {
    let made = compiled(text, state, world).await;
    // As it is reviewed and applied from a file.
    let folder = folder();
    let path = folder.path().join("plan.json");
    plan_file::write(&path, &made).unwrap();
    let (read, _) = plan_file::read(&path).unwrap();
    let outcome = execute(&read, &context(state, world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    let again = compiled(text, state, world).await;
    assert!(
        plan::is_empty(&again),
        "a second plan is not empty: {:#?}",
        again.nodes
    );
    assert_eq!(again.ledger, state.ledger("laptop").await.unwrap());
}

async fn from_nothing(text: &str) -> Picture {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    applied(text, &state, &world).await;
    world.picture()
}

#[tokio::test]
async fn any_road_leads_to_what_the_last_spec_says() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let roads: [(&str, &[(&str, &str)]); 11] = [
        ("as it is", &[]),
        ("another greeting", &[("= \"hello\")", "= \"hi\")")]),
        ("grown", &[("shop(replicas = 2)", "shop(replicas = 5)")]),
        ("shrunk", &[("shop(replicas = 2)", "shop(replicas = 3)")]),
        (
            "a step renamed",
            &[("file index {", "file start {"), ("[index]", "[start]")],
        ),
        (
            "a step about something else",
            &[("/srv/index.html", "/srv/other.html")],
        ),
        (
            "a step gone",
            &[("  service web { name = \"nginx\", reload_on = [index] }\n", "")],
        ),
        (
            "a run gone",
            &[("  run front_door = entry(backends = pages.url) on edge\n", "")],
        ),
        ("more memory", &[("512MiB", "1GiB")]),
        (
            "other addresses",
            &[(
                "10.20.0.0/24, gateway = 10.20.0.1",
                "10.30.0.0/24, gateway = 10.30.0.1",
            )],
        ),
        ("as it was", &[]),
    ];
    for (name, edits) in roads {
        let text = edits.iter().fold(START.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{name}: `{from}` is not there");
            text.replace(from, to)
        });
        applied(&text, &state, &world).await;
        let (found, expected) = (world.picture(), from_nothing(&text).await);
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "{name}"
        );
        for (key, value) in &expected {
            // Addresses, and so the machine's digest, are kept from earlier: they depend on the road.
            let what = |value: &str| match key.starts_with("machine/") {
                true => value.split_once(' ').map(|(_, rest)| rest.to_owned()),
                false => Some(value.to_owned()),
            };
            assert_eq!(what(&found[key]), what(value), "{name}: {key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_nodes_take_seconds() {
    let nodes = 400;
    let text = START
        .replace("1..100", "1..2000")
        .replace("10.20.0.0/24", "10.20.0.0/16")
        .replace("replicas = 2) on", &format!("replicas = {nodes}) on"));
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    let made = compiled(&text, &state, &world).await;
    let begun = std::time::Instant::now();
    let outcome = execute(&made, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done);
    let first = begun.elapsed();
    let size = std::fs::metadata(state.path()).unwrap().len() / 1024;
    println!(
        "{nodes} nodes, {} changes: {first:.2?}, state of {size} KiB",
        outcome.changed
    );
    let begun = std::time::Instant::now();
    let again = compiled(&text, &state, &world).await;
    assert!(plan::is_empty(&again));
    println!("observed and planned again: {:.2?}", begun.elapsed());
    assert!(first.as_secs() < 60, "{first:?}");
}
