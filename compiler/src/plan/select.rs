//! A part of a plan: only some nodes, or all but some; and nodes that are replaced because somebody asked for it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::leave::leave_steps;
use super::{NodeRow, ObjectVerb, Plan, Snapshot, StepVerbs};

/// What of a plan is wanted. Each entry is a node's name, a pattern with `*` such as `web-*`, or a group's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// These and no others; empty: all.
    pub only: Vec<String>,
    /// Not these.
    pub except: Vec<String>,
    /// These are replaced, whatever they are like.
    pub replace: Vec<String>,
}

impl Wanted {
    /// Whether the plan is taken as it is.
    pub fn is_everything(&self) -> bool {
        self.only.is_empty() && self.except.is_empty() && self.replace.is_empty()
    }
}

/// The nodes that a plan leaves alone, although something may be to be done there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// By name: what is not done there.
    pub left_out: BTreeMap<String, LeftOut>,
}

/// What is not done on a node that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Whether its machine would be made, replaced, started or destroyed.
    pub machine: bool,
    /// Runs of which steps would be carried out or removed.
    pub runs: Vec<String>,
}

impl LeftOut {
    /// Whether nothing is to be done there anyway.
    pub fn is_empty(&self) -> bool {
        !self.machine && self.runs.is_empty()
    }
}

/// Why a part of a plan cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// Nothing is called like that.
    #[error("`{pattern}` is no node and no group of this deploy")]
    Unknown {
        /// What was asked for.
        pattern: String,
        /// Groups and nodes that there are.
        known: Vec<String>,
    },
    /// The network is replaced, and with it every machine on it.
    #[error(
        "network `{network}` is to be replaced, which takes down every machine on it: `{node}` cannot be left out"
    )]
    Network {
        /// The network.
        network: String,
        /// A node on it that was to be left alone.
        node: String,
    },
    /// It leaves the spec.
    #[error("`{0}` cannot be replaced: it is no longer in the spec")]
    Leaves(String),
    /// It would be left alone and replaced.
    #[error("`{0}` is to be replaced and left out")]
    Both(String),
}

/// Takes the wanted part of `plan`, which was made on `snapshot`. A plan with a part left out, or with more replaced, is another plan: its hash
/// differs.
///
/// # Errors
/// When a pattern means no node, or the part cannot be carried out without the rest.
pub fn select(plan: &mut Plan, wanted: &Wanted, snapshot: &Snapshot) -> Result<(), SelectError> {
    let replaced = matching(plan, &wanted.replace)?;
    if let Some(node) = plan.leaving.iter().find(|node| replaced.contains(&node.name)) {
        return Err(SelectError::Leaves(node.name.clone()));
    }
    for row in plan.nodes.iter_mut().filter(|row| replaced.contains(&row.name)) {
        // One that is not there is made in any case.
        if !matches!(row.machine, ObjectVerb::Create | ObjectVerb::Replace { .. }) {
            row.machine = ObjectVerb::Replace {
                because: "asked for".to_owned(),
                changes: Vec::new(),
            };
            row.steps = StepVerbs::All;
            row.leave = snapshot.nodes.get(&row.name).map(leave_steps).unwrap_or_default();
        }
    }
    if wanted.only.is_empty() && wanted.except.is_empty() {
        return Ok(());
    }
    let (only, except) = (matching(plan, &wanted.only)?, matching(plan, &wanted.except)?);
    let is_out = |name: &String| except.contains(name) || !wanted.only.is_empty() && !only.contains(name);
    if let Some(node) = replaced.iter().find(|node| is_out(node)) {
        return Err(SelectError::Both(node.clone()));
    }
    leave_out(plan, is_out)
}

fn leave_out(plan: &mut Plan, is_out: impl Fn(&String) -> bool) -> Result<(), SelectError> {
    for (name, network) in &plan.networks {
        let on_it = plan
            .nodes
            .iter()
            .map(|row| (&row.name, &row.addresses))
            .chain(plan.leaving.iter().map(|node| (&node.name, &node.addresses)))
            .find(|(node, addresses)| is_out(node) && addresses.contains_key(name));
        if let (ObjectVerb::Replace { .. }, Some((node, _))) = (&network.verb, on_it) {
            return Err(SelectError::Network {
                network: name.clone(),
                node: node.clone(),
            });
        }
    }
    let mut left_out = BTreeMap::new();
    let patterns = std::mem::take(&mut plan.patterns);
    for row in plan.nodes.iter_mut().filter(|row| is_out(&row.name)) {
        let runs = patterns.get(row.pattern).map_or_else(Vec::new, |pattern| {
            pattern.segments.iter().map(|s| s.run.clone()).collect()
        });
        left_out.insert(row.name.clone(), pending(row, runs));
        row.machine = ObjectVerb::Keep;
        row.steps = StepVerbs::Some {
            ensure: BTreeMap::new(),
            remove: Vec::new(),
            remove_last: Vec::new(),
        };
    }
    plan.patterns = patterns;
    let leaving = std::mem::take(&mut plan.leaving);
    let (stay, leave): (Vec<_>, Vec<_>) = leaving.into_iter().partition(|node| is_out(&node.name));
    plan.leaving = leave;
    for node in stay {
        let gone = LeftOut {
            machine: true,
            runs: Vec::new(),
        };
        left_out.insert(node.name, gone);
    }
    // Networks go with the last plan that leaves nothing out; those that nobody selected needs are not made.
    if left_out.values().any(|node| !node.is_empty()) {
        plan.leaving_networks.clear();
    }
    for (name, network) in &mut plan.networks {
        let needed = |row: &NodeRow| !left_out.contains_key(&row.name) && row.addresses.contains_key(name);
        if !plan.nodes.iter().any(needed) {
            network.verb = ObjectVerb::Keep;
        }
    }
    plan.selection = Some(Selection { left_out });
    Ok(())
}

/// What would be done on a node whose pattern has these runs.
fn pending(row: &NodeRow, all: Vec<String>) -> LeftOut {
    let machine = row.machine != ObjectVerb::Keep;
    let runs = match &row.steps {
        StepVerbs::All => all,
        StepVerbs::Some {
            ensure,
            remove,
            remove_last,
        } => {
            let gone = remove.iter().chain(remove_last);
            let addresses = ensure.keys().chain(gone.map(|step| &step.address));
            let runs: BTreeSet<&str> = addresses
                .filter_map(|address| super::split_address(address))
                .map(|(run, _)| run)
                .collect();
            runs.into_iter().map(str::to_owned).collect()
        }
    };
    LeftOut { machine, runs }
}

/// The nodes that the patterns mean.
fn matching(plan: &Plan, patterns: &[String]) -> Result<BTreeSet<String>, SelectError> {
    let staying = plan.nodes.iter().map(|row| {
        let group = plan.patterns.get(row.pattern).map_or("", |p| p.group.as_str());
        (row.name.as_str(), group)
    });
    let leaving = plan
        .leaving
        .iter()
        .map(|node| (node.name.as_str(), node.group.as_str()));
    let nodes: Vec<(&str, &str)> = staying.chain(leaving).collect();
    let mut meant = BTreeSet::new();
    for pattern in patterns {
        let before = meant.len();
        let mut known = false;
        for (name, group) in &nodes {
            if is_like(pattern, name) || pattern == group {
                known = true;
                meant.insert((*name).to_owned());
            }
        }
        if !known && meant.len() == before {
            let mut known: BTreeSet<&str> = nodes.iter().map(|(_, group)| *group).collect();
            known.extend(nodes.iter().map(|(name, _)| *name));
            return Err(SelectError::Unknown {
                pattern: pattern.clone(),
                known: known.into_iter().map(str::to_owned).collect(),
            });
        }
    }
    Ok(meant)
}

/// Whether `name` is like `pattern`, in which `*` stands for anything.
fn is_like(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, like) in [
            ("web-1", "web-1", true),
            ("web-1", "web-10", false),
            ("web-*", "web-10", true),
            ("*-1", "web-1", true),
            ("*-1", "web-10", false),
            ("w*b*1", "web-1", true),
            ("a*a", "a", false),
            ("*", "edge", true),
            ("", "edge", false),
        ] {
            assert_eq!(is_like(pattern, name), like, "{pattern} {name}");
        }
    }
}
