//! `kill -9` at many moments: the next apply finishes, with nothing made twice and nothing left over.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{Footprint, World, alone, local_is_here, say};

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

fn finish_and_compare(world: &World, what: &str) {
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
    assert_eq!(list, "10.92.0.2\n10.92.0.3", "after {what}");
    assert_eq!(first_processes(), 3, "after {what}: as many containers as nodes");
}

/// Containers of the spec, by their host names.
fn first_processes() -> usize {
    ["app-1", "app-2", "top"].iter().map(|name| count_of(name)).sum()
}

fn count_of(name: &str) -> usize {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let first = status.lines().find(|l| l.starts_with("NSpid:")).is_some_and(|l| {
                let ids: Vec<&str> = l.split_whitespace().skip(1).collect();
                ids.len() > 1 && ids.last() == Some(&"1")
            });
            first
                && fs::read_to_string(entry.path().join("root/etc/hostname"))
                    .is_ok_and(|host| host.trim() == name)
        })
        .count()
}

fn agent() -> Option<u32> {
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_string_lossy().parse().ok()?;
        let exe = fs::read_link(entry.path().join("exe")).ok()?;
        exe.to_string_lossy().contains("rebar-agent").then_some(pid)
    })
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    // It may just have ended by itself.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

#[test]
fn rebar_killed_at_ten_moments() {
    let _alone = alone();
    if !local_is_here("killing rebar") {
        return;
    }
    let world = World::of_spec(SPEC);
    let before = Footprint::now(&world);
    let start = Instant::now();
    world.good(&["apply", "three_nodes", "--yes"]);
    let whole = start.elapsed();
    finish_and_compare(&world, "an undisturbed apply");
    world.good(&["destroy", "three_nodes", "--yes"]);
    for moment in 0..10_u32 {
        // The first twentieth, then evenly to the end.
        let wait = whole * (2 * moment + 1) / 20;
        let mut child = world.start(&["apply", "three_nodes", "--yes"]);
        std::thread::sleep(wait);
        let early = child.try_wait().unwrap().is_none();
        kill(child.id());
        child.wait().unwrap();
        let what = format!("a kill after {} ms (still running: {early})", wait.as_millis());
        finish_and_compare(&world, &what);
        say(&format!("{what}: finished by the next apply"));
        world.good(&["destroy", "three_nodes", "--yes"]);
    }
    let left = Footprint::left(&world, &before);
    assert!(left.is_empty(), "left behind: {left:#?}");
}

#[test]
fn the_agent_killed_at_three_moments() {
    let _alone = alone();
    if !local_is_here("killing the agent") {
        return;
    }
    let world = World::of_spec(SPEC);
    let before = Footprint::now(&world);
    for (round, wait) in [0, 40, 150].map(Duration::from_millis).into_iter().enumerate() {
        let mut child = world.start(&["apply", "three_nodes", "--yes"]);
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut hit = None;
        while hit.is_none() && child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            if let Some(pid) = agent() {
                std::thread::sleep(wait);
                kill(pid);
                hit = Some(pid);
            }
        }
        assert!(hit.is_some(), "no agent was seen in round {round}");
        child.wait().unwrap();
        finish_and_compare(
            &world,
            &format!("killing the agent {} ms after it was seen", wait.as_millis()),
        );
        world.good(&["destroy", "three_nodes", "--yes"]);
    }
    let left = Footprint::left(&world, &before);
    assert!(left.is_empty(), "left behind: {left:#?}");
}
