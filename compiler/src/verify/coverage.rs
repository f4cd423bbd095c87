//! What of a spec its tests plan: roles, workloads, steps, and branches of `if`.

use std::collections::BTreeSet;

use crate::check::{Statement, Typed};
use crate::expand::Instances;
use crate::source::Span;

/// What some plans were made of.
#[derive(Debug, Default)]
pub(super) struct Planned {
    /// Names of roles.
    roles: BTreeSet<String>,
    /// Places of steps.
    steps: BTreeSet<String>,
    /// Names of groups and runs, by place.
    spans: BTreeSet<Span>,
    /// Branches that were taken.
    branches: BTreeSet<(Span, usize)>,
}

impl Planned {
    pub(super) fn add(&mut self, instances: &Instances) {
        for run in &instances.runs {
            self.roles.insert(run.role.clone());
            self.spans.insert(run.span);
            let shared = run.steps.iter().flat_map(|s| s.shared.values().cloned());
            self.steps.extend(shared);
            self.steps.extend(run.steps.iter().map(|s| s.place.clone()));
        }
        self.spans.extend(instances.groups.iter().map(|g| g.span));
        self.branches.extend(instances.branches.iter().copied());
    }
}

/// One thing of the spec, and whether a test planned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// What it is: `role web_page`, `step web_page.nginx`, `branch 2 of web_page`.
    pub name: String,
    /// Where it is written.
    pub span: Span,
    /// Whether some test planned it.
    pub covered: bool,
}

/// What the tests planned, of the project's own modules.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// Roles and workloads.
    pub functions: Vec<Covered>,
    /// Steps, groups and runs.
    pub parts: Vec<Covered>,
    /// Branches of `if`, where there is no `else` the missing one included.
    pub branches: Vec<Covered>,
}

impl Coverage {
    /// Of each list: its name, how many are covered, and how many there are.
    pub fn figures(&self) -> [(&'static str, usize, usize); 3] {
        let of = |list: &[Covered]| (list.iter().filter(|c| c.covered).count(), list.len());
        let (a, b, c) = (of(&self.functions), of(&self.parts), of(&self.branches));
        [
            ("roles and workloads", a.0, a.1),
            ("steps, groups and runs", b.0, b.1),
            ("branches", c.0, c.1),
        ]
    }

    /// Everything that no test planned, in the order of the text.
    pub fn missing(&self) -> Vec<&Covered> {
        let all = self.functions.iter().chain(&self.parts).chain(&self.branches);
        let mut missing: Vec<&Covered> = all.filter(|c| !c.covered).collect();
        missing.sort_by_key(|c| c.span);
        missing
    }
}

/// Holds what was planned against what is written.
pub(super) fn coverage(typed: &Typed, planned: &Planned) -> Coverage {
    let mut coverage = Coverage::default();
    for (id, function) in &typed.functions {
        if !typed.resolved.modules.list[id.module].is_own() {
            continue;
        }
        let noun = crate::resolve::noun(typed.resolved.item(*id));
        let (_, noun) = noun.split_once(' ').unwrap_or(("", noun));
        let before = coverage.parts.len();
        statements(&function.body, &function.name, planned, &mut coverage);
        let inside = coverage.parts[before..].iter().any(|part| part.covered);
        coverage.functions.push(Covered {
            name: format!("{noun} {}", function.name),
            span: function.span,
            covered: inside || planned.roles.contains(&function.name),
        });
    }
    coverage
}

fn statements(body: &[Statement], of: &str, planned: &Planned, coverage: &mut Coverage) {
    let mut part = |word: &str, name: &str, span: Span, covered: bool| {
        coverage.parts.push(Covered {
            name: format!("{word} {of}.{name}"),
            span,
            covered,
        });
    };
    for statement in body {
        match statement {
            Statement::Step(step) => part("step", &step.name, step.span, planned.steps.contains(&step.place)),
            Statement::Group(group) => part(
                "group",
                &group.name,
                group.span,
                planned.spans.contains(&group.span),
            ),
            Statement::Run(run) => part("run", &run.name, run.span, planned.spans.contains(&run.span)),
            Statement::Let(..)
            | Statement::Out(..)
            | Statement::If(..)
            | Statement::Match(..)
            | Statement::For(_)
            | Statement::OnLeave(_) => {}
        }
    }
    for statement in body {
        match statement {
            Statement::If(branches, otherwise) => {
                let Some((first, _)) = branches.first() else {
                    continue;
                };
                for index in 0..=branches.len() {
                    let span = branches
                        .get(index)
                        .map_or(first.span, |(condition, _)| condition.span);
                    let name = match index == branches.len() {
                        true => format!("`else` of {of}"),
                        false => format!("`if` {} of {of}", index + 1),
                    };
                    coverage.branches.push(Covered {
                        name,
                        span,
                        covered: planned.branches.contains(&(first.span, index)),
                    });
                }
                for (_, body) in branches {
                    statements(body, of, planned, coverage);
                }
                statements(otherwise, of, planned, coverage);
            }
            // Arms and turns are seen by the parts that stand in them.
            Statement::Match(_, arms) => {
                for (_, body) in arms {
                    statements(body, of, planned, coverage);
                }
            }
            Statement::For(turns) => statements(&turns.body, of, planned, coverage),
            // What is done before a node goes is in no plan of what stands.
            Statement::OnLeave(_)
            | Statement::Let(..)
            | Statement::Out(..)
            | Statement::Step(_)
            | Statement::Group(_)
            | Statement::Run(_) => {}
        }
    }
}
