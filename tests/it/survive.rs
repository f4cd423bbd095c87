//! What people see when the disk, the clock or another process gets in the way, and that the same command goes on after it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::footprint::left;
use crate::support::machines::{Backend, alone, kill};
use crate::support::{Ran, World, say};

/// One node without a service manager: the command is long enough to be met at work.
const SPEC: &str = r#"
use std.linux { command, file }
use std.image { bookworm_bare }

network  inner { cidr = 10.117.0.0/24, gateway = 10.117.0.1 }
hardware tiny {
  cpu = 1, memory = 256MiB
  nic eth0 { network = inner }
}

role notes() {
  file    note { path = "/srv/note", content = "first" }
  command wait { run = "sleep 4; echo line >> /srv/count", creates = "/srv/count" }
}

workload single() {
  node box { hardware = tiny }
  run all = notes() on box
}

site laptop { machines = local(image = bookworm_bare) }
deploy alone = single() on laptop
"#;

/// What was printed as errors, without what differs from run to run.
fn shown(world: &World, ran: &Ran) -> String {
    let folder = world.folder.path().canonicalize().unwrap();
    let text = ran.err.replace(&folder.display().to_string(), "[folder]");
    let text = text.replace(&world.folder.path().display().to_string(), "[folder]");
    let words = text.split_inclusive([' ', '\n', '`', ',', ')', ';']).map(|word| {
        let bare = word.trim_end_matches([' ', '\n', '`', ',', ')', ';']);
        let rest = &word[bare.len()..];
        let number = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit());
        let time = |length: usize, mark: char| bare.len() == length && bare.matches(mark).count() == 2;
        match bare {
            _ if time(10, '-') => format!("[date]{rest}"),
            _ if time(8, ':') => format!("[time]{rest}"),
            _ if number && bare.len() > 2 => format!("[number]{rest}"),
            _ => word.to_owned(),
        }
    });
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let text: String = words.collect();
    format!(
        "exit code {}\n{}",
        ran.code,
        text.replace(&format!("`{host}`"), "`[host]`")
    )
}

/// The state on a small file system in memory of its own.
fn mounted(state: &Path) {
    fs::create_dir_all(state).unwrap();
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", "size=4M", "rebar-test"])
        .arg(state);
    assert!(mount.status().unwrap().success());
}

fn remount(state: &Path, how: &str) {
    let mut mount = Command::new("mount");
    mount.args(["-o", &format!("remount,{how}")]).arg(state);
    assert!(mount.status().unwrap().success());
}

fn fill(state: &Path, but: u64) {
    let mut full = fs::File::create(state.join("filler")).unwrap();
    while std::io::Write::write_all(&mut full, &[0; 4096]).is_ok() {}
    full.set_len(full.metadata().unwrap().len().saturating_sub(but))
        .unwrap();
}

fn done_once(world: &World) {
    let again = world.good(&["apply", "alone", "--yes"]);
    assert!(again.out.contains("0 changes"), "{}", again.out);
    let count = world
        .good(&["exec", "alone", "box", "--", "cat", "/srv/count"])
        .out;
    assert_eq!(count, "line\n", "the command ran once");
}

#[test]
fn a_full_or_read_only_disk_and_a_damaged_page() {
    let _alone = alone();
    if !Backend::Local.is_here("a full disk") {
        return;
    }
    let world = World::of_spec(SPEC);
    let state = world.project.join(".rebar");
    mounted(&state);

    fill(&state, 200 * 1024);
    let full = world.run(&["apply", "alone", "--yes"]);
    insta::assert_snapshot!("full_disk", shown(&world, &full));
    fs::remove_file(state.join("filler")).unwrap();
    world.good(&["apply", "alone", "--yes"]);
    done_once(&world);

    remount(&state, "ro");
    let read_only = world.run(&["apply", "alone", "--yes"]);
    insta::assert_snapshot!("read_only_disk", shown(&world, &read_only));
    remount(&state, "rw");
    done_once(&world);

    let file = state.join("state.db");
    let whole = fs::read(&file).unwrap();
    let mut torn = whole.clone();
    torn[3 * 4096..4 * 4096].fill(0xAA);
    fs::write(&file, &torn).unwrap();
    let damaged = world.run(&["apply", "alone", "--yes"]);
    insta::assert_snapshot!("damaged_page", shown(&world, &damaged));
    assert_eq!(fs::read(&file).unwrap(), torn, "a damaged state is left as it is");
    fs::write(&file, &whole).unwrap();
    done_once(&world);

    world.good(&["destroy", "alone", "--yes"]);
    let left = left(&world);
    assert!(left.is_empty(), "left behind: {left:#?}");
}

#[test]
fn two_applies_at_once_and_the_second_goes_on_when_the_first_is_killed() {
    let _alone = alone();
    if !Backend::Local.is_here("two applies at once") {
        return;
    }
    let world = World::of_spec(&SPEC.replace("10.117.", "10.118."));
    let mut first = world.start(&["apply", "alone", "--yes"]);
    let begun = Instant::now();
    let second = loop {
        std::thread::sleep(Duration::from_millis(200));
        let second = world.run(&["apply", "alone", "--yes"]);
        if second.err.contains("E1005") || begun.elapsed() > Duration::from_secs(20) {
            break second;
        }
    };
    insta::assert_snapshot!("second_apply", shown(&world, &second));
    assert!(
        second.err.contains(&format!("process {}", first.id())),
        "{}",
        second.err
    );
    kill(first.id());
    first.wait().unwrap();
    let third = world.good(&["apply", "alone", "--yes"]);
    assert!(
        third.err.contains("lease") || third.out.contains("lease"),
        "{third:?}"
    );
    done_once(&world);
    world.good(&["destroy", "alone", "--yes"]);
    let left = left(&world);
    assert!(left.is_empty(), "left behind: {left:#?}");
}

#[test]
fn a_clock_that_is_set_back_an_hour_changes_nothing() {
    let _alone = alone();
    if !Backend::Local.is_here("a clock set back") {
        return;
    }
    if Command::new("faketime").arg("--version").output().is_err() {
        let required = std::env::var_os("REBAR_TEST_REQUIRE_ALL").is_some();
        assert!(!required, "`faketime` is missing");
        say("SKIPPED: a clock set back (needs `faketime`)");
        return;
    }
    let world = World::of_spec(&SPEC.replace("10.117.", "10.119."));
    world.good(&["apply", "alone", "--yes"]);
    world.edit("content = \"first\"", "content = \"second\"");
    let program = world.command(&["apply", "alone", "--yes"]);
    let mut earlier = Command::new("faketime");
    earlier
        .args(["-f", "-1h"])
        .arg(program.get_program())
        .args(program.get_args());
    earlier
        .env("REBAR_DATA", world.data())
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let ran = Ran::from(earlier.output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let note = world
        .good(&["exec", "alone", "box", "--", "cat", "/srv/note"])
        .out;
    assert_eq!(note, "second");
    done_once(&world);
    world.good(&["destroy", "alone", "--yes"]);
    let left = left(&world);
    assert!(left.is_empty(), "left behind: {left:#?}");
}
