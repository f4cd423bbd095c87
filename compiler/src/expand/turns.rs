//! `for`: the same steps for each element, or in a workload the same groups and runs (`loops.rs`). What an element is called
//! becomes part of their names, so that adding or removing one never renames another.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::deploy::Layout;
use super::roles::Expanded;
use crate::check::choose::same_key;
use crate::check::evaluate::{Scope, evaluate, known};
use crate::check::turns::each;
use crate::check::{For, Statement};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{expand as codes, types};
use crate::plan::Template;
use crate::source::Span;

/// Letters of a key.
const LONGEST_KEY: usize = 64;
/// Turns within turns: each makes the names of its steps longer.
const MAX_WITHIN: usize = 2;
/// Steps of one run: more are a slip of the pen.
const MAX_STEPS: usize = 20_000;

impl Layout<'_> {
    /// The steps of all turns of a `for`.
    pub(super) fn turns(
        &mut self,
        turns: &For,
        scope: &mut Scope<'_>,
        expanded: &mut Expanded,
        outputs: &mut BTreeMap<String, (Template, Span)>,
        symbolic: &mut Sha256,
    ) {
        let steps = names(&turns.body);
        let mut first = true;
        let depth = expanded.turns.len();
        self.each_turn(turns, "a step", depth, scope, &mut |this, key, scope| {
            if expanded.steps.len() > MAX_STEPS {
                let message = format!("a run of more than {MAX_STEPS} steps is too large");
                let diagnostic = Diagnostic::error(codes::TOO_LARGE, turns.list.span, message);
                this.report(diagnostic.help("look at the list: it may hold more than is meant"));
                return false;
            }
            expanded.turns.push(format!("[{key}]"));
            // What a role does is written once, however many elements there are.
            let mut again = Sha256::new();
            let hash = if first { &mut *symbolic } else { &mut again };
            first = false;
            this.role_statements(&turns.body, scope, expanded, outputs, hash);
            expanded.turns.pop();
            for name in &steps {
                scope.variables.remove(*name);
            }
            true
        });
    }

    /// Goes through the elements of a `for`, with the names of each in the scope, and its key, which no other has.
    /// `within` others it stands. It ends early where `then` says `false`, or something is wrong, which is told.
    pub(super) fn each_turn(
        &mut self,
        turns: &For,
        of: &str,
        within: usize,
        scope: &mut Scope<'_>,
        then: &mut dyn FnMut(&mut Self, &str, &mut Scope<'_>) -> bool,
    ) {
        let entries = evaluate(&turns.list, scope).and_then(|list| each(list, turns.list.span, scope));
        let entries = match entries {
            Ok(entries) => entries,
            Err(stop) => return self.stopped(stop),
        };
        let mut keys: BTreeSet<String> = BTreeSet::new();
        scope.loops += 1;
        for (key, value) in entries {
            if let (Some(name), Some(key)) = (&turns.key_variable, &key) {
                scope
                    .variables
                    .insert(name.clone(), Template::Value(key.clone().into()));
            }
            scope.variables.insert(turns.variable.clone(), value.clone());
            let Some(key) = self.key(turns, of, key, value, scope) else {
                break;
            };
            if !keys.insert(key.clone()) {
                let span = turns.by.as_ref().map_or(turns.list.span, |by| by.span);
                self.stopped(same_key(&key, span, turns.list.span));
                break;
            }
            if within >= MAX_WITHIN {
                let message = format!("more than {MAX_WITHIN} `for` within each other");
                self.report(Diagnostic::error(codes::TOO_LARGE, turns.list.span, message));
                break;
            }
            if !then(self, &key, scope) {
                break;
            }
        }
        scope.loops -= 1;
        scope.variables.remove(&turns.variable);
        if let Some(name) = &turns.key_variable {
            scope.variables.remove(name);
        }
    }

    /// What one turn is called.
    fn key(
        &mut self,
        turns: &For,
        of: &str,
        key: Option<String>,
        value: Template,
        scope: &mut Scope<'_>,
    ) -> Option<String> {
        let (value, span) = match (&turns.by, key) {
            (Some(by), _) => (evaluate(by, scope), by.span),
            (None, Some(key)) => (Ok(Template::Value(key.into())), turns.list.span),
            (None, None) => (Ok(value), turns.list.span),
        };
        let text = match value.and_then(|value| known(value, span, &format!("the name of {of}"), scope)) {
            Ok(Value::String(text)) => text,
            Ok(value) => value.to_string(),
            Err(stop) => {
                self.stopped(stop);
                return None;
            }
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        if text.is_empty() || text.len() > LONGEST_KEY || !text.chars().all(plain) {
            let message = format!("`{text}` cannot be a part of the name of {of}");
            self.report(Diagnostic::error(types::BAD_KEY, span, message).help(format!(
                "a key has 1 to {LONGEST_KEY} letters, digits, `-`, `_`, `.` or `:`"
            )));
            return None;
        }
        Some(text)
    }
}

/// Names that the statements of a block give.
pub(super) fn names(body: &[Statement]) -> Vec<&str> {
    let mut all = Vec::new();
    for statement in body {
        match statement {
            Statement::Let(name, _) => all.push(name.as_str()),
            Statement::Step(step) => all.push(step.name.as_str()),
            Statement::If(branches, otherwise) => {
                branches.iter().for_each(|(_, body)| all.extend(names(body)));
                all.extend(names(otherwise));
            }
            Statement::Match(_, arms) => arms.iter().for_each(|(_, body)| all.extend(names(body))),
            Statement::Group(group) => all.push(group.name.as_str()),
            Statement::Run(run) => all.push(run.name.as_str()),
            Statement::For(turns) => all.extend(names(&turns.body)),
            Statement::Out(..) | Statement::OnLeave(_) => {}
        }
    }
    all
}

/// The steps that are meant by names: that of the same turn or of one around it, else those of all turns.
pub(super) fn loaded(wanted: &[String], expanded: &Expanded) -> Vec<String> {
    let mut all = Vec::new();
    for name in wanted {
        let first = all.len();
        for depth in (0..=expanded.turns.len()).rev() {
            let exact = format!("{name}{}", expanded.turns[..depth].concat());
            let turns = format!("{exact}[");
            let meant = |step: &str| step == exact || step.starts_with(&turns);
            let before = all.len();
            all.extend(
                expanded
                    .steps
                    .iter()
                    .filter(|s| meant(&s.name))
                    .map(|s| s.name.clone()),
            );
            if all.len() > before {
                break;
            }
        }
        if all.len() == first {
            all.push(name.clone());
        }
    }
    all
}
