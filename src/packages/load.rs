//! From `rebar.toml` to the files of all packages, each once.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use rebar_compiler::diagnostics::Code;
use rebar_compiler::manifest::{self, Dependency, LOCK_FILE, Lock, LockedPackage, Manifest, Origin};
use rebar_compiler::source::{FileError, Files};
use rebar_compiler::{Diagnostic, Span};

use super::tree::Tree;
use super::{Had, Loaded, Policy, git};

/// More packages than this are refused.
const MOST: usize = 500;

/// Finds and reads all packages that a project uses, and compares them with `rebar.lock`.
pub(crate) fn load(root: &Path, project: &dyn Files, policy: &Policy) -> Loaded {
    let mut loader = Loader {
        root: std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()),
        policy,
        loaded: Loaded::default(),
        known: BTreeMap::new(),
        uses: Vec::new(),
        left: VecDeque::new(),
    };
    let loaded = &mut loader.loaded;
    let manifest = manifest::load(
        project,
        manifest::FILE,
        &mut loaded.sources,
        &mut loaded.diagnostics,
    );
    // What is wrong with it the compiler tells as well; then no package is looked for.
    if manifest.source.is_none() || loaded.diagnostics.has_errors() {
        loaded.diagnostics = Default::default();
        return loader.loaded;
    }
    loaded.is_package = true;
    loader.read_lock(project);
    let own = manifest.package.as_ref().and_then(|p| p.name.as_ref());
    loader.known.insert(
        own.map_or("this project", |n| n.text.as_str()).to_owned(),
        (None, String::new(), Span::default()),
    );
    let root = loader.root.clone();
    loader.ask(None, &manifest, Some(&root));
    while let Some((from, base, dependency)) = loader.left.pop_front() {
        if loader.loaded.packages.len() >= MOST {
            let message = format!("this project uses more than {MOST} packages");
            loader.fail(
                "E0925",
                dependency.name.span,
                &message,
                "",
                "it is meant to have fewer",
            );
            break;
        }
        loader.dependency(from, base.as_deref(), &dependency);
    }
    loader.cycles(own.map_or("this project", |n| n.text.as_str()));
    loader.compare();
    loader.loaded
}

struct Loader<'a> {
    /// The project, without links.
    root: PathBuf,
    policy: &'a Policy,
    loaded: Loaded,
    /// By name: the package (`None`: the project itself), where it is from, and who said so.
    known: BTreeMap<String, (Option<usize>, String, Span)>,
    /// Who uses whom, and where that is written.
    uses: Vec<(Option<usize>, Option<usize>, Span)>,
    /// What is still to be looked at: who asks, the folder from which its paths count, and for what.
    left: VecDeque<(Option<usize>, Option<PathBuf>, Dependency)>,
}

impl Loader<'_> {
    fn read_lock(&mut self, project: &dyn Files) {
        match project.read(LOCK_FILE).map(|text| Lock::read(&text)) {
            Ok(Ok(lock)) => {
                self.loaded.new.patches = lock.patches.clone();
                self.loaded.old = Some(lock);
            }
            Ok(Err(cause)) => self.bad_lock(&cause),
            Err(FileError::Missing(_)) => {}
            Err(error) => self.bad_lock(&error.to_string()),
        }
    }

    fn bad_lock(&mut self, cause: &str) {
        self.loaded.diagnostics.push(
            Diagnostic::without_place(Code("E0923"), format!("`{LOCK_FILE}` cannot be used: {cause}"))
                .help("take it from the history of the project again; or remove it, and `rebar lock` makes a new one"),
        );
    }

    fn fail(&mut self, code: &'static str, span: Span, message: &str, here: &str, help: &str) {
        let diagnostic = Diagnostic::error(Code(code), span, message).here(here);
        self.loaded.diagnostics.push(diagnostic.help(help));
    }

    fn ask(&mut self, from: Option<usize>, manifest: &Manifest, base: Option<&Path>) {
        for dependency in &manifest.dependencies {
            self.left
                .push_back((from, base.map(Path::to_owned), dependency.clone()));
        }
    }

    fn locked(&self, name: &str) -> Option<LockedPackage> {
        self.loaded.old.as_ref()?.packages.get(name).cloned()
    }

    fn dependency(&mut self, from: Option<usize>, base: Option<&Path>, dependency: &Dependency) {
        let (name, span) = (dependency.name.text.as_str(), dependency.name.span);
        let source = match self.source_of(base, dependency) {
            Ok(source) => source,
            Err((message, help)) => return self.fail("E0917", span, &message, "", &help),
        };
        if source.as_deref() == Some("path+.") {
            return self.uses.push((from, None, span));
        }
        if let Some((index, before, at)) = self.known.get(name).cloned() {
            if index.is_none() {
                let message = format!("`{name}` is the name of this project itself");
                return self.fail("E0919", span, &message, "", "give one of the two another name");
            }
            // What a vendored package says of folders meant those beside its origin.
            if source.as_ref().is_some_and(|source| *source != before) {
                let message = format!("`{name}` is wanted from two places");
                let shown = source.as_deref().unwrap_or_default();
                self.loaded.diagnostics.push(
                    Diagnostic::error(Code("E0919"), span, message)
                        .here(format!("from `{}` here", shown_source(shown)))
                        .label(at, format!("from `{}` here", shown_source(&before)))
                        .help("there is one version of each package in a project: have both use the same"),
                );
                return;
            }
            return self.uses.push((from, index, span));
        }
        let Some((folder, shown, source, vendored)) = self.folder(dependency, base, source) else {
            return;
        };
        let tree = match Tree::read(&folder) {
            Ok(tree) => tree,
            Err(cause) => {
                let message = format!("the package `{name}` cannot be taken: {cause}");
                let help = "a package is a folder of regular files, read as a whole";
                return self.fail("E0925", span, &message, "", help);
            }
        };
        self.package(from, dependency, (folder, shown, source, vendored), tree);
    }

    fn package(
        &mut self,
        from: Option<usize>,
        dependency: &Dependency,
        (folder, shown, source, vendored): (PathBuf, String, String, bool),
        tree: Tree,
    ) {
        let (name, span) = (dependency.name.text.as_str(), dependency.name.span);
        let loaded = &mut self.loaded;
        let said = loaded.diagnostics.len();
        let manifest = manifest::load(
            &tree,
            &format!("{shown}/{}", manifest::FILE),
            &mut loaded.sources,
            &mut loaded.diagnostics,
        );
        if loaded.diagnostics.len() > said {
            return;
        }
        let about = manifest.package.as_ref();
        let (Some(own), Some(version)) = (
            about.and_then(|p| p.name.as_ref()),
            about.and_then(|p| p.version.as_ref()),
        ) else {
            let message = format!("`{shown}` is no package: its `rebar.toml` has no name and version");
            return self.fail(
                "E0917",
                span,
                &message,
                "",
                "a package has a `rebar.toml` with `[package]`",
            );
        };
        if own.text != name {
            let message = format!("the package at `{shown}` is called `{}`, not `{name}`", own.text);
            let diagnostic = Diagnostic::error(Code("E0918"), span, message).label(own.span, "its own name");
            loaded.diagnostics.push(
                diagnostic
                    .fix(span, own.text.as_str(), format!("write `{}`", own.text))
                    .help("a dependency has the name that the package gives itself"),
            );
            return;
        }
        let index = loaded.packages.len();
        let repository = source.starts_with("git+");
        loaded.packages.push(Had {
            name: name.to_owned(),
            version: version.text.clone(),
            shown,
            hash: tree.hash(),
            source: source.clone(),
            tree,
            dependencies: manifest
                .dependencies
                .iter()
                .map(|d| d.name.text.clone())
                .collect(),
            vendored,
        });
        self.known.insert(
            name.to_owned(),
            (Some(index), without_commit(&source).to_owned(), span),
        );
        self.uses.push((from, Some(index), span));
        let base = (!repository && !vendored).then_some(folder);
        self.ask(Some(index), &manifest, base.as_deref());
    }

    /// Where a dependency is from, as in the lock file but without the commit. `None` for a path in a vendored
    /// package, which no longer leads anywhere.
    fn source_of(
        &self,
        base: Option<&Path>,
        dependency: &Dependency,
    ) -> Result<Option<String>, (String, String)> {
        match (&dependency.origin, base) {
            (Origin::Git { url, at }, _) => {
                let query = match at {
                    manifest::GitRef::Default => String::new(),
                    manifest::GitRef::Tag(tag) => format!("?tag={}", tag.text),
                    manifest::GitRef::Branch(branch) => format!("?branch={}", branch.text),
                    manifest::GitRef::Rev(rev) => format!("?rev={}", rev.text),
                };
                Ok(Some(format!("git+{}{query}", url.text)))
            }
            (Origin::Path(_), None) => {
                let name = &dependency.name.text;
                if self.vendor(name).is_some() {
                    return Ok(None);
                }
                Err((
                    format!("`{name}` is a folder beside a package that was fetched without it"),
                    "packages from repositories depend on repositories".to_owned(),
                ))
            }
            (Origin::Path(path), Some(base)) => {
                let folder = base.join(&path.text);
                match std::fs::canonicalize(&folder) {
                    Ok(real) => Ok(Some(format!("path+{}", relative(&self.root, &real)))),
                    // A copy may do without its origin.
                    Err(_) if self.vendor(&dependency.name.text).is_some() => Ok(None),
                    Err(error) => Err((
                        format!(
                            "there is no package at `{}`: {}",
                            path.text,
                            crate::project::plain(&error)
                        ),
                        "the path counts from the folder of this `rebar.toml`".to_owned(),
                    )),
                }
            }
        }
    }

    /// The copy of a package in `vendor/`.
    fn vendor(&self, name: &str) -> Option<PathBuf> {
        let folder = self.root.join("vendor").join(name);
        (!self.policy.from_origin && folder.join(manifest::FILE).is_file()).then_some(folder)
    }

    /// The folder of a dependency, its name for people, where it is from, and whether it is a copy.
    fn folder(
        &mut self,
        dependency: &Dependency,
        base: Option<&Path>,
        source: Option<String>,
    ) -> Option<(PathBuf, String, String, bool)> {
        let (name, span) = (dependency.name.text.as_str(), dependency.name.span);
        let locked = self.locked(name);
        if let Some(folder) = self.vendor(name) {
            let fits = |locked: &LockedPackage| {
                source
                    .as_ref()
                    .is_none_or(|source| *source == without_commit(&locked.source))
            };
            let Some(locked) = locked.filter(fits) else {
                let message = format!("`vendor/{name}` is not what `{LOCK_FILE}` speaks of");
                let help = "`rebar vendor` makes the copies anew; without copies, remove `vendor`";
                self.fail("E0926", span, &message, "", help);
                return None;
            };
            return Some((folder, format!("vendor/{name}"), locked.source, true));
        }
        let source = source?;
        match &dependency.origin {
            Origin::Path(path) => {
                let folder = std::fs::canonicalize(base?.join(&path.text)).ok()?;
                if !folder.join(manifest::FILE).is_file() {
                    let message = format!("`{}` is no package: it has no `rebar.toml`", path.text);
                    let help = "a package is a folder with a `rebar.toml` that has `[package]`";
                    self.fail("E0917", span, &message, "", help);
                    return None;
                }
                Some((folder.clone(), relative(&self.root, &folder), source, false))
            }
            Origin::Git { url, at } => {
                let commit = locked
                    .filter(|_| !self.policy.update.has(name))
                    .and_then(|locked| {
                        let commit = locked.source.strip_prefix(source.as_str())?.strip_prefix('#')?;
                        git::is_commit(commit).then(|| commit.to_owned())
                    });
                if commit.is_none() && self.policy.locked {
                    let message =
                        format!("`{name}` is not in `{LOCK_FILE}`, and `--locked` forbids to add it");
                    self.fail("E0924", span, &message, "", "run `rebar lock` without `--locked`");
                    return None;
                }
                let cache = crate::project::cache();
                let had = commit.as_deref().and_then(|commit| {
                    let folder = git::cached(&cache, &url.text, commit)?;
                    Some((commit.to_owned(), folder))
                });
                let had = had.map_or_else(|| git::fetch(&cache, &url.text, at, commit.as_deref()), Ok);
                match had {
                    Ok((commit, folder)) => {
                        let shown = format!("{name}@{}", &commit[..12.min(commit.len())]);
                        Some((folder, shown, format!("{source}#{commit}"), false))
                    }
                    Err(error) => {
                        let help = match error.detail.is_empty() {
                            true => error.help,
                            false => {
                                format!("{}; git said: {}", error.help, error.detail.replace('\n', "; "))
                            }
                        };
                        self.fail("E0921", span, &error.message, "", &help);
                        None
                    }
                }
            }
        }
    }

    /// Circles of packages, each as a path with one label an edge.
    fn cycles(&mut self, own: &str) {
        let count = self.loaded.packages.len() + 1;
        let number = |package: Option<usize>| package.map_or(0, |index| index + 1);
        let mut edges: Vec<Vec<(usize, Span)>> = vec![Vec::new(); count];
        for (from, to, span) in &self.uses {
            edges[number(*from)].push((number(*to), *span));
        }
        let name = |package: usize| match package {
            0 => own.to_owned(),
            index => self.loaded.packages[index - 1].name.clone(),
        };
        // 0: not yet seen, 1: on the path, 2: done.
        let mut state = vec![0u8; count];
        let mut found = Vec::new();
        let mut path: Vec<(usize, usize)> = vec![(0, 0)];
        state[0] = 1;
        while let Some((package, next)) = path.pop() {
            let Some((target, _)) = edges[package].get(next) else {
                state[package] = 2;
                continue;
            };
            path.push((package, next + 1));
            if state[*target] == 0 {
                state[*target] = 1;
                path.push((*target, 0));
            } else if state[*target] == 1 {
                let from = path.iter().position(|(p, _)| p == target).unwrap_or(0);
                let circle = path[from..]
                    .iter()
                    .map(|(p, next)| (name(*p), edges[*p][next - 1].1));
                found.push(circle.collect::<Vec<_>>());
            }
        }
        for circle in found {
            let mut names: Vec<String> = circle.iter().map(|(name, _)| format!("`{name}`")).collect();
            names.push(names[0].clone());
            let message = format!("packages depend on each other in a circle: {}", names.join(" → "));
            let mut diagnostic = Diagnostic::error(Code("E0920"), circle[0].1, message)
                .here(format!("`{}` uses this", circle[0].0));
            for (name, span) in &circle[1..] {
                diagnostic = diagnostic.label(*span, format!("`{name}` uses this"));
            }
            self.loaded
                .diagnostics
                .push(diagnostic.help("move what both need into a package of its own"));
        }
    }

    /// Compares what was found with what is locked.
    fn compare(&mut self) {
        let mut wrong = Vec::new();
        for package in &self.loaded.packages {
            let now = LockedPackage {
                version: package.version.clone(),
                source: package.source.clone(),
                hash: package.hash.clone(),
            };
            if let Some(locked) = self.locked(&package.name)
                && locked.source == now.source
                && locked != now
                && !self.policy.update.has(&package.name)
            {
                let span = self
                    .known
                    .get(&package.name)
                    .map_or(Span::default(), |(_, _, span)| *span);
                wrong.push((span, differs(package, &locked)));
            }
            self.loaded.new.packages.insert(package.name.clone(), now);
        }
        for (span, (message, here, help)) in wrong {
            self.fail("E0922", span, &message, &here, &help);
        }
    }
}

fn differs(package: &Had, locked: &LockedPackage) -> (String, String, String) {
    let name = &package.name;
    let message = format!("the package `{name}` is not what `{LOCK_FILE}` says");
    let here = match locked.version == package.version {
        true => format!("locked is {}, found was {}", locked.hash, package.hash),
        false => format!(
            "locked is version {} with {}, found was version {} with {}",
            locked.version, locked.hash, package.version, package.hash
        ),
    };
    let help = match (package.vendored, package.source.starts_with("git+")) {
        (true, _) => format!(
            "`vendor/{name}` was changed: `rebar vendor` makes the copy anew; for changes of one's own there is `patch`"
        ),
        (false, true) => format!(
            "somebody changed the files in the cache, or the lock file: see which; `rebar update {name}` takes what is there now"
        ),
        (false, false) => format!(
            "if `{}` shall be used as it is now, run `rebar update {name}`",
            package.shown
        ),
    };
    (message, here, help)
}

fn without_commit(source: &str) -> &str {
    match source.starts_with("git+") {
        true => source.rsplit_once('#').map_or(source, |(source, _)| source),
        false => source,
    }
}

fn shown_source(source: &str) -> &str {
    source.split_once('+').map_or(source, |(_, rest)| rest)
}

/// The path from one folder to another, both without links; `.` where they are the same.
fn relative(from: &Path, to: &Path) -> String {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut parts: Vec<String> = vec!["..".to_owned(); from.len() - same];
    parts.extend(
        to[same..]
            .iter()
            .map(|part| part.as_os_str().to_string_lossy().into_owned()),
    );
    match parts.is_empty() {
        true => ".".to_owned(),
        false => parts.join("/"),
    }
}
