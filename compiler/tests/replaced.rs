//! What cannot be changed in place: which change replaces or interrupts, in which order, and where no order is left.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

#[path = "support/standing.rs"]
mod standing;
mod support;

use std::collections::BTreeMap;

use rebar_compiler::plan::{
    self, Ledger, MadeOf, ObjectVerb, Plan, Reason, Replacement, Snapshot, StepVerbs,
};
use rebar_compiler::{Library, analyse};
use standing::{applied, make};

const SPEC: &str = r#"use std.image { bookworm }
kind account {
  key name: String
  replaces system: Bool = false
  interrupts shell: String = "sh"
  groups: List<String> = []
  removal = Remove
  requires node.users
}
kind tree {
  key path: Path
  owner: String = "root"
  removal = Restore
  replacement = Before
  requires node.files
}
network front { cidr = 10.20.0.0/24, gateway = 10.20.0.1 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
role base() {
  account app { name = "app", system = SYSTEM, shell = "SHELL" }
  tree    data { path = "DATA" }
  out path: Path = data.path
}
role top(of: Path) {
  tree    site { path = "SITE", owner = "{of}" }
  account web  { name = "web" }
}
workload shop() {
  node box { hardware = small }
  run first  = base() on box
  run second = top(of = "/x") on box { after = [first] }
}
site lab { machines = local(image = bookworm) }
deploy d = shop() on lab
"#;

/// The spec with values for what stands in capitals; what is not given is as before.
fn spec(given: &[(&str, &str)]) -> String {
    let usual = [
        ("SYSTEM", "false"),
        ("SHELL", "sh"),
        ("DATA", "/srv/data"),
        ("SITE", "/srv/site"),
    ];
    let all = given.iter().chain(&usual);
    all.fold(SPEC.to_owned(), |spec, (name, value)| spec.replace(name, value))
}

fn change(from: &[(&str, &str)], to: &[(&str, &str)]) -> Plan {
    let first = make(&spec(from), &Ledger::default(), &Snapshot::default());
    make(&spec(to), &first.ledger, &applied(&first))
}

/// Steps that are carried out with the reason, and the addresses of what goes first and last.
fn verbs(plan: &Plan) -> (&BTreeMap<String, Reason>, Vec<&str>, Vec<&str>) {
    let StepVerbs::Some {
        ensure,
        remove,
        remove_last,
    } = &plan.nodes[0].steps
    else {
        panic!("{plan:#?}")
    };
    fn of(step: &plan::RecordedStep) -> &str {
        step.successor().unwrap_or(&step.address)
    }
    (
        ensure,
        remove.iter().map(of).collect(),
        remove_last.iter().map(of).collect(),
    )
}

#[test]
fn a_field_that_replaces_takes_the_old_one_away_first() {
    let plan = change(&[], &[("SYSTEM", "true")]);
    let (ensure, first, last) = verbs(&plan);
    assert_eq!((first, last), (vec!["first.app"], vec![]));
    let Reason::Replaced { because, order } = &ensure["first.app"] else {
        panic!("{ensure:#?}")
    };
    assert_eq!(*order, Replacement::After);
    assert_eq!(because.len(), 1);
    assert_eq!(because[0].field, "system");
    assert_eq!(because[0].before, Some(false.into()));
    assert_eq!(because[0].after, Some(true.into()));
    let counts = plan::counts(&plan);
    assert_eq!(
        (counts.create, counts.change, counts.replace, counts.remove),
        (0, 0, 1, 0)
    );
}

#[test]
fn a_field_that_interrupts_is_changed_in_place() {
    let plan = change(&[], &[("SHELL", "bash")]);
    let (ensure, first, last) = verbs(&plan);
    assert_eq!((first.len(), last.len()), (0, 0));
    assert!(
        matches!(&ensure["first.app"], Reason::Interrupts { because, .. } if because[0].field == "shell")
    );
    assert_eq!(
        (plan::counts(&plan).change, plan::counts(&plan).interrupt),
        (1, 1)
    );
}

#[test]
fn where_keys_differ_the_new_one_can_come_first() {
    let plan = change(&[], &[("DATA", "/srv/other")]);
    let (ensure, first, last) = verbs(&plan);
    assert_eq!((first, last), (vec![], vec!["first.data"]));
    assert!(matches!(
        &ensure["first.data"],
        Reason::Replaced {
            order: Replacement::Before,
            ..
        }
    ));
}

#[test]
fn what_was_made_before_something_that_goes_last_goes_last_as_well() {
    let gone = spec(&[("DATA", "/srv/other")]).replace(
        "  account app { name = \"app\", system = false, shell = \"sh\" }\n",
        "",
    );
    let before = make(&spec(&[]), &Ledger::default(), &Snapshot::default());
    let plan = make(&gone, &before.ledger, &applied(&before));
    assert_eq!(verbs(&plan).2, ["first.data", "first.app"]);
}

#[test]
fn two_that_take_each_others_place_are_changed_and_not_replaced() {
    let plan = change(&[], &[("DATA", "/srv/site"), ("SITE", "/srv/data")]);
    let (ensure, first, last) = verbs(&plan);
    assert_eq!((first.len(), last.len()), (0, 0));
    assert!(
        ensure.values().all(|reason| *reason == Reason::New),
        "{ensure:#?}"
    );
}

#[test]
fn after_a_run_that_was_broken_off_the_old_one_still_goes() {
    let first = make(&spec(&[]), &Ledger::default(), &Snapshot::default());
    let mut standing = applied(&first);
    let node = standing.nodes.get_mut("box").unwrap();
    let old = node.steps.remove("first.app").unwrap();
    let old = plan::replaced_step(&old);
    node.steps.insert(old.address.clone(), old);
    node.unfinished.push("first.app".to_owned());
    let plan = make(&spec(&[("SYSTEM", "true")]), &first.ledger, &standing);
    assert_eq!(verbs(&plan).1, ["first.app"]);
    assert_eq!(verbs(&plan).0["first.app"], Reason::Unfinished);
}

#[test]
fn a_machine_says_what_has_changed() {
    let first = make(&spec(&[]), &Ledger::default(), &Snapshot::default());
    let mut standing = applied(&first);
    let made = MadeOf {
        image: first.backend.image.clone(),
        hardware: first.patterns[0].hardware.clone(),
        settings: first.backend.settings.clone(),
        addresses: BTreeMap::from([("eth0".to_owned(), *first.nodes[0].addresses.get("front").unwrap())]),
    };
    standing.nodes.get_mut("box").unwrap().made = Some(Box::new(made));
    let second = spec(&[]).replace("cpu = 1, memory = 512MiB", "cpu = 2, memory = 512MiB");
    let plan = make(&second, &first.ledger, &standing);
    let ObjectVerb::Replace { changes, .. } = &plan.nodes[0].machine else {
        panic!("{:#?}", plan.nodes[0])
    };
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (changes[0].field.as_str(), &changes[0].after),
        ("cpu", &Some(2.into()))
    );
    assert_eq!(
        (plan::counts(&plan).replace, plan::counts(&plan).interrupt),
        (1, 1)
    );
}

/// What is said of a change that has no order.
fn refused(to: &str) -> String {
    told(to, &make(&spec(&[]), &Ledger::default(), &Snapshot::default()))
}

/// What is said of a change of what the first plan made.
fn told(to: &str, first: &Plan) -> String {
    let project = BTreeMap::from([("main.rebar".to_owned(), to.to_owned())]);
    let std = support::standard_library();
    let mut analysis = analyse(&Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    assert!(analysis.plan("d", &first.ledger, &applied(first)).is_none());
    support::render(&analysis.sources, &analysis.diagnostics)
}

#[test]
fn orders_that_contradict_each_other_are_told_as_a_path() {
    let one_run = refused(&spec(&[("SYSTEM", "true"), ("DATA", "/srv/other")]));
    insta::assert_snapshot!("circle_in_a_run", one_run);
    let two_runs = refused(&spec(&[("SYSTEM", "true"), ("SITE", "/srv/other")]));
    insta::assert_snapshot!("circle_through_after", two_runs);
    let role = "  account app { name = \"app\", system = true, shell = \"sh\" }\n  tree    data { path = \"/srv/other\" }\n";
    let turned = "  tree    data { path = \"/srv/other\" }\n  account app { name = \"app\", system = true, shell = \"sh\" }\n";
    let written = spec(&[("SYSTEM", "true"), ("DATA", "/srv/other")]);
    assert!(written.contains(role));
    insta::assert_snapshot!(
        "circle_of_two_that_were_turned",
        refused(&written.replace(role, turned))
    );
}

const HANDED: &str = r#"use std.image { bookworm }
use std.linux { user }
network front { cidr = 10.20.0.0/24, gateway = 10.20.0.1 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
role one() { user eve { name = "eve", system = SYSTEM } }
workload w() {
  node box { hardware = small }
  run a = one() on box
  run b = one() on box
}
site lab { machines = local(image = bookworm) }
deploy d = w() on lab
"#;

#[test]
fn what_goes_over_to_another_run_is_not_replaced_in_the_same_plan() {
    let both = HANDED.replace("SYSTEM", "false");
    let first = make(&both, &Ledger::default(), &Snapshot::default());
    let one = |system: &str| {
        HANDED
            .replace("SYSTEM", system)
            .replace("  run a = one() on box\n", "")
    };
    // Each for itself is well.
    make(&one("false"), &first.ledger, &applied(&first));
    let replaced = make(&HANDED.replace("SYSTEM", "true"), &first.ledger, &applied(&first));
    assert!(matches!(verbs(&replaced).0["a.eve"], Reason::Replaced { .. }));
    insta::assert_snapshot!("goes_over_and_is_replaced", told(&one("true"), &first));
}
