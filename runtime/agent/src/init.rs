//! The first process of a machine that has no service manager: it collects ended children, and ends on request.

use std::ffi::c_int;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

/// How long the machine's programs may take to end by themselves.
const GRACE: Duration = Duration::from_secs(3);
/// How often it is looked whether they have: those that came from outside are nobody's children here.
const LOOK: Duration = Duration::from_millis(10);

/// Is the first process of a process namespace, until it is asked to end by SIGTERM, SIGINT or SIGRTMIN+3 (what
/// container managers send, and what systemd means by "halt"). Then all programs of the namespace are asked to end,
/// and killed if they do not within three seconds.
///
/// If `NOTIFY_SOCKET` names a socket, it says `READY=1` there as a service manager does.
///
/// # Errors
/// With a sentence for people, if this is not the first process, or the kernel refuses to deliver signals.
pub fn init() -> Result<(), String> {
    if std::process::id() != 1 {
        return Err(
            "`init` is for the first process of a machine: anywhere else it would end programs of others"
                .to_owned(),
        );
    }
    let signals = Signals::block().map_err(|error| format!("cannot block signals: {error}"))?;
    name_this_process();
    tell_ready();
    while signals.wait(None) != Some(Asked::End) {
        collect();
    }
    end_all(&signals);
    Ok(())
}

/// What a signal means here.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// A child has ended.
    Collect,
    /// The machine is to end.
    End,
}

/// Signals that are waited for and not delivered otherwise. What is blocked reaches even the first process of a
/// namespace, which the kernel else shields from signals that it has no handler for.
struct Signals(libc::sigset_t);

impl Signals {
    fn block() -> std::io::Result<Signals> {
        // SAFETY: the set is initialised by `sigemptyset` before it is used, and lives through the calls.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGRTMIN() + 3] {
                libc::sigaddset(&raw mut set, signal);
            }
            if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(Signals(set))
        }
    }

    /// Sleeps until one comes; `None` when the time is over or something else woke this process.
    fn wait(&self, patience: Option<Duration>) -> Option<Asked> {
        let signal = match patience {
            // SAFETY: the set is valid; nothing is written.
            None => unsafe { libc::sigwaitinfo(&raw const self.0, std::ptr::null_mut()) },
            Some(patience) => {
                let time = libc::timespec {
                    tv_sec: patience.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                    tv_nsec: patience.subsec_nanos().into(),
                };
                // SAFETY: as above; the time lives through the call.
                unsafe { libc::sigtimedwait(&raw const self.0, std::ptr::null_mut(), &raw const time) }
            }
        };
        match signal {
            libc::SIGCHLD => Some(Asked::Collect),
            signal if signal > 0 => Some(Asked::End),
            _ => None,
        }
    }
}

/// Collects all children that have ended, without waiting for the others.
fn collect() {
    // SAFETY: nothing is written.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
}

/// Sends a signal to every other process of the namespace; whether there was any.
fn signal_all(signal: c_int) -> bool {
    // SAFETY: no memory is passed. This is the first process of its namespace, so that it reaches no others.
    unsafe { libc::kill(-1, signal) == 0 }
}

fn end_all(signals: &Signals) {
    signal_all(libc::SIGTERM);
    // Who is stopped would not hear it.
    signal_all(libc::SIGCONT);
    let deadline = Instant::now() + GRACE;
    while signal_all(0) && Instant::now() < deadline {
        signals.wait(Some(LOOK));
        collect();
    }
    signal_all(libc::SIGKILL);
    // Whoever is left ends with this process: the kernel sees to that.
    collect();
}

/// Else it would be called by the number of the descriptor that it was executed from.
fn name_this_process() {
    // SAFETY: the name ends with a null and lives through the call.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"rebar-init".as_ptr()) };
}

/// Nobody need listen.
fn tell_ready() {
    if let Some(path) = std::env::var_os("NOTIFY_SOCKET")
        && let Ok(socket) = UnixDatagram::unbound()
    {
        let _ = socket.send_to(b"READY=1\n", path);
    }
}
