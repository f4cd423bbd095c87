//! What is there: the records on disk, held against what runs.

use crate::backend::{
    Applied, BackendError, Folders, MachineView, NetworkSpec, NetworkView, ObjectAction, Operation, Probed,
    Scope, World,
};
use crate::backends::identity;
use crate::images;

use super::store::{self, Machine, Store};
use super::{machine, network};

/// Everything of this scope.
pub(super) fn observe(store: &Store, scope: &Scope) -> Result<World, BackendError> {
    let mut world = World::default();
    for name in store.machines()? {
        let folder = store.machine(&name);
        let Some(record) = store::record::<Machine>(&folder)? else {
            continue;
        };
        let view = MachineView {
            handle: format!("{}/{name}", scope.deploy_id),
            operation: record.operation,
            digest: record.object.spec.digest,
            running: machine::running(&folder)?.is_some(),
            complete: store::completed(&folder)?.is_some(),
        };
        world.machines.insert(name, view);
    }
    for name in store.networks()? {
        let folder = store.network(&name);
        let Some(record) = store::record::<NetworkSpec>(&folder)? else {
            continue;
        };
        // After a reboot of this host the record is there and the bridge is not, and somebody may have removed its
        // rules: then there is no network.
        if store::completed(&folder)?.is_some() && network::whole(scope, &record.object) {
            let handle = network::bridge(scope, &name);
            world.networks.insert(
                name,
                NetworkView {
                    handle,
                    operation: record.operation,
                    cidr: record.object.cidr,
                },
            );
        }
    }
    Ok(world)
}

/// What became of an operation.
pub(super) fn probe(
    folders: &Folders,
    store: &Store,
    scope: &Scope,
    operation: &Operation,
) -> Result<Probed, BackendError> {
    let complete = |note: &str| {
        Probed::Complete(Applied {
            handle: String::new(),
            note: note.to_owned(),
        })
    };
    Ok(match &operation.action {
        ObjectAction::PrepareImage { image } => match images::cached(image, &folders.cache)? {
            Some(image) => Probed::Complete(Applied {
                handle: image.key,
                note: "is in the cache".to_owned(),
            }),
            None => Probed::Absent,
        },
        ObjectAction::CreateNetwork { network } => {
            identity::check_name("the name of a network", &network.name)?;
            let folder = store.network(&network.name);
            match store::record::<NetworkSpec>(&folder)? {
                Some(record) if record.operation == operation.id => match store::completed(&folder)? {
                    Some(applied) if network::whole(scope, &record.object) => Probed::Complete(applied),
                    _ => Probed::Partial,
                },
                _ => Probed::Absent,
            }
        }
        ObjectAction::CreateMachine { machine } => {
            identity::check_name("the name of a machine", &machine.name)?;
            let folder = store.machine(&machine.name);
            match store::record::<Machine>(&folder)? {
                Some(record) if record.operation == operation.id => {
                    store::completed(&folder)?.map_or(Probed::Partial, Probed::Complete)
                }
                _ => Probed::Absent,
            }
        }
        ObjectAction::StartMachine { machine } => {
            identity::check_name("the name of a machine", &machine.name)?;
            let folder = store.machine(&machine.name);
            match machine::running(&folder)? {
                Some(_) if folder.join("up").exists() => complete("runs"),
                Some(init) if init.operation == operation.id => Probed::Partial,
                _ => Probed::Absent,
            }
        }
        ObjectAction::DestroyMachine { name } => {
            identity::check_name("the name of a machine", name)?;
            gone(&store.machine(name))
        }
        ObjectAction::DestroyNetwork { name } => {
            identity::check_name("the name of a network", name)?;
            match gone(&store.network(name)) {
                // The folder goes last, so without it the bridge can only be there if somebody removed the folder.
                Probed::Complete(_) if network::live(scope, name) => Probed::Partial,
                other => other,
            }
        }
        ObjectAction::PublishNames { .. } => {
            // Writing is compared first and costs nothing where the names are as they should be.
            if store.names()?.operation == operation.id {
                Probed::Partial
            } else {
                Probed::Absent
            }
        }
    })
}

fn gone(folder: &std::path::Path) -> Probed {
    if !folder.exists() {
        Probed::Complete(Applied {
            handle: String::new(),
            note: "is gone".to_owned(),
        })
    } else if folder.join("complete").exists() {
        Probed::Absent
    } else {
        Probed::Partial
    }
}
