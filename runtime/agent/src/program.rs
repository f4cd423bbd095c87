//! Running the node's own programs, with a deadline and without a way to be stopped up by their output.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Gid, Pid, Signal, Uid, kill_process_group};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

use crate::failure::{Attempt, Failure};
use crate::text;

/// What is kept of a program's output, in bytes: the end of it.
const KEPT: usize = 1024 * 1024;

/// How long output is waited for after the program has ended; a daemon may hold it open for ever.
const LINGER: Duration = Duration::from_millis(250);

/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program to run with a clean environment.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    name: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    folder: String,
    identity: Option<Identity>,
    deadline: Duration,
}

/// As whom a program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user's number.
    pub(crate) uid: u32,
    /// The number of the user's first group.
    pub(crate) gid: u32,
    /// Numbers of the supplementary groups.
    pub(crate) groups: Vec<u32>,
}

/// How a program ended.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    /// Its exit code, 128 + n when signal n ended it; nothing when it was stopped at its deadline.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) output: String,
    /// Standard output and errors as they came.
    pub(crate) all: String,
}

impl Finished {
    /// Whether it exited with 0.
    pub(crate) fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// The last lines, to be shown to a person.
    pub(crate) fn tail(&self) -> String {
        text::last_lines(&self.all, 20)
    }
}

impl Program {
    /// A program found by its name, to run as root in `/` for at most a minute.
    pub(crate) fn new(name: &str) -> Program {
        let environment = [
            ("PATH", PATH),
            ("LC_ALL", "C.UTF-8"),
            ("HOME", "/root"),
            ("USER", "root"),
            ("LOGNAME", "root"),
        ];
        Program {
            name: name.to_owned(),
            arguments: Vec::new(),
            environment: environment
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            folder: "/".to_owned(),
            identity: None,
            deadline: Duration::from_secs(60),
        }
    }

    /// With these arguments as well.
    pub(crate) fn arguments<I: IntoIterator<Item = S>, S: Into<String>>(mut self, arguments: I) -> Program {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// With a variable in its environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Program {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// In this folder.
    pub(crate) fn folder(mut self, folder: &str) -> Program {
        folder.clone_into(&mut self.folder);
        self
    }

    /// As this user.
    pub(crate) fn identity(mut self, identity: Identity) -> Program {
        self.identity = Some(identity);
        self
    }

    /// For at most so long; then it and all that it started are killed.
    pub(crate) fn deadline(mut self, deadline: Duration) -> Program {
        self.deadline = deadline;
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Result<Finished, Failure> {
        let mut child = self.start().attempt(|| format!("run `{}`", self.name))?;
        let all = Tail::default();
        let output = Tail::default();
        let readers = [
            child
                .stdout
                .take()
                .map(|pipe| follow(pipe, vec![all.clone(), output.clone()])),
            child.stderr.take().map(|pipe| follow(pipe, vec![all.clone()])),
        ];
        let status = self
            .wait(&mut child)
            .attempt(|| format!("wait for `{}`", self.name))?;
        linger(&readers);
        Ok(Finished {
            code: status.map(|status| {
                status
                    .code()
                    .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
            }),
            output: output.text(),
            all: all.text(),
        })
    }

    fn start(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.name);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(identity) = &self.identity {
            let groups: Vec<Gid> = identity.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
            let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
            let become_user = move || {
                set_thread_groups(&groups)?;
                set_thread_gid(gid)?;
                set_thread_uid(uid)?;
                Ok(())
            };
            // SAFETY: between fork and exec only these three system calls are made; nothing is allocated.
            unsafe { command.pre_exec(become_user) };
        }
        command.spawn()
    }

    /// Nothing when the deadline passed.
    fn wait(&self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + self.deadline;
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
                    // It may have ended meanwhile; then there is nothing to kill.
                    let _ = kill_process_group(group, Signal::KILL);
                }
                child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(25));
        }
    }
}

/// The end of a program's output, filled by a thread.
#[derive(Debug, Clone, Default)]
struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    fn add(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        if kept.len() > 2 * KEPT {
            let surplus = kept.len() - KEPT;
            kept.drain(..surplus);
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

fn follow(mut pipe: impl Read + Send + 'static, tails: Vec<Tail>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => tails.iter().for_each(|tail| tail.add(&buffer[..count])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    })
}

fn linger(readers: &[Option<JoinHandle<()>>]) {
    let deadline = Instant::now() + LINGER;
    while readers.iter().flatten().any(|reader| !reader.is_finished()) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("sh").arguments(["-c", script])
    }

    #[test]
    fn output_and_code_are_told() {
        let finished = shell("echo out; echo err >&2; exit 3").run().unwrap();
        assert_eq!(finished.code, Some(3));
        assert_eq!(finished.output, "out\n");
        assert!(finished.all.contains("err"));
    }

    #[test]
    fn a_signal_counts_from_128() {
        assert_eq!(shell("kill -9 $$").run().unwrap().code, Some(137));
    }

    #[test]
    fn the_deadline_ends_children_of_children() {
        let begin = Instant::now();
        let finished = shell("echo first; sleep 61 & sleep 61")
            .deadline(Duration::from_millis(200))
            .run()
            .unwrap();
        assert_eq!(finished.code, None);
        assert_eq!(finished.output, "first\n");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_daemon_that_keeps_the_output_open_does_not_hold_us_up() {
        let begin = Instant::now();
        let finished = shell("sleep 3 & echo done").run().unwrap();
        assert_eq!(finished.output, "done\n");
        assert!(begin.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn the_environment_is_clean() {
        let finished = shell("env | cut -d= -f1 | sort | tr '\\n' ' '")
            .variable("EXTRA", "1")
            .run()
            .unwrap();
        assert_eq!(finished.output, "EXTRA HOME LC_ALL LOGNAME PATH PWD USER ");
    }

    #[test]
    fn a_missing_program_is_named() {
        assert!(
            Program::new("no-such-program")
                .run()
                .unwrap_err()
                .message
                .contains("`no-such-program`")
        );
    }
}
