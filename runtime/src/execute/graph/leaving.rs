//! What leaves: steps whose runs are gone, machines and networks. They go last.

use std::collections::BTreeSet;

use super::{Barrier, Builder, Task};

impl Builder<'_> {
    /// What leaves goes last: when all has ended, and all that may use it has been changed.
    pub(super) fn leaving(&mut self) {
        let plan = self.plan;
        let is = |job: &usize| matches!(self.graph.jobs[*job].task, Task::Segment(..));
        let segments: Vec<usize> = (0..self.graph.jobs.len()).filter(is).collect();
        let is = |job: &usize| matches!(self.graph.jobs[*job].task, Task::Removal(..));
        let removals: Vec<usize> = (0..self.graph.jobs.len()).filter(is).collect();
        if !removals.is_empty() {
            // Who used a run that is gone is no longer known: all must be changed.
            let users = self.users(String::new(), &segments);
            for job in &removals {
                self.hard(*job, users);
            }
        }
        if plan.leaving.is_empty() && plan.leaving_networks.is_empty() {
            return;
        }
        let changed = self.add(Task::Barrier(Barrier::Changed));
        for job in segments.iter().chain(&removals) {
            self.soft(changed, *job);
        }
        let mut dropped = Vec::new();
        for node in &plan.leaving {
            let task = Task::DropMachine(node.name.clone(), true);
            if let Some(job) = self.at(&task) {
                // Its network is replaced: it has gone before.
                dropped.push((job, node));
                continue;
            }
            let job = self.add(task);
            self.hard(job, changed);
            let users = Task::Barrier(Barrier::Users(node.group.clone()));
            let users = match self.at(&users) {
                Some(users) => users,
                None => {
                    let of_group = self.users_of(&node.group, &segments);
                    self.users(node.group.clone(), &of_group)
                }
            };
            self.hard(job, users);
            dropped.push((job, node));
        }
        for name in &plan.leaving_networks {
            let job = self.add(Task::DropNetwork(name.clone()));
            self.hard(job, changed);
            for (drop, _) in dropped
                .iter()
                .filter(|(_, node)| node.addresses.contains_key(name))
            {
                self.hard(job, *drop);
            }
            for row in &plan.nodes {
                if let Some(drop) = self.at(&Task::DropMachine(row.name.clone(), false)) {
                    self.hard(job, drop);
                }
            }
        }
        if !plan.leaving.is_empty() && !plan.nodes.is_empty() {
            let job = self.add(Task::FinalNames);
            for (drop, _) in dropped {
                self.soft(job, drop);
            }
        }
    }

    /// Segments that may use a group: those of runs gated after a run on it, and of runs gated after those. A
    /// group that is gone from the spec may have been used by any.
    fn users_of(&self, group: &str, segments: &[usize]) -> Vec<usize> {
        let plan = self.plan;
        if !plan.groups.contains_key(group) {
            return segments.to_vec();
        }
        let on_group = plan.patterns.iter().filter(|pattern| pattern.group == group);
        let mut sources: BTreeSet<&str> = on_group
            .flat_map(|pattern| pattern.segments.iter().map(|s| s.run.as_str()))
            .collect();
        let mut users = BTreeSet::new();
        loop {
            let gates = plan
                .gates
                .iter()
                .filter(|gate| sources.contains(gate.after.as_str()));
            let new: Vec<&str> = gates
                .map(|gate| gate.of.as_str())
                .filter(|of| !users.contains(of))
                .collect();
            if new.is_empty() {
                break;
            }
            users.extend(new.iter().copied());
            sources.extend(new);
        }
        users.iter().flat_map(|run| self.segments_of(run)).collect()
    }

    /// Where all users of a group meet; no name stands for everybody.
    fn users(&mut self, group: String, segments: &[usize]) -> usize {
        let withheld = self.left_out_user();
        let barrier = self.add(Task::Barrier(Barrier::Users(group)));
        self.graph.jobs[barrier].withheld = withheld;
        for segment in segments {
            self.hard(barrier, *segment);
        }
        barrier
    }
}
