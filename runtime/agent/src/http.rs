//! As much HTTP/1.1 as it takes to ask for one page, and finding addresses without a name service.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::root::Root;

/// A longer page is cut (bytes).
const LONGEST: usize = 4 * 1024 * 1024;

/// Where to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Host name or address.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
    /// Path with query, from `/`.
    pub(crate) path: String,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// The status.
    pub(crate) status: u16,
    /// The content.
    pub(crate) body: Vec<u8>,
}

/// Parts what follows `scheme://`. `default_port` stands in where none is written.
pub(crate) fn parse(rest: &str, default_port: Option<u16>) -> Result<Target, String> {
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    if authority.contains('@') {
        return Err("a name and password cannot stand in it".to_owned());
    }
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().map_err(|_| format!("`{port}` is no port"))?,
        None => default_port.ok_or("it needs a port")?,
    };
    if host.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it needs a host, and no spaces".to_owned());
    }
    let path = if path.starts_with('?') {
        format!("/{path}")
    } else {
        path.to_owned()
    };
    Ok(Target {
        host: host.to_owned(),
        port,
        path,
    })
}

/// The addresses of a host: written out, or from the node's host table.
pub(crate) fn addresses(root: &Root, host: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let table = std::fs::read_to_string(root.at("/etc/hosts")).unwrap_or_default();
    let mut found = Vec::new();
    for line in table.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse().ok()) else {
            continue;
        };
        if words.any(|name| name.eq_ignore_ascii_case(host)) && !found.contains(&address) {
            found.push(address);
        }
    }
    if found.is_empty() {
        Err(format!("`{host}` is not in the node's host table"))
    } else {
        Ok(found)
    }
}

/// Connects to the first address that answers.
pub(crate) fn connect(root: &Root, target: &Target, deadline: Instant) -> Result<TcpStream, String> {
    let mut last = String::new();
    for address in addresses(root, &target.host)? {
        let address = SocketAddr::new(address, target.port);
        match remaining(deadline).and_then(|time| TcpStream::connect_timeout(&address, time)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = describe(&error),
        }
    }
    Err(last)
}

/// Asks for a page.
pub(crate) fn get(root: &Root, target: &Target, deadline: Instant) -> Result<Page, String> {
    let mut stream = connect(root, target, deadline)?;
    let host = if target.host.contains(':') {
        format!("[{}]", target.host)
    } else {
        target.host.clone()
    };
    let host = if target.port == 80 {
        host
    } else {
        format!("{host}:{}", target.port)
    };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: rebar/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        target.path,
        env!("CARGO_PKG_VERSION")
    );
    let write = |stream: &mut TcpStream| -> io::Result<()> {
        stream.set_write_timeout(Some(remaining(deadline)?))?;
        stream.write_all(request.as_bytes())
    };
    write(&mut stream).map_err(|error| describe(&error))?;
    let answer = read_answer(&mut stream, deadline).map_err(|error| describe(&error))?;
    parse_answer(&answer)
}

fn read_answer(stream: &mut TcpStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        stream.set_read_timeout(Some(remaining(deadline)?))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(answer),
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Some servers reset the connection after a whole answer.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset && is_whole(&answer) => {
                return Ok(answer);
            }
            Err(error) => return Err(error),
        }
        if answer.len() >= LONGEST || is_whole(&answer) {
            return Ok(answer);
        }
    }
}

/// Whether nothing more needs to be waited for.
fn is_whole(answer: &[u8]) -> bool {
    let Some((head, body)) = split_head(answer) else {
        return false;
    };
    match header(head, "content-length").and_then(|value| value.parse::<usize>().ok()) {
        Some(length) => body.len() >= length,
        None => is_chunked(head) && chunks(body).is_some_and(|(_, ended)| ended),
    }
}

fn parse_answer(answer: &[u8]) -> Result<Page, String> {
    if answer.is_empty() {
        return Err("closed the connection without an answer".to_owned());
    }
    let not_http = || "the answer is not HTTP".to_owned();
    let (head, body) = split_head(answer).ok_or_else(not_http)?;
    let mut words = head.lines().next().unwrap_or_default().split_whitespace();
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|status| status.parse().ok());
    let Some(status) = status.filter(|_| version.starts_with("HTTP/1.")) else {
        return Err(not_http());
    };
    let body = if is_chunked(head) {
        chunks(body).ok_or("the answer's chunks cannot be read")?.0
    } else {
        body.to_vec()
    };
    Ok(Page { status, body })
}

fn split_head(answer: &[u8]) -> Option<(&str, &[u8])> {
    let at = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&answer[..at]).ok()?, &answer[at + 4..]))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn is_chunked(head: &str) -> bool {
    header(head, "transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked"))
}

/// The content of all whole chunks, and whether the last has been seen; nothing when they make no sense.
fn chunks(mut rest: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|window| window == b"\r\n") else {
            return Some((body, false));
        };
        let size = std::str::from_utf8(&rest[..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some((body, true));
        }
        let begin = end + 2;
        let stop = begin.checked_add(size)?;
        let Some(chunk) = rest.get(begin..stop) else {
            return Some((body, false));
        };
        body.extend_from_slice(chunk);
        rest = rest.get(stop + 2..).unwrap_or_default();
    }
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    match deadline.checked_duration_since(Instant::now()) {
        Some(time) if time > Duration::from_millis(1) => Ok(time),
        Some(_) | None => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".to_owned(),
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_parted() {
        let target =
            |rest: &str, port| parse(rest, port).map(|target| (target.host, target.port, target.path));
        let expect = |host: &str, port, path: &str| Ok((host.to_owned(), port, path.to_owned()));
        assert_eq!(
            target("web-1:8080/a?b#c", Some(80)),
            expect("web-1", 8080, "/a?b")
        );
        assert_eq!(target("10.0.0.1", Some(80)), expect("10.0.0.1", 80, "/"));
        assert_eq!(target("[::1]:90?x", Some(80)), expect("::1", 90, "/?x"));
        assert!(target("a", None).is_err());
        assert!(target("a:99999", None).is_err());
        assert!(target(":80", None).is_err());
        assert!(target("a b:80", None).is_err());
    }

    #[test]
    fn answers_are_read() {
        let page = parse_answer(b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n").unwrap();
        assert_eq!((page.status, page.body.len()), (204, 0));
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        assert!(is_whole(chunked));
        assert!(!is_whole(&chunked[..chunked.len() - 6]));
        assert_eq!(parse_answer(chunked).unwrap().body, b"abcde");
        assert!(is_whole(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nab"));
        assert!(parse_answer(b"SSH-2.0\r\n\r\n").is_err());
        assert!(parse_answer(b"").is_err());
        assert!(parse_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").is_err());
    }

    #[test]
    fn names_come_from_the_host_table() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        std::fs::write(
            folder.path().join("etc/hosts"),
            "# 9.9.9.9 db\n10.0.0.1 web DB # rebar\n::1 db\n",
        )
        .unwrap();
        let root = Root::new(folder.path());
        assert_eq!(addresses(&root, "db").unwrap().len(), 2);
        assert_eq!(addresses(&root, "192.0.2.1").unwrap().len(), 1);
        assert!(addresses(&root, "rebar").is_err());
    }
}
