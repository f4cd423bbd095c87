//! The embedded backend: machines are containers of this host, without a daemon.
//!
//! Each has a user namespace with a range of ids of its own, its image's service manager as its first process (or,
//! where it has none, the agent program, which then does no more than collect ended children), fixed addresses on bridges, and a disk that is an overlay over a shared image. Everything that this backend knows stands in
//! [`Folders::data`]`/local`; what runs is found by process, control group and bridge.
//!
//! A program that uses this backend must begin its `main` with [`launcher::is_launcher`] and [`launcher::run`].

mod cgroups;
mod examine;
mod find;
pub mod launcher;
mod line;
mod machine;
mod network;
mod observe;
mod open;
mod process;
mod publish;
mod ranges;
mod resolver;
mod store;
mod sys;
mod tools;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;

use async_trait::async_trait;

use self::machine::{Call, blocking};
use self::store::Store;
use crate::backend::{
    Applied, Backend, BackendError, Capability, Command, Finding, Folders, Found, ObjectAction, Operation,
    Probed, Process, Progress, Scope, World,
};
use crate::images;

use self::launcher::Request;
pub(crate) use self::line::Launched;
use self::line::Streams;
pub(crate) use self::tools::installed;
use super::errors;

/// The embedded backend.
#[derive(Debug)]
pub struct Local {
    folders: Folders,
    agent: &'static [u8],
    agent_file: OnceLock<Result<OwnedFd, String>>,
}

impl Local {
    /// A backend that keeps its machines in these folders and runs this agent program on them.
    pub fn new(folders: Folders, agent: &'static [u8]) -> Local {
        Local {
            folders,
            agent,
            agent_file: OnceLock::new(),
        }
    }

    fn agent(&self) -> Result<std::os::fd::BorrowedFd<'_>, BackendError> {
        self.agent_file
            .get_or_init(|| line::program_file(self.agent).map_err(|error| error.to_string()))
            .as_ref()
            .map(AsFd::as_fd)
            .map_err(|error| errors::kernel("keep the agent program in memory", error))
    }
}

fn need_root() -> Result<(), BackendError> {
    if rustix::process::geteuid().is_root() {
        Ok(())
    } else {
        Err(errors::not_root())
    }
}

/// Runs a program that builds something, so that nothing of it outlives this process. The caller takes its output
/// from the child's streams.
pub(crate) async fn launch_build(
    program: &str,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
) -> Result<Launched, BackendError> {
    need_root()?;
    let request = Request::Build {
        program: program.to_owned(),
        arguments,
        environment,
    };
    line::launch(&request, None, &Streams::Piped).await
}

#[async_trait]
impl Backend for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn capabilities(&self) -> BTreeMap<String, Capability> {
        let exact = [
            "node.packages",
            "node.files",
            "node.users",
            "node.services",
            "node.commands",
            "node.network",
            "node.names",
            "network.addresses",
            "network.outbound",
            "machine.memory",
            "machine.cpu",
        ];
        let sysctl =
            "settings of the network hold on the node; those of the kernel as a whole are this host's".into();
        exact
            .into_iter()
            .map(|name| (name.to_owned(), Capability::Exact))
            .chain([("node.sysctl".to_owned(), Capability::Emulated(sysctl))])
            .collect()
    }

    fn parallelism(&self) -> usize {
        8
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(&self.folders).await
    }

    async fn observe(&self, scope: &Scope) -> Result<World, BackendError> {
        observe::observe(&Store::new(&self.folders, scope)?, scope)
    }

    async fn find(&self) -> Result<Vec<Found>, BackendError> {
        find::find(&self.folders)
    }

    async fn identity(&self) -> Result<Option<String>, BackendError> {
        Ok(find::identity(&self.folders))
    }

    async fn apply(
        &self,
        scope: &Scope,
        operation: &Operation,
        progress: Progress<'_>,
    ) -> Result<Applied, BackendError> {
        need_root()?;
        let store = Store::new(&self.folders, scope)?;
        store.admit(operation.epoch)?;
        let call = Call {
            folders: &self.folders,
            store: &store,
            scope,
            operation,
            progress,
            agent: self.agent()?,
        };
        match &operation.action {
            ObjectAction::PrepareImage { image } => {
                let image = images::prepare(image, &self.folders.cache, progress).await?;
                let note = if image.built { "built" } else { "was in the cache" };
                Ok(Applied {
                    handle: image.key,
                    note: note.to_owned(),
                })
            }
            ObjectAction::CreateNetwork { network } => {
                let (scope, operation, network) = (scope.clone(), operation.clone(), network.clone());
                blocking(move || network::create(&store, &scope, &operation, &network)).await
            }
            ObjectAction::DestroyNetwork { name } => {
                let (scope, name) = (scope.clone(), name.clone());
                blocking(move || network::destroy(&store, &scope, &name)).await
            }
            ObjectAction::CreateMachine { machine } => machine::create(call, machine).await,
            ObjectAction::StartMachine { machine } => machine::start(call, &machine.name).await,
            ObjectAction::DestroyMachine { name } => machine::destroy(&store, scope, name).await,
            ObjectAction::PublishNames { names } => publish::publish(call, names).await,
        }
    }

    async fn probe(&self, scope: &Scope, operation: &Operation) -> Result<Probed, BackendError> {
        observe::probe(
            &self.folders,
            &Store::new(&self.folders, scope)?,
            scope,
            operation,
        )
    }

    async fn open(&self, scope: &Scope, machine: &str, command: &Command) -> Result<Process, BackendError> {
        need_root()?;
        let node = machine::node(&Store::new(&self.folders, scope)?, scope, machine)?;
        open::open(node, machine, command, self.agent()?).await
    }
}
