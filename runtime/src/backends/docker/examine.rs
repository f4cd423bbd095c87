//! What is missing for this backend, and what to do about it.

use super::engine::Engine;
use crate::backend::{BackendError, Finding, FindingState};
use crate::backends::local;

fn finding(subject: &str, state: FindingState, text: impl Into<String>, command: Option<&str>) -> Finding {
    Finding {
        subject: subject.to_owned(),
        state,
        text: text.into(),
        command: command.map(str::to_owned),
    }
}

/// Looks at the engine and at what images are made with.
pub(super) async fn examine(engine: Result<&Engine, BackendError>) -> Vec<Finding> {
    let mut findings = match engine {
        Ok(engine) => about(engine).await,
        Err(error) => vec![unreachable(&error)],
    };
    for (program, purpose) in [
        ("mmdebstrap", "builds images"),
        ("tar", "packs images for the engine"),
    ] {
        findings.push(if local::installed(program) {
            let text = format!("is installed; it {purpose}");
            finding(program, FindingState::Good, text, None)
        } else {
            let command = format!("apt-get install -y {program}");
            let text = format!("is not installed; it {purpose}");
            finding(program, FindingState::Missing, text, Some(&command))
        });
    }
    findings
}

fn unreachable(error: &BackendError) -> Finding {
    let command = match error.code {
        "E1701" if std::env::var_os("DOCKER_HOST").is_none() => Some("apt-get install -y docker.io"),
        "E1702" => Some("sudo rebar doctor docker"),
        _ => None,
    };
    finding("engine", FindingState::Missing, &error.message, command)
}

async fn about(engine: &Engine) -> Vec<Finding> {
    let (major, minor) = engine.api;
    let text = format!(
        "version {} (API {major}.{minor}) at `{}`",
        engine.version, engine.address
    );
    let mut findings = vec![finding("engine", FindingState::Good, text, None)];
    let info = super::engine::call("tell about itself", super::engine::SHORT, engine.client.info()).await;
    let info = match info {
        Ok(info) => info,
        Err(error) => {
            findings.push(unreachable(&error));
            return findings;
        }
    };
    let driver = info.driver.unwrap_or_default();
    let text = format!("keeps disks with `{driver}`");
    findings.push(if driver == "vfs" {
        let text = text + ", which copies the whole image for each machine";
        finding("storage", FindingState::Limited, text, None)
    } else {
        finding("storage", FindingState::Good, text, None)
    });
    let version = if engine.groups.unified { "2" } else { "1" };
    let maker = if engine.groups.systemd {
        "systemd"
    } else {
        "the engine"
    };
    let text =
        format!("version {version}, made by {maker}; each machine's systemd may write below its own only");
    findings.push(finding("control groups", FindingState::Good, text, None));
    let limits = [
        ("memory", info.memory_limit),
        ("processors", info.cpu_cfs_quota),
        ("processes", info.pids_limit),
    ];
    let lacking: Vec<&str> = limits
        .iter()
        .filter(|(_, there)| *there == Some(false))
        .map(|(name, _)| *name)
        .collect();
    if !lacking.is_empty() {
        let text = format!("this engine cannot limit: {}", lacking.join(", "));
        findings.push(finding("limits", FindingState::Limited, text, None));
    }
    findings
}
