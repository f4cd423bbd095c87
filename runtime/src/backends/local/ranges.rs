//! Ranges of user ids: each machine has 65536 of this host's that nobody else has.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::{errors, store};
use crate::backend::BackendError;

/// The first range begins here, above what `/etc/subuid` and other container managers hand out by default.
const FIRST: u32 = 0x4000_0000;
const SIZE: u32 = 65536;
const COUNT: u32 = 8192;

/// Takes the lowest free range for a machine. A file that must not exist before makes it certain that two
/// controllers never take the same.
pub(super) fn allocate(local: &Path, owner: &str) -> Result<u32, BackendError> {
    let folder = local.join("ranges");
    for number in 0..COUNT {
        let base = FIRST + number * SIZE;
        let path = folder.join(format!("{base:x}"));
        store::make_folder(&folder)?;
        match File::options().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                let written = file.write_all(owner.as_bytes()).and_then(|()| file.sync_all());
                written.map_err(|error| errors::file("write", &path, &error))?;
                return Ok(base);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(errors::file("write", &path, &error)),
        }
    }
    Err(errors::no_range())
}

/// Gives back every range of this owner: also one that was taken by a run that ended before it could record it.
pub(super) fn release(local: &Path, owner: &str) -> Result<(), BackendError> {
    let folder = local.join("ranges");
    for name in store::children(&folder)? {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|found| found == owner) {
            fs::remove_file(&path).map_err(|error| errors::file("remove", &path, &error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_distinct_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let first = allocate(folder.path(), "a").unwrap();
        let second = allocate(folder.path(), "b").unwrap();
        assert_eq!((first, second), (FIRST, FIRST + SIZE));
        release(folder.path(), "a").unwrap();
        assert_eq!(allocate(folder.path(), "c").unwrap(), first);
    }
}
