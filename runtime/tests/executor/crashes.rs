//! The program is ended at every line of the journal, on either side of it, and then goes on. The world must end up
//! as if nothing had happened, with nothing made twice and nothing left that the journal does not know.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rebar_compiler::plan::Plan;
use rebar_runtime::execute::{ExecuteError, Outcome, Status, destroy, execute};
use rebar_runtime::journal::{Line, replay};
use rebar_runtime::state::State;

use crate::support::crash::{CrashAt, Side};
use crate::support::spec::Spec;
use crate::support::world::{Leaves, Picture, TestWorld};
use crate::support::{context, folder, plan};

/// What is done after the crash.
#[derive(Debug, Clone, Copy, PartialEq)]
enum After {
    /// The same plan is applied again.
    Resume,
    /// A new plan is made and applied.
    Replan,
}

/// Specs that are applied one after the other; the last is the one that crashes. Nothing: destroy.
type Road = Vec<Option<Spec>>;

struct Ground {
    folder: tempfile::TempDir,
    world: Arc<TestWorld>,
}

impl Ground {
    fn new() -> Ground {
        Ground {
            folder: folder(),
            world: TestWorld::new(),
        }
    }

    /// Opens the state anew, as a new process would.
    fn state(&self) -> State {
        State::in_folder(self.folder.path()).unwrap()
    }

    async fn go(
        &self,
        wanted: Option<&Spec>,
        made: Option<&Plan>,
        crash: Option<&CrashAt>,
    ) -> Result<Outcome, ExecuteError> {
        let state = self.state();
        let mut context = context(&state, &self.world);
        context.journal = crash.map(CrashAt::layer);
        match (wanted, made) {
            (_, Some(made)) => execute(made, &context).await,
            (Some(spec), None) => execute(&plan(&state, &self.world, spec).await, &context).await,
            (None, None) => destroy("shop", &context).await,
        }
    }

    async fn prepare(&self, road: &Road) {
        for wanted in &road[..road.len() - 1] {
            let outcome = self.go(wanted.as_ref(), None, None).await.unwrap();
            assert_eq!(outcome.status, Status::Done);
        }
    }

    /// What must hold at any time.
    async fn violations(&self) -> Vec<String> {
        let mut violations = Vec::new();
        let state = self.state();
        let mut lines: Vec<Line> = Vec::new();
        for run in state.runs("shop", 100).await.unwrap().iter().rev() {
            lines.extend(state.lines(&run.id).await.unwrap().into_iter().map(|l| Line {
                operation: l.operation,
                subject: l.subject,
                attempt: l.attempt,
                entry: l.entry,
            }));
        }
        match replay(&lines) {
            Err(error) => violations.push(format!("I5: {error}")),
            Ok(derived) => {
                for operation in self.world.operations() {
                    if !derived.operations.contains_key(&operation) {
                        violations.push(format!(
                            "I1: an object of operation {operation} is not in the journal"
                        ));
                    }
                }
                let record = state.snapshot_record("shop", "laptop").await.unwrap();
                if !record.nodes.keys().eq(derived.machines.keys()) {
                    violations.push("I5: machines recorded and replayed differ".to_owned());
                }
                let steps: Vec<(String, String)> = record
                    .nodes
                    .iter()
                    .flat_map(|(name, node)| node.steps.keys().map(|step| (name.clone(), step.clone())))
                    .collect();
                if !steps.iter().eq(derived.steps.keys()) {
                    violations.push("I5: steps recorded and replayed differ".to_owned());
                }
            }
        }
        violations
    }
}

struct Expected {
    picture: Picture,
    made: Vec<String>,
    appends: i64,
    calls: usize,
}

/// Where two worlds differ, for people.
fn differences(found: &Picture, expected: &Picture) -> String {
    let keys: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let differ = keys
        .into_iter()
        .filter(|key| found.get(*key) != expected.get(*key));
    differ
        .map(|key| format!("{key}: {:?} is not {:?}; ", found.get(key), expected.get(key)))
        .collect()
}

fn made(world: &TestWorld) -> Vec<String> {
    let mut made: Vec<String> = world
        .log()
        .into_iter()
        .filter(|e| e.starts_with("create ") || e.starts_with("destroy "))
        .collect();
    made.sort();
    made
}

async fn uninterrupted(road: &Road) -> Expected {
    let ground = Ground::new();
    ground.prepare(road).await;
    let count = CrashAt::new(i64::MAX, Side::Before);
    let calls = ground.world.with(|w| w.calls);
    let outcome = ground
        .go(road.last().unwrap().as_ref(), None, Some(&count))
        .await
        .unwrap();
    assert_eq!(outcome.status, Status::Done);
    assert!(
        ground.violations().await.is_empty(),
        "{:?}",
        ground.violations().await
    );
    Expected {
        picture: ground.world.picture(),
        made: made(&ground.world),
        appends: count.appends(),
        calls: ground.world.with(|w| w.calls) - calls,
    }
}

async fn crash_once(road: &Road, number: i64, side: Side, after: After, expected: &Expected) -> Vec<String> {
    let ground = Ground::new();
    ground.prepare(road).await;
    let wanted = road.last().unwrap().as_ref();
    let made_plan = match wanted {
        Some(spec) => Some(plan(&ground.state(), &ground.world, spec).await),
        None => None,
    };
    let crash = CrashAt::new(number, side);
    let result = ground.go(wanted, made_plan.as_ref(), Some(&crash)).await;
    if !crash.died() {
        // Lanes run side by side: this time there were fewer appends.
        return Vec::new();
    }
    assert!(result.is_err(), "the crash was not noticed: {result:?}");
    let mut violations = ground.violations().await;
    let again = match after {
        After::Resume => ground.go(wanted, made_plan.as_ref(), None).await,
        After::Replan => ground.go(wanted, None, None).await,
    };
    match again {
        Ok(outcome) if outcome.status == Status::Done => {}
        other => violations.push(format!("I4: it did not end well: {other:?}")),
    }
    violations.extend(ground.violations().await);
    if ground.world.picture() != expected.picture {
        violations.push(format!(
            "I4: {}",
            differences(&ground.world.picture(), &expected.picture)
        ));
    }
    if made(&ground.world) != expected.made {
        violations.push(format!(
            "I2: {:?} is not {:?}",
            made(&ground.world),
            expected.made
        ));
    }
    violations
        .into_iter()
        .map(|v| format!("append {number} {side:?} {after:?}: {v}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_line_changes_nothing_in_the_end() {
    let spec = Spec::default;
    let roads: [(&str, Road); 5] = [
        ("first apply", vec![Some(spec())]),
        (
            "2 to 4, another greeting",
            vec![
                Some(spec()),
                Some(Spec {
                    web: 4,
                    greeting: "hi".to_owned(),
                    ..spec()
                }),
            ],
        ),
        (
            "4 to 3",
            vec![Some(Spec { web: 4, ..spec() }), Some(Spec { web: 3, ..spec() })],
        ),
        (
            "a run leaves, a machine is replaced",
            vec![
                Some(Spec {
                    tuned: true,
                    ..spec()
                }),
                Some(Spec {
                    memory: (1 << 29) + 1,
                    ..spec()
                }),
            ],
        ),
        ("destroy", vec![Some(spec()), None]),
    ];
    let mut failures = Vec::new();
    println!(
        "{:<40} {:>8} {:>6} {:>11}",
        "road", "appends", "runs", "violations"
    );
    for (name, road) in &roads {
        let expected = uninterrupted(road).await;
        let (mut runs, mut violations) = (0, Vec::new());
        for number in 0..expected.appends {
            for side in [Side::Before, Side::After] {
                for after in [After::Resume, After::Replan] {
                    violations.extend(crash_once(road, number, side, after, &expected).await);
                    runs += 1;
                }
            }
        }
        println!(
            "{name:<40} {:>8} {runs:>6} {:>11}",
            expected.appends,
            violations.len()
        );
        failures.extend(violations.into_iter().map(|v| format!("{name}: {v}")));
    }
    assert!(
        failures.is_empty(),
        "{} violations, the first:\n{}",
        failures.len(),
        failures[..failures.len().min(5)].join("\n")
    );
}

/// The program ends inside a call of the backend, which has done nothing, half or all of its work.
async fn frozen_once(
    road: &Road,
    call: usize,
    leaves: Leaves,
    after: After,
    expected: &Expected,
) -> Option<Vec<String>> {
    let ground = Ground::new();
    ground.prepare(road).await;
    let wanted = road.last().unwrap().as_ref();
    let made_plan = match wanted {
        Some(spec) => Some(plan(&ground.state(), &ground.world, spec).await),
        None => None,
    };
    let before = ground.world.with(|w| w.calls);
    ground
        .world
        .with(|w| w.freeze_call = Some((before + call, leaves)));
    let finished = tokio::select! {
        result = ground.go(wanted, made_plan.as_ref(), None) => Some(result),
        () = ground.world.frozen.notified() => None,
    };
    ground.world.with(|w| w.freeze_call = None);
    if finished.is_some() {
        // Publications of names share calls as it comes: this time there were fewer.
        return None;
    }
    // What was spawned has gone when the runtime has seen it; a killed process takes no time for that.
    tokio::time::sleep(Duration::from_millis(15)).await;
    let again = match after {
        After::Resume => ground.go(wanted, made_plan.as_ref(), None).await,
        After::Replan => ground.go(wanted, None, None).await,
    };
    let mut violations = ground.violations().await;
    match again {
        Ok(outcome) if outcome.status == Status::Done => {}
        other => violations.push(format!("I4: it did not end well: {other:?}")),
    }
    if ground.world.picture() != expected.picture {
        violations.push(format!(
            "I4: {}",
            differences(&ground.world.picture(), &expected.picture)
        ));
    }
    // A half that is taken away shows in the log; whole objects are made once.
    let whole = |made: &[String]| {
        made.iter()
            .filter(|e| e.starts_with("create "))
            .cloned()
            .collect::<Vec<_>>()
    };
    if whole(&made(&ground.world)) != whole(&expected.made) {
        violations.push(format!(
            "I2: {:?} is not {:?}",
            made(&ground.world),
            expected.made
        ));
    }
    let told = |v| format!("call {call} {leaves:?} {after:?}: {v}");
    Some(violations.into_iter().map(told).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_inside_any_call_changes_nothing_in_the_end() {
    let spec = Spec::default;
    let roads: [(&str, Road); 3] = [
        ("first apply", vec![Some(spec())]),
        (
            "4 to 3, all replaced",
            vec![
                Some(Spec { web: 4, ..spec() }),
                Some(Spec {
                    web: 3,
                    memory: 1 << 30,
                    ..spec()
                }),
            ],
        ),
        ("destroy", vec![Some(spec()), None]),
    ];
    let mut failures = Vec::new();
    println!("{:<40} {:>8} {:>6} {:>11}", "road", "calls", "runs", "violations");
    for (name, road) in &roads {
        let expected = uninterrupted(road).await;
        let (mut runs, mut violations) = (0, Vec::new());
        for call in 1..=expected.calls {
            for leaves in [Leaves::Nothing, Leaves::Half, Leaves::Whole] {
                for after in [After::Resume, After::Replan] {
                    if let Some(found) = frozen_once(road, call, leaves, after, &expected).await {
                        violations.extend(found);
                        runs += 1;
                    }
                }
            }
        }
        assert!(
            runs * 4 >= expected.calls * 6 * 3,
            "{name}: only {runs} crashes came about"
        );
        println!(
            "{name:<40} {:>8} {runs:>6} {:>11}",
            expected.calls,
            violations.len()
        );
        failures.extend(violations.into_iter().map(|v| format!("{name}: {v}")));
    }
    assert!(
        failures.is_empty(),
        "{} violations, the first:\n{}",
        failures.len(),
        failures[..failures.len().min(5)].join("\n")
    );
}
