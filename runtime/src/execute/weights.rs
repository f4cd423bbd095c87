//! How long each piece of work is expected to take: as measured before, or what is usual for its kind.

use std::collections::BTreeMap;
use std::time::Duration;

use rebar_agent::protocol::Verb;
use rebar_compiler::plan::{Plan, RecordedStep};

use super::filled::NodeWork;
use super::graph::{Barrier, Task};
use super::lane::LaneStep;
use super::leave;
use crate::state::{Durations, step_measured_as, usual};

/// What is known of durations.
#[derive(Debug, Default)]
pub(super) struct Weights {
    durations: Durations,
    /// The median over all steps of a kind, for a step that is new and of a kind that is not.
    kinds: BTreeMap<String, Duration>,
}

impl Weights {
    /// From what was measured.
    pub(super) fn new(durations: Durations) -> Weights {
        let mut kinds: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (what, samples) in &durations.samples {
            let mut words = what.split(' ');
            if let (Some("step"), Some(kind)) = (words.next(), words.next()) {
                kinds.entry(kind).or_default().extend(samples);
            }
        }
        let median = |mut samples: Vec<u64>| {
            samples.sort_unstable();
            samples.get(samples.len() / 2).copied().map(Duration::from_millis)
        };
        let kinds = kinds
            .into_iter()
            .filter_map(|(kind, samples)| Some((kind.to_owned(), median(samples)?)))
            .collect();
        Weights { durations, kinds }
    }

    /// How long a task is expected to take once it begins, alone on its slot.
    pub(super) fn of(&self, plan: &Plan, work: &BTreeMap<String, NodeWork>, task: &Task) -> Duration {
        match task {
            Task::Image => {
                let name = plan.backend.image.as_ref().map_or("", |image| &image.name);
                self.durations.expected_or_usual(&format!("prepare image/{name}"))
            }
            Task::MakeNetwork(_) => self.durations.expected_or_usual("create network"),
            Task::DropNetwork(_) => self.durations.expected_or_usual("destroy network"),
            Task::MakeMachine(_) => self.durations.expected_or_usual("create machine"),
            Task::StartMachine(_) => self.durations.expected_or_usual("start machine"),
            Task::DropMachine(..) => self.durations.expected_or_usual("destroy machine"),
            Task::Names(_) | Task::FinalNames => self.durations.expected_or_usual("publish names"),
            Task::Segment(node, index) => {
                let segment = work.get(node).and_then(|node| node.segments.get(*index));
                segment.map_or(Duration::ZERO, |segment| self.steps(&segment.steps))
            }
            Task::Removal(node) => work
                .get(node)
                .map_or(Duration::ZERO, |node| self.steps(&node.removals)),
            Task::Barrier(Barrier::Batch(_, _, rest)) => Duration::from_nanos(*rest),
            Task::Leave(node) => {
                let recipes = leave::of(plan, node).iter();
                recipes.map(|recipe| self.step(Verb::Ensure, recipe)).sum()
            }
            Task::KeepMachine(_)
            | Task::Look(..)
            | Task::Barrier(Barrier::Gate(_) | Barrier::Users(_) | Barrier::Changed | Barrier::Looked(..)) => {
                Duration::ZERO
            }
        }
    }

    fn steps(&self, steps: &[LaneStep]) -> Duration {
        steps.iter().map(|step| self.step(step.verb, &step.recipe)).sum()
    }

    fn step(&self, verb: Verb, recipe: &RecordedStep) -> Duration {
        let kind = recipe.kind.as_str();
        let what = step_measured_as(verb, recipe);
        self.durations
            .expected(&what)
            .or_else(|| match verb {
                Verb::Ensure => self.kinds.get(kind).copied(),
                Verb::Remove => None,
            })
            .unwrap_or_else(|| usual(&what))
    }
}

#[cfg(test)]
mod tests {
    use rebar_compiler::plan::Removal;

    use super::*;

    fn step(verb: Verb, kind: &str, address: &str) -> LaneStep {
        let recipe = RecordedStep {
            address: address.to_owned(),
            kind: kind.to_owned(),
            key: String::new(),
            digest: String::new(),
            fields: BTreeMap::new(),
            removal: Removal::Remove,
            position: 0,
            outputs: BTreeMap::new(),
            known_as: None,
        };
        LaneStep {
            verb,
            recipe,
            loads: BTreeMap::new(),
            later: None,
            outputs: BTreeMap::new(),
        }
    }

    #[test]
    fn what_was_measured_counts_then_its_kind_then_what_is_usual() {
        let samples = BTreeMap::from([
            ("step package a.nginx".to_owned(), vec![3000, 1000, 2000]),
            ("step package a.git".to_owned(), vec![9000, 9000, 9000]),
            ("removal file".to_owned(), vec![7]),
        ]);
        let weights = Weights::new(Durations { samples });
        let millis = |verb, kind, address| weights.step(verb, &step(verb, kind, address).recipe).as_millis();
        assert_eq!(millis(Verb::Ensure, "package", "a.nginx"), 2000);
        assert_eq!(millis(Verb::Ensure, "package", "a.new"), 9000);
        assert_eq!(millis(Verb::Ensure, "probe", "a.up"), 1000);
        assert_eq!(millis(Verb::Remove, "file", "b.gone"), 7);
        assert_eq!(weights.steps(&[]), Duration::ZERO);
    }
}
