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
