//! The packages that a project uses: found, read, held against `rebar.lock`, and handed to the compiler.
//!
//! Every command that compiles comes through [`analyse`].

pub(crate) mod git;
mod load;
pub(crate) mod tree;

use std::path::Path;

use rebar_compiler::diagnostics::Code;
use rebar_compiler::manifest::{LOCK_FILE, Lock};
use rebar_compiler::resolve::{Package, Packages};
use rebar_compiler::source::Files;
use rebar_compiler::{Analysis, Diagnostic, Diagnostics, Library, Options, Sources};

use crate::project::plain;
use tree::Tree;

/// How packages are had.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    /// `rebar.lock` stays as it is; what would change it is an error.
    pub(crate) locked: bool,
    /// Which packages may be others than those that are locked.
    pub(crate) update: Update,
    /// What patches stand at may have changed.
    pub(crate) accept_patches: bool,
    /// Copies in `vendor/` are not looked at.
    pub(crate) from_origin: bool,
}

/// Which packages may be others than those that are locked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Update {
    /// None.
    #[default]
    Nothing,
    /// All.
    All,
    /// These.
    Only(Vec<String>),
}

impl Update {
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Update::Nothing => false,
            Update::All => true,
            Update::Only(names) => names.iter().any(|n| n == name),
        }
    }
}

/// A package as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Had {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Its folder for people.
    pub(crate) shown: String,
    /// Where it is from, as in the lock file.
    pub(crate) source: String,
    pub(crate) hash: String,
    pub(crate) tree: Tree,
    pub(crate) dependencies: Vec<String>,
    /// Whether it is a copy in `vendor/`.
    pub(crate) vendored: bool,
}

/// All packages of a project, and what is to be said of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loaded {
    /// Every `rebar.toml` that was read.
    pub(crate) sources: Sources,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) packages: Vec<Had>,
    /// The lock file that is there.
    pub(crate) old: Option<Lock>,
    /// What it should say.
    pub(crate) new: Lock,
    /// Whether the project is a package, and so has a lock file.
    pub(crate) is_package: bool,
}

pub(crate) use load::load;

/// Reads and checks a project with its packages, and keeps `rebar.lock`.
pub(crate) fn analyse(
    root: &Path,
    project: &dyn Files,
    std: &dyn Files,
    policy: &Policy,
    options: &Options,
) -> Analysis {
    let mut loaded = load(root, project, policy);
    if loaded.diagnostics.has_errors() {
        return Analysis {
            sources: loaded.sources,
            diagnostics: loaded.diagnostics,
            manifest: rebar_compiler::Manifest::default(),
            typed: rebar_compiler::check::Typed::default(),
        };
    }
    let list: Vec<Package<'_>> = loaded
        .packages
        .iter()
        .map(|package| Package {
            name: &package.name,
            version: &package.version,
            files: &package.tree,
            shown: &package.shown,
            dependencies: &package.dependencies,
        })
        .collect();
    let locked = loaded.old.as_ref().map(|lock| &lock.patches);
    let library = Library {
        project,
        std,
        packages: Packages {
            list: &list,
            anchors: locked.filter(|_| !policy.accept_patches),
        },
    };
    let mut analysis = rebar_compiler::analyse_with(&library, options);
    if loaded.is_package {
        if !analysis.diagnostics.has_errors() {
            let patched = analysis.typed.resolved.modules.patched.iter();
            loaded.new.patches = patched
                .filter(|p| !p.anchor.is_empty())
                .map(|p| (p.what.clone(), p.anchor.clone()))
                .collect();
        }
        keep(root, &loaded, policy, &mut analysis.diagnostics);
    }
    analysis
}

/// Writes the lock file where it says something else than it should.
pub(crate) fn keep(root: &Path, loaded: &Loaded, policy: &Policy, diagnostics: &mut Diagnostics) {
    let old = loaded.old.clone().unwrap_or_default();
    if old == loaded.new {
        return;
    }
    if policy.locked {
        let what = difference(&old, &loaded.new);
        let message = format!("`{LOCK_FILE}` would change, and `--locked` forbids that: {what}");
        diagnostics.push(
            Diagnostic::without_place(Code("E0924"), message)
                .help("run `rebar lock` without `--locked`, and keep the file with the project"),
        );
        return;
    }
    if let Err(error) = write(root, &loaded.new) {
        let message = format!("`{LOCK_FILE}` cannot be written: {}", plain(&error));
        diagnostics.push(Diagnostic::without_place(Code("E0927"), message).help(
            "make the folder writable; or, where it must stay as it is, keep a lock file that is up to date",
        ));
    }
}

fn write(root: &Path, lock: &Lock) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(root)?;
    std::io::Write::write_all(&mut file, lock.text().as_bytes())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode)?;
    file.persist(root.join(LOCK_FILE)).map_err(|error| error.error)?;
    Ok(())
}

/// What one lock file has and the other has not, in few words.
fn difference(old: &Lock, new: &Lock) -> String {
    let mut parts = Vec::new();
    for (name, package) in &new.packages {
        match old.packages.get(name) {
            None => parts.push(format!("`{name}` is new")),
            Some(before) if before != package => parts.push(format!("`{name}` is another one")),
            Some(_) => {}
        }
    }
    for name in old.packages.keys().filter(|n| !new.packages.contains_key(*n)) {
        parts.push(format!("`{name}` is used no more"));
    }
    if old.patches != new.patches {
        parts.push("patches have changed".to_owned());
    }
    let more = parts.len().saturating_sub(8);
    parts.truncate(8);
    match more {
        0 => parts.join(", "),
        more => format!("{}, and {more} more", parts.join(", ")),
    }
}
