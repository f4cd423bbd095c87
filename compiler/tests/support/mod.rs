//! What several test programs need.
#![allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use rebar_compiler::diagnostics::{Applicability, Diagnostics, Severity};
use rebar_compiler::{Sources, Span};

/// The standard library as files.
pub(crate) fn standard_library() -> BTreeMap<String, String> {
    rebar_stdlib::FILES
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

/// All files below a folder, baselines and hidden folders (the state of somebody who ran it) aside.
pub(crate) fn folder(path: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut open = vec![path.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let entry = entry.path();
            if entry.is_dir() && !entry.ends_with("expected") {
                open.push(entry);
            } else if entry.is_file() {
                let name = entry.strip_prefix(path).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read_to_string(entry).unwrap());
            }
        }
    }
    files
}

/// Diagnostics with the lines that they point at.
pub(crate) fn render(sources: &Sources, diagnostics: &Diagnostics) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics.sorted() {
        let word = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let _ = writeln!(text, "{word} {}: {}", diagnostic.code.0, diagnostic.message);
        for label in &diagnostic.labels {
            let _ = writeln!(text, "{}", excerpt(sources, label.span, &label.text));
        }
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(text, "  help: {help}");
        }
        for fix in &diagnostic.fixes {
            let edits: Vec<String> = fix.edits.iter().map(|(_, text)| format!("`{text}`")).collect();
            let word = match fix.applicability {
                Applicability::Sure => "fix",
                Applicability::Likely => "fix (likely)",
                Applicability::Unfinished => "fix (unfinished)",
            };
            let _ = writeln!(text, "  {word}: {} ({})", fix.title, edits.join(", "));
        }
        let _ = writeln!(text);
    }
    text
}

fn excerpt(sources: &Sources, span: Span, text: &str) -> String {
    let (_, column) = sources.position(span);
    let whole = &sources.get(span.source).text;
    let start = whole[..span.start as usize].rfind('\n').map_or(0, |at| at + 1);
    let line = whole[start..].split('\n').next().unwrap_or("");
    let covered = sources
        .slice(span)
        .split('\n')
        .next()
        .unwrap_or("")
        .chars()
        .count()
        .max(1);
    let marks = format!("{}{}", " ".repeat(column - 1), "^".repeat(covered));
    // The library changes more often than a case: its lines count for nothing here.
    let place = match &*sources.get(span.source).name {
        name if name.starts_with("std/") => name.to_owned(),
        _ => sources.place(span),
    };
    format!("  --> {place}\n      {line}\n      {marks} {text}")
        .trim_end()
        .to_owned()
}
