//! What there is to do on each node: the compiler fills the steps, the node's row says which of them.

use std::collections::BTreeMap;

use rebar_agent::protocol::Verb;
use rebar_compiler::plan::{FilledStep, Filler, NodeRow, Outputs, Plan, RecordedStep, StepVerbs};
use serde_json::Value;

use super::lane::LaneStep;

/// What there is to do on one node.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct NodeWork {
    /// For each segment of the pattern, what there is to do.
    pub(super) segments: Vec<SegmentWork>,
    /// Steps that go last: their runs are gone, or what replaces them comes first. In the order of removal.
    pub(super) removals: Vec<LaneStep>,
}

/// What there is to do in one segment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SegmentWork {
    /// The run.
    pub(super) run: String,
    /// Removals first, in the order of removal, then what is ensured.
    pub(super) steps: Vec<LaneStep>,
}

impl NodeWork {
    pub(super) fn is_empty(&self) -> bool {
        self.removals.is_empty() && self.segments.iter().all(|segment| segment.steps.is_empty())
    }

    /// The steps that are ensured.
    pub(super) fn ensured(&self) -> impl Iterator<Item = &RecordedStep> {
        let steps = self.segments.iter().flat_map(|segment| &segment.steps);
        steps
            .filter(|step| step.verb == Verb::Ensure)
            .map(|step| &step.recipe)
    }

    pub(super) fn steps(&self) -> usize {
        self.removals.len()
            + self
                .segments
                .iter()
                .map(|segment| segment.steps.len())
                .sum::<usize>()
    }
}

/// What there is to do on each node. Fails, in words, when a field cannot be filled.
pub(super) fn work(plan: &Plan) -> Result<BTreeMap<String, NodeWork>, String> {
    let filler = Filler::new(plan);
    plan.nodes
        .iter()
        .map(|row| Ok((row.name.clone(), node_work(plan, &filler, row)?)))
        .collect()
}

fn node_work(plan: &Plan, filler: &Filler<'_>, row: &NodeRow) -> Result<NodeWork, String> {
    let pattern = plan.patterns.get(row.pattern).ok_or_else(|| {
        format!(
            "node `{}` follows pattern {}, which is not there",
            row.name, row.pattern
        )
    })?;
    let mut work = NodeWork::default();
    let mut removed: BTreeMap<&str, Vec<LaneStep>> = BTreeMap::new();
    if let StepVerbs::Some {
        remove, remove_last, ..
    } = &row.steps
    {
        let step = |recipe: &RecordedStep| LaneStep {
            verb: Verb::Remove,
            recipe: recipe.clone(),
            loads: BTreeMap::new(),
            later: None,
            outputs: BTreeMap::new(),
        };
        for recipe in remove {
            let step = step(recipe);
            let run = rebar_compiler::plan::split_address(&recipe.address).map_or("", |(run, _)| run);
            match pattern.segments.iter().find(|segment| segment.run == run) {
                Some(segment) => removed.entry(&segment.run).or_default().push(step),
                None => work.removals.push(step),
            }
        }
        work.removals.extend(remove_last.iter().map(step));
        // What was made later goes earlier.
        work.removals
            .sort_by_key(|step| std::cmp::Reverse(step.recipe.position));
    }
    let filled = filler
        .steps(row)
        .map_err(|error| format!("on `{}`: {error}", row.name))?;
    let mut filled = filled.into_iter().peekable();
    for segment in &pattern.segments {
        let mut steps = removed.remove(segment.run.as_str()).unwrap_or_default();
        while let Some(FilledStep {
            step: recipe,
            loads,
            later,
            outputs,
            ..
        }) = filled.next_if(|step| step.run == segment.run)
        {
            let wanted = match &row.steps {
                StepVerbs::All => true,
                StepVerbs::Some { ensure, .. } => ensure.contains_key(&recipe.address),
            };
            if wanted {
                steps.push(LaneStep {
                    verb: Verb::Ensure,
                    recipe,
                    loads,
                    later,
                    outputs,
                });
            }
        }
        work.segments.push(SegmentWork {
            run: segment.run.clone(),
            steps,
        });
    }
    Ok(work)
}

/// What the deploy hands out.
pub(super) fn outputs(plan: &Plan, found: &Outputs) -> Result<BTreeMap<String, Value>, String> {
    Filler::with_outputs(plan, found)
        .outputs()
        .map_err(|error| format!("an output: {error}"))
}
