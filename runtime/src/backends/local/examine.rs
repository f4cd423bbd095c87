//! What this machine lacks for the backend, and what to do about it.

use std::fs;
use std::time::Duration;

use super::launcher::Request;
use super::{cgroups, line, resolver, tools};
use crate::backend::{Finding, FindingState, Folders};

fn finding(subject: &str, state: FindingState, text: impl Into<String>, command: Option<&str>) -> Finding {
    Finding {
        subject: subject.to_owned(),
        state,
        text: text.into(),
        command: command.map(str::to_owned),
    }
}

/// Looks at everything the backend needs.
pub(super) async fn examine(folders: &Folders) -> Vec<Finding> {
    let mut findings = vec![root()];
    if rustix::process::geteuid().is_root() {
        findings.push(kernel(folders).await);
    }
    findings.push(control_groups());
    for (program, purpose) in [
        ("mmdebstrap", "builds images"),
        ("ip", "makes networks"),
        ("nft", "lets networks out"),
    ] {
        findings.push(program_finding(program, purpose));
    }
    findings.extend([inotify(), forwarding(), name_servers()]);
    findings.extend(space(folders));
    findings
}

fn root() -> Finding {
    if rustix::process::geteuid().is_root() {
        finding("root", FindingState::Good, "runs as root", None)
    } else {
        finding(
            "root",
            FindingState::Missing,
            "namespaces, bridges and mounts need root",
            Some("sudo rebar doctor"),
        )
    }
}

/// Tries it, on the file system where disks will be: no list of versions is as true.
async fn kernel(folders: &Folders) -> Finding {
    let subject = "kernel";
    let missing = |text: String| {
        let command = "sysctl -w user.max_user_namespaces=65536 kernel.unprivileged_userns_clone=1";
        finding(subject, FindingState::Missing, text, Some(command))
    };
    let had_data = folders.data.exists();
    if let Err(error) = fs::create_dir_all(&folders.data) {
        return missing(format!("`{}` cannot be made: {error}", folders.data.display()));
    }
    let result = match tempfile::Builder::new().prefix(".try-").tempdir_in(&folders.data) {
        Ok(folder) => {
            let request = Request::Try {
                folder: folder.path().to_owned(),
            };
            line::call(&request, None, Duration::from_secs(20), &|_| {})
                .await
                .map_err(|error| error.message)
        }
        Err(error) => Err(error.to_string()),
    };
    if !had_data {
        let _ = fs::remove_dir(&folders.data);
    }
    match result {
        Ok(text) => finding(subject, FindingState::Good, text, None),
        Err(text) => missing(format!(
            "{text}; Linux 5.19 or later is needed, and ext4, xfs, btrfs or tmpfs"
        )),
    }
}

fn control_groups() -> Finding {
    let subject = "control groups";
    match cgroups::hierarchies() {
        None => finding(
            subject,
            FindingState::Missing,
            "the unified hierarchy is not mounted: processes of machines cannot be tracked",
            Some("mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"),
        ),
        Some(found) if found.separate.is_empty() => {
            let controllers =
                fs::read_to_string(found.unified.join("cgroup.controllers")).unwrap_or_default();
            let lacking: Vec<&str> = ["memory", "cpu", "pids"]
                .into_iter()
                .filter(|name| !controllers.split_whitespace().any(|found| found == *name))
                .collect();
            if lacking.is_empty() {
                finding(subject, FindingState::Good, "version 2", None)
            } else {
                let text = format!(
                    "version 2, without {}: machines are not limited by it",
                    lacking.join(", ")
                );
                finding(subject, FindingState::Limited, text, None)
            }
        }
        Some(_) => finding(
            subject,
            FindingState::Good,
            "version 1 with the unified hierarchy beside it",
            None,
        ),
    }
}

fn program_finding(program: &str, purpose: &str) -> Finding {
    if tools::installed(program) {
        return finding(
            program,
            FindingState::Good,
            format!("is installed; it {purpose}"),
            None,
        );
    }
    let command = format!("apt-get install -y {}", tools::package_of(program));
    finding(
        program,
        FindingState::Missing,
        format!("is not installed; it {purpose}"),
        Some(&command),
    )
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Each machine has its own allowance, because its user namespace belongs to its own id: a machine with systemd
/// takes about five instances.
fn inotify() -> Finding {
    let limit = number("/proc/sys/fs/inotify/max_user_instances").unwrap_or_default();
    if limit >= 32 {
        let text = format!("{limit} instances for each machine; systemd takes about 5");
        finding("inotify", FindingState::Good, text, None)
    } else {
        finding(
            "inotify",
            FindingState::Limited,
            format!("only {limit} instances for each machine: services that watch files may fail"),
            Some("sysctl -w fs.inotify.max_user_instances=512"),
        )
    }
}

fn forwarding() -> Finding {
    if number("/proc/sys/net/ipv4/ip_forward") == Some(1) {
        finding(
            "ip_forward",
            FindingState::Good,
            "packets pass through this host",
            None,
        )
    } else {
        finding(
            "ip_forward",
            FindingState::Limited,
            "off; it is switched on with the first network that has a gateway, and stays on",
            Some("sysctl -w net.ipv4.ip_forward=1"),
        )
    }
}

fn name_servers() -> Finding {
    if resolver::usable() {
        finding(
            "name servers",
            FindingState::Good,
            "machines use those of this host",
            None,
        )
    } else {
        finding(
            "name servers",
            FindingState::Limited,
            "this host's only name server is on its loopback, where machines cannot reach it: they resolve no names \
             of the internet, so packages can only come from a mirror with an address (`REBAR_DEBIAN_MIRROR`)",
            None,
        )
    }
}

fn space(folders: &Folders) -> Vec<Finding> {
    const GIB: u64 = 1 << 30;
    let mut findings = Vec::new();
    for folder in [&folders.data, &folders.cache] {
        let there = folder.ancestors().find(|folder| folder.exists());
        let Some(Ok(found)) = there.map(rustix::fs::statvfs) else {
            continue;
        };
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        let text = format!(
            "{:.1} GiB free for `{}`",
            free as f64 / GIB as f64,
            folder.display()
        );
        let state = if free >= 2 * GIB {
            FindingState::Good
        } else {
            FindingState::Limited
        };
        findings.push(finding("disk", state, text, None));
    }
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .unwrap_or_default()
        * 1024;
    let text = format!(
        "{:.1} GiB available; an idle machine takes about 10 MB",
        available as f64 / GIB as f64
    );
    let state = if available >= GIB / 2 {
        FindingState::Good
    } else {
        FindingState::Limited
    };
    findings.push(finding("memory", state, text, None));
    findings
}
