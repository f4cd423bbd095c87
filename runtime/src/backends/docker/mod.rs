//! Machines as containers of a Docker engine, or of one that speaks its language.
//!
//! The engine is found by `DOCKER_HOST`. Everything that this backend knows stands in labels of the engine's objects;
//! images come from the same cache as those of the other backends.

mod agent;
mod archive;
mod container;
mod engine;
mod errors;
mod examine;
mod exec;
mod find;
mod groups;
mod image;
pub(crate) mod labels;
mod machine;
mod names;
mod network;
mod probe;
mod world;

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use self::engine::Engine;
use self::machine::Call;
use self::world::Seen;
use super::errors as common;
use crate::backend::{
    Applied, Backend, BackendError, Capability, Command, Finding, Folders, Found, ObjectAction, Operation,
    Probed, Process, Progress, Scope, World, agent_words,
};
use crate::backends::identity;

/// The backend for container engines.
#[derive(Debug)]
pub struct Docker {
    folders: Folders,
    engine: OnceCell<Engine>,
}

impl Docker {
    /// A backend that takes images from the cache in these folders. The engine is asked when it is first needed.
    pub fn new(folders: Folders) -> Docker {
        Docker {
            folders,
            engine: OnceCell::new(),
        }
    }

    async fn engine(&self) -> Result<&Engine, BackendError> {
        self.engine.get_or_try_init(Engine::connect).await
    }
}

#[async_trait]
impl Backend for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn capabilities(&self) -> BTreeMap<String, Capability> {
        let exact = [
            "node.packages",
            "node.files",
            "node.users",
            "node.commands",
            "network.addresses",
            "network.outbound",
            "machine.memory",
            "machine.cpu",
        ];
        // Without `sys_admin`, which is the site's to say; `std/prelude.rebar` tells both.
        let emulated = [
            (
                "node.services",
                "units run without the sandbox and the mounts that they ask for; those with DynamicUser do not start",
            ),
            (
                "node.network",
                "the engine keeps addresses and routes: programs on the node cannot change them",
            ),
            (
                "node.names",
                "the engine writes /etc/hosts anew when it starts a node: what others restart knows no names until rebar starts it or names change",
            ),
        ];
        let emulated = emulated.map(|(name, how)| (name.to_owned(), Capability::Emulated(how.to_owned())));
        exact
            .into_iter()
            .map(|name| (name.to_owned(), Capability::Exact))
            .chain(emulated)
            .collect()
    }

    fn parallelism(&self) -> usize {
        4
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(self.engine().await).await
    }

    async fn observe(&self, scope: &Scope) -> Result<World, BackendError> {
        Ok(Seen::of(self.engine().await?, scope).await?.world())
    }

    async fn find(&self) -> Result<Vec<Found>, BackendError> {
        Ok(find::find(&Seen::all(self.engine().await?).await?))
    }

    async fn identity(&self) -> Result<Option<String>, BackendError> {
        let id = self.engine().await?.id.as_ref();
        Ok(id.map(|id| format!("the container engine {id}")))
    }

    async fn apply(
        &self,
        scope: &Scope,
        operation: &Operation,
        progress: Progress<'_>,
    ) -> Result<Applied, BackendError> {
        let engine = self.engine().await?;
        let call = Call {
            engine,
            folders: &self.folders,
            scope,
            operation,
            progress,
        };
        match &operation.action {
            ObjectAction::PrepareImage { image } => {
                Seen::of(engine, scope).await?.check_epoch(scope, operation)?;
                let image = image::ensure(engine, &self.folders, image, progress).await?;
                let note = if image.fresh {
                    "brought into the engine"
                } else {
                    "was in the engine"
                };
                Ok(Applied {
                    handle: image.key,
                    note: note.to_owned(),
                })
            }
            ObjectAction::CreateNetwork { network } => {
                network::create(engine, scope, operation, network).await
            }
            ObjectAction::DestroyNetwork { name } => network::destroy(engine, scope, operation, name).await,
            ObjectAction::CreateMachine { machine } => machine::create(call, machine).await,
            ObjectAction::StartMachine { machine } => machine::start(call, machine).await,
            ObjectAction::DestroyMachine { name } => machine::destroy(call, name).await,
            ObjectAction::PublishNames { names } => names::publish(call, names).await,
        }
    }

    async fn probe(&self, scope: &Scope, operation: &Operation) -> Result<Probed, BackendError> {
        probe::probe(self.engine().await?, &self.folders, scope, operation).await
    }

    async fn open(&self, scope: &Scope, machine: &str, command: &Command) -> Result<Process, BackendError> {
        identity::check_name("the name of a machine", machine)?;
        let engine = self.engine().await?;
        let seen = Seen::of(engine, scope).await?;
        let there = seen.machine(scope, machine).find(|there| there.complete());
        let there = there.ok_or_else(|| common::not_running(machine, "is not there"))?;
        if !there.running {
            return Err(common::not_running(machine, "does not run"));
        }
        if let Some(words) = agent_words(&command.arguments) {
            return agent::open(engine, &there.id, machine, command, words).await;
        }
        exec::open(engine, &there.id, machine, command).await
    }
}
