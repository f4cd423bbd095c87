//! The work of a plan, as the executor would order it, for those who want to know before: how long a run takes, what
//! its longest path is, what more workers would do. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rebar_compiler::plan::{NodeRow, ObjectVerb, Plan, Reason, StepVerbs};

use super::filled;
use super::graph::{self, Standing};
use super::weights::Weights;
use crate::state::Durations;

pub use super::graph::Slot;

/// One piece of work of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForecastJob {
    /// What it is about: `machine/web-1`, `web-1/pages` (a run on a node), `gate entry after pages`.
    pub subject: String,
    /// How long it is expected to take once it begins.
    pub weight: Duration,
    /// What it counts against.
    pub slot: Slot,
    /// Indexes of the jobs that it waits for.
    pub after: Vec<usize>,
    /// Its place in the order of preference, from 0: of all jobs that may begin, the executor begins the lowest.
    pub rank: usize,
    /// The node that it works on. Two jobs of one node never go on at the same time.
    pub node: Option<String>,
}

/// The jobs of `plan` with their expected durations, as the executor would do them if nothing failed. `durations` are
/// those of the plan's backend; what was never measured gets what is usual for its kind.
///
/// # Errors
/// In words, when the plan cannot be carried out as it is.
pub fn forecast_jobs(plan: &Plan, durations: &Durations) -> Result<Vec<ForecastJob>, String> {
    let nodes = filled::work(plan)?;
    let weights = Weights::new(durations.clone());
    let graph = graph::build(plan, &nodes, &standing(plan), &weights)?;
    let jobs = graph.jobs.iter().zip(graph.ranks(plan));
    let forecast = jobs.map(|(job, rank)| ForecastJob {
        subject: graph::subject(plan, &job.task),
        weight: Duration::from_millis(job.weight),
        slot: job.task.slot(),
        after: job.hard.iter().chain(&job.soft).copied().collect(),
        rank,
        node: job.task.node().map(str::to_owned),
    });
    Ok(forecast.collect())
}

/// What the plan alone tells of what stands: the steps that are not new were in place, and a machine that is replaced
/// had all of them.
fn standing(plan: &Plan) -> Standing {
    let served: BTreeMap<String, BTreeSet<String>> = plan
        .nodes
        .iter()
        .map(|row| (row.name.clone(), served(plan, row)))
        .collect();
    Standing {
        served,
        names: plan.nodes.iter().any(|row| row.machine != ObjectVerb::Keep) || !plan.leaving.is_empty(),
        ..Standing::default()
    }
}

fn served(plan: &Plan, row: &NodeRow) -> BTreeSet<String> {
    let is_new = |address: &str| match &row.steps {
        StepVerbs::All => !matches!(row.machine, ObjectVerb::Replace { .. }),
        StepVerbs::Some { ensure, .. } => ensure.get(address) == Some(&Reason::New),
    };
    let segments = plan.patterns.get(row.pattern).map(|p| p.segments.as_slice());
    segments
        .unwrap_or_default()
        .iter()
        .flat_map(|segment| {
            let address = move |step: &rebar_compiler::plan::Step| format!("{}.{}", segment.run, step.name);
            segment.steps.iter().map(address)
        })
        .filter(|address| !is_new(address))
        .collect()
}
