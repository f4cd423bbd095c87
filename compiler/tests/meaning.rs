//! Cases by data: `tests/meaning/<case>/main.rebar` with the product of every stage as a baseline beside it.
//!
//! Folders in `packages` of a case are packages that it may use ([`support::Given`]).
//! A case that begins with `// expect E0201` must report that code; any other must report nothing.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

mod support;

use std::path::Path;

use insta::{Settings, assert_snapshot};
use rebar_compiler::plan::{Ledger, Snapshot};
use rebar_compiler::{check, expand, graph, plan, resolve};

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/meaning");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert!(names.len() > 110, "cases are missing");
    let mut failed = Vec::new();
    for name in names {
        let name = name.to_str().unwrap().to_owned();
        let run = std::panic::catch_unwind(|| case(&folder.join(&name)));
        if run.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "these cases failed: {failed:#?}");
}

fn case(folder: &Path) {
    let project = support::folder(folder);
    let mut analysis = support::Given::of(&project).analyse();
    analysis.examine();
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(folder.join("expected"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let _guard = settings.bind_to_scope();
    let said = support::render(&analysis.sources, &analysis.diagnostics);
    let expected = project["main.rebar"]
        .strip_prefix("// expect ")
        .map(|rest| rest[..5].to_owned());
    match expected {
        Some(code) => {
            let found = analysis.diagnostics.sorted().iter().any(|d| d.code.0 == code);
            assert!(found, "{} is expected, and this was said:\n{said}", code);
            assert_snapshot!("diagnostics", said);
        }
        None => {
            assert!(said.is_empty(), "nothing is expected, and this was said:\n{said}");
            assert_snapshot!(
                "names",
                resolve::dump(&analysis.typed.resolved, &analysis.sources)
            );
            assert_snapshot!("types", check::dump(&analysis.typed));
            let (mut instances, mut graphs, mut plans) = (String::new(), String::new(), String::new());
            for name in analysis.deploys() {
                let mut diagnostics = rebar_compiler::Diagnostics::default();
                let laid_out =
                    expand::expand(&analysis.typed, name, &Ledger::default(), &mut diagnostics).unwrap();
                instances.push_str(&expand::dump(&laid_out));
                let ordered = graph::build(laid_out, &mut diagnostics);
                graphs.push_str(&ordered.dump());
                let mut plan = plan::plan(ordered, &Snapshot::default());
                assert_eq!(plan::read(&plan::canonical_bytes(&plan)).as_ref(), Ok(&plan));
                for node in &plan.nodes {
                    plan::filled_steps(&plan, node).unwrap();
                }
                // It covers the library as well, which changes more often than a case.
                plan.spec = "(digest of all text)".to_owned();
                plans.push_str(&serde_json::to_string_pretty(&plan).unwrap());
                plans.push('\n');
            }
            assert_snapshot!("instances", instances);
            assert_snapshot!("graph", graphs);
            assert_snapshot!("plan", plans);
        }
    }
}
