//! `rebar conformance` as a program: what it refuses, and that nothing of it stays however it ends.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::World;
use crate::support::machines::{alone, local_is_here};

fn world() -> World {
    World::of_spec("// Nothing of the project is used.\n")
}

#[test]
fn checks_are_listed_and_what_cannot_be_tried_is_refused() {
    let world = world();
    let list = world.good(&["conformance", "local", "--list"]).out;
    assert!(
        list.contains("plan.boundaries") && list.lines().count() > 40,
        "{list}"
    );
    let some = world
        .good(&["conformance", "local", "--list", "--json", "--only", "fence."])
        .out;
    let some: serde_json::Value = serde_json::from_str(&some).unwrap();
    assert_eq!(some.as_array().unwrap().len(), 2, "{some}");
    let none = world.run(&["conformance", "local", "--only", "nonsense"]);
    assert!(none.code == 2 && none.err.contains("E1620"), "{none:?}");
    let unknown = world.run(&["conformance", "vapour"]);
    assert!(unknown.code == 4 && unknown.err.contains("E1605"), "{unknown:?}");
    let output = world
        .command(&["conformance", "docker", "--only", "life."])
        .env("DOCKER_HOST", "unix:///nonexistent/engine.sock")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(4) && said.contains("E1621"),
        "{said}"
    );
    assert!(!world.data().exists(), "a refused run leaves no folder");
}

/// Waits until the run has made a machine.
fn begun(world: &World) {
    let deadline = Instant::now() + Duration::from_secs(120);
    let pattern = world.data().join("conformance");
    while Instant::now() < deadline {
        let found = std::process::Command::new("find")
            .arg(&pattern)
            .args(["-name", "init.json"])
            .output();
        if !found.unwrap().stdout.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no machine was made");
}

fn signal(child: &std::process::Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

#[test]
fn nothing_stays_whether_it_ends_well_is_interrupted_or_killed() {
    let _alone = alone();
    if !local_is_here("conformance as a program") {
        return;
    }
    let world = world();
    let ran = world.good(&["conformance", "local", "--only", "life.network,fence.", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let verdicts = report["verdicts"].as_array().unwrap();
    assert!(
        verdicts.len() == 4 && verdicts.iter().all(|v| v["outcome"] == "passed"),
        "{report}"
    );
    assert!(!world.data().exists(), "the data folder goes with the run");

    let mut child = world.start(&["conformance", "local", "--only", "identity.disk"]);
    begun(&world);
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(6));
    assert!(!world.data().exists(), "an interrupted run cleans up");

    let mut child = world.start(&["conformance", "local", "--only", "identity.disk"]);
    begun(&world);
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    assert!(world.data().exists());
    let ran = world.good(&["conformance", "local", "--only", "life.network"]);
    assert!(ran.err.contains("an earlier run that was killed"), "{ran:?}");
    // The data folder itself, empty by now, stays: who had made it was killed.
    assert!(
        !world.data().join("conformance").exists(),
        "the next run takes away what a killed one left"
    );
}
