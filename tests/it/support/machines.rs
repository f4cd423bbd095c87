//! The backends that the same tests run over, and a way to what they make that does not go through rebar.

use std::fs;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, flock};

use super::{World, say};

/// A backend that makes machines here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Local,
    Docker,
}

impl Backend {
    pub(crate) const ALL: [Backend; 2] = [Backend::Local, Backend::Docker];

    /// As specs name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Backend::Local => "local",
            Backend::Docker => "docker",
        }
    }

    /// A spec that is written for `local`, over this backend, its addresses `10.<from>.` moved to `10.<to>.`.
    pub(crate) fn spec(self, text: &str, from: &str, to: u8) -> String {
        text.replace("local(image", &format!("{}(image", self.name()))
            .replace(&format!("10.{from}."), &format!("10.{to}."))
    }

    /// Whether this machine has what it needs.
    pub(crate) fn is_installed(self) -> bool {
        doctor(self).0
    }

    /// Whether this machine has what it needs; if not, says aloud what is skipped and why.
    /// With `REBAR_TEST_REQUIRE_ALL` a missing part is a failure.
    pub(crate) fn is_here(self, what: &str) -> bool {
        let (good, text) = doctor(self);
        if !good {
            let name = self.name();
            assert!(
                std::env::var_os("REBAR_TEST_REQUIRE_ALL").is_none(),
                "{what} cannot run on {name} here:\n{text}"
            );
            say(&format!(
                "SKIPPED: {what}: this machine lacks a part of the backend {name}:\n{text}"
            ));
        }
        good
    }
}

fn doctor(backend: Backend) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rebar"))
        .args(["doctor", backend.name()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text)
}

/// As [`Backend::is_here`] for `local`.
pub(crate) fn local_is_here(what: &str) -> bool {
    Backend::Local.is_here(what)
}

/// One test at a time uses the machine, also among several test programs.
pub(crate) fn alone() -> (MutexGuard<'static, ()>, fs::File) {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = std::env::temp_dir().join("rebar-tests.lock");
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    (guard, file)
}

/// All processes of this machine.
fn processes() -> impl Iterator<Item = (u32, std::path::PathBuf)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| Some((entry.file_name().to_string_lossy().parse().ok()?, entry.path())))
}

/// Whether it is the first process of a container.
fn is_first(process: &std::path::Path) -> bool {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    status
        .lines()
        .find(|l| l.starts_with("NSpid:"))
        .is_some_and(|line| {
            let inner: Vec<&str> = line.split_whitespace().skip(1).collect();
            inner.len() > 1 && inner.last() == Some(&"1")
        })
}

/// The first process of a node, found by the machine id that only this node has.
pub(crate) fn first_process(world: &World, deploy: &str, node: &str) -> Option<u32> {
    let id = world.good(&["exec", deploy, node, "cat", "/etc/machine-id"]).out;
    assert!(id.trim().len() == 32, "{id}");
    processes().find_map(|(pid, process)| {
        let own = fs::read_to_string(process.join("root/etc/machine-id")).ok()?;
        (own == id && is_first(&process)).then_some(pid)
    })
}

/// Whether a process is inside a node of the network `10.<range>.`: its host table names one.
fn is_in(process: &std::path::Path, range: u8) -> bool {
    let table = fs::read_to_string(process.join("root/etc/hosts")).unwrap_or_default();
    table
        .lines()
        .any(|line| line.starts_with(&format!("10.{range}.")))
}

/// How many containers stand on the network `10.<range>.`.
pub(crate) fn containers_on(range: u8) -> usize {
    processes()
        .filter(|(_, process)| is_first(process) && is_in(process, range))
        .count()
}

/// An agent at work on a node of the network `10.<range>.`.
pub(crate) fn agent_on(range: u8) -> Option<u32> {
    processes().find_map(|(pid, process)| {
        let program = fs::read_link(process.join("exe")).ok()?;
        let program = program.to_string_lossy();
        let agent = program.contains("rebar-agent") || program.contains("/libexec/rebar/agent-");
        (agent && !is_first(&process) && is_in(&process, range)).then_some(pid)
    })
}

/// Ends a process at once.
pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    // It may just have ended by itself.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}
