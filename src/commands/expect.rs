//! What is expected of a plan: facts from the state, without a look at machines.

use std::collections::BTreeMap;

use rebar_compiler::plan::Plan;
use rebar_runtime::execute;
use rebar_runtime::forecast::{Capacity, Facts, facts};
use rebar_runtime::state::{Durations, State};

use super::Context;
use super::compile::is_new;
use crate::backends;
use crate::report::Failure;

/// Lanes that are carried out at a time unless something else is asked for.
pub(crate) const LANES: usize = execute::LANES;

/// How many objects the plan's backend makes at a time; where this build has no such backend, what is usual.
pub(crate) fn objects_at_a_time(context: &Context, plan: &Plan) -> Result<usize, Failure> {
    let folders = context.project.folders()?;
    Ok(backends::backend(&plan.backend.name, &folders).map_or(8, |backend| backend.parallelism()))
}

/// Facts of a plan.
pub(crate) async fn of(context: &Context, plan: &Plan) -> Result<Facts, Failure> {
    let folder = context.project.folders()?.state;
    let (mut durations, mut runs, mut practice) = (Durations::default(), 0, BTreeMap::new());
    if !is_new(&folder) {
        let state = State::in_folder(&folder).map_err(|error| Failure::from_state(&error))?;
        let told = |error| Failure::from_state(&error);
        durations = state.durations(&plan.backend.name).await.map_err(told)?;
        runs = state.closed_runs(&plan.backend.name).await.map_err(told)?;
        practice = state.practice().await.map_err(told)?;
    }
    let capacity = Capacity {
        lanes: LANES,
        objects: objects_at_a_time(context, plan)?,
    };
    facts(plan, &durations, runs, capacity, &practice).map_err(|cause| {
        Failure::new("E1108", format!("the plan is not well formed: {cause}"))
            .help("make the plan anew with `rebar plan`")
    })
}
