//! The example project: it compiles without a word, and plans.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

mod support;

use std::path::Path;

use rebar_compiler::plan::{self, Ledger, Snapshot};
use rebar_compiler::{Library, analyse};

#[test]
fn the_shop_compiles_and_plans() {
    let project = support::folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shop"));
    let std = support::standard_library();
    let mut analysis = analyse(&Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    analysis.examine();
    let said: Vec<String> = analysis
        .diagnostics
        .sorted()
        .iter()
        .map(|d| format!("{} {}", d.code.0, d.message))
        .collect();
    assert!(said.is_empty(), "{said:#?}");
    let plan = analysis
        .plan("laptop_shop", &Ledger::default(), &Snapshot::default())
        .unwrap();
    assert_eq!(
        plan.nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(),
        ["edge", "web-1", "web-2"]
    );
    assert_eq!(plan.gates.len(), 1);
    assert_eq!(plan.gates[0].reason, "`entry` uses the output `url` of `pages`");
    let steps = plan::filled_steps(&plan, &plan.nodes[0]).unwrap();
    let config = steps.iter().find(|s| s.step.address == "entry.config").unwrap();
    let text = config.step.fields["content"].as_str().unwrap();
    assert!(text.contains("server 10.20.0.3:80 10.20.0.3:80 check"), "{text}");
    assert!(text.contains("bind *:80"), "{text}");
    let lab = analysis
        .plan("lab_shop", &Ledger::default(), &Snapshot::default())
        .unwrap();
    let hashes = |plan: &plan::Plan| -> Vec<String> {
        plan.patterns
            .iter()
            .flat_map(|p| p.segments.iter().map(|s| s.hash.clone()))
            .collect()
    };
    assert_eq!(hashes(&plan), hashes(&lab));
}
