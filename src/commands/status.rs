//! `rebar status`: what stands, from the record and a look at the machines.

use std::collections::BTreeMap;

use rebar_compiler::plan::{Filler, GivenValue, Machine, Plan, Snapshot};
use rebar_runtime::observe::{Depth, observe};
use rebar_runtime::state::{DeployRecord, State};

use super::{Context, carry, given, node};
use crate::backends;
use crate::cli::StatusArgs;
use crate::exit::Exit;
use crate::render::palette::{Palette, count, plain};
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
        let outputs = if snapshot.nodes.is_empty() {
            BTreeMap::new()
        } else {
            outputs(&state, &record).await?
        };
        let given = given::recorded(context, &record.name).await?;
        shown.push((record, snapshot, outputs, given));
    }
    if args.json {
        let list: Vec<serde_json::Value> = shown
            .iter()
            .map(|(r, s, o, g)| serde_json::json!({ "deploy": r, "found": s, "outputs": o, "arguments": g }))
            .collect();
        super::print(&format!("{:#}\n", serde_json::Value::Array(list)))?;
    } else if shown.is_empty() {
        super::print("nothing was applied here yet\n")?;
    } else {
        for (record, snapshot, outputs, given) in &shown {
            super::print(&text(record, snapshot, context.out))?;
            super::print(&arguments(given, context.out))?;
            super::print(&carry::outputs(outputs, context.out))?;
        }
    }
    Ok(Exit::Done)
}

/// What the last apply was given beside the spec.
fn arguments(given: &BTreeMap<String, GivenValue>, paint: Palette) -> String {
    let line = |(name, given): (&String, &GivenValue)| {
        let text = format!(
            "given {name} = {} ({})",
            plain(&given.value.to_string()),
            plain(&given.from)
        );
        format!("  {}\n", paint.faint(&text))
    };
    given.iter().map(line).collect()
}

/// What the latest plan of a deploy hands out.
async fn outputs(
    state: &State,
    record: &DeployRecord,
) -> Result<BTreeMap<String, serde_json::Value>, Failure> {
    let text = state.latest_plan(&record.name).await;
    let text = text.map_err(|error| Failure::from_state(&error))?;
    let plan = text.and_then(|text| rebar_compiler::plan::read(text.as_bytes()).ok());
    match plan {
        Some(plan) => outputs_of(state, &plan).await,
        None => Ok(BTreeMap::new()),
    }
}

/// What a plan that was carried out hands out, with what its steps have found out.
pub(super) async fn outputs_of(
    state: &State,
    plan: &Plan,
) -> Result<BTreeMap<String, serde_json::Value>, Failure> {
    let found = state.found_out(&plan.deploy).await;
    let found = found.map_err(|error| Failure::from_state(&error))?;
    Ok(Filler::with_outputs(plan, &found).known_outputs())
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
