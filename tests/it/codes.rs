//! Codes of the command line: one command for each that brings it about. And how many codes have pages and cases.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use crate::support::{World, say};
use crate::tidy::{codes, pages, provoked};

const SPEC: &str = r#"use std.image { bookworm }
hardware small { cpu = 1, memory = 256MiB }
site     here  { machines = local(image = bookworm) }
workload w() {
  node one { hardware = small }
}
deploy d = w() on here
deploy e = w() on here
"#;

/// What is run, and the code that it ends with.
const CASES: &[(&str, &str)] = &[
    ("explain E9999", "E1602"),
    ("fmt nowhere.rebar", "E1603"),
    ("status nothing", "E1608"),
    ("apply d", "E1610"),
    ("check --emit instances", "E1612"),
    ("-C / status", "E1615"),
    ("logs", "E1623"),
    ("logs --since x", "E1624"),
    ("test nothing", "E1670"),
    ("doc nothing", "E1671"),
    ("doc -o main.rebar", "E1672"),
];

#[test]
fn commands_that_cannot_be_done_say_why() {
    let world = World::of_spec(SPEC);
    let mut wrong = Vec::new();
    for (words, code) in CASES {
        let output = Command::new(env!("CARGO_BIN_EXE_rebar"))
            .args(words.split(' '))
            .current_dir(&world.project)
            .env("REBAR_DATA", world.data())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !said.contains(code) || output.status.success() {
            wrong.push(format!(
                "rebar {words}: {code} is expected, and this was said:\n{said}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn output_that_cannot_be_written_is_told() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rebar"))
        .args(["explain", "E0101"])
        .stdout(full)
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("E1601"),
        "{output:?}"
    );
}

/// Codes that nothing provokes yet: what they tell of needs a broken machine or program. No code may be added here.
const WITHOUT_A_CASE: &[&str] = &[
    "E1106", "E1203", "E1206", "E1207", "E1401", "E1402", "E1403", "E1404", "E1409", "E1410", "E1501",
    "E1503", "E1604", "E1606", "E1607", "E1609", "E1611", "E1613", "E1622", "E1681", "E1702", "E1708",
    "E1709", "E1801", "E1811",
];

#[test]
fn codes_are_provoked() {
    let (codes, pages, provoked) = (codes(), pages(), provoked());
    let own: BTreeSet<&str> = CASES.iter().map(|(_, code)| *code).chain(["E1601"]).collect();
    let silent: BTreeSet<&str> = codes
        .iter()
        .map(String::as_str)
        .filter(|code| !provoked.contains(*code) && !own.contains(code))
        .collect();
    let cases = codes.len() - silent.len();
    say(&format!(
        "codes: {}, pages: {}, cases: {cases}",
        codes.len(),
        pages.len()
    ));
    say(&format!("without a case: {silent:?}"));
    let known: BTreeSet<&str> = WITHOUT_A_CASE.iter().copied().collect();
    let new: Vec<_> = silent.difference(&known).collect();
    assert!(new.is_empty(), "codes that no case provokes: {new:?}");
    let done: Vec<_> = known.difference(&silent).collect();
    assert!(
        done.is_empty(),
        "these have cases now, take them from the list: {done:?}"
    );
}
