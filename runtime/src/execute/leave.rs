//! What is done on a node before its machine goes.

use rebar_agent::protocol::Verb;
use rebar_compiler::plan::{Plan, RecordedStep};

use super::event::Event;
use super::lane::{LaneSegment, LaneStep, run_segment};
use super::outcome::Stop;
use super::settle::ask;
use super::work::Work;
use crate::observe::LineError;

/// What people see as the run of these steps.
const RUN: &str = "leave";

/// How many steps there are to do on nodes before they go.
pub(super) fn steps(plan: &Plan) -> usize {
    let replaced = plan.nodes.iter().map(|row| row.leave.len());
    replaced
        .chain(plan.leaving.iter().map(|node| node.leave.len()))
        .sum()
}

/// All steps that are done on nodes before they go.
pub(super) fn all(plan: &Plan) -> impl Iterator<Item = &RecordedStep> {
    let replaced = plan.nodes.iter().flat_map(|row| &row.leave);
    replaced.chain(plan.leaving.iter().flat_map(|node| &node.leave))
}

/// What is done on a node before it goes.
pub(super) fn of<'p>(plan: &'p Plan, node: &str) -> &'p [RecordedStep] {
    let leaving = plan.leaving.iter().find(|leaving| leaving.name == node);
    let replaced = || plan.nodes.iter().find(|row| row.name == node);
    let steps = leaving
        .map(|node| &node.leave)
        .or_else(|| replaced().map(|row| &row.leave));
    steps.map(Vec::as_slice).unwrap_or_default()
}

/// Does on a node what its record says is to be done before it goes. A node that does not run, or that cannot be
/// reached, goes without; that is told. Returns how many steps changed it.
///
/// # Errors
/// [`Stop::Failed`] with the step that failed: then its machine must stay.
pub(super) async fn drain(work: &Work, node: &str) -> Result<usize, Stop> {
    let calls = &work.calls;
    let gone = calls.operation("destroy", &format!("machine/{node}"));
    if calls.known.is_done(&gone) {
        return Ok(0);
    }
    let skipped = |because: String| {
        let node = node.to_owned();
        calls.tell(Event::LeaveSkipped { node, because });
        Ok(0)
    };
    match work.world.machines.get(node) {
        Some(view) if view.running => {}
        Some(_) => return skipped("it does not run".to_owned()),
        None => return skipped("it is gone".to_owned()),
    }
    // Asked before anything is begun: what could not be reached has not been touched.
    // A backend that does not answer says nothing about the node: the segment waits for it.
    if let Err(LineError::Open(error)) = ask(calls, node, RUN, Vec::new()).await?
        && !error.is_of_backend()
    {
        return skipped(error.to_string());
    }
    let step = |recipe: &RecordedStep| LaneStep {
        verb: Verb::Ensure,
        recipe: recipe.clone(),
        loads: std::collections::BTreeMap::new(),
        later: None,
        outputs: std::collections::BTreeMap::new(),
    };
    let segment = LaneSegment {
        node: node.to_owned(),
        run: RUN.to_owned(),
        steps: of(&work.plan, node).iter().map(step).collect(),
    };
    run_segment(calls, &segment).await.map_err(|stop| match stop {
        Stop::Failed(mut failure) => {
            failure.help = Some(format!(
                "`{node}` was not drained, so its machine stays; mend what failed and apply again, or let it go as it is: \
                 `rebar apply {} --no-drain {node}`",
                work.plan.deploy
            ));
            Stop::Failed(failure)
        }
        stop => stop,
    })
}
