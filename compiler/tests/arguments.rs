//! What a deploy is given beside its spec: arguments of the command line, of files and of the environment, and outputs
//! of other deploys.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests may panic.

mod support;

use std::collections::BTreeMap;

use rebar_compiler::plan::{Ledger, Plan, Snapshot};
use rebar_compiler::resolve::{Given, GivenArguments, Origin};
use rebar_compiler::{Library, Options, analyse_with};
use serde_json::json;

const SPEC: &str = r#"
use std.linux { file }
use std.image { bookworm }
network  front { cidr = 10.20.0.0/24, gateway = 10.20.0.1 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
enum Tier { Edge, Core }
role page(text: String) {
  file page { path = "/srv/page", content = text }
  out url: Url = "http://{node.address}/"
}
workload db() {
  node one { hardware = small }
  run main = page("db") on one
  out url: Url = main.url
}
workload shop(
  replicas: Int in 1..10,
  greeting: String = "hello",
  wait: Duration = 30s,
  tier: Tier = Edge,
  ports: List<Port> = [80],
  note: String?,
  db: Url = "http://none/",
) {
  nodes web { count = replicas, hardware = small }
  run pages = page("{greeting} {(wait / 1s)} {len(ports)} {db} {(note ?? "-")}") on web
}
site lab { machines = docker(image = bookworm) }
deploy database = db() on lab
deploy d        = shop(replicas = 2) on lab
deploy bare     = shop() on lab
deploy app      = shop(replicas = 1, db = outputs(database).url) on lab
"#;

fn cli(name: &str, text: &str) -> Given {
    Given {
        origin: Origin::CommandLine,
        name: name.to_owned(),
        text: text.to_owned(),
    }
}

fn made(
    deploy: &str,
    given: Vec<Given>,
    recorded: Option<BTreeMap<String, serde_json::Value>>,
) -> Result<Plan, String> {
    let bare = deploy != "bare";
    let spec = if bare {
        SPEC.replace("deploy bare     = shop() on lab\n", "")
    } else {
        SPEC.to_owned()
    };
    let project = BTreeMap::from([("main.rebar".to_owned(), spec)]);
    let std = support::standard_library();
    let options = Options {
        given: GivenArguments {
            deploy: deploy.to_owned(),
            given,
        },
        ..Options::default()
    };
    let library = Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    };
    let mut analysis = analyse_with(&library, &options);
    analysis.typed.recorded = recorded;
    let plan = analysis.plan(deploy, &Ledger::default(), &Snapshot::default());
    plan.ok_or_else(|| support::render(&analysis.sources, &analysis.diagnostics))
}

fn content(plan: &Plan) -> String {
    let filled = rebar_compiler::plan::filled_steps(plan, &plan.nodes[0]).unwrap();
    filled[0].step.fields["content"].as_str().unwrap().to_owned()
}

#[test]
fn the_strongest_of_what_is_given_counts() {
    let file = |text: &str| Given {
        origin: Origin::File,
        name: "values.json".to_owned(),
        text: text.to_owned(),
    };
    let environment = |name: &str, text: &str| Given {
        origin: Origin::Environment,
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let of_spec = made("d", Vec::new(), None).unwrap();
    assert_eq!((of_spec.nodes.len(), of_spec.arguments.len()), (2, 0));
    let given = vec![
        environment("replicas", "3"),
        environment("greeting", "from the environment"),
        environment("somebody_elses", "[]"),
        file(r#"{ "replicas": 4, "greeting": "from a file", "ports": [80, 443], "tier": "Core" }"#),
        cli("replicas", "5"),
        cli("wait", "1min"),
        cli("note", "with = and \" in it"),
    ];
    let plan = made("d", given, None).unwrap();
    assert_eq!(plan.nodes.len(), 5);
    assert_eq!(
        content(&plan),
        "from a file 60 2 http://none/ with = and \" in it"
    );
    let shown: Vec<(&str, String, &str)> = plan
        .arguments
        .iter()
        .map(|(name, given)| (name.as_str(), given.value.to_string(), given.from.as_str()))
        .collect();
    assert_eq!(shown[0].0, "greeting");
    assert_eq!(shown[4], ("tier", "\"Core\"".to_owned(), "--args values.json"));
    assert_eq!(shown[3], ("replicas", "5".to_owned(), "--arg"));
    assert_ne!(plan.spec, of_spec.spec, "the digest covers what is given");
    let toml = Given {
        name: "values.toml".to_owned(),
        ..file("replicas = 6\nports = [1, 2, 3]\n")
    };
    assert_eq!(made("d", vec![toml], None).unwrap().nodes.len(), 6);
    // A parameter that the spec does not give is not missed where it is given otherwise.
    assert_eq!(
        made("bare", vec![cli("replicas", "1")], None)
            .unwrap()
            .nodes
            .len(),
        1
    );
    assert!(made("bare", Vec::new(), None).unwrap_err().contains("E0303"));
}

#[test]
fn what_is_given_and_does_not_fit_is_told_with_both_places() {
    for (given, said) in [
        (
            cli("replica", "5"),
            &["E0451", "--arg:1:1", "did you mean `replicas`"][..],
        ),
        (
            cli("replicas", "many"),
            &["E0301", "--arg:1:10", "main.rebar:17", "an `Int in 1..10`"],
        ),
        (cli("replicas", "50"), &["E0305", "--arg:1:10"]),
        (cli("replicas", "2.5"), &["E0301", "--arg:1:10"]),
        (cli("ports", "[80, 99999]"), &["E0305", "--arg:1:12"]),
        (cli("ports", "[80, \"x\"]"), &["E0301", "--arg:1:12"]),
        (cli("tier", "Middle"), &["E0310", "--arg:1:6"]),
        (cli("wait", "soon"), &["E0110", "--arg:1:6"]),
        (cli("wait", "5GiB"), &["E0301", "--arg:1:6", "main.rebar:19"]),
        (
            Given {
                origin: Origin::File,
                name: "values.json".to_owned(),
                text: "{\n \"replicas\": \"5\",\n \"nothing\": 1 }".to_owned(),
            },
            &["E0301", "values.json:2:14", "E0451", "values.json:3:2"],
        ),
        (
            Given {
                origin: Origin::File,
                name: "values.json".to_owned(),
                text: "{ \"replicas\": }".to_owned(),
            },
            &["E0397", "values.json:1:1"],
        ),
        (
            Given {
                origin: Origin::File,
                name: "values.json".to_owned(),
                text: "[1]".to_owned(),
            },
            &["E0397", "values.json:1:1"],
        ),
    ] {
        let text = made("d", vec![given.clone()], None).unwrap_err();
        for part in said {
            assert!(text.contains(part), "{given:?}: `{part}` is not in\n{text}");
        }
    }
}

#[test]
fn outputs_of_a_deploy_that_stands_are_used_and_told() {
    let recorded = BTreeMap::from([("database".to_owned(), json!({ "url": "http://10.0.0.9/" }))]);
    let plan = made("app", Vec::new(), Some(recorded.clone())).unwrap();
    assert_eq!(content(&plan), "hello 30 1 http://10.0.0.9/ -");
    assert_eq!(plan.reads, recorded);
    let said = made("app", Vec::new(), Some(BTreeMap::new())).unwrap_err();
    for part in [
        "E0452",
        "`database` has no outputs yet",
        "rebar apply database",
        "this deploy comes first",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}
