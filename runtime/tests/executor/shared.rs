//! Steps that runs share: carried out once, owned by the first of the runs that are there, and gone with the last.

use rebar_agent::protocol::FailureClass;
use rebar_compiler::plan;
use rebar_runtime::execute::{Status, execute};
use rebar_runtime::state::State;

use crate::project::{applied, compiled};
use crate::support::world::TestWorld;
use crate::support::{context, folder};

const SPEC: &str = r#"
use std.linux { directory, file, package }
use std.image { bookworm }
network front { cidr = 10.20.0.0/24, gateway = 10.20.0.1 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
role page(name: String) {
  package nginx { name = "nginx-light" }
  file    site  { path = "/srv/{name}", content = name }
}
role bare() { package server { name = "nginx-light" } }
role alone() { file note { path = "/etc/note", content = "x" } }
workload shop() {
  nodes web { count = 2, hardware = small }
  node edge { hardware = small }
  run a = page("a") on web
  run b = page("b") on web
  run c = bare() on web
  run d = alone() on web
  run e = alone() on edge { after = [c] }
}
site laptop { machines = local(image = bookworm) }
deploy here = shop() on laptop
"#;

fn without(runs: &[&str]) -> String {
    let gone = |line: &&str| {
        !runs
            .iter()
            .any(|run| line.trim().starts_with(&format!("run {run} =")))
    };
    let kept: Vec<&str> = SPEC.lines().filter(gone).collect();
    let text = kept.join("\n");
    match runs.contains(&"c") {
        true => text.replace(" { after = [c] }", ""),
        false => text,
    }
}

/// The things that stand on `web-1`, and which step has them.
async fn packages(state: &State) -> Vec<String> {
    let found = state.inspect("here").await.unwrap().unwrap();
    let steps = found.machine["web-1"].steps.iter();
    let packages = steps.filter(|s| s.kind == "package");
    packages.map(|s| s.address.clone()).collect()
}

#[tokio::test]
async fn the_thing_goes_with_the_last_run_that_wants_it() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    applied(SPEC, &state, &world).await;
    assert_eq!(world.count("begin web-1/a.nginx"), 1);
    assert_eq!(
        world.count("begin web-1/b.nginx") + world.count("begin web-1/c.server"),
        0
    );
    assert_eq!(packages(&state).await, ["a.nginx"]);
    // The first owner goes, then the second: each time the next one has it.
    for (gone, owner) in [(&["a"][..], "b.nginx"), (&["a", "b"], "c.server")] {
        let text = without(gone);
        let next = compiled(&text, &state, &world).await;
        let removed: Vec<String> = next
            .nodes
            .iter()
            .flat_map(|row| match &row.steps {
                plan::StepVerbs::Some { remove, .. } => remove.clone(),
                plan::StepVerbs::All => Vec::new(),
            })
            .map(|step| step.kind)
            .collect();
        assert_eq!(removed, ["file", "file"], "only what is its own");
        applied(&text, &state, &world).await;
        assert_eq!(packages(&state).await, [owner]);
        let named = |part: &str| world.picture().values().any(|v| v.contains(part));
        assert!(named("nginx-light"), "{:#?}", world.picture());
    }
    // One that goes and owns nothing leaves it alone; with the last it is gone.
    applied(&without(&["a", "b", "c"]), &state, &world).await;
    assert!(packages(&state).await.is_empty());
    assert!(!world.picture().values().any(|v| v.contains("nginx-light")));
}

#[tokio::test]
async fn what_was_recorded_for_another_run_is_taken_over_and_not_made_anew() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    // Before steps were shared, the record had the last run that was carried out as the owner.
    applied(&without(&["a", "c"]), &state, &world).await;
    assert_eq!(packages(&state).await, ["b.nginx"]);
    let machines = world.count("create machine/");
    let next = compiled(SPEC, &state, &world).await;
    assert!(next.nodes.iter().all(|row| match &row.steps {
        plan::StepVerbs::Some { remove, .. } => remove.is_empty(),
        plan::StepVerbs::All => false,
    }));
    applied(SPEC, &state, &world).await;
    assert_eq!(packages(&state).await, ["a.nginx"]);
    assert_eq!(world.count("create machine/"), machines);
    // A later owner that goes changes nothing but what is its own.
    let at = world.log().len();
    applied(&without(&["c"]), &state, &world).await;
    let begun: Vec<String> = world.log()[at..]
        .iter()
        .filter(|line| line.starts_with("begin"))
        .cloned()
        .collect();
    assert!(begun.is_empty(), "{begun:#?}");
}

#[tokio::test]
async fn who_shares_a_step_does_not_begin_without_it() {
    let (folder, world) = (folder(), TestWorld::new());
    let state = State::in_folder(folder.path()).unwrap();
    world.fail_step("web-1/a.nginx", FailureClass::Terminal, 1);
    let first = compiled(SPEC, &state, &world).await;
    let outcome = execute(&first, &context(&state, &world)).await.unwrap();
    assert_ne!(outcome.status, Status::Done);
    // On that node; on the other one all goes on.
    assert_eq!(world.count("begin web-1/b.site"), 0);
    assert_eq!(world.count("end web-2/b.site"), 1);
    // A run that shares nothing is not held back, and one that waits for a run of shared steps only is.
    assert_eq!(world.count("end web-1/d.note"), 1);
    assert_eq!(world.count("begin edge/e.note"), 0);
    applied(SPEC, &state, &world).await;
    assert_eq!(world.count("end edge/e.note"), 1);
}
