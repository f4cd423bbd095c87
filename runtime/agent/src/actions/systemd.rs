//! Asking systemd.

use std::time::{Duration, Instant};

use super::Node;
use crate::failure::Failure;
use crate::program::{Finished, Program};
use crate::text;

/// So long a node may take to come up.
const BOOT: Duration = Duration::from_secs(60);

/// How a unit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Whether systemd knows it.
    pub(crate) is_loaded: bool,
    /// `active`, `inactive`, `failed`, `activating` …
    pub(crate) active: String,
    /// `enabled`, `disabled`, `static`, `masked` …; empty for a unit without a file.
    pub(crate) enabled: String,
    /// Number of its main process, 0 when there is none.
    pub(crate) main_process: u32,
    /// Whether its files have changed since systemd last read them.
    pub(crate) is_outdated: bool,
}

impl Unit {
    /// Whether it runs; one that is just reloading does.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading")
    }

    /// Whether it can be started at all.
    pub(crate) fn is_masked(&self) -> bool {
        self.enabled.starts_with("masked")
    }
}

/// Refuses a node whose first process is not systemd.
pub(crate) fn require(node: &Node<'_>) -> Result<(), Failure> {
    node.root.require_running_system("service")?;
    if is_here(node) {
        wait_for_boot(node)
    } else {
        Err(Failure::terminal(
            "systemd is not the first process of this node, so there are no services to manage; \
             use an image that starts systemd",
        ))
    }
}

/// Waits until a node that is still booting is up. One without systemd has nothing to wait for.
pub(crate) fn wait_for_boot(node: &Node<'_>) -> Result<(), Failure> {
    if !is_here(node) {
        return Ok(());
    }
    let deadline = Instant::now() + BOOT;
    let mut told = false;
    loop {
        let state = systemctl(&["is-system-running"])?.output.trim().to_owned();
        match state.as_str() {
            "running" | "degraded" | "maintenance" | "stopping" => return Ok(()),
            // `offline` and nothing at all: the bus is not up yet.
            _ if Instant::now() >= deadline => {
                let seconds = text::duration(BOOT);
                let message = format!("the node did not finish booting within {seconds} (`{state}`)");
                return Err(Failure::transient(message).with_detail(systemctl(&["list-jobs"])?.tail()));
            }
            _ => {}
        }
        if !told {
            (node.progress)("waiting for the node to finish booting");
            told = true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Looks at a unit.
pub(crate) fn look(unit: &str) -> Result<Unit, Failure> {
    let properties = "--property=LoadState,ActiveState,UnitFileState,MainPID,NeedDaemonReload";
    let finished = systemctl(&["show", properties, "--", unit])?;
    if !finished.is_success() {
        return Err(
            Failure::transient(format!("systemd does not tell how `{unit}` is")).with_detail(finished.tail()),
        );
    }
    Ok(parse(&finished.output))
}

/// Runs `systemctl` for at most so long as a slow service may take to start.
pub(crate) fn systemctl(arguments: &[&str]) -> Result<Finished, Failure> {
    Program::new("systemctl")
        .arguments(["--no-pager", "--no-ask-password", "--full", "--plain"])
        .arguments(arguments.iter().copied())
        .deadline(Duration::from_secs(180))
        .run()
}

/// What systemd and the service itself last said.
pub(crate) fn complaint(unit: &str) -> String {
    let status =
        systemctl(&["status", "--lines=0", "--", unit]).map(|finished| text::last_lines(&finished.all, 12));
    let log = Program::new("journalctl")
        .arguments([
            "--no-pager",
            "--quiet",
            "--output=cat",
            "--lines=15",
            "--unit",
            unit,
        ])
        .run()
        .map(|finished| finished.tail());
    [status.unwrap_or_default(), log.unwrap_or_default()]
        .join("\n")
        .trim()
        .to_owned()
}

fn is_here(node: &Node<'_>) -> bool {
    let first = std::fs::read_to_string(node.root.at("/proc/1/comm")).unwrap_or_default();
    node.root.is_running_system()
        && (first.trim() == "systemd" || node.root.at("/run/systemd/system").is_dir())
}

fn parse(output: &str) -> Unit {
    let property = |name: &str| {
        let line = output
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim().to_owned()
    };
    Unit {
        is_loaded: !matches!(property("LoadState").as_str(), "not-found" | ""),
        active: property("ActiveState"),
        enabled: property("UnitFileState"),
        main_process: property("MainPID").parse().unwrap_or(0),
        is_outdated: property("NeedDaemonReload") == "yes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read() {
        let unit = parse("MainPID=42\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n");
        assert_eq!(
            unit,
            Unit {
                is_loaded: true,
                active: "active".into(),
                enabled: "enabled".into(),
                main_process: 42,
                is_outdated: false,
            }
        );
        assert!(unit.is_active());
        assert!(!parse("LoadState=not-found\nActiveState=inactive\nUnitFileState=\n").is_loaded);
    }
}
