//! What a deploy leaves on this machine, found by its marks: other people's containers do not count.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rebar_runtime::backend::{Folders, Scope};
use rebar_runtime::conformance::host_of;

use super::World;

/// All deploys that the world's state knows, also those that were destroyed; an error if the state cannot be read.
pub(crate) fn deploys(world: &World) -> rusqlite::Result<Vec<Scope>> {
    let path = world.project.join(".rebar/state.db");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let connection = rusqlite::Connection::open(&path)?;
    let mut statement = connection.prepare("SELECT id, name FROM deploy")?;
    let rows = statement.query_map([], |row| {
        Ok(Scope {
            deploy_id: row.get(0)?,
            deploy: row.get(1)?,
        })
    })?;
    rows.collect()
}

/// Everything that is left when all of a world's deploys were destroyed. What was ended may take a moment to go.
pub(crate) fn left(world: &World) -> Vec<String> {
    let mut left = Vec::new();
    for _ in 0..30 {
        left = now(world);
        if left.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    left
}

fn now(world: &World) -> Vec<String> {
    let scopes = deploys(world).unwrap();
    assert!(!scopes.is_empty(), "nothing was ever applied in this world");
    let folders = Folders {
        state: world.project.join(".rebar"),
        data: world.data(),
        cache: "/var/cache/rebar".into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut found = Vec::new();
    for backend in super::machines::Backend::ALL
        .into_iter()
        .filter(|backend| backend.is_installed())
    {
        found.extend(runtime.block_on(host_of(backend.name()).traces(&folders, &scopes)));
    }
    files_below(&world.data(), &mut found);
    found.extend(processes(world));
    found
}

/// Processes that were started for this world: launchers, controllers, agents. They inherit its data folder.
fn processes(world: &World) -> Vec<String> {
    let mark = world.folder.path().to_string_lossy().into_owned();
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let found = entries.filter_map(|entry| {
        let pid = entry.file_name().to_string_lossy().into_owned();
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let environment = String::from_utf8_lossy(&read("environ")).into_owned();
        let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        (pid != own && environment.contains(&mark)).then(|| format!("process {pid} {line}"))
    });
    found.collect()
}

fn files_below(folder: &Path, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        found.push(format!("file {}", path.display()));
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            files_below(&path, found);
        }
    }
}
