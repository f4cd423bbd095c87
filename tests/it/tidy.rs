//! The house rules, held by a test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 600;

/// The compiler's stages in order; each may use only those before it.
const STAGES: [&str; 8] = [
    "source",
    "diagnostics",
    "syntax",
    "resolve",
    "check",
    "expand",
    "graph",
    "plan",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') && name != "node_modules" {
            files_below(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files_below(&root(), ".rs", &mut found);
    assert!(
        found.len() > 20,
        "the walk over the sources found only {}",
        found.len()
    );
    found
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn no_source_file_is_longer_than_600_lines() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{} has {lines} lines", shown(&path)))
        .collect();
    assert!(long.is_empty(), "split by responsibility: {long:#?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| !text.lines().take(3).any(|line| line.starts_with("//!")))
        .map(|(path, _)| shown(&path))
        .collect();
    assert!(silent.is_empty(), "begin with `//!`: {silent:#?}");
}

#[test]
fn nothing_unfinished_is_left() {
    // Put together here, so that this file does not find itself.
    let words = [
        ["FIX", "ME"].concat(),
        ["XX", "X"].concat(),
        ["TO", "DO"].concat(),
    ];
    let left: Vec<String> = sources()
        .into_iter()
        .flat_map(|(path, text)| {
            let hits: Vec<String> = text
                .lines()
                .enumerate()
                .filter(|(_, line)| words.iter().any(|word| line.contains(word.as_str())))
                .map(|(number, line)| format!("{}:{} {line}", shown(&path), number + 1))
                .collect();
            hits
        })
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn stages_use_only_earlier_stages() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let shown = shown(&path);
        let Some(inside) = shown.strip_prefix("compiler/src/") else {
            continue;
        };
        let stage = inside.split(['/', '.']).next().unwrap_or_default();
        let Some(own) = STAGES.iter().position(|s| *s == stage) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for later in &STAGES[own + 1..] {
                let import = line.contains(&format!("crate::{later}::"));
                // What a plan is made of (its types, filling and hashing) is known to all; making it comes last.
                let data = *later == "plan" && !line.contains("crate::plan::plan");
                if import && !data && !line.trim_start().starts_with("//") {
                    wrong.push(format!("{shown}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a stage uses a later one: {wrong:#?}");
}

/// Codes that stand in the sources as string literals: `"E0201"`.
pub(crate) fn codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for (path, text) in sources() {
        if shown(&path).contains("tests/") {
            continue;
        }
        for (at, _) in text.match_indices("\"E") {
            let code: String = text[at + 1..].chars().take_while(|c| *c != '"').collect();
            if code.len() == 5 && code[1..].bytes().all(|b| b.is_ascii_digit()) {
                codes.insert(code);
            }
        }
    }
    assert!(!codes.is_empty(), "no code was found");
    codes
}

/// Codes that have a page.
pub(crate) fn pages() -> BTreeSet<String> {
    let mut pages = Vec::new();
    files_below(&root().join("docs/errors"), ".md", &mut pages);
    pages
        .iter()
        .filter_map(|p| p.file_stem().map(|s| s.to_string_lossy().into_owned()))
        .filter(|name| name.starts_with('E'))
        .collect()
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let (codes, pages) = (codes(), pages());
    let without_page: Vec<_> = codes.difference(&pages).collect();
    let without_code: Vec<_> = pages.difference(&codes).collect();
    assert!(
        without_page.is_empty(),
        "codes without a page in docs/errors: {without_page:?}"
    );
    assert!(
        without_code.is_empty(),
        "pages of codes that nothing reports: {without_code:?}"
    );
}

/// All text of tests and of what they show.
pub(crate) fn provoked() -> String {
    let mut text = String::new();
    for folder in ["compiler/tests", "tests", "runtime/tests", "runtime/agent/tests"] {
        for ending in [".snap", ".rs"] {
            let mut found = Vec::new();
            files_below(&root().join(folder), ending, &mut found);
            // The list of codes without a case is none.
            found.retain(|path| !path.ends_with("tests/it/codes.rs"));
            for path in found {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    for (path, source) in sources() {
        let unit = if shown(&path).ends_with("/tests.rs") {
            Some(source.as_str())
        } else {
            source.split_once("#[cfg(test)]").map(|(_, t)| t)
        };
        text.push_str(unit.unwrap_or_default());
    }
    text
}
