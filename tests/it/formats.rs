//! Diagnostics for programs (SARIF, workflow commands) and `check --fix`, through the real program.

use std::fs;

use serde_json::Value;

use crate::support::World;

/// A spec with mistakes of several kinds; some of them can be mended without asking.
const SPEC: &str = "use std.linux { package }\n\
    let ü = 1\nlet yes = true && false\n\
    role web(port: Int) {\n  package nginx { nmae = \"𝄞\", name = \"nginx\" }\n}\n";

/// The schema of the standard.
fn schema() -> jsonschema::Validator {
    let text = include_str!("../schemas/sarif-2.1.0.json");
    // The pattern of `language` has a bracket too many, which only lenient readers of patterns take for text.
    let text = text.replace("{2}]?$", "{2}\\\\]?$");
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// Holds a log against the schema of the standard (`tests/schemas`), and against what the standard asks beyond it.
fn valid(log: &Value) {
    let schema = schema();
    let wrong: Vec<String> = schema
        .iter_errors(log)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{log:#}");
    // The schema knows no references from one part to another, and no order of places.
    for run in log["runs"].as_array().unwrap() {
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        for result in run["results"].as_array().unwrap() {
            let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
            assert_eq!(rule["id"], result["ruleId"]);
            let related = result["relatedLocations"].as_array().cloned().unwrap_or_default();
            let mut ids: Vec<u64> = related.iter().map(|l| l["id"].as_u64().unwrap()).collect();
            ids.dedup();
            assert_eq!(ids.len(), related.len(), "an id stands for one place: {result:#}");
            for location in result["locations"].as_array().unwrap().iter().chain(&related) {
                let place = &location["physicalLocation"];
                let uri = place["artifactLocation"]["uri"].as_str().unwrap();
                assert!(
                    !uri.starts_with('/') && !uri.contains(' '),
                    "a relative reference: {uri}"
                );
                let of = |name: &str| place["region"][name].as_u64().unwrap();
                let (start, end) = (
                    (of("startLine"), of("startColumn")),
                    (of("endLine"), of("endColumn")),
                );
                assert!(start <= end, "{place:#}");
            }
        }
    }
}

/// The schema is one that refuses: it would be no use otherwise.
#[test]
fn the_schema_of_the_standard_refuses_what_is_none() {
    let schema = schema();
    let driver = serde_json::json!({ "driver": { "name": "rebar" } });
    let good = serde_json::json!({ "version": "2.1.0", "runs": [{ "tool": driver, "results": [] }] });
    assert!(schema.is_valid(&good));
    for (place, wrong) in [
        ("/version", "2.0.0"),
        ("/runs/0/results", "none"),
        ("/runs/0/tool/driver", "rebar"),
    ] {
        let mut log = good.clone();
        *log.pointer_mut(place).unwrap() = wrong.into();
        assert!(!schema.is_valid(&log), "{place}");
    }
    let mut log = good;
    log["runs"][0]["colour"] = 7.into();
    assert!(!schema.is_valid(&log));
}

#[test]
fn sarif_is_as_the_standard_says() {
    let world = World::of_spec(SPEC);
    let ran = world.run(&["check", "--format", "sarif"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let log: Value = serde_json::from_str(&ran.out).unwrap();
    valid(&log);
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
    valid(&log);
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
