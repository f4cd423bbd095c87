//! Files changed in one go: a reader, or a crash, meets the old or the new one and nothing between.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::text;

/// Owner and permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    /// Permissions.
    pub(crate) mode: u32,
    /// Owner's number.
    pub(crate) uid: u32,
    /// Group's number.
    pub(crate) gid: u32,
}

/// Writes a file beside `path`, makes it durable and puts it in place. A directory is never replaced.
pub(crate) fn replace_file(path: &Path, content: &mut dyn io::Read, access: Access) -> io::Result<u64> {
    let temporary = temporary_beside(path);
    discard(&temporary)?;
    let written = write_new(&temporary, content, access).and_then(|written| {
        fs::rename(&temporary, path)?;
        Ok(written)
    });
    if written.is_err() {
        // The half-written file is of no use; that it may stay behind does not hide the first error.
        let _ = discard(&temporary);
    }
    let written = written?;
    sync_folder_of(path)?;
    Ok(written)
}

/// Puts a symbolic link in place of whatever is no directory.
pub(crate) fn replace_link(path: &Path, target: &str) -> io::Result<()> {
    let temporary = temporary_beside(path);
    discard(&temporary)?;
    std::os::unix::fs::symlink(target, &temporary)?;
    if let Err(error) = fs::rename(&temporary, path) {
        let _ = discard(&temporary);
        return Err(error);
    }
    sync_folder_of(path)
}

/// Removes a file or link; that it is gone already is fine. Tells whether something was removed.
pub(crate) fn remove_file(path: &Path) -> io::Result<bool> {
    discard(&temporary_beside(path))?;
    let removed = discard(path)?;
    if removed {
        sync_folder_of(path)?;
    }
    Ok(removed)
}

/// Makes the entries of the folder that holds `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Sets owner and permissions in place.
pub(crate) fn set_access(path: &Path, access: Access) -> io::Result<()> {
    std::os::unix::fs::chown(path, Some(access.uid), Some(access.gid))?;
    // After the owner: changing that clears the set-user-id bit.
    fs::set_permissions(path, fs::Permissions::from_mode(access.mode))?;
    File::open(path)?.sync_all()
}

/// The name is the same at each attempt, so that what a crash left behind is found and removed by the next.
fn temporary_beside(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .map(|name| name.as_encoded_bytes().to_vec())
        .unwrap_or_default();
    path.with_file_name(format!(".rebar-{}", &text::digest(&name)[..16]))
}

fn write_new(path: &Path, content: &mut dyn io::Read, access: Access) -> io::Result<u64> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let written = io::copy(content, &mut file)?;
    file.flush()?;
    std::os::unix::fs::fchown(&file, Some(access.uid), Some(access.gid))?;
    file.set_permissions(fs::Permissions::from_mode(access.mode))?;
    file.sync_all()?;
    Ok(written)
}

fn discard(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
