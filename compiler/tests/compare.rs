//! Two plans side by side, by data: each case edits the right-hand spec and shows what is found.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use rebar_compiler::plan::{self, Comparison, Ledger, Plan, Snapshot, compare};
use rebar_compiler::{Library, analyse};

fn shop() -> BTreeMap<String, String> {
    support::folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shop"))
}

fn planned(project: &BTreeMap<String, String>, deploy: &str) -> Plan {
    let std = support::standard_library();
    let mut analysis = analyse(&Library {
        project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    let plan = analysis.plan(deploy, &Ledger::default(), &Snapshot::default());
    plan.unwrap_or_else(|| panic!("{}", support::render(&analysis.sources, &analysis.diagnostics)))
}

/// The shop, compared with itself after edits; each text must be there.
fn edited(edits: &[(&str, &str)]) -> Comparison {
    let before = shop();
    let mut after = before.clone();
    for (from, to) in edits {
        let holds = |text: &&mut String| text.contains(from);
        let file = after
            .values_mut()
            .find(holds)
            .unwrap_or_else(|| panic!("`{from}` is in no file"));
        *file = file.replace(from, to);
    }
    compare(&planned(&before, "laptop_shop"), &planned(&after, "laptop_shop"))
}

/// What is found, without hashes, which change with every word of the library.
fn shown(comparison: &Comparison) -> String {
    let mut value = serde_json::json!({
        "agree": comparison.agree,
        "gates": comparison.gates,
        "provisioning": comparison.provisioning,
        "groups": {},
    });
    for group in &comparison.groups {
        let nodes = [&group.left, &group.right].map(|side| side.as_ref().map(|side| side.nodes));
        value["groups"][&group.group] = serde_json::json!({
            "agree": group.agree,
            "nodes": nodes,
            "differences": group.differences,
        });
    }
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn the_laptop_and_the_lab_have_the_same_patterns() {
    let project = shop();
    let (laptop, lab) = (planned(&project, "laptop_shop"), planned(&project, "lab_shop"));
    let found = compare(&laptop, &lab);
    assert!(found.agree, "{found:#?}");
    let hashes = |plan: &Plan| plan.patterns.iter().map(plan::pattern_hash).collect::<Vec<_>>();
    assert_eq!(hashes(&laptop), hashes(&lab));
    let web = &found.groups[0];
    let (left, right) = (web.left.as_ref().unwrap(), web.right.as_ref().unwrap());
    assert_eq!((left.nodes, right.nodes), (2, 5));
    assert_ne!(left.runs[0].rollout, right.runs[0].rollout);
    assert_eq!(
        (found.left.backend.as_str(), found.right.backend.as_str()),
        ("local", "docker")
    );
    let differs: Vec<_> = found.provisioning.iter().map(|s| s.setting.as_str()).collect();
    assert_eq!(differs, ["backend", "sys_admin"]);
    assert!(found.capabilities.contains_key("node.files"));
}

#[test]
fn a_pattern_does_not_see_names_numbers_and_what_it_stands_on() {
    let renamed = edited(&[
        ("deploy laptop_shop", "deploy another_shop"),
        ("deploy lab_shop", "deploy laptop_shop"),
        (
            "10.20.0.0/24, gateway = 10.20.0.1",
            "10.99.0.0/16, gateway = 10.99.0.1",
        ),
        ("cpu = 1", "cpu = 4"),
    ]);
    assert!(renamed.agree);
    insta::assert_snapshot!(shown(&renamed));
}

#[test]
fn a_changed_argument_of_a_role_is_shown_exactly() {
    let found = edited(&[(
        "replicas = 2) on laptop",
        "replicas = 2, greeting = \"good day\") on laptop",
    )]);
    assert!(!found.agree);
    let web = &found.groups[0];
    let role = |side: &Option<plan::GroupSide>| side.as_ref().unwrap().runs[0].role_hash.clone();
    assert_eq!(
        role(&web.left),
        role(&web.right),
        "the role is as it was; its argument is not"
    );
    insta::assert_snapshot!(shown(&found));
}

#[test]
fn changed_roles_are_shown_exactly() {
    let cases = [
        (
            "a_line_of_a_template",
            vec![(
                "<h1>{{greeting}} from {{host}}</h1>",
                "<h2>{{greeting}} from {{host}}</h2>",
            )],
        ),
        (
            "a_step_more",
            vec![(
                "  service web     {",
                "  file more { path = \"/more\", content = \"x\" }\n  service web     {",
            )],
        ),
        (
            "another_kind",
            vec![(
                "  package nginx { name = \"nginx-light\" }",
                "  file nginx { path = \"/nginx\", content = \"\" }",
            )],
        ),
        ("nothing_to_load", vec![(", reload_on = [page]", "")]),
        (
            "another_order",
            vec![(
                "  service web     { name = \"nginx\", reload_on = [page] }\n  probe   healthy { url = \"http://{node.address}:{port}/\" }",
                "  probe   healthy { url = \"http://{node.address}:{port}/\" }\n  service web     { name = \"nginx\", reload_on = [page] }",
            )],
        ),
        (
            "the_port_of_each_server",
            vec![("web_page(greeting)", "web_page(greeting, port = 8080)")],
        ),
        (
            "a_group_and_a_gate_less",
            vec![
                ("  node  edge { hardware = small }\n", ""),
                (
                    "  run entry = balancer(backends = pages.url) on edge // uses an output of pages: waits for all of that run\n  out url: Url = entry.url\n",
                    "",
                ),
                ("  assert t.entry.after(t.pages)\n", ""),
            ],
        ),
    ];
    for (name, edits) in cases {
        let found = edited(&edits);
        assert!(!found.agree, "{name}");
        insta::assert_snapshot!(name, shown(&found));
    }
}

#[test]
fn a_plan_agrees_with_itself_whatever_the_verbs_are() {
    let plan = planned(&shop(), "laptop_shop");
    let mut kept = plan.clone();
    for row in &mut kept.nodes {
        row.machine = plan::ObjectVerb::Keep;
    }
    let found = compare(&plan, &kept);
    assert!(found.agree && found.provisioning.is_empty() && found.gates.is_empty());
}
