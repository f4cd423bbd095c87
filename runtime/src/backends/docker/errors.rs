//! Errors of the conversation with an engine. What machines and networks have in common over all backends is in
//! `backends::errors`.

use std::fmt::Display;

use rebar_agent::protocol::FailureClass;

use crate::backend::BackendError;
use crate::backends::errors;

fn new(code: &'static str, class: FailureClass, message: String, help: &str) -> BackendError {
    BackendError {
        help: (!help.is_empty()).then(|| help.to_owned()),
        ..errors::new(code, class, message)
    }
}

pub(super) fn unreachable(address: impl Display, cause: impl Display) -> BackendError {
    new(
        "E1701",
        FailureClass::Terminal,
        format!("no container engine answers at `{address}`: {cause}"),
        "start the engine (`systemctl start docker`), or name its address in `DOCKER_HOST`",
    )
}

pub(super) fn forbidden(address: impl Display) -> BackendError {
    new(
        "E1702",
        FailureClass::Terminal,
        format!("this user may not talk to the container engine at `{address}`"),
        "run the same command with `sudo`; whoever may talk to the engine can become root of its host",
    )
}

pub(super) fn address(text: &str, cause: &str) -> BackendError {
    new(
        "E1703",
        FailureClass::Terminal,
        format!("`DOCKER_HOST` is `{text}`: {cause}"),
        "write `unix:///var/run/docker.sock` or `tcp://host:2375`; for an engine behind TLS or SSH open a tunnel first",
    )
}

pub(super) fn too_old(version: &str, api: &str) -> BackendError {
    new(
        "E1704",
        FailureClass::Terminal,
        format!("the container engine is too old: version {version} speaks API {api}, and 1.41 is needed"),
        "use Docker 20.10 or later, or Podman 4 or later",
    )
}

pub(super) fn refused(attempted: &str, status: u16, message: &str) -> BackendError {
    let class = match status {
        429 => FailureClass::Busy,
        500.. => FailureClass::Transient,
        _ => FailureClass::Terminal,
    };
    let (first, rest) = message.trim().split_once('\n').unwrap_or((message.trim(), ""));
    BackendError {
        detail: rest.to_owned(),
        ..new(
            "E1705",
            class,
            format!("the container engine could not {attempted}: {first}"),
            "",
        )
    }
}

pub(super) fn silent(attempted: &str, cause: impl Display) -> BackendError {
    new(
        "E1706",
        FailureClass::Ambiguous,
        format!("the container engine gave no answer when it was to {attempted}: {cause}"),
        "look at the engine itself: `docker info`, `journalctl -u docker`",
    )
}

pub(super) fn garbled(attempted: &str, cause: impl Display) -> BackendError {
    new(
        "E1707",
        FailureClass::Terminal,
        format!(
            "what answered when the container engine was to {attempted} does not speak its language: {cause}"
        ),
        "`DOCKER_HOST` must lead to a Docker engine, or to one that speaks the same API",
    )
}

pub(super) fn import(cause: impl Display, detail: String) -> BackendError {
    BackendError {
        detail,
        ..new(
            "E1708",
            FailureClass::Transient,
            format!("the image could not be brought into the container engine: {cause}"),
            "",
        )
    }
}

pub(super) fn way_out(machine: &str, first: &str, chosen: &str) -> BackendError {
    new(
        "E1709",
        FailureClass::Terminal,
        format!(
            "machine `{machine}` is to leave by network `{first}`, and this engine would let it leave by `{chosen}`"
        ),
        "give only one of its networks a gateway, or use an engine with API 1.48 (Docker 28) or later",
    )
}
