//! The real program, asked over its standard input, on a node in a temporary folder.

#![allow(clippy::unwrap_used)] // The helpers of a test may fail as the test itself may.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rebar_agent::protocol::{
    Event, FailureClass, Observation, OperationState, PROTOCOL, Prior, Removal, Request,
};
use serde_json::json;
use support::{Bench, DEPLOY, apply, done, ensure, file, remove, step};

fn refusal(events: &[Event]) -> (&str, &str) {
    match events {
        [Event::Refused { code, message }] => (code, message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_segment_is_carried_out_in_order_and_once() {
    let bench = Bench::new();
    let steps = vec![
        ensure("o1", file("r.a", "/etc/a", "one")),
        ensure("o2", file("r.b", "/etc/b", "two")),
    ];
    let events = bench.apply(steps.clone());
    assert_eq!(
        done(&events),
        [
            ("o1".into(), true, "wrote 3 bytes".into()),
            ("o2".into(), true, "wrote 3 bytes".into())
        ]
    );
    assert!(matches!(&events[0], Event::Started { operation } if operation == "o1"));
    assert!(matches!(
        bench.probe("o1"),
        OperationState::Done { changed: true, prior: Prior::Absent, outputs } if outputs.contains_key("sha256")
    ));
    assert_eq!(bench.probe("o9"), OperationState::Unseen);

    // The same operations again: answered from the journal, nothing is begun.
    assert_eq!(bench.apply(steps.clone()).len(), 2);
    // Unless the node no longer is as the journal says.
    std::fs::write(bench.at("/etc/b"), "other").unwrap();
    let events = bench.apply(steps);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Started { operation } if operation == "o2"))
    );
    assert_eq!(std::fs::read_to_string(bench.at("/etc/b")).unwrap(), "two");
}

#[test]
fn the_first_failure_ends_the_segment() {
    let bench = Bench::new();
    let steps = vec![
        ensure("o1", file("r.a", "/etc/a", "one")),
        ensure("o2", file("r.b", "/nowhere/b", "two")),
        ensure("o3", file("r.c", "/etc/c", "three")),
    ];
    let events = bench.apply(steps);
    match events.last().unwrap() {
        Event::Failed {
            operation,
            class: FailureClass::Terminal,
            message,
            ..
        } => {
            assert_eq!(operation, "o2");
            assert!(message.contains("add a `directory` step"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(bench.probe("o2"), OperationState::Failed { .. }));
    assert_eq!(bench.probe("o3"), OperationState::Unseen);
    assert!(!bench.at("/etc/c").exists());
}

#[test]
fn removal_puts_back_what_was_there() {
    let bench = Bench::new();
    std::fs::write(bench.at("/etc/a"), "old").unwrap();
    let (a, b) = (file("r.a", "/etc/a", "one"), file("r.b", "/etc/b", "two"));
    bench.apply(vec![ensure("o1", a.clone()), ensure("o2", b.clone())]);
    bench.apply(vec![ensure("o3", file("r.a", "/etc/a", "newer"))]);
    let events = bench.apply(vec![remove("x2", b.clone()), remove("x1", a.clone())]);
    assert_eq!(
        done(&events),
        [
            ("x2".into(), true, "removed".into()),
            ("x1".into(), true, "restored the former 3 bytes".into())
        ]
    );
    assert_eq!(std::fs::read_to_string(bench.at("/etc/a")).unwrap(), "old");
    assert!(!bench.at("/etc/b").exists());
    // Asked again under the same id, and under a new one when it is no longer ours.
    assert_eq!(
        done(&bench.apply(vec![remove("x1", a)]))[0].2,
        "restored the former 3 bytes"
    );
    std::fs::write(bench.at("/etc/b"), "of somebody else").unwrap();
    assert_eq!(
        done(&bench.apply(vec![remove("x4", b)]))[0].2,
        "left: rebar has no record of it"
    );
    assert!(bench.at("/etc/b").exists());
}

#[test]
fn a_renamed_step_keeps_its_thing() {
    let bench = Bench::new();
    std::fs::write(bench.at("/etc/a"), "old").unwrap();
    let old = file("r.old", "/etc/a", "one");
    let new = file("r.new", "/etc/a", "one");
    bench.apply(vec![ensure("o1", old.clone())]);
    let events = bench.apply(vec![remove("o2", old.clone()), ensure("o3", new.clone())]);
    assert_eq!(done(&events)[0].2, "handed over to `r.new`");
    assert_eq!(
        done(&bench.apply(vec![remove("o4", old)]))[0].2,
        "left: it belongs to `r.new` now"
    );
    bench.apply(vec![remove("o5", new)]);
    assert_eq!(std::fs::read_to_string(bench.at("/etc/a")).unwrap(), "old");
}

#[test]
fn what_is_forgotten_stays() {
    let bench = Bench::new();
    let mut kept = file("r.a", "/etc/a", "one");
    kept.removal = Removal::Forget;
    bench.apply(vec![ensure("o1", kept.clone())]);
    assert_eq!(done(&bench.apply(vec![remove("o2", kept)]))[0].2, "left as it is");
    assert!(bench.at("/etc/a").exists());
}

#[test]
fn observe_changes_nothing_and_tells_what_differs() {
    let bench = Bench::new();
    let (a, b) = (file("r.a", "/etc/a", "one"), file("r.b", "/etc/b", "two"));
    bench.apply(vec![ensure("o1", a.clone())]);
    let journal = std::fs::read(bench.at("/var/lib/rebar/journal")).unwrap();
    let strange = step("r.c", "teleport", "x", json!({}));
    let request = Request::Observe {
        protocol: PROTOCOL,
        deploy: DEPLOY.into(),
        steps: vec![a, b, strange],
    };
    let events = bench.ask(&request);
    let states: Vec<&Observation> = events
        .iter()
        .map(|event| match event {
            Event::Observed { state, .. } => state,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(states[0], &Observation::InSync);
    assert_eq!(
        states[1],
        &Observation::Differs {
            what: "missing".into()
        }
    );
    assert!(matches!(states[2], Observation::Unknown { because } if because.contains("teleport")));
    assert_eq!(
        std::fs::read(bench.at("/var/lib/rebar/journal")).unwrap(),
        journal
    );
}

#[test]
fn other_deploys_and_older_writers_are_refused() {
    let bench = Bench::new();
    let steps = vec![ensure("o1", file("r.a", "/etc/a", "one"))];
    let request = |deploy: &str, epoch| Request::Apply {
        protocol: PROTOCOL,
        deploy: deploy.into(),
        epoch,
        steps: steps.clone(),
    };
    bench.ask(&request("ours", 5));
    assert_eq!(refusal(&bench.ask(&request("theirs", 6))).0, "E1303");
    assert_eq!(refusal(&bench.ask(&request("ours", 4))).0, "E1304");
    assert_eq!(done(&bench.ask(&request("ours", 5))).len(), 1);
    let observe = Request::Observe {
        protocol: PROTOCOL,
        deploy: "theirs".into(),
        steps: Vec::new(),
    };
    assert_eq!(refusal(&bench.ask(&observe)).0, "E1303");
}

#[test]
fn a_bad_step_refuses_the_whole_segment_before_anything_is_done() {
    let bench = Bench::new();
    let bad = step("r.b", "file", "/etc/b", json!({ "path": "/etc/b" }));
    let events = bench.apply(vec![
        ensure("o1", file("r.a", "/etc/a", "one")),
        ensure("o2", bad),
    ]);
    assert_eq!(
        refusal(&events),
        ("E1307", "step `r.b`: field `content` of `file`: is missing")
    );
    assert!(!bench.at("/etc/a").exists());
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let bench = Bench::new();
    let cases = [
        ("hello\n".to_owned(), "E1301"),
        (String::new(), "E1301"),
        ("{\"request\":\"dance\",\"protocol\":1}\n".to_owned(), "E1301"),
        ("{\"request\":\"facts\"}\n".to_owned(), "E1301"),
        ("{\"request\":\"facts\",\"protocol\":7}\n".to_owned(), "E1302"),
        (
            format!("{{\"request\":\"{}\"}}\n", "x".repeat(17 * 1024 * 1024)),
            "E1301",
        ),
        ("[".repeat(100_000), "E1301"),
    ];
    for (text, expected) in cases {
        let mut child = bench
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The agent stops reading what is too long.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        let output = child.wait_with_output().unwrap();
        let lines: Vec<Event> = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        assert_eq!(
            refusal(&lines[1..2]).0,
            expected,
            "{}",
            &text[..text.len().min(60)]
        );
        assert_eq!(lines.last(), Some(&Event::End));
    }
}

#[test]
fn a_second_agent_waits_and_a_probe_says_running() {
    let bench = Bench::new();
    let slow = step(
        "r.slow",
        "command",
        "slow",
        json!({ "run": "sleep 1.5", "once": true }),
    );
    let mut first = bench.start(&apply(vec![ensure("slow", slow)]));
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    let started = lines
        .by_ref()
        .map(|line| line.unwrap())
        .find(|line| line.contains("started"));
    assert!(started.is_some());
    assert_eq!(bench.probe("slow"), OperationState::Running);
    let begin = Instant::now();
    let events = bench.apply(vec![ensure("o1", file("r.a", "/etc/a", "one"))]);
    assert_eq!(done(&events).len(), 1);
    assert!(begin.elapsed() > Duration::from_millis(500));
    assert!(first.wait().unwrap().success());
    assert!(matches!(
        bench.probe("slow"),
        OperationState::Done { changed: true, .. }
    ));
}

#[test]
fn a_broken_line_ends_the_segment_after_the_step_in_hand() {
    let bench = Bench::new();
    let run = format!("sleep 0.5; touch {}", bench.at("/etc/made").display());
    let steps = vec![
        ensure(
            "o1",
            step(
                "r.slow",
                "command",
                "slow",
                json!({ "run": run, "creates": "/etc/made" }),
            ),
        ),
        ensure(
            "o2",
            step(
                "r.next",
                "command",
                "next",
                json!({ "run": "true", "once": true }),
            ),
        ),
    ];
    let mut child = bench.start(&apply(steps));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap().contains("started")));
    drop(lines);
    assert!(!child.wait().unwrap().success());
    assert!(matches!(bench.probe("o1"), OperationState::Done { .. }));
    assert_eq!(bench.probe("o2"), OperationState::Unseen);
}

#[test]
fn what_a_person_told_the_controller_holds_on_the_node() {
    for happened in [true, false] {
        let bench = Bench::new();
        let count = bench.at("/etc/count");
        let run = format!("echo x >> {}; sleep 0.4", count.display());
        let once = || {
            let fields = json!({ "run": run, "once": true });
            ensure("o1", step("r.init", "command", "init", fields))
        };
        let runs = || std::fs::read_to_string(&count).map_or(0, |text| text.lines().count());
        let mut child = bench.start(&apply(vec![once()]));
        let deadline = Instant::now() + Duration::from_secs(5);
        while runs() == 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let answer = bench.ask(&Request::Settle {
            protocol: PROTOCOL,
            deploy: DEPLOY.into(),
            epoch: 1,
            address: "r.init".into(),
            done: happened,
        });
        assert!(answer.is_empty(), "{answer:?}");
        assert_eq!(done(&bench.apply(vec![once()])).len(), 1);
        assert_eq!(runs(), if happened { 1 } else { 2 });
    }
}

#[test]
fn a_crash_inside_a_once_command_asks() {
    let bench = Bench::new();
    let count = bench.at("/etc/count");
    let run = format!("echo x >> {}; sleep 0.4", count.display());
    let once = || {
        ensure(
            "o1",
            step("r.init", "command", "init", json!({ "run": run, "once": true })),
        )
    };
    let runs = || std::fs::read_to_string(&count).map_or(0, |text| text.lines().count());

    let mut child = bench.start(&apply(vec![once()]));
    let deadline = Instant::now() + Duration::from_secs(5);
    while runs() == 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(bench.probe("o1"), OperationState::Broken);
    let events = bench.apply(vec![once()]);
    match events.as_slice() {
        [
            Event::Failed {
                class: FailureClass::Ambiguous,
                message,
                ..
            },
        ] => {
            assert!(
                message.contains("accept r.init") && message.contains("forget r.init"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(runs(), 1);

    // The controller may answer for a person, but only about what was broken off.
    let settle = |address: &str| {
        bench.ask(&Request::Settle {
            protocol: PROTOCOL,
            deploy: DEPLOY.into(),
            epoch: 1,
            address: address.into(),
            done: false,
        })
    };
    assert_eq!(refusal(&settle("r.other")).0, "E1307");

    // A person answers that it was not done.
    assert!(
        !bench
            .command()
            .args(["forget", "r.other"])
            .status()
            .unwrap()
            .success()
    );
    assert!(
        bench
            .command()
            .args(["forget", "r.init"])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        done(&bench.apply(vec![once()])),
        [("o1".into(), true, "run".into())]
    );
    assert_eq!(runs(), 2);
    assert_eq!(refusal(&settle("r.init")).0, "E1307", "nothing is open any more");
    // Done once is done for good, under any operation.
    let mut again = once();
    again.operation = "o2".into();
    assert_eq!(
        done(&bench.apply(vec![again])),
        [("o2".into(), false, "it has been run once".into())]
    );
    assert_eq!(runs(), 2);
}

#[test]
fn a_broken_off_once_command_can_be_accepted_or_tested() {
    for accept in [true, false] {
        let bench = Bench::new();
        let mark = bench.at("/etc/mark");
        let run = format!("touch {}; sleep 0.4", mark.display());
        let mut fields = json!({ "run": run, "once": true });
        let mut child = bench.start(&apply(vec![ensure(
            "o1",
            step("r.i", "command", "i", fields.clone()),
        )]));
        while !mark.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if accept {
            assert!(
                bench
                    .command()
                    .args(["accept", "r.i"])
                    .status()
                    .unwrap()
                    .success()
            );
        } else {
            fields["creates"] = json!("/etc/mark");
        }
        let events = bench.apply(vec![ensure("o1", step("r.i", "command", "i", fields))]);
        assert_eq!(done(&events).len(), 1, "{events:?}");
        assert!(!done(&events)[0].1);
    }
}

#[test]
fn facts_need_no_deploy() {
    let bench = Bench::new();
    match bench.ask(&Request::Facts { protocol: PROTOCOL }).as_slice() {
        [Event::Facts { facts }] => assert!(facts["clock"].as_u64().unwrap() > 0),
        other => panic!("{other:?}"),
    }
    assert!(!bench.at("/var/lib/rebar").exists());
}
