//! Runs a program that builds something, so that neither it nor its children or mounts outlive the controller.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;

use rustix::mount::MountFlags;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::super::sys;
use super::{Line, rootfs, wait_for};

/// Runs it; the result is its exit code. Its output goes where the launcher's goes.
pub(super) fn build(
    program: &str,
    arguments: &[String],
    environment: &BTreeMap<String, String>,
    mut line: Line,
) -> i32 {
    let pid = match begin(program, arguments, environment) {
        Ok(pid) => pid,
        Err(error) => {
            let error = super::super::errors::kernel("make a process namespace", error);
            line.say(&super::Answer::failed(error));
            return 1;
        }
    };
    let handle = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    if let Some(handle) = handle {
        while let Ok([false, false]) = wait_for([&handle, &line.0], None) {}
        // Ends everything in the namespace; for one that has ended by itself it means nothing.
        let _ = pidfd_send_signal(&handle, Signal::KILL);
    }
    sys::wait(pid).unwrap_or(1)
}

fn begin(program: &str, arguments: &[String], environment: &BTreeMap<String, String>) -> io::Result<i32> {
    rootfs::leave_host_mounts()?;
    sys::unshare(libc::CLONE_NEWPID)?;
    let (parent_read, parent_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    if let Some(pid) = sys::fork()? {
        // Open for as long as this process lives.
        std::mem::forget(parent_write);
        return Ok(pid);
    }
    drop(parent_write);
    let arguments: Vec<CString> = std::iter::once(program)
        .chain(arguments.iter().map(String::as_str))
        .map(|text| CString::new(text).unwrap_or_default())
        .collect();
    let environment: Vec<CString> = environment
        .iter()
        .filter_map(|(name, value)| CString::new(format!("{name}={value}")).ok())
        .collect();
    let prepared = sys::control(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong).and_then(|()| {
        // The parent may have died before it could have been noticed.
        if wait_for([&parent_read], Some(0))? == [true] {
            sys::leave(1);
        }
        rustix::mount::mount(
            "proc",
            "/proc",
            "proc",
            MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
            None,
        )
        .map_err(io::Error::from)
    });
    let error = match prepared {
        Ok(()) => sys::execute(&arguments[0], &arguments, &environment),
        Err(error) => error,
    };
    eprintln!("{program}: {error}");
    sys::leave(127)
}
