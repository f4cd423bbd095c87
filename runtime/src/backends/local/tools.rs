//! Runs the host's programs: `ip`, `nft` and the like.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{errors, sys};
use crate::backend::BackendError;

/// Runs a program to its end with this input; its output, or an error with what it printed.
pub(crate) fn run(program: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, BackendError> {
    let mut command = Command::new(program);
    command.args(arguments);
    finish(program, command, input)
}

/// The right to change the host's networks: held by this process and by each program it runs under it. The kernel
/// finishes what a killed program had asked for, so that the successor of a killed controller waits for that too.
pub(crate) struct Turn(File);

impl Turn {
    /// Waits for the turn at this folder.
    pub(crate) fn wait(folder: &Path) -> Result<Self, BackendError> {
        loop {
            super::store::make_folder(folder)?;
            let file = File::open(folder).map_err(|error| errors::file("open", folder, &error))?;
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
                .map_err(|error| errors::file("lock", folder, &error.into()))?;
            // Whoever had the turn may have removed the folder when it had become empty.
            let held = file
                .metadata()
                .map_err(|error| errors::file("look at", folder, &error))?;
            if fs::metadata(folder).is_ok_and(|found| found.ino() == held.ino()) {
                return Ok(Self(file));
            }
        }
    }

    /// Runs a program as [`run`] does; it holds the turn until it has ended, even if this process is killed.
    pub(crate) fn run(
        &self,
        program: &str,
        arguments: &[&str],
        input: &[u8],
    ) -> Result<Vec<u8>, BackendError> {
        let held = self.0.try_clone();
        let held = held.map_err(|error| errors::program(program, None, &error.to_string()))?;
        let mut command = Command::new(program);
        command.args(arguments);
        // SAFETY: the closure makes one system call and allocates nothing.
        unsafe {
            command.pre_exec(move || {
                Ok(rustix::io::fcntl_setfd(
                    held.as_fd(),
                    rustix::io::FdFlags::empty(),
                )?)
            });
        }
        finish(program, command, input)
    }
}

/// Runs a prepared command to its end. It does not outlive this process: what a killed controller had begun would
/// otherwise undo what its successor makes.
pub(crate) fn finish(program: &str, mut command: Command, input: &[u8]) -> Result<Vec<u8>, BackendError> {
    // SAFETY: the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(|| sys::control(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)) };
    let spawned = command
        .env_clear()
        .envs([
            (
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ),
            ("LC_ALL", "C.UTF-8"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.map_err(|error| match error.kind() {
        ErrorKind::NotFound => errors::missing_program(program, package_of(program)),
        _ => errors::program(program, None, &error.to_string()),
    })?;
    if let Some(mut pipe) = child.stdin.take() {
        // The programs used here read everything before they answer more than a pipe holds.
        let _ = pipe.write_all(input);
    }
    let output = child
        .wait_with_output()
        .map_err(|error| errors::program(program, None, &error.to_string()))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(errors::program(
            program,
            output.status.code(),
            &String::from_utf8_lossy(&output.stderr),
        ))
    }
}

/// The Debian package that a program comes from.
pub(crate) fn package_of(program: &str) -> &'static str {
    match program {
        "ip" => "iproute2",
        "nft" => "nftables",
        "mmdebstrap" => "mmdebstrap",
        _ => "iptables",
    }
}

/// Whether a program is installed.
pub(crate) fn installed(program: &str) -> bool {
    [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ]
    .iter()
    .any(|folder| Path::new(folder).join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_outlives_its_controller_keeps_the_turn() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let turn = Turn::wait(folder.path())?;
        // What goes on in the background stands for what the kernel finishes for a program that was killed.
        turn.run("sh", &["-c", "sleep 1 >/dev/null 2>&1 </dev/null &"], b"")?;
        drop(turn);
        let other = File::open(folder.path())?;
        let held = rustix::fs::flock(&other, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        assert_eq!(held, Err(rustix::io::Errno::WOULDBLOCK));
        Turn::wait(folder.path())?;
        rustix::fs::flock(&other, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        Ok(())
    }

    #[test]
    fn a_turn_is_had_at_the_folder_that_is_there() -> Result<(), Box<dyn std::error::Error>> {
        let above = tempfile::tempdir()?;
        let folder = above.path().join("networks");
        let turn = Turn::wait(&folder)?;
        fs::remove_dir(&folder)?;
        let next = Turn::wait(&folder)?;
        drop(turn);
        assert_eq!(fs::metadata(&folder)?.ino(), next.0.metadata()?.ino());
        Ok(())
    }
}
