//! Commands that are about one deploy, and are told none.

use crate::support::World;

/// The deploys of the example.
const DEPLOYS: [&str; 2] = ["`laptop_shop`", "`lab_shop`"];

#[test]
fn a_deploy_that_is_not_named_is_asked_for_with_those_there_are() {
    let world = World::of_example("shop", 97);
    for command in ["plan", "apply", "drift", "destroy", "graph", "rehearse"] {
        let ran = world.run(&[command]);
        assert_eq!(ran.code, 2, "{command}: {ran:?}");
        for said in [&DEPLOYS[..], &["E1612", "which deploy?"]].concat() {
            assert!(
                ran.err.contains(said),
                "{command}: `{said}` is not in\n{}",
                ran.err
            );
        }
    }
}

#[test]
fn the_only_deploy_is_taken_where_nothing_is_changed() {
    let world = World::of_example("shop", 97);
    let main = world.project.join("main.rebar");
    let text = std::fs::read_to_string(&main).unwrap();
    let one: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("deploy lab_shop"))
        .collect();
    std::fs::write(&main, one.join("\n")).unwrap();
    let ran = world.good(&["plan"]);
    assert!(ran.out.starts_with("laptop_shop on "), "{ran:?}");
    world.good(&["graph"]);
    world.good(&["rehearse", "--runs", "1", "--faults", "none"]);
    for command in ["apply", "destroy"] {
        let ran = world.run(&[command]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.err.contains("which deploy? there is `laptop_shop`"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_project_without_tests_says_so() {
    let world = World::of_example("shop", 97);
    let main = world.project.join("main.rebar");
    std::fs::write(&main, "type Few = Int in 1..9\n").unwrap();
    let ran = world.good(&["test"]);
    assert!(ran.out.contains("no tests and no policies"), "{ran:?}");
    assert!(!ran.out.contains("all hold"), "{ran:?}");
    let ran = world.run(&["check", "--fix"]);
    assert!(ran.err.contains("0 fixes in 0 files"), "{ran:?}");
}

#[test]
fn pages_on_standard_output_have_no_links_to_files() {
    let world = World::of_example("shop", 97);
    let ran = world.good(&["doc"]);
    assert!(ran.out.contains("# main") && !ran.out.contains(".md)"), "{ran:?}");
    let folder = world.project.join("pages");
    world.good(&["doc", "std.linux", "-o", folder.to_str().unwrap()]);
    let page = std::fs::read_to_string(folder.join("std.linux.md")).unwrap();
    assert!(page.contains("(std.prelude.md)"), "{page}");
}
