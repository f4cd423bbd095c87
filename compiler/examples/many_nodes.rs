//! How long a plan for many nodes takes: `cargo run --release -p rebar-compiler --example many_nodes 100000`.
#![allow(clippy::disallowed_methods)] // A clock is what this is about.

use std::collections::BTreeMap;
use std::time::Instant;

use rebar_compiler::plan::{self, Ledger, Machine, RecordedNode, Snapshot};
use rebar_compiler::{Library, analyse, expand, graph};

const SPEC: &str = r#"
use std.linux { package, file, service, probe }
use std.image { bookworm }
network  front { cidr = 10.0.0.0/8, gateway = 10.0.0.1 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
role page(text: String) {
  package nginx { name = "nginx-light" }
  file index { path = "/var/www/index.html", content = "{text} from {node.name}" }
  file more { path = "/var/www/more.html", content = text }
  service web { name = "nginx", reload_on = [index] }
  probe up { url = "http://{node.address}/" }
}
workload many(count: Int) {
  nodes web { count = count, hardware = small }
  run pages = page(text = "hello") on web
}
site lab { machines = docker(image = bookworm) }
deploy d = many(count = COUNT) on lab
"#;

fn main() {
    let count = std::env::args().nth(1).unwrap_or_else(|| "100000".to_owned());
    let project = BTreeMap::from([("main.rebar".to_owned(), SPEC.replace("COUNT", &count))]);
    let std: BTreeMap<String, String> = rebar_stdlib::FILES
        .iter()
        .map(|(n, t)| ((*n).to_owned(), (*t).to_owned()))
        .collect();
    let mut clock = Instant::now();
    let mut lap = |what: &str| {
        println!("{what:<28}{:>8.1} ms", clock.elapsed().as_secs_f64() * 1000.0);
        clock = Instant::now();
    };
    let mut analysis = analyse(&Library {
        project: &project,
        std: &std,
    });
    lap("analyse");
    let instances = expand::expand(
        &analysis.typed,
        "d",
        &Ledger::default(),
        &mut analysis.diagnostics,
    );
    let Some(instances) = instances else {
        println!("{:?}", analysis.diagnostics.sorted());
        return;
    };
    lap("expand");
    let order = graph::build(&instances, &mut analysis.diagnostics);
    lap("graph");
    let plan = plan::plan(&order, &Snapshot::default());
    lap("plan");
    let bytes = plan::canonical_bytes(&plan);
    lap("canonical bytes");
    println!("{} nodes, {} bytes", plan.nodes.len(), bytes.len());
    drop(plan::read(&bytes));
    lap("read");
    let again = expand::expand(&analysis.typed, "d", &instances.ledger, &mut analysis.diagnostics);
    drop(again);
    lap("expand with a full ledger");
    let filler = plan::Filler::new(&plan);
    let mut snapshot = Snapshot::default();
    for row in &plan.nodes {
        let Ok(steps) = filler.steps(row) else { continue };
        let recorded = RecordedNode {
            group: plan.patterns[row.pattern].group.clone(),
            addresses: row.addresses.clone(),
            machine: plan::machine_digest(&plan, row),
            live: Machine::Running,
            steps: steps
                .into_iter()
                .map(|s| (s.step.address.clone(), s.step))
                .collect(),
            drifted: BTreeMap::new(),
            unfinished: Vec::new(),
        };
        snapshot.nodes.insert(row.name.clone(), recorded);
    }
    lap("fill and record all steps");
    let second = plan::plan(&order, &snapshot);
    lap("plan when all stands");
    println!("{:?}", plan::counts(&second));
}
