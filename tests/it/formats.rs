//! Diagnostics for programs (SARIF, workflow commands) and `check --fix`, through the real program.

use std::fs;

use serde_json::Value;

use crate::support::World;

/// A spec with mistakes of several kinds; some of them can be mended without asking.
const SPEC: &str = "use std.linux { package }\n\
    let ü = 1\nlet yes = true && false\n\
    role web(port: Int) {\n  package nginx { nmae = \"𝄞\", name = \"nginx\" }\n}\n";

/// What may stand in an object of the format, and what must (SARIF 2.1.0, of what is written here).
const OBJECTS: &[(&str, &[&str], &[&str])] = &[
    ("log", &["$schema", "version", "runs"], &["version", "runs"]),
    (
        "runs",
        &["tool", "columnKind", "results", "invocations"],
        &["tool", "results"],
    ),
    ("tool", &["driver"], &["driver"]),
    ("driver", &["name", "semanticVersion", "rules"], &["name"]),
    (
        "rules",
        &["id", "shortDescription", "fullDescription", "help"],
        &["id"],
    ),
    ("shortDescription", &["text"], &["text"]),
    ("fullDescription", &["text"], &["text"]),
    ("help", &["text", "markdown"], &["text"]),
    (
        "results",
        &[
            "ruleId",
            "ruleIndex",
            "level",
            "message",
            "locations",
            "relatedLocations",
            "partialFingerprints",
            "fixes",
        ],
        &["message", "ruleId"],
    ),
    ("message", &["text"], &["text"]),
    (
        "locations",
        &["physicalLocation", "message"],
        &["physicalLocation"],
    ),
    (
        "relatedLocations",
        &["id", "physicalLocation", "message"],
        &["physicalLocation"],
    ),
    (
        "physicalLocation",
        &["artifactLocation", "region"],
        &["artifactLocation"],
    ),
    ("artifactLocation", &["uri"], &["uri"]),
    (
        "region",
        &["startLine", "startColumn", "endLine", "endColumn"],
        &["startLine"],
    ),
    (
        "deletedRegion",
        &["startLine", "startColumn", "endLine", "endColumn"],
        &["startLine"],
    ),
    ("partialFingerprints", &["rebarLine/v1"], &[]),
    (
        "fixes",
        &["description", "artifactChanges", "properties"],
        &["artifactChanges"],
    ),
    ("description", &["text"], &["text"]),
    (
        "artifactChanges",
        &["artifactLocation", "replacements"],
        &["artifactLocation", "replacements"],
    ),
    (
        "replacements",
        &["deletedRegion", "insertedContent"],
        &["deletedRegion"],
    ),
    ("insertedContent", &["text"], &["text"]),
    ("properties", &["applicability"], &[]),
];

fn valid(name: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            let (_, may, must) = OBJECTS
                .iter()
                .find(|(n, ..)| *n == name)
                .unwrap_or_else(|| panic!("the format has no object `{name}` here"));
            for (field, inner) in fields {
                assert!(may.contains(&field.as_str()), "`{name}` has `{field}`");
                valid(field, inner);
            }
            assert!(must.iter().all(|m| fields.contains_key(*m)), "{name}: {value:#}");
        }
        Value::Array(all) => all.iter().for_each(|inner| valid(name, inner)),
        Value::Number(number) if name != "ruleIndex" => assert!(number.as_u64().unwrap() > 0, "{name}"),
        Value::String(_) | Value::Number(_) => {}
        Value::Null | Value::Bool(_) => panic!("{name} is {value}"),
    }
}

#[test]
fn sarif_is_as_the_standard_says() {
    let world = World::of_spec(SPEC);
    let ran = world.run(&["check", "--format", "sarif"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let log: Value = serde_json::from_str(&ran.out).unwrap();
    valid("log", &log);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "utf16CodeUnits");
    let results = run["results"].as_array().unwrap();
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results {
        let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["help"]["markdown"].as_str().unwrap().len() > 100);
    }
    // Columns of a line in which a character takes two UTF-16 code units.
    let spec = "let a = \"𝄞\" && b\n";
    let world = World::of_spec(spec);
    let log: Value = serde_json::from_str(&world.run(&["check", "--format", "sarif"]).out).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap().clone();
    let and = results.iter().find(|r| r["ruleId"] == "E0109").unwrap();
    let region = &and["locations"][0]["physicalLocation"]["region"];
    assert_eq!(
        (&region["startColumn"], &region["endColumn"]),
        (&14.into(), &16.into())
    );
    let change = &and["fixes"][0]["artifactChanges"][0];
    assert_eq!(change["replacements"][0]["insertedContent"]["text"], "and");
    assert_eq!(change["replacements"][0]["deletedRegion"], *region);
}

#[test]
fn a_good_spec_gives_an_empty_document() {
    let world = World::of_example("shop", 97);
    let ran = world.good(&["check", "--format", "sarif"]);
    let log: Value = serde_json::from_str(&ran.out).unwrap();
    valid("log", &log);
    assert_eq!(log["runs"][0]["results"], Value::Array(Vec::new()));
    assert_eq!(world.good(&["check", "--format", "github"]).out, "");
    assert_eq!(world.good(&["fmt", "--check", "--format", "json"]).out, "[]\n");
}

#[test]
fn workflow_commands_name_the_files_of_the_repository() {
    let world = World::of_spec(SPEC);
    let mut command = world.command(&["check"]);
    command.env("REBAR_FORMAT", "github");
    command.env("GITHUB_WORKSPACE", world.folder.path());
    let out = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(
        out.contains(
            "::error file=project/main.rebar,line=3,endLine=3,col=16,endColumn=18,title=rebar E0109::"
        ),
        "{out}"
    );
    assert!(out.lines().all(|line| line.starts_with("::error ")), "{out}");
}

#[test]
fn files_that_are_not_in_the_format_are_told_to_programs() {
    let world = World::of_spec("let a   = 1\nlet b = 2\n");
    let ran = world.run(&["fmt", "--check", "--format", "json"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    let list: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(list[0]["code"], "E1680");
    assert_eq!(list[0]["fixes"][0]["edits"][0]["replacement"], "let a = 1\n");
}

#[test]
fn what_is_certain_is_mended_and_nothing_else() {
    let text = "let yes = true && false\nlet no = (1 = 2); \nlet kept = tru\n";
    let world = World::of_spec(text);
    let spec = world.project.join("main.rebar");
    let dry = world.run(&["check", "--fix", "--dry-run"]);
    assert_eq!(dry.code, 3, "{}", dry.err);
    assert!(
        dry.out.contains("\n-let yes = true && false\n") && dry.out.contains("\n+let yes = true and false\n"),
        "{}",
        dry.out
    );
    assert_eq!(fs::read_to_string(&spec).unwrap(), text);
    let ran = world.run(&["check", "--fix"]);
    // What is only likely is told and left to a person.
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(
        fs::read_to_string(&spec).unwrap(),
        "let yes = true and false\nlet no = (1 == 2) \nlet kept = tru\n"
    );
    let again = world.run(&["check", "--fix", "--dry-run"]);
    assert_eq!((again.code, again.out.as_str()), (1, ""));
}

#[test]
fn files_outside_of_the_project_are_not_mended() {
    let world = World::of_spec("use web { a }\nlet b = a\n");
    let outside = world.folder.path().join("web.rebar");
    let text = "pub let a = true && true\n";
    fs::write(&outside, text).unwrap();
    std::os::unix::fs::symlink(&outside, world.project.join("web.rebar")).unwrap();
    let ran = world.run(&["check", "--fix"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(fs::read_to_string(&outside).unwrap(), text);
}
