//! The spans of a run reach a collector, each under its parent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use crate::support::World;
use crate::support::machines::{Backend, alone};

const SPEC: &str = r#"
use std.linux { file }
use std.image { bookworm_bare }

network  inner { cidr = 10.117.9.0/24, gateway = 10.117.9.1 }
hardware tiny {
  cpu = 1, memory = 128MiB
  nic eth0 { network = inner }
}

role application() {
  file note { path = "/etc/note", content = "ours" }
}

workload one() {
  node lone { hardware = tiny }
  run apps = application() on lone
}

site laptop { machines = local(image = bookworm_bare) }
deploy single = one() on laptop
"#;

/// A span: its id, its parent's, its name.
type Span = (Vec<u8>, Vec<u8>, String);

/// The fields of a protocol-buffers message that hold bytes, with their numbers.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        while let Some((first, rest)) = bytes.split_first() {
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            shift += 7;
            if first & 0x80 == 0 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes);
        match key & 7 {
            0 => drop(number(&mut bytes)),
            1 => bytes = &bytes[8..],
            2 => {
                let length = usize::try_from(number(&mut bytes)).unwrap();
                let (value, rest) = bytes.split_at(length);
                found.push((key >> 3, value));
                bytes = rest;
            }
            5 => bytes = &bytes[4..],
            other => panic!("wire type {other}"),
        }
    }
    found
}

fn below(message: &[u8], number: u64) -> Vec<&[u8]> {
    fields(message)
        .into_iter()
        .filter(|(n, _)| *n == number)
        .map(|(_, value)| value)
        .collect()
}

/// The spans of an export: resource, scope, span.
fn spans(body: &[u8]) -> Vec<Span> {
    let spans = below(body, 1)
        .into_iter()
        .flat_map(|resource| below(resource, 2))
        .flat_map(|scope| below(scope, 2));
    let one = |span: &[u8], number: u64| {
        below(span, number)
            .first()
            .map(|value| value.to_vec())
            .unwrap_or_default()
    };
    spans
        .map(|span| {
            (
                one(span, 2),
                one(span, 4),
                String::from_utf8(one(span, 5)).unwrap(),
            )
        })
        .collect()
}

/// A collector on a port of its own; gathers what it is sent.
fn collector() -> (String, Arc<Mutex<Vec<Span>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let gathered = Arc::new(Mutex::new(Vec::new()));
    let all = gathered.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            all.lock().unwrap().extend(spans(&body));
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, gathered)
}

#[test]
fn the_spans_of_a_run_reach_a_collector_each_under_its_parent() {
    let _alone = alone();
    if !Backend::Local.is_here("exporting spans") {
        return;
    }
    let world = World::of_spec(SPEC);
    let (address, gathered) = collector();
    let output = world
        .command(&["apply", "single", "--yes"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &address)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let spans = gathered.lock().unwrap().clone();
    let parent = |name: &str| {
        let (_, parent, _) = spans
            .iter()
            .find(|(_, _, own)| own == name)
            .unwrap_or_else(|| panic!("{name}: {spans:?}"));
        spans
            .iter()
            .find(|(id, _, _)| id == parent)
            .map(|(_, _, name)| name.as_str())
    };
    assert_eq!(parent("backend call"), Some("object"));
    assert_eq!(parent("object"), Some("run"));
    assert_eq!(parent("step"), Some("segment"));
    assert_eq!(parent("segment"), Some("run"));
    // A collector that is not there costs nothing but the spans.
    let output = world
        .command(&["destroy", "single", "--yes"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
