//! Parts of plans, as typed: `--only`, `--except`, `--replace`, and answers about what must not run twice.

use crate::support::World;

#[test]
fn a_part_of_a_plan_says_what_it_leaves_out() {
    let world = World::of_example("shop", 96);
    let ran = world.run(&["plan", "laptop_shop", "--only", "edge"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for said in [
        "left out: web-1 (its machine, pages)",
        "not now: `entry` waits for `pages`, which is left out on web-1",
        "1 network to make, 1 machine to create, 4 new steps",
        "1 network, then 1 machine",
    ] {
        assert!(ran.out.contains(said), "`{said}` is not in\n{}", ran.out);
    }
    let ran = world.run(&["plan", "laptop_shop", "--except", "web-*,edge"]);
    assert!(ran.out.contains("0 changes on the selected nodes"), "{}", ran.out);
    assert!(!ran.out.contains("not now"), "{}", ran.out);
}

#[test]
fn what_cannot_be_chosen_is_refused_with_a_code() {
    let world = World::of_example("shop", 96);
    let file = world.project.join("part.plan");
    let file = file.to_str().unwrap();
    let made = world.run(&["plan", "laptop_shop", "--only", "web-1", "-o", file]);
    assert_eq!(made.code, 0, "{}", made.err);
    for (arguments, code) in [
        (vec!["plan", "laptop_shop", "--only", "wbe-1"], "E1631"),
        (
            vec!["plan", "laptop_shop", "--only", "web-1", "--replace", "web-2"],
            "E1632",
        ),
        (vec!["plan", "laptop_shop", "--retire", "web-1"], "E1631"),
        (vec!["apply", file, "--only", "web-1"], "E1633"),
        (vec!["apply", file, "--retire", "web-1"], "E1633"),
        (vec!["apply", "laptop_shop", "--assume", "web-1"], "E1630"),
    ] {
        let ran = world.run(&arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(code), "{arguments:?}: {}", ran.err);
    }
}
