//! How many steps a second the executor carries out with its durable journal. The machines are entries of a map and the
//! steps do nothing, so what is measured is the executor, the protocol of the agent (both ends of it) and the state.
//! `benches/executor/run` runs it; it prints one line of JSON.
//!
//! ```text
//! executor steps FOLDER NUMBER     carry out so many steps, with the state in FOLDER
//! executor floor FOLDER            what the disk and SQLite can do by themselves
//! ```

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

mod floor;
mod idle;
mod spec;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rebar_compiler::plan::{Ledger, Plan};
use rebar_runtime::execute::{Context, Status, execute};
use rebar_runtime::state::State;

/// Steps of one node: a role of some length.
const PER_NODE: usize = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let found = match words.as_slice() {
        ["steps", folder, number] => runtime.block_on(steps(
            Path::new(folder),
            number.parse().expect("a number of steps"),
        )),
        ["floor", folder] => floor::floor(Path::new(folder)),
        _ => {
            eprintln!("usage: executor steps FOLDER NUMBER | executor floor FOLDER");
            std::process::exit(2);
        }
    };
    println!("{found}");
}

/// Makes the machines, which is not measured, and then carries out the steps on them.
async fn steps(folder: &Path, number: usize) -> serde_json::Value {
    let folder = tempfile::tempdir_in(folder).unwrap();
    let state = State::in_folder(folder.path()).unwrap();
    let context = Context::new(state.clone(), Arc::new(idle::Idle::default()));
    let nodes = number.div_ceil(PER_NODE);
    carry_out(
        &context,
        &spec::plan(nodes, 0, &Default::default(), &Ledger::default()),
    )
    .await;
    let snapshot = state.snapshot_record(spec::DEPLOY, spec::SITE).await.unwrap();
    let ledger = state.ledger(spec::SITE).await.unwrap();
    let plan = spec::plan(nodes, PER_NODE, &snapshot, &ledger);
    drop((snapshot, ledger));
    let (begun, worked) = (Instant::now(), processor());
    let changed = carry_out(&context, &plan).await;
    let seconds = begun.elapsed().as_secs_f64();
    let worked = processor() - worked;
    assert_eq!(changed, nodes * PER_NODE);
    drop((context, state));
    let bytes = std::fs::metadata(folder.path().join("state.db")).unwrap().len();
    serde_json::json!({
        "steps": nodes * PER_NODE,
        "nodes": nodes,
        "seconds": seconds,
        "processor": worked,
        "peak": peak(),
        "file": bytes,
    })
}

async fn carry_out(context: &Context, plan: &Plan) -> usize {
    let outcome = execute(plan, context).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{:?}", outcome.failed.first());
    outcome.changed
}

/// Seconds that this process kept a processor busy, the kernel's work for it included.
fn processor() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let texts = threads.map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).unwrap());
    let nanoseconds: f64 = texts
        .map(|text| text.split(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    nanoseconds / 1e9
}

/// The most memory that this process had, in bytes.
fn peak() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let number: u64 = line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
    number * 1024
}
