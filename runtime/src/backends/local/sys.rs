//! The few system calls that no crate wraps, each with the reason why it is sound.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `struct mount_attr` of `mount_setattr(2)`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

const MOUNT_ATTR_RDONLY: u64 = 0x1;
const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Shifts the ids of a detached mount as the user namespace maps them.
pub(super) fn map_ids(mount: BorrowedFd<'_>, namespace: BorrowedFd<'_>, read_only: bool) -> io::Result<()> {
    let attributes = MountAttributes {
        set: MOUNT_ATTR_IDMAP | if read_only { MOUNT_ATTR_RDONLY } else { 0 },
        clear: 0,
        propagation: 0,
        user_namespace: u64::try_from(namespace.as_raw_fd()).unwrap_or_default(),
    };
    // SAFETY: the structure lives through the call and its size is passed along.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    })
    .map(drop)
}

/// Leaves the current namespaces of these kinds (`CLONE_NEW…`) for new ones.
pub(super) fn unshare(kinds: libc::c_int) -> io::Result<()> {
    // SAFETY: no memory is passed.
    checked(unsafe { libc::unshare(kinds) }.into()).map(drop)
}

/// Enters namespaces of these kinds: of a namespace file, or of a process by its pidfd.
pub(super) fn enter(target: BorrowedFd<'_>, kinds: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open; no memory is passed.
    checked(unsafe { libc::setns(target.as_raw_fd(), kinds) }.into()).map(drop)
}

/// Splits the process in two; `None` in the child. Callers must have a single thread: the child then may run
/// any code, since no lock can be held by a thread that it lacks.
pub(super) fn fork() -> io::Result<Option<i32>> {
    // SAFETY: only called in the launcher, which never starts a thread.
    let pid = checked(unsafe { libc::fork() }.into())?;
    Ok(if pid == 0 { None } else { i32::try_from(pid).ok() })
}

/// Waits for a child: its exit code, or 128 + n when signal n ended it.
pub(super) fn wait(pid: i32) -> io::Result<i32> {
    let mut status = 0;
    loop {
        // SAFETY: `status` lives through the call.
        match checked(unsafe { libc::waitpid(pid, &raw mut status, 0) }.into()) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    })
}

/// Ends a forked child without running the parent's destructors.
pub(super) fn leave(code: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}

/// Becomes user and group `id` with no further groups.
pub(super) fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: no memory is passed but an empty list. Raw calls, because libc's would signal other threads.
    unsafe {
        checked(libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()))?;
        checked(libc::syscall(libc::SYS_setresgid, id, id, id))?;
        checked(libc::syscall(libc::SYS_setresuid, id, id, id))?;
    }
    Ok(())
}

/// The ids that new files get and file permissions are checked with.
pub(super) fn file_system_user(id: u32) {
    // SAFETY: no memory is passed. These calls report no errors.
    unsafe {
        libc::setfsgid(id);
        libc::setfsuid(id);
    }
}

/// `prctl` with one number.
pub(super) fn control(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the options used here take numbers.
    checked(
        unsafe {
            libc::prctl(
                option,
                value,
                0 as libc::c_ulong,
                0 as libc::c_ulong,
                0 as libc::c_ulong,
            )
        }
        .into(),
    )
    .map(drop)
}

/// Drops from the bounding set whatever is not in `keep` (a bit mask).
pub(super) fn bound_capabilities(keep: u64) -> io::Result<()> {
    for capability in 0..64u32 {
        if keep >> capability & 1 == 0
            && let Err(error) = control(libc::PR_CAPBSET_DROP, capability.into())
        {
            // The kernel knows fewer capabilities than the mask has bits.
            if error.raw_os_error() == Some(libc::EINVAL) {
                break;
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Marks every descriptor from `first` on to be closed by `exec`.
pub(super) fn close_from_on_exec(first: u32) {
    // SAFETY: changes flags only.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// Puts every signal back to its default and unblocks all.
pub(super) fn default_signals() {
    // SAFETY: `SIG_DFL` is a valid handler for every signal; failures (KILL, STOP) do no harm.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    texts
        .iter()
        .map(|text| text.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// Becomes another program, found by `PATH` of the environment given; returns only upon failure.
pub(super) fn execute(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both lists end with null and live through the call.
    unsafe { libc::execvpe(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Becomes the program that an open file holds; returns only upon failure.
pub(super) fn execute_file(
    file: BorrowedFd<'_>,
    arguments: &[CString],
    environment: &[CString],
) -> io::Error {
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both lists end with null and live through the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_raw_fd(),
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}
