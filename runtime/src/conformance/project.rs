//! The small real spec that is carried out by the real executor while the program is killed: three machines, files, a
//! service, and a command that may run once only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use rebar_compiler::check::{Level, Provision};
use rebar_compiler::plan::{Image, Ledger, Plan, Snapshot};
use rebar_compiler::source::{Embedded, FileError, Files};
use rebar_compiler::{Library, analyse};

use super::Stop;
use crate::backend::Capability;

/// The deploy's name, in the spec and the state.
pub(super) const DEPLOY: &str = "conformance_plan";
/// The site's name.
pub(super) const SITE: &str = "here";

/// The spec over `backend`, with these addresses.
fn spec(backend: &str, cidr: &str, gateway: &str) -> String {
    format!(
        r#"use std.linux {{ command, file, service }}
use std.image {{ bookworm }}

network  lan {{ cidr = {cidr}, gateway = {gateway} }}
hardware tiny {{
  cpu = 1, memory = 256MiB
  nic eth0 {{ network = lan }}
}}

role part() {{
  file unit {{
    path    = "/etc/systemd/system/part.service"
    content = "[Unit]\nDescription=Part\n[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
  }}
  command counted {{ run = "echo ran >> /srv/count", once = true }}
  service part    {{ name = "part", reload_on = [unit] }}
  out address: Ip = node.address
}}

role whole(parts: List<Ip>) {{
  file list {{ path = "/srv/list", content = join(["{{p}}" for p in parts], "\n") }}
}}

workload pair() {{
  nodes part {{ count = 1, hardware = tiny }}
  node  top  {{ hardware = tiny }}
  run parts = part() on part
  run sum   = whole(parts = parts.address) on top
}}

site   {SITE} {{ machines = {backend}(image = bookworm) }}
deploy {DEPLOY} = pair() on {SITE}
"#
    )
}

struct OneFile<'a>(&'a str);

impl Files for OneFile<'_> {
    fn read(&self, path: &str) -> Result<String, FileError> {
        match path {
            "main.rebar" => Ok(self.0.to_owned()),
            _ => Err(FileError::Missing(path.to_owned())),
        }
    }

    fn list(&self) -> Vec<String> {
        vec!["main.rebar".to_owned()]
    }
}

/// Compiles and plans it on what stands.
///
/// # Errors
/// What the compiler says, which for this spec means a backend that it does not know.
pub(super) fn plan(
    backend: &str,
    cidr: &str,
    gateway: &str,
    ledger: &Ledger,
    snapshot: &Snapshot,
) -> Result<Plan, Stop> {
    let text = spec(backend, cidr, gateway);
    let mut analysis = analyse(&Library {
        project: &OneFile(&text),
        std: &Embedded(rebar_stdlib::FILES),
        packages: rebar_compiler::resolve::Packages::default(),
    });
    let made = analysis.plan(DEPLOY, ledger, snapshot);
    let said = analysis.diagnostics.sorted();
    let said = said.iter().map(|d| format!("{} {}", d.code.0, d.message));
    made.ok_or_else(|| {
        Stop::Failed(format!(
            "the spec does not compile: {}",
            said.collect::<Vec<_>>().join("; ")
        ))
    })
}

/// The image of the standard library, from which all machines of the suite start.
///
/// # Errors
/// When the library does not compile.
pub(super) fn image() -> Result<Image, Stop> {
    static IMAGE: OnceLock<Result<Image, Stop>> = OnceLock::new();
    let found = IMAGE.get_or_init(|| {
        let plan = plan(
            "local",
            "10.0.0.0/24",
            "10.0.0.1",
            &Ledger::default(),
            &Snapshot::default(),
        )?;
        plan.backend
            .image
            .ok_or_else(|| Stop::Failed("the spec has no image".to_owned()))
    });
    found.clone()
}

/// What the language says of a backend's capabilities, as words: several where it hangs on what a site gives.
///
/// # Errors
/// When it knows no such backend.
pub(super) fn capabilities(backend: &str) -> Result<BTreeMap<String, BTreeSet<&'static str>>, Stop> {
    let text = spec("local", "10.0.0.0/24", "10.0.0.1");
    let analysis = analyse(&Library {
        project: &OneFile(&text),
        std: &Embedded(rebar_stdlib::FILES),
        packages: rebar_compiler::resolve::Packages::default(),
    });
    let found = analysis
        .typed
        .backends
        .values()
        .find(|known| known.name == backend);
    let found = found.ok_or_else(|| Stop::Failed(format!("the language knows no backend `{backend}`")))?;
    let words = found.provides.iter().map(|(name, (provision, _))| {
        let mut words = BTreeSet::new();
        gather(provision, &mut words);
        (name.clone(), words)
    });
    Ok(words.collect())
}

fn gather(provision: &Provision, words: &mut BTreeSet<&'static str>) {
    match provision {
        Provision::Is(level, _) => {
            words.insert(match level {
                Level::Exact => "exact",
                Level::Emulated(_) => "emulated",
                Level::Absent => "absent",
            });
        }
        Provision::If(_, one, other) => {
            gather(one, words);
            gather(other, words);
        }
    }
}

/// The word for what a backend says of itself.
pub(super) fn level(capability: &Capability) -> &'static str {
    match capability {
        Capability::Exact => "exact",
        Capability::Emulated(_) => "emulated",
        Capability::Absent => "absent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spec_compiles_over_every_backend() {
        for backend in ["local", "docker"] {
            let plan = plan(
                backend,
                "10.0.0.0/24",
                "10.0.0.1",
                &Ledger::default(),
                &Snapshot::default(),
            );
            assert_eq!(plan.unwrap().nodes.len(), 2, "{backend}");
        }
        assert_eq!(image().unwrap().suite, "bookworm");
    }
}
