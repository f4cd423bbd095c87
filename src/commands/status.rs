//! `rebar status`: what stands, from the record and a look at the machines.

use rebar_compiler::plan::{Machine, Snapshot};
use rebar_runtime::observe::{Depth, observe};
use rebar_runtime::state::{DeployRecord, State};

use super::{Context, node};
use crate::backends;
use crate::cli::StatusArgs;
use crate::exit::Exit;
use crate::render::palette::{Palette, count};
use crate::report::Failure;

/// Shows one deploy, or all.
pub(crate) async fn run(context: &Context, args: &StatusArgs) -> Result<Exit, Failure> {
    let state = node::state(context)?;
    let records = match &args.deploy {
        Some(name) => vec![node::recorded(&state, name).await?],
        None => state
            .deploys()
            .await
            .map_err(|error| Failure::from_state(&error))?,
    };
    let mut shown = Vec::new();
    for record in records {
        let snapshot = look(context, &state, &record).await?;
        shown.push((record, snapshot));
    }
    if args.json {
        let list: Vec<serde_json::Value> = shown
            .iter()
            .map(|(r, s)| serde_json::json!({ "deploy": r, "found": s }))
            .collect();
        super::print(&format!("{:#}\n", serde_json::Value::Array(list)))?;
    } else if shown.is_empty() {
        super::print("nothing was applied here yet\n")?;
    } else {
        for (record, snapshot) in &shown {
            super::print(&text(record, snapshot, context.out))?;
        }
    }
    Ok(Exit::Done)
}

async fn look(context: &Context, state: &State, record: &DeployRecord) -> Result<Snapshot, Failure> {
    let backend = backends::backend(&record.backend, &context.project.folders()?)?;
    let snapshot = observe(state, &*backend, &record.name, &record.site, Depth::Objects).await;
    snapshot.map_err(|error| Failure::from_observe(&error))
}

fn text(record: &DeployRecord, snapshot: &Snapshot, paint: Palette) -> String {
    let title = format!("{} on {} ({})", record.name, record.site, record.backend);
    let mut out = format!("{}\n", paint.strong(&title));
    if let Some(run) = &record.open_run {
        let text = format!(
            "  a run ({run}) was begun and not finished; `rebar apply {}` goes on",
            record.name
        );
        out.push_str(&format!("{}\n", paint.change(&text)));
    }
    if snapshot.nodes.is_empty() {
        out.push_str("  nothing stands\n");
    }
    for (name, network) in &snapshot.networks {
        let gone = if network.live {
            String::new()
        } else {
            paint.remove("  gone")
        };
        out.push_str(&format!("  network {name} {}{gone}\n", network.cidr));
    }
    for (name, node) in &snapshot.nodes {
        let addresses: Vec<String> = node.addresses.values().map(ToString::to_string).collect();
        let state = match node.live {
            Machine::Running => paint.create("running"),
            Machine::Stopped => paint.change("stopped"),
            Machine::Absent => paint.remove("gone"),
            Machine::Unknown => paint.faint("unknown"),
        };
        let steps = count(
            node.steps.len() - node.unfinished.len().min(node.steps.len()),
            "step",
        );
        out.push_str(&format!(
            "  {name:<16} {:<16} {state:<8} {steps}\n",
            addresses.join(" ")
        ));
    }
    out
}
