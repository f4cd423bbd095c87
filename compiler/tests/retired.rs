//! Nodes that are asked to leave.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

#[path = "support/standing.rs"]
mod standing;
mod support;

use rebar_compiler::plan::{self, Ledger, Snapshot};

use standing::{applied, make, spec, verbs};

#[test]
fn who_is_retired_leaves_and_nobody_else() {
    let first = make(&spec(3, "hi"), &Ledger::default(), &Snapshot::default());
    let mut ledger = first.ledger.clone();
    assert!(ledger.retire("d", "web-2") && !ledger.retire("d", "web-9"));
    let members = |plan: &plan::Plan| plan.groups["web"].nodes.clone();
    let leaving = |plan: &plan::Plan| plan.leaving.iter().map(|l| l.name.clone()).collect::<Vec<_>>();
    let fewer = make(&spec(2, "hi"), &ledger, &applied(&first));
    assert_eq!(members(&fewer), ["web-1", "web-3"]);
    assert_eq!(leaving(&fewer), ["web-2"]);
    assert!(verbs(&fewer, "web-1").1.is_empty() && verbs(&fewer, "web-3").1.is_empty());
    // The name is not given again while somebody has it.
    let exchanged = make(&spec(3, "hi"), &ledger, &applied(&first));
    assert_eq!(members(&exchanged), ["web-1", "web-3", "web-4"]);
    assert_eq!(leaving(&exchanged), ["web-2"]);
    // Whoever plans before it is gone lets it go on leaving.
    let again = make(&spec(3, "hi"), &exchanged.ledger, &applied(&first));
    assert_eq!(
        (members(&again), leaving(&again)),
        (members(&exchanged), leaving(&exchanged))
    );
    // There is no other `edge`.
    assert!(ledger.retire("d", "edge"));
    let single = make(&spec(3, "hi"), &ledger, &applied(&first));
    assert_eq!(members(&single).len(), 3);
    assert!(single.nodes.iter().any(|row| row.name == "edge") && leaving(&single) == ["web-2"]);
}
