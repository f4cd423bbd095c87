//! Moves: what was recorded under one name goes on under another. They change the record alone, before anything else,
//! and nothing on any node.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LEAVE, Ledger, RecordedNode, RecordedStep, Snapshot};

/// Moves of one group after each other; more than workloads can be within each other.
const MAX_HOPS: usize = 100;

/// A change of the record: something is called otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Move {
    /// A group; its nodes keep their names and machines.
    Group {
        /// The name before.
        from: String,
        /// The name from then on.
        to: String,
    },
    /// A run; its steps keep their records.
    Run {
        /// The name before.
        from: String,
        /// The name from then on.
        to: String,
    },
    /// A step of a run.
    Step {
        /// The run, as it is called from then on.
        run: String,
        /// The step's name before.
        from: String,
        /// Its name from then on.
        to: String,
    },
}

impl Move {
    /// `group web`, `run pages`, `step pages.index`: what had the old name.
    pub fn before(&self) -> String {
        match self {
            Move::Group { from, .. } => format!("group {from}"),
            Move::Run { from, .. } => format!("run {from}"),
            Move::Step { run, from, .. } => format!("step {run}.{from}"),
        }
    }

    /// What it is called from then on.
    pub fn after(&self) -> String {
        match self {
            Move::Group { to, .. } | Move::Run { to, .. } => to.clone(),
            Move::Step { run, to, .. } => format!("{run}.{to}"),
        }
    }

    /// The address of a recorded step from then on; `None` if it is not moved.
    pub fn address(&self, address: &str) -> Option<String> {
        match self {
            Move::Group { .. } => None,
            Move::Run { from, to } => {
                // With it go the runs of its workload and those of all turns of a `for`.
                let rest = address.strip_prefix(from.as_str())?;
                rest.starts_with(['.', '[']).then(|| format!("{to}{rest}"))
            }
            Move::Step { run, from, to } => {
                let step = address.strip_prefix(run.as_str())?.strip_prefix('.')?;
                // A step of a loop has its key behind its name.
                let key = step.strip_prefix(from.as_str())?;
                (key.is_empty() || key.starts_with('[')).then(|| format!("{run}.{to}{key}"))
            }
        }
    }

    /// Whether the record has something that this moves.
    pub(crate) fn finds(&self, nodes: &BTreeMap<String, RecordedNode>) -> bool {
        nodes.values().any(|node| match self {
            Move::Group { from, .. } => node.group == *from,
            Move::Run { .. } | Move::Step { .. } => {
                node.steps.keys().any(|address| self.address(address).is_some())
            }
        })
    }

    /// What is recorded already where this would move something to, as a node and what it has.
    pub(crate) fn in_the_way(&self, snapshot: &Snapshot) -> Option<(String, String)> {
        snapshot.nodes.iter().find_map(|(name, node)| match self {
            Move::Group { to, .. } => (node.group == *to).then(|| (name.clone(), format!("group `{to}`"))),
            Move::Run { .. } | Move::Step { .. } => node.steps.keys().find_map(|address| {
                let target = self.address(address)?;
                let taken = node.steps.contains_key(&target);
                taken.then(|| (name.clone(), format!("step `{target}`")))
            }),
        })
    }

    /// Makes the move in the record of one node.
    pub fn apply(&self, node: &mut RecordedNode) {
        if let Move::Group { from, to } = self {
            if node.group == *from {
                node.group.clone_from(to);
            }
            return;
        }
        let moved: Vec<(String, String)> = node
            .steps
            .keys()
            .filter_map(|address| Some((address.clone(), self.address(address)?)))
            .collect();
        for (from, to) in moved {
            if let Some(step) = node.steps.remove(&from) {
                node.steps.insert(to.clone(), moved_step(step, &to));
            }
            if let Some(found) = node.drifted.remove(&from) {
                node.drifted.insert(to.clone(), found);
            }
            for unfinished in node.unfinished.iter_mut().filter(|u| **u == from) {
                unfinished.clone_from(&to);
            }
        }
    }
}

/// A recorded step under another address. What the node itself goes by stays with it.
pub fn moved_step(mut step: RecordedStep, address: &str) -> RecordedStep {
    let node_knows = step.known_as.take().unwrap_or_else(|| step.address.clone());
    address.clone_into(&mut step.address);
    if step.kind == LEAVE {
        // Which run it is of is its identity, and there is nothing of it on the node.
        let run = super::split_address(address).map_or("", |(run, _)| run);
        run.clone_into(&mut step.key);
        step.fields.insert("run".to_owned(), run.into());
    } else if node_knows != step.address {
        step.known_as = Some(node_knows);
    }
    step
}

/// The moves of `wanted` that change something, and the snapshot as it is after them.
pub(super) fn take_effect<'s>(wanted: &[Move], snapshot: &'s Snapshot) -> (Vec<Move>, Cow<'s, Snapshot>) {
    let (mut moves, mut after) = (Vec::new(), Cow::Borrowed(snapshot));
    for step in wanted {
        if step.finds(&after.nodes) {
            after
                .to_mut()
                .nodes
                .values_mut()
                .for_each(|node| step.apply(node));
            moves.push(step.clone());
        }
    }
    (moves, after)
}

/// The ledger with the groups of a deploy moved; names and addresses stay.
pub(crate) fn move_groups(ledger: &Ledger, deploy: &str, moves: &[Move]) -> Option<Ledger> {
    let groups: BTreeMap<&str, &str> = moves
        .iter()
        .filter_map(|step| match step {
            Move::Group { from, to } => Some((from.as_str(), to.as_str())),
            Move::Run { .. } | Move::Step { .. } => None,
        })
        .collect();
    let held = ledger.deploys.get(deploy)?;
    if !held.values().any(|node| groups.contains_key(node.group.as_str())) {
        return None;
    }
    let mut moved = ledger.clone();
    moved.version += 1;
    for node in moved.deploys.get_mut(deploy)?.values_mut() {
        // A group within a workload may move with the run of that, and then by itself.
        let mut hops = 0;
        while let Some(to) = groups.get(node.group.as_str()).filter(|_| hops < MAX_HOPS) {
            (*to).clone_into(&mut node.group);
            hops += 1;
        }
    }
    Some(moved)
}
