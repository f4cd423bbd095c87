//! Values that exist only later, in a lane: steps that use what others find out are filled when it is known, and what a
//! step has found out is held against what it was to.

use std::collections::BTreeMap;

use rebar_agent::protocol::Verb;
use rebar_compiler::plan::LaterStep;
use serde_json::Value;

use super::super::event::Event;
use super::super::lookup::plain;
use super::super::outcome::{Failure, Stop};
use super::{LaneStep, Session};

/// What a step has found out, as it was to; what nobody asked for is left out. Nodes are not trusted.
pub(super) fn told_outputs(
    mut outputs: BTreeMap<String, Value>,
    step: &LaneStep,
) -> Result<BTreeMap<String, Value>, String> {
    let mut told = BTreeMap::new();
    if step.verb == Verb::Remove {
        return Ok(told);
    }
    plain(&mut outputs);
    for (name, of) in &step.outputs {
        match outputs.remove(name).filter(|value| of.holds(value)) {
            Some(value) => told.insert(name.clone(), value),
            None => {
                return Err(format!(
                    "it was done, and did not tell what it found out as `{name}`"
                ));
            }
        };
    }
    Ok(told)
}

impl Session<'_> {
    /// Up to the first step that uses what a step before it, which is not done, finds out.
    pub(super) fn until_later<'b>(&self, rest: &'b [usize]) -> &'b [usize] {
        let finds_out = |index: &usize, step: &str| {
            let before = &self.segment.steps[*index];
            before.verb == Verb::Ensure && before.recipe.address == step
        };
        let waits = |(at, index): (usize, &usize)| {
            let later = self.segment.steps[*index].later.as_ref();
            later.into_iter().flat_map(LaterStep::uses).any(|each| {
                each.nodes.contains(&self.segment.node)
                    && rest[..at].iter().any(|before| finds_out(before, &each.step))
            })
        };
        let end = rest.iter().enumerate().position(waits);
        end.map_or(rest, |end| &rest[..end])
    }

    /// Fills in what is known by now of steps that waited for it.
    pub(super) fn complete(&mut self, steps: &[usize]) -> Result<(), Stop> {
        for index in steps {
            let step = &self.segment.steps[*index];
            let Some(later) = &step.later else { continue };
            let (mut recipe, mut loads) = (step.recipe.clone(), step.loads.clone());
            let done = later.complete(&mut recipe, &mut loads, &self.calls.known.outputs());
            done.map_err(|error| self.not_filled(*index, &error.to_string()))?;
            self.completed.insert(*index, (recipe, loads));
        }
        Ok(())
    }

    fn not_filled(&self, index: usize, cause: &str) -> Stop {
        let (node, step) = (self.segment.node.clone(), self.address(index));
        let message = format!("it uses what other steps find out, and cannot be filled: {cause}");
        self.calls.tell(Event::StepFailed {
            node: node.clone(),
            step: step.clone(),
            message: message.clone(),
        });
        Stop::Failed(Box::new(Failure {
            node,
            step: Some(step),
            message,
            detail: String::new(),
            help: Some(
                "see what those steps told (`rebar status`), mend them or the spec, then apply again"
                    .to_owned(),
            ),
            code: "E1222".to_owned(),
        }))
    }
}
