//! Specs in the middle of being written: whatever is cut out or doubled, the compiler answers and never panics.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use rebar_compiler::diagnostics::Severity;
use rebar_compiler::plan::{Ledger, Snapshot};
use rebar_compiler::{Library, analyse};

static CASES: LazyLock<Vec<BTreeMap<String, String>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/meaning");
    let folders = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| support::folder(&e.unwrap().path()));
    let mut all: Vec<_> = folders.collect();
    all.sort();
    all
});

static STD: LazyLock<BTreeMap<String, String>> = LazyLock::new(support::standard_library);

/// The nearest place at or below `at` where a character begins.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_edit_makes_it_panic(
        case in any::<prop::sample::Index>(),
        file in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        length in 0usize..40,
        insert in prop_oneof![
            Just(String::new()), Just("{".to_owned()), Just("}".to_owned()), Just("\"".to_owned()),
            Just("node".to_owned()), Just(" = ".to_owned()), Just("x.y".to_owned()), Just("-1".to_owned()),
            Just("10.0.0.0/0".to_owned()), Just("99999999999999999999".to_owned()), Just("\u{e9}".to_owned()),
            Just("if true { }\n".to_owned()), Just("[x for x in x]".to_owned()), Just("Rack".to_owned()),
        ],
    ) {
        let mut project = CASES[case.index(CASES.len())].clone();
        let name = project.keys().nth(file.index(project.len())).unwrap().clone();
        let text = project[&name].clone();
        let start = boundary(&text, place.index(text.len() + 1));
        let end = boundary(&text, start + length).max(start);
        project.insert(name, format!("{}{insert}{}", &text[..start], &text[end..]));
        let mut analysis = analyse(&Library { project: &project, std: &*STD, packages: rebar_compiler::resolve::Packages::default() });
        analysis.examine();
        let deploys: Vec<String> = analysis.deploys().into_iter().map(str::to_owned).collect();
        for deploy in deploys {
            let plan = analysis.plan(&deploy, &Ledger::default(), &Snapshot::default());
            // No plan without a reason, and no reason without a place in the text.
            prop_assert!(plan.is_some() || analysis.diagnostics.has_errors());
        }
        for diagnostic in analysis.diagnostics.sorted() {
            for label in &diagnostic.labels {
                let _ = analysis.sources.slice(label.span);
            }
            let has_place = !diagnostic.labels.is_empty() || diagnostic.code.0.starts_with("E09");
            prop_assert!(has_place || diagnostic.severity == Severity::Warning, "{}", diagnostic.message);
        }
        rebar_compiler::check::dump(&analysis.typed);
        rebar_compiler::resolve::dump(&analysis.typed.resolved, &analysis.sources);
    }
}
