//! A world in which a deploy stands already, as its record says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rebar_compiler::plan::Snapshot;
use tokio::time::Instant;

use super::Sim;
use super::node::{Node, thing};
use super::world::{Machine, Network};
use crate::observe::agent_step;
use crate::state::{State, StateError};

/// The operation of objects that were there before the world began.
const BEFORE: &str = "before";

impl Sim {
    /// Makes everything that `state` records of `deploy`: networks, machines that run and know the names they were
    /// told, and on them the steps that were finished. What was found otherwise than recorded is not known here.
    ///
    /// # Errors
    /// Those of reading the state.
    pub async fn stand_as_recorded(&self, state: &State, deploy: &str, site: &str) -> Result<(), StateError> {
        let snapshot = state.snapshot_record(deploy, site).await?;
        let Some(id) = snapshot.base.deploy_id.clone() else {
            return Ok(());
        };
        let names = state.published_names(deploy).await?;
        let details = state.node_details(deploy, "").await?;
        // Not so new that a list which lags would not show it.
        let now = Instant::now();
        let made = now.checked_sub(Duration::from_secs(60)).unwrap_or(now);
        self.world(|world| {
            for (name, network) in &snapshot.networks {
                let network = Network {
                    operation: BEFORE.to_owned(),
                    cidr: network.cidr,
                };
                world.networks.insert((id.clone(), name.clone()), network);
            }
            for (name, recorded) in &snapshot.nodes {
                let detail = details.get(name);
                let told = detail.is_some_and(|detail| detail.told);
                let machine = Machine {
                    operation: BEFORE.to_owned(),
                    digest: recorded.machine.clone(),
                    running: true,
                    complete: true,
                    names: if told { names.clone() } else { BTreeMap::new() },
                    node: Arc::new(Mutex::new(node(&snapshot, name, &id))),
                    made,
                    away: None,
                };
                world.machines.insert((id.clone(), name.clone()), machine);
            }
        });
        Ok(())
    }
}

fn node(snapshot: &Snapshot, name: &str, deploy_id: &str) -> Node {
    let Some(recorded) = snapshot.nodes.get(name) else {
        return Node::default();
    };
    let mut node = Node::on(recorded.addresses.keys().map(str::to_owned).collect());
    node.deploy = Some(deploy_id.to_owned());
    let finished = recorded
        .steps
        .values()
        .filter(|step| !recorded.unfinished.contains(&step.address));
    for recipe in finished {
        let step = agent_step(recipe, BTreeMap::new());
        let shown = step.fields.iter().filter(|(name, _)| !step.secret.contains(name));
        let value = serde_json::to_value(shown.collect::<BTreeMap<_, _>>()).unwrap_or_default();
        node.things.insert(thing(&step), value);
    }
    node
}
