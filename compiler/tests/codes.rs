//! Every code that the compiler can report has a page.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

use std::path::Path;

use rebar_compiler::diagnostics::codes;

#[test]
fn every_code_has_a_page_with_a_title() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors");
    let mut wrong = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for code in codes::all() {
        assert!(seen.insert(code), "{} is there twice", code.0);
        let page = std::fs::read_to_string(folder.join(format!("{}.md", code.0))).unwrap_or_default();
        if !page.starts_with("# ") || page.lines().count() < 4 {
            wrong.push(code.0);
        }
    }
    assert!(wrong.is_empty(), "these codes have no page: {wrong:?}");
}
