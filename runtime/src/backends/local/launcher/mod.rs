//! The part of this backend that forks: a second run of the same program, with a single thread.
//!
//! The controller has many threads, and a process with threads must neither fork and go on nor enter a user
//! namespace. So it runs `<itself> __local-launch`, says on descriptor 3 what to do, and reads the answers there.

mod attach;
mod build;
mod execute;
mod init;
mod rootfs;
mod start;
mod terminal;
mod user_namespace;

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags};
use serde::{Deserialize, Serialize};

use super::sys;
use crate::backend::BackendError;

/// The first argument by which the program knows that it is the launcher.
pub const ARGUMENT: &str = "__local-launch";
/// Where the launcher hears and speaks.
pub(super) const LINE: i32 = 3;
/// Where the launcher finds the agent program.
pub(super) const AGENT: i32 = 4;

/// Whether this process was started as the launcher: then `main` must call [`run`] before anything else (before
/// a thread starts) and end with its result.
pub fn is_launcher() -> bool {
    std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == ARGUMENT)
}

/// What the controller asks of the launcher.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Start a machine and wait until it is up.
    Start(Box<Start>),
    /// Run a program on a machine.
    Execute(Execute),
    /// Write rebar's names into a machine's `/etc/hosts`.
    Names { node: Node, block: String },
    /// Run a program that builds something, in a process namespace that ends with the launcher.
    Build {
        program: String,
        arguments: Vec<String>,
        environment: BTreeMap<String, String>,
    },
    /// Find out whether the kernel can do what machines need, in this empty folder.
    Try { folder: PathBuf },
}

/// A machine to start.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Start {
    /// Its name.
    pub(super) name: String,
    /// Its folder, with `disk` and `mnt` in it.
    pub(super) folder: PathBuf,
    /// The image.
    pub(super) image: PathBuf,
    /// The first of its range of ids on this host.
    pub(super) base: u32,
    /// Its machine id: 32 hex digits.
    pub(super) machine_id: String,
    /// Folders of the control groups that it lives in.
    pub(super) cgroups: Vec<PathBuf>,
    /// Its interfaces.
    pub(super) interfaces: Vec<Interface>,
    /// The managed block of `/etc/hosts`.
    pub(super) block: String,
    /// `/etc/resolv.conf`.
    pub(super) resolver: String,
    /// Whether its disk is new, so that its files of identity must be written.
    pub(super) fresh: bool,
    /// How long it may take to come up, in seconds.
    pub(super) patience: u64,
    /// The operation, to be recorded with the process.
    pub(super) operation: String,
}

/// An interface and where its other end is plugged in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Interface {
    /// `eth0`
    pub(super) name: String,
    /// The name of the end on this host.
    pub(super) host: String,
    /// The bridge.
    pub(super) bridge: String,
    /// The address with its prefix length.
    pub(super) address: String,
    /// Where packets for elsewhere go.
    pub(super) gateway: Option<IpAddr>,
    /// Largest packet in bytes.
    pub(super) mtu: Option<u32>,
    /// Whose it is: the end on this host carries it as its alias.
    pub(super) label: String,
}

/// A machine that runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Node {
    /// Its first process.
    pub(super) init: Init,
    /// Folders of the control groups that programs on it join.
    pub(super) cgroups: Vec<PathBuf>,
}

/// The first process of a machine. The start time tells it from a later process of the same number, the boot id
/// from one of another boot of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Init {
    /// Its number on this host.
    pub(super) pid: i32,
    /// When it was started, in ticks since this host's boot.
    pub(super) started: u64,
    /// This host's boot.
    pub(super) boot: String,
    /// The operation that started it.
    pub(super) operation: String,
}

/// A program to run on a machine.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Execute {
    /// Where.
    pub(super) node: Node,
    /// The program and its arguments; empty: the agent.
    pub(super) arguments: Vec<String>,
    /// Its environment.
    pub(super) environment: BTreeMap<String, String>,
    /// Columns and rows of its terminal.
    pub(super) terminal: Option<(u16, u16)>,
}

/// What the launcher answers, one a line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Something a person waiting would like to read.
    Progress(String),
    /// It is done, or the program is started; with a word on how.
    Done(String),
    /// It failed.
    Failed {
        code: String,
        transient: bool,
        message: String,
        help: Option<String>,
        detail: String,
    },
}

impl Answer {
    pub(super) fn failed(error: BackendError) -> Answer {
        Answer::Failed {
            code: error.code.to_owned(),
            transient: error.class == rebar_agent::protocol::FailureClass::Transient,
            message: error.message,
            help: error.help,
            detail: error.detail,
        }
    }
}

/// The launcher's end of the line to the controller.
struct Line(UnixStream);

impl Line {
    fn say(&mut self, answer: &Answer) {
        // A controller that is gone needs no answer; what was begun is found through the folders.
        if let Ok(mut text) = serde_json::to_string(answer) {
            text.push('\n');
            let _ = self.0.write_all(text.as_bytes());
        }
    }

    /// Whether the controller is gone.
    fn broken(&self) -> bool {
        let mut polled = [PollFd::new(&self.0, PollFlags::RDHUP)];
        rustix::event::poll(&mut polled, Some(&rustix::event::Timespec::default())).is_ok()
            && polled[0]
                .revents()
                .intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR)
    }
}

/// Does what the controller asks on descriptor 3. The result is the exit code for `main`.
pub fn run() -> i32 {
    // Nobody may trace this process once it has entered a machine's namespaces.
    let _ = sys::control(libc::PR_SET_DUMPABLE, 0);
    if rustix::io::fcntl_getfd(borrow(LINE)).is_err() {
        return 2;
    }
    sys::close_from_on_exec(3);
    // SAFETY: the controller passes the line here, and nothing else in this process owns it.
    let line = UnixStream::from(unsafe { OwnedFd::from_raw_fd(LINE) });
    match ask(&line) {
        Ok(request) => answer(request, Line(line)),
        Err(error) => {
            Line(line).say(&Answer::failed(super::errors::launcher(error)));
            2
        }
    }
}

fn ask(line: &UnixStream) -> io::Result<Request> {
    let mut text = String::new();
    BufReader::new(line.try_clone()?).read_line(&mut text)?;
    serde_json::from_str(&text).map_err(io::Error::from)
}

fn answer(request: Request, mut line: Line) -> i32 {
    let result = match request {
        Request::Start(start) => start::start(&start, &mut line),
        Request::Execute(execute) => return execute::execute(&execute, line),
        Request::Names { node, block } => execute::names(&node, &block),
        Request::Build {
            program,
            arguments,
            environment,
        } => {
            return build::build(&program, &arguments, &environment, line);
        }
        Request::Try { folder } => rootfs::attempt(&folder),
    };
    match result {
        Ok(word) => {
            line.say(&Answer::Done(word));
            0
        }
        Err(error) => {
            line.say(&Answer::failed(error));
            1
        }
    }
}

fn borrow(descriptor: i32) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: only used to look at descriptors that the controller passes and nobody closes.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(descriptor) }
}

/// Waits until one of these can be read or is closed, or the time (milliseconds; none: for ever) is over.
fn wait_for<const N: usize>(files: [&dyn AsFd; N], milliseconds: Option<u64>) -> io::Result<[bool; N]> {
    let mut polled =
        files.map(|file| PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN | PollFlags::RDHUP));
    let time = milliseconds.map(|milliseconds| rustix::event::Timespec {
        tv_sec: i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(milliseconds % 1000 * 1_000_000).unwrap_or_default(),
    });
    match rustix::event::poll(&mut polled, time.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(polled.map(|polled| !polled.revents().is_empty()))
}
