//! Every example compiles without a word, is in the format, and plans; every plan file fits the published schema.

use std::fs;
use std::path::PathBuf;

use crate::support::{World, root};

fn examples() -> Vec<String> {
    let entries = fs::read_dir(root().join("examples")).unwrap().flatten();
    let names: Vec<String> = entries
        .filter(|e| e.path().join("main.rebar").is_file())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!names.is_empty());
    names
}

fn deploys(world: &World) -> Vec<String> {
    let spec = fs::read_to_string(world.project.join("main.rebar")).unwrap();
    let lines = spec.lines().filter_map(|line| line.strip_prefix("deploy "));
    lines
        .filter_map(|rest| rest.split_whitespace().next().map(str::to_owned))
        .collect()
}

#[test]
fn examples_compile_are_formatted_and_plan() {
    for name in examples() {
        let world = World::of_example(&name, 96);
        let checked = world.good(&["check"]);
        assert!(checked.err.contains("no errors"), "{name}: {}", checked.err);
        let formatted = world.run(&["fmt", "--check"]);
        assert_eq!(
            (formatted.code, formatted.out.as_str()),
            (0, ""),
            "{name}: {}",
            formatted.err
        );
        for deploy in deploys(&world) {
            let plan = world.good(&["plan", &deploy, "--refresh", "none"]);
            assert!(plan.out.contains("new step"), "{name} {deploy}: {}", plan.out);
            for notation in ["dot", "mermaid", "svg"] {
                let graph = world.good(&["graph", &deploy, "--format", notation]);
                assert!(graph.out.len() > 100, "{name} {deploy} {notation}");
            }
        }
    }
}

#[test]
fn the_plan_of_the_shop_reads_well() {
    let world = World::of_example("shop", 20);
    insta::assert_snapshot!(world.good(&["plan", "laptop_shop"]).out);
}

#[test]
fn the_standard_library_is_in_the_format() {
    let files: Vec<PathBuf> = fs::read_dir(root().join("stdlib/std"))
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "rebar"))
        .collect();
    let world = World::of_example("shop", 96);
    for file in files {
        let shown = file.display().to_string();
        let ran = world.run(&["fmt", "--check", &shown]);
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{shown}: {}", ran.err);
    }
}

#[test]
fn the_published_schema_is_that_of_the_program() {
    let world = World::of_example("shop", 96);
    let path = root().join("docs/schema/plan.schema.json");
    let now = world.good(&["schema", "plan"]).out;
    if std::env::var_os("REBAR_BLESS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == now,
        "docs/schema/plan.schema.json is old: run the tests with REBAR_BLESS=1"
    );
    // The schema is not only there: its required fields are those of a real plan.
    let schema: serde_json::Value = serde_json::from_str(&now).unwrap();
    let plan: serde_json::Value =
        serde_json::from_str(&world.good(&["plan", "laptop_shop", "--json"]).out).unwrap();
    for field in schema["required"].as_array().unwrap() {
        assert!(
            plan.get(field.as_str().unwrap()).is_some(),
            "a plan has no `{field}`"
        );
    }
}

#[test]
fn codes_and_modules_are_explained() {
    let world = World::of_example("shop", 96);
    let page = world.good(&["explain", "E0302"]).out;
    assert_eq!(world.good(&["explain", "302"]).out, page);
    assert!(world.good(&["explain"]).out.lines().count() > 80);
    assert!(world.good(&["explain", "std.linux"]).out.contains("kind service"));
    assert_eq!(world.run(&["explain", "E9999"]).code, 1);
}

#[test]
fn the_specs_of_the_docs_are_read() {
    let mut found = 0;
    for page in ["docs/language/README.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for block in text.split("```rebar\n").skip(1) {
            let spec = block.split("```").next().unwrap();
            let world = World::of_spec(spec);
            let ran = world.run(&["fmt", "--check"]);
            assert!(matches!(ran.code, 0 | 3), "{page}: {spec}\n{}", ran.err);
            found += 1;
        }
    }
    assert!(found >= 4);
}
