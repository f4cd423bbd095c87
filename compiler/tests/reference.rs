//! The reference is executed: every example of `docs/language` is compiled, and what must fail fails as it says.
//!
//! A fenced block says what it is:
//! - `rebar` is a whole `main.rebar`: it compiles without a word, deploys lay out, and it is in the format;
//! - `rebar error=E0301` reports these codes (joined by `+`) and no others; a `text said` block behind it holds every word of it;
//! - `rebar file=web.rebar`, `json file=rack.json` … are files beside the blocks below them on that page
//!   (`packages/ceph/osd.rebar` is one of the package `ceph`);
//! - `rebar fragment` is part of something, and is only read by people.
//!
//! `REBAR_BLESS=1` writes the `text said` blocks anew, and the others in the format.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rebar_compiler::diagnostics::render_human;
use rebar_compiler::{Sources, format};

/// One fenced block of a page.
struct Fence {
    /// The words behind the backticks.
    words: Vec<String>,
    text: String,
    /// The number of its first line of text, from 1.
    line: usize,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language")
}

fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path());
    let mut pages: Vec<PathBuf> = entries
        .filter(|p| p.extension().is_some_and(|e| e == "md"))
        .collect();
    pages.sort();
    assert!(!pages.is_empty());
    pages
}

fn fences(page: &str) -> Vec<Fence> {
    let mut found = Vec::new();
    let mut open: Option<Fence> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(words)) => {
                open = Some(Fence {
                    words: words.split_whitespace().map(str::to_owned).collect(),
                    text: String::new(),
                    line: number + 2,
                });
            }
            (Some(fence), None) => {
                fence.text.push_str(line);
                fence.text.push('\n');
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

impl Fence {
    fn is(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }

    fn value(&self, word: &str) -> Option<&str> {
        self.words
            .iter()
            .find_map(|w| w.strip_prefix(word)?.strip_prefix('='))
    }
}

/// What the compiler says of a block, by code and in full.
fn said(main: &str, files: &BTreeMap<String, String>) -> (BTreeSet<String>, String) {
    let mut project = files.clone();
    project.insert("main.rebar".to_owned(), main.to_owned());
    let mut analysis = support::Given::of(&project).analyse();
    analysis.examine();
    let found = analysis.diagnostics.sorted();
    let codes = found.iter().map(|d| d.code.0.to_owned()).collect();
    (
        codes,
        render_human(&analysis.diagnostics, &analysis.sources, false, 100),
    )
}

fn in_the_format(text: &str) -> String {
    let mut sources = Sources::default();
    let id = sources.add("main.rebar", text);
    format::format(&sources, id).unwrap_or_default()
}

/// What is wrong with one block, if anything.
fn wrong(fence: &Fence, files: &BTreeMap<String, String>) -> Option<String> {
    let (codes, text) = said(&fence.text, files);
    let Some(expected) = fence.value("error") else {
        let formatted = in_the_format(&fence.text);
        return match (codes.is_empty(), formatted == fence.text) {
            (false, _) => Some(text),
            (true, false) => Some(format!("it is not in the format, which is\n{formatted}")),
            (true, true) => None,
        };
    };
    let expected: BTreeSet<String> = expected.split('+').map(str::to_owned).collect();
    (codes != expected).then(|| format!("{expected:?} are expected, and this was said:\n{text}"))
}

/// The page with other texts in these blocks.
fn with_texts(page: &str, blocks: &[(&Fence, String)]) -> String {
    let mut lines: Vec<&str> = page.lines().collect();
    for (fence, text) in blocks.iter().rev() {
        let start = fence.line - 1;
        lines.splice(start..start + fence.text.lines().count(), text.lines());
    }
    lines.join("\n") + "\n"
}

#[test]
fn every_example_does_what_its_page_says() {
    let bless = std::env::var_os("REBAR_BLESS").is_some();
    let (mut compiled, mut failed) = (0, Vec::new());
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut files = BTreeMap::new();
        let mut last_said = String::new();
        let mut blessed: Vec<(&Fence, String)> = Vec::new();
        let blocks = fences(&page);
        for fence in &blocks {
            if let Some(file) = fence.value("file") {
                files.insert(file.to_owned(), fence.text.clone());
                continue;
            }
            if fence.is("text") && fence.is("said") {
                if fence.text != last_said && bless {
                    blessed.push((fence, last_said.clone()));
                } else if fence.text != last_said {
                    failed.push(format!(
                        "{name}:{}: the compiler says otherwise:\n{last_said}",
                        fence.line
                    ));
                }
                continue;
            }
            if !fence.is("rebar") || fence.is("fragment") {
                continue;
            }
            compiled += 1;
            last_said = said(&fence.text, &files).1;
            let formatted = in_the_format(&fence.text);
            if bless && fence.value("error").is_none() && !formatted.is_empty() && formatted != fence.text {
                blessed.push((fence, formatted));
            }
            failed.extend(wrong(fence, &files).map(|why| format!("{name}:{}: {why}", fence.line)));
        }
        if !blessed.is_empty() {
            fs::write(&path, with_texts(&page, &blessed)).unwrap();
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    println!("{compiled} examples of the reference do what their pages say");
    assert!(compiled > 10, "only {compiled} examples were compiled");
}

/// The words of a heading as they stand in a link to it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

#[test]
fn the_feature_table_points_at_sections_and_cases_that_are_there() {
    let page = fs::read_to_string(folder().join("features.md")).unwrap();
    let rows = page.lines().filter(|l| l.starts_with("| ")).skip(1);
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [feature, section, cases] = cells[..] else {
            panic!("not three cells: {row}");
        };
        let target = section
            .split_once("](")
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        let target = target.unwrap_or_else(|| panic!("`{feature}` has no link to a section"));
        let (file, place) = target.split_once('#').unwrap_or((target, ""));
        let text = fs::read_to_string(folder().join(file)).unwrap_or_else(|_| panic!("{feature}: no {file}"));
        let headings = text.lines().filter(|l| l.starts_with('#'));
        let mut anchors = headings.map(|h| anchor(h.trim_start_matches('#')));
        assert!(
            place.is_empty() || anchors.any(|a| a == place),
            "{feature}: no section `{place}` in {file}"
        );
        let mut named = cases.split('`').skip(1).step_by(2).peekable();
        assert!(named.peek().is_some(), "{feature}: no cases");
        for case in named {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            let places = [
                "compiler/tests/meaning",
                "compiler/tests/cases",
                "compiler/tests",
                "tests/it",
                "runtime/tests",
                "runtime/tests/executor",
            ];
            let there = places.iter().any(|p| {
                let path = root.join(p).join(case);
                path.exists() || path.with_extension("rs").exists()
            });
            assert!(there, "{feature}: no case `{case}`");
        }
        count += 1;
    }
    println!("{count} features");
    assert!(count > 10, "only {count} rows");
}

#[test]
fn every_page_is_reached_from_the_first() {
    let first = fs::read_to_string(folder().join("README.md")).unwrap();
    for page in pages() {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            name == "README.md" || first.contains(&format!("({name}")),
            "README.md has no link to {name}"
        );
    }
}
