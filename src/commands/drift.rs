//! `rebar drift`: what stands, compared with what was applied.

use rebar_runtime::observe::{Drift, DriftItem, DriftReport, drift};

use super::{Context, node};
use crate::backends;
use crate::cli::DriftArgs;
use crate::exit::Exit;
use crate::render::palette::{Palette, count, plain};
use crate::report::Failure;

/// Reports and changes nothing. Exit 3 when something differs, 7 when something could not be asked.
pub(crate) async fn run(context: &Context, args: &DriftArgs) -> Result<Exit, Failure> {
    let state = node::state(context)?;
    let record = node::recorded(&state, &args.deploy).await?;
    let backend = backends::backend(&record.backend, &context.project.folders()?)?;
    let report = drift(&state, &*backend, &record.name, &record.site).await;
    let report = report.map_err(|error| Failure::from_observe(&error))?;
    if args.json {
        super::print(&format!("{:#}\n", serde_json::json!(report)))?;
    } else {
        super::print(&text(&report, context.out))?;
    }
    Ok(match (report.drifted(), report.unknown()) {
        (true, _) => Exit::Changes,
        (false, true) => Exit::Unknown,
        (false, false) => Exit::Done,
    })
}

fn text(report: &DriftReport, paint: Palette) -> String {
    let mut out = String::new();
    for item in &report.items {
        out.push_str(&line(item, paint));
        out.push('\n');
    }
    let compared = format!(
        "{} and {}",
        count(report.nodes, "node"),
        count(report.steps, "step")
    );
    let sum = match report.items.len() {
        0 => format!("no drift: {compared} are as applied"),
        n => format!(
            "{} in {compared}; `rebar apply {}` repairs",
            count(n, "difference"),
            report.deploy
        ),
    };
    out.push_str(&format!("{sum}\n"));
    out
}

fn line(item: &DriftItem, paint: Palette) -> String {
    let node = &item.node;
    match &item.what {
        Drift::NetworkGone => paint.remove(&format!("network {node}: is gone")),
        Drift::MachineGone => paint.remove(&format!("{node}: the machine is gone")),
        Drift::MachineStopped => paint.change(&format!("{node}: the machine is stopped")),
        Drift::MachineReplaced => paint.remove(&format!(
            "{node}: a machine of this name is there, made from something else"
        )),
        Drift::StepDiffers { step, what } => paint.change(&format!("{node}: {step}: {}", plain(what))),
        Drift::Unknown { step: None, because } => paint.faint(&format!(
            "{node}: unknown, it could not be asked: {}",
            plain(because)
        )),
        Drift::Unknown {
            step: Some(step),
            because,
        } => paint.faint(&format!("{node}: {step}: unknown: {}", plain(because))),
    }
}
