//! A user namespace that maps ids 0 to 65535 to the machine's own range of this host.
//!
//! It is created by a process that has the *machine's* user id, not root's: the kernel charges limits such as
//! inotify instances and namespaces to the creator, so each machine has an allowance of its own instead of all
//! machines sharing root's 128 inotify instances (which would stop at about 25 machines with systemd).

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use super::super::sys;

/// How many ids a machine has.
pub(crate) const SIZE: u32 = 65536;

/// Makes the namespace.
pub(super) fn create(base: u32) -> io::Result<OwnedFd> {
    let (ready_read, ready_write) = rustix::pipe::pipe()?;
    let (hold_read, hold_write) = rustix::pipe::pipe()?;
    match sys::fork()? {
        None => {
            drop(ready_read);
            drop(hold_write);
            let result = leave_for_new(base);
            let _ = File::from(ready_write).write_all(match &result {
                Ok(()) => b"ok".as_slice(),
                Err(_) => b"no",
            });
            // Keeps the namespace alive until the parent holds it.
            let _ = File::from(hold_read).read(&mut [0]);
            sys::leave(0);
        }
        Some(pid) => {
            drop(ready_write);
            drop(hold_read);
            let namespace = adopt(pid, base, ready_read);
            drop(hold_write);
            sys::wait(pid)?;
            namespace
        }
    }
}

fn leave_for_new(base: u32) -> io::Result<()> {
    // Capabilities are kept over the change of user, so that this also works where only root may create
    // user namespaces.
    sys::control(libc::PR_SET_KEEPCAPS, 1)?;
    let before = rustix::thread::capabilities(None)?;
    sys::become_user(base)?;
    rustix::thread::set_capabilities(None, before)?;
    sys::unshare(libc::CLONE_NEWUSER)?;
    // The parent must be able to look at this process.
    sys::control(libc::PR_SET_DUMPABLE, 1)
}

fn adopt(pid: i32, base: u32, ready: OwnedFd) -> io::Result<OwnedFd> {
    let mut word = [0; 2];
    File::from(ready).read_exact(&mut word)?;
    if &word != b"ok" {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "user namespaces are not allowed",
        ));
    }
    let map = format!("0 {base} {SIZE}\n");
    fs::write(format!("/proc/{pid}/uid_map"), &map)?;
    fs::write(format!("/proc/{pid}/gid_map"), &map)?;
    Ok(File::open(format!("/proc/{pid}/ns/user"))?.into())
}
