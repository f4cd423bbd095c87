//! `rebar rehearse` and the facts of plans: the real program, and nothing real touched.

use serde_json::Value;

use crate::support::World;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_same_seed_rehearses_the_same_and_touches_nothing() {
    let world = World::of_example("shop", 96);
    let some = ["rehearse", "laptop_shop", "--runs", "12", "--seed", "7"];
    let first = world.good(&some);
    assert!(first.err.is_empty(), "{}", first.err);
    assert_eq!(first.out, world.good(&some).out);
    assert_ne!(
        first.out,
        world.good(&["rehearse", "laptop_shop", "--runs", "12"]).out
    );
    assert!(first.out.contains("done at first"), "{}", first.out);

    let one = ["rehearse", "laptop_shop", "--seed", "7", "--run", "3"];
    let story = world.good(&one).out;
    assert_eq!(story, world.good(&one).out);
    assert!(story.contains("done edge entry.answers"), "{story}");
    for line in world
        .good(&["rehearse", "lab_shop", "--run", "3", "--json"])
        .out
        .lines()
    {
        assert!(json(line)["at"].is_u64(), "{line}");
    }

    // Machines, networks and the deploy's record are as before: not there.
    assert!(!world.data().exists());
    assert_eq!(world.good(&["status"]).out, "nothing was applied here yet\n");
    // The plan is as before too, and says what was rehearsed: all runs that kept a report.
    let facts = json(&world.good(&["plan", "laptop_shop", "--facts"]).out);
    assert_eq!(facts["practice"][0]["applied"], Value::Object(Default::default()));
    assert!(
        facts["practice"][0]["rehearsed"].as_u64() >= Some(3 * 12 * 2),
        "{facts}"
    );
    let plan = world.good(&["plan", "laptop_shop"]).out;
    assert!(plan.contains("pages = web_page: rehearsed on"), "{plan}");
}

#[test]
fn a_killed_program_is_rehearsed_too() {
    let world = World::of_example("shop", 96);
    let kills = [
        "rehearse",
        "laptop_shop",
        "--runs",
        "8",
        "--faults",
        "controller-killed=100%",
        "--json",
    ];
    let report = json(&world.good(&kills).out);
    assert_eq!(report["injected"]["controller-killed"]["count"], 8, "{report}");
    let done = |which: &str| report[which].as_u64().unwrap();
    // Killed after its last moment that matters, a run may already be done.
    assert_eq!(done("done_first") + done("done_again"), 8, "{report}");
    assert!(done("done_again") >= 7, "{report}");
}

#[test]
fn what_never_ends_well_is_told_with_a_run_that_shows_it() {
    let world = World::of_example("shop", 96);
    let ran = world.run(&[
        "rehearse",
        "laptop_shop",
        "--runs",
        "3",
        "--faults",
        "name-taken=100%",
    ]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("fault name-taken"), "{}", ran.out);
    assert!(
        ran.out.contains("--seed 1 --faults name-taken=100% --run 1"),
        "{}",
        ran.out
    );
}

#[test]
fn faults_are_explained_and_checked() {
    let world = World::of_example("shop", 96);
    let list = world.good(&["rehearse", "--faults", "list"]).out;
    assert!(
        list.contains("controller-killed") && list.contains("stale-listing"),
        "{list}"
    );
    let wrong = world.run(&["rehearse", "laptop_shop", "--faults", "halv"]);
    assert!(wrong.code == 2 && wrong.err.contains("E1810"), "{wrong:?}");
    let unknown = world.run(&["rehearse", "laptop_shp"]);
    assert!(
        unknown.code == 1 && unknown.err.contains("laptop_shop"),
        "{unknown:?}"
    );
    assert_eq!(world.run(&["rehearse"]).code, 2);
}

#[test]
fn facts_stand_beside_the_plan_and_leave_its_hash_alone() {
    let world = World::of_example("shop", 96);
    let hash =
        |world: &World| json(&world.good(&["plan", "laptop_shop", "--facts"]).out)["plan_hash"].clone();
    let before = hash(&world);
    assert!(!world.project.join(".rebar").exists(), "facts make no state");
    world.good(&["rehearse", "laptop_shop", "--runs", "2"]);
    assert_eq!(hash(&world), before);
    let facts = json(&world.good(&["plan", "laptop_shop", "--facts"]).out);
    let path: Vec<&str> = facts["critical_path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|piece| piece["subject"].as_str().unwrap())
        .collect();
    assert_eq!(
        path,
        [
            "image/bookworm",
            "machine/web-1",
            "names",
            "web-1/pages",
            "edge/entry"
        ]
    );
    assert_eq!(
        (&facts["peak"], &facts["basis"]["measured"]),
        (&3.into(), &false.into())
    );
    let drawn = world.good(&["graph", "laptop_shop"]).out;
    assert!(
        drawn.contains("color=red") && drawn.contains("red: the longest path"),
        "{drawn}"
    );
}
