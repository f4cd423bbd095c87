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

/// Holds a published schema against the program's, and its required fields against a document of the program.
fn schema_is_published(world: &World, of: &str, document: &str) {
    let path = root().join(format!("docs/schema/{of}.schema.json"));
    let now = world.good(&["schema", of]).out;
    if std::env::var_os("REBAR_BLESS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == now,
        "docs/schema/{of}.schema.json is old: run the tests with REBAR_BLESS=1"
    );
    // The schema is not only there: its required fields are those of a real document.
    let schema: serde_json::Value = serde_json::from_str(&now).unwrap();
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    for field in schema["required"].as_array().unwrap() {
        let field = field.as_str().unwrap();
        assert!(document.get(field).is_some(), "no `{field}` in {of}");
    }
}

#[test]
fn the_published_schemas_are_those_of_the_program() {
    let world = World::of_example("shop", 96);
    schema_is_published(
        &world,
        "plan",
        &world.good(&["plan", "laptop_shop", "--json"]).out,
    );
    let compared = world.good(&["compare", "laptop_shop", "lab_shop", "--json"]);
    schema_is_published(&world, "compare", &compared.out);
    let state = rebar_runtime::state::State::in_folder(&world.project.join(".rebar")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let document = runtime.block_on(state.export()).unwrap();
    schema_is_published(&world, "state", &document.text());
    let facts = world.good(&["plan", "laptop_shop", "--facts"]);
    schema_is_published(&world, "facts", &facts.out);
    let rehearsed = world.good(&[
        "rehearse",
        "laptop_shop",
        "--runs",
        "2",
        "--faults",
        "none",
        "--json",
    ]);
    schema_is_published(&world, "rehearsal", &rehearsed.out);
}

#[test]
fn the_laptop_and_the_lab_compare_equal_without_any_machine_or_state() {
    let world = World::of_example("shop", 20);
    let ran = world.good(&["compare", "laptop_shop", "lab_shop"]);
    insta::assert_snapshot!(without_hashes(&ran.out));
    assert!(
        !world.project.join(".rebar").exists(),
        "a comparison makes no state"
    );
    let colored = world.good(&["compare", "laptop_shop", "lab_shop", "--color", "always"]);
    assert!(colored.out.contains('\u{1b}'));
}

#[test]
fn what_differs_between_two_plans_is_shown() {
    let world = World::of_example("shop", 20);
    let before = world.project.join("before.plan");
    let before = before.to_str().unwrap();
    world.good(&["plan", "laptop_shop", "-o", before]);
    world.edit(
        "replicas = 2) on laptop",
        "replicas = 2, greeting = \"good day\") on laptop",
    );
    world.edit("memory = 512MiB", "memory = 1GiB");
    let ran = world.run(&["compare", before, "laptop_shop"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    insta::assert_snapshot!(without_hashes(&ran.out));
    let json = world.run(&["compare", before, "laptop_shop", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &found["agree"]), (3, &false.into()));
    let unknown = world.run(&["compare", "laptop_shop", "shop_lab"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""), "{}", unknown.err);
    assert!(
        unknown.err.contains("there is no deploy `shop_lab`"),
        "{}",
        unknown.err
    );
}

/// Hashes change with every word of the library.
fn without_hashes(text: &str) -> String {
    let mut shown = String::new();
    let is_hash = |word: &str| word.len() == 12 && word.bytes().all(|b| b.is_ascii_hexdigit());
    for part in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let end = &part[word.len()..];
        shown.push_str(if is_hash(word) { "(hash)" } else { word });
        shown.push_str(end);
    }
    shown
}

#[test]
fn codes_and_modules_are_explained() {
    let world = World::of_example("shop", 96);
    let page = world.good(&["explain", "E0302"]).out;
    assert_eq!(world.good(&["explain", "302"]).out, page);
    assert!(world.good(&["explain"]).out.lines().count() > 80);
    assert!(world.good(&["explain", "std.linux"]).out.contains("kind service"));
    assert_eq!(world.run(&["explain", "E9999"]).code, 1);
    let names = world.good(&["explain", "e02"]).out;
    assert!(names.starts_with("E02: names\n  E0201  "), "{names}");
    assert!(!names.contains("E03"), "{names}");
    let rule = world.good(&["explain", "L0006"]).out;
    assert_eq!(world.good(&["explain", "unused-group"]).out, rule);
    let file = world.good(&["explain", "file"]).out;
    assert!(
        file.starts_with("// use std.linux { file }\n") && file.contains("key path: Path"),
        "{file}"
    );
    for (asked, meant) in [
        ("flie", "`file`"),
        ("unused-gruop", "`unused-group`"),
        ("E02011", "`E0201`"),
    ] {
        let ran = world.run(&["explain", asked]);
        assert_eq!(ran.code, 1, "{asked}");
        assert!(ran.err.contains(meant), "{}", ran.err);
    }
}
