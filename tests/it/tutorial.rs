//! The tutorial is executed: every command of `docs/guide/tutorial.md` is run in a shell, and prints what the page shows.
//!
//! - A `rebar file=…` or `… file=…` block is written to that file of the project.
//! - In a `console` block a line after `$ ` is a command, with `# exits N` where that is not 0. The lines below it are all that
//!   it prints; a line that is just `…` stands for any number of lines, and `…` within a line for any text.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::footprint;
use crate::support::machines::{Backend, alone};
use crate::support::{World, root};

/// Networks of the page and of this test: so that a reader's machines and the test's do not meet.
const MOVED: (&str, &str) = ("10.20.0.", "10.97.0.");

struct Block {
    words: Vec<String>,
    lines: Vec<String>,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(words)) => {
                open = Some(Block {
                    words: words.split_whitespace().map(str::to_owned).collect(),
                    lines: Vec::new(),
                });
            }
            (Some(block), None) => block.lines.push(line.to_owned()),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, None) => {}
        }
    }
    blocks
}

/// Whether a printed line is what the page shows, where `…` stands for any text.
fn same(shown: &str, printed: &str) -> bool {
    let mut rest = printed;
    for (index, part) in shown.split('…').enumerate() {
        match rest.find(part) {
            Some(0) => rest = &rest[part.len()..],
            Some(at) if index > 0 => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    rest.is_empty() || shown.ends_with('…')
}

/// Whether the printed lines are those that the page shows.
fn matches(shown: &[&str], printed: &[&str]) -> bool {
    match shown {
        [] => printed.is_empty(),
        ["…", rest @ ..] => (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..])),
        [first, rest @ ..] => printed
            .split_first()
            .is_some_and(|(line, others)| same(first, line) && matches(rest, others)),
    }
}

fn run(world: &World, command: &str) -> (i32, String) {
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_rebar"))
        .parent()
        .unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(&world.project)
        .env("PATH", path)
        .env("REBAR_DATA", world.data())
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let code = output.status.code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs the commands of one block.
fn console(world: &World, block: &Block) -> usize {
    let mut count = 0;
    let mut lines = block.lines.iter().peekable();
    while let Some(line) = lines.next() {
        let command = line
            .strip_prefix("$ ")
            .unwrap_or_else(|| panic!("not a command: {line}"));
        let expected = command
            .split_once("# exits ")
            .map_or(0, |(_, code)| code.trim().parse().unwrap());
        let mut shown = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            shown.push(line.trim_end().replace(MOVED.0, MOVED.1));
        }
        let (code, printed) = run(world, &command.replace(MOVED.0, MOVED.1));
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
        assert!(
            code == expected && matches(&shown, &lines),
            "$ {command}\nexits {code} and prints\n{printed}\nand the page says\n{}",
            shown.join("\n")
        );
        count += 1;
    }
    count
}

#[test]
fn every_command_of_the_tutorial_does_what_the_page_shows() {
    let _alone = alone();
    if !Backend::Local.is_here("the tutorial") {
        return;
    }
    let page = fs::read_to_string(root().join("docs/guide/tutorial.md")).unwrap();
    let world = World::of_spec("");
    let mut count = 0;
    for block in blocks(&page) {
        let file = block.words.iter().find_map(|word| word.strip_prefix("file="));
        if let Some(file) = file {
            let path = world.project.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(
                path,
                format!("{}\n", block.lines.join("\n")).replace(MOVED.0, MOVED.1),
            )
            .unwrap();
        } else if block.words.first().is_some_and(|word| word == "console") {
            count += console(&world, &block);
        }
    }
    assert!(count > 15, "only {count} commands were run");
    let left = footprint::left(&world);
    assert!(left.is_empty(), "left behind: {left:#?}");
}

#[test]
fn what_is_shown_is_compared_as_the_page_means_it() {
    let all = |shown: &str, printed: &str| {
        let (shown, printed): (Vec<_>, Vec<_>) = (shown.lines().collect(), printed.lines().collect());
        matches(&shown, &printed)
    };
    assert!(all("a\n…\nd", "a\nb\nc\nd") && all("…", "") && all("took … s", "took 1.2 s"));
    assert!(!all("a\nd", "a\nb\nd") && !all("took … s", "took 1.2 ms!") && !all("", "a"));
}
