//! Errors of machines and networks: one function a code, so that every message of a code reads the same, whichever
//! backend it comes from.

use std::fmt::Display;
use std::io;
use std::path::Path;

use rebar_agent::protocol::FailureClass;

use crate::backend::BackendError;

/// All codes that cross from the launcher to the controller, so that they can be `&'static` again.
const CODES: &[&str] = &[
    "E1401", "E1402", "E1403", "E1404", "E1405", "E1406", "E1407", "E1408", "E1409", "E1410", "E1411",
    "E1412", "E1413", "E1414", "E1415", "E1416", "E1501", "E1502", "E1503", "E1504",
];

/// The static text of a code that came over the line.
pub(crate) fn code(text: &str) -> &'static str {
    CODES
        .iter()
        .find(|code| **code == text)
        .copied()
        .unwrap_or("E1415")
}

pub(crate) fn new(code: &'static str, class: FailureClass, message: String) -> BackendError {
    BackendError {
        code,
        class,
        message,
        help: None,
        detail: String::new(),
        retry_after: None,
    }
}

fn terminal(code: &'static str, message: String, help: &str) -> BackendError {
    BackendError {
        help: Some(help.to_owned()),
        ..new(code, FailureClass::Terminal, message)
    }
}

pub(crate) fn not_root() -> BackendError {
    terminal(
        "E1401",
        "the local backend must run as root: it makes namespaces, bridges and mounts".into(),
        "run the same command with `sudo`",
    )
}

pub(crate) fn kernel(attempted: impl Display, cause: impl Display) -> BackendError {
    terminal(
        "E1402",
        format!("the kernel refused to {attempted}: {cause}"),
        "`rebar doctor` tells which feature this machine lacks",
    )
}

pub(crate) fn missing_program(program: &str, package: &str) -> BackendError {
    terminal(
        "E1403",
        format!("the program `{program}` is not installed"),
        &format!("apt-get install -y {package}"),
    )
}

pub(crate) fn program(program: &str, code: Option<i32>, output: &str) -> BackendError {
    let how = code.map_or_else(
        || "was killed".to_owned(),
        |code| format!("ended with code {code}"),
    );
    let detail = last_lines(output, 20);
    BackendError {
        detail: detail.clone(),
        ..new(
            "E1404",
            FailureClass::Terminal,
            format!(
                "`{program}` {how}: {}",
                detail.lines().next().unwrap_or("it printed nothing")
            ),
        )
    }
}

pub(crate) fn collision(network: &str, cidr: impl Display, other: impl Display) -> BackendError {
    terminal(
        "E1405",
        format!("network `{network}` ({cidr}) collides with {other}"),
        "give the network other addresses, or remove what stands in the way",
    )
}

pub(crate) fn foreign(what: impl Display, because: impl Display) -> BackendError {
    terminal(
        "E1406",
        format!("{what} is in the way and is not ours: {because}"),
        "rebar never touches what it did not make: rename or remove it by hand",
    )
}

pub(crate) fn not_running(machine: &str, state: &str) -> BackendError {
    terminal(
        "E1407",
        format!("machine `{machine}` {state}"),
        "`rebar apply` makes and starts machines",
    )
}

pub(crate) fn stale(epoch: u64, highest: u64) -> BackendError {
    terminal(
        "E1408",
        format!("this writer's epoch {epoch} is older than {highest}, which has written here since"),
        "another run has taken over this deploy: plan again",
    )
}

pub(crate) fn boot(machine: &str, what: impl Display, detail: String) -> BackendError {
    BackendError {
        detail,
        ..new(
            "E1409",
            FailureClass::Transient,
            format!("machine `{machine}` did not come up: {what}"),
        )
    }
}

pub(crate) fn no_range() -> BackendError {
    terminal(
        "E1410",
        "all ranges of user ids are taken".into(),
        "destroy machines that are no longer needed",
    )
}

pub(crate) fn file(attempted: &str, path: &Path, cause: &io::Error) -> BackendError {
    let class = match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::Interrupted => FailureClass::Transient,
        _ => FailureClass::Terminal,
    };
    new(
        "E1411",
        class,
        format!("could not {attempted} `{}`: {cause}", path.display()),
    )
}

pub(crate) fn exists(what: impl Display, operation: &str) -> BackendError {
    terminal(
        "E1412",
        format!("{what} is there already, made by operation {operation}"),
        "plan again: the world is not as this plan takes it to be",
    )
}

pub(crate) fn not_started(program: &str, machine: &str, cause: impl Display) -> BackendError {
    new(
        "E1413",
        FailureClass::Terminal,
        format!("could not start `{program}` on machine `{machine}`: {cause}"),
    )
}

pub(crate) fn network(what: impl Display, help: &str) -> BackendError {
    terminal("E1414", what.to_string(), help)
}

pub(crate) fn launcher(what: impl Display) -> BackendError {
    new(
        "E1415",
        FailureClass::Ambiguous,
        format!("the launcher broke off: {what}"),
    )
}

pub(crate) fn bad_name(what: &str, name: &str) -> BackendError {
    terminal(
        "E1416",
        format!("`{name}` cannot be {what}"),
        "use small letters, digits and `-`, at most 63, beginning with a letter or digit",
    )
}

/// The last lines of a program's output, for people.
pub(crate) fn last_lines(output: &str, count: usize) -> String {
    let lines: Vec<&str> = output.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
