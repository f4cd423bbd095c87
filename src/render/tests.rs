//! What plans and comparisons say of waits and leaders.

use std::collections::BTreeMap;

use rebar_compiler::Library;
use rebar_compiler::plan::{Addresses, LeavingNode, Ledger, LedgerNode, Plan, Snapshot, compare};

use super::palette::Palette;

const PLAIN: Palette = Palette { color: false };

const SPEC: &str = r#"
use std.linux { file }
use std.image { bookworm }
network  front { cidr = 10.20.0.0/24, gateway = 10.20.0.1 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
site lab { machines = docker(image = bookworm) }
role note(text: String) { file f { path = "/note", content = text } }
workload cloud() {
  nodes control { count = 3, hardware = small }
  node  edge    { hardware = small }
  node  user    { hardware = small }
  run kv    = note(text = control.leader.name) on control
  run entry = note(text = "entry") on edge { after = [quorum(kv)] }
  run look  = note(text = "look") on user { after = [any(kv), entry] }
}
deploy here = cloud() on lab
"#;

fn planned(spec: &str, ledger: &Ledger) -> Plan {
    let project = BTreeMap::from([("main.rebar".to_owned(), spec.to_owned())]);
    let std: BTreeMap<String, String> = rebar_stdlib::FILES
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    let mut analysis = rebar_compiler::analyse(&Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    let plan = analysis.plan("here", ledger, &Snapshot::default());
    plan.unwrap_or_else(|| panic!("{:?}", analysis.diagnostics))
}

/// A ledger of four members, one too many, in which the last one leads: it leaves.
fn led_by_one_that_leaves() -> Ledger {
    let node = |name: &str, leader| {
        let node = LedgerNode {
            group: "control".to_owned(),
            addresses: Addresses::default(),
            leader,
            retired: false,
        };
        (name.to_owned(), node)
    };
    let nodes = BTreeMap::from([
        node("control-2", false),
        node("control-3", false),
        node("control-4", false),
        node("control-5", true),
    ]);
    Ledger {
        version: 1,
        deploys: BTreeMap::from([("here".to_owned(), nodes)]),
    }
}

#[test]
fn a_wait_says_how_much_it_waits_for() {
    let text = super::plan::plan(&planned(SPEC, &Ledger::default()), false, PLAIN);
    for said in [
        "after a quorum (2 of 3) of `kv`: `entry` is to come after a quorum of `kv` (main.rebar:13:62)",
        "after any node of `kv`: `look` is to come after any node of `kv`",
        "after `entry` on 1 node: `look` is to come after `entry`",
    ] {
        assert!(text.contains(said), "`{said}` is not in\n{text}");
    }
    assert!(!text.contains("instead of"), "{text}");
}

#[test]
fn a_leader_in_place_of_another_is_told() {
    let text = super::plan::plan(&planned(SPEC, &led_by_one_that_leaves()), false, PLAIN);
    let said = "~ control-2 leads instead of control-5, which leaves";
    assert!(text.contains(said), "`{said}` is not in\n{text}");
}

#[test]
fn plans_that_wait_for_more_or_less_of_a_run_differ() {
    let before = planned(SPEC, &Ledger::default());
    let after = planned(&SPEC.replace("quorum(kv)", "kv"), &Ledger::default());
    let found = compare(&before, &after);
    assert!(!found.agree);
    let text = super::compare::compare(&found, PLAIN);
    for said in [
        "`entry` waits for a quorum of `kv` in the first only",
        "`entry` waits for `kv` in the second only",
        "2 waits of one only",
    ] {
        assert!(text.contains(said), "`{said}` is not in\n{text}");
    }
    assert!(compare(&before, &before).agree);
}

#[test]
fn runs_in_workloads_have_boxes_that_every_notation_takes() {
    let spec = SPEC.replace(
        "run kv    = note(text = control.leader.name) on control",
        "run kv = store(on = control)",
    ) + "workload store(on: Nodes) { run serve_all = note(text = on.leader.name) on on }";
    let plan = planned(&spec, &Ledger::default());
    let expected = super::graph::Expected::default();
    assert!(super::graph::dot(&plan, &expected).contains("run_0_kv_o_serve__all -> run_1_entry"));
    let drawn = super::graph::svg(&plan, &expected).unwrap();
    assert!(drawn.contains("kv.serve_all"), "{drawn}");
}

#[test]
fn runs_of_a_for_have_boxes_that_every_notation_takes() {
    let spec = SPEC.replace(
        "run entry = note(text = \"entry\") on edge { after = [quorum(kv)] }",
        "for kind in [\"tea\", \"strong-coffee\"] { run entry = note(text = kind) on edge }",
    );
    let spec = spec.replace(", entry] }", "] }");
    let spec = spec
        .replace(
            "role note(text: String)",
            "role note(text: String, path: Path = \"/note\")",
        )
        .replace("path = \"/note\", content", "path = path, content")
        .replace("note(text = kind)", "note(text = kind, path = \"/{kind}\")");
    let plan = planned(&spec, &Ledger::default());
    let expected = super::graph::Expected::default();
    let is_plain = |id: &str| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let dot = super::graph::dot(&plan, &expected);
    let boxes: Vec<&str> = dot
        .lines()
        .filter_map(|line| line.split_once(" [label"))
        .map(|l| l.0)
        .collect();
    assert!(boxes.iter().any(|id| id.contains("_tea")), "{dot}");
    for id in boxes.iter().flat_map(|id| id.split(" -> ")) {
        assert!(is_plain(id.trim()), "{id}\n{dot}");
    }
    let mermaid = super::graph::mermaid(&plan, &expected);
    for line in mermaid.lines().skip(1).filter(|line| !line.contains(">|")) {
        let id = line.split_once("[\"").map_or("", |parts| parts.0);
        assert!(is_plain(id.trim()), "{mermaid}");
    }
    assert!(mermaid.contains("tea"), "{mermaid}");
    let drawn = super::graph::svg(&plan, &expected).unwrap();
    assert!(drawn.contains("entry["), "{drawn}");
}

#[test]
fn a_plan_that_only_destroys_tells_what_goes_in_its_order() {
    let mut with = planned(SPEC, &led_by_one_that_leaves());
    with.leaving.push(LeavingNode {
        name: "control-5".to_owned(),
        group: "control".to_owned(),
        addresses: Addresses::default(),
        leave: Vec::new(),
    });
    let text = super::plan::plan(&with, false, PLAIN);
    let order = text.split_once("order\n").unwrap().1;
    assert!(order.contains(". node control-5 goes"), "{text}");
    let mut only = with.clone();
    only.nodes.clear();
    only.networks.clear();
    only.patterns.clear();
    let text = super::plan::plan(&only, false, PLAIN);
    assert!(text.contains("order\n  1. node control-5 goes"), "{text}");
}
