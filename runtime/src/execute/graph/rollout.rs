//! Rollouts: nodes that serve a run already are changed in batches, in name order; others are not held back.

use rebar_compiler::plan::{ObjectVerb, Pattern};

use super::{Barrier, Builder, Standing, Task};

impl Builder<'_> {
    /// Fails, in words, on a rollout that never gets anywhere.
    pub(super) fn rollouts(&mut self, standing: &Standing) -> Result<(), String> {
        let plan = self.plan;
        for pattern in &plan.patterns {
            for (index, segment) in pattern.segments.iter().enumerate() {
                let rollout = &segment.rollout;
                if rollout.canary.is_none() && rollout.batch.is_none() {
                    continue;
                }
                if rollout.batch == Some(0) {
                    return Err(format!("run `{}` has batches of no node", segment.run));
                }
                let prefix = format!("{}.", segment.run);
                let serves = |node: &str| {
                    let steps = standing.served.get(node);
                    standing.replaced.contains(node)
                        || steps.is_some_and(|steps| steps.iter().any(|step| step.starts_with(&prefix)))
                };
                let changes = self.changes(pattern, index, serves);
                let canary = (rollout.canary.unwrap_or(0) as usize).min(changes.len());
                let (first, others) = changes.split_at(canary);
                let size = rollout.batch.map_or(others.len(), |b| b as usize).max(1);
                let first = [first].into_iter().filter(|batch| !batch.is_empty());
                let batches: Vec<&[(usize, usize)]> = first.chain(others.chunks(size)).collect();
                for (number, pair) in batches.windows(2).enumerate() {
                    let task = Barrier::Batch(segment.run.clone(), number, rollout.settle.unwrap_or(0));
                    let barrier = self.add(Task::Barrier(task));
                    for (_, end) in pair[0] {
                        self.hard(barrier, *end);
                    }
                    for (begin, _) in pair[1] {
                        self.hard(*begin, barrier);
                    }
                }
            }
        }
        Ok(())
    }

    /// For each serving node the jobs with which its change begins and ends. A machine that is replaced serves
    /// until it is destroyed; it belongs to the batch of the first run that has one.
    fn changes(
        &mut self,
        pattern: &Pattern,
        index: usize,
        serves: impl Fn(&str) -> bool,
    ) -> Vec<(usize, usize)> {
        let plan = self.plan;
        let group = plan
            .groups
            .get(&pattern.group)
            .map(|g| g.nodes.as_slice())
            .unwrap_or_default();
        let mut changes = Vec::new();
        for node in group.iter().filter(|node| serves(node)) {
            let Some(end) = self.at(&Task::Segment(node.clone(), index)) else {
                continue;
            };
            match self.at(&Task::DropMachine(node.clone(), false)) {
                None => changes.push((end, end)),
                Some(drop) if self.batch_replacements && self.batched.insert(node.clone()) => {
                    changes.push((drop, end));
                }
                Some(_) => {}
            }
        }
        changes
    }

    /// Whether a network is replaced: then all machines on it go at once, and no batch can hold them apart.
    pub(super) fn replaces_networks(&self) -> bool {
        self.plan
            .networks
            .values()
            .any(|network| matches!(network.verb, ObjectVerb::Replace { .. }))
    }
}
