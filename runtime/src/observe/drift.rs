//! Drift: last applied compared with live.

use rebar_compiler::plan::{Machine, RecordedNode, Removal};
use serde::{Deserialize, Serialize};

use super::{Depth, ObserveError, look};
use crate::backend::Backend;
use crate::state::State;

/// What was found otherwise than applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftReport {
    /// The deploy.
    pub deploy: String,
    /// How many nodes were compared.
    pub nodes: usize,
    /// How many steps were compared.
    pub steps: usize,
    /// Differences, by node and step.
    pub items: Vec<DriftItem>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftItem {
    /// The node; for networks, the network.
    pub node: String,
    /// What about it.
    #[serde(flatten)]
    pub what: Drift,
}

/// A kind of difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "drift", rename_all = "snake_case")]
pub enum Drift {
    /// The network is gone or has other addresses.
    NetworkGone,
    /// The machine is gone.
    MachineGone,
    /// The machine is there and does not run.
    MachineStopped,
    /// A machine of this name is there, made from something else.
    MachineReplaced,
    /// A step is otherwise than applied.
    StepDiffers {
        /// `run.step`.
        step: String,
        /// What was found, in words.
        what: String,
    },
    /// It could not be found out.
    Unknown {
        /// `run.step`; nothing if the whole node could not be asked.
        step: Option<String>,
        /// Why.
        because: String,
    },
}

impl DriftReport {
    /// Whether something is otherwise than applied, for certain.
    pub fn drifted(&self) -> bool {
        self.items
            .iter()
            .any(|item| !matches!(item.what, Drift::Unknown { .. }))
    }

    /// Whether something could not be found out.
    pub fn unknown(&self) -> bool {
        self.items
            .iter()
            .any(|item| matches!(item.what, Drift::Unknown { .. }))
    }
}

/// Compares everything that was applied with what is there now. Nothing is changed.
///
/// # Errors
/// When the record cannot be read or the backend cannot be asked.
pub async fn drift(
    state: &State,
    backend: &dyn Backend,
    deploy: &str,
    site: &str,
) -> Result<DriftReport, ObserveError> {
    let findings = look(state, backend, deploy, site, Depth::Nodes).await?;
    let snapshot = &findings.snapshot;
    let mut items = Vec::new();
    for (name, network) in &snapshot.networks {
        if !network.live {
            items.push(DriftItem {
                node: name.clone(),
                what: Drift::NetworkGone,
            });
        }
    }
    for (name, node) in &snapshot.nodes {
        let mut push = |what| {
            items.push(DriftItem {
                node: name.clone(),
                what,
            })
        };
        match node.live {
            Machine::Running => {}
            Machine::Stopped => push(Drift::MachineStopped),
            Machine::Absent if findings.replaced.contains(name) => push(Drift::MachineReplaced),
            Machine::Absent => push(Drift::MachineGone),
            Machine::Unknown => {
                let because = findings.unknown.get(name).cloned().unwrap_or_default();
                push(Drift::Unknown { step: None, because });
            }
        }
        for (step, what) in differences(node) {
            push(Drift::StepDiffers {
                step: step.clone(),
                what: what.clone(),
            });
        }
        for step in &node.unfinished {
            let because = "an earlier run began it and did not finish it".to_owned();
            push(Drift::Unknown {
                step: Some(step.clone()),
                because,
            });
        }
        for (step, because) in steps_of(name, &findings.unknown) {
            push(Drift::Unknown {
                step: Some(step.to_owned()),
                because: because.clone(),
            });
        }
    }
    Ok(DriftReport {
        deploy: deploy.to_owned(),
        nodes: snapshot.nodes.len(),
        steps: snapshot.nodes.values().map(|node| node.steps.len()).sum(),
        items,
    })
}

/// Steps found otherwise than applied. What only looks and fails behind another difference is its consequence.
fn differences(node: &RecordedNode) -> impl Iterator<Item = (&String, &String)> {
    let looks = |address: &String| {
        node.steps
            .get(address)
            .is_some_and(|s| s.removal == Removal::Nothing)
    };
    let position = |address: &String| node.steps.get(address).map_or(0, |step| step.position);
    let first = node
        .drifted
        .keys()
        .filter(|address| !looks(address))
        .map(position)
        .min();
    node.drifted
        .iter()
        .filter(move |(address, _)| !looks(address) || first.is_none_or(|first| position(address) < first))
}

/// What is unknown of a node's steps.
fn steps_of<'a>(
    node: &'a str,
    unknown: &'a std::collections::BTreeMap<String, String>,
) -> impl Iterator<Item = (&'a str, &'a String)> {
    unknown.iter().filter_map(move |(subject, because)| {
        let (of, step) = subject.split_once('/')?;
        (of == node).then_some((step, because))
    })
}
