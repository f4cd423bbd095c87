//! The line to the engine: where it is, whether it is one, and a deadline for everything that it is asked.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::errors;
use crate::backend::BackendError;

const DEFAULT: &str = "unix:///var/run/docker.sock";
/// The first API with namespaces for control groups, Docker 20.10.
const OLDEST: (usize, usize) = (1, 41);
/// How long a question may take. An engine that makes many containers at once is slow to answer anything.
pub(super) const SHORT: Duration = Duration::from_secs(60);
/// How long a change may take.
pub(super) const LONG: Duration = Duration::from_secs(180);
/// How long the engine may take to say that it is there.
const GREETING: Duration = Duration::from_secs(10);
/// No call of ours may be ended by the library's own limit.
const NEVER: u64 = 24 * 60 * 60;

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A socket of this host.
    Unix(String),
    /// A host and a port, without encryption.
    Tcp(String),
}

impl Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Unix(path) => write!(formatter, "unix://{path}"),
            Address::Tcp(host) => write!(formatter, "tcp://{host}"),
        }
    }
}

/// The address that `DOCKER_HOST` names, or where engines listen by default.
pub(super) fn address() -> Result<Address, BackendError> {
    let text = std::env::var_os("DOCKER_HOST").unwrap_or_default();
    match text.to_str() {
        Some("") => parse(DEFAULT),
        Some(text) => parse(text),
        // Never another engine than the one that was meant.
        None => Err(errors::address(&text.to_string_lossy(), "it is not UTF-8")),
    }
}

fn parse(text: &str) -> Result<Address, BackendError> {
    let refuse = |cause| Err(errors::address(text, cause));
    match text.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Ok(Address::Unix(path.to_owned())),
        Some(("unix", _)) => refuse("the path of a socket begins with `/`"),
        Some(("tcp" | "http", host)) => {
            let host = host.trim_end_matches('/');
            let port = host
                .rsplit_once(':')
                .and_then(|(_, port)| port.parse::<u16>().ok());
            match port {
                Some(_) if !host.contains('/') => Ok(Address::Tcp(host.to_owned())),
                _ => refuse("it needs a host and a port, and nothing else"),
            }
        }
        Some(_) => refuse("only `unix://` and `tcp://` are understood"),
        None => refuse("it has no scheme"),
    }
}

/// An engine that has answered.
#[derive(Debug)]
pub(super) struct Engine {
    /// The client, at a version of the API that both know.
    pub(super) client: Docker,
    /// Where it is.
    pub(super) address: Address,
    /// The API's version.
    pub(super) api: (usize, usize),
    /// The engine's own id, if it has one.
    pub(super) id: Option<String>,
    /// The engine's own version.
    pub(super) version: String,
    /// How it runs systemd.
    pub(super) groups: ControlGroups,
}

/// The engine's control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ControlGroups {
    /// Whether they are the unified hierarchy, version 2.
    pub(super) unified: bool,
    /// Whether systemd of the engine's host makes them.
    pub(super) systemd: bool,
}

impl Engine {
    /// Finds the engine and asks who it is.
    ///
    /// # Errors
    /// `E1701` to `E1704`, `E1706`, `E1707`.
    pub(super) async fn connect() -> Result<Engine, BackendError> {
        Engine::at(address()?, GREETING).await
    }

    async fn at(address: Address, greeting: Duration) -> Result<Engine, BackendError> {
        knock(&address, greeting).await?;
        let client = match &address {
            Address::Unix(path) => Docker::connect_with_unix(path, NEVER, API_DEFAULT_VERSION),
            Address::Tcp(host) => {
                Docker::connect_with_http(&format!("http://{host}"), NEVER, API_DEFAULT_VERSION)
            }
        };
        let client = client.map_err(|error| errors::unreachable(&address, error))?;
        let attempted = "say its version";
        let version = call(attempted, greeting, client.version()).await?;
        let api_text = version.api_version.unwrap_or_default();
        let api =
            api(&api_text).ok_or_else(|| errors::garbled(attempted, "it names no version of the API"))?;
        let version = version.version.unwrap_or_default();
        if api < OLDEST {
            return Err(errors::too_old(&version, &api_text));
        }
        let client = call(attempted, greeting, client.negotiate_version()).await?;
        let info = call("tell about itself", greeting, client.info()).await?;
        let is = |value: Option<String>, wanted: &str| value.as_deref() == Some(wanted);
        let groups = ControlGroups {
            unified: is(info.cgroup_version.map(|version| version.to_string()), "2"),
            systemd: is(info.cgroup_driver.map(|driver| driver.to_string()), "systemd"),
        };
        Ok(Engine {
            client,
            address,
            api,
            id: info.id.filter(|id| !id.is_empty()),
            version,
            groups,
        })
    }

    /// Whether the engine's host is this one, as far as that can be told.
    pub(super) fn is_here(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }
}

fn api(text: &str) -> Option<(usize, usize)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Tries to reach the address: what the kernel says is clearer than what is left of it further up.
async fn knock(address: &Address, patience: Duration) -> Result<(), BackendError> {
    let attempt = async {
        match address {
            Address::Unix(path) => UnixStream::connect(Path::new(path)).await.map(drop),
            Address::Tcp(host) => TcpStream::connect(host).await.map(drop),
        }
    };
    match timeout(patience, attempt).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => Err(errors::forbidden(address)),
        Ok(Err(error)) => Err(errors::unreachable(address, plain(&error))),
        Err(_) => Err(errors::unreachable(
            address,
            format!("it does not answer within {} s", patience.as_secs()),
        )),
    }
}

fn plain(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such socket",
        io::ErrorKind::ConnectionRefused => "nobody listens there",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no way to that host",
        _ => "the connection failed",
    }
}

/// Asks the engine for something, for so long at most. What it did when no answer came, nobody knows.
pub(super) async fn call<T>(
    attempted: &str,
    patience: Duration,
    question: impl Future<Output = Result<T, Error>>,
) -> Result<T, BackendError> {
    answer(attempted, patience, question)
        .await?
        .map_err(|refusal| errors::refused(attempted, refusal.status, &refusal.message))
}

/// What the engine said instead of doing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
}

/// As [`call`], where some refusals are expected and mean something to the caller.
pub(super) async fn answer<T>(
    attempted: &str,
    patience: Duration,
    question: impl Future<Output = Result<T, Error>>,
) -> Result<Result<T, Refusal>, BackendError> {
    match timeout(patience, question).await {
        Ok(Ok(value)) => Ok(Ok(value)),
        Ok(Err(Error::DockerResponseServerError { status_code, message })) => Ok(Err(Refusal {
            status: status_code,
            message,
        })),
        Ok(Err(error)) => Err(broken(attempted, &error)),
        Err(_) => {
            let cause = format!("{} s have passed", patience.as_secs());
            Err(errors::silent(attempted, cause))
        }
    }
}

fn broken(attempted: &str, error: &Error) -> BackendError {
    match error {
        Error::JsonDataError { .. }
        | Error::JsonSerdeError { .. }
        | Error::StrParseError { .. }
        | Error::APIVersionParseError {} => errors::garbled(attempted, error),
        other => {
            // The library's own sentence says little; the last cause says what happened.
            let mut cause: &dyn std::error::Error = other;
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            let text = cause.to_string();
            if text.contains("HTTP") || text.contains("parse") {
                errors::garbled(attempted, text)
            } else {
                errors::silent(attempted, text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_or_refused() {
        assert_eq!(
            parse(DEFAULT).unwrap(),
            Address::Unix("/var/run/docker.sock".into())
        );
        assert_eq!(
            parse("tcp://10.0.0.1:2375").unwrap(),
            Address::Tcp("10.0.0.1:2375".into())
        );
        for wrong in [
            "ssh://root@host",
            "unix://relative",
            "tcp://host",
            "tcp://host:2375/path",
            "/var/run/docker.sock",
            "npipe:////./pipe/docker_engine",
        ] {
            assert_eq!(parse(wrong).unwrap_err().code, "E1703", "{wrong}");
        }
    }

    /// Something at a port of this host that gives this answer to everybody, or none.
    async fn stranger(answer: Option<&'static str>) -> Address {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut question = [0; 4096];
                    let _ = stream.read(&mut question).await;
                    if let Some(answer) = answer {
                        let _ = stream.write_all(answer.as_bytes()).await;
                    } else {
                        tokio::time::sleep(SHORT).await;
                    }
                });
            }
        });
        Address::Tcp(address)
    }

    async fn code(answer: Option<&'static str>) -> &'static str {
        let found = Engine::at(stranger(answer).await, Duration::from_secs(1)).await;
        found.map(|_| ()).unwrap_err().code
    }

    #[tokio::test]
    async fn what_is_no_engine_is_told_apart() {
        let no_json = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        let other = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let old = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 41\r\nConnection: close\r\n\r\n\
                   {\"Version\":\"19.03.8\",\"ApiVersion\":\"1.40\"}";
        let nameless = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        assert_eq!(code(Some("SSH-2.0-OpenSSH_9.2\r\n")).await, "E1707");
        assert_eq!(code(Some(no_json)).await, "E1707");
        assert_eq!(code(Some(nameless)).await, "E1707");
        assert_eq!(code(Some(other)).await, "E1705");
        assert_eq!(code(Some(old)).await, "E1704");
        assert_eq!(code(None).await, "E1706");
    }

    #[tokio::test]
    async fn nobody_there_is_told_with_the_cause() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock").display().to_string();
        let error = Engine::at(Address::Unix(path), GREETING).await.unwrap_err();
        assert_eq!(error.code, "E1701");
        assert!(error.message.ends_with("there is no such socket"), "{error}");
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let error = Engine::at(Address::Tcp(address), GREETING).await.unwrap_err();
        assert_eq!(error.code, "E1701");
        assert!(error.message.ends_with("nobody listens there"), "{error}");
    }
}
