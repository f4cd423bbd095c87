//! `--emit instances`

use std::fmt::Write as _;

use super::Instances;
use crate::plan::Template;

/// Stable text for people and baselines.
pub fn dump(instances: &Instances) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "deploy {} on {} ({})",
        instances.deploy, instances.site, instances.backend.name
    );
    for (name, network) in &instances.networks {
        let _ = write!(text, "network {name} {}", network.cidr);
        if let Some(gateway) = network.gateway {
            let _ = write!(text, " gateway {gateway}");
        }
        let _ = writeln!(text);
    }
    for group in &instances.groups {
        let word = if group.many { "nodes" } else { "node" };
        let hardware = &group.hardware;
        let _ = writeln!(
            text,
            "{word} {} of {} ({} cpu, {} bytes)",
            group.name, hardware.name, hardware.cpu, hardware.memory
        );
        for node in &group.nodes {
            let _ = write!(text, "  {}", node.name);
            for (network, address) in node.addresses.iter() {
                let _ = write!(text, " {network} {address}");
            }
            let _ = writeln!(text);
        }
    }
    for run in &instances.runs {
        let _ = writeln!(text, "run {} = {} on {}", run.name, run.role, run.group);
        let rollout = &run.rollout;
        for (name, value) in [
            ("canary", rollout.canary),
            ("batch", rollout.batch),
            ("max_unavailable", rollout.max_unavailable),
            ("error_budget", rollout.error_budget),
            ("quorum", rollout.quorum),
        ] {
            if let Some(value) = value {
                let _ = writeln!(text, "  {name} {value}");
            }
        }
        if let Some(settle) = rollout.settle {
            let _ = writeln!(text, "  settle {settle} ns");
        }
        for step in &run.steps {
            let _ = writeln!(text, "  {} {}", step.kind, step.name);
            for run in step.shared.keys() {
                let _ = writeln!(text, "    shared with {run}");
            }
            for (name, value) in &step.fields {
                let _ = writeln!(text, "    {name} = {}", shown(value));
            }
            if !step.reload_on.is_empty() {
                let _ = writeln!(text, "    reload on {}", step.reload_on.join(", "));
            }
        }
    }
    for (name, value) in &instances.outputs {
        let _ = writeln!(text, "out {name} = {}", shown(value));
    }
    for (name, capability) in &instances.capabilities {
        if let Some(notice) = capability.notice() {
            let _ = writeln!(text, "notice {name}: {notice}");
        }
    }
    text
}

fn shown(value: &Template) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
