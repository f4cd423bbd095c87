//! Documentation of modules: what stands in a page, and that what people write cannot break out of it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

mod support;

use std::collections::BTreeMap;

use rebar_compiler::document::{html, markdown, pages};
use rebar_compiler::{Library, analyse};

const SPEC: &str = r#"/// Pages for everybody.
/// They are *small*.

use std.linux { file }

/// How many, at most.
type Few = Int in 1..9

/// A page with a [link](javascript:alert) and <script>alert(1)</script>, see [the library](std.linux.md).
///
/// ```rebar fragment
/// run pages = page(text = "hi") on web
/// ```
pub role page(text: String, known mode: Mode = "0644", few: Few = 3) {
  /// What is shown.
  file index { path = "/index.html", content = "{text} {few}", mode = mode }
  out place: Path = index.path
}
"#;

fn written(
    render: fn(&rebar_compiler::document::Page, &[rebar_compiler::document::Page]) -> String,
) -> String {
    let std = support::standard_library();
    let project = BTreeMap::from([("main.rebar".to_owned(), SPEC.to_owned())]);
    let analysis = analyse(&Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    assert!(
        !analysis.diagnostics.has_errors(),
        "{}",
        support::render(&analysis.sources, &analysis.diagnostics)
    );
    let all = pages(&analysis.typed, &analysis.sources, |_| true);
    let main = all.iter().find(|p| p.module == "main").unwrap();
    render(main, &all)
}

#[test]
fn a_page_as_markdown() {
    insta::assert_snapshot!(written(markdown));
}

#[test]
fn a_page_as_html() {
    let page = written(html);
    insta::assert_snapshot!(page);
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("javascript:"), "{page}");
    // Every element that is opened is closed, in order.
    let mut open: Vec<&str> = Vec::new();
    for tag in page
        .split('<')
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap())
    {
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        if ["!DOCTYPE", "meta", "br", "hr"].contains(&name) {
            continue;
        }
        match tag.starts_with('/') {
            true => assert_eq!(open.pop(), Some(name), "{page}"),
            false => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
