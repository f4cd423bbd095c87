//! What is there: the engine's lists, read by their labels.

use std::collections::HashMap;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as State, Network};
use bollard::query_parameters::{ListContainersOptions, ListNetworksOptions};
use ipnet::IpNet;

use super::engine::{Engine, SHORT, call};
use super::labels;
use crate::backend::{BackendError, MachineView, NetworkView, Operation, Scope, World};
use crate::backends::errors;

/// A container that is there.
#[derive(Debug, Clone, Default)]
pub(super) struct Container {
    pub(super) id: String,
    /// The engine's name for it.
    pub(super) handle: String,
    pub(super) labels: HashMap<String, String>,
    pub(super) running: bool,
    /// The engine has begun to remove it.
    pub(super) leaving: bool,
}

/// A network that is there.
#[derive(Debug, Clone, Default)]
pub(super) struct Net {
    pub(super) id: String,
    /// The engine's name for it.
    pub(super) handle: String,
    pub(super) labels: HashMap<String, String>,
    pub(super) subnets: Vec<IpNet>,
}

fn label<'a>(labels: &'a HashMap<String, String>, name: &str) -> &'a str {
    labels.get(name).map_or("", String::as_str)
}

fn belongs(labels: &HashMap<String, String>, kind: &str, scope: &Scope) -> bool {
    label(labels, labels::KIND) == kind && label(labels, labels::DEPLOY_ID) == scope.deploy_id
}

impl Container {
    fn new(found: ContainerSummary) -> Container {
        Container {
            id: found.id.unwrap_or_default(),
            handle: found
                .names
                .unwrap_or_default()
                .first()
                .map_or(String::new(), |name| name.trim_start_matches('/').to_owned()),
            labels: found.labels.unwrap_or_default(),
            // One that is paused has its processes, and must not be started a second time.
            running: matches!(found.state, Some(State::RUNNING | State::PAUSED)),
            leaving: matches!(found.state, Some(State::REMOVING | State::DEAD)),
        }
    }

    pub(super) fn label(&self, name: &str) -> &str {
        label(&self.labels, name)
    }

    /// Labels alone do not make it ours: what `docker commit` copies has them too.
    pub(super) fn is_of(&self, scope: &Scope) -> bool {
        let name = self.label(labels::NAME);
        belongs(&self.labels, "machine", scope)
            && [labels::handle(scope, name), labels::half(scope, name)].contains(&self.handle)
    }

    /// Whether it was made to the end and nobody has begun to remove it.
    pub(super) fn complete(&self) -> bool {
        !self.leaving && !labels::is_half(&self.handle)
    }
}

impl Net {
    fn new(found: Network) -> Net {
        let configurations = found.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        Net {
            id: found.id.unwrap_or_default(),
            handle: found.name.unwrap_or_default(),
            labels: found.labels.unwrap_or_default(),
            subnets: configurations
                .iter()
                .filter_map(|configuration| configuration.subnet.as_deref()?.parse().ok())
                .collect(),
        }
    }

    pub(super) fn label(&self, name: &str) -> &str {
        label(&self.labels, name)
    }

    pub(super) fn is_of(&self, scope: &Scope) -> bool {
        belongs(&self.labels, "network", scope)
    }
}

/// Everything that matters to a call.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) containers: Vec<Container>,
    pub(super) networks: Vec<Net>,
}

impl Seen {
    /// Looks at everything, ours or not: foreign things must be seen to be left alone.
    pub(super) async fn all(engine: &Engine) -> Result<Seen, BackendError> {
        Seen::look(engine, None).await
    }

    /// Looks at what is of this scope.
    pub(super) async fn of(engine: &Engine, scope: &Scope) -> Result<Seen, BackendError> {
        let mut seen = Seen::look(engine, labels::filter(labels::DEPLOY_ID, &scope.deploy_id)).await?;
        seen.containers.retain(|container| container.is_of(scope));
        seen.networks.retain(|network| network.is_of(scope));
        Ok(seen)
    }

    async fn look(
        engine: &Engine,
        filters: Option<HashMap<String, Vec<String>>>,
    ) -> Result<Seen, BackendError> {
        let containers = ListContainersOptions {
            all: true,
            filters: filters.clone(),
            ..ListContainersOptions::default()
        };
        let networks = ListNetworksOptions { filters };
        let (containers, networks) = tokio::try_join!(
            call(
                "list its containers",
                SHORT,
                engine.client.list_containers(Some(containers))
            ),
            call(
                "list its networks",
                SHORT,
                engine.client.list_networks(Some(networks))
            ),
        )?;
        Ok(Seen {
            containers: containers.into_iter().map(Container::new).collect(),
            networks: networks.into_iter().map(Net::new).collect(),
        })
    }

    /// The containers of a machine: more than one where a half stands beside it.
    pub(super) fn machine<'a>(
        &'a self,
        scope: &'a Scope,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Container> + Clone {
        self.containers
            .iter()
            .filter(move |container| container.is_of(scope) && container.label(labels::NAME) == name)
    }

    /// The networks of a name.
    pub(super) fn network<'a>(&'a self, scope: &'a Scope, name: &'a str) -> impl Iterator<Item = &'a Net> {
        self.networks
            .iter()
            .filter(move |network| network.is_of(scope) && network.label(labels::NAME) == name)
    }

    /// Refuses a writer that another has overtaken. Only what stands has an epoch, and only that of its making.
    pub(super) fn check_epoch(&self, scope: &Scope, operation: &Operation) -> Result<(), BackendError> {
        let containers = self.containers.iter().filter(|there| there.is_of(scope));
        let networks = self.networks.iter().filter(|there| there.is_of(scope));
        let highest = containers
            .map(|there| &there.labels)
            .chain(networks.map(|there| &there.labels))
            .filter_map(|labels| label(labels, labels::EPOCH).parse::<u64>().ok())
            .max()
            .unwrap_or(0);
        if operation.epoch < highest {
            return Err(errors::stale(operation.epoch, highest));
        }
        Ok(())
    }

    /// What the executor is told.
    pub(super) fn world(&self) -> World {
        let mut world = World::default();
        for container in &self.containers {
            let view = MachineView {
                handle: container.handle.clone(),
                operation: container.label(labels::OPERATION).to_owned(),
                digest: container.label(labels::DIGEST).to_owned(),
                running: container.running,
                complete: container.complete(),
            };
            let name = container.label(labels::NAME).to_owned();
            // Of a whole machine and a half of the same name, the whole one counts.
            if view.complete || !world.machines.contains_key(&name) {
                world.machines.insert(name, view);
            }
        }
        for network in &self.networks {
            if let Ok(cidr) = network.label(labels::CIDR).parse() {
                let view = NetworkView {
                    handle: network.handle.clone(),
                    operation: network.label(labels::OPERATION).to_owned(),
                    cidr,
                };
                world
                    .networks
                    .insert(network.label(labels::NAME).to_owned(), view);
            }
        }
        world
    }
}
