//! The record, as text: what `state show` prints.

use rebar_runtime::state::{Inspected, InspectedMachine, utc};

use super::palette::{Palette, count, plain};

/// One deploy in full.
pub(crate) fn deploy(shown: &Inspected, paint: Palette) -> String {
    let deploy = &shown.deploy;
    let title = format!("{} on {} ({})", deploy.name, deploy.site, deploy.backend);
    let mut out = format!("{}\n", paint.strong(&title));
    out.push_str(&format!(
        "  id {}, serial {}, epoch {}\n",
        deploy.id, deploy.serial, shown.epoch
    ));
    if let Some(engine) = &shown.engine {
        out.push_str(&format!("  made by {}\n", plain(engine)));
    }
    if let Some(holder) = &shown.holder {
        let state = if holder.alive {
            "is at work"
        } else {
            "is gone; the next apply takes over"
        };
        let text = format!(
            "  lease: process {} on `{}` since {}, which {state}",
            holder.pid,
            plain(&holder.host),
            utc(holder.since)
        );
        out.push_str(&format!("{}\n", paint.change(&text)));
    }
    if let Some(run) = &shown.run {
        let text = format!(
            "  open run {} ({}) since {}",
            run.id,
            run.kind.name(),
            utc(run.opened)
        );
        out.push_str(&format!("{}\n", paint.change(&text)));
    }
    for operation in &shown.unended {
        let what = operation.what.as_deref().unwrap_or("changed");
        let text = format!(
            "    no end: {} ({what}, attempt {})",
            operation.subject, operation.attempt
        );
        out.push_str(&format!("{}\n", paint.change(&text)));
    }
    for network in shown.network.values() {
        out.push_str(&format!("  network {} {}\n", network.name, network.cidr));
    }
    for (name, machine) in &shown.machine {
        out.push_str(&one_machine(name, machine, paint));
    }
    for (name, entry) in shown
        .ledger
        .iter()
        .filter(|(name, _)| !shown.machine.contains_key(*name))
    {
        let addresses: Vec<String> = entry.addresses.values().map(ToString::to_string).collect();
        let text = format!("  {name} {} is given and has no machine", addresses.join(" "));
        out.push_str(&format!("{}\n", paint.faint(&text)));
    }
    if shown.machine.is_empty() && shown.network.is_empty() {
        out.push_str("  nothing is recorded to stand\n");
    }
    out
}

fn one_machine(name: &str, machine: &InspectedMachine, paint: Palette) -> String {
    let addresses: Vec<String> = machine.addresses.values().map(ToString::to_string).collect();
    let digest: String = machine.digest.chars().take(12).collect();
    let untold = if machine.told {
        ""
    } else {
        ", does not know the latest names"
    };
    let mut out = format!(
        "  machine {name} {} (group {}, made from {digest}{untold})\n",
        addresses.join(" "),
        machine.group
    );
    for step in &machine.steps {
        let line = format!("    {:<28} {} {}", step.address, step.kind, plain(&step.key));
        let line = if step.unfinished {
            paint.change(&format!("{line}  begun, not known to be finished"))
        } else {
            line
        };
        out.push_str(&format!("{line}\n"));
    }
    out
}

/// One deploy in a line.
pub(crate) fn short(shown: &Inspected, paint: Palette) -> String {
    let deploy = &shown.deploy;
    let steps: usize = shown.machine.values().map(|machine| machine.steps.len()).sum();
    let mut line = format!(
        "{} on {} ({}): {}, {}, {}, serial {}",
        paint.strong(&deploy.name),
        deploy.site,
        deploy.backend,
        count(shown.machine.len(), "machine"),
        count(shown.network.len(), "network"),
        count(steps, "step"),
        deploy.serial
    );
    if let Some(run) = &shown.run {
        let open = format!(
            "; a run ({}) is open, {} without an end",
            run.kind.name(),
            shown.unended.len()
        );
        line.push_str(&paint.change(&open));
    }
    if let Some(holder) = shown.holder.as_ref().filter(|holder| holder.alive) {
        line.push_str(&paint.change(&format!("; process {} is at work", holder.pid)));
    }
    line + "\n"
}
