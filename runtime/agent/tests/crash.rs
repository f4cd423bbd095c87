//! Killing the real program at any moment: every prefix of the journal is valid, what is reported done is done,
//! and a rerun ends in the same world as a run that was never interrupted.

#![allow(clippy::unwrap_used)] // The helpers of a test may fail as the test itself may.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rebar_agent::protocol::{Event, OperationState, PlannedStep};
use serde_json::json;
use support::{Bench, apply, done, ensure, file, remove, step};

const FILES: usize = 40;

/// Where some things stand before rebar comes.
fn bench() -> Bench {
    let bench = Bench::new();
    for index in (0..FILES).step_by(4) {
        std::fs::write(bench.at(&format!("/etc/f{index}")), format!("former {index}")).unwrap();
    }
    std::os::unix::fs::symlink("f0", bench.at("/etc/f1")).unwrap();
    std::fs::write(bench.at("/etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    bench
}

fn segment() -> Vec<PlannedStep> {
    let mut steps: Vec<PlannedStep> = (0..FILES)
        .map(|index| {
            let content = format!("content {index}\n").repeat(1 + index * 50);
            ensure(
                &format!("o{index}"),
                file(&format!("r.f{index}"), &format!("/etc/f{index}"), &content),
            )
        })
        .collect();
    let owner = rustix::process::getuid().as_raw().to_string();
    let group = rustix::process::getgid().as_raw().to_string();
    let folder = json!({ "path": "/etc/d", "mode": "0700", "owner": owner, "group": group });
    steps.push(ensure("d", step("r.d", "directory", "/etc/d", folder)));
    steps.push(ensure(
        "l",
        step(
            "r.l",
            "link",
            "/etc/d/l",
            json!({ "path": "/etc/d/l", "target": "../f2" }),
        ),
    ));
    steps.push(ensure(
        "h",
        step(
            "r.h",
            "host",
            "db",
            json!({ "name": "db", "address": "10.0.0.7" }),
        ),
    ));
    steps
}

fn removals() -> Vec<PlannedStep> {
    segment()
        .into_iter()
        .rev()
        .map(|planned| remove(&format!("x-{}", planned.operation), planned.step))
        .collect()
}

/// All that is in `/etc`: kind, permissions, content.
fn world(bench: &Bench) -> BTreeMap<String, String> {
    fn visit(path: &Path, name: &str, world: &mut BTreeMap<String, String>) {
        let found = std::fs::symlink_metadata(path).unwrap();
        let content = if found.is_symlink() {
            std::fs::read_link(path).unwrap().display().to_string()
        } else if found.is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                visit(
                    &entry.path(),
                    &format!("{name}/{}", entry.file_name().display()),
                    world,
                );
            }
            String::new()
        } else {
            std::fs::read_to_string(path).unwrap()
        };
        world.insert(name.to_owned(), format!("{:o} {content}", found.mode()));
    }
    let mut found = BTreeMap::new();
    visit(&bench.at("/etc"), "/etc", &mut found);
    found
}

/// Small numbers that look like chance, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Runs the segment, killed again and again, until it comes through. Answers how often it was killed.
fn run_with_kills(bench: &Bench, steps: &[PlannedStep], chance: &mut Chance, calm: Duration) -> usize {
    for kills in 0.. {
        if kills >= 15 {
            let events = bench.apply(steps.to_vec());
            assert_eq!(done(&events).len(), steps.len(), "{:?}", events.last());
            return kills;
        }
        // The first are killed early for sure, later ones anywhere.
        let share = if kills < 5 { 4 } else { 1 };
        let mut child = bench.start(&apply(steps.to_vec()));
        let output = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines
                .filter_map(|line| serde_json::from_str::<Event>(&line).ok())
                .collect::<Vec<_>>()
        });
        std::thread::sleep(Duration::from_micros(
            chance.below(calm.as_micros() as u64 / share),
        ));
        child.kill().unwrap();
        child.wait().unwrap();
        let events = reader.join().unwrap();
        // What was reported done is known to the journal, and the journal can be read.
        for (operation, _, _) in done(&events) {
            assert!(
                matches!(bench.probe(&operation), OperationState::Done { .. }),
                "{operation}"
            );
        }
        if events.last() == Some(&Event::End) {
            return kills;
        }
        let operations = steps.iter().map(|planned| planned.operation.clone()).collect();
        assert!(
            bench
                .probe_all(operations)
                .iter()
                .all(|(_, state)| *state != OperationState::Running)
        );
    }
    unreachable!()
}

#[test]
fn killed_at_any_moment_it_ends_in_the_same_world() {
    let calm = bench();
    let before = world(&calm);
    let begin = Instant::now();
    calm.apply(segment());
    let time = begin.elapsed();
    let applied = world(&calm);
    calm.apply(removals());
    assert_eq!(world(&calm), before);

    let mut kills = 0;
    for seed in 0..2 {
        let mut chance = Chance(seed);
        let bench = bench();
        kills += run_with_kills(&bench, &segment(), &mut chance, time);
        assert_eq!(world(&bench), applied, "seed {seed}");
        // Once more changes nothing.
        assert_eq!(bench.apply(segment()).len(), segment().len());
        kills += run_with_kills(&bench, &removals(), &mut chance, time);
        assert_eq!(world(&bench), before, "seed {seed}");
    }
    assert!(
        kills > 4,
        "only {kills} kills: the machine is too fast for this test"
    );
}

#[test]
fn every_torn_journal_can_be_continued() {
    let calm = bench();
    let before = world(&calm);
    let steps: Vec<PlannedStep> = segment().into_iter().take(5).collect();
    calm.apply(steps.clone());
    let applied = world(&calm);
    let journal = std::fs::read(calm.at("/var/lib/rebar/journal")).unwrap();
    let mut chance = Chance(7);
    for _ in 0..25 {
        // The journal as of some moment, and a world in which all steps before it, and perhaps the one in hand,
        // are done: that is what a crash leaves.
        let bench = bench();
        bench.apply(steps.clone());
        let cut = chance.below(journal.len() as u64) as usize;
        std::fs::write(bench.at("/var/lib/rebar/journal"), &journal[..cut]).unwrap();
        let kept = journal[..cut].iter().filter(|byte| **byte == b'\n').count();
        // Two lines come before the first step; each step has two.
        let begun = kept.saturating_sub(2).div_ceil(2);
        for index in begun..steps.len() {
            restore(&bench, index);
        }
        let events = bench.apply(steps.clone());
        assert_eq!(done(&events).len(), steps.len());
        assert_eq!(world(&bench), applied);
        let removals = steps
            .iter()
            .rev()
            .map(|planned| remove(&format!("x{}", planned.operation), planned.step.clone()));
        bench.apply(removals.collect());
        assert_eq!(world(&bench), before, "cut at {cut}");
    }
}

fn restore(bench: &Bench, index: usize) {
    let path = bench.at(&format!("/etc/f{index}"));
    std::fs::remove_file(&path).unwrap();
    if index.is_multiple_of(4) {
        std::fs::write(path, format!("former {index}")).unwrap();
    } else if index == 1 {
        std::os::unix::fs::symlink("f0", path).unwrap();
    }
}
