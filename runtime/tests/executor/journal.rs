//! Any prefix of a journal is a valid journal, and the record in the file is what its lines say.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rebar_agent::protocol::Verb;
use rebar_compiler::plan::{Addresses, Base, Hardware, Image, RecordedStep, Removal};
use rebar_runtime::backend::{MachineSpec, NetworkSpec, ObjectAction};
use rebar_runtime::journal::{Derived, Entry, FailedClass, Line, NodeFacts, Request, replay};
use rebar_runtime::state::{Opening, RunKind, State};

use crate::support::folder;

#[derive(Debug, Clone)]
enum Act {
    Network(u8, bool),
    Machine(u8, bool),
    Step(u8, u8, bool),
    Start(u8),
    Names,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..2_u8, any::<bool>()).prop_map(|(n, make)| Act::Network(n, make)),
        (0..3_u8, any::<bool>()).prop_map(|(n, make)| Act::Machine(n, make)),
        (0..3_u8, 0..4_u8, any::<bool>()).prop_map(|(n, s, make)| Act::Step(n, s, make)),
        (0..3_u8).prop_map(Act::Start),
        Just(Act::Names),
    ]
}

fn machine(n: u8) -> Box<MachineSpec> {
    let image = Image {
        name: "i".to_owned(),
        distribution: "debian".to_owned(),
        suite: "bookworm".to_owned(),
        variant: "minbase".to_owned(),
        packages: Vec::new(),
    };
    let hardware = Hardware {
        name: "h".to_owned(),
        cpu: 1,
        memory: 1,
        disks: BTreeMap::new(),
        nics: BTreeMap::new(),
    };
    Box::new(MachineSpec {
        name: format!("m{n}"),
        image,
        hardware,
        interfaces: Vec::new(),
        settings: BTreeMap::new(),
        digest: "d".to_owned(),
    })
}

fn request(act: &Act) -> Request {
    let object = |action, node, told| Request::Object {
        action,
        node,
        leaves: false,
        told,
    };
    match act {
        Act::Network(n, true) => {
            let network = NetworkSpec {
                name: format!("n{n}"),
                cidr: "10.0.0.0/24".parse().unwrap(),
                gateway: None,
                mtu: None,
            };
            object(ObjectAction::CreateNetwork { network }, None, Vec::new())
        }
        Act::Network(n, false) => object(
            ObjectAction::DestroyNetwork {
                name: format!("n{n}"),
            },
            None,
            Vec::new(),
        ),
        Act::Machine(n, true) => {
            let facts = NodeFacts {
                group: "g".to_owned(),
                addresses: Addresses::default(),
            };
            object(
                ObjectAction::CreateMachine { machine: machine(*n) },
                Some(facts),
                Vec::new(),
            )
        }
        Act::Machine(n, false) => object(
            ObjectAction::DestroyMachine {
                name: format!("m{n}"),
            },
            None,
            Vec::new(),
        ),
        Act::Start(n) => object(
            ObjectAction::StartMachine { machine: machine(*n) },
            None,
            Vec::new(),
        ),
        Act::Names => {
            let told = vec!["m0".to_owned(), "m2".to_owned()];
            object(
                ObjectAction::PublishNames {
                    names: BTreeMap::from([("m0".to_owned(), Vec::new())]),
                },
                None,
                told,
            )
        }
        Act::Step(n, s, make) => Request::Step {
            node: format!("m{n}"),
            verb: if *make { Verb::Ensure } else { Verb::Remove },
            step: Box::new(RecordedStep {
                address: format!("r.s{s}"),
                kind: "file".to_owned(),
                // Two of the steps are about the same thing.
                key: format!("k{}", s / 2),
                digest: "d".to_owned(),
                fields: BTreeMap::new(),
                removal: Removal::Restore,
                position: u32::from(*s),
                outputs: BTreeMap::new(),
                known_as: None,
            }),
        },
    }
}

/// What an executor may write: operations that are begun, end or do not, and are begun again.
fn lines(acts: &[(Act, u8)]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, (act, end)) in acts.iter().enumerate() {
        let line = |attempt, entry| Line {
            operation: format!("o{number}"),
            subject: format!("{act:?}"),
            attempt,
            entry,
        };
        let failed = Entry::Failed {
            class: FailedClass::Transient,
            message: "no".to_owned(),
            detail: String::new(),
        };
        let done = Entry::Done {
            changed: true,
            note: String::new(),
            prior: None,
            outputs: BTreeMap::new(),
            took: None,
        };
        let intent = || Entry::Intent {
            request: request(act),
        };
        lines.push(line(1, intent()));
        match end {
            0 => {}
            1 => lines.push(line(1, failed)),
            2 => lines.extend([line(1, failed), line(2, intent()), line(2, done)]),
            3 => lines.extend([
                line(2, intent()),
                line(
                    2,
                    Entry::Handle {
                        handle: "h".to_owned(),
                    },
                ),
                line(2, done),
            ]),
            _ => lines.extend([
                line(
                    1,
                    Entry::Handle {
                        handle: "h".to_owned(),
                    },
                ),
                line(1, done),
            ]),
        }
    }
    lines
}

async fn compare(state: &State, derived: &Derived) {
    let record = state.snapshot_record("d", "s").await.unwrap();
    assert!(record.networks.keys().eq(derived.networks.keys()));
    assert!(record.nodes.keys().eq(derived.machines.keys()));
    let details = state.node_details("d", "none").await.unwrap();
    for (name, node) in &record.nodes {
        let steps: BTreeMap<_, _> = derived.steps.iter().filter(|((of, _), _)| of == name).collect();
        assert_eq!(node.steps.len(), steps.len());
        for ((_, address), step) in steps {
            assert_eq!(node.steps[address], step.recipe);
            assert_eq!(
                node.unfinished.contains(address),
                step.unfinished,
                "{name}/{address}"
            );
            assert_eq!(
                details[name].served.contains(address),
                step.applied,
                "{name}/{address}"
            );
        }
        assert_eq!(details[name].told, derived.told.contains(name), "{name}");
    }
    assert_eq!(state.published_names("d").await.unwrap(), derived.names);
}

fn opening() -> Opening {
    Opening {
        kind: RunKind::Apply,
        plan_hash: "h".to_owned(),
        plan: "{}".to_owned(),
        site: "s".to_owned(),
        backend: "test".to_owned(),
        base: Base::default(),
        ledger: BTreeMap::new(),
        moves: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_prefix_replays_to_what_is_recorded(acts in prop::collection::vec((act(), 0..6_u8), 1..24), cut in 0.0..1.0_f64) {
        let all = lines(&acts);
        let lines = &all[..(all.len() as f64 * cut) as usize];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = folder();
            let state = State::in_folder(folder.path()).unwrap();
            let lease = state.lease("d", "s", "test").await.unwrap();
            let run = state.open_run(lease.token(), opening(), None).await.unwrap();
            // All sent before any is durable: they are committed in groups.
            let sent = lines.iter().map(|line| state.append(lease.token(), &run, vec![line.clone()]));
            for done in futures::future::join_all(sent).await {
                done.unwrap();
            }
            compare(&state, &replay(lines).unwrap()).await;
            let read = state.lines(&run).await.unwrap();
            assert_eq!(read.len(), lines.len());
            // It reads the same in a new process.
            drop((state, lease));
            let state = State::in_folder(folder.path()).unwrap();
            compare(&state, &replay(lines).unwrap()).await;
            for (read, line) in read.iter().zip(lines) {
                assert_eq!((&read.entry, &read.operation), (&line.entry, &line.operation));
            }
        });
    }
}

#[tokio::test]
async fn lines_that_contradict_are_refused_and_leave_the_others() {
    let folder = folder();
    let state = State::in_folder(folder.path()).unwrap();
    let lease = state.lease("d", "s", "test").await.unwrap();
    let run = state.open_run(lease.token(), opening(), None).await.unwrap();
    let of = |operation: &str, entry| Line {
        operation: operation.to_owned(),
        subject: "x".to_owned(),
        attempt: 1,
        entry,
    };
    let intent = Entry::Intent {
        request: request(&Act::Machine(0, true)),
    };
    let done = Entry::Done {
        changed: true,
        note: String::new(),
        prior: None,
        outputs: BTreeMap::new(),
        took: None,
    };
    let sent = [
        vec![of("a", intent.clone())],
        vec![of("b", intent.clone()), of("c", done.clone())],
        vec![of("a", done.clone())],
        vec![of("a", done.clone())],
        vec![of("a", intent)],
    ];
    let results = futures::future::join_all(sent.map(|lines| state.append(lease.token(), &run, lines))).await;
    let codes: Vec<_> = results
        .iter()
        .map(|r| r.as_ref().err().map(|e| e.code()))
        .collect();
    assert_eq!(codes, [None, Some("E1010"), None, Some("E1010"), Some("E1010")]);
    let subjects: Vec<_> = state
        .lines(&run)
        .await
        .unwrap()
        .into_iter()
        .map(|l| (l.operation, l.entry.kind()))
        .collect();
    assert_eq!(
        subjects,
        [("a".to_owned(), "intent"), ("a".to_owned(), "done")],
        "all lines of an append or none"
    );
    let raw = Line {
        operation: "z".to_owned(),
        subject: "z".to_owned(),
        attempt: 1,
        entry: done,
    };
    assert!(replay([&raw]).is_err());
}

/// Not a test by itself: the process that the next test kills. It says what it was told is durable.
#[tokio::test]
#[ignore = "run by `what_was_reported_survives_a_killed_process`"]
async fn child_that_appends() {
    let Ok(folder) = std::env::var("REBAR_TEST_FOLDER") else {
        return;
    };
    let state = State::in_folder(std::path::Path::new(&folder)).unwrap();
    let lease = state.lease("d", "s", "test").await.unwrap();
    let run = match state.runs("d", 1).await.unwrap().pop() {
        Some(run) => run.id,
        None => state.open_run(lease.token(), opening(), None).await.unwrap(),
    };
    let first = state.lines(&run).await.unwrap().len();
    for number in first.. {
        let appends = (0..4).map(|lane| {
            let operation = format!("{number}-{lane}");
            let line = Line {
                operation,
                subject: "x".to_owned(),
                attempt: 1,
                entry: Entry::Intent {
                    request: request(&Act::Machine(lane, true)),
                },
            };
            state.append(lease.token(), &run, vec![line])
        });
        futures::future::join_all(appends)
            .await
            .into_iter()
            .for_each(|done| done.unwrap());
        for lane in 0..4 {
            println!("durable {number}-{lane}");
        }
    }
}

#[tokio::test]
async fn what_was_reported_survives_a_killed_process() {
    use std::io::{BufRead, BufReader};
    let folder = folder();
    let mut reported = Vec::new();
    for round in 0..6 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "journal::child_that_appends",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env("REBAR_TEST_FOLDER", folder.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = reported.len() + 7 + 13 * round;
        while reported.len() < wanted {
            let line = lines.next().expect("the child goes on").unwrap();
            reported.extend(
                line.split_once("durable ")
                    .map(|(_, operation)| operation.to_owned()),
            );
        }
        // SIGKILL, in the middle of whatever it does.
        child.kill().unwrap();
        child.wait().unwrap();
        reported.extend(
            lines
                .map_while(Result::ok)
                .filter_map(|line| Some(line.split_once("durable ")?.1.to_owned())),
        );
    }
    let state = State::in_folder(folder.path()).unwrap();
    let run = state.runs("d", 1).await.unwrap().pop().unwrap();
    let held: std::collections::BTreeSet<String> = state
        .lines(&run.id)
        .await
        .unwrap()
        .into_iter()
        .map(|line| line.operation)
        .collect();
    let lost: Vec<_> = reported
        .iter()
        .filter(|operation| !held.contains(*operation))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} reported lines are lost: {lost:?}",
        lost.len(),
        reported.len()
    );
    println!("{} reported, {} held, after 6 kills", reported.len(), held.len());
    // The killed holder's lease is taken over.
    assert!(state.lease("d", "s", "test").await.unwrap().taken_over());
}
