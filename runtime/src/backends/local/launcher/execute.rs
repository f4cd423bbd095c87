//! Runs a program on a machine that runs: by the first process's descriptor into all its namespaces, as its root.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rebar_agent::names;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::super::{errors, process, sys};
use super::{AGENT, Answer, Execute, Line, Node, borrow, terminal, wait_for};
use crate::backend::{AGENT_NAME, BackendError, agent_words};

/// Runs the program; the result is its exit code. Whether it could be started is told on the line.
pub(super) fn execute(request: &Execute, mut line: Line) -> i32 {
    match begin(request) {
        Ok((pid, terminal)) => {
            line.say(&Answer::Done(String::new()));
            accompany(pid, terminal, &line)
        }
        Err(error) => {
            line.say(&Answer::failed(error));
            1
        }
    }
}

/// Writes the managed block of a machine's `/etc/hosts`, from inside: there is no path on this machine's disk
/// that could lead anywhere else.
pub(super) fn names(node: &Node, block: &str) -> Result<String, BackendError> {
    enter(node)?;
    match names::write(Path::new("/etc/hosts"), block) {
        Ok(changed) => Ok(if changed { "changed" } else { "same" }.into()),
        Err(error) => Err(errors::file(
            "write on a machine",
            Path::new("/etc/hosts"),
            &error,
        )),
    }
}

fn enter(node: &Node) -> Result<(), BackendError> {
    let gone = || errors::not_running("", "stopped meanwhile");
    let pid = Pid::from_raw(node.init.pid).ok_or_else(gone)?;
    let handle = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
    // Only now it is certain that number and handle mean the same process.
    if process::start_time(node.init.pid) != Some(node.init.started) {
        return Err(gone());
    }
    let bounds = process::bounding_set(node.init.pid).ok_or_else(gone)?;
    for group in &node.cgroups {
        join(group).map_err(|error| errors::file("join", group, &error))?;
    }
    let work = || -> io::Result<()> {
        sys::enter(
            std::os::fd::AsFd::as_fd(&handle),
            libc::CLONE_NEWUSER
                | libc::CLONE_NEWNS
                | libc::CLONE_NEWPID
                | libc::CLONE_NEWNET
                | libc::CLONE_NEWUTS
                | libc::CLONE_NEWIPC
                | libc::CLONE_NEWCGROUP,
        )?;
        sys::become_user(0)?;
        sys::bound_capabilities(bounds)
    };
    work().map_err(|error| errors::kernel("enter the machine's namespaces", error))
}

/// The group for programs is empty at times, and the machine's root may have removed it then.
fn join(group: &Path) -> io::Result<()> {
    match fs::write(group.join("cgroup.procs"), "0") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir(group)?;
            fs::write(group.join("cgroup.procs"), "0")
        }
        other => other,
    }
}

fn begin(request: &Execute) -> Result<(i32, Option<OwnedFd>), BackendError> {
    let program = request.arguments.first().map_or("the agent", String::as_str);
    let failed = |error: io::Error| errors::not_started(program, "", error);
    enter(&request.node)?;
    let (terminal, slave) = match request.terminal {
        Some(size) => terminal::open(size)
            .map(|(master, slave)| (Some(master), Some(slave)))
            .map_err(failed)?,
        None => (None, None),
    };
    let (trouble, report) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    match sys::fork().map_err(failed)? {
        None => {
            let error = become_program(request, slave.as_ref());
            let _ = File::from(report).write_all(error.to_string().as_bytes());
            sys::leave(127);
        }
        Some(pid) => {
            drop((report, slave));
            let mut text = String::new();
            let _ = File::from(trouble).read_to_string(&mut text);
            if text.is_empty() {
                Ok((pid, terminal))
            } else {
                Err(failed(io::Error::other(text)))
            }
        }
    }
}

fn become_program(request: &Execute, slave: Option<&OwnedFd>) -> io::Error {
    let prepared = (|| -> io::Result<()> {
        rustix::process::setsid()?;
        if let Some(slave) = slave {
            rustix::process::ioctl_tiocsctty(slave)?;
            rustix::stdio::dup2_stdin(slave)?;
            rustix::stdio::dup2_stdout(slave)?;
            rustix::stdio::dup2_stderr(slave)?;
        }
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        std::env::set_current_dir("/root").or_else(|_| std::env::set_current_dir("/"))
    })();
    if let Err(error) = prepared {
        return error;
    }
    sys::default_signals();
    let environment = texts(&environment(request));
    if let Some(words) = agent_words(&request.arguments) {
        let words: Vec<String> = std::iter::once(AGENT_NAME.to_owned())
            .chain(words.iter().cloned())
            .collect();
        return sys::execute_file(borrow(AGENT), &texts(&words), &environment);
    }
    // The search for the program goes by this process's own environment.
    let path = environment
        .iter()
        .find_map(|text| text.to_str().ok()?.strip_prefix("PATH="));
    // SAFETY: this process has a single thread.
    unsafe { std::env::set_var("PATH", path.unwrap_or(PATH)) };
    let arguments = texts(&request.arguments);
    sys::execute(&arguments[0], &arguments, &environment)
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn environment(request: &Execute) -> Vec<String> {
    let mut all: BTreeMap<&str, &str> = [
        ("PATH", PATH),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
    ]
    .into();
    if request.terminal.is_some() {
        all.insert("TERM", "xterm-256color");
    }
    for (name, value) in &request.environment {
        all.insert(name, value);
    }
    all.into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

fn texts(texts: &[String]) -> Vec<CString> {
    texts
        .iter()
        .map(|text| CString::new(text.replace('\0', "")).unwrap_or_default())
        .collect()
}

/// Waits for the program's end and gives its exit code. When the controller is gone, this process goes too and
/// leaves the program to the machine: an agent finishes the step in hand.
fn accompany(pid: i32, terminal: Option<OwnedFd>, line: &Line) -> i32 {
    let handle = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let Some(handle) = handle else {
        return sys::wait(pid).unwrap_or(1);
    };
    match terminal {
        Some(master) => terminal::relay(&master, &handle, &line.0),
        None => {
            // Or its output would not end with it, and its input not with the controller.
            for descriptor in 0..3 {
                // SAFETY: nothing in this process uses its standard streams any more.
                unsafe { libc::close(descriptor) };
            }
            loop {
                match wait_for([&handle, &line.0], None) {
                    Ok([true, _]) => break,
                    Ok([_, true]) => return 0,
                    Ok(_) => {}
                    Err(_) => return 1,
                }
            }
        }
    }
    if wait_for([&handle], Some(0)).is_ok_and(|[ended]| ended) {
        sys::wait(pid).unwrap_or(1)
    } else {
        0
    }
}
