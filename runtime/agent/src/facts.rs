//! Facts about the node, read from its own files.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::root::Root;

/// All facts that can be found out: `boot_id`, `kernel`, `architecture`, `hostname`, `os` (`debian`),
/// `os_version` (`12`), `clock` (nanoseconds since 1970), `memory` (bytes), `cpus`.
pub(crate) fn gather(root: &Root) -> BTreeMap<String, Value> {
    let release = first_of(root, &["/etc/os-release", "/usr/lib/os-release"]).unwrap_or_default();
    let system = rustix::system::uname();
    let facts = [
        (
            "boot_id",
            read(root, "/proc/sys/kernel/random/boot_id").map(Value::from),
        ),
        ("kernel", Some(json!(system.release().to_string_lossy()))),
        ("architecture", Some(json!(system.machine().to_string_lossy()))),
        ("hostname", Some(json!(system.nodename().to_string_lossy()))),
        ("os", release_field(&release, "ID").map(Value::from)),
        (
            "os_version",
            release_field(&release, "VERSION_ID").map(Value::from),
        ),
        ("clock", clock().map(Value::from)),
        (
            "memory",
            read(root, "/proc/meminfo")
                .and_then(|text| memory(&text))
                .map(Value::from),
        ),
        (
            "cpus",
            std::thread::available_parallelism()
                .ok()
                .map(|count| json!(count.get())),
        ),
    ];
    facts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn read(root: &Root, path: &str) -> Option<String> {
    std::fs::read_to_string(root.at(path))
        .ok()
        .map(|text| text.trim().to_owned())
}

fn first_of(root: &Root, paths: &[&str]) -> Option<String> {
    paths.iter().find_map(|path| read(root, path))
}

fn release_field(text: &str, name: &str) -> Option<String> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

fn clock() -> Option<u64> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(time.as_nanos()).ok()
}

fn memory(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_the_node() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["etc", "proc"] {
            std::fs::create_dir(folder.path().join(path)).unwrap();
        }
        std::fs::write(
            folder.path().join("etc/os-release"),
            "NAME=x\nID=debian\nVERSION_ID=\"12\"\n",
        )
        .unwrap();
        std::fs::write(
            folder.path().join("proc/meminfo"),
            "MemTotal:       1000 kB\nMemFree: 1 kB\n",
        )
        .unwrap();
        let facts = gather(&Root::new(folder.path()));
        assert_eq!(facts["os"], "debian");
        assert_eq!(facts["os_version"], "12");
        assert_eq!(facts["memory"], 1_024_000);
        assert!(facts["clock"].as_u64().unwrap() > 1_700_000_000_000_000_000);
        assert!(!facts.contains_key("boot_id"));
    }
}
