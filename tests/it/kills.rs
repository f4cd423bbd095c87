//! `kill -9` at many moments: the next apply finishes, with nothing made twice and nothing left over.

use std::time::{Duration, Instant};

use crate::support::footprint::left;
use crate::support::machines::{Backend, agent_on, alone, containers_on, kill};
use crate::support::{World, say};

/// Three nodes with everything but packages, so that a round takes seconds.
const SPEC: &str = r#"
use std.linux { command, directory, file, group, service, user }
use std.image { bookworm }

network  inner { cidr = 10.92.0.0/24, gateway = 10.92.0.1 }
hardware tiny {
  cpu = 1, memory = 256MiB
  nic eth0 { network = inner }
}

role application() {
  group  members { name = "app" }
  user   account { name = "app", group = "app" }
  directory home { path = "/srv/app", owner = "app", group = "app" }
  file   data { path = "/srv/app/data", content = "of {node.name}\n" }
  file   unit {
    path    = "/etc/systemd/system/app.service"
    content = "[Unit]\nDescription=App\n[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
  }
  command counted { run = "echo line >> /srv/app/count", creates = "/srv/app/count" }
  service app { name = "app", reload_on = [unit] }
  out address: Ip = node.address
}

role summary(members: List<Ip>) {
  file list { path = "/srv/list", content = join(["{m}" for m in members], "\n") }
}

workload three() {
  nodes app { count = 2, hardware = tiny }
  node  top { hardware = tiny }
  run apps = application() on app
  run all  = summary(members = apps.address) on top
}

site laptop { machines = local(image = bookworm) }
deploy three_nodes = three() on laptop
"#;

fn finish_and_compare(world: &World, range: u8, what: &str) {
    let ran = world.run(&["apply", "three_nodes", "--yes"]);
    assert_eq!(ran.code, 0, "after {what}: {}\n{}", ran.out, ran.err);
    let again = world.good(&["apply", "three_nodes", "--yes"]);
    assert!(again.out.contains("0 changes"), "after {what}: {}", again.out);
    for node in ["app-1", "app-2"] {
        let count = world
            .good(&["exec", "three_nodes", node, "cat", "/srv/app/count"])
            .out;
        assert_eq!(
            count, "line\n",
            "after {what}: the command ran more than once on {node}"
        );
    }
    let list = world
        .good(&["exec", "three_nodes", "top", "cat", "/srv/list"])
        .out;
    assert_eq!(list, format!("10.{range}.0.2\n10.{range}.0.3"), "after {what}");
    assert_eq!(
        containers_on(range),
        3,
        "after {what}: as many containers as nodes"
    );
}

#[test]
fn rebar_killed_at_ten_moments_on_local() {
    rebar_killed(Backend::Local, 92, 10);
}

/// Fewer, since each takes longer; those at every line of the journal are in the suite over all backends.
#[test]
fn rebar_killed_at_five_moments_on_docker() {
    rebar_killed(Backend::Docker, 94, 5);
}

fn rebar_killed(backend: Backend, range: u8, moments: u32) {
    let _alone = alone();
    if !backend.is_here("killing rebar") {
        return;
    }
    let world = World::of_spec(&backend.spec(SPEC, "92", range));
    let start = Instant::now();
    world.good(&["apply", "three_nodes", "--yes"]);
    let whole = start.elapsed();
    finish_and_compare(&world, range, "an undisturbed apply");
    world.good(&["destroy", "three_nodes", "--yes"]);
    for moment in 0..moments {
        // At first almost at once, then evenly to the end.
        let wait = whole * (2 * moment + 1) / (2 * moments);
        let mut child = world.start(&["apply", "three_nodes", "--yes"]);
        std::thread::sleep(wait);
        let early = child.try_wait().unwrap().is_none();
        kill(child.id());
        child.wait().unwrap();
        let what = format!("a kill after {} ms (still running: {early})", wait.as_millis());
        finish_and_compare(&world, range, &what);
        say(&format!("{what}: finished by the next apply"));
        world.good(&["destroy", "three_nodes", "--yes"]);
    }
    let left = left(&world);
    assert!(left.is_empty(), "left behind: {left:#?}");
}

/// Every machine is replaced; the going on is killed too, and so is the destruction.
#[test]
fn rebar_killed_while_it_replaces_goes_on_and_destroys_on_local() {
    let _alone = alone();
    if !Backend::Local.is_here("killing a replacement") {
        return;
    }
    let world = World::of_spec(&Backend::Local.spec(SPEC, "92", 92));
    let killed_after = |arguments: &[&str], wait: Duration| {
        let mut child = world.start(arguments);
        std::thread::sleep(wait);
        kill(child.id());
        child.wait().unwrap();
    };
    let apply = ["apply", "three_nodes", "--yes"];
    let start = Instant::now();
    world.good(&apply);
    let whole = start.elapsed();
    let mut memory = "256MiB".to_owned();
    for part in 1..=3 {
        let other = format!("{}MiB", 256 - part);
        world.edit(&memory, &other);
        memory = other;
        killed_after(&apply, whole * part / 4);
        killed_after(&apply, whole * part / 6);
        finish_and_compare(
            &world,
            92,
            &format!("two kills while all was replaced ({part} of 4)"),
        );
    }
    let start = Instant::now();
    let destroy = ["destroy", "three_nodes", "--yes"];
    world.good(&destroy);
    let whole = start.elapsed();
    world.good(&apply);
    killed_after(&destroy, whole / 3);
    killed_after(&destroy, whole / 2);
    world.good(&destroy);
    let left = left(&world);
    assert!(left.is_empty(), "left behind: {left:#?}");
}

#[test]
fn the_agent_killed_at_three_moments_on_local() {
    the_agent_killed_at_three_moments(Backend::Local, 92);
}

#[test]
fn the_agent_killed_at_three_moments_on_docker() {
    the_agent_killed_at_three_moments(Backend::Docker, 94);
}

fn the_agent_killed_at_three_moments(backend: Backend, range: u8) {
    let _alone = alone();
    if !backend.is_here("killing the agent") {
        return;
    }
    let world = World::of_spec(&backend.spec(SPEC, "92", range));
    for (round, wait) in [0, 40, 150].map(Duration::from_millis).into_iter().enumerate() {
        let mut child = world.start(&["apply", "three_nodes", "--yes"]);
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut hit = None;
        while hit.is_none() && child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            if let Some(pid) = agent_on(range) {
                std::thread::sleep(wait);
                kill(pid);
                hit = Some(pid);
            }
        }
        assert!(hit.is_some(), "no agent was seen in round {round}");
        child.wait().unwrap();
        finish_and_compare(
            &world,
            range,
            &format!("killing the agent {} ms after it was seen", wait.as_millis()),
        );
        world.good(&["destroy", "three_nodes", "--yes"]);
    }
    let left = left(&world);
    assert!(left.is_empty(), "left behind: {left:#?}");
}
