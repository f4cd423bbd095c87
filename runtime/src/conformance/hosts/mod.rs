//! What only the host of one backend knows: where somebody else's thing would be in the way, and what ours leave.

mod docker;
mod local;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;

use crate::backend::{Folders, Scope};

/// A thing of somebody else's, to be put where one of ours would be made.
#[derive(Debug, Clone)]
pub enum Foreign {
    /// In place of a network.
    Network {
        /// Its name in the deploy.
        name: String,
        /// The backend's own name for it, as `observe` told it while it was there.
        handle: String,
    },
    /// In place of a machine.
    Machine {
        /// Its name in the deploy.
        name: String,
        /// The backend's own name for it, as `observe` told it while it was there.
        handle: String,
    },
    /// A copy of a machine that somebody has made with the backend's own means, with all our marks on it.
    Copy {
        /// The backend's own name for the machine.
        handle: String,
    },
}

/// Somebody else's thing. It is taken away when this is dropped.
pub trait Planted: Send + Sync {
    /// Why it is not as it was put there; `None` if it is.
    fn harm(&self) -> Option<String>;
}

/// The host of one backend.
#[async_trait]
pub trait Host: Send + Sync {
    /// Puts something without our marks where the backend would make this; `None` where that cannot be done.
    ///
    /// # Errors
    /// When it should be possible and is not.
    async fn plant(
        &self,
        folders: &Folders,
        scope: &Scope,
        foreign: &Foreign,
    ) -> Result<Option<Box<dyn Planted>>, String>;

    /// Everything on this host that belongs to these scopes, a line each. Empty when nothing is left of them.
    async fn traces(&self, folders: &Folders, scopes: &[Scope]) -> BTreeSet<String>;

    /// The traces of one kind (all of them: "") that do not go within three seconds: the kernel takes some things away
    /// a moment after the last that uses them has gone.
    async fn left(&self, folders: &Folders, scopes: &[Scope], kind: &str) -> BTreeSet<String> {
        let mut left = BTreeSet::new();
        for _ in 0..30 {
            left = self.traces(folders, scopes).await;
            left.retain(|trace| trace.starts_with(kind));
            if left.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        left
    }
}

/// The host of a backend of this build; of any other, one that knows nothing.
pub fn of(backend: &str) -> Arc<dyn Host> {
    match backend {
        "local" => Arc::new(local::Local),
        "docker" => Arc::new(docker::Docker),
        _ => Arc::new(Unknown),
    }
}

struct Unknown;

#[async_trait]
impl Host for Unknown {
    async fn plant(&self, _: &Folders, _: &Scope, _: &Foreign) -> Result<Option<Box<dyn Planted>>, String> {
        Ok(None)
    }

    async fn traces(&self, _: &Folders, _: &[Scope]) -> BTreeSet<String> {
        BTreeSet::new()
    }
}

/// What a program prints; nothing if it cannot be run.
fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

/// Runs a program that must succeed.
fn ran(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot run `{program}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program} {}`: {}", arguments.join(" "), said.trim()))
}
