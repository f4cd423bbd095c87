//! What became of a call whose answer was lost.

use super::engine::Engine;
use super::labels;
use super::world::Seen;
use super::{exec, image};
use crate::backend::{Applied, BackendError, Folders, ObjectAction, Operation, Probed, Scope};

/// What waits for nothing: whether all that should run does, and the names are where they belong.
const UP: &str = "case $(systemctl is-system-running 2>/dev/null) in running|degraded) ;; *) exit 1;; esac; ";
const NAMED: &str = "test ! -e /var/lib/rebar/names || grep -q '^# rebar names end$' /etc/hosts";
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// What became of an operation.
pub(super) async fn probe(
    engine: &Engine,
    folders: &Folders,
    scope: &Scope,
    operation: &Operation,
) -> Result<Probed, BackendError> {
    let complete = |handle: &str, note: &str| {
        Probed::Complete(Applied {
            handle: handle.to_owned(),
            note: note.to_owned(),
        })
    };
    let seen = Seen::of(engine, scope).await?;
    Ok(match &operation.action {
        ObjectAction::PrepareImage { image } => match image::find(engine, folders, image).await? {
            Some(found) => complete(&found.key, "is in the container engine"),
            None => Probed::Absent,
        },
        ObjectAction::CreateNetwork { network } => {
            let mut networks = seen.network(scope, &network.name);
            match networks.find(|there| there.label(labels::OPERATION) == operation.id) {
                Some(there) => complete(&there.handle, "made"),
                None => Probed::Absent,
            }
        }
        ObjectAction::CreateMachine { machine } => {
            let mut machines = seen.machine(scope, &machine.name);
            match machines.find(|there| there.label(labels::OPERATION) == operation.id) {
                Some(there) if there.complete() => complete(&there.handle, "made"),
                Some(_) => Probed::Partial,
                None => Probed::Absent,
            }
        }
        ObjectAction::StartMachine { machine } => {
            let mut machines = seen.machine(scope, &machine.name);
            match machines.find(|there| there.complete() && there.running) {
                Some(there) => {
                    let up = if there.label(labels::INIT) == "systemd" {
                        UP
                    } else {
                        ""
                    };
                    let script = format!("{up}{NAMED}");
                    let words = ["/bin/sh", "-c", script.as_str()];
                    match exec::run(engine, &there.id, &machine.name, &words, b"", PATIENCE).await {
                        Ok((0, ..)) => complete(&there.handle, "runs"),
                        _ => Probed::Partial,
                    }
                }
                None => Probed::Absent,
            }
        }
        ObjectAction::DestroyMachine { name } => {
            let machines: Vec<_> = seen.machine(scope, name).collect();
            match machines.as_slice() {
                [] => complete("", "is gone"),
                all if all.iter().any(|there| there.complete()) => Probed::Absent,
                _ => Probed::Partial,
            }
        }
        ObjectAction::DestroyNetwork { name } => match seen.network(scope, name).next() {
            None => complete("", "is gone"),
            Some(_) => Probed::Absent,
        },
        // Writing is compared first and costs little where the names are as they should be.
        ObjectAction::PublishNames { .. } => Probed::Absent,
    })
}
