//! The part of a machine's `/etc/hosts` that rebar keeps: everything between two marks.
//!
//! A backend writes it from a process that is inside the machine: there is no path there that could lead anywhere
//! else. Where a container engine writes the table anew at each start, the block is kept on the machine's disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags};

use crate::root::Root;

const BEGIN: &str = "# rebar names begin";
const END: &str = "# rebar names end";
/// A host table is far smaller; what is larger was put there to be read.
const LARGEST: u64 = 4 << 20;

/// The block for these names, marks included.
pub fn block(names: &BTreeMap<String, Vec<IpAddr>>) -> String {
    let mut text = format!("{BEGIN}\n");
    for (name, addresses) in names {
        for address in addresses {
            text += &format!("{address} {name}\n");
        }
    }
    text + END + "\n"
}

/// The table with this block in place of the one it has, or after its last line.
fn with_block(table: &str, block: &str) -> String {
    let mut before = String::new();
    let mut after = String::new();
    let mut inside = false;
    let mut seen = false;
    for line in table.lines() {
        match (line.trim_end(), inside) {
            (BEGIN, _) => (inside, seen) = (true, true),
            (END, true) => inside = false,
            (_, true) => {}
            (_, false) => {
                let half = if seen { &mut after } else { &mut before };
                half.push_str(line);
                half.push('\n');
            }
        }
    }
    before + block + &after
}

/// Writes the block, in place and under the file's lock, if it differs. Whether it did.
///
/// # Errors
/// Those of the file system; a path that is not a regular file, or is larger than 4 MB, is refused.
pub fn write(path: &Path, block: &str) -> io::Result<bool> {
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .custom_flags(
            (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY)
                .bits()
                .cast_signed(),
        )
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    lock(&file)?;
    let mut bytes = Vec::new();
    (&file).take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 4 MB"));
    }
    let table = String::from_utf8_lossy(&bytes);
    let wanted = with_block(&table, block);
    if wanted == table {
        return Ok(false);
    }
    file.rewind()?;
    file.write_all(wanted.as_bytes())?;
    file.set_len(wanted.len() as u64)?;
    Ok(true)
}

/// Where the block is kept.
const KEPT: &str = "/var/lib/rebar/names";

/// Writes the block into the table of the node whose file system stands at `root`, and keeps it for [`restore`].
/// Whether the table changed.
///
/// # Errors
/// Those of [`write`], and of keeping the block.
pub fn publish(root: &Path, block: &str) -> io::Result<bool> {
    let root = Root::new(root);
    keep(&root.at(KEPT), block)?;
    write(&root.at("/etc/hosts"), block)
}

/// Writes the block that was published last, if there was one, into the table. Whether the table changed.
///
/// # Errors
/// Those of [`write`], and of reading what was kept.
pub fn restore(root: &Path) -> io::Result<bool> {
    let root = Root::new(root);
    match fs::read_to_string(root.at(KEPT)) {
        Ok(block) => write(&root.at("/etc/hosts"), &block),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// As a whole or not at all: what is kept survives the machine's end at any moment.
fn keep(path: &Path, block: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|kept| kept == block) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let partial = path.with_extension("new");
    let mut file = File::create(&partial)?;
    file.write_all(block.as_bytes())?;
    file.sync_all()?;
    fs::rename(&partial, path)
}

/// Nobody on the machine may make the controller wait for ever.
fn lock(file: &File) -> io::Result<()> {
    for _ in 0..100 {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(50)),
            other => return other.map_err(io::Error::from),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "somebody has kept it locked for 5 s",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, address: &str) -> BTreeMap<String, Vec<IpAddr>> {
        [(name.to_owned(), vec![address.parse().unwrap()])].into()
    }

    #[test]
    fn the_block_is_replaced_where_it_stands_and_the_rest_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        std::fs::write(&path, "127.0.0.1 localhost").unwrap();
        assert!(write(&path, &block(&table("web-1", "10.77.0.2"))).unwrap());
        std::fs::write(
            &path,
            std::fs::read_to_string(&path).unwrap() + "10.0.0.1 by-hand\n",
        )
        .unwrap();
        assert!(!write(&path, &block(&table("web-1", "10.77.0.2"))).unwrap());
        assert!(write(&path, &block(&table("web-2", "10.77.0.3"))).unwrap());
        let expected = "127.0.0.1 localhost\n# rebar names begin\n10.77.0.3 web-2\n# rebar names end\n10.0.0.1 by-hand\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn a_block_that_was_published_is_restored_into_a_table_that_was_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = folder.path().join("etc/hosts");
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        std::fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
        assert!(!restore(folder.path()).unwrap());
        assert!(publish(folder.path(), &block(&table("web-1", "10.77.0.2"))).unwrap());
        let published = std::fs::read_to_string(&hosts).unwrap();
        std::fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
        assert!(restore(folder.path()).unwrap());
        assert_eq!(std::fs::read_to_string(&hosts).unwrap(), published);
        assert!(!restore(folder.path()).unwrap());
    }

    #[test]
    fn a_planted_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink("secret", folder.path().join("hosts")).unwrap();
        assert!(write(&folder.path().join("hosts"), "y").is_err());
        assert_eq!(
            std::fs::read_to_string(folder.path().join("secret")).unwrap(),
            "x"
        );
    }
}
