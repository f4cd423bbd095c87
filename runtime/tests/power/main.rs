//! The power is lost at any moment of an apply: what was reported done is there when it is back (I3), the state opens,
//! and going on ends in the same world (I4). With syncs left out the same test must find that this does not hold.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod support;

mod disk;
mod watch;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rebar_compiler::plan::Plan;
use rebar_runtime::execute::{ExecuteError, Outcome, Status, destroy, execute};
use rebar_runtime::journal::{Journal, Line, replay};
use rebar_runtime::state::{Refusal, State, StateError};

use disk::{Chance, Disk, Rest};
use support::spec::Spec;
use support::world::{Picture, TestWorld};
use support::{context, plan};
use watch::{Deed, Dropped, Watch};

/// A journal that notes whenever somebody is told that lines are durable.
struct Telling {
    inner: Arc<dyn Journal>,
    watch: Watch<Arc<TestWorld>>,
}

#[async_trait]
impl Journal for Telling {
    async fn append(&self, lines: Vec<Line>) -> Result<(), StateError> {
        self.inner.append(lines.clone()).await?;
        self.watch.tell(lines);
        Ok(())
    }
}

/// One apply, or the destruction, of what was recorded.
struct Stage {
    /// Which deeds are its own.
    deeds: std::ops::Range<usize>,
    /// What was carried out; nothing: destroy.
    plan: Option<Plan>,
    /// What the world was in the end.
    picture: Picture,
    made: Vec<String>,
}

/// All that was done to the disk, with the world as it was each time.
struct Film {
    deeds: Vec<(Deed, Arc<TestWorld>)>,
    stages: Vec<Stage>,
}

fn made(world: &TestWorld) -> Vec<String> {
    let whole = |e: &String| e.starts_with("create ") || e.starts_with("destroy ");
    let mut made: Vec<String> = world.log().into_iter().filter(whole).collect();
    made.sort();
    made
}

/// Carries out specs one after the other on a real disk, and then destroys all.
async fn record(road: &[Spec], dropped: Dropped) -> Film {
    let folder = tempfile::tempdir().unwrap();
    let world = TestWorld::new();
    let beside = Arc::clone(&world);
    let watch = Watch::begin(folder.path(), dropped, move || Arc::new(beside.copy()));
    let mut stages = Vec::new();
    for wanted in road.iter().map(Some).chain([None]) {
        let begun = watch.count();
        let state = State::in_folder(folder.path()).unwrap();
        let mut context = context(&state, &world);
        let telling = watch.clone();
        context.journal = Some(Arc::new(move |inner| {
            Arc::new(Telling {
                inner,
                watch: telling.clone(),
            })
        }));
        let made_plan = match wanted {
            Some(spec) => Some(plan(&state, &world, spec).await),
            None => None,
        };
        let outcome = match &made_plan {
            Some(plan) => execute(plan, &context).await,
            None => destroy("shop", &context).await,
        };
        assert_eq!(outcome.unwrap().status, Status::Done);
        drop((context, state));
        stages.push(Stage {
            deeds: begun..watch.count(),
            plan: made_plan,
            picture: world.picture(),
            made: made(&world),
        });
    }
    Film {
        deeds: watch.end(),
        stages,
    }
}

/// The machine has been started again since, as it has when its power was lost: whoever held a lease is gone.
fn restarted(state: &Path) {
    let raw = rusqlite::Connection::open(state).unwrap();
    raw.execute(
        "UPDATE deploy SET holder = json_set(holder, '$.boot', 'before') WHERE holder IS NOT NULL",
        [],
    )
    .unwrap();
}

/// The lines that the state holds, over all runs.
async fn lines(state: &State) -> Result<Vec<Line>, StateError> {
    let mut lines = Vec::new();
    for run in state.runs("shop", 1000).await?.iter().rev() {
        lines.extend(state.lines(&run.id).await?.into_iter().map(|l| Line {
            operation: l.operation,
            subject: l.subject,
            attempt: l.attempt,
            entry: l.entry,
        }));
    }
    Ok(lines)
}

/// What is wrong with what was found when the power was back.
async fn examine(state: &State, told: &[Line], world: &TestWorld) -> Vec<String> {
    let found = match lines(state).await {
        Ok(found) => found,
        Err(error) => return vec![format!("the journal does not read: {error}")],
    };
    let mut violations: Vec<String> = told
        .iter()
        .filter(|line| !found.contains(line))
        .map(|line| {
            format!(
                "I3: {} of {} was told and is gone",
                line.entry.kind(),
                line.subject
            )
        })
        .collect();
    match replay(&found) {
        Err(error) => violations.push(format!("I5: {error}")),
        Ok(derived) => {
            let orphans = world.operations();
            let orphans = orphans.iter().filter(|o| !derived.operations.contains_key(*o));
            violations.extend(orphans.map(|o| format!("I1: an object of {o} is not in the journal")));
            let record = state.snapshot_record("shop", "laptop").await;
            if !record.is_ok_and(|record| record.nodes.keys().eq(derived.machines.keys())) {
                violations.push("I5: machines recorded and replayed differ".to_owned());
            }
        }
    }
    violations
}

/// Goes on after the power was lost.
async fn go_on(stage: &Stage, state: &State, world: &Arc<TestWorld>) -> Vec<String> {
    let context = context(state, world);
    let result: Result<Option<Outcome>, ExecuteError> = match &stage.plan {
        Some(plan) => match execute(plan, &context).await {
            // The last line was on the disk already.
            Err(ExecuteError::State(StateError::Refused(Refusal::Consumed { .. }))) => Ok(None),
            other => other.map(Some),
        },
        None => destroy("shop", &context).await.map(Some),
    };
    let mut violations = Vec::new();
    match result {
        Ok(Some(outcome)) if outcome.status == Status::Done => {}
        Ok(None) => {}
        other => violations.push(format!("I4: it did not end well: {other:?}")),
    }
    if world.picture() != stage.picture {
        violations.push("I4: it ended in another world".to_owned());
    }
    if made(world) != stage.made {
        violations.push("I2: it made or destroyed something else".to_owned());
    }
    violations
}

/// Cuts the power after `at` deeds.
async fn cut(film: &Film, disk: &Disk, at: usize, rest: Rest, told: &[Line]) -> Vec<String> {
    let folder = support::folder();
    disk.after_power_loss(rest, folder.path());
    let path = folder.path().join("state.db");
    let fresh = !path.exists();
    let stage = film.stages.iter().find(|stage| stage.deeds.contains(&at));
    let stage = stage.unwrap_or(&film.stages[film.stages.len() - 1]);
    let world = Arc::new(film.deeds[at.min(film.deeds.len() - 1)].1.copy());
    let state = match State::open(&path) {
        Ok(state) => state,
        Err(error) => return vec![format!("I3: the state is refused: {} {error}", error.code())],
    };
    let mut violations = examine(&state, told, &world).await;
    if violations.is_empty() && !(fresh && stage.plan.is_none()) {
        drop(state);
        restarted(&path);
        let state = State::open(&path).unwrap();
        violations.extend(go_on(stage, &state, &world).await);
    }
    violations
        .into_iter()
        .map(|v| format!("deed {at} of {}, {rest:?}: {v}", film.deeds.len()))
        .collect()
}

fn thorough(between: u64, torn: u64, seed: u64) -> Cuts {
    Cuts {
        borders: 100,
        between,
        torn,
        enough: usize::MAX,
        seed,
    }
}

#[derive(Debug, Default)]
struct Found {
    deeds: usize,
    syncs: usize,
    /// Syncs of the database file.
    carried_over: usize,
    told: usize,
    cuts: usize,
    violations: Vec<String>,
}

/// How thoroughly the power is cut.
struct Cuts {
    /// On both sides of so many in a hundred of what was told and of the log's syncs, and of all other syncs.
    borders: u64,
    /// At so many in a hundred of all other moments.
    between: u64,
    /// So many torn disks each, beside one that lost all and one that kept all.
    torn: u64,
    /// It is enough to have found something wrong so often.
    enough: usize,
    seed: u64,
}

async fn cut_everywhere(film: &Film, cuts: &Cuts) -> Found {
    let mut chance = Chance(cuts.seed);
    let mut found = Found {
        deeds: film.deeds.len(),
        ..Found::default()
    };
    let (mut disk, mut told) = (Disk::default(), Vec::new());
    let mut borders = BTreeSet::new();
    let mut logs = BTreeSet::new();
    for (at, (deed, _)) in film.deeds.iter().enumerate() {
        let border = match deed {
            Deed::Named { name, file } if name.ends_with("-wal") => {
                logs.insert(*file);
                false
            }
            Deed::Named { .. } | Deed::Unnamed { .. } | Deed::Wrote { .. } | Deed::Sized { .. } => false,
            Deed::SyncedFile { file } if logs.contains(file) => chance.below(100) < cuts.borders,
            Deed::SyncedFile { .. } => {
                found.carried_over += 1;
                true
            }
            Deed::SyncedFolder => true,
            Deed::Told(_) => chance.below(100) < cuts.borders,
        };
        if border {
            borders.extend([at, at + 1]);
        }
    }
    for at in 0..=film.deeds.len() {
        if found.violations.len() >= cuts.enough {
            break;
        }
        if at > 0 {
            let deed = &film.deeds[at - 1].0;
            disk.suffer(deed);
            match deed {
                Deed::Told(lines) => {
                    told.extend(lines.iter().cloned());
                    found.told += 1;
                }
                Deed::SyncedFile { .. } | Deed::SyncedFolder => found.syncs += 1,
                Deed::Named { .. } | Deed::Unnamed { .. } | Deed::Wrote { .. } | Deed::Sized { .. } => {}
            }
        }
        if !borders.contains(&at) && chance.below(100) >= cuts.between {
            continue;
        }
        let mut rests = vec![Rest::Lost, Rest::Kept];
        rests.extend((0..cuts.torn).map(|_| Rest::Torn(chance.below(u64::MAX))));
        for rest in rests {
            found.cuts += 1;
            found.violations.extend(cut(film, &disk, at, rest, &told).await);
        }
    }
    found
}

fn show(name: &str, found: &Found) {
    println!(
        "{name:<34} {:>6} {:>6} {:>6} {:>6} {:>11}",
        found.deeds,
        found.syncs,
        found.told,
        found.cuts,
        found.violations.len()
    );
}

fn head() {
    println!(
        "{:<34} {:>6} {:>6} {:>6} {:>6} {:>11}",
        "", "writes", "syncs", "told", "cuts", "violations"
    );
}

/// A first apply; more machines, all replaced, another greeting; fewer; and all destroyed.
fn road() -> Vec<Spec> {
    let grown = Spec {
        web: 4,
        memory: (1 << 29) + 1,
        greeting: "hi".to_owned(),
        ..Spec::default()
    };
    let shrunk = Spec {
        web: 2,
        ..grown.clone()
    };
    vec![Spec::default(), grown, shrunk]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_reported_done_survives_power_loss() {
    head();
    let film = record(&road(), Dropped::Nothing).await;
    let small = cut_everywhere(&film, &thorough(10, 1, 1)).await;
    show("apply, grow, shrink, destroy", &small);
    // Long enough that the log is carried over into the database while the run goes on.
    let many = Spec {
        web: 36,
        ..Spec::default()
    };
    let film = record(&[many], Dropped::Nothing).await;
    let cuts = Cuts {
        borders: 25,
        ..thorough(1, 1, 2)
    };
    let large = cut_everywhere(&film, &cuts).await;
    show("36 machines, destroy", &large);
    // Once for each time that it is closed and twice for its making; the rest came while a run went on.
    assert!(large.carried_over > 5, "{large:?}");
    for found in [&small, &large] {
        assert!(found.syncs > 80 && found.told > 50, "{found:?}");
        assert!(
            found.violations.is_empty(),
            "{} violations, the first:\n{}",
            found.violations.len(),
            found.violations[..found.violations.len().min(5)].join("\n")
        );
    }
}

/// The test sees what it is there for: with syncs left out, things that were told are lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_syncs_the_state_is_seen_to_lose_what_it_told() {
    head();
    for dropped in [Dropped::Every, Dropped::Log, Dropped::Database, Dropped::Folder] {
        let film = record(&[Spec::default()], dropped).await;
        let cuts = Cuts {
            enough: 20,
            ..thorough(5, 1, 3)
        };
        let found = cut_everywhere(&film, &cuts).await;
        show(&format!("syncs left out: {dropped:?}"), &found);
        assert!(
            !found.violations.is_empty(),
            "nothing was found without {dropped:?}"
        );
    }
}
