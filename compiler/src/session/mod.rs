//! Beside the road: a project that is edited. [`Session::check`] says what a cold compile says ([`crate::analyse_with`]), and
//! looks again only at files that changed and at those that may be understood otherwise than before.
//!
//! Each module is checked by itself, with what it needs of others; what was found is kept under the text of the module,
//! the shape of all modules that it reaches, and a number for each item that it needs. Where something may concern every
//! module (patches, policies, moves, circles), or a bound comes near, all are checked together as a cold compile does.

mod kept;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::check::{self, Options, alone::Spent};
use crate::diagnostics::codes::{expand, names, order, types};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::parallel;
use crate::resolve::{self, Library, Modules, Packages, Parses, alone::Shared, outline::Outline};
use crate::source::{Files, SourceId, Sources};
use kept::{Kept, Now};

/// A project and what is known of it.
pub struct Session<'a> {
    project: BTreeMap<String, String>,
    std: &'a dyn Files,
    packages: Packages<'a>,
    options: Options,
    sources: Sources,
    parses: Parses,
    kept: HashMap<SourceId, Kept>,
}

/// What a check found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// All files that were read.
    pub sources: Sources,
    /// Everything that is to be said about them.
    pub diagnostics: Diagnostics,
    /// How many modules were looked at again.
    pub again: usize,
    /// How many modules there are.
    pub modules: usize,
}

/// What is told of circles and lists of everything hangs on the order in which modules are looked at.
const TOLD_TOGETHER: [Code; 6] = [
    names::CIRCULAR_DEFINITION,
    order::WORKLOAD_CYCLE,
    order::MOVED_IN_CIRCLE,
    order::DEPLOYS_IN_CIRCLE,
    types::NOT_AN_IMPLEMENTATION,
    expand::TOO_LARGE,
];

impl<'a> Session<'a> {
    /// A session of the files of a project, by path.
    pub fn new(
        project: BTreeMap<String, String>,
        std: &'a dyn Files,
        packages: Packages<'a>,
        options: Options,
    ) -> Session<'a> {
        Session {
            project,
            std,
            packages,
            options,
            sources: Sources::default(),
            parses: Parses::default(),
            kept: HashMap::new(),
        }
    }

    /// Gives a file another text; a new file comes to be.
    pub fn edit(&mut self, path: &str, text: impl Into<String>) {
        self.project.insert(path.to_owned(), text.into());
    }

    /// Takes a file away.
    pub fn remove(&mut self, path: &str) {
        self.project.remove(path);
    }

    /// The files of the project as they are now.
    pub fn project(&self) -> &BTreeMap<String, String> {
        &self.project
    }

    /// What is to be said of the project as it is now.
    pub fn check(&mut self) -> Checked {
        let mut diagnostics = Diagnostics::default();
        let library = Library {
            project: &self.project,
            std: self.std,
            packages: self.packages,
        };
        self.sources.again();
        let modules = resolve::load(&library, &mut self.sources, &mut self.parses, &mut diagnostics);
        let count = modules.list.len();
        let shared = match self.is_wide(&modules) {
            true => Err(modules),
            false => {
                let shared = Shared::new(modules);
                match self.one_by_one(&shared) {
                    Some(again) => Ok((shared, again)),
                    None => Err(shared.modules().clone()),
                }
            }
        };
        let again = match shared {
            Ok((shared, again)) => {
                for module in &shared.modules().list {
                    let kept = self.kept.get(&module.source).into_iter();
                    kept.flat_map(|kept| &kept.diagnostics)
                        .for_each(|d| diagnostics.push(d.clone()));
                }
                again
            }
            Err(modules) => {
                self.together(modules, &mut diagnostics);
                count
            }
        };
        if diagnostics.has_errors() {
            diagnostics.keep_errors();
        }
        let (sources, ids) = self.sources.in_order();
        diagnostics.moved(&ids);
        Checked {
            sources,
            diagnostics,
            again,
            modules: count,
        }
    }

    /// Whether something concerns all modules.
    fn is_wide(&self, modules: &Modules) -> bool {
        let given = &self.options.given;
        let outlines: Vec<&Outline> = modules
            .list
            .iter()
            .filter_map(|m| Some(&self.parses.of(m.source)?.outline))
            .collect();
        let deploying = outlines.iter().filter(|o| o.deploys).count();
        let mut circles = Diagnostics::default();
        resolve::find_cycles(modules, &mut circles);
        !given.given.is_empty()
            || !given.deploy.is_empty()
            || !circles.is_empty()
            || outlines.iter().any(|o| o.wide || (o.outputs && deploying > 1))
    }

    /// Checks all modules together.
    fn together(&mut self, mut modules: Modules, diagnostics: &mut Diagnostics) {
        resolve::apply_patches(&mut modules, &self.packages, &self.sources, diagnostics);
        modules.given = resolve::read_given(&self.options.given, &mut self.sources, diagnostics);
        let resolved = resolve::resolve(modules, diagnostics);
        check::check(resolved, &self.sources, &self.options, diagnostics);
    }

    /// Checks each module that has to be, and says how many these were. `None` if modules must be checked together.
    fn one_by_one(&mut self, shared: &Shared) -> Option<usize> {
        let now = Now::of(shared.modules(), &self.sources, &self.parses);
        let all = 0..shared.modules().list.len();
        let stale: Vec<usize> = all
            .filter(|module| {
                let kept = self.kept.get(&shared.modules().list[*module].source);
                !kept.is_some_and(|kept| kept.holds(*module, &now))
            })
            .collect();
        let (sources, options) = (&self.sources, &self.options);
        let found = parallel::each(&stale, |module| {
            Kept::make(*module, shared, sources, options, &now)
        });
        let ids = stale.iter().map(|module| shared.modules().list[*module].source);
        self.kept.extend(ids.zip(found));
        let mut spent = Spent::default();
        let mut described: HashSet<&str> = HashSet::new();
        for module in &shared.modules().list {
            let kept = self.kept.get(&module.source)?;
            spent = spent.and(kept.aside.spent);
            let mut described_once = kept.aside.generated.iter().map(|name| described.insert(name));
            let together = |d: &Diagnostic| TOLD_TOGETHER.contains(&d.code);
            if !described_once.all(|once| once) || kept.diagnostics.iter().any(together) {
                return None;
            }
        }
        spent.is_little().then_some(stale.len())
    }
}
