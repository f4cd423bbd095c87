//! The controller's end of the line to the launcher.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as Pair;
use std::process::Stdio;
use std::time::Duration;

use rebar_agent::protocol::FailureClass;
use rustix::fs::{MemfdFlags, SealFlags, memfd_create};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::errors;
use super::launcher::{AGENT, ARGUMENT, Answer, LINE, Request};
use crate::backend::{BackendError, Progress};

/// How often, and how long apart, sealing the agent program is tried again.
const SEAL_TRIES: u32 = 100;
const SEAL_PAUSE: Duration = Duration::from_millis(50);

/// A launcher at work.
pub(crate) struct Launched {
    /// The process; killed when dropped.
    pub(crate) child: Child,
    line: BufReader<UnixStream>,
}

/// The standard streams of a launcher.
pub(crate) enum Streams {
    /// None.
    Quiet,
    /// All three, to be taken from the child.
    Piped,
}

/// Runs the current program once more as the launcher, with this request.
pub(super) async fn launch(
    request: &Request,
    agent: Option<BorrowedFd<'_>>,
    streams: &Streams,
) -> Result<Launched, BackendError> {
    let (ours, theirs) = Pair::pair().map_err(errors::launcher)?;
    // The program may have been replaced on disk meanwhile: this name always means the one that runs.
    let mut command = Command::new("/proc/self/exe");
    let stdio = || match streams {
        Streams::Quiet => Stdio::null(),
        Streams::Piped => Stdio::piped(),
    };
    command
        .arg(ARGUMENT)
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .current_dir("/")
        .stdin(stdio())
        .stdout(stdio())
        .stderr(stdio())
        .kill_on_drop(true);
    let (line, agent) = (theirs.as_raw_fd(), agent.map(|agent| agent.as_raw_fd()));
    // SAFETY: between fork and exec only system calls are made; the descriptors are open until then.
    unsafe { command.pre_exec(move || pass(line, agent)) };
    let child = command.spawn().map_err(errors::launcher)?;
    drop(theirs);
    ours.set_nonblocking(true).map_err(errors::launcher)?;
    let mut stream = UnixStream::from_std(ours).map_err(errors::launcher)?;
    let mut text = serde_json::to_vec(request).map_err(errors::launcher)?;
    text.push(b'\n');
    stream.write_all(&text).await.map_err(errors::launcher)?;
    Ok(Launched {
        child,
        line: BufReader::new(stream),
    })
}

/// Puts the descriptors where the launcher looks for them, without the flag that closes them.
fn pass(line: i32, agent: Option<i32>) -> io::Result<()> {
    // First out of the way of each other, since either may have the other's number.
    let copy = |descriptor: i32| {
        // SAFETY: makes a new descriptor.
        let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 10) };
        if copy < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(copy)
        }
    };
    let line = copy(line)?;
    let agent = agent.map(copy).transpose()?;
    // SAFETY: as above.
    unsafe {
        libc::dup2(line, LINE);
        match agent {
            Some(agent) => libc::dup2(agent, AGENT),
            None => libc::close(AGENT),
        };
    }
    Ok(())
}

impl Launched {
    /// Hears the launcher out: progress until it is done.
    pub(crate) async fn outcome(&mut self, progress: Progress<'_>) -> Result<String, BackendError> {
        loop {
            let mut text = String::new();
            let length = self.line.read_line(&mut text).await.map_err(errors::launcher)?;
            if length == 0 {
                let end = self.child.wait().await.map_err(errors::launcher)?;
                return Err(errors::launcher(format!("it ended without an answer ({end})")));
            }
            match serde_json::from_str(&text).map_err(errors::launcher)? {
                Answer::Progress(line) => progress(&line),
                Answer::Done(word) => return Ok(word),
                Answer::Failed {
                    code,
                    transient,
                    message,
                    help,
                    detail,
                } => {
                    let code = errors::code(&code);
                    let class = match (code, transient) {
                        (_, true) => FailureClass::Transient,
                        ("E1415", false) => FailureClass::Ambiguous,
                        (_, false) => FailureClass::Terminal,
                    };
                    return Err(BackendError {
                        code,
                        class,
                        message,
                        help,
                        detail,
                        retry_after: None,
                    });
                }
            }
        }
    }

    /// Waits for the launcher's end; the line stays open until then, as its sign that the controller lives.
    pub(crate) async fn end(mut self) -> Result<i32, BackendError> {
        let status = self.child.wait().await.map_err(errors::launcher)?;
        Ok(status
            .code()
            .or_else(|| {
                use std::os::unix::process::ExitStatusExt;
                status.signal().map(|signal| 128 + signal)
            })
            .unwrap_or(1))
    }
}

/// Asks the launcher for something and waits until it is done, but no longer than `patience`.
pub(super) async fn call(
    request: &Request,
    agent: Option<BorrowedFd<'_>>,
    patience: Duration,
    progress: Progress<'_>,
) -> Result<String, BackendError> {
    let work = async {
        let mut launched = launch(request, agent, &Streams::Quiet).await?;
        let outcome = launched.outcome(progress).await;
        launched.end().await?;
        outcome
    };
    match tokio::time::timeout(patience, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(errors::launcher(format!(
            "no answer within {} s",
            patience.as_secs()
        ))),
    }
}

/// A file in memory with the agent program, which nobody can change any more.
pub(super) fn program_file(program: &[u8]) -> io::Result<OwnedFd> {
    let file = memfd_create("rebar-agent", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(file);
    file.write_all(program)?;
    file.rewind()?;
    seal(&file)?;
    Ok(file.into())
}

/// Forbids every further change of a file in memory.
///
/// The kernel says `EBUSY` while anybody else holds one of its pages, which memory compaction and page monitors do
/// for moments (`memfd_wait_for_pins` in its `mm/memfd.c` waits about 150 ms by itself): it is asked again for 5 s.
fn seal(file: &File) -> io::Result<()> {
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    for _ in 0..SEAL_TRIES {
        match rustix::fs::fcntl_add_seals(file, seals) {
            Err(rustix::io::Errno::BUSY) => std::thread::sleep(SEAL_PAUSE),
            ended => return Ok(ended?),
        }
    }
    Ok(rustix::fs::fcntl_add_seals(file, seals)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

    use super::*;

    #[test]
    fn a_file_in_memory_is_sealed_once_its_pages_are_free() {
        let file = memfd_create("held", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        let mut file = File::from(file);
        file.write_all(&[1; 4096]).unwrap();
        // SAFETY: a fresh mapping of a page that the file has; nobody else knows its address.
        let page = unsafe {
            mmap(
                std::ptr::null_mut(),
                4096,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &file,
                0,
            )
        };
        let page = page.unwrap() as usize;
        let holder = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            // SAFETY: the mapping made above, which nobody uses.
            unsafe { munmap(page as *mut _, 4096) }.unwrap();
        });
        seal(&file).unwrap();
        holder.join().unwrap();
        assert!(file.write_all(&[2]).is_err(), "a sealed file can be written");
    }
}
