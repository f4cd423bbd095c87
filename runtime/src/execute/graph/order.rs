//! In which order jobs begin, and what they take.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rebar_compiler::plan::Plan;

use super::{Graph, subject};
use crate::execute::queue::Need;

impl Graph {
    /// For each job its place in the order of preference: the longest remaining path first, then what most others wait
    /// for, then by name.
    pub(in crate::execute) fn ranks(&self, plan: &Plan) -> Vec<usize> {
        let mut order: Vec<(Reverse<u64>, Reverse<usize>, String, usize)> = (0..self.jobs.len())
            .map(|at| {
                let fan_out = self.dependents[at].len();
                let name = subject(plan, &self.jobs[at].task);
                (Reverse(self.remaining[at]), Reverse(fan_out), name, at)
            })
            .collect();
        order.sort_unstable();
        let mut ranks = vec![0; order.len()];
        for (rank, (.., at)) in order.into_iter().enumerate() {
            ranks[at] = rank;
        }
        ranks
    }

    /// What each job takes; failure domains only where they are limited.
    pub(in crate::execute) fn needs(&self, plan: &Plan, with_domains: bool) -> Vec<Need> {
        let domains = if with_domains {
            domains(plan)
        } else {
            BTreeMap::new()
        };
        let needs = self.jobs.iter().map(|job| {
            let node = job.task.node();
            Need {
                slot: job.task.slot(),
                node: node.map(str::to_owned),
                domain: node.and_then(|node| domains.get(node)).cloned(),
            }
        });
        needs.collect()
    }
}

/// The failure domain of each node. Plans do not say where a node is placed, so a group that is spread is one domain.
fn domains(plan: &Plan) -> BTreeMap<&str, String> {
    let staying = plan.nodes.iter().filter_map(|row| {
        let pattern = plan.patterns.get(row.pattern)?;
        Some((row.name.as_str(), pattern.group.as_str()))
    });
    let leaving = plan
        .leaving
        .iter()
        .map(|node| (node.name.as_str(), node.group.as_str()));
    staying
        .chain(leaving)
        .filter_map(|(node, group)| {
            let spread = plan.groups.get(group)?.spread.as_ref()?;
            Some((node, format!("{group} by {spread}")))
        })
        .collect()
}
