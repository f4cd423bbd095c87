//! Talking to the real program.

#![allow(dead_code, unreachable_pub)] // Each test binary uses its own part.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rebar_agent::protocol::{Event, OperationState, PROTOCOL, PlannedStep, Removal, Request, Step, Verb};
use serde_json::Value;

pub const DEPLOY: &str = "deploy-1";

/// A node in a temporary folder.
pub struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        Bench { folder }
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rebar-agent"));
        command.arg("--root").arg(self.root());
        command
    }

    /// Starts the agent and hands it the request.
    pub fn start(&self, request: &Request) -> Child {
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = serde_json::to_vec(request).unwrap();
        line.push(b'\n');
        child.stdin.take().unwrap().write_all(&line).unwrap();
        child
    }

    /// All events of a request, without the greeting and the end, which are checked.
    pub fn ask(&self, request: &Request) -> Vec<Event> {
        let mut child = self.start(request);
        let events: Vec<Event> = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect();
        assert!(child.wait().unwrap().success());
        assert!(matches!(
            events.first(),
            Some(Event::Hello {
                protocol: PROTOCOL,
                ..
            })
        ));
        assert_eq!(events.last(), Some(&Event::End));
        events[1..events.len() - 1].to_vec()
    }

    pub fn apply(&self, steps: Vec<PlannedStep>) -> Vec<Event> {
        self.ask(&apply(steps))
    }

    pub fn probe(&self, operation: &str) -> OperationState {
        self.probe_all(vec![operation.to_owned()]).remove(0).1
    }

    pub fn probe_all(&self, operations: Vec<String>) -> Vec<(String, OperationState)> {
        let events = self.ask(&Request::Probe {
            protocol: PROTOCOL,
            deploy: DEPLOY.into(),
            operations,
        });
        let states = events.into_iter().map(|event| match event {
            Event::Operation { operation, state } => (operation, state),
            other => panic!("{other:?}"),
        });
        states.collect()
    }
}

pub fn apply(steps: Vec<PlannedStep>) -> Request {
    Request::Apply {
        protocol: PROTOCOL,
        deploy: DEPLOY.into(),
        epoch: 1,
        steps,
    }
}

pub fn step(address: &str, action: &str, key: &str, fields: Value) -> Step {
    Step {
        address: address.into(),
        action: action.into(),
        key: key.into(),
        fields: serde_json::from_value(fields).unwrap(),
        removal: Removal::Restore,
        loads: BTreeMap::new(),
        secret: Vec::new(),
        replaced: false,
    }
}

pub fn file(address: &str, path: &str, content: &str) -> Step {
    let (owner, group) = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    let fields = serde_json::json!({
        "path": path, "content": content, "mode": "0640", "owner": owner.to_string(), "group": group.to_string()
    });
    step(address, "file", path, fields)
}

pub fn ensure(operation: &str, step: Step) -> PlannedStep {
    PlannedStep {
        operation: operation.into(),
        verb: Verb::Ensure,
        step,
    }
}

pub fn remove(operation: &str, step: Step) -> PlannedStep {
    PlannedStep {
        operation: operation.into(),
        verb: Verb::Remove,
        step,
    }
}

/// Ids and notes of what was done.
pub fn done(events: &[Event]) -> Vec<(String, bool, String)> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Done {
                operation,
                changed,
                note,
                ..
            } => Some((operation.clone(), *changed, note.clone())),
            _ => None,
        })
        .collect()
}
