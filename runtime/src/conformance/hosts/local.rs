//! The host of the local backend: folders, bridges, tables, control groups and processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Foreign, Host, Planted, printed, ran};
use crate::backend::{Folders, Scope};

pub(super) struct Local;

#[async_trait]
impl Host for Local {
    async fn plant(
        &self,
        folders: &Folders,
        scope: &Scope,
        foreign: &Foreign,
    ) -> Result<Option<Box<dyn Planted>>, String> {
        match foreign {
            Foreign::Network { handle, .. } => {
                ran("ip", &["link", "add", handle, "type", "bridge"])?;
                Ok(Some(Box::new(Bridge(handle.clone()))))
            }
            Foreign::Machine { name, .. } => {
                let deploy = folders.data.join("local").join(&scope.deploy_id);
                let folder = deploy.join("machines").join(name);
                let made = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(FILE), TEXT));
                made.map_err(|error| format!("cannot write in `{}`: {error}", folder.display()))?;
                Ok(Some(Box::new(Folder { folder, deploy })))
            }
            // A copied folder is a machine that does not run; nobody copies machines like that.
            Foreign::Copy { .. } => Ok(None),
        }
    }

    async fn traces(&self, folders: &Folders, scopes: &[Scope]) -> BTreeSet<String> {
        let mut traces = BTreeSet::new();
        let mut add = |kind: &str, text: &str, ours: &dyn Fn(&str) -> bool| {
            let found = text.lines().filter(|line| ours(line));
            traces.extend(found.map(|line| format!("{kind} {}", line.trim())));
        };
        add("interface", &printed("ip", &["-o", "link"]), &|line| {
            // One without an alias was left in the middle of its making, by whomever.
            let nameless = !line.contains("alias") && (line.contains(" rb-") || line.contains(" rv-"));
            nameless || scopes.iter().any(|scope| line.contains(&scope.deploy_id))
        });
        add("rules", &printed("nft", &["list", "ruleset"]), &|line| {
            scopes.iter().any(|scope| line.contains(&scope.deploy))
        });
        let data = folders.data.to_string_lossy().into_owned();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        add("mount", &mounts, &|line| line.contains(&data));
        let groups: Vec<String> = scopes.iter().map(group).collect();
        let is_ours = |path: &str| -> bool { groups.iter().any(|group| path.contains(group.as_str())) };
        let all = printed("find", &["/sys/fs/cgroup", "-path", "*/rebar/*", "-type", "d"]);
        add("control group", &all, &is_ours);
        for scope in scopes {
            let folder = folders.data.join("local").join(&scope.deploy_id);
            if folder.exists() {
                traces.insert(format!("folder {}", folder.display()));
            }
        }
        traces.extend(processes(&is_ours));
        traces
    }
}

/// What a deploy's control groups are called.
fn group(scope: &Scope) -> String {
    let short = scope.deploy_id.chars().filter(char::is_ascii_alphanumeric);
    format!("rebar/{}", short.take(12).collect::<String>())
}

/// Processes in our control groups.
fn processes(is_ours: &dyn Fn(&str) -> bool) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let read = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let line = read("cmdline").replace('\0', " ");
        is_ours(&read("cgroup")).then(|| format!("process {} {line}", entry.file_name().to_string_lossy()))
    });
    found.collect()
}

const FILE: &str = "thesis.tex";
const TEXT: &str = "years of work";

struct Folder {
    folder: PathBuf,
    deploy: PathBuf,
}

impl Planted for Folder {
    fn harm(&self) -> Option<String> {
        let found = fs::read_to_string(self.folder.join(FILE));
        (found.ok().as_deref() != Some(TEXT))
            .then(|| format!("`{}` is gone", self.folder.join(FILE).display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        // Those that are empty now.
        let _ = fs::remove_dir(self.deploy.join("machines"));
        let _ = fs::remove_dir(&self.deploy);
    }
}

struct Bridge(String);

impl Planted for Bridge {
    fn harm(&self) -> Option<String> {
        let there = Path::new("/sys/class/net").join(&self.0).exists();
        (!there).then(|| format!("the bridge `{}` is gone", self.0))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = ran("ip", &["link", "delete", &self.0]);
    }
}
