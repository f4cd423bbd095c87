//! Ranges of user ids: each machine has 65536 of this host's that nobody else has.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::{errors, store};
use crate::backend::BackendError;

/// The first range begins here, above what `/etc/subuid` and other container managers hand out by default.
const FIRST: u32 = 0x4000_0000;
const SIZE: u32 = 65536;
const COUNT: u32 = 8192;

/// Takes a free range for a machine. A link that must not exist before makes it certain that two controllers
/// never take the same. Data folders do not know of each other, nor of other container managers: each begins its
/// search at a place of its own, and ranges of processes that run are passed over.
pub(super) fn allocate(local: &Path, owner: &str) -> Result<u32, BackendError> {
    let folder = local.join("ranges");
    let digest = Sha256::digest(local.as_os_str().as_encoded_bytes());
    let start = u32::from(u16::from_be_bytes([digest[0], digest[1]]));
    let running = running_of_late();
    for number in 0..COUNT {
        let base = FIRST + (start + number) % COUNT * SIZE;
        let overlaps =
            |(first, count): &(u64, u64)| *first < u64::from(base + SIZE) && u64::from(base) < first + count;
        if running.iter().any(overlaps) {
            continue;
        }
        let path = folder.join(format!("{base:x}"));
        if claim(&folder, &path, owner)? {
            return Ok(base);
        }
    }
    Err(errors::no_range())
}

/// Makes a link to nothing whose text is the owner: unlike a file, it is never there without its text, wherever
/// the program is killed. `false` if somebody has the range.
fn claim(folder: &Path, path: &Path, owner: &str) -> Result<bool, BackendError> {
    let failed = |error: &std::io::Error| errors::file("write", path, error);
    for _ in 0..100 {
        store::make_folder(folder)?;
        match symlink(owner, path) {
            Ok(()) => {
                let synced = File::open(folder).and_then(|folder| folder.sync_all());
                return synced.map(|()| true).map_err(|error| failed(&error));
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            // Whoever gives back the last range takes the folder away.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    Err(failed(&ErrorKind::NotFound.into()))
}

/// What [`running`] found within the last second: it looks at every process of this host, which is not to be done for
/// each of many machines. This data folder's own ranges are known by their links in any case.
fn running_of_late() -> Vec<(u64, u64)> {
    type Found = Option<(Instant, Vec<(u64, u64)>)>;
    static FOUND: Mutex<Found> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    match &*found {
        Some((at, ranges)) if at.elapsed() < Duration::from_secs(1) => ranges.clone(),
        _ => {
            let ranges = running();
            *found = Some((Instant::now(), ranges.clone()));
            ranges
        }
    }
}

/// The ranges (first id and count) that user namespaces of running processes map. This host's own, which maps
/// everything, is left out.
fn running() -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(map) = fs::read_to_string(process.path().join("uid_map")) else {
            continue;
        };
        for line in map.lines() {
            let numbers: Vec<u64> = line
                .split_whitespace()
                .filter_map(|number| number.parse().ok())
                .collect();
            if let [_, first, count] = numbers.as_slice()
                && *first >= u64::from(FIRST)
                && !ranges.contains(&(*first, *count))
            {
                ranges.push((*first, *count));
            }
        }
    }
    ranges
}

/// Gives back every range of this owner: also one that was taken by a run that ended before it could record it.
pub(super) fn release(local: &Path, owner: &str) -> Result<(), BackendError> {
    let folder = local.join("ranges");
    for name in store::children(&folder)? {
        let path = folder.join(name);
        if fs::read_link(&path).is_ok_and(|found| found.as_os_str() == owner) {
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
        assert!(first != second && first >= FIRST && second >= FIRST);
        assert!(first.is_multiple_of(SIZE) && second.is_multiple_of(SIZE));
        release(folder.path(), "a").unwrap();
        assert_eq!(allocate(folder.path(), "c").unwrap(), first);
    }
}
