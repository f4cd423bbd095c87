//! Packages: whose file a module is, and where a `use` leads.

use std::collections::BTreeMap;

use crate::source::{FileError, Files};

/// A package that the project uses, or that one of its packages uses. Whoever makes it has read and held it
/// against the lock file.
#[derive(Clone, Copy)]
pub struct Package<'a> {
    /// Its name, which begins the names of its modules.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its files.
    pub files: &'a dyn Files,
    /// Its folder for people: `../ceph`, `vendor/ceph`.
    pub shown: &'a str,
    /// Names of the packages that its own modules may use.
    pub dependencies: &'a [String],
}

/// All packages of a compilation beside the project itself and the standard library.
#[derive(Clone, Copy, Default)]
pub struct Packages<'a> {
    /// The packages, by name.
    pub list: &'a [Package<'a>],
    /// By the place of a change: the digest of what it stood at when it was locked. `None` where there is no lock
    /// file, or it is about to be written.
    pub anchors: Option<&'a BTreeMap<String, String>>,
}

/// Whose file a module is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Owner {
    /// The project's.
    #[default]
    Project,
    /// The standard library's.
    Std,
    /// That of a package, by its index.
    Package(usize),
}

/// A module that a `use` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) owner: Owner,
    /// The file, below the folder of its owner.
    pub(super) path: String,
    /// Its name for everybody.
    pub(super) name: String,
}

/// Why a `use` leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lost {
    /// The package also has a file of its own that is called like this.
    Both {
        package: String,
        file: String,
        /// Whether the package is a dependency of the one that says `use`.
        direct: bool,
    },
    /// The name is that of a package which is no dependency of this one.
    NotADependency(String),
    /// A dependency of the project whose files are not there.
    NotHad(String),
}

impl<'a> Packages<'a> {
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|p| p.name == name)
    }

    pub(super) fn get(&self, owner: Owner) -> Option<&Package<'a>> {
        match owner {
            Owner::Package(index) => self.list.get(index),
            Owner::Project | Owner::Std => None,
        }
    }
}

/// Where `use module { … }` leads in a module of `owner`, which has `files` and may use `dependencies`.
pub(super) fn destination(
    packages: &Packages<'_>,
    owner: Owner,
    (files, dependencies): (&dyn Files, &[String]),
    module: &str,
) -> Result<Destination, Lost> {
    if module == "std" || module.starts_with("std.") {
        return Ok(Destination {
            owner: Owner::Std,
            path: file_of(module),
            name: module.to_owned(),
        });
    }
    let (first, rest) = module.split_once('.').unwrap_or((module, "main"));
    let own = file_of(module);
    let is_own = || !matches!(files.read(&own), Err(FileError::Missing(_)));
    let direct = owner != Owner::Std && dependencies.iter().any(|d| d == first);
    if let Some(index) = packages
        .find(first)
        .filter(|index| Owner::Package(*index) != owner)
    {
        // The project's modules have short names, so no package may be called like one of its folders.
        if (direct || owner == Owner::Project) && is_own() {
            return Err(Lost::Both {
                package: first.to_owned(),
                file: own,
                direct,
            });
        }
        if direct {
            return Ok(Destination {
                owner: Owner::Package(index),
                path: file_of(rest),
                name: name_in(first, rest),
            });
        }
        if !is_own() {
            return Err(Lost::NotADependency(first.to_owned()));
        }
    } else if direct {
        return Err(Lost::NotHad(first.to_owned()));
    }
    Ok(Destination {
        owner,
        path: own,
        name: match packages.get(owner) {
            Some(package) => name_in(package.name, module),
            None => module.to_owned(),
        },
    })
}

fn file_of(module: &str) -> String {
    format!("{}.rebar", module.replace('.', "/"))
}

/// The name of a module of a package for everybody: its `main.rebar` is called like the package.
fn name_in(package: &str, module: &str) -> String {
    match module {
        "main" => package.to_owned(),
        _ => format!("{package}.{module}"),
    }
}
