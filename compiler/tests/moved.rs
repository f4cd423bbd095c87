//! `moved`: what was applied under one name goes on under another, and nothing is done for it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests may panic.

#[path = "support/standing.rs"]
mod standing;
mod support;

use std::collections::BTreeMap;

use rebar_compiler::plan::{self, Ledger, ObjectVerb, Plan, Snapshot, StepVerbs};
use rebar_compiler::{Library, analyse};

use standing::{applied, make, spec, verbs};

/// The same shop with other names for a group, a run and two steps, one of them through a chain of moves.
fn renamed(spec: &str) -> String {
    let spec = spec
        .replace("nodes web {", "nodes page_servers {")
        .replace(") on web", ") on page_servers")
        .replace("run pages =", "run content =")
        .replace("backends = pages.url", "backends = content.url")
        .replace("file index {", "file home {")
        .replace("reload_on = [index]", "reload_on = [home]")
        .replace("probe up {", "probe answers {")
        .replace("= up.url", "= answers.url")
        .replace("node edge {", "node gate {")
        .replace("on edge", "on gate");
    let moves = "moved shop.web -> shop.page_servers\nmoved shop.edge -> shop.gate\nmoved shop.pages -> shop.content\n\
                 moved page.index -> page.start\nmoved page.start -> page.home\nmoved page.up -> page.answers\n";
    format!("{moves}{spec}")
}

/// The record after the moves of a plan.
fn moved(plan: &Plan, mut snapshot: Snapshot) -> Snapshot {
    for step in &plan.moves {
        snapshot.nodes.values_mut().for_each(|node| step.apply(node));
    }
    snapshot
}

#[test]
fn what_is_moved_keeps_its_names_machines_and_records() {
    let first = make(&spec(2, "hi"), &Ledger::default(), &Snapshot::default());
    let second = make(&renamed(&spec(2, "hi")), &first.ledger, &applied(&first));
    let told: Vec<String> = second
        .moves
        .iter()
        .map(|m| format!("{} -> {}", m.before(), m.after()))
        .collect();
    assert_eq!(
        told,
        [
            "group web -> page_servers",
            "group edge -> gate",
            "run pages -> content",
            "step content.index -> content.home",
            "step content.up -> content.answers"
        ]
    );
    let nodes: Vec<&str> = second.nodes.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(nodes, ["edge", "web-1", "web-2"]);
    for name in nodes {
        let (machine, ensure, remove) = verbs(&second, name);
        assert_eq!(machine, &ObjectVerb::Keep);
        assert_eq!((ensure, remove), (Vec::new(), Vec::new()), "{name}");
    }
    assert!(second.leaving.is_empty());
    let counts = plan::counts(&second);
    assert_eq!(
        (counts.create, counts.change, counts.remove, counts.moved),
        (0, 0, 0, 5)
    );
    assert!(!plan::is_empty(&second), "the record is to be changed");
    assert_eq!(plan::read(&plan::canonical_bytes(&second)).as_ref(), Ok(&second));

    let after = moved(&second, applied(&first));
    let third = make(&renamed(&spec(2, "hi")), &second.ledger, &after);
    assert!(plan::is_empty(&third), "{:#?}", third.moves);
    // A `moved` that was carried out can be taken out.
    let bare = renamed(&spec(2, "hi"));
    let bare = &bare[bare.find("\nuse").unwrap()..];
    assert!(plan::is_empty(&make(bare, &second.ledger, &after)));
}

#[test]
fn a_moved_group_grows_under_its_name_of_now_and_gives_no_name_twice() {
    let first = make(&spec(2, "hi"), &Ledger::default(), &Snapshot::default());
    let grown = make(&renamed(&spec(3, "hi")), &first.ledger, &applied(&first));
    assert_eq!(
        grown.groups["page_servers"].nodes,
        ["web-1", "web-2", "page_servers-3"]
    );
    let shrunk = make(
        &renamed(&spec(1, "hi")),
        &grown.ledger,
        &moved(&grown, applied(&grown)),
    );
    assert_eq!(shrunk.groups["page_servers"].nodes, ["web-1"]);
    // A new group of the old name takes other names than those that are kept.
    let text = renamed(&spec(2, "hi"));
    let again = text[text.find("\nuse").unwrap()..].replace(
        "  node gate {",
        "  nodes web { count = 2, hardware = small }\n  node edge { hardware = small }\n  node gate {",
    );
    let plan = make(&again, &grown.ledger, &moved(&grown, applied(&grown)));
    assert_eq!(plan.groups["web"].nodes, ["web-3", "web-4"]);
    assert_eq!(plan.groups["edge"].nodes, ["edge-2"]);
    assert_eq!(plan.groups["gate"].nodes, ["edge"]);
}

#[test]
fn a_step_that_is_removed_after_it_was_moved_goes_under_the_name_that_the_node_knows() {
    let first = make(&spec(1, "hi"), &Ledger::default(), &Snapshot::default());
    let second = make(&renamed(&spec(1, "hi")), &first.ledger, &applied(&first));
    let after = moved(&second, applied(&first));
    let without = renamed(&spec(1, "hi")).replace(
        "  probe answers { url = \"http://{node.address}:{port}/\" }\n",
        "",
    );
    let without = without.replace("moved page.up -> page.answers\n", "").replace(
        "out url: Url = answers.url",
        "out url: Url = \"http://{node.address}/\"",
    );
    let third = make(&without, &second.ledger, &after);
    let row = third.nodes.iter().find(|n| n.name == "web-1").unwrap();
    let StepVerbs::Some { remove, .. } = &row.steps else {
        panic!("{row:#?}")
    };
    let goes: Vec<_> = remove
        .iter()
        .map(|s| (s.address.as_str(), s.known_as.as_deref()))
        .collect();
    assert_eq!(goes, [("content.answers", Some("pages.up"))]);
}

#[test]
fn two_things_that_are_recorded_do_not_become_one() {
    let both = spec(1, "hi").replace(
        "  node edge {",
        "  nodes page_servers { count = 1, hardware = small }\n  run content = page(text = \"b\") on page_servers\n  node edge {",
    );
    let first = make(&both, &Ledger::default(), &Snapshot::default());
    for (text, code) in [
        ("moved shop.web -> shop.page_servers\n", "group `web`"),
        ("moved shop.pages -> shop.content\n", "run `pages`"),
    ] {
        let mut spec = spec(1, "hi")
            .replace("nodes web {", "nodes page_servers {")
            .replace(") on web", ") on page_servers");
        if code.contains("run") {
            spec = both
                .replace(
                    "run pages = page(text = text) on web",
                    "run content = page(text = text) on web",
                )
                .replace("run content = page(text = \"b\") on page_servers\n", "")
                .replace("backends = pages.url", "backends = content.url");
        }
        let project = BTreeMap::from([("main.rebar".to_owned(), format!("{text}{spec}"))]);
        let std = support::standard_library();
        let mut analysis = analyse(&Library {
            project: &project,
            std: &std,
            packages: rebar_compiler::resolve::Packages::default(),
        });
        let mut snapshot = applied(&first);
        if code.contains("run") {
            let steps = snapshot.nodes["page_servers-1"].steps.clone();
            snapshot.nodes.get_mut("web-1").unwrap().steps.extend(steps);
        }
        assert!(analysis.plan("d", &first.ledger, &snapshot).is_none());
        let said = support::render(&analysis.sources, &analysis.diagnostics);
        assert!(said.contains("E0450") && said.contains(code), "{said}");
    }
}
