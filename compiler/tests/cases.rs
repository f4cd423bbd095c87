//! One folder per case: `cases/<name>/main.rebar`, and in `expected` what every stage makes of it.
//!
//! `syntax.snap` and `diagnostics.snap` belong to every case; the snapshot of any other stage is compared where it
//! exists (make an empty file to ask for it). `formatted.rebar` is there exactly if the file can be read.
//! To accept what the compiler does now, run the tests with `INSTA_UPDATE=always`.

// Tests read and bless files; the compiler does not.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use rebar_compiler::diagnostics::{codes, render_human};
use rebar_compiler::syntax::{self, Syntax};
use rebar_compiler::{Diagnostics, SourceId, Sources, format};

/// A case on its way through the stages. Each stage leaves its product here for the next one.
struct Case {
    sources: Sources,
    main: SourceId,
    diagnostics: Diagnostics,
    syntax: Option<Syntax>,
}

/// A stage: the name of its snapshot, and what it makes of the case, as text.
struct Stage {
    name: &'static str,
    /// Whether every case must have its snapshot.
    always: bool,
    run: fn(&mut Case) -> String,
}

/// All stages in order. Later stages (`names`, `types`, `instances`, `graph`, `plan`) go between the first and the
/// last, which shows what all of them had to say.
const STAGES: &[Stage] = &[
    Stage {
        name: "syntax",
        always: true,
        run: syntax_stage,
    },
    Stage {
        name: "diagnostics",
        always: true,
        run: diagnostics_stage,
    },
];

fn syntax_stage(case: &mut Case) -> String {
    let syntax = syntax::parse(&case.sources, case.main, &mut case.diagnostics);
    assert_eq!(
        syntax.tree.joined(),
        &*case.sources.get(case.main).text,
        "the tree is lossless"
    );
    let dump = syntax.tree.dump();
    case.syntax = Some(syntax);
    dump
}

fn diagnostics_stage(case: &mut Case) -> String {
    render_human(&case.diagnostics, &case.sources, false, 100)
}

#[test]
fn cases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() > 30, "only {} cases found", folders.len());
    let failed: Vec<&PathBuf> = folders
        .iter()
        .filter(|folder| std::panic::catch_unwind(|| run(folder)).is_err())
        .collect();
    assert!(failed.is_empty(), "cases that failed: {failed:#?}");
}

fn run(folder: &Path) {
    let text = fs::read_to_string(folder.join("main.rebar")).unwrap();
    let mut sources = Sources::default();
    let main = sources.add("main.rebar", text);
    let mut case = Case {
        sources,
        main,
        diagnostics: Diagnostics::default(),
        syntax: None,
    };
    let expected = folder.join("expected");
    for stage in STAGES {
        let shown = (stage.run)(&mut case);
        if stage.always || expected.join(format!("{}.snap", stage.name)).exists() {
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path(&expected);
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            settings.bind(|| insta::assert_snapshot!(stage.name, shown));
        }
    }
    compare_formatted(&case, &expected.join("formatted.rebar"));
}

fn compare_formatted(case: &Case, path: &Path) {
    let Ok(formatted) = format::format(&case.sources, case.main) else {
        assert!(
            !path.exists(),
            "a file with errors has no formatted form: {}",
            path.display()
        );
        return;
    };
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        fs::write(path, &formatted).unwrap();
    }
    assert_eq!(
        fs::read_to_string(path).unwrap_or_default(),
        formatted,
        "{}",
        path.display()
    );
}

#[test]
fn every_code_has_a_page() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors");
    for code in codes::all() {
        let page = fs::read_to_string(pages.join(format!("{}.md", code.0))).unwrap_or_default();
        assert!(
            page.starts_with("# ") && page.lines().count() >= 10,
            "{} lacks its page in docs/errors",
            code.0
        );
    }
    let mut all = codes::all();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), codes::all().len(), "a code is used twice");
}

#[test]
fn every_code_of_syntax_has_a_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let shown: String = fs::read_dir(&root)
        .unwrap()
        .map(|e| fs::read_to_string(e.unwrap().path().join("expected/diagnostics.snap")).unwrap_or_default())
        .collect();
    // A file that is too large would be a large case: it has a unit test.
    for code in codes::syntax::ALL
        .iter()
        .filter(|c| **c != codes::syntax::TOO_LARGE)
    {
        assert!(shown.contains(code.0), "{} lacks its case", code.0);
    }
}
