//! `rebar state`, `history` and `logs`: looking into the state, mending it, and making it anew from what stands.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::World;
use crate::support::footprint::left;
use crate::support::machines::{Backend, alone};

const SPEC: &str = r#"
use std.linux { command, file }
use std.image { bookworm_bare }

network  inner { cidr = 10.112.9.0/24, gateway = 10.112.9.1 }
hardware tiny {
  cpu = 1, memory = 128MiB
  nic eth0 { network = inner }
}

role application() {
  file    note  { path = "/etc/note", content = "ours" }
  command first { run = "echo line >> /srv/count", once = true }
}

workload two() {
  nodes web { count = 2, hardware = tiny }
  run apps = application() on web
}

site laptop { machines = local(image = bookworm_bare) }
deploy pair = two() on laptop
"#;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn without_a_state_nothing_is_made_and_every_command_says_so() {
    let world = World::of_spec(SPEC);
    assert!(
        world
            .good(&["state", "show"])
            .out
            .contains("nothing was applied here yet")
    );
    for arguments in [
        &["state", "export"][..],
        &["state", "backup"],
        &["state", "forget", "pair"],
        &["state", "move", "a", "b"],
    ] {
        let ran = world.run(arguments);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("E1616"), "{ran:?}");
    }
    assert!(!world.project.join(".rebar").exists(), "looking makes no state");
    fs::write(world.project.join("bad.json"), "{}").unwrap();
    let bad = world.project.join("bad.json").display().to_string();
    let ran = world.run(&["state", "import", &bad]);
    assert!(ran.code == 1 && ran.err.contains("E1014"), "{ran:?}");
    for help in [
        &["state", "--help"][..],
        &["history", "--help"],
        &["logs", "--help"],
    ] {
        assert!(world.good(help).out.contains("rebar "), "help teaches by example");
    }
}

#[test]
fn a_state_that_was_lost_is_rebuilt_on_local() {
    a_state_that_was_lost_is_rebuilt(Backend::Local, 115);
}

#[test]
fn a_state_that_was_lost_is_rebuilt_on_docker() {
    a_state_that_was_lost_is_rebuilt(Backend::Docker, 116);
}

fn a_state_that_was_lost_is_rebuilt(backend: Backend, range: u8) {
    let _alone = alone();
    if !backend.is_here("rebuilding a state") {
        return;
    }
    let world = World::of_spec(&backend.spec(SPEC, "112", range));
    world.good(&["apply", "pair", "--yes"]);
    // A second and a third holder of the lease: epochs that the labels of an engine's objects do not tell.
    world.edit("\"ours\"", "\"ours too\"");
    world.good(&["apply", "pair", "--yes"]);
    records(&world);
    let machines = |text: &str| {
        let machines = json(text)[0]["machine"].clone();
        serde_json::json!([
            machines["web-1"]["digest"],
            machines["web-1"]["addresses"],
            machines["web-2"]["addresses"]
        ])
    };
    let before = machines(&world.good(&["state", "show", "pair", "--json"]).out);
    let id = |line: &str| world.good(&["exec", "pair", "web-1", "sh", "-c", line]).out;
    let machine = id("cat /etc/machine-id");

    // Lost, with everything beside it.
    let folder = world.project.join(".rebar");
    let kept = world.folder.path().join("kept");
    fs::rename(&folder, &kept).unwrap();
    let nobody = world.run(&["state", "rebuild", "pair", "--id", "0000", "--yes"]);
    assert!(
        nobody.code == 4 && nobody.err.contains("E1618") && nobody.err.contains("`pair`"),
        "{nobody:?}"
    );
    let asked = world.run(&["state", "rebuild", "pair"]);
    assert!(
        asked.code == 4 && asked.err.contains("web-1 and web-2"),
        "{asked:?}"
    );
    world.good(&["state", "rebuild", "pair", "--yes"]);
    assert_eq!(
        machines(&world.good(&["state", "show", "pair", "--json"]).out),
        before
    );
    let twice = world.run(&["state", "rebuild", "pair", "--yes"]);
    assert!(twice.code == 4 && twice.err.contains("E1015"), "{twice:?}");

    // No machine is made anew; what is on them is ensured, and is as it was.
    let plan = json(&world.good(&["plan", "pair", "--json"]).out);
    for node in plan["nodes"].as_array().unwrap() {
        assert_eq!(
            node["machine"]["verb"].as_str().or(node["machine"].as_str()),
            Some("keep"),
            "{node}"
        );
    }
    world.good(&["apply", "pair", "--yes"]);
    let again = world.good(&["apply", "pair", "--yes"]);
    assert!(again.out.contains("0 changes"), "{again:?}");
    assert_eq!(world.run(&["drift", "pair"]).code, 0);
    assert_eq!(id("cat /etc/machine-id"), machine);
    assert_eq!(id("cat /srv/count"), "line\n", "what runs once is not run again");

    // Another engine, or another folder, would say that all is gone.
    let elsewhere = rusqlite::Connection::open(folder.join("state.db")).unwrap();
    elsewhere
        .execute("UPDATE deploy SET engine = 'somebody else'", [])
        .unwrap();
    for arguments in [
        &["destroy", "pair", "--yes"][..],
        &["apply", "pair", "--yes"],
        &["drift", "pair"],
        &["plan", "pair"],
    ] {
        let ran = world.run(arguments);
        assert!(ran.code == 4 && ran.err.contains("E1012"), "{ran:?}");
    }
    elsewhere.execute("UPDATE deploy SET engine = NULL", []).unwrap();
    drop(elsewhere);

    // A node is forgotten, and goes with the deploy all the same.
    let forgotten = world.good(&["state", "forget", "pair/web-2", "--yes"]);
    assert!(
        forgotten.err.contains("by hand") && forgotten.err.contains("backup: "),
        "{forgotten:?}"
    );
    world.good(&["destroy", "pair", "--yes"]);
    let left = left(&world);
    assert!(left.is_empty(), "left behind: {left:#?}");
}

/// Everything that looks at the record and copies it, and the move to another name and back.
fn records(world: &World) {
    let short = world.good(&["state", "show"]).out;
    assert!(short.contains("2 machines, 1 network, 4 steps"), "{short}");
    let full = world.good(&["state", "show", "pair"]).out;
    assert!(
        full.contains("machine web-1") && full.contains("apps.note"),
        "{full}"
    );

    // History: two runs, and the lines of each.
    let history = json(&world.good(&["history", "pair", "--json"]).out);
    assert_eq!(history.as_array().unwrap().len(), 2);
    assert_eq!(history[0]["outcome"], "done");
    let run = history[1]["id"].as_str().unwrap();
    let lines = world.good(&["history", "--run", &run[..10]]).out;
    assert!(
        lines.contains("done machine/web-1") && lines.contains("intent web-1/apps.note"),
        "{lines}"
    );
    let few = world.good(&["history", "--run", run, "-n", "2"]).out;
    assert_eq!(few.lines().count(), 3, "{few}");
    let unknown = world.run(&["history", "--run", "zzz"]);
    assert!(unknown.code == 1 && unknown.err.contains("E1619"), "{unknown:?}");

    // Logs: of the latest run, of one node, of one step; private.
    let logs = world.good(&["logs", "pair", "web-1"]).out;
    assert!(
        logs.contains("web-1 apps.note") && !logs.contains("web-2"),
        "{logs}"
    );
    let first = world.good(&["logs", "pair", "--run", run, "--json"]).out;
    assert!(
        first.lines().count() > 10 && first.lines().all(|line| json(line)["time"].is_i64()),
        "{first}"
    );
    let step = world
        .good(&["logs", "pair", "web-2", "--run", run, "--step", "apps.first"])
        .out;
    assert!(
        step.contains("apps.first") && !step.contains("apps.note"),
        "{step}"
    );
    assert!(
        world
            .good(&["logs", "pair", "--since", "1h", "--follow"])
            .out
            .matches("apply of pair")
            .count()
            == 2
    );
    assert_eq!(world.run(&["logs", "pair", "--since", "soon"]).code, 2);
    let mode = |path: &str| {
        fs::metadata(world.project.join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode(".rebar/logs"), mode(&format!(".rebar/logs/{run}.jsonl"))),
        (0o700, 0o600)
    );

    // Copies.
    let file = world.folder.path().join("state.json").display().to_string();
    world.good(&["state", "export", "--out", &file]);
    let copy = world.good(&["state", "backup"]).out;
    assert!(fs::metadata(copy.trim()).unwrap().permissions().mode() & 0o777 == 0o600);
    let older = world.run(&["state", "import", &file, "--yes"]);
    assert_eq!(older.code, 0, "nothing was done since: {older:?}");

    // Another name, and back: nothing is to be done under it.
    let node = world.run(&["state", "move", "pair/web-1", "pair/web-9"]);
    assert!(node.code == 4 && node.err.contains("E1617"), "{node:?}");
    world.good(&["state", "move", "pair", "couple"]);
    world.edit("deploy pair", "deploy couple");
    let plan = world.run(&["plan", "couple", "--exit-code"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    world.good(&["apply", "couple", "--yes"]);
    world.good(&["state", "move", "couple", "pair"]);
    world.edit("deploy couple", "deploy pair");
    let told = world.good(&["history"]).out;
    assert!(told.matches("surgery").count() == 3, "{told}");
    let older = world.run(&["state", "import", &file, "--yes"]);
    assert!(older.code == 4 && older.err.contains("E1013"), "{older:?}");
}

#[test]
fn nothing_is_written_over_the_state_by_mistake() {
    let world = World::of_spec(SPEC);
    world.good(&["status"]);
    let state = world.project.join(".rebar/state.db");
    rebar_runtime::state::State::open(&state).unwrap();
    let before = fs::read(&state).unwrap();
    let (file, log) = (state.display().to_string(), format!("{}-wal", state.display()));
    for arguments in [
        &["state", "export", "--out", &file][..],
        &["state", "export", "--out", &log],
        &["plan", "pair", "-o", &file],
    ] {
        let ran = world.run(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains("E1626"), "{ran:?}");
    }
    assert_eq!(fs::read(&state).unwrap(), before);
    // A device stays a device, a link leads where it led.
    let full = world.run(&["state", "export", "--out", "/dev/full"]);
    assert!(
        full.code != 0 && !fs::metadata("/dev/full").unwrap().is_file(),
        "{full:?}"
    );
    let (link, target) = (world.project.join("link.json"), world.project.join("target.json"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    fs::write(&target, "").unwrap();
    world.good(&["state", "export", "--out", &link.display().to_string()]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && fs::metadata(&target).unwrap().len() > 100);
}

#[test]
fn answers_and_numbers_that_lead_nowhere_are_refused() {
    let world = World::of_spec(SPEC);
    for (arguments, says) in [
        (
            &["apply", "pair", "--yes", "--assume", "web-9/apps.first=done"][..],
            "E1630",
        ),
        (
            &["apply", "pair", "--yes", "--assume", "web-1/apps.nope=done"],
            "E1630",
        ),
        (
            &[
                "apply",
                "pair",
                "--assume",
                "web-1/apps.first=done",
                "--assume",
                "web-1/apps.first=not-done",
            ],
            "E1630",
        ),
        (
            &["apply", "pair", "--yes", "--parallel", "0"],
            "nothing would ever begin",
        ),
        (
            &["rehearse", "pair", "--parallel", "0"],
            "nothing would ever begin",
        ),
        (&["plan", "pair", "--no-drain", "web-1"], "E1625"),
    ] {
        let ran = world.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(says), "{arguments:?}: {ran:?}");
    }
}
