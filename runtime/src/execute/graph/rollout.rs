//! Rollouts: nodes that serve a run already are changed in batches, in name order; others are not held back.
//!
//! The graph holds what is known before: batches, rests and looks. Who may go next while it goes on (limits, budgets)
//! is decided by `execute::rollouts` from what is listed here.

use rebar_compiler::plan::{ObjectVerb, Pattern, Rollout};

use super::{Barrier, Builder, Standing, Task};

/// The jobs of a rollout, for whoever decides who goes next.
#[derive(Debug)]
pub(in crate::execute) struct RolloutJobs {
    /// The run.
    pub(in crate::execute) run: String,
    /// Its group.
    pub(in crate::execute) group: String,
    /// What the plan says of it.
    pub(in crate::execute) limits: Rollout,
    /// A change of a serving node each: its name, the jobs with which it begins, and with which it is seen to be well.
    pub(in crate::execute) changes: Vec<(String, usize, usize)>,
    /// Nodes that do not serve yet, or not any more: the job with which they do.
    pub(in crate::execute) coming: Vec<(String, Option<usize>)>,
    /// Where batches meet: nothing is waited for there when the rollout is over.
    pub(in crate::execute) barriers: Vec<usize>,
}

/// Whether a rollout asks for anything at all.
fn is_any(rollout: &Rollout) -> bool {
    *rollout != Rollout::default()
}

impl Builder<'_> {
    /// Fails, in words, on a rollout that never gets anywhere.
    pub(super) fn rollouts(&mut self, standing: &Standing) -> Result<(), String> {
        let plan = self.plan;
        for pattern in &plan.patterns {
            for (index, segment) in pattern.segments.iter().enumerate() {
                let rollout = &segment.rollout;
                if !is_any(rollout) {
                    continue;
                }
                if rollout.batch == Some(0) {
                    return Err(format!("run `{}` has batches of no node", segment.run));
                }
                if rollout.max_unavailable == Some(0) {
                    return Err(format!("run `{}` may change no node at a time", segment.run));
                }
                let prefix = format!("{}.", segment.run);
                let serves = |node: &str| {
                    let steps = standing.served.get(node);
                    let served =
                        steps.is_some_and(|steps| steps.iter().any(|step| step.starts_with(&prefix)));
                    standing.replaced.contains(node) || served && !standing.down.contains(node)
                };
                let mut changes = self.changes(pattern, index, serves);
                let coming = self.coming(pattern, index, serves);
                let mut barriers = Vec::new();
                let mut before: Option<usize> = None;
                let sizes = batches(rollout, changes.len(), self.domains(&pattern.group));
                let last = sizes.len().saturating_sub(1);
                let mut rest = changes.as_mut_slice();
                for (number, size) in sizes.into_iter().enumerate() {
                    let (batch, others) = rest.split_at_mut(size);
                    rest = others;
                    if let Some(barrier) = before {
                        for (_, begin, _) in batch.iter() {
                            self.hard(*begin, barrier);
                        }
                    }
                    if number < last || rollout.settle.is_some() {
                        let barrier = self.end_of_batch(&segment.run, index, number, rollout, batch);
                        barriers.extend(&barrier);
                        before = barrier.last().copied();
                    }
                }
                self.graph.rollouts.push(RolloutJobs {
                    run: segment.run.clone(),
                    group: pattern.group.clone(),
                    limits: rollout.clone(),
                    changes,
                    coming,
                    barriers,
                });
            }
        }
        Ok(())
    }

    /// Where a batch meets, rests, and is looked at again; its changes end with the look then. What failed holds
    /// nobody here: whether the rollout goes on is decided when the next ones are to begin.
    fn end_of_batch(
        &mut self,
        run: &str,
        index: usize,
        number: usize,
        rollout: &Rollout,
        batch: &mut [(String, usize, usize)],
    ) -> Vec<usize> {
        let rest = rollout.settle.unwrap_or(0);
        let rested = self.add(Task::Barrier(Barrier::Batch(run.to_owned(), number, rest)));
        for (_, _, end) in batch.iter() {
            self.soft(rested, *end);
        }
        if rollout.settle.is_none() {
            return vec![rested];
        }
        let looked = self.add(Task::Barrier(Barrier::Looked(run.to_owned(), number)));
        for (node, _, end) in batch.iter_mut() {
            let look = self.add(Task::Look(node.clone(), index));
            self.hard(look, *end);
            self.hard(look, rested);
            self.soft(looked, look);
            let ended = std::mem::replace(end, look);
            for gate in self.gates_after(run) {
                // Where not all nodes count, one that is changed counts once: when it was looked at.
                if self.graph.jobs[gate].enough.is_some() {
                    self.graph.jobs[gate].hard.retain(|on| *on != ended);
                }
                self.hard(gate, look);
            }
        }
        vec![rested, looked]
    }

    /// The barriers of gates that wait for a run.
    fn gates_after(&self, run: &str) -> Vec<usize> {
        let gates = self.plan.gates.iter().enumerate();
        let after = gates.filter(|(_, gate)| gate.after == run);
        after
            .filter_map(|(index, _)| self.at(&Task::Barrier(Barrier::Gate(index))))
            .collect()
    }

    /// How many failure domains a group is known to have.
    fn domains(&self, group: &str) -> usize {
        let domains = self.plan.groups.get(group).map(|group| &group.domains);
        let names = domains.map(|domains| domains.values().collect::<std::collections::BTreeSet<_>>());
        names.map_or(1, |names| names.len().max(1))
    }

    fn members(&self, pattern: &Pattern) -> &[String] {
        let group = self.plan.groups.get(&pattern.group);
        group.map(|g| g.nodes.as_slice()).unwrap_or_default()
    }

    /// For each serving node the jobs with which its change begins and ends. A machine that is replaced serves
    /// until it is destroyed; it belongs to the batch of the first run that has one.
    fn changes(
        &mut self,
        pattern: &Pattern,
        index: usize,
        serves: impl Fn(&str) -> bool,
    ) -> Vec<(String, usize, usize)> {
        let group = self.members(pattern).to_vec();
        let mut changes = Vec::new();
        for node in group.into_iter().filter(|node| serves(node)) {
            let Some(end) = self.at(&Task::Segment(node.clone(), index)) else {
                continue;
            };
            match self.at(&Task::DropMachine(node.clone(), false)) {
                None => changes.push((node, end, end)),
                Some(drop) if self.batch_replacements && self.batched.insert(node.clone()) => {
                    let begin = self.at(&Task::Leave(node.clone())).unwrap_or(drop);
                    changes.push((node, begin, end));
                }
                Some(_) => {}
            }
        }
        changes
    }

    /// Members that do not serve, with the job after which they do; nothing where no job brings them back.
    fn coming(
        &self,
        pattern: &Pattern,
        index: usize,
        serves: impl Fn(&str) -> bool,
    ) -> Vec<(String, Option<usize>)> {
        let job = |node: &String| {
            let machine = [Task::MakeMachine, Task::StartMachine].into_iter();
            let machine = machine.filter_map(|task| self.at(&task(node.clone()))).next();
            self.at(&Task::Segment(node.clone(), index)).or(machine)
        };
        let members = self.members(pattern).iter().filter(|node| !serves(node));
        members.map(|node| (node.clone(), job(node))).collect()
    }

    /// Whether a network is replaced: then all machines on it go at once, and no batch can hold them apart.
    pub(super) fn replaces_networks(&self) -> bool {
        self.plan
            .networks
            .values()
            .any(|network| matches!(network.verb, ObjectVerb::Replace { .. }))
    }
}

/// The sizes of the batches of so many changes: the canary, then the others. Without `batch` those are as large as
/// what may be away at a time, so that what fails is seen before more is changed.
fn batches(rollout: &Rollout, changes: usize, domains: usize) -> Vec<usize> {
    let away = rollout
        .max_unavailable
        .map(|most| (most as usize).saturating_mul(domains));
    let size = rollout
        .batch
        .map(|batch| batch as usize)
        .or(away)
        .unwrap_or(changes)
        .max(1);
    let canary = (rollout.canary.unwrap_or(0) as usize).min(changes);
    let mut sizes: Vec<usize> = [canary].into_iter().filter(|canary| *canary > 0).collect();
    let mut left = changes - canary;
    while left > 0 {
        sizes.push(left.min(size));
        left -= left.min(size);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_all_changes() {
        let rollout = |canary, batch, max_unavailable| Rollout {
            canary,
            batch,
            max_unavailable,
            ..Rollout::default()
        };
        for (given, changes, domains, sizes) in [
            (rollout(Some(1), Some(2), None), 6, 1, vec![1, 2, 2, 1]),
            (rollout(Some(9), None, None), 3, 1, vec![3]),
            (rollout(Some(1), None, None), 3, 1, vec![1, 2]),
            (rollout(None, None, Some(2)), 5, 1, vec![2, 2, 1]),
            (rollout(None, None, Some(1)), 5, 3, vec![3, 2]),
            (rollout(None, Some(4), Some(1)), 5, 1, vec![4, 1]),
            (rollout(Some(1), Some(1), None), 0, 1, vec![]),
        ] {
            assert_eq!(batches(&given, changes, domains), sizes, "{given:?}");
        }
    }
}
