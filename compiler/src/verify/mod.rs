//! Beside the road: tests and policies, held against plans without any backend.
//!
//! A test plans deploys of its own with an empty ledger. A policy is held against each deploy that is planned, with
//! whatever ledger that is; one that is broken refuses the plan like any other error of the spec.

mod coverage;
mod explain;
mod policies;
mod shown;
mod view;

pub use coverage::{Coverage, Covered};
pub use policies::policies;
pub use shown::size;

use std::collections::BTreeSet;

use crate::check::evaluate::{Scope, Stop, evaluate};
use crate::check::{Assertion, Deploy, Expression, ExpressionKind, SEPARATOR, Test, TestStatement, Typed};
use crate::diagnostics::codes::tests as codes;
use crate::diagnostics::{Diagnostic, Diagnostics, Severity};
use crate::expand;
use crate::graph::{self, Graph};
use crate::plan::{Ledger, Template};
use crate::source::Span;
use crate::syntax::ast::TestWord;

use view::View;

/// How one test ended, or one policy on one deploy.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// A test, or a policy.
    pub word: TestWord,
    /// Its title.
    pub title: String,
    /// The deploy, for a policy.
    pub deploy: Option<String>,
    /// Where the title is written.
    pub span: Span,
    /// How many assertions and expected errors were looked at.
    pub looked_at: usize,
    /// What is wrong; empty if it holds.
    pub diagnostics: Vec<Diagnostic>,
    /// Why the site accepts that it does not hold.
    pub accepted: Option<String>,
}

impl Outcome {
    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.diagnostics.is_empty()
    }
}

/// The outcomes of everything that was run, and what of the spec the tests planned.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Tests in written order, then policies by deploy.
    pub outcomes: Vec<Outcome>,
    /// What the tests planned, of the project's own modules.
    pub coverage: Coverage,
}

/// Runs the tests, and holds the policies against all deploys: those whose title (or module, as `module: title`)
/// contains one of `filters`; all, if there is none.
pub fn run(typed: &Typed, filters: &[String]) -> Report {
    let mut report = Report::default();
    let mut planned = coverage::Planned::default();
    let wanted = |test: &Test| {
        let name = format!("{}: {}", typed.module_of(test.item), test.title);
        filters.is_empty() || filters.iter().any(|f| name.contains(f.as_str()))
    };
    // Tests of the library are its own.
    let own = |test: &&Test| !typed.module_of(test.item).starts_with("std.");
    for test in typed.tests.iter().filter(own).filter(|t| wanted(t)) {
        if test.word == TestWord::Test {
            report.outcomes.push(run_test(typed, test, &mut planned));
        }
    }
    for deploy in &typed.deploys {
        if typed.policies().any(wanted)
            && let Some(graph) = ordered(typed, deploy, &mut Diagnostics::default())
        {
            let held = typed.policies().filter(|p| wanted(p));
            report
                .outcomes
                .extend(held.map(|policy| policies::hold(typed, policy, deploy, &graph)));
        }
    }
    report.coverage = coverage::coverage(typed, &planned);
    report
}

/// The deploy laid out and ordered with an empty ledger; `None` if it cannot be, which is reported.
fn ordered(typed: &Typed, deploy: &Deploy, diagnostics: &mut Diagnostics) -> Option<Graph> {
    let mut said = Diagnostics::default();
    let instances = expand::expand_deploy(typed, deploy, &Ledger::default(), &mut said);
    let graph = instances.map(|instances| graph::build(instances, &mut said));
    let wrong = said.has_errors();
    for error in said.sorted() {
        if error.severity == Severity::Error {
            diagnostics.push(error.clone());
        }
    }
    graph.filter(|_| !wrong)
}

fn run_test(typed: &Typed, test: &Test, planned: &mut coverage::Planned) -> Outcome {
    let mut outcome = outcome(test, None);
    let mut views: Vec<(String, View<'_>)> = Vec::new();
    let mut graphs: Vec<(&Deploy, Graph)> = Vec::new();
    for statement in &test.statements {
        let TestStatement::Deploy(deploy) = statement else {
            continue;
        };
        let mut said = Diagnostics::default();
        match ordered(typed, deploy, &mut said) {
            Some(graph) => {
                planned.add(&graph.instances);
                graphs.push((deploy, graph));
            }
            None => {
                let in_test = |d: &Diagnostic| d.clone().label(deploy.span, "for this deploy of a test");
                outcome.diagnostics.extend(said.sorted().into_iter().map(in_test));
            }
        }
    }
    for (deploy, graph) in &graphs {
        views.push((deploy.name.clone(), View::new(typed, deploy, graph)));
    }
    let mut checking = Checking::new(typed, &views);
    for statement in &test.statements {
        match statement {
            TestStatement::Deploy(_) => {}
            TestStatement::Let(name, value) => match checking.value(value) {
                Ok(value) => {
                    checking.scope.variables.insert(name.clone(), value);
                }
                Err(Stop::Error(wrong)) => outcome.diagnostics.push(*wrong),
                Err(Stop::Told) => {}
            },
            TestStatement::Assert(assertion) => {
                outcome.looked_at += 1;
                let message = format!("test `{}`: this does not hold", test.title);
                let failed = checking.assertion(assertion, codes::NOT_TRUE, message);
                outcome.diagnostics.extend(failed);
            }
            TestStatement::ExpectError {
                code,
                span,
                deploys,
                found,
            } => {
                outcome.looked_at += 1;
                let failed = expected_error(typed, code, *span, deploys, found);
                outcome.diagnostics.extend(failed);
            }
        }
    }
    outcome
}

fn outcome(test: &Test, deploy: Option<&Deploy>) -> Outcome {
    Outcome {
        word: test.word,
        title: test.title.clone(),
        deploy: deploy.map(|d| d.name.clone()),
        span: test.span,
        looked_at: 0,
        diagnostics: Vec::new(),
        accepted: None,
    }
}

/// Holds what deploys say against the error that must come.
fn expected_error(
    typed: &Typed,
    code: &str,
    span: Span,
    deploys: &[Deploy],
    found: &[Diagnostic],
) -> Option<Diagnostic> {
    let mut said = Diagnostics::default();
    found.iter().for_each(|d| said.push(d.clone()));
    for deploy in deploys {
        if let Some(graph) = ordered(typed, deploy, &mut said) {
            policies(typed, deploy, &graph, &mut said);
        }
    }
    let errors: Vec<&Diagnostic> = said
        .sorted()
        .into_iter()
        .filter(|d| d.severity == Severity::Error)
        .collect();
    if errors.iter().any(|d| d.code.0 == code) {
        return None;
    }
    let failed = |message: String| Diagnostic::error(codes::NOT_REFUSED, span, message);
    Some(match errors.first() {
        None => failed(format!("`{code}` is expected, and the deploy can be planned"))
            .help("nothing is wrong with it: give the values that must be refused, or make it a `deploy` with assertions"),
        Some(other) => {
            let mut wrong = failed(format!("`{code}` is expected, and `{}` came", other.code.0));
            if let Some(label) = other.labels.first() {
                wrong = wrong.label(label.span, other.message.clone());
            }
            wrong.help(format!("`rebar explain {}` tells what that means", other.code.0))
        }
    })
}

/// Assertions over some plans, with the values that are known so far.
struct Checking<'a> {
    scope: Scope<'a>,
    views: &'a [(String, View<'a>)],
    /// Parts that are in the scope already.
    made: BTreeSet<String>,
}

impl<'a> Checking<'a> {
    fn new(typed: &'a Typed, views: &'a [(String, View<'a>)]) -> Checking<'a> {
        Checking {
            scope: Scope::of(typed),
            views,
            made: BTreeSet::new(),
        }
    }

    /// The value of an expression, when the parts of plans that it names have been made.
    fn value(&mut self, expression: &Expression) -> Result<Template, Stop> {
        self.parts(expression)?;
        self.scope.left = crate::check::MAX_PARTS;
        evaluate(expression, &mut self.scope)
    }

    fn parts(&mut self, expression: &Expression) -> Result<(), Stop> {
        if let ExpressionKind::Variable(name) = &expression.kind
            && let Some((root, part)) = name.split_once(SEPARATOR)
            && self.made.insert(name.clone())
        {
            // A deploy that could not be planned has been told.
            let view = self.views.iter().find(|(n, _)| n == root);
            let (_, view) = view.ok_or(Stop::Told)?;
            let value = view.part(part).map_err(|missing| missing.told(expression.span))?;
            self.scope.variables.insert(name.clone(), Template::Value(value));
        }
        expression.children().into_iter().try_for_each(|e| self.parts(e))
    }

    /// The error for an assertion that does not hold; `None` if it does, or if why it cannot be told was told.
    fn assertion(
        &mut self,
        assertion: &Assertion,
        code: crate::diagnostics::Code,
        message: String,
    ) -> Option<Diagnostic> {
        match self.value(&assertion.condition) {
            Ok(Template::Value(serde_json::Value::Bool(true))) => None,
            Ok(_) => {
                let message = match &assertion.because {
                    Some(because) => format!("{message}: {because}"),
                    None => message,
                };
                Some(explain::explain(assertion, code, message, &mut self.scope))
            }
            Err(Stop::Error(wrong)) => Some(*wrong),
            Err(Stop::Told) => None,
        }
    }
}
