//! Starts a machine: from its folder to a first process that says it is ready.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::super::{errors, process, sys};
use super::{Answer, Init, Line, Start, attach, init, rootfs, user_namespace, wait_for};
use crate::backend::BackendError;

/// The ends of the pipes and the socket that the machine's first process shares with the launcher.
pub(super) struct Ties {
    /// A byte here: go on. Closed: end, nobody wants this machine any more.
    pub(super) go: OwnedFd,
    /// What went wrong is written here; closed by the execution of the init program.
    pub(super) trouble: OwnedFd,
    /// The socket, not yet bound, at which the service manager reports that it is ready.
    pub(super) ready: OwnedFd,
}

/// Starts the machine and waits until it is up.
pub(super) fn start(start: &Start, line: &mut Line) -> Result<String, BackendError> {
    let kernel = |what: &'static str| move |error: io::Error| errors::kernel(what, error);
    // Held until this process ends: whoever cleans up after a killed controller waits for it.
    let folder = File::open(&start.folder).map_err(|error| errors::file("open", &start.folder, &error))?;
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive)
        .map_err(|error| errors::file("lock", &start.folder, &error.into()))?;

    let namespace = user_namespace::create(start.base).map_err(kernel("create a user namespace"))?;
    rootfs::leave_host_mounts().map_err(kernel("create a mount namespace"))?;
    rootfs::mount(&start.folder, &start.image, start.base, namespace.as_fd())
        .map_err(kernel("mount the machine's file system"))?;

    let (go_read, go_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(pipes)?;
    let (trouble_read, trouble_write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(pipes)?;
    let ready = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(pipes)?;
    let ties = Ties {
        go: go_read,
        trouble: trouble_write,
        ready: ready.try_clone().map_err(kernel("copy a socket"))?,
    };
    let pid = begin(start, namespace.as_fd(), ties, &go_write)
        .map_err(kernel("create the machine's namespaces"))?;
    let mut trouble = File::from(trouble_read);

    let Some(pid) = pid else {
        let mut text = String::new();
        let _ = trouble.read_to_string(&mut text);
        return Err(errors::kernel("create the machine's namespaces", text));
    };
    let handle =
        pidfd_open(pid, PidfdFlags::empty()).map_err(|error| errors::kernel("watch a process", error))?;
    let outcome = bring_up(
        start,
        line,
        pid,
        &handle,
        go_write,
        trouble,
        &UnixDatagram::from(ready),
    );
    if outcome.is_err() {
        let _ = pidfd_send_signal(&handle, Signal::KILL);
        let _ = wait_for([&handle], Some(5000));
    }
    outcome
}

fn pipes(error: rustix::io::Errno) -> BackendError {
    errors::kernel("make a pipe", error)
}

/// Forks twice: the first child enters the user namespace and makes the others, the second is the first process
/// of the new process namespace. Its number comes back through a pipe.
fn begin(
    start: &Start,
    namespace: std::os::fd::BorrowedFd<'_>,
    ties: Ties,
    go_write: &OwnedFd,
) -> io::Result<Option<Pid>> {
    let (number_read, number_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    match sys::fork()? {
        None => {
            let trouble = ties.trouble.try_clone();
            let failed = match init::enter(start, namespace) {
                Err(error) => Some(error),
                Ok(()) => match sys::fork() {
                    Err(error) => Some(error),
                    Ok(Some(pid)) => File::from(number_write).write_all(&pid.to_ne_bytes()).err(),
                    Ok(None) => {
                        drop(number_write);
                        // Or this process would keep its own go-ahead open.
                        // SAFETY: this child never uses the parent's end again.
                        drop(unsafe { OwnedFd::from_raw_fd(std::os::fd::AsRawFd::as_raw_fd(go_write)) });
                        init::become_init(start, ties);
                    }
                },
            };
            if let (Some(error), Ok(trouble)) = (&failed, trouble) {
                let _ = File::from(trouble).write_all(error.to_string().as_bytes());
            }
            sys::leave(i32::from(failed.is_some()));
        }
        Some(child) => {
            drop(number_write);
            drop(ties);
            let mut number = [0; 4];
            let read = File::from(number_read).read_exact(&mut number);
            sys::wait(child)?;
            Ok(read.ok().and_then(|()| Pid::from_raw(i32::from_ne_bytes(number))))
        }
    }
}

fn bring_up(
    start: &Start,
    line: &mut Line,
    pid: Pid,
    handle: &OwnedFd,
    go: OwnedFd,
    mut trouble: File,
    ready: &UnixDatagram,
) -> Result<String, BackendError> {
    let number = pid.as_raw_nonzero().get();
    record(start, number)?;
    attach::attach(&start.interfaces, number)?;
    if line.broken() {
        return Err(errors::launcher("the controller is gone"));
    }
    File::from(go).write_all(b"!").map_err(errors::launcher)?;

    let mut text = String::new();
    let _ = trouble.read_to_string(&mut text);
    if !text.is_empty() {
        return Err(errors::boot(&start.name, text, String::new()));
    }
    line.say(&Answer::Progress("waiting for its first process".into()));
    wait_until_ready(start, line, handle, ready)
}

/// Writes down which process the machine is, so that it can be found whatever happens next.
fn record(start: &Start, pid: i32) -> Result<(), BackendError> {
    let path = start.folder.join("init.json");
    let init = Init {
        pid,
        started: process::start_time(pid).unwrap_or_default(),
        boot: process::boot_id(),
        operation: start.operation.clone(),
    };
    let text = serde_json::to_vec(&init).map_err(errors::launcher)?;
    let partial = start.folder.join("init.json.new");
    fs::write(&partial, text)
        .and_then(|()| File::open(&partial)?.sync_all())
        .and_then(|()| fs::rename(&partial, &path))
        .map_err(|error| errors::file("write", &path, &error))
}

fn wait_until_ready(
    start: &Start,
    line: &Line,
    handle: &OwnedFd,
    ready: &UnixDatagram,
) -> Result<String, BackendError> {
    let begun = Instant::now();
    let deadline = begun + Duration::from_secs(start.patience);
    let mut message = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(errors::boot(
                &start.name,
                format!("its first process was not ready after {} s", start.patience),
                String::new(),
            ));
        }
        let [heard, ended, broken] = wait_for(
            [&ready, &handle, &line.0],
            Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        )
        .map_err(errors::launcher)?;
        if heard {
            let length = ready.recv(&mut message).map_err(errors::launcher)?;
            if message[..length]
                .split(|byte| *byte == b'\n')
                .any(|line| line == b"READY=1")
            {
                return Ok(format!("up after {} ms", begun.elapsed().as_millis()));
            }
        } else if ended {
            return Err(errors::boot(
                &start.name,
                "its first process ended",
                String::new(),
            ));
        } else if broken {
            return Err(errors::launcher("the controller is gone"));
        }
    }
}
