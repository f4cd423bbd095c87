//! All deploys that a data folder has objects of, and which folder that is: for a state that was lost.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::store::{self, Machine, Store};
use super::{machine, network};
use crate::backend::{BackendError, Folders, Found, FoundObject, NetworkSpec, Scope};
use crate::backends::identity::check_name;

/// The scopes that have a folder with records in it.
pub(super) fn find(folders: &Folders) -> Result<Vec<Found>, BackendError> {
    let mut all = Vec::new();
    for id in store::children(&store::root(folders))? {
        // The folder of ranges, and whatever somebody else put there.
        if check_name("the id of a deploy", &id).is_err() || id == "ranges" {
            continue;
        }
        let found = of(folders, &id)?;
        if !found.machines.is_empty() || !found.networks.is_empty() {
            all.push(found);
        }
    }
    Ok(all)
}

fn of(folders: &Folders, id: &str) -> Result<Found, BackendError> {
    let nameless = Scope {
        deploy_id: id.to_owned(),
        deploy: String::new(),
    };
    let store = Store::new(folders, &nameless)?;
    let mut found = Found {
        scope: nameless,
        epoch: store.highest()?,
        machines: BTreeMap::new(),
        networks: BTreeMap::new(),
    };
    for name in store.machines()? {
        let folder = store.machine(&name);
        let Some(record) = store::record::<Machine>(&folder)?.filter(|record| record.scope.deploy_id == id)
        else {
            continue;
        };
        found.scope.deploy = record.scope.deploy;
        let end = machine::running(&folder)?.map_or(String::new(), |init| format!("kill -9 {}; ", init.pid));
        let range = store::root(folders)
            .join("ranges")
            .join(record.object.base.to_string());
        let object = FoundObject {
            handle: format!("{id}/{name}"),
            operation: record.operation,
            complete: store::completed(&folder)?.is_some(),
            spec: Some(record.object.spec),
            removal: format!("{end}rm -r {} {}", folder.display(), range.display()),
        };
        found.machines.insert(name, object);
    }
    for name in store.networks()? {
        let folder = store.network(&name);
        let Some(record) =
            store::record::<NetworkSpec>(&folder)?.filter(|record| record.scope.deploy_id == id)
        else {
            continue;
        };
        let object = FoundObject {
            handle: network::bridge(&record.scope, &name),
            operation: record.operation,
            complete: store::completed(&folder)?.is_some(),
            spec: Some(record.object),
            removal: format!(
                "{}; rm -r {}",
                network::removal(&record.scope, &name),
                folder.display()
            ),
        };
        found.scope.deploy = record.scope.deploy;
        found.networks.insert(name, object);
    }
    Ok(found)
}

/// This host, by a digest of its machine id, and the data folder.
pub(super) fn identity(folders: &Folders) -> Option<String> {
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let id = id.trim();
    if id.is_empty() {
        return None;
    }
    let digest: String = Sha256::digest(format!("rebar {id}"))
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(format!("the host {digest} in `{}`", shown(&folders.data)))
}

/// The folder without links on the way to it, as far as it is there.
fn shown(folder: &Path) -> String {
    let real = folder.ancestors().find_map(|above| {
        let real = std::fs::canonicalize(above).ok()?;
        Some(real.join(folder.strip_prefix(above).ok()?))
    });
    let text = real.unwrap_or_else(|| folder.to_owned()).display().to_string();
    text.trim_end_matches('/').to_owned()
}
