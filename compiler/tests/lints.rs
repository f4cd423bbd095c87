//! Every lint has a page, whose wrong example it finds and whose right example it leaves alone; fixes leave nothing to find.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use rebar_compiler::diagnostics::mend;
use rebar_compiler::lint::{self, Config, Level};
use rebar_compiler::{Analysis, Diagnostics, Library, analyse};

fn analysed(project: &BTreeMap<String, String>) -> Analysis {
    let std = support::standard_library();
    analyse(&Library {
        project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    })
}

fn alone(text: &str) -> Analysis {
    analysed(&BTreeMap::from([("main.rebar".to_owned(), text.to_owned())]))
}

/// Codes that the linter gives, and everything that is said.
fn found(text: &str, config: &Config) -> (Vec<&'static str>, String) {
    let analysis = alone(text);
    let said = support::render(&analysis.sources, &analysis.diagnostics);
    assert!(!analysis.diagnostics.has_errors(), "{text}\n{said}");
    let mut all = Diagnostics::default();
    lint::lint(&analysis.typed, &analysis.sources, config)
        .into_iter()
        .for_each(|d| all.push(d));
    let codes = all.sorted().iter().map(|d| d.code.0).collect();
    (codes, support::render(&analysis.sources, &all))
}

fn page(code: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors");
    std::fs::read_to_string(folder.join(format!("{code}.md"))).unwrap_or_default()
}

fn example<'p>(page: &'p str, which: &str) -> &'p str {
    let after = page
        .split_once(&format!("{which}:\n```rebar\n"))
        .map(|(_, rest)| rest);
    after
        .and_then(|rest| rest.split_once("```"))
        .map_or("", |(block, _)| block)
}

#[test]
fn every_page_shows_what_its_rule_finds() {
    let mut wrong = Vec::new();
    for rule in lint::all() {
        let page = page(rule.code.0);
        if !page
            .lines()
            .next()
            .unwrap_or_default()
            .ends_with(&format!("(`{}`)", rule.name))
        {
            wrong.push(format!("{}: its page does not begin with its name", rule.code.0));
            continue;
        }
        let (bad, good) = (example(&page, "Wrong"), example(&page, "Right"));
        let (codes, said) = found(bad, &Config::default());
        if !codes.contains(&rule.code.0) {
            wrong.push(format!(
                "{} {}: not found in\n{bad}{said}",
                rule.code.0, rule.name
            ));
        }
        let (codes, said) = found(good, &Config::default());
        if codes.contains(&rule.code.0) {
            wrong.push(format!("{} {}: found in\n{good}{said}", rule.code.0, rule.name));
        }
    }
    assert!(lint::all().len() >= 35);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_rules_say() {
    let mut text = String::new();
    for rule in lint::all() {
        let page = page(rule.code.0);
        let bad = example(&page, "Wrong");
        let analysis = alone(bad);
        let all = lint::lint(&analysis.typed, &analysis.sources, &Config::default());
        let mut said = Diagnostics::default();
        all.into_iter()
            .filter(|d| d.code == rule.code)
            .for_each(|d| said.push(d));
        text.push_str(&support::render(&analysis.sources, &said));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn fixes_that_are_sure_leave_nothing_to_find() {
    let mut fixed = 0;
    for rule in lint::all() {
        let page = page(rule.code.0);
        let bad = example(&page, "Wrong");
        let analysis = alone(bad);
        let mut all = Diagnostics::default();
        lint::lint(&analysis.typed, &analysis.sources, &Config::default())
            .into_iter()
            .filter(|d| d.code == rule.code)
            .for_each(|d| all.push(d));
        let mending = mend(&all, &analysis.sources, |_, _| true);
        if let Some(file) = mending.files.first() {
            fixed += 1;
            let (codes, said) = found(&file.text, &Config::default());
            assert!(!codes.contains(&rule.code.0), "{}\n{said}", file.text);
            assert_eq!(file.text, example(&page, "Right"), "{}", rule.name);
        }
    }
    assert!(fixed >= 4, "{fixed} rules have fixes");
}

#[test]
fn levels_and_comments() {
    let text = "pub let one = 1\n";
    assert_eq!(found(text, &Config::default()).0, ["L0008"]);
    let config = |name: &str, level| Config {
        levels: BTreeMap::from([(name.to_owned(), level)]),
        library: false,
    };
    assert!(found(text, &config("missing-docs", Level::Allow)).0.is_empty());
    assert!(found(text, &config("all", Level::Allow)).0.is_empty());
    assert!(
        found(text, &config("L0008", Level::Deny))
            .1
            .starts_with("error L0008")
    );
    let same_line = "pub let one = 1 // lint: allow(missing-docs) because it is small\n";
    assert!(found(same_line, &Config::default()).0.is_empty());
    let whole_file = "// lint: allow(missing-docs, near-names) because these are examples\n\npub let a = 1\npub let b = 2\n";
    assert_eq!(found(whole_file, &Config::default()).0, ["L0038"]);
    let another = "// lint: allow(missing-docs) because it is small\npub let a = 1\npub let b = 2\n";
    assert_eq!(found(another, &Config::default()).0, ["L0008"]);
}

#[test]
fn a_dollar_that_is_meant_is_left_alone() {
    let role = |text: &str| {
        format!("/// A price.\npub role tag(known price: Int) {{ out text: String = {text} }}\n")
    };
    let codes = |text: &str| found(&role(text), &Config::default()).0;
    assert_eq!(codes(r#""${price}""#), ["L0033"]);
    assert_eq!(codes(r#""a ${(price + 1)} ${price}""#), ["L0033", "L0033"]);
    for text in [r#""\u{24}{price}""#, "'${price}'", r#""$ {price} $1 $\{price}""#] {
        assert!(!codes(text).contains(&"L0033"), "{text}");
    }
}

#[test]
fn the_library_and_the_examples_are_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut said = String::new();
    for entry in std::fs::read_dir(root.join("examples")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("main.rebar").exists() {
            continue;
        }
        let mut analysis = support::Given::of(&support::folder(&folder)).analyse();
        assert!(!analysis.diagnostics.has_errors(), "{}", folder.display());
        analysis.lint();
        let own = support::render(&analysis.sources, &analysis.diagnostics);
        if !own.is_empty() {
            said.push_str(&format!("{}\n{own}\n", folder.display()));
        }
    }
    // A project that uses every module of the library.
    let modules = support::standard_library();
    let mut text = String::new();
    let files = modules.keys().filter(|name| name.ends_with(".rebar"));
    for name in files.clone() {
        let module = name.trim_end_matches(".rebar").replace('/', ".");
        if module != "std.prelude" {
            text.push_str(&format!("use {module} {{ }}\n"));
        }
    }
    let analysis = alone(&text);
    let library = analysis.typed.resolved.modules.list.len();
    assert_eq!(library, files.count() + 1);
    let config = Config {
        library: true,
        ..Config::default()
    };
    let mut all = Diagnostics::default();
    for found in lint::lint(&analysis.typed, &analysis.sources, &config) {
        all.push(found);
    }
    said.push_str(&support::render(&analysis.sources, &all));
    assert!(said.is_empty(), "{said}");
}
