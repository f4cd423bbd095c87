//! The rebar compiler: text in, [`plan::Plan`] out.
//!
//! A spec passes through one folder after the other, and each stage hands one noun to the next:
//!
//! | stage | function | product |
//! |---|---|---|
//! | [`syntax`] | [`syntax::parse`] | [`syntax::Syntax`]: lossless tree and AST |
//! | [`resolve`] | [`resolve::resolve`] | [`resolve::Resolved`]: every name has a definition |
//! | [`check`] | [`check::check`] | [`check::Typed`]: every expression has a type |
//! | [`expand`] | [`expand::expand`] | [`expand::Instances`]: groups, nodes, addresses, symbolic steps |
//! | [`graph`] | [`graph::build`] | [`graph::Graph`]: what waits for what, and why |
//! | [`plan`] | [`plan::plan`] | [`plan::Plan`]: lane patterns, gates and a table of nodes |
//!
//! Beside the road stand [`format`], which uses syntax alone, [`verify`], which holds tests and policies against
//! plans, and [`session`], which checks a project that is edited.
//!
//! Stages take `&mut Diagnostics`, never stop at the first error and always return a value.
//! Nothing here reads files, the clock, the environment or the network: callers pass all of it in.

pub mod check;
pub mod diagnostics;
pub mod document;
pub mod expand;
pub mod format;
pub mod graph;
pub mod lint;
pub mod manifest;
mod parallel;
pub mod plan;
pub mod resolve;
pub mod session;
pub mod source;
pub mod syntax;
pub mod verify;

pub use check::Options;
pub use diagnostics::{Diagnostic, Diagnostics};
pub use manifest::Manifest;
pub use resolve::Library;
pub use source::{Files, SourceId, Sources, Span};

/// A project as far as it can be understood without choosing a deploy.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// All files that were read, templates among them.
    pub sources: Sources,
    /// Everything that is to be said about them.
    pub diagnostics: Diagnostics,
    /// What the `rebar.toml` of the project says; nothing where there is none.
    pub manifest: Manifest,
    /// The checked spec; what could not be understood is an error value in it.
    pub typed: check::Typed,
}

impl Analysis {
    /// The names of all deploys, in written order.
    pub fn deploys(&self) -> Vec<&str> {
        self.typed.deploys.iter().map(|d| d.name.as_str()).collect()
    }

    /// Plans one deploy. `None` if there are errors, which are then among `self.diagnostics`.
    pub fn plan(
        &mut self,
        deploy: &str,
        ledger: &plan::Ledger,
        snapshot: &plan::Snapshot,
    ) -> Option<plan::Plan> {
        if self.diagnostics.has_errors() {
            // A name that is wrong is still worth telling; the rest would be guesses.
            return None;
        }
        let instances = {
            let _stage = tracing::debug_span!("expand").entered();
            expand::expand(&self.typed, deploy, ledger, &mut self.diagnostics)?
        };
        expand::refuse_taken(&instances, snapshot, &mut self.diagnostics);
        let graph = {
            let _stage = tracing::debug_span!("graph").entered();
            graph::build(instances, &mut self.diagnostics)
        };
        if let Some(deploy) = self.typed.deploys.iter().find(|d| d.name == deploy) {
            verify::policies(&self.typed, deploy, &graph, &mut self.diagnostics);
        }
        if self.diagnostics.has_errors() {
            return None;
        }
        let _stage = tracing::debug_span!("plan").entered();
        let patched = self.typed.resolved.modules.patched.iter();
        let patches = patched.map(|patched| plan::PatchNote {
            package: patched.package.clone(),
            version: patched.version.clone(),
            what: patched.what.clone(),
            place: self.sources.place(patched.span),
        });
        let patches = patches.collect();
        let places = plan::Places::of(&graph);
        let plan = plan::plan(graph, snapshot);
        plan::refuse_cycles(&plan, &places, &mut self.diagnostics);
        plan::refuse_handed_over(&plan, snapshot, &places, &mut self.diagnostics);
        (!self.diagnostics.has_errors()).then_some(plan::Plan { patches, ..plan })
    }

    /// Adds what the linter finds, as strict as `rebar.toml` says. Nothing is added where the spec has errors.
    pub fn lint(&mut self) {
        if self.diagnostics.has_errors() {
            return;
        }
        let config = lint::Config::of_manifest(&self.manifest, &mut self.diagnostics);
        for found in lint::lint(&self.typed, &self.sources, &config) {
            self.diagnostics.push(found);
        }
    }

    /// Runs the tests and holds the policies against all deploys; see [`verify::run`]. Nothing is run where the spec
    /// has errors.
    pub fn test(&self, filters: &[String]) -> verify::Report {
        match self.diagnostics.has_errors() {
            true => verify::Report::default(),
            false => verify::run(&self.typed, filters),
        }
    }

    /// Lays out every deploy with an empty ledger, for what can only be seen then.
    pub fn examine(&mut self) {
        if self.diagnostics.has_errors() {
            return;
        }
        let ledger = plan::Ledger::default();
        // What other deploys have handed out is told by a plan, and nobody knows it here.
        let reads = |name: &str| self.typed.reads.iter().any(|read| read.deploy == name);
        for deploy in self.typed.deploys.iter().filter(|deploy| !reads(&deploy.name)) {
            if let Some(instances) =
                expand::expand_deploy(&self.typed, deploy, &ledger, &mut self.diagnostics)
            {
                let graph = graph::build(instances, &mut self.diagnostics);
                verify::policies(&self.typed, deploy, &graph, &mut self.diagnostics);
            }
        }
    }
}

/// Reads `main.rebar` and all that it uses, gives names their meaning and checks types. It never stops at the
/// first error. Any kind is taken; see [`analyse_with`].
pub fn analyse(library: &Library<'_>) -> Analysis {
    analyse_with(library, &Options::default())
}

/// [`analyse`] for a runtime whose actions are known.
pub fn analyse_with(library: &Library<'_>, options: &Options) -> Analysis {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let mut modules = {
        let _stage = tracing::debug_span!("parse").entered();
        let mut modules = resolve::load(
            library,
            &mut sources,
            &mut resolve::Parses::default(),
            &mut diagnostics,
        );
        resolve::apply_patches(&mut modules, &library.packages, &sources, &mut diagnostics);
        modules
    };
    modules.given = resolve::read_given(&options.given, &mut sources, &mut diagnostics);
    let typed = {
        let _stage = tracing::debug_span!("check").entered();
        let resolved = resolve::resolve(modules, &mut diagnostics);
        check::check(resolved, &sources, options, &mut diagnostics)
    };
    if diagnostics.has_errors() {
        diagnostics.keep_errors();
    }
    Analysis {
        sources,
        diagnostics,
        manifest: typed.resolved.modules.manifest.clone(),
        typed,
    }
}
