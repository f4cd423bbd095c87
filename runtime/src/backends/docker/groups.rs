//! Control groups that an engine leaves behind: it removes a container's own, and not the one above it.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::engine::Engine;
use super::labels;
use crate::backend::Scope;

const HIERARCHIES: &str = "/sys/fs/cgroup";

/// How long the engine may take to let go of a group after it has said that the container is gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// Removes the empty groups of a machine that is gone, where the engine's host is this one. The kernel refuses to
/// remove a group in which anything is left, so this can do no harm; on another host an empty group stays.
pub(super) async fn sweep(engine: &Engine, scope: &Scope, name: &str) {
    if !engine.is_here() {
        return;
    }
    let group = labels::group(scope, name, engine.groups.systemd);
    let deadline = Instant::now() + PATIENCE;
    while !remove_all(Path::new(HIERARCHIES), &group) && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
}

/// Removes the group in all hierarchies; whether none is left.
fn remove_all(root: &Path, group: &str) -> bool {
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten();
    let folders = hierarchies.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut gone = true;
    for folder in folders.map(|entry| entry.path()).chain([root.to_owned()]) {
        let path = folder.join(group);
        remove(&path);
        gone &= !path.exists();
    }
    gone
}

fn remove(group: &Path) {
    for below in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&below.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}
