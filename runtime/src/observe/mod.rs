//! Observation: what was applied, compared with what is there now.

mod drift;
mod line;

pub use drift::{Drift, DriftItem, DriftReport, drift};
pub(crate) use line::{Line, LineError};

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use rebar_agent::protocol::{Event, Observation, PROTOCOL, Request, Step};
use rebar_compiler::plan::{
    Machine, RecordedNode, RecordedStep, Removal, Snapshot, holds_secret, without_secrets,
};

use crate::backend::{Backend, BackendError, Scope};
use crate::state::{State, StateError};

/// So many nodes are asked at a time.
const AT_A_TIME: usize = 16;

/// So often a machine that cannot be asked is looked at again, with this pause before.
const LOOKS: usize = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// So long an agent that looks may be silent, besides what a step itself may take.
const SILENCE: Duration = Duration::from_secs(60);

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Not at all: what was applied is taken for what is there.
    None,
    /// Ask the backend for machines and networks.
    Objects,
    /// Ask the agent on each node as well.
    Nodes,
}

/// Why nothing could be observed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ObserveError {
    /// The record could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The backend could not be asked.
    #[error("cannot ask the backend what is there: {0}")]
    Backend(BackendError),
}

impl ObserveError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            ObserveError::State(error) => error.code(),
            ObserveError::Backend(error) => error.code,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            ObserveError::State(error) => Some(error.help()),
            ObserveError::Backend(error) => error.help.clone(),
        }
    }
}

/// A snapshot, with what it cannot hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// The record with what was found.
    pub snapshot: Snapshot,
    /// Nodes and steps (`web-1`, `web-1/pages.index`) that could not be asked, and why.
    pub unknown: BTreeMap<String, String>,
    /// Machines that are there under other circumstances than applied (made from something else).
    pub replaced: Vec<String>,
}

/// The snapshot that a plan is made from: the record of `deploy` on `site`, and how it was found.
///
/// # Errors
/// When the record cannot be read or the backend cannot be asked. A node that cannot be asked is no error: it is
/// [`Machine::Unknown`].
pub async fn observe(
    state: &State,
    backend: &dyn Backend,
    deploy: &str,
    site: &str,
    depth: Depth,
) -> Result<Snapshot, ObserveError> {
    Ok(look(state, backend, deploy, site, depth).await?.snapshot)
}

/// Like [`observe`], and says why something is unknown.
///
/// # Errors
/// Those of [`observe`].
pub async fn look(
    state: &State,
    backend: &dyn Backend,
    deploy: &str,
    site: &str,
    depth: Depth,
) -> Result<Findings, ObserveError> {
    let snapshot = state.snapshot_record(deploy, site).await?;
    let mut findings = Findings {
        snapshot,
        ..Findings::default()
    };
    let Some(deploy_id) = findings.snapshot.base.deploy_id.clone() else {
        return Ok(findings);
    };
    if depth == Depth::None {
        return Ok(findings);
    }
    let scope = Scope {
        deploy_id,
        deploy: deploy.to_owned(),
    };
    state.same_engine(deploy, backend).await?;
    let world = backend.observe(&scope).await.map_err(ObserveError::Backend)?;
    for (name, network) in &mut findings.snapshot.networks {
        network.live = world
            .networks
            .get(name)
            .is_some_and(|view| view.cidr == network.cidr);
    }
    for (name, node) in &mut findings.snapshot.nodes {
        node.live = match world.machines.get(name) {
            None => Machine::Absent,
            Some(view) if !view.complete => Machine::Absent,
            Some(view) if view.digest != node.machine => {
                findings.replaced.push(name.clone());
                Machine::Absent
            }
            Some(view) if view.running => Machine::Running,
            Some(_) => Machine::Stopped,
        };
    }
    if depth == Depth::Nodes {
        ask_nodes(backend, &scope, &mut findings).await;
        await_ends(backend, &scope, &mut findings).await?;
    }
    Ok(findings)
}

/// A machine that cannot be asked may be on its way down: it is looked at again before it is called unknown.
async fn await_ends(
    backend: &dyn Backend,
    scope: &Scope,
    findings: &mut Findings,
) -> Result<(), ObserveError> {
    for _ in 0..LOOKS {
        let silent = |node: &RecordedNode| node.live == Machine::Unknown;
        if !findings.snapshot.nodes.values().any(silent) {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let world = backend.observe(scope).await.map_err(ObserveError::Backend)?;
        for (name, node) in findings
            .snapshot
            .nodes
            .iter_mut()
            .filter(|(_, node)| silent(node))
        {
            node.live = match world.machines.get(name) {
                None => Machine::Absent,
                Some(view) if !view.running => Machine::Stopped,
                Some(_) => continue,
            };
            findings.unknown.remove(name);
        }
    }
    Ok(())
}

async fn ask_nodes(backend: &dyn Backend, scope: &Scope, findings: &mut Findings) {
    let running: Vec<(String, Vec<Step>)> = findings
        .snapshot
        .nodes
        .iter()
        .filter(|(_, node)| node.live == Machine::Running)
        .map(|(name, node)| (name.clone(), applied(node)))
        .collect();
    let answers = futures::stream::iter(running)
        .map(|(name, steps)| async move {
            let answer = ask_node(backend, scope, &name, steps).await;
            (name, answer)
        })
        .buffer_unordered(AT_A_TIME)
        .collect::<Vec<_>>()
        .await;
    for (name, answer) in answers {
        let Some(node) = findings.snapshot.nodes.get_mut(&name) else {
            continue;
        };
        match answer {
            Err(error) => {
                node.live = Machine::Unknown;
                findings.unknown.insert(name, error.to_string());
            }
            Ok(states) => {
                for (address, state) in states {
                    match state {
                        Observation::InSync => {}
                        Observation::Differs { what } => {
                            node.drifted.insert(address, what);
                        }
                        Observation::Unknown { because } => {
                            findings.unknown.insert(format!("{name}/{address}"), because);
                        }
                    }
                }
            }
        }
    }
}

/// The steps that were finished, in their order.
fn applied(node: &RecordedNode) -> Vec<Step> {
    let mut steps: Vec<&RecordedStep> = node
        .steps
        .values()
        .filter(|step| !node.unfinished.contains(&step.address))
        .collect();
    steps.sort_by_key(|step| step.position);
    steps
        .into_iter()
        .map(|step| agent_step(step, BTreeMap::new()))
        .collect()
}

/// What is found of these steps on a node.
pub(crate) async fn ask_node(
    backend: &dyn Backend,
    scope: &Scope,
    machine: &str,
    steps: Vec<Step>,
) -> Result<BTreeMap<String, Observation>, LineError> {
    let asked: Vec<String> = steps.iter().map(|step| step.address.clone()).collect();
    let patience = patience(&steps);
    let request = Request::Observe {
        protocol: PROTOCOL,
        deploy: scope.deploy_id.clone(),
        steps,
    };
    let mut line = Line::ask(backend, scope, machine, &request).await?;
    let mut states = BTreeMap::new();
    // A node must not be able to make everybody wait for ever.
    while let Some(event) = tokio::time::timeout(patience, line.next())
        .await
        .map_err(|_| LineError::Silent(patience.as_secs()))??
    {
        if let Event::Observed { address, state } = event
            && asked.contains(&address)
        {
            states.insert(address, state);
        }
    }
    for address in asked {
        let silent = Observation::Unknown {
            because: "the agent did not answer for it".to_owned(),
        };
        states.entry(address).or_insert(silent);
    }
    Ok(states)
}

/// How long an agent that looks may be silent: looking is quick, but for what a step itself may take.
fn patience(steps: &[Step]) -> Duration {
    let limits = steps.iter().flat_map(|step| {
        ["timeout", "within"]
            .iter()
            .filter_map(|name| step.fields.get(*name)?.as_u64())
    });
    SILENCE + Duration::from_nanos(limits.max().unwrap_or(0))
}

/// A recorded step that is to be removed, in the agent's words: what goes is what the node knows by its own name.
pub(crate) fn removed_step(step: &RecordedStep) -> Step {
    let known_as = step.known_as.clone();
    Step {
        address: known_as.unwrap_or_else(|| step.address.clone()),
        replaced: step.successor().is_some(),
        ..agent_step(step, BTreeMap::new())
    }
}

/// A recorded step in the agent's words, without what is secret in it.
pub(crate) fn agent_step(step: &RecordedStep, loads: BTreeMap<String, String>) -> Step {
    Step {
        address: step.address.clone(),
        action: step.kind.clone(),
        key: step.key.clone(),
        fields: step
            .fields
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), without_secrets(value)?)))
            .collect(),
        removal: match step.removal {
            Removal::Restore => rebar_agent::protocol::Removal::Restore,
            Removal::Remove => rebar_agent::protocol::Removal::Remove,
            Removal::Forget | Removal::Nothing => rebar_agent::protocol::Removal::Forget,
        },
        loads,
        secret: step
            .fields
            .iter()
            .filter(|(_, value)| holds_secret(value))
            .map(|(name, _)| name.clone())
            .collect(),
        replaced: false,
    }
}
