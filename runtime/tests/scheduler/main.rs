//! The scheduler's proof: on random plans the real executor, on simulated machines, comes close to what is possible at
//! all: no run can be shorter than its longest path, nor than all work shared evenly among the workers. Other orders of
//! the same work are forecast beside it, by a forecast that is first held against the executor itself.
#![allow(clippy::unwrap_used)]

mod shapes;

use std::sync::Arc;
use std::time::Duration;

use rebar_compiler::plan::{Base, Plan};
use rebar_runtime::backends::sim::{Latencies, Settings, Sim};
use rebar_runtime::clock::SimClock;
use rebar_runtime::execute::{Context, ForecastJob, Slot, Status, execute, forecast_jobs};
use rebar_runtime::forecast::{Capacity, Policy, critical_path, forecast};
use rebar_runtime::state::{DeployCopy, Durations, State};
use shapes::Shape;

const PLANS: u64 = 50;

fn simulated<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// Applies `plan` on what `state` records, and returns how long that took.
async fn apply(state: &State, latencies: Latencies, workers: usize, plan: &Plan) -> Duration {
    let sim = Sim::new(Settings {
        latencies,
        parallelism: 64,
        ..Settings::default()
    });
    sim.stand_as_recorded(state, "d", "s").await.unwrap();
    let mut context = Context::new(state.clone(), sim);
    context.parallelism = workers;
    let begun = tokio::time::Instant::now();
    let outcome = execute(plan, &context).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    begun.elapsed()
}

/// A state in which the machines of a shape stand, with nothing on them.
async fn stands(shape: &Shape, seed: u64, learned: &DeployCopy) -> State {
    let state = State::in_memory(Arc::new(SimClock::new(0)), seed).unwrap();
    state.put_copy(learned).await.unwrap();
    let snapshot = state.snapshot_record("d", "s").await.unwrap();
    apply(&state, Latencies::none(), 64, &shape.bare(snapshot.base)).await;
    state
}

/// Gives a shape about as many workers as can be kept at work: with many more the longest path alone decides, with
/// many fewer the work alone, and any order would do.
fn contest(shape: &mut Shape) {
    let jobs = forecast_jobs(&shape.full(Base::default()), &shape.durations()).unwrap();
    let longest: Duration = critical_path(&jobs).into_iter().map(|at| jobs[at].weight).sum();
    let even = work(&jobs).as_secs_f64() / longest.as_secs_f64();
    shape.workers = (even * shape.share).round().max(1.0) as usize;
}

/// All lanes' time together.
fn work(jobs: &[ForecastJob]) -> Duration {
    let lanes = jobs.iter().filter(|job| job.slot == Slot::Lane);
    lanes.map(|job| job.weight).sum()
}

/// What one plan took, as a multiple of what is possible.
struct Measured {
    executor: f64,
    first_come: f64,
    depth_first: f64,
    /// How far the forecast is from the executor.
    off: f64,
}

fn measure(seed: u64) -> Measured {
    let mut shape = Shape::random(seed);
    contest(&mut shape);
    simulated(async {
        // Once to learn how long each step takes …
        let state = stands(&shape, seed, &DeployCopy::default()).await;
        let base = state.snapshot_record("d", "s").await.unwrap().base;
        let latencies = Latencies::measured(shape.durations());
        apply(&state, latencies.clone(), shape.workers, &shape.full(base)).await;
        let learned: Durations = state.durations("sim").await.unwrap();
        // … and once more from the beginning, by what was learned.
        let again = stands(&shape, seed, &state.copy_deploy("d", "s", true).await.unwrap()).await;
        let plan = shape.full(again.snapshot_record("d", "s").await.unwrap().base);
        let took = apply(&again, latencies, shape.workers, &plan).await;

        let jobs = forecast_jobs(&plan, &learned).unwrap();
        let capacity = Capacity {
            lanes: shape.workers,
            objects: 64,
        };
        let makespan = |policy| forecast(&jobs, capacity, policy).makespan.as_secs_f64();
        let longest: Duration = critical_path(&jobs).into_iter().map(|at| jobs[at].weight).sum();
        let bound = longest.max(work(&jobs) / shape.workers as u32).as_secs_f64();
        let took = took.as_secs_f64();
        Measured {
            executor: took / bound,
            first_come: makespan(Policy::FirstInFirstOut) / bound,
            depth_first: makespan(Policy::DepthFirst) / bound,
            off: (makespan(Policy::CriticalPathFirst) / took - 1.0).abs(),
        }
    })
}

/// Median, ninth decile and largest.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
    (at(0.5), at(0.9), at(1.0))
}

#[test]
fn the_executor_is_close_to_what_is_possible() {
    let measured: Vec<Measured> = (0..PLANS).map(measure).collect();
    let off = spread(measured.iter().map(|m| m.off));
    let rows = [
        (
            "longest remaining path first (the executor)",
            spread(measured.iter().map(|m| m.executor)),
        ),
        (
            "first in, first out (forecast)",
            spread(measured.iter().map(|m| m.first_come)),
        ),
        (
            "depth first (forecast)",
            spread(measured.iter().map(|m| m.depth_first)),
        ),
    ];
    println!("| order, {PLANS} random plans | median | 9 of 10 | worst |\n|---|---|---|---|");
    for (name, (median, most, worst)) in rows {
        println!("| {name} | {median:.3} | {most:.3} | {worst:.3} |");
    }
    println!(
        "the forecast is off by {:.3} % in the median, {:.3} % at most",
        off.0 * 100.0,
        off.2 * 100.0
    );
    assert!(off.2 <= 0.02, "the forecast is not the executor: {}", off.2);
    assert!(rows[0].1.0 <= 1.05, "{}", rows[0].1.0);
    assert!(rows[0].1.0 <= rows[1].1.0 && rows[0].1.0 <= rows[2].1.0);
}
