//! What is damaged by hand on a node is found, told once and repaired; what cannot be asked is not called good.

use crate::support::World;
use crate::support::footprint::left;
use crate::support::machines::{Backend, alone, first_process};

const SPEC: &str = r#"
use std.linux { command, file, host, service }
use std.image { bookworm }

network  inner { cidr = 10.112.9.0/24, gateway = 10.112.9.1 }
hardware tiny {
  cpu = 1, memory = 256MiB
  nic eth0 { network = inner }
}

role application() {
  file    unit {
    path    = "/etc/systemd/system/app.service"
    content = "[Unit]\nDescription=App\n[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
  }
  service app   { name = "app", enabled = false, reload_on = [unit] }
  host    other { name = "other.example", address = 192.0.2.7 }
  command first { run = "echo line >> /srv/count", once = true }
}

workload one() {
  node lone { hardware = tiny }
  run apps = application() on lone
}

site laptop { machines = local(image = bookworm) }
deploy three_nodes = one() on laptop
"#;

fn inside(world: &World, line: &str) -> String {
    world.good(&["exec", "three_nodes", "lone", "sh", "-c", line]).out
}

/// One apply, after which there is nothing more to do.
fn mended(world: &World, what: &str) {
    world.good(&["apply", "three_nodes", "--yes"]);
    let again = world.good(&["apply", "three_nodes", "--yes"]);
    assert!(again.out.contains("0 changes"), "after {what}: {}", again.out);
    let drift = world.run(&["drift", "three_nodes"]);
    assert_eq!(drift.code, 0, "after {what}: {drift:?}");
}

#[test]
fn what_is_damaged_is_repaired_at_once_and_what_cannot_be_asked_is_told_on_local() {
    what_is_damaged_is_repaired_at_once_and_what_cannot_be_asked_is_told(Backend::Local, 112);
}

#[test]
fn what_is_damaged_is_repaired_at_once_and_what_cannot_be_asked_is_told_on_docker() {
    what_is_damaged_is_repaired_at_once_and_what_cannot_be_asked_is_told(Backend::Docker, 113);
}

fn what_is_damaged_is_repaired_at_once_and_what_cannot_be_asked_is_told(backend: Backend, range: u8) {
    let _alone = alone();
    if !backend.is_here("damaging a node") {
        return;
    }
    let world = World::of_spec(&backend.spec(SPEC, "112", range));
    mended(&world, "the first apply");

    // A file that was damaged, and the damage loaded: the service does not go on with it.
    let main = "systemctl show --property=MainPID --value app";
    inside(
        &world,
        "echo '# edited' >> /etc/systemd/system/app.service; systemctl daemon-reload; systemctl restart app",
    );
    let damaged = inside(&world, main);
    mended(&world, "a damaged unit");
    assert_ne!(inside(&world, main), damaged, "it was started anew");

    // What does not come back by itself after a stop of the machine is brought back by the same apply.
    let pid = first_process(&world, "three_nodes", "lone").expect("lone runs");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid.cast_signed()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    while world.run(&["drift", "three_nodes"]).code == 0 {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    mended(&world, "a stopped machine");
    assert_eq!(inside(&world, "systemctl is-active app").trim(), "active");

    // A host table that leads elsewhere is not followed. An engine's is mounted, so nothing can be put in its place.
    if backend == Backend::Local {
        inside(
            &world,
            "mv /etc/hosts /etc/hosts.old; ln -s /etc/passwd /etc/hosts",
        );
        let unsure = world.run(&["apply", "three_nodes", "--yes"]);
        assert_eq!(unsure.code, 7, "{unsure:?}");
        assert!(unsure.err.contains("`/etc/hosts` is a link"), "{unsure:?}");
        assert!(
            !unsure.out.contains("everything is as the spec says"),
            "{unsure:?}"
        );
        assert!(!inside(&world, "cat /etc/passwd").contains("rebar"));
        inside(&world, "mv /etc/hosts.old /etc/hosts");
        mended(&world, "a host table that was a link");
    }

    // A journal of rubbish is not taken for an empty one: the command that runs once is not run again.
    inside(
        &world,
        "cd /var/lib/rebar; cp journal kept; printf 'a\\nb\\nc\\n' > journal",
    );
    let unsure = world.run(&["apply", "three_nodes", "--yes"]);
    assert_eq!(unsure.code, 7, "{unsure:?}");
    assert!(unsure.err.contains("is damaged"), "{unsure:?}");
    assert_eq!(inside(&world, "cat /srv/count"), "line\n");
    inside(&world, "cd /var/lib/rebar; mv kept journal");
    mended(&world, "a damaged journal");

    world.good(&["destroy", "three_nodes", "--yes"]);
    let left = left(&world);
    assert!(left.is_empty(), "left behind: {left:#?}");
}
