//! Runs the host's programs: `ip`, `nft` and the like.

use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::{errors, sys};
use crate::backend::BackendError;

/// Runs a program to its end with this input; its output, or an error with what it printed.
pub(crate) fn run(program: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, BackendError> {
    let mut command = Command::new(program);
    command.args(arguments);
    finish(program, command, input)
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
    .any(|folder| std::path::Path::new(folder).join(program).is_file())
}
