//! Tests and policies by data: `tests/assertions/<case>/main.rebar`, and what running them says.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

mod support;

use std::path::Path;

use insta::{Settings, assert_snapshot};
use rebar_compiler::verify::Report;
use rebar_compiler::{Analysis, Diagnostics, Library, analyse};

fn analysed(folder: &Path) -> Analysis {
    let project = support::folder(folder);
    let std = support::standard_library();
    analyse(&Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    })
}

fn told(analysis: &Analysis, report: &Report) -> String {
    let mut text = String::new();
    for outcome in &report.outcomes {
        let end = match (outcome.holds(), &outcome.accepted) {
            (true, _) => "holds".to_owned(),
            (false, Some(because)) => format!("accepted: {because}"),
            (false, None) => "FAILS".to_owned(),
        };
        let deploy = outcome
            .deploy
            .as_deref()
            .map_or(String::new(), |d| format!(" on {d}"));
        text.push_str(&format!(
            "{:?} {}{deploy}: {end} ({})\n",
            outcome.word, outcome.title, outcome.looked_at
        ));
        let mut said = Diagnostics::default();
        outcome.diagnostics.iter().for_each(|d| said.push(d.clone()));
        text.push_str(&support::render(&analysis.sources, &said));
    }
    for (what, covered, all) in report.coverage.figures() {
        text.push_str(&format!("{covered} of {all} {what}\n"));
    }
    for missing in report.coverage.missing() {
        text.push_str(&format!(
            "not covered: {} at {}\n",
            missing.name,
            analysis.sources.place(missing.span)
        ));
    }
    text
}

#[test]
fn cases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assertions");
    for name in ["good", "failures"] {
        let analysis = analysed(&root.join(name));
        assert!(
            !analysis.diagnostics.has_errors(),
            "{}",
            support::render(&analysis.sources, &analysis.diagnostics)
        );
        let report = analysis.test(&[]);
        let mut settings = Settings::clone_current();
        settings.set_snapshot_path(root.join(name).join("expected"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| assert_snapshot!("report", told(&analysis, &report)));
        assert_eq!(
            name == "good",
            report.outcomes.iter().all(|o| o.holds()),
            "{name}"
        );
    }
}

#[test]
fn a_filter_takes_titles_and_modules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assertions");
    let analysis = analysed(&root.join("good"));
    let titles = |filter: &str| -> Vec<String> {
        let report = analysis.test(&[filter.to_owned()]);
        report.outcomes.into_iter().map(|o| o.title).collect()
    };
    assert_eq!(titles("limits"), ["limits"]);
    assert_eq!(titles("main: two"), ["two sizes, one shape"]);
    assert_eq!(titles("small machines"), ["small machines"]);
    assert!(titles("nothing like this").is_empty());
}
