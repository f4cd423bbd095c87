//! The host of the docker backend: what the engine lists under our labels and names, and control groups.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;

use async_trait::async_trait;
use bollard::Docker as Client;
use bollard::models::{ContainerConfig, ContainerCreateBody, NetworkCreateRequest};
use bollard::query_parameters::{
    CommitContainerOptions, CreateContainerOptions, InspectContainerOptions, InspectNetworkOptions,
    ListContainersOptions, ListImagesOptions, ListNetworksOptions, ListVolumesOptions,
    RemoveContainerOptions, RemoveImageOptions,
};

use super::{Foreign, Host, Planted, printed};
use crate::backend::{Folders, Scope};
use crate::backends::docker::labels::{DEPLOY_ID, IMAGE, short};

pub(super) struct Docker;

fn client() -> Result<Client, String> {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let made = if host.is_empty() {
        Client::connect_with_local_defaults()
    } else {
        Client::connect_with_host(&host)
    };
    made.map_err(|error| error.to_string())
}

#[async_trait]
impl Host for Docker {
    async fn plant(
        &self,
        _: &Folders,
        _: &Scope,
        foreign: &Foreign,
    ) -> Result<Option<Box<dyn Planted>>, String> {
        let planted = match foreign {
            Foreign::Network { handle, .. } => strange_network(handle).await?,
            Foreign::Machine { handle, .. } => strange_machine(handle).await?,
            Foreign::Copy { handle } => copied(handle).await?,
        };
        Ok(Some(Box::new(planted)))
    }

    async fn traces(&self, _: &Folders, scopes: &[Scope]) -> BTreeSet<String> {
        match listed(scopes).await {
            Ok(found) => found,
            // Without an answer nobody knows that nothing is left.
            Err(error) => BTreeSet::from([format!("the engine does not say what it has: {error}")]),
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn told(error: bollard::errors::Error) -> String {
    error.to_string()
}

async fn strange_network(name: &str) -> Result<Stranger, String> {
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        ..NetworkCreateRequest::default()
    };
    let made = client()?.create_network(request).await.map_err(told)?;
    Ok(Stranger {
        id: made.id,
        name: name.to_owned(),
        is_network: true,
        image: None,
    })
}

/// A container of any image of ours; the marks of machines are on containers only.
async fn strange_machine(name: &str) -> Result<Stranger, String> {
    let filters = HashMap::from([("label".to_owned(), vec![IMAGE.to_owned()])]);
    let options = ListImagesOptions {
        filters: Some(filters),
        ..ListImagesOptions::default()
    };
    let images = client()?.list_images(Some(options)).await.map_err(told)?;
    let image = images
        .into_iter()
        .next()
        .ok_or("the engine has no image of ours")?;
    container(name, image.id, None).await
}

/// What `docker commit` and `docker create` make of a machine: the image hands all labels on.
async fn copied(machine: &str) -> Result<Stranger, String> {
    let options = CommitContainerOptions {
        container: Some(machine.to_owned()),
        ..CommitContainerOptions::default()
    };
    let image = client()?
        .commit_container(options, ContainerConfig::default())
        .await
        .map_err(told)?;
    let copy = container(&format!("{machine}-copy"), image.id.clone(), Some(image.id)).await?;
    Ok(copy)
}

async fn container(name: &str, image: String, made: Option<String>) -> Result<Stranger, String> {
    let options = CreateContainerOptions {
        name: Some(name.to_owned()),
        ..CreateContainerOptions::default()
    };
    let body = ContainerCreateBody {
        image: Some(image),
        cmd: Some(vec!["/bin/true".to_owned()]),
        ..ContainerCreateBody::default()
    };
    let container = client()?
        .create_container(Some(options), body)
        .await
        .map_err(told)?;
    Ok(Stranger {
        id: container.id,
        name: name.to_owned(),
        is_network: false,
        image: made,
    })
}

async fn listed(scopes: &[Scope]) -> Result<BTreeSet<String>, String> {
    let client = client()?;
    let words: Vec<String> = scopes
        .iter()
        .map(|scope| format!("rebar-{}", short(scope)))
        .collect();
    let ours = |name: &str, labels: Option<&HashMap<String, String>>| {
        let label = labels.and_then(|labels| labels.get(DEPLOY_ID));
        words.iter().any(|word| name.contains(word.as_str()))
            || label.is_some_and(|id| scopes.iter().any(|scope| scope.deploy_id == *id))
    };
    let mut traces = BTreeSet::new();
    let options = ListContainersOptions {
        all: true,
        ..ListContainersOptions::default()
    };
    for found in client.list_containers(Some(options)).await.map_err(told)? {
        let name = found.names.unwrap_or_default().join(" ");
        if ours(&name, found.labels.as_ref()) {
            traces.insert(format!("container {name}"));
        }
    }
    for found in client
        .list_networks(None::<ListNetworksOptions>)
        .await
        .map_err(told)?
    {
        let name = found.name.unwrap_or_default();
        if ours(&name, found.labels.as_ref()) {
            traces.insert(format!("network {name}"));
        }
    }
    let volumes = client
        .list_volumes(None::<ListVolumesOptions>)
        .await
        .map_err(told)?;
    for found in volumes.volumes.unwrap_or_default() {
        if ours(&found.name, Some(&found.labels)) {
            traces.insert(format!("volume {}", found.name));
        }
    }
    // An engine elsewhere has its groups elsewhere.
    let groups = printed("find", &["/sys/fs/cgroup", "-name", "rebar-*", "-type", "d"]);
    traces.extend(
        groups
            .lines()
            .filter(|path| ours(path, None))
            .map(|path| format!("control group {path}")),
    );
    Ok(traces)
}

struct Stranger {
    id: String,
    name: String,
    is_network: bool,
    /// The image that was made for it.
    image: Option<String>,
}

/// Asks the engine from a thread of its own, for those who cannot wait.
fn asked<T: Send>(question: impl Future<Output = T> + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.ok().map(|runtime| runtime.block_on(question))
        });
        thread.join().ok().flatten()
    })
}

impl Planted for Stranger {
    fn harm(&self) -> Option<String> {
        let found = asked(async {
            let client = client().ok()?;
            if self.is_network {
                let found = client
                    .inspect_network(&self.name, None::<InspectNetworkOptions>)
                    .await;
                found.ok()?.id
            } else {
                let found = client
                    .inspect_container(&self.name, None::<InspectContainerOptions>)
                    .await;
                found.ok()?.id
            }
        });
        (found.flatten().as_deref() != Some(&self.id))
            .then(|| format!("`{}` is gone or another one", self.name))
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let removed: Option<Result<(), String>> = asked(async {
            let client = client()?;
            let done = if self.is_network {
                client.remove_network(&self.id).await
            } else {
                let options = RemoveContainerOptions {
                    force: true,
                    v: true,
                    link: false,
                };
                client.remove_container(&self.id, Some(options)).await
            };
            done.map_err(told)?;
            if let Some(image) = &self.image {
                let removed = client.remove_image(image, None::<RemoveImageOptions>, None).await;
                removed.map_err(told)?;
            }
            Ok(())
        });
        if let Some(Err(error)) = removed {
            tracing::warn!(name = self.name, error, "what a check has put there stays");
        }
    }
}
