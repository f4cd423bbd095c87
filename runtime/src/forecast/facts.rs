//! What is worth knowing of a plan before it is carried out.

use std::collections::BTreeMap;

use rebar_compiler::plan::Plan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Capacity, Policy, critical_path, forecast, is_work};
use crate::execute::{ForecastJob, forecast_jobs};
use crate::state::{Durations, Practice, Practised, Where};

/// The version of the format.
pub const FACTS_FORMAT: u32 = 1;

/// More workers than these are not considered.
const MOST_WORKERS: usize = 1024;

/// Facts of a plan. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// [`FACTS_FORMAT`].
    pub format: u32,
    /// The deploy.
    pub deploy: String,
    /// SHA-256 (hex) of the plan.
    pub plan_hash: String,
    /// How long the run is expected to take if nothing fails.
    pub expected: u64,
    /// What that is based on.
    pub basis: Basis,
    /// The longest path: no number of workers makes the run shorter.
    pub critical_path: Vec<Piece>,
    /// All work together.
    pub work: u64,
    /// The most pieces of work that can go on at one moment.
    pub peak: u64,
    /// How many lanes are carried out at a time.
    pub lanes: u64,
    /// How many machines and networks the backend makes at a time.
    pub objects: u64,
    /// How much of the lanes' time is used, from 0 to 1, with as many lanes as can be at work.
    pub utilisation: f64,
    /// How long it would take with other numbers of lanes, as far as more of them help.
    pub workers: Vec<Workers>,
    /// How often each pattern was carried out before.
    pub practice: Vec<PatternPractice>,
}

/// What expectations are based on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// Earlier runs with the same backend whose durations were kept.
    pub runs: u64,
    /// Whether anything was measured; otherwise usual times are taken.
    pub measured: bool,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// `machine/web-1`, `web-1/pages` (a run on a node).
    pub subject: String,
    /// How long it is expected to take.
    pub expected: u64,
}

/// A number of lanes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workers {
    /// So many at a time.
    pub lanes: u64,
    /// How long the run is expected to take.
    pub expected: u64,
}

/// How often a pattern was carried out or rehearsed, counted by nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatternPractice {
    /// The run.
    pub run: String,
    /// Its role.
    pub role: String,
    /// The pattern's hash.
    pub pattern: String,
    /// Nodes on which it was carried out to its end, by backend.
    pub applied: BTreeMap<String, u64>,
    /// Nodes on which it failed, by backend.
    pub failed: BTreeMap<String, u64>,
    /// Simulated nodes on which it was rehearsed.
    pub rehearsed: u64,
    /// Of these, how many failed.
    pub rehearsed_failed: u64,
}

/// The JSON Schema of facts.
pub fn facts_schema() -> schemars::Schema {
    schemars::schema_for!(Facts)
}

/// Facts of `plan`: from the durations of its backend, the number of runs that those come from, and the practice of
/// all patterns.
///
/// # Errors
/// In words, when the plan cannot be carried out as it is.
pub fn facts(
    plan: &Plan,
    durations: &Durations,
    runs: u64,
    capacity: Capacity,
    practice: &BTreeMap<String, BTreeMap<Where, Practice>>,
) -> Result<Facts, String> {
    let jobs = forecast_jobs(plan, durations)?;
    let played = forecast(&jobs, capacity, Policy::CriticalPathFirst);
    let widest = forecast(&jobs, Capacity::unlimited(), Policy::CriticalPathFirst);
    let path = critical_path(&jobs);
    let useful = capacity.lanes.clamp(1, widest.peak.max(1)) as f64 * played.makespan.as_secs_f64();
    Ok(Facts {
        format: FACTS_FORMAT,
        deploy: plan.deploy.clone(),
        plan_hash: rebar_compiler::plan::hash(plan),
        expected: played.makespan.as_millis() as u64,
        basis: Basis {
            runs,
            measured: !durations.is_empty(),
        },
        critical_path: path.into_iter().map(|at| piece(&jobs[at])).collect(),
        work: played.work.as_millis() as u64,
        peak: widest.peak as u64,
        lanes: capacity.lanes as u64,
        objects: capacity.objects as u64,
        utilisation: if useful > 0.0 {
            played.work.as_secs_f64() / useful
        } else {
            0.0
        },
        workers: workers(&jobs, capacity),
        practice: practised(plan, practice),
    })
}

fn piece(job: &ForecastJob) -> Piece {
    Piece {
        subject: job.subject.clone(),
        expected: job.weight.as_millis() as u64,
    }
}

/// 1, 2, 4 … until nothing is gained.
fn workers(jobs: &[ForecastJob], capacity: Capacity) -> Vec<Workers> {
    let mut table: Vec<Workers> = Vec::new();
    let mut lanes = 1;
    while lanes <= MOST_WORKERS && jobs.iter().any(is_work) {
        let played = forecast(jobs, Capacity { lanes, ..capacity }, Policy::CriticalPathFirst);
        let expected = played.makespan.as_millis() as u64;
        if table.last().is_some_and(|last| expected >= last.expected) {
            break;
        }
        table.push(Workers {
            lanes: lanes as u64,
            expected,
        });
        lanes *= 2;
    }
    table
}

fn practised(plan: &Plan, practice: &BTreeMap<String, BTreeMap<Where, Practice>>) -> Vec<PatternPractice> {
    let segments = plan.patterns.iter().flat_map(|pattern| &pattern.segments);
    let mut known: Vec<PatternPractice> = Vec::new();
    for segment in segments {
        if known
            .iter()
            .any(|k| k.run == segment.run && k.pattern == segment.hash)
        {
            continue;
        }
        let mut entry = PatternPractice {
            run: segment.run.clone(),
            role: segment.role.clone(),
            pattern: segment.hash.clone(),
            applied: BTreeMap::new(),
            failed: BTreeMap::new(),
            rehearsed: 0,
            rehearsed_failed: 0,
        };
        for (at, counts) in practice.get(&segment.hash).into_iter().flatten() {
            match at.how {
                Practised::Applied => {
                    entry.applied.insert(at.backend.clone(), counts.done);
                    if counts.failed > 0 {
                        entry.failed.insert(at.backend.clone(), counts.failed);
                    }
                }
                Practised::Rehearsed => {
                    entry.rehearsed += counts.done + counts.failed;
                    entry.rehearsed_failed += counts.failed;
                }
            }
        }
        known.push(entry);
    }
    known
}
