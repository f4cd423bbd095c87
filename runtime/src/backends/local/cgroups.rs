//! Control groups: what a machine may use, and the list of its processes.
//!
//! Every machine has a group in the unified hierarchy, where its own service manager goes on. Where the host
//! has its controllers in separate hierarchies (version 1), the limits stand there in groups of the same name.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rebar_compiler::plan::Hardware;
use rustix::process::{Pid, Signal, kill_process};

use super::errors;
use crate::backend::{BackendError, Scope};

/// More processes than any machine of a test bed needs, and few enough to survive a fork bomb.
const PROCESSES: u32 = 16384;
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];
/// The group beside those of the machine's service manager that programs from outside run in.
const OUTSIDE: &str = "rebar.exec";

/// Where this host has its hierarchies.
#[derive(Debug, Clone)]
pub(super) struct Hierarchies {
    /// The unified one.
    pub(super) unified: PathBuf,
    /// Those of version 1 that hold memory, cpu or pids.
    pub(super) separate: Vec<PathBuf>,
}

/// Finds the hierarchies; none where the unified one is not mounted.
pub(super) fn hierarchies() -> Option<Hierarchies> {
    parse(&fs::read_to_string("/proc/self/mounts").unwrap_or_default())
}

fn parse(mounts: &str) -> Option<Hierarchies> {
    let mut unified = None;
    let mut separate = Vec::new();
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, path, kind, options, ..] = fields.as_slice() else {
            continue;
        };
        match *kind {
            "cgroup2" if unified.is_none() => unified = Some(PathBuf::from(path)),
            "cgroup" if options.split(',').any(|option| CONTROLLERS.contains(&option)) => {
                separate.push(PathBuf::from(path));
            }
            _ => {}
        }
    }
    unified.map(|unified| Hierarchies { unified, separate })
}

/// The groups of one machine.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    hierarchies: Hierarchies,
    relative: PathBuf,
}

impl Groups {
    pub(super) fn of(scope: &Scope, machine: &str) -> Result<Groups, BackendError> {
        let hierarchies = hierarchies().ok_or_else(|| {
            errors::kernel("track processes", "no unified control group hierarchy is mounted")
        })?;
        let short: String = scope
            .deploy_id
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(12)
            .collect();
        Ok(Groups {
            hierarchies,
            relative: Path::new("rebar").join(short).join(machine),
        })
    }

    fn unified(&self) -> PathBuf {
        self.hierarchies.unified.join(&self.relative)
    }

    fn separate(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.hierarchies
            .separate
            .iter()
            .map(|root| root.join(&self.relative))
    }

    /// The groups that the machine's first process joins.
    pub(super) fn of_init(&self) -> Vec<PathBuf> {
        std::iter::once(self.unified()).chain(self.separate()).collect()
    }

    /// The groups that programs from outside join.
    pub(super) fn of_programs(&self) -> Vec<PathBuf> {
        std::iter::once(self.unified().join(OUTSIDE))
            .chain(self.separate())
            .collect()
    }

    /// Makes the groups with the limits of the hardware, and hands the unified one to the machine's root.
    pub(super) fn create(&self, hardware: &Hardware, owner: u32) -> Result<(), BackendError> {
        let unified = self.unified();
        self.make(&unified.join(OUTSIDE))?;
        let mut above = self.hierarchies.unified.clone();
        for part in &self.relative {
            for controller in CONTROLLERS {
                // Refused where the controller belongs to a hierarchy of version 1, or to an outer container.
                let _ = fs::write(above.join("cgroup.subtree_control"), format!("+{controller}"));
            }
            above.push(part);
        }
        for group in self.separate() {
            self.make(&group)?;
        }
        for group in self.of_init() {
            for (file, value) in limits(hardware) {
                let path = group.join(file);
                if path.exists() {
                    fs::write(&path, &value).map_err(|error| errors::file("limit by", &path, &error))?;
                }
            }
        }
        for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
            let path = unified.join(file);
            std::os::unix::fs::chown(&path, Some(owner), Some(owner))
                .map_err(|error| errors::file("hand over", &path, &error))?;
        }
        Ok(())
    }

    /// Another thread may be removing the groups above, as those of the last machine.
    fn make(&self, group: &Path) -> Result<(), BackendError> {
        let mut last = Ok(());
        for _ in 0..10 {
            last = fs::create_dir_all(group);
            if !matches!(&last, Err(error) if error.kind() == ErrorKind::NotFound) {
                break;
            }
        }
        last.map_err(|error| errors::file("make the control group", group, &error))
    }

    /// Kills every process of the machine and waits until none is left.
    pub(super) fn kill(&self, patience: Duration) -> Result<(), BackendError> {
        let deadline = Instant::now() + patience;
        loop {
            let mut pids = Vec::new();
            for group in self.of_init() {
                collect(&group, &mut pids);
            }
            if pids.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let text = io::Error::new(ErrorKind::TimedOut, format!("processes {pids:?} do not end"));
                return Err(errors::file("empty the control group", &self.unified(), &text));
            }
            // One write kills all at once and cannot hit a number that was given to another process meanwhile.
            if fs::write(self.unified().join("cgroup.kill"), "1").is_err() {
                for pid in pids.into_iter().filter_map(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Removes the groups, those below first, and those above where nothing else is in them.
    pub(super) fn remove(&self) -> Result<(), BackendError> {
        let roots = std::iter::once(&self.hierarchies.unified).chain(&self.hierarchies.separate);
        for (group, root) in self.of_init().into_iter().zip(roots) {
            let deadline = Instant::now() + Duration::from_secs(5);
            while let Err(error) = remove_tree(&group) {
                if Instant::now() > deadline {
                    return Err(errors::file("remove the control group", &group, &error));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            for above in self
                .relative
                .ancestors()
                .skip(1)
                .filter(|path| !path.as_os_str().is_empty())
            {
                let _ = fs::remove_dir(root.join(above));
            }
        }
        Ok(())
    }

    /// Whether any of the groups is there.
    pub(super) fn exist(&self) -> bool {
        self.of_init().iter().any(|group| group.exists())
    }
}

/// The limits, in the words of both versions; only the files that exist are written.
fn limits(hardware: &Hardware) -> Vec<(&'static str, String)> {
    let mut limits = vec![("pids.max", PROCESSES.to_string())];
    if hardware.memory > 0 {
        limits.push(("memory.max", hardware.memory.to_string()));
        limits.push(("memory.limit_in_bytes", hardware.memory.to_string()));
    }
    if hardware.cpu > 0 {
        let quota = u64::from(hardware.cpu) * 100_000;
        limits.push(("cpu.max", format!("{quota} 100000")));
        limits.push(("cpu.cfs_period_us", "100000".to_owned()));
        limits.push(("cpu.cfs_quota_us", quota.to_string()));
    }
    limits
}

fn collect(group: &Path, pids: &mut Vec<i32>) {
    if let Ok(text) = fs::read_to_string(group.join("cgroup.procs")) {
        pids.extend(
            text.lines()
                .filter_map(|line| line.parse::<i32>().ok())
                .filter(|pid| *pid > 1),
        );
    }
    for below in folders(group) {
        collect(&below, pids);
    }
}

fn remove_tree(group: &Path) -> io::Result<()> {
    for below in folders(group) {
        remove_tree(&below)?;
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn folders(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_hosts_and_unified_hosts_are_told_apart() {
        let hybrid = "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
                      cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
                      cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let found = parse(hybrid).unwrap();
        assert_eq!(found.unified, Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(found.separate.len(), 2);
        let found = parse("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n").unwrap();
        assert!(found.separate.is_empty());
        assert!(parse("cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n").is_none());
    }
}
