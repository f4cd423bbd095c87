//! What is expected of a plan: facts from the state, without a look at machines.

use std::collections::BTreeMap;

use rebar_compiler::plan::Plan;
use rebar_runtime::execute;
use rebar_runtime::forecast::{Capacity, Facts, facts};
use rebar_runtime::state::{Durations, Practice, State, Where};

use super::Context;
use super::compile::is_new;
use crate::backends;
use crate::render::facts::basis;
use crate::render::graph::Expected;
use crate::report::Failure;

/// Lanes that are carried out at a time unless something else is asked for.
pub(crate) const LANES: usize = execute::LANES;

/// How many objects the plan's backend makes at a time; where this build has no such backend, what is usual.
pub(crate) fn objects_at_a_time(context: &Context, plan: &Plan) -> Result<usize, Failure> {
    let folders = context.project.folders()?;
    Ok(backends::backend(&plan.backend.name, &folders).map_or(8, |backend| backend.parallelism()))
}

/// What earlier runs have left: durations with a backend, from how many runs, and the practice of all patterns.
type Past = (Durations, u64, BTreeMap<String, BTreeMap<Where, Practice>>);

async fn past(context: &Context, plan: &Plan) -> Result<Past, Failure> {
    let folder = context.project.folders()?.state;
    if is_new(&folder) {
        return Ok(Past::default());
    }
    let told = |error| Failure::from_state(&error);
    let state = State::in_folder(&folder).map_err(told)?;
    let durations = state.durations(&plan.backend.name).await.map_err(told)?;
    let runs = state.closed_runs(&plan.backend.name).await.map_err(told)?;
    Ok((durations, runs, state.practice().await.map_err(told)?))
}

/// Facts of a plan.
pub(crate) async fn of(context: &Context, plan: &Plan) -> Result<Facts, Failure> {
    let (durations, runs, practice) = past(context, plan).await?;
    let capacity = Capacity {
        lanes: LANES,
        objects: objects_at_a_time(context, plan)?,
    };
    facts(plan, &durations, runs, capacity, &practice).map_err(|cause| malformed(&cause))
}

/// What a drawing of the plan tells of time.
pub(crate) async fn graph(context: &Context, plan: &Plan) -> Result<Expected, Failure> {
    let (durations, runs, _) = past(context, plan).await?;
    let jobs = execute::forecast_jobs(plan, &durations).map_err(|cause| malformed(&cause))?;
    Ok(Expected::of(plan, &jobs, &basis(!durations.is_empty(), runs)))
}

fn malformed(cause: &str) -> Failure {
    Failure::new("E1108", format!("the plan is not well formed: {cause}"))
        .help("make the plan anew with `rebar plan`")
}
