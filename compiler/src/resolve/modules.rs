//! Modules: which files a project uses, read and parsed once each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::packages::{Destination, Lost, Owner, Packages, destination};
use crate::diagnostics::codes::{names, project};
use crate::diagnostics::{Diagnostic, Diagnostics, nearest};
use crate::manifest::{self, Manifest};
use crate::source::{FileError, Files, SourceId, Sources, Span};
use crate::syntax::ast;

use super::GivenArgument;
use super::parsed::{Parsed, Parses};

/// Where the compiler gets its text from.
#[derive(Clone, Copy)]
pub struct Library<'a> {
    /// The files of the project.
    pub project: &'a dyn Files,
    /// The files of the standard library, below `std/`.
    pub std: &'a dyn Files,
    /// Packages that the project uses, directly or through others; `Packages::default()` where there are none.
    pub packages: Packages<'a>,
}

/// One file of a project, of a package or of the standard library.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name for everybody: `main`, `web.pages`, `std.linux`, `ceph.osd`.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// Its text.
    pub source: SourceId,
    /// What it says.
    pub ast: Arc<ast::File>,
    /// Whether some of it could not be read, so that its list of names is not complete.
    pub incomplete: bool,
    /// The words in what could not be read. An unknown name among them may be defined there, and is not told.
    pub unread: BTreeSet<String>,
    /// Modules that it uses: by the name as written there, the index.
    pub uses: BTreeMap<String, usize>,
    /// Templates that it names, by the name as written.
    pub templates: BTreeMap<String, Result<SourceId, FileError>>,
    /// Files of data that it imports, by the name as written.
    pub imports: BTreeMap<String, Result<SourceId, FileError>>,
    /// Names of the template files beside it, for "did you mean".
    pub template_names: Vec<String>,
}

impl Module {
    /// Whether it is a file of the project itself: deploys, tests and patches of others do not count.
    pub fn is_own(&self) -> bool {
        self.owner == Owner::Project
    }
}

/// All modules of a compilation. The first is `main`, the second `std.prelude`.
#[derive(Debug, Clone, Default)]
pub struct Modules {
    /// What is given beside the spec, the weakest first.
    pub given: Vec<GivenArgument>,
    /// The modules in the order in which they were met.
    pub list: Vec<Module>,
    /// What the `rebar.toml` of the project says.
    pub manifest: Manifest,
    /// By index of the package: name, version, and its folder for people.
    pub packages: Vec<(String, String, String)>,
    /// What patches did.
    pub patched: Vec<super::Patched>,
    /// By module: names of statements that patches took away, and where.
    pub removed: Vec<(usize, String, Span)>,
}

/// The module that is known everywhere.
pub(crate) const PRELUDE: &str = "std.prelude";

impl Modules {
    /// The index of the module `name`.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|m| m.name == name)
    }

    /// The index of the module that is the file `source`.
    pub fn of_source(&self, source: SourceId) -> Option<usize> {
        self.list.iter().position(|m| m.source == source)
    }

    /// The module that a module of its own calls `written` in `use`.
    pub fn used(&self, module: usize, written: &str) -> Option<usize> {
        self.list.get(module)?.uses.get(written).copied()
    }
}

/// Reads `main.rebar`, the prelude, and all that they use. Files that say what they said before are not parsed again.
pub fn load(
    library: &Library<'_>,
    sources: &mut Sources,
    parses: &mut Parses,
    diagnostics: &mut Diagnostics,
) -> Modules {
    let mut loader = Loader {
        library,
        sources,
        parses,
        diagnostics,
        modules: Modules::default(),
        dependencies: Vec::new(),
        known: HashMap::new(),
        found: Vec::new(),
    };
    loader.modules.packages = library
        .packages
        .list
        .iter()
        .map(|p| (p.name.to_owned(), p.version.to_owned(), p.shown.to_owned()))
        .collect();
    loader.main();
    let mut next = 0;
    // What all modules of one distance from `main` use is read together.
    while next < loader.modules.list.len() {
        let end = loader.modules.list.len();
        (next..end).for_each(|module| loader.follow(module));
        loader.read();
        next = end;
    }
    loader.modules
}

struct Loader<'a> {
    library: &'a Library<'a>,
    sources: &'a mut Sources,
    parses: &'a mut Parses,
    diagnostics: &'a mut Diagnostics,
    modules: Modules,
    /// Names of the dependencies of the project.
    dependencies: Vec<String>,
    known: HashMap<(Owner, String), usize>,
    /// Files that will be modules when they have been parsed.
    found: Vec<(Destination, SourceId)>,
}

impl Loader<'_> {
    fn main(&mut self) {
        let main = |owner, name: &str, path: &str| Destination {
            owner,
            path: path.to_owned(),
            name: name.to_owned(),
        };
        let text = self.library.project.read("main.rebar").unwrap_or_else(|error| {
            self.diagnostics.push(no_main(&error));
            String::new()
        });
        self.add(main(Owner::Project, "main", "main.rebar"), text);
        self.read();
        let manifest = manifest::load(
            self.library.project,
            manifest::FILE,
            self.sources,
            self.diagnostics,
        );
        self.dependencies = manifest
            .dependencies
            .iter()
            .map(|d| d.name.text.clone())
            .collect();
        self.modules.manifest = manifest;
        match self.library.std.read("std/prelude.rebar") {
            Ok(text) => {
                self.add(main(Owner::Std, PRELUDE, "std/prelude.rebar"), text);
                self.read();
            }
            Err(error) => self.diagnostics.push(Diagnostic::without_place(
                project::MISSING_MODULE,
                error.to_string(),
            )),
        }
    }

    /// Reads what a module uses.
    fn follow(&mut self, module: usize) {
        let owner = self.modules.list[module].owner;
        let Some(parsed) = self.parses.of(self.modules.list[module].source).cloned() else {
            return;
        };
        for (written, span) in parsed.uses.iter().cloned() {
            if self.modules.list[module].uses.contains_key(&written) {
                continue;
            }
            let packages = &self.library.packages;
            let dependencies = match packages.get(owner) {
                Some(package) => package.dependencies,
                None => &self.dependencies,
            };
            let files = files_of(self.library, owner);
            let found = match destination(packages, owner, (files, dependencies), &written) {
                Ok(found) => found,
                Err(lost) => {
                    let diagnostic = self.lost(module, &written, span, &lost);
                    self.diagnostics.push(diagnostic);
                    continue;
                }
            };
            if let Some(index) = self.known.get(&(found.owner, found.path.clone())) {
                self.modules.list[module].uses.insert(written, *index);
                continue;
            }
            match files_of(self.library, found.owner).read(&found.path) {
                Ok(text) => {
                    let index = self.add(found, text);
                    self.modules.list[module].uses.insert(written, index);
                }
                Err(error) => {
                    let from = (owner, self.dependencies.as_slice());
                    self.diagnostics
                        .push(no_module(self.library, from, (&written, span), &found, &error));
                }
            }
        }
    }

    /// Notes a file, and says which module it will be.
    fn add(&mut self, at: Destination, text: String) -> usize {
        let source = self.sources.add(self.shown(&at, &at.path), text);
        let index = self.modules.list.len() + self.found.len();
        self.known.insert((at.owner, at.path.clone()), index);
        self.found.push((at, source));
        index
    }

    fn shown(&self, at: &Destination, path: &str) -> String {
        match self.library.packages.get(at.owner) {
            Some(package) => format!("{}/{path}", package.shown),
            None => path.to_owned(),
        }
    }

    /// Parses what was found, and makes modules of it.
    fn read(&mut self) {
        let found = std::mem::take(&mut self.found);
        let ids: Vec<SourceId> = found.iter().map(|(_, id)| *id).collect();
        let parsed = self.parses.parse(self.sources, &ids);
        for ((at, source), parsed) in found.iter().zip(parsed) {
            self.module(at, *source, &parsed);
        }
    }

    fn module(&mut self, at: &Destination, source: SourceId, parsed: &Parsed) {
        parsed
            .diagnostics
            .iter()
            .for_each(|d| self.diagnostics.push(d.clone()));
        let mut module = Module {
            name: at.name.clone(),
            owner: at.owner,
            source,
            incomplete: parsed.incomplete,
            unread: parsed.unread.clone(),
            uses: BTreeMap::new(),
            templates: BTreeMap::new(),
            imports: BTreeMap::new(),
            template_names: Vec::new(),
            ast: parsed.ast.clone(),
        };
        let folder = match at.path.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/templates/"),
            None => "templates/".to_owned(),
        };
        let files = files_of(self.library, at.owner);
        for file in parsed.imports.iter().cloned() {
            let path = match at.path.rsplit_once('/') {
                Some((folder, _)) => format!("{folder}/{file}"),
                None => file.clone(),
            };
            if module.imports.contains_key(&file) {
                continue;
            }
            let shown = self.shown(at, &path);
            let found = files.read(&path).map(|text| self.sources.add(shown, text));
            module.imports.insert(file, found);
        }
        for template in parsed.templates.iter().cloned() {
            if module.templates.contains_key(&template) {
                continue;
            }
            let file = format!("{folder}{template}");
            let shown = self.shown(at, &file);
            let found = files.read(&file).map(|text| self.sources.add(shown, text));
            if found.is_err() && module.template_names.is_empty() {
                let below = |path: String| path.strip_prefix(&folder).map(str::to_owned);
                module.template_names = files.list().into_iter().filter_map(below).collect();
            }
            module.templates.insert(template, found);
        }
        self.modules.list.push(module);
    }

    fn lost(&self, module: usize, written: &str, span: Span, lost: &Lost) -> Diagnostic {
        let this = match self.library.packages.get(self.modules.list[module].owner) {
            Some(package) => format!("the package `{}`", package.name),
            None => "this project".to_owned(),
        };
        match lost {
            Lost::Both {
                package,
                file,
                direct,
            } => {
                let message = match direct {
                    true => {
                        format!("`{written}` may be a module of the package `{package}` or the file `{file}`")
                    }
                    false => format!(
                        "`{package}` is a package that others use, and cannot begin the name of a module"
                    ),
                };
                Diagnostic::error(names::AMBIGUOUS_MODULE, span, message)
                    .help("give the file or its folder another name: names of dependencies begin the names of their modules")
            }
            Lost::NotADependency(package) => {
                let message = format!("`{package}` is no dependency of {this}");
                Diagnostic::error(names::NOT_A_DEPENDENCY, span, message)
                    .here("only packages that it uses itself have it")
                    .help("name it under `[dependencies]` in `rebar.toml`: what a package uses, its users do not see")
            }
            Lost::NotHad(package) => {
                let at = self.modules.manifest.dependency(package).map(|d| d.name.span);
                let message = format!("the files of the dependency `{package}` are not here");
                let diagnostic = Diagnostic::error(project::MISSING_PACKAGE, span, message);
                match at {
                    Some(at) => diagnostic.label(at, "the dependency"),
                    None => diagnostic,
                }
                .help("`rebar lock` gets them")
            }
        }
    }
}

fn files_of<'a>(library: &Library<'a>, owner: Owner) -> &'a dyn Files {
    match owner {
        Owner::Project => library.project,
        Owner::Std => library.std,
        Owner::Package(index) => library.packages.list[index].files,
    }
}

fn no_main(error: &FileError) -> Diagnostic {
    match error {
        FileError::Missing(_) => Diagnostic::without_place(
            project::NO_MAIN,
            "this folder holds no project: there is no `main.rebar`",
        )
        .help("run rebar in the folder of `main.rebar`, or begin a project there"),
        other => unreadable(other, None),
    }
}

fn unreadable(error: &FileError, span: Option<Span>) -> Diagnostic {
    let code = match error {
        FileError::Missing(_) => project::MISSING_MODULE,
        FileError::Unreadable { .. } => project::UNREADABLE,
        FileError::NotText { .. } => project::NOT_TEXT,
    };
    match span {
        Some(span) => Diagnostic::error(code, span, error.to_string()),
        None => Diagnostic::without_place(code, error.to_string()),
    }
}

fn no_module(
    library: &Library<'_>,
    (owner, dependencies): (Owner, &[String]),
    (name, span): (&str, Span),
    found: &Destination,
    error: &FileError,
) -> Diagnostic {
    let FileError::Missing(path) = error else {
        return unreadable(error, Some(span));
    };
    let of = |files: &dyn Files| -> Vec<String> {
        let module = |path: String| Some(path.strip_suffix(".rebar")?.replace('/', "."));
        files.list().into_iter().filter_map(module).collect()
    };
    let mut known: Vec<String> = of(files_of(library, owner));
    known.retain(|module| module != "main");
    if owner == Owner::Project {
        for package in library
            .packages
            .list
            .iter()
            .filter(|p| dependencies.iter().any(|d| d == p.name))
        {
            known.extend(of(package.files).into_iter().map(|module| match module.as_str() {
                "main" => package.name.to_owned(),
                module => format!("{}.{module}", package.name),
            }));
        }
    }
    known.extend(of(library.std).into_iter().filter(|module| module != PRELUDE));
    let shown = match library.packages.get(found.owner) {
        Some(package) => format!("{}/{path}", package.shown),
        None => path.clone(),
    };
    let diagnostic = Diagnostic::error(
        project::MISSING_MODULE,
        span,
        format!("there is no module `{name}`"),
    )
    .here(format!("this reads `{shown}`"));
    if nearest(name, known.iter().map(String::as_str)).is_some() {
        return diagnostic.suggest(name, known.iter().map(String::as_str));
    }
    let first = name.split('.').next().unwrap_or_default();
    if owner == Owner::Project && found.owner == owner && !dependencies.iter().any(|d| d == first) {
        let library: Vec<String> = known
            .iter()
            .filter(|m| m.starts_with("std."))
            .map(|m| format!("`{m}`"))
            .collect();
        return diagnostic.help(format!(
            "a module is a file of the project; the library has {}",
            library.join(", ")
        ));
    }
    let own: Vec<&str> = known
        .iter()
        .map(String::as_str)
        .filter(|m| m.split('.').next() == Some(first))
        .collect();
    match own.is_empty() {
        true => diagnostic.help("a module is a file of its package"),
        false => diagnostic.help(format!("there is {}", super::imports::list_of(&own))),
    }
}
