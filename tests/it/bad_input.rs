//! Bad input and bad luck: each gets a coded message, and nothing is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::machines::{alone, local_is_here};
use crate::support::{Ran, World, root, say};

/// Standard error without colours and without the folder of the test.
fn said(world: &World, ran: &Ran) -> String {
    format!("exit {}\n{}{}", ran.code, ran.out, ran.err)
        .replace(&world.project.display().to_string(), "PROJECT")
}

fn shop() -> World {
    World::of_example("shop", 93)
}

#[test]
fn a_project_without_a_spec() {
    let world = shop();
    fs::remove_file(world.project.join("main.rebar")).unwrap();
    insta::assert_snapshot!(said(&world, &world.run(&["check"])));
}

#[test]
fn a_spec_that_is_a_folder() {
    let world = shop();
    fs::remove_file(world.project.join("main.rebar")).unwrap();
    fs::create_dir(world.project.join("main.rebar")).unwrap();
    insta::assert_snapshot!(said(&world, &world.run(&["check"])));
}

#[test]
fn a_spec_that_is_not_text() {
    let world = shop();
    fs::write(world.project.join("main.rebar"), b"role \xff\xfe() { }").unwrap();
    insta::assert_snapshot!(said(&world, &world.run(&["check"])));
}

#[test]
fn a_spec_that_may_not_be_read() {
    let world = shop();
    let spec = world.project.join("main.rebar");
    fs::set_permissions(&spec, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&spec).is_ok() {
        // Root reads everything: drop to a user who may not.
        for folder in [world.project.parent().unwrap(), &world.project] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let program = world.project.parent().unwrap().join("rebar");
        fs::copy(env!("CARGO_BIN_EXE_rebar"), &program).unwrap();
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&program)
            .arg("-C")
            .arg(&world.project)
            .arg("check")
            .output()
            .unwrap();
        insta::assert_snapshot!(said(&world, &Ran::from(output)));
    } else {
        insta::assert_snapshot!(said(&world, &world.run(&["check"])));
    }
}

#[test]
fn a_broken_template() {
    let world = shop();
    fs::write(
        world.project.join("templates/page.html.hbs"),
        "<h1>{{#each greeting}}</h1>\n",
    )
    .unwrap();
    insta::assert_snapshot!(said(&world, &world.run(&["plan", "laptop_shop"])));
}

#[test]
fn a_template_with_an_unknown_variable() {
    let world = shop();
    fs::write(
        world.project.join("templates/page.html.hbs"),
        "<h1>{{greting}}</h1>\n",
    )
    .unwrap();
    insta::assert_snapshot!(said(&world, &world.run(&["plan", "laptop_shop"])));
}

#[test]
fn an_unknown_deploy() {
    let world = shop();
    insta::assert_snapshot!(said(&world, &world.run(&["apply", "laptop_shp", "--yes"])));
}

#[test]
fn an_unknown_backend_is_refused_and_nothing_is_made() {
    let world = shop();
    let own = "backend cloud {\n  image: Image\n  provides node.packages = exact\n  provides node.files = exact\n  \
               provides node.services = exact\n  provides node.network = exact\n}\nsite lab    { machines = cloud(";
    world.edit("site lab    { machines = docker(", own);
    insta::assert_snapshot!(said(&world, &world.run(&["apply", "lab_shop", "--yes"])));
    assert!(!world.data().exists());
}

#[test]
fn a_state_file_cut_short() {
    let world = shop();
    let state = world.project.join(".rebar/state.db");
    fs::create_dir(state.parent().unwrap()).unwrap();
    world.good(&["status"]);
    let whole = fs::read(&state).unwrap();
    let cut = whole[..whole.len() / 2].to_vec();
    for file in ["state.db-wal", "state.db-shm"] {
        let _ = fs::remove_file(world.project.join(".rebar").join(file));
    }
    fs::write(&state, &cut).unwrap();
    // How long the file is depends on how many tables there are.
    let said = said(&world, &world.run(&["apply", "laptop_shop", "--yes"]));
    let said = said.replace(
        &format!("{} of {} bytes", cut.len(), whole.len()),
        "HALF of WHOLE bytes",
    );
    insta::assert_snapshot!(said);
    assert_eq!(fs::read(&state).unwrap(), cut, "the file is as it was");
}

#[test]
fn a_state_file_of_something_else() {
    let world = shop();
    let state = world.project.join(".rebar/state.db");
    fs::create_dir(state.parent().unwrap()).unwrap();
    fs::write(&state, "my notes, which I would hate to lose\n".repeat(40)).unwrap();
    let ran = world.run(&["apply", "laptop_shop", "--yes"]);
    insta::assert_snapshot!(said(&world, &ran));
    assert!(fs::read_to_string(&state).unwrap().starts_with("my notes"));
}

#[test]
fn plan_files_that_are_not_what_they_say() {
    let world = shop();
    let plan = world.project.join("plan.json");
    let shown = plan.display().to_string();
    world.good(&["plan", "laptop_shop", "-o", &shown]);
    let good = fs::read_to_string(&plan).unwrap();
    let cases = [
        ("cut", good[..good.len() / 2].to_owned()),
        ("edited", good.replace("nginx-light", "nginx-heavy")),
        ("empty", String::new()),
        ("something else", "{\"hello\": 1}".to_owned()),
    ];
    let mut all = String::new();
    for (name, text) in cases {
        fs::write(&plan, text).unwrap();
        let ran = world.run(&["apply", &shown, "--yes"]);
        assert_ne!(ran.code, 0, "{name}");
        all.push_str(&format!("--- {name}\n{}", said(&world, &ran)));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn every_error_of_a_spec_at_once_and_as_json() {
    let world = shop();
    world.edit("cpu = 1", "cpus = 1");
    world.edit("greeting: String, port", "greeting: Strin, port");
    world.edit("on laptop", "on lptop");
    let ran = world.run(&["check"]);
    insta::assert_snapshot!(said(&world, &ran));
    let json = world.run(&["check", "--format", "json"]);
    assert_eq!(json.code, 1);
    let list: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 3);
}

#[test]
fn two_applies_at_once_and_a_full_disk() {
    let _alone = alone();
    if !local_is_here("two applies at once") {
        return;
    }
    let world = World::of_spec(
        &fs::read_to_string(root().join("tests/it/kills.rs"))
            .unwrap()
            .split("r#\"")
            .nth(1)
            .and_then(|rest| rest.split("\"#").next())
            .unwrap()
            .replace("10.92.", "10.94."),
    );
    // State on a file system that is full, first at once and then in the middle of an apply.
    let state = world.project.join(".rebar");
    fs::create_dir(&state).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8M", "rebar-test"])
        .arg(&state)
        .status();
    assert!(mounted.unwrap().success());
    world.good(&["status"]);
    let filler = state.join("filler");
    for room in [0, 64 * 1024] {
        let mut full = fs::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut full, &[0; 4096]).is_ok() {}
        full.set_len(full.metadata().unwrap().len() - room).unwrap();
        let ran = world.run(&["apply", "three_nodes", "--yes"]);
        assert_ne!(ran.code, 0);
        assert!(
            ran.err.contains("E1007") && ran.err.contains("no space left"),
            "{room}: {}\n{}",
            ran.out,
            ran.err
        );
        let line = ran.err.lines().find(|l| l.contains("E1007")).unwrap();
        say(&format!("with {room} bytes of room: {line}"));
        fs::remove_file(&filler).unwrap();
    }

    // Two at once: one works, the other is refused and touches nothing.
    let mut both: Vec<Ran> = std::thread::scope(|scope| {
        let apply = || world.run(&["apply", "three_nodes", "--yes"]);
        let started = [scope.spawn(apply), scope.spawn(apply)];
        started.map(|thread| thread.join().unwrap()).into()
    });
    both.sort_by_key(|ran| ran.code);
    assert_eq!((both[0].code, both[1].code), (0, 4), "{both:?}");
    let refused = &both[1].err;
    assert!(
        refused.contains("E1005") || refused.contains("E1104"),
        "{refused}"
    );
    world.good(&["destroy", "three_nodes", "--yes"]);
}

#[test]
fn nobody_listens_to_standard_error() {
    let world = shop();
    for (args, code) in [
        (&["check"][..], 0),
        (&["plan", "laptop_shp"], 1),
        (&["-vv", "check"], 0),
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_rebar"))
            .current_dir(&world.project)
            .args(args)
            .stderr(full)
            .status();
        assert_eq!(status.unwrap().code(), Some(code), "{args:?}");
    }
}

#[test]
fn what_is_written_to_stays_what_it_is() {
    let world = shop();
    let plan = world.project.join("plan.json");
    let link = world.project.join("link.json");
    fs::write(&plan, "").unwrap();
    std::os::unix::fs::symlink(&plan, &link).unwrap();
    world.good(&["plan", "laptop_shop", "-o", &link.display().to_string()]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&plan).unwrap().contains("\"hash\""));
    // A pipe: had it been replaced by a file, `cat` would wait for ever.
    let pipe = world.project.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let cat = Command::new("cat")
        .arg(&pipe)
        .stdout(std::process::Stdio::piped())
        .spawn();
    world.good(&["plan", "laptop_shop", "-o", &pipe.display().to_string()]);
    let read = cat.unwrap().wait_with_output().unwrap();
    assert!(String::from_utf8(read.stdout).unwrap().contains("\"hash\""));

    let spec = world.project.join("main.rebar");
    let other = world.project.join("other.rebar");
    let text = fs::read_to_string(&spec)
        .unwrap()
        .replace("cpu = 1", "cpu   =  1");
    fs::write(&other, &text).unwrap();
    fs::remove_file(&spec).unwrap();
    std::os::unix::fs::symlink("other.rebar", &spec).unwrap();
    world.good(&["fmt", &spec.display().to_string()]);
    assert!(fs::symlink_metadata(&spec).unwrap().is_symlink());
    assert_ne!(fs::read_to_string(&other).unwrap(), text);
}

#[test]
fn a_state_that_is_out_of_reach_is_not_no_state() {
    let world = shop();
    let state = world.project.join(".rebar");
    let plan = ["plan", "laptop_shop", "--refresh", "none"];
    world.good(&plan);
    fs::write(&state, "").unwrap();
    assert_eq!(world.run(&plan).code, 1, "a file");
    fs::remove_file(&state).unwrap();
    std::os::unix::fs::symlink("/nowhere/mounted", &state).unwrap();
    assert_eq!(world.run(&plan).code, 1, "a link to a disk that is away");
    fs::remove_file(&state).unwrap();
    fs::create_dir(&state).unwrap();
    world.good(&plan);
    std::os::unix::fs::symlink("/nowhere/state.db", state.join("state.db")).unwrap();
    assert_eq!(world.run(&plan).code, 1, "a link to a file that is away");
}

#[test]
fn a_data_folder_other_than_the_one_the_machines_are_in() {
    let world = shop();
    world.good(&["status"]);
    fs::write(world.project.join(".rebar/data"), "/srv/elsewhere\n").unwrap();
    let ran = world.run(&["apply", "laptop_shop", "--yes"]);
    let data = world.data().display().to_string();
    insta::assert_snapshot!(said(&world, &ran).replace(&data, "DATA"));
    assert!(!world.data().exists());
}

#[test]
fn json_is_one_value() {
    let world = shop();
    let args = [
        "plan",
        "laptop_shop",
        "--json",
        "--format",
        "json",
        "--refresh",
        "none",
    ];
    let plan: serde_json::Value = serde_json::from_str(&world.good(&args).out).unwrap();
    assert!(plan.is_object());
    world.edit("cpu = 1", "cpus = 1");
    let errors: serde_json::Value = serde_json::from_str(&world.run(&args).out).unwrap();
    assert!(errors.is_array());
}

#[test]
fn a_pipe_where_a_file_should_be() {
    let world = shop();
    let pipe = |path: &str| {
        let path = world.project.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    };
    pipe(".rebar/state.db");
    let ran = world.run(&["status"]);
    assert!(
        ran.err.contains("E1001") && ran.err.contains("no regular file"),
        "{}",
        ran.err
    );
    pipe("piped.rebar");
    let spec = world.project.join("main.rebar");
    let text = fs::read_to_string(&spec).unwrap();
    fs::write(&spec, format!("use piped {{ x }}\n{text}")).unwrap();
    let ran = world.run(&["check"]);
    assert!(
        ran.err.contains("E0902") && ran.err.contains("no regular file"),
        "{}",
        ran.err
    );
}

#[test]
fn all_specs_are_formatted_however_deep() {
    let world = shop();
    let folder = world.project.join("a/b/c/d/e/f/g");
    fs::create_dir_all(&folder).unwrap();
    let spec = folder.join("deep.rebar");
    fs::write(&spec, "let a=1\n").unwrap();
    // A link back up must not be followed.
    std::os::unix::fs::symlink(&world.project, folder.join("up")).unwrap();
    world.good(&["fmt"]);
    assert_eq!(fs::read_to_string(&spec).unwrap(), "let a = 1\n");
}
