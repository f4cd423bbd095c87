//! `rebar.toml`: what a package says of itself. Pure: text in, [`Manifest`] out.
//!
//! A section is a file of this folder with a function `read(&Table, &mut Diagnostics) -> Section`. To add one:
//! write that file, give [`Manifest`] a field, name the section in [`SECTIONS`] and call it in [`read`].
//! [`Table`] tells unknown keys, wrong types and missing keys, each at its place.

mod dependencies;
mod lint;
mod lock;
mod package;
mod secrets;
mod table;

pub use dependencies::{Dependency, GitRef, Origin};
pub use lint::{LintLevel, LintSetting};
pub use lock::{LOCK_FILE, Lock, LockedPackage};
pub use package::About;
pub(crate) use secrets::is_secret_name;
pub use secrets::{From as SecretFrom, SecretSource};
pub use table::{Table, Text, Value};

use toml::de::DeTable;

use crate::diagnostics::codes::project;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::source::{FileError, Files, SourceId, Sources, Span};

/// The name of the file.
pub const FILE: &str = "rebar.toml";

/// The sections that there are.
pub const SECTIONS: &[&str] = &["package", "dependencies", "secrets", "lint"];

/// A longer file is refused: reading it would cost more than any manifest needs.
const LONGEST: usize = 1 << 20;

/// More problems than this are not told of one file.
const MOST_PROBLEMS: usize = 20;

/// All that a `rebar.toml` says; of a project without one, nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    /// The file; `None` where there is none.
    pub source: Option<SourceId>,
    /// `[package]`
    pub package: Option<About>,
    /// `[dependencies]`, by name.
    pub dependencies: Vec<Dependency>,
    /// `[secrets]`, in written order.
    pub secrets: Vec<SecretSource>,
    /// `[lint]`, in written order.
    pub lint: Vec<LintSetting>,
}

impl Manifest {
    /// The dependency called `name`.
    pub fn dependency(&self, name: &str) -> Option<&Dependency> {
        self.dependencies.iter().find(|d| d.name.text == name)
    }
}

/// Reads the manifest among `files` and adds it to `sources` as `shown`, its name for people.
/// A project needs none; any other problem is told.
pub fn load(
    files: &dyn Files,
    shown: &str,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Manifest {
    match files.read(FILE) {
        Ok(text) => {
            let source = sources.add(shown, text);
            read(sources, source, diagnostics)
        }
        Err(FileError::Missing(_)) => Manifest::default(),
        Err(error) => {
            let code = match error {
                FileError::NotText { .. } => project::NOT_TEXT,
                FileError::Missing(_) | FileError::Unreadable { .. } => project::UNREADABLE,
            };
            diagnostics.push(Diagnostic::without_place(code, error.to_string()));
            Manifest::default()
        }
    }
}

/// Reads the manifest that is the file `source`. What cannot be read is told and left out.
pub fn read(sources: &Sources, source: SourceId, diagnostics: &mut Diagnostics) -> Manifest {
    let text = &sources.get(source).text;
    if text.len() > LONGEST {
        let span = Span::new(source, 0, 0);
        let diagnostic = Diagnostic::error(
            project::MANIFEST_SYNTAX,
            span,
            "`rebar.toml` is longer than 1 MiB",
        );
        diagnostics.push(diagnostic.help("it holds a few lines a section"));
        return Manifest {
            source: Some(source),
            ..Manifest::default()
        };
    }
    let (document, problems) = DeTable::parse_recoverable(text);
    for problem in problems.iter().take(MOST_PROBLEMS) {
        // At the end of the file there is nothing to point at but the last character.
        let range = problem.span().unwrap_or(0..0);
        let span = Span::new(source, range.start.min(text.len()), range.end.min(text.len()));
        diagnostics.push(
            Diagnostic::error(project::MANIFEST_SYNTAX, span, "this is not TOML")
                .here(table::own_words(problem.message()))
                .help("values are written `name = \"text\"`, sections `[package]`"),
        );
    }
    let manifest = Manifest {
        source: Some(source),
        ..Manifest::default()
    };
    // What remains of a broken file would only draw consequences.
    if !problems.is_empty() {
        return manifest;
    }
    let root = Table::root(source, text.len(), document.get_ref());
    root.only(SECTIONS, diagnostics);
    Manifest {
        package: root
            .table("package", diagnostics)
            .map(|section| package::read(&section, diagnostics)),
        dependencies: root
            .table("dependencies", diagnostics)
            .map(|section| dependencies::read(&section, diagnostics))
            .unwrap_or_default(),
        secrets: root
            .table("secrets", diagnostics)
            .map(|section| secrets::read(&section, diagnostics))
            .unwrap_or_default(),
        lint: root
            .table("lint", diagnostics)
            .map(|section| lint::read(&section, diagnostics))
            .unwrap_or_default(),
        ..manifest
    }
}
