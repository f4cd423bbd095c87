//! The shop with forty web servers on one machine: applied, probed, scaled to twenty, destroyed. Seconds and memory
//! are printed and never asserted.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use crate::support::footprint::left;
use crate::support::machines::{alone, local_is_here};
use crate::support::{World, page, say};

/// Memory that programs could have, in MiB.
fn available() -> i64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: i64 = line.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
    kib / 1024
}

/// Who greets at this address, asked so often.
fn greeters(address: &str, times: usize) -> BTreeSet<String> {
    (0..times)
        .map(|_| {
            let body = page(address).unwrap_or_else(|error| panic!("{address} does not answer: {error}"));
            let greeting = body
                .split("<h1>")
                .nth(1)
                .and_then(|rest| rest.split("</h1>").next());
            greeting.unwrap_or(&body).to_owned()
        })
        .collect()
}

fn webs(count: usize) -> BTreeSet<String> {
    (1..=count)
        .map(|number| format!("hello from web-{number}"))
        .collect()
}

/// Every machine answers, and the front hands out all pages.
fn look(front: &str, count: usize) {
    assert_eq!(
        greeters(front, 2 * count),
        webs(count),
        "what the front hands out"
    );
    let pages: BTreeSet<String> = (2..2 + count)
        .map(|host| format!("10.88.0.{host}"))
        .filter(|address| address != front)
        .flat_map(|address| greeters(&address, 1))
        .collect();
    assert!(pages.is_subset(&webs(count)), "{pages:?}");
    assert!(pages.len() >= count - 1, "{pages:?}");
}

#[test]
fn forty_web_servers_behind_one_front() {
    let _alone = alone();
    if !local_is_here("forty web servers") {
        return;
    }
    let world = World::of_example("shop", 88);
    world.edit(
        "laptop_shop = shop(replicas = 2)",
        "laptop_shop = shop(replicas = 40)",
    );
    let free = available();
    let timed = |arguments: &[&str]| {
        let begun = Instant::now();
        let ran = world.good(arguments);
        (ran, begun.elapsed().as_secs_f64())
    };
    let (ran, first) = timed(&["apply", "laptop_shop", "--yes"]);
    let used = free - available();
    let front = ran
        .out
        .split("url = http://")
        .nth(1)
        .unwrap()
        .split([':', '/'])
        .next()
        .unwrap()
        .to_owned();
    look(&front, 40);
    let (ran, again) = timed(&["apply", "laptop_shop", "--yes"]);
    assert!(ran.out.contains("0 changes"), "{}", ran.out);

    world.edit("replicas = 40", "replicas = 20");
    let (_, scaled) = timed(&["apply", "laptop_shop", "--yes"]);
    look(&front, 20);
    let (_, gone) = timed(&["destroy", "laptop_shop", "--yes"]);
    say(&format!(
        "41 nodes: apply {first:.1} s, again {again:.1} s, scaled to 21 in {scaled:.1} s, destroyed in {gone:.1} s; \
         they took {used} MiB of memory"
    ));
    let left = left(&world);
    assert!(left.is_empty(), "left behind: {left:#?}");
}
