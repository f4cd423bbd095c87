//! Control groups that an engine leaves behind: it removes a container's own, and not the one above it.

use std::path::Path;

use super::engine::Engine;
use super::labels;
use crate::backend::Scope;

const HIERARCHIES: &str = "/sys/fs/cgroup";

/// Removes the empty groups of a machine that is gone, where the engine's host is this one. The kernel refuses to
/// remove a group in which anything is left, so this can do no harm; on another host an empty group stays.
pub(super) fn sweep(engine: &Engine, scope: &Scope, name: &str) {
    if !engine.is_here() {
        return;
    }
    let group = labels::group(scope, name, engine.groups.systemd);
    let root = Path::new(HIERARCHIES);
    remove(&root.join(&group));
    for hierarchy in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let path = hierarchy.path().join(&group);
        if hierarchy.file_type().is_ok_and(|kind| kind.is_dir()) && path.exists() {
            remove(&path);
        }
    }
}

fn remove(group: &Path) {
    for below in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&below.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}
