//! How long a plan for many nodes takes: `cargo run --release -p rebar-compiler --example many_nodes 100000`.
#![allow(clippy::disallowed_methods)] // A clock is what this is about.

use std::collections::BTreeMap;
use std::time::Instant;

use rebar_compiler::plan::{self, Ledger, Machine, RecordedNetwork, RecordedNode, Snapshot};
use rebar_compiler::{Library, analyse, expand, graph};

/// The shop that `benches/plan/run` plans, and its template.
const SPEC: &str = include_str!("../../benches/plan/shop/main.rebar");
const PAGE: &str = include_str!("../../benches/plan/shop/templates/page.html.hbs");
const DEPLOY: &str = "shop_of_many";

fn main() {
    let count = std::env::args().nth(1).unwrap_or_else(|| "100000".to_owned());
    let spec = SPEC.replace("shop(replicas = 2)", &format!("shop(replicas = {count})"));
    let project = BTreeMap::from([
        ("main.rebar".to_owned(), spec),
        ("templates/page.html.hbs".to_owned(), PAGE.to_owned()),
    ]);
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
        packages: rebar_compiler::resolve::Packages::default(),
    });
    lap("analyse");
    let instances = expand::expand(
        &analysis.typed,
        DEPLOY,
        &Ledger::default(),
        &mut analysis.diagnostics,
    );
    let Some(instances) = instances else {
        println!("{:?}", analysis.diagnostics.sorted());
        return;
    };
    lap("expand");
    let order = graph::build(instances, &mut analysis.diagnostics);
    lap("graph");
    let plan = plan::plan(order.clone(), &Snapshot::default());
    lap("plan");
    let bytes = plan::canonical_bytes(&plan);
    lap("canonical bytes");
    println!("{} nodes, {} bytes", plan.nodes.len(), bytes.len());
    drop(plan::read(&bytes));
    lap("read");
    let again = expand::expand(&analysis.typed, DEPLOY, &plan.ledger, &mut analysis.diagnostics);
    drop(again);
    lap("expand with a full ledger");
    let filler = plan::Filler::new(&plan);
    let mut snapshot = Snapshot::default();
    for (name, network) in &plan.networks {
        let (cidr, gateway, live) = (network.cidr, network.gateway, true);
        let recorded = RecordedNetwork { cidr, gateway, live };
        snapshot.networks.insert(name.clone(), recorded);
    }
    for row in &plan.nodes {
        let Ok(steps) = filler.steps(row) else { continue };
        let recorded = RecordedNode {
            group: plan.patterns[row.pattern].group.clone(),
            addresses: row.addresses.clone(),
            machine: plan::machine_digest(&plan, row),
            made: None,
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
    let second = plan::plan(order, &snapshot);
    lap("plan when all stands");
    println!("{:?}", plan::counts(&second));
}
