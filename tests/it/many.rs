//! Ten nodes on the local backend: seconds and memory per node, printed and never asserted.

use std::fs;
use std::time::Instant;

use crate::support::footprint::left;
use crate::support::machines::{alone, first_process, local_is_here};
use crate::support::{World, say};

const SPEC: &str = r#"
use std.linux { file }
use std.image { bookworm }

network  inner { cidr = 10.95.0.0/24, gateway = 10.95.0.1 }
hardware tiny {
  cpu = 1, memory = 256MiB
  nic eth0 { network = inner }
}

role named() {
  file name { path = "/srv/name", content = "{node.name}" }
}

workload many(count: Int) {
  nodes member { count = count, hardware = tiny }
  run names = named() on member
}

site laptop { machines = local(image = bookworm) }
deploy ten_nodes = many(count = 10) on laptop
"#;

/// Memory of everything in the container of `pid`, in bytes: the proportional share of each of its processes.
fn memory(pid: u32) -> u64 {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = namespace(&pid.to_string());
    let mut sum = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if own.is_some() && namespace(&name) == own {
            let text = fs::read_to_string(entry.path().join("smaps_rollup")).unwrap_or_default();
            let line = text
                .lines()
                .find_map(|l| l.strip_prefix("Pss:"))
                .unwrap_or("0 kB");
            sum += line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024;
        }
    }
    sum
}

#[test]
fn ten_nodes() {
    let _alone = alone();
    if !local_is_here("ten nodes") {
        return;
    }
    let world = World::of_spec(SPEC);
    let timed = |arguments: &[&str]| {
        let start = Instant::now();
        world.good(arguments);
        start.elapsed().as_secs_f64()
    };
    let first = timed(&["apply", "ten_nodes", "--yes"]);
    let again = timed(&["apply", "ten_nodes", "--yes"]);
    let memory: Vec<u64> = (1..=10)
        .map(|n| memory(first_process(&world, "ten_nodes", &format!("member-{n}")).expect("the node runs")))
        .collect();
    assert!(
        memory.iter().all(|bytes| *bytes > 0),
        "memory was read for every node: {memory:?}"
    );
    let mean = memory.iter().sum::<u64>() as f64 / 10.0 / 1048576.0;
    let gone = timed(&["destroy", "ten_nodes", "--yes"]);
    say(&format!(
        "10 nodes: apply {first:.1} s ({:.2} s a node), again {again:.1} s, destroy {gone:.1} s, {mean:.1} MiB of memory a node",
        first / 10.0
    ));
    let left = left(&world);
    assert!(left.is_empty(), "left behind: {left:#?}");
}
