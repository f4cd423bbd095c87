//! The file system of a machine: an overlay of the image (read only, shared) and the machine's own disk, both
//! with ids shifted by the mount, so that the files on this host's disk keep the ids that they have inside.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount, open_tree,
};

use super::super::{errors, sys};
use super::user_namespace;
use crate::backend::BackendError;

/// Leaves the host's mounts for private copies: whatever is mounted now is gone when the last process in this
/// namespace is, even if nobody cleans up.
pub(super) fn leave_host_mounts() -> io::Result<()> {
    sys::unshare(libc::CLONE_NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    Ok(())
}

/// Mounts the machine's file system on `mnt/root` of its folder and makes that the working directory: the folders
/// above are closed to the machine's root, which goes on from here.
pub(super) fn mount(folder: &Path, image: &Path, base: u32, namespace: BorrowedFd<'_>) -> io::Result<()> {
    std::env::set_current_dir(folder.join("mnt"))?;
    plug(image, "lower", namespace, true)?;
    plug(&folder.join("disk"), "disk", namespace, false)?;
    let overlay = as_owner_of_range(base, overlay)?;
    move_mount(
        overlay.as_fd(),
        "",
        rustix::fs::CWD,
        "root",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?;
    std::env::set_current_dir("root")
}

/// Mounts `what` with shifted ids on `place`.
fn plug(what: &Path, place: &str, namespace: BorrowedFd<'_>, read_only: bool) -> io::Result<()> {
    let tree = open_tree(
        rustix::fs::CWD,
        what,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )?;
    sys::map_ids(tree.as_fd(), namespace, read_only)?;
    move_mount(
        tree.as_fd(),
        "",
        rustix::fs::CWD,
        place,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?;
    Ok(())
}

/// Names relative to the working directory keep `:` and `,` of the data folder's path out of the options.
fn overlay() -> io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in [
        ("source", "rebar"),
        ("lowerdir", "lower"),
        ("upperdir", "disk/upper"),
        ("workdir", "disk/work"),
    ] {
        fsconfig_set_string(context.as_fd(), key, value)?;
    }
    fsconfig_create(context.as_fd())?;
    Ok(fsmount(
        context.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NODEV,
    )?)
}

/// The overlay writes with the ids of whoever mounts it; the host's own root has no id on the shifted disk.
/// Changing the ids drops the capabilities for files, which the overlay needs too: they are raised again.
fn as_owner_of_range<T>(base: u32, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let before = rustix::thread::capabilities(None)?;
    sys::file_system_user(base);
    let result = rustix::thread::set_capabilities(None, before)
        .map_err(io::Error::from)
        .and_then(|()| work());
    sys::file_system_user(0);
    result
}

/// Finds out whether this kernel and the file system of `folder` (which is empty) can do all this.
pub(super) fn attempt(folder: &Path) -> Result<String, BackendError> {
    let namespace = user_namespace::create(0x7000_0000)
        .map_err(|error| errors::kernel("create a user namespace", error))?;
    let work = || -> io::Result<()> {
        leave_host_mounts()?;
        for name in [
            "image",
            "mnt/lower",
            "mnt/disk",
            "mnt/root",
            "disk/upper",
            "disk/work",
        ] {
            std::fs::create_dir_all(folder.join(name))?;
        }
        mount(folder, &folder.join("image"), 0x7000_0000, namespace.as_fd())
    };
    work().map_err(|error| errors::kernel("mount an overlay with shifted ids", error))?;
    Ok("user namespaces and overlays with shifted ids work".into())
}
