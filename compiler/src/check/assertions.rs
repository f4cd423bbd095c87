//! Tests and policies: what they hold of plans, and how a site accepts that a policy is broken.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::constructs::Schema;
use super::fields::{Owner, unreadable};
use super::tested::{Assertion, Test, TestStatement};
use super::typed::{Deploy, Expression};
use super::types::{Thing, Type};
use super::{Checker, Expected};
use crate::diagnostics::codes::{tests, types};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::resolve::ItemId;
use crate::source::Span;
use crate::syntax::ast::{self, ItemKind, StatementKind, TestWord};

impl Checker<'_> {
    /// All tests and policies, when everything that they speak of is known.
    pub(super) fn assertions(&mut self) {
        let resolved = self.resolved;
        let mut titles: BTreeMap<(TestWord, usize, &str), Span> = BTreeMap::new();
        for id in self.ids.clone() {
            let ItemKind::Test { word, title, block } = &resolved.item(id).kind else {
                continue;
            };
            // Those of a package are for who works on it.
            if !resolved.modules.list[id.module].is_own() {
                continue;
            }
            self.module = id.module;
            // Policies are accepted by their titles, from any module; tests are told apart within theirs.
            let space = if *word == TestWord::Policy { 0 } else { id.module };
            if let Some(first) = titles.insert((*word, space, &title.text), title.span) {
                let noun = crate::resolve::noun(resolved.item(id));
                let message = format!("{noun} `{}` is there already", title.text);
                let twice = Diagnostic::error(tests::DUPLICATE_TITLE, title.span, message);
                self.report(twice.here("here again").label(first, "first here").help(
                    "a title is a name: it stands in reports, and on the command line; choose another one",
                ));
                continue;
            }
            let test = self.test(id, *word, title, block);
            self.typed.tests.push(test);
        }
        self.accepted_policies();
    }

    fn test(&mut self, item: ItemId, word: TestWord, title: &ast::StringLiteral, block: &ast::Block) -> Test {
        self.locals.clear();
        self.waits_of.clear();
        if word == TestWord::Policy {
            for (name, place) in crate::resolve::policy_names(title.span) {
                let part = BTreeMap::from([(name.to_owned(), Type::Bool)]);
                self.locals
                    .insert(place, Type::Thing(Thing::Plan, Arc::new(part)));
            }
        }
        let mut statements = Vec::new();
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Let { name, ty, value } => {
                    let value = match ty {
                        Some(written) => {
                            let ty = self.written_type(written);
                            let expected = Expected {
                                ty,
                                name: name.text.clone(),
                                declared: Some(written.span),
                            };
                            self.expression(value, &expected)
                        }
                        None => self.infer(value, None),
                    };
                    let ty = self.bounded(value.ty.clone(), name.span);
                    self.locals.insert(name.span, ty);
                    statements.push(TestStatement::Let(name.text.clone(), value));
                }
                StatementKind::Deploy(deploy) => {
                    let known = self.deployed(deploy);
                    let ty = known.as_ref().map_or(Type::Error, |d| self.plan_type(d));
                    self.locals.insert(deploy.name.span, ty);
                    statements.extend(known.map(TestStatement::Deploy));
                }
                StatementKind::Assert { condition, because } => {
                    let value = self.expression(condition, &Expected::of(Type::Bool));
                    statements.push(TestStatement::Assert(Assertion {
                        condition: value,
                        written: condition.clone(),
                        because: because.as_ref().map(|b| b.text.clone()),
                    }));
                }
                StatementKind::ExpectError { code, block } => {
                    statements.push(self.expected_error(code, block));
                }
                // Anything else has been reported as out of place.
                _ => {}
            }
        }
        Test {
            item,
            word,
            title: title.text.clone(),
            span: title.span,
            statements,
        }
    }

    /// What the deploy gives here is what is expected: nobody else is told.
    fn expected_error(&mut self, code: &ast::Name, block: &ast::Block) -> TestStatement {
        let known = crate::diagnostics::codes::all();
        let from_deploys = |code: &Code| {
            ["E03", "E04", "E05", "E06", "E07"]
                .iter()
                .any(|s| code.0.starts_with(s))
        };
        if !known.iter().any(|c| c.0 == code.text && from_deploys(c)) {
            let exists = known.iter().any(|c| c.0 == code.text);
            let message = match exists {
                true => format!("`{}` cannot be expected: it is no error of a deploy", code.text),
                false => format!("there is no error `{}`", code.text),
            };
            let wrong = Diagnostic::error(tests::CANNOT_BE_EXPECTED, code.span, message);
            self.report(match exists {
                true => wrong
                    .help("what can be expected are errors of values, layout, order and plans: E03 to E07"),
                false => wrong.help("`rebar explain` lists all codes"),
            });
        }
        let mut apart = Diagnostics::default();
        std::mem::swap(self.diagnostics, &mut apart);
        let mut deploys = Vec::new();
        for statement in &block.statements {
            if let StatementKind::Deploy(deploy) = &statement.kind {
                deploys.extend(self.deployed(deploy));
            }
        }
        std::mem::swap(self.diagnostics, &mut apart);
        TestStatement::ExpectError {
            code: code.text.clone(),
            span: code.span,
            deploys,
            found: apart.sorted().into_iter().cloned().collect(),
        }
    }

    /// What a test can say of the plan of a deploy.
    fn plan_type(&self, deploy: &Deploy) -> Type {
        let mut parts = BTreeMap::new();
        if let ItemKind::Function { block, .. } = &self.resolved.item(deploy.workload).kind {
            groups_and_runs(block, &mut parts);
            if half_read(block) {
                parts.insert(HALF_READ.to_owned(), Type::Bool);
            }
        }
        if let Some(workload) = self.functions.get(&deploy.workload) {
            for (name, ty) in &workload.outputs {
                parts.insert(format!("outputs/{name}"), ty.clone());
            }
        }
        Type::Thing(Thing::Plan, Arc::new(parts))
    }

    /// `accept policy "…" { because = "…" }` of all sites.
    fn accepted_policies(&mut self) {
        let resolved = self.resolved;
        let policies: Vec<String> = self.typed.policies().map(|p| p.title.clone()).collect();
        for id in self.ids.clone() {
            let ItemKind::Block { block, .. } = &resolved.item(id).kind else {
                continue;
            };
            self.module = id.module;
            let mut accepted: BTreeMap<String, (Expression, Span)> = BTreeMap::new();
            for statement in &block.statements {
                let StatementKind::AcceptPolicy { title, block } = &statement.kind else {
                    continue;
                };
                let owner = Owner {
                    noun: "an accepted policy".to_owned(),
                    field: "field",
                    declared: None,
                    at: title.span,
                    lenient: unreadable(block),
                    also: &[],
                };
                let declared = self.schema(Schema::Gap);
                let because = self.fields(block, &declared, &owner).remove("because");
                let because = because.unwrap_or_else(|| super::expressions::error(title.span));
                if !policies.contains(&title.text) {
                    let message = format!("there is no policy `{}`", title.text);
                    let room = self.diagnostics.look_through(policies.len());
                    let known = policies.iter().take(room).map(String::as_str);
                    let mut unknown = Diagnostic::error(tests::UNKNOWN_POLICY, title.span, message)
                        .suggest(&title.text, known);
                    let edits = unknown.fixes.iter_mut().flat_map(|fix| &mut fix.edits);
                    edits.for_each(|(_, text)| *text = format!("\"{text}\""));
                    let bare = unknown.help.is_none();
                    self.report(match bare {
                        true => unknown.help("write the title of a policy, as it stands after `policy`"),
                        false => unknown,
                    });
                }
                if let Some((_, first)) = accepted.insert(title.text.clone(), (because, title.span)) {
                    let message = format!("the policy `{}` is accepted twice", title.text);
                    let twice = Diagnostic::error(types::DUPLICATE_FIELD, title.span, message);
                    self.report(twice.here("here again").label(first, "first here"));
                }
            }
            if let Some(site) = self.typed.sites.get_mut(&id) {
                site.accepted_policies = accepted;
            }
        }
    }
}

/// Says of a plan that a group or run of its workload may be missing, since a statement of it was told.
pub(super) const HALF_READ: &str = "half read";

/// Whether a statement of a workload could not be read, or is none of a workload.
fn half_read(block: &ast::Block) -> bool {
    block.statements.iter().any(|statement| {
        matches!(statement.kind, StatementKind::Error | StatementKind::Named { .. })
            || crate::syntax::walk::blocks(statement).into_iter().any(half_read)
    })
}

/// Groups and runs that a workload writes, in any branch: `nodes/web`, `run/pages`.
fn groups_and_runs(block: &ast::Block, parts: &mut BTreeMap<String, Type>) {
    for statement in &block.statements {
        match &statement.kind {
            StatementKind::Nodes { name, .. } => {
                parts.insert(format!("nodes/{}", name.text), Type::Bool);
            }
            StatementKind::Run { name, .. } => {
                parts.insert(format!("run/{}", name.text), Type::Bool);
            }
            _ => {}
        }
        for inner in crate::syntax::walk::blocks(statement) {
            groups_and_runs(inner, parts);
        }
    }
}
