//! What a second plan does: nothing without a change, and no more than the change needs.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

#[path = "support/standing.rs"]
mod standing;
mod support;

use proptest::prelude::*;
use rebar_compiler::plan::{
    self, FillContext, Ledger, Machine, ObjectVerb, Reason, Snapshot, StepVerbs, Template,
};

use standing::{SPEC, applied, make, spec, verbs};

#[test]
fn a_second_plan_is_empty() {
    let first = make(&spec(3, "hi"), &Ledger::default(), &Snapshot::default());
    assert!(!plan::is_empty(&first));
    assert_eq!(plan::counts(&first).create, 1 + 4 + 3 * 4 + 4);
    let second = make(&spec(3, "hi"), &first.ledger, &applied(&first));
    assert!(plan::is_empty(&second), "{:#?}", plan::counts(&second));
    assert_eq!(first.ledger, second.ledger);
}

#[test]
fn a_changed_argument_changes_what_uses_it_and_what_loads_that() {
    let first = make(&spec(2, "hi"), &Ledger::default(), &Snapshot::default());
    let second = make(&spec(2, "ho"), &first.ledger, &applied(&first));
    let (machine, ensure, remove) = verbs(&second, "web-1");
    assert_eq!(machine, &ObjectVerb::Keep);
    let changed = Reason::Changed(vec!["content".to_owned()]);
    assert_eq!(
        ensure,
        [
            ("pages.index", &changed),
            ("pages.up", &Reason::Verify),
            ("pages.web", &Reason::Changed(Vec::new()))
        ]
    );
    assert!(remove.is_empty());
    assert!(verbs(&second, "edge").1.is_empty());
}

#[test]
fn growing_changes_the_balancer_alone_and_shrinking_names_who_leaves() {
    let first = make(&spec(2, "hi"), &Ledger::default(), &Snapshot::default());
    let grown = make(&spec(3, "hi"), &first.ledger, &applied(&first));
    assert!(verbs(&grown, "web-1").1.is_empty());
    assert_eq!(
        verbs(&grown, "edge")
            .1
            .iter()
            .map(|(a, _)| *a)
            .collect::<Vec<_>>(),
        ["entry.answers", "entry.config", "entry.proxy"]
    );
    let new = grown.nodes.iter().find(|n| n.name == "web-3").unwrap();
    assert_eq!((&new.machine, &new.steps), (&ObjectVerb::Create, &StepVerbs::All));
    let shrunk = make(&spec(1, "hi"), &grown.ledger, &applied(&grown));
    assert_eq!(
        shrunk.leaving.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(),
        ["web-2", "web-3"]
    );
    assert!(!shrunk.ledger.deploys["d"].contains_key("web-3"));
}

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

#[test]
fn machines_are_made_started_replaced_or_left_alone() {
    let first = make(&spec(4, "hi"), &Ledger::default(), &Snapshot::default());
    let mut state = applied(&first);
    state.nodes.get_mut("web-1").unwrap().live = Machine::Stopped;
    state.nodes.get_mut("web-2").unwrap().live = Machine::Absent;
    state.nodes.get_mut("web-3").unwrap().live = Machine::Unknown;
    state
        .nodes
        .get_mut("web-3")
        .unwrap()
        .drifted
        .insert("pages.web".to_owned(), "stopped".to_owned());
    state
        .nodes
        .get_mut("web-4")
        .unwrap()
        .drifted
        .insert("pages.web".to_owned(), "stopped".to_owned());
    state
        .nodes
        .get_mut("edge")
        .unwrap()
        .unfinished
        .push("entry.proxy".to_owned());
    let second = make(&spec(4, "hi"), &first.ledger, &state);
    // A machine that was stopped could not be asked: all that should be on it is looked at again.
    let looks = ("pages.up", &Reason::Verify);
    let all = ["pages.index", "pages.nginx", "pages.up", "pages.web"].map(|step| (step, &Reason::Verify));
    assert_eq!(
        verbs(&second, "web-1"),
        (&ObjectVerb::Start, all.to_vec(), vec![])
    );
    assert_eq!(
        second.nodes.iter().find(|n| n.name == "web-2").unwrap().machine,
        ObjectVerb::Create
    );
    assert_eq!(verbs(&second, "web-3"), (&ObjectVerb::Keep, vec![], vec![]));
    assert_eq!(
        verbs(&second, "web-4").1,
        [looks, ("pages.web", &Reason::Drifted("stopped".to_owned()))]
    );
    assert_eq!(
        verbs(&second, "edge").1,
        [
            ("entry.answers", &Reason::Verify),
            ("entry.proxy", &Reason::Unfinished)
        ]
    );
    let larger = spec(4, "hi").replace("512MiB", "1GiB");
    let third = make(&larger, &first.ledger, &applied(&first));
    assert!(
        third
            .nodes
            .iter()
            .all(|n| matches!(n.machine, ObjectVerb::Replace { .. }))
    );
    let moved = spec(4, "hi").replace("10.20.0", "10.30.0");
    let fourth = make(&moved, &first.ledger, &applied(&first));
    assert!(matches!(
        fourth.networks["front"].verb,
        ObjectVerb::Replace { .. }
    ));
    assert!(
        fourth
            .nodes
            .iter()
            .all(|n| matches!(n.machine, ObjectVerb::Replace { .. }))
    );
}

#[test]
fn what_is_repaired_is_loaded_anew() {
    let first = make(&spec(2, "hi"), &Ledger::default(), &Snapshot::default());
    let mut state = applied(&first);
    let node = state.nodes.get_mut("web-1").unwrap();
    node.drifted
        .insert("pages.index".to_owned(), "content differs".to_owned());
    let node = state.nodes.get_mut("web-2").unwrap();
    node.unfinished.push("pages.index".to_owned());
    let second = make(&spec(2, "hi"), &first.ledger, &state);
    for (node, why) in [
        ("web-1", Reason::Drifted("content differs".to_owned())),
        ("web-2", Reason::Unfinished),
    ] {
        let (_, ensured, _) = verbs(&second, node);
        let named: Vec<_> = ensured.iter().filter(|(name, _)| *name != "pages.up").collect();
        assert_eq!(
            named,
            [
                &("pages.index", &why),
                &("pages.web", &Reason::Changed(Vec::new()))
            ]
        );
    }
}

#[test]
fn what_leaves_the_spec_is_removed_from_its_recipe_and_what_moves_is_kept() {
    let first = make(&spec(1, "hi"), &Ledger::default(), &Snapshot::default());
    let without = spec(1, "hi")
        .replace("  probe up { url = \"http://{node.address}:{port}/\" }\n", "")
        .replace("up.url", "\"http://{node.address}/\"");
    let second = make(&without, &first.ledger, &applied(&first));
    assert_eq!(verbs(&second, "web-1").2, ["pages.up"]);
    let renamed = spec(1, "hi").replace("package nginx", "package server");
    let third = make(&renamed, &first.ledger, &applied(&first));
    assert_eq!(
        verbs(&third, "web-1").1,
        [("pages.server", &Reason::New), ("pages.up", &Reason::Verify)]
    );
    assert!(verbs(&third, "web-1").2.is_empty());
    let elsewhere = spec(1, "hi").replace("/var/www/index.html", "/srv/index.html");
    let fourth = make(&elsewhere, &first.ledger, &applied(&first));
    let (index, reason) = verbs(&fourth, "web-1").1[0];
    assert!(matches!(reason, Reason::Replaced { because, .. } if because[0].field == "path"));
    let goes = verbs(&fourth, "web-1").2;
    assert!(goes.len() == 1 && goes[0].starts_with(index), "{goes:?}");
}

#[test]
fn the_same_role_has_the_same_hash_at_every_scale() {
    let small = make(&spec(1, "hi"), &Ledger::default(), &Snapshot::default());
    let large = make(&spec(50, "other"), &Ledger::default(), &Snapshot::default());
    for (a, b) in small.patterns.iter().zip(&large.patterns) {
        assert_eq!(a.segments[0].hash, b.segments[0].hash);
    }
}

#[test]
fn plan_files_that_lie_are_refused() {
    let plan = make(&spec(2, "hi"), &Ledger::default(), &Snapshot::default());
    let good = plan::canonical_bytes(&plan);
    assert_eq!(plan::read(&good).as_ref(), Ok(&plan));
    let schema = serde_json::to_value(plan::schema()).unwrap();
    assert_eq!(schema["title"], "Plan");
    assert!(schema["$defs"]["Template"].is_object());
    let text = String::from_utf8(good).unwrap();
    let lies = [
        text.replacen("\"format\":3", "\"format\":2", 1),
        text.replacen("\"deploy\":", "\"extra\":1,\"deploy\":", 1),
        text.replacen("\"pattern\":1", "\"pattern\":7", 1),
        text.replacen("\"group\":\"web\"", "\"group\":\"nowhere\"", 1),
        text.replacen("\"after\":\"pages\"", "\"after\":\"nothing\"", 1),
        text.replacen("\"after\":\"pages\"", "\"after\":\"entry\"", 1),
        text.replacen("\"web-1\"", "\"web-2\"", 1),
        "[".repeat(100_000),
        String::new(),
    ];
    for lie in lies {
        assert_ne!(lie, text);
        assert!(plan::read(lie.as_bytes()).is_err(), "{lie:.300}");
    }
}

/// Any JSON that could stand for a template.
fn template() -> impl Strategy<Value = Template> {
    use plan::{Column, Function, NodeReference};
    let group = prop_oneof![
        Just("web".to_owned()),
        Just("edge".to_owned()),
        Just("none".to_owned())
    ];
    let node = prop_oneof![
        Just(NodeReference::Own),
        group.clone().prop_map(NodeReference::Member)
    ];
    let column = prop_oneof![
        Just(Column::Name),
        Just(Column::Address),
        Just(Column::AddressOn("front".to_owned())),
        Just(Column::AddressOn("back".to_owned()))
    ];
    let texts = prop_oneof![
        Just("http://a:1/b".to_owned()),
        Just("{{#each this}}{{../../x}}{{/each}}".to_owned()),
        Just("{{a.[0].b}}{{@root}}{{lookup this 'a'}}".to_owned()),
        "[{}#/a.@ ]{0,24}",
        ".{0,12}"
    ];
    let leaf = prop_oneof![
        texts.prop_map(|t| Template::Value(t.into())),
        any::<i64>().prop_map(|n| Template::Value(n.into())),
        Just(Template::Value(serde_json::Value::Null)),
        (node, column).prop_map(|(node, column)| Template::Column { node, column }),
    ];
    let function = prop_oneof![
        Just(Function::Concat),
        Just(Function::Render),
        Just(Function::UrlScheme),
        Just(Function::UrlHost),
        Just(Function::UrlPort),
        Just(Function::UrlPath),
        Just(Function::Length),
        Just(Function::Join)
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            (group.clone(), inner.clone()).prop_map(|(group, element)| Template::Each {
                group,
                element: Box::new(element)
            }),
            (function.clone(), prop::collection::vec(inner.clone(), 0..4))
                .prop_map(|(function, arguments)| Template::Apply { function, arguments }),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Template::List),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..4).prop_map(Template::Record),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_never_change_other_nodes(counts in prop::collection::vec(0usize..12, 1..6)) {
        let mut ledger = Ledger::default();
        for count in counts {
            let plan = make(&spec(count, "x"), &ledger, &Snapshot::default());
            let mut seen = std::collections::BTreeSet::new();
            for (name, node) in &plan.ledger.deploys["d"] {
                prop_assert!(node.addresses.values().all(|a| seen.insert(*a)));
                if let Some(before) = ledger.deploys.get("d").and_then(|d| d.get(name)) {
                    prop_assert_eq!(before, node);
                }
            }
            prop_assert_eq!(plan.nodes.len(), count + 1);
            ledger = plan.ledger;
        }
    }

    #[test]
    fn digests_change_exactly_when_filled_steps_do(a in 1usize..4, b in 1usize..4, x in "[ab]", y in "[ab]") {
        let first = make(&spec(a, &x), &Ledger::default(), &Snapshot::default());
        let second = make(&spec(b, &y), &first.ledger, &Snapshot::default());
        for row in &first.nodes {
            let Some(other) = second.nodes.iter().find(|n| n.name == row.name) else { continue };
            let before = plan::filled_steps(&first, row).unwrap();
            let after = plan::filled_steps(&second, other).unwrap();
            for (before, after) in before.iter().zip(&after) {
                let same_loads = before.loads == after.loads;
                let same = before.step.fields == after.step.fields && same_loads;
                prop_assert_eq!(same, before.step.digest == after.step.digest, "{}", before.step.address);
                let alone = plan::step_digest(&first, row, &before.step.address);
                prop_assert_eq!(alone.as_ref(), Some(&before.step.digest));
            }
        }
    }

    #[test]
    fn filling_never_panics(template in template()) {
        let plan = make(&spec(2, "x"), &Ledger::default(), &Snapshot::default());
        let context = FillContext::of_plan(&plan);
        let _ = plan::fill(&template, &context, Some(("web", 1)));
        let _ = plan::fill(&template, &context, None);
        let text = serde_json::to_string(&template).unwrap();
        prop_assert_eq!(serde_json::from_str::<Template>(&text).unwrap(), template);
    }
}

#[test]
fn deep_and_wide_templates_are_errors() {
    let plan = make(&spec(12, "x"), &Ledger::default(), &Snapshot::default());
    let context = FillContext::of_plan(&plan);
    let mut deep = Template::Value(1.into());
    for _ in 0..10_000 {
        deep = Template::List(vec![deep]);
    }
    assert_eq!(context.fill(&deep, None), Err(plan::FillError::TooDeep));
    // Dropping it level by level, for the stack's sake.
    while let Template::List(mut inner) = deep {
        deep = inner.remove(0);
    }
    let mut wide = Template::Value(1.into());
    for _ in 0..8 {
        wide = Template::Each {
            group: "web".to_owned(),
            element: Box::new(wide),
        };
    }
    assert_eq!(context.fill(&wide, None), Err(plan::FillError::TooLarge));
}

#[test]
fn names_in_a_plan_file_are_names() {
    let spec = SPEC.replace("COUNT", "2").replace("TEXT", "hello");
    let plan = make(&spec, &Ledger::default(), &Snapshot::default());
    let text = String::from_utf8(plan::canonical_bytes(&plan)).unwrap();
    assert!(plan::read(text.as_bytes()).is_ok());
    for old in ["\"d\"", "\"web\"", "\"web-1\"", "\"lab\""] {
        for new in [
            "../../x", "/etc", "", ".", "..", "a/b", "a\\u0000", "-x", "\\u202ex",
        ] {
            assert!(text.contains(old), "{old} in {text}");
            let read = plan::read(text.replace(old, &format!("\"{new}\"")).as_bytes());
            assert!(
                matches!(read, Err(plan::PlanFileError::Inconsistent(_))),
                "{old} {new}: {read:?}"
            );
        }
    }
}

#[test]
fn a_hostile_template_cannot_be_filled_without_bound() {
    let spec = SPEC.replace("COUNT", "200").replace("TEXT", "hello");
    let plan = make(&spec, &Ledger::default(), &Snapshot::default());
    let context = FillContext::of_plan(&plan);
    let mut template = Template::Value("x".repeat(1_000_000).into());
    for _ in 0..2 {
        template = Template::Each {
            group: "web".to_owned(),
            element: Box::new(template),
        };
    }
    assert_eq!(context.fill(&template, None), Err(plan::FillError::TooLarge));
}

const LOOP: &str = r#"
use std.linux { file, service }
use std.image { bookworm }
network  front { cidr = 10.20.0.0/22, gateway = 10.20.0.1 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
role pages(sites: List<{ name: String, text: String }>) {
  for site in sites by site.name {
    file page { path = "/srv/{site.name}", content = "{site.text}" }
    service own { name = "{site.name}", reload_on = [page] }
  }
  service web { name = "nginx", reload_on = [page] }
}
workload shop() {
  node edge { hardware = small }
  run all = pages([SITES]) on edge
}
site lab { machines = docker(image = bookworm) }
deploy d = shop() on lab
"#;

fn with_sites(sites: &[(&str, &str)]) -> String {
    let sites: Vec<String> = sites
        .iter()
        .map(|(name, text)| format!("{{ name = \"{name}\", text = \"{text}\" }}"))
        .collect();
    LOOP.replace("SITES", &sites.join(", "))
}

#[test]
fn an_element_of_a_loop_that_goes_takes_only_its_own_steps_along() {
    let all = with_sites(&[("blog", "a"), ("shop", "b"), ("wiki.example", "c")]);
    let first = make(&all, &Ledger::default(), &Snapshot::default());
    let names: Vec<&str> = first.patterns[0].segments[0]
        .steps
        .iter()
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "page[blog]",
            "own[blog]",
            "page[shop]",
            "own[shop]",
            "page[wiki.example]",
            "own[wiki.example]",
            "web"
        ]
    );
    // The first one goes: those behind it keep their names, and nothing is done to them.
    let fewer = with_sites(&[("shop", "b"), ("wiki.example", "c")]);
    let second = make(&fewer, &first.ledger, &applied(&first));
    let (_, ensure, remove) = verbs(&second, "edge");
    assert_eq!(remove, ["all.own[blog]", "all.page[blog]"]);
    assert_eq!(ensure, [("all.web", &Reason::Changed(Vec::new()))]);
    // Nor does another order of the elements rename any.
    let turned = with_sites(&[("wiki.example", "c"), ("blog", "a"), ("shop", "b")]);
    let third = make(&turned, &first.ledger, &applied(&first));
    let (_, ensure, remove) = verbs(&third, "edge");
    assert!(remove.is_empty(), "{remove:?}");
    assert!(
        ensure.iter().all(|(address, _)| *address == "all.web"),
        "{ensure:?}"
    );
    // What changes in one is changed in its steps, and in those that load them.
    let changed = with_sites(&[("blog", "a"), ("shop", "new"), ("wiki.example", "c")]);
    let fourth = make(&changed, &first.ledger, &applied(&first));
    let (_, ensure, _) = verbs(&fourth, "edge");
    let addresses: Vec<&str> = ensure.iter().map(|(address, _)| *address).collect();
    assert_eq!(addresses, ["all.own[shop]", "all.page[shop]", "all.web"]);
}

const LOOP_OF_RUNS: &str = r#"
use std.image { bookworm }
use std.linux { file }
network  front { cidr = 10.20.0.0/24 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
role note(name: String) { file note { path = "/etc/{name}", content = name } }
workload store() {
  nodes disk { count = 2, hardware = small }
  run serve = note("store") on disk
}
workload shops(names: List<String>) {
  node edge { hardware = small }
  for name in names {
    nodes web { count = 2, hardware = small }
    run pages  = note(name) on web
    run shared = note("shared-{name}") on edge
    run kv     = store()
  }
}
site lab { machines = local(image = bookworm) }
deploy d = shops(names = [NAMES]) on lab
"#;

#[test]
fn an_element_that_comes_or_goes_takes_its_own_groups_and_runs_along() {
    let spec = |names: &str| LOOP_OF_RUNS.replace("NAMES", names);
    let first = make(
        &spec(r#""shop", "wiki""#),
        &Ledger::default(),
        &Snapshot::default(),
    );
    // The new one stands before the others: they keep names, addresses and machines.
    let more = make(
        &spec(r#""blog", "shop", "wiki""#),
        &first.ledger,
        &applied(&first),
    );
    let created = |row: &&plan::NodeRow| row.machine == ObjectVerb::Create;
    let (new, old): (Vec<_>, Vec<_>) = more.nodes.iter().partition(created);
    let made: Vec<&str> = new.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(
        made,
        ["kv_blog_disk-1", "kv_blog_disk-2", "web_blog-1", "web_blog-2"]
    );
    for row in old {
        let (machine, ensure, remove) = verbs(&more, &row.name);
        let ensured: Vec<&str> = ensure.iter().map(|(address, _)| *address).collect();
        let expected: &[&str] = if row.name == "edge" {
            &["shared[blog].note"]
        } else {
            &[]
        };
        assert_eq!(ensured, expected, "{}", row.name);
        assert!(*machine == ObjectVerb::Keep && remove.is_empty());
    }
    assert!(more.leaving.is_empty());
    for (name, node) in &first.ledger.deploys["d"] {
        assert_eq!(more.ledger.deploys["d"].get(name), Some(node));
    }
    // Another order changes nothing, and one that goes takes only what is its own.
    let turned = make(&spec(r#""wiki", "blog", "shop""#), &more.ledger, &applied(&more));
    assert!(plan::is_empty(&turned), "{:#?}", plan::counts(&turned));
    let fewer = make(&spec(r#""blog", "wiki""#), &more.ledger, &applied(&more));
    let left: Vec<&str> = fewer.leaving.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(
        left,
        ["kv_shop_disk-1", "kv_shop_disk-2", "web_shop-1", "web_shop-2"]
    );
    assert_eq!(verbs(&fewer, "edge").2, ["shared[shop].note"]);
    assert!(
        fewer
            .nodes
            .iter()
            .all(|row| verbs(&fewer, &row.name).1.is_empty() && row.machine == ObjectVerb::Keep)
    );
}

const SHARED: &str = r#"
use std.image { bookworm }
use std.linux { file, package }
network  front { cidr = 10.20.0.0/24 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
role page(name: String) {
  package nginx { name = "nginx-light" }
  file    site  { path = "/srv/{name}", content = name }
}
workload shops() {
  node web { hardware = small }
  run a = page("a") on web
  run b = page("b") on web
}
site lab { machines = docker(image = bookworm) }
deploy d = shops() on lab
"#;

#[test]
fn a_step_that_two_runs_share_is_done_once_and_stays_while_one_of_them_does() {
    let first = make(SHARED, &Ledger::default(), &Snapshot::default());
    assert_eq!(plan::counts(&first).create, 1 + 1 + 3);
    let second = make(SHARED, &first.ledger, &applied(&first));
    assert!(plan::is_empty(&second), "{:#?}", plan::counts(&second));
    let only_b = SHARED.replace("  run a = page(\"a\") on web\n", "");
    let third = make(&only_b, &first.ledger, &applied(&first));
    let (_, ensure, remove) = verbs(&third, "web");
    assert_eq!(ensure, [("b.nginx", &Reason::New)]);
    assert_eq!(remove, ["a.site"]);
    let nobody = only_b.replace("  run b = page(\"b\") on web\n", "");
    let fourth = make(&nobody, &third.ledger, &applied(&third));
    assert_eq!(verbs(&fourth, "web").2, ["b.site", "b.nginx"]);
}

#[test]
fn what_is_moved_takes_inner_groups_and_all_turns_along() {
    let before = LOOP_OF_RUNS.replace("NAMES", r#""shop", "Eu-west""#);
    let first = make(&before, &Ledger::default(), &Snapshot::default());
    // A run of a workload, a group and a run in a `for`, and a group and a run within the workload.
    let after = before
        .replace("run kv     = store()", "run vault = store()")
        .replace("nodes web ", "nodes servers ")
        .replace("on web", "on servers")
        .replace("run pages  =", "run content =")
        .replace("nodes disk ", "nodes drive ")
        .replace(
            "run serve = note(\"store\") on disk",
            "run answer = note(\"store\") on drive",
        );
    let moves = "moved shops.kv -> shops.vault\nmoved shops.web -> shops.servers\n\
                 moved shops.pages -> shops.content\nmoved store.disk -> store.drive\n\
                 moved store.serve -> store.answer\n";
    let plain = make(&after, &first.ledger, &applied(&first));
    assert!(!plain.leaving.is_empty(), "without `moved` they are other things");
    let moved = make(&format!("{moves}{after}"), &first.ledger, &applied(&first));
    assert!(moved.leaving.is_empty(), "{:#?}", moved.leaving);
    for row in &moved.nodes {
        let (machine, ensure, remove) = verbs(&moved, &row.name);
        assert!(
            *machine == ObjectVerb::Keep && ensure.is_empty() && remove.is_empty(),
            "{}: {machine:?} {ensure:?} {remove:?}",
            row.name
        );
    }
    let names =
        |plan: &plan::Plan| -> Vec<String> { plan.nodes.iter().map(|row| row.name.clone()).collect() };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(names(&first)), sorted(names(&moved)));
    assert_eq!(
        moved.ledger.deploys["d"]["kv_eu_west_disk-1"].group,
        "vault_eu_west_drive"
    );
}
