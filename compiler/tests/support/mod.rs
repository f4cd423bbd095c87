//! What several test programs need.
#![allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use rebar_compiler::diagnostics::{Applicability, Diagnostics, Severity};
use rebar_compiler::resolve::{Package, Packages};
use rebar_compiler::{Sources, Span, manifest};

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

/// Files with the packages among them: `packages/ceph/…` is the package `ceph`, beside the project as `../ceph`.
/// `anchors` holds what patches stood at when they were locked, as lines `what = digest`.
pub(crate) struct Given {
    project: BTreeMap<String, String>,
    packages: Vec<OnePackage>,
    anchors: Option<BTreeMap<String, String>>,
}

struct OnePackage {
    name: String,
    version: String,
    shown: String,
    files: BTreeMap<String, String>,
    dependencies: Vec<String>,
}

impl Given {
    pub(crate) fn of(files: &BTreeMap<String, String>) -> Given {
        let mut project = files.clone();
        let mut folders: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (path, text) in files {
            if let Some((name, rest)) = path.strip_prefix("packages/").and_then(|p| p.split_once('/')) {
                let folder = folders.entry(name.to_owned()).or_default();
                folder.insert(rest.to_owned(), text.clone());
                project.remove(path);
            }
        }
        let line = |line: &str| line.split_once(" = ").map(|(a, b)| (a.to_owned(), b.to_owned()));
        let anchors = project.remove("anchors");
        Given {
            project,
            packages: folders
                .into_iter()
                .map(|(name, files)| package(name, files))
                .collect(),
            anchors: anchors.map(|text| text.lines().filter_map(line).collect()),
        }
    }

    pub(crate) fn analyse(&self) -> rebar_compiler::Analysis {
        let packages: Vec<Package<'_>> = self
            .packages
            .iter()
            .map(|p| Package {
                name: &p.name,
                version: &p.version,
                files: &p.files,
                shown: &p.shown,
                dependencies: &p.dependencies,
            })
            .collect();
        rebar_compiler::analyse(&rebar_compiler::Library {
            project: &self.project,
            std: &standard_library(),
            packages: Packages {
                list: &packages,
                anchors: self.anchors.as_ref(),
            },
        })
    }
}

fn package(name: String, files: BTreeMap<String, String>) -> OnePackage {
    let mut sources = Sources::default();
    let manifest = manifest::load(&files, manifest::FILE, &mut sources, &mut Diagnostics::default());
    let version = manifest
        .package
        .and_then(|p| p.version)
        .map_or("0.0.0".to_owned(), |v| v.text);
    OnePackage {
        shown: format!("../{name}"),
        name,
        version,
        files,
        dependencies: manifest.dependencies.into_iter().map(|d| d.name.text).collect(),
    }
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
