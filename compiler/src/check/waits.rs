//! `after = [pages, quorum(kv), entry["a"]]`: the runs that another one waits for, those of a `for` by their keys.

use std::collections::BTreeMap;

use super::Checker;
use super::coerce::noun;
use super::typed::{Expression, Wait};
use super::types::{Thing, Type};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{order, types};
use crate::plan::GateMode;
use crate::resolve::Definition;
use crate::syntax::ast::{self, StatementKind};

impl Checker<'_> {
    pub(super) fn after(&mut self, value: &ast::Expression, waits: &mut Vec<Wait>) {
        let help = "write the runs to wait for in a list: `after = [pages, any(x), quorum(y)]`";
        let ast::ExpressionKind::List(list) = &value.kind else {
            self.report(
                Diagnostic::error(order::NOT_A_RUN, value.span, "`after` takes a list of runs").help(help),
            );
            return;
        };
        for wait in list {
            let (mode, target) = asked(wait);
            let (of, keys) = with_keys(target);
            let ast::ExpressionKind::Name(name) = &of.kind else {
                self.report(Diagnostic::error(order::NOT_A_RUN, target.span, "this is not a run").help(help));
                continue;
            };
            let declared = match self.resolved.references.get(&name.span) {
                Some(Definition::Local(declared)) => Some(*declared),
                Some(Definition::Broken) => continue,
                _ => None,
            };
            let ty = declared.and_then(|declared| self.locals.get(&declared).cloned());
            let repeated = declared.and_then(|declared| self.repeated.get(&declared).copied());
            let single = matches!(ty, Some(Type::Thing(Thing::Run, _)));
            match (ty, repeated) {
                (Some(Type::Error), _) => continue,
                (_, Some(depth)) if keys.len() <= depth => {}
                _ if single && keys.is_empty() => {}
                (_, repeated) => {
                    let message = match (single, repeated) {
                        (true, _) => format!("`{}` is one run, and has no keys", name.text),
                        (false, Some(depth)) => {
                            format!(
                                "`{}` is made by {depth} `for`, and here are {} keys",
                                name.text,
                                keys.len()
                            )
                        }
                        (false, None) => format!("`{}` is not a run", name.text),
                    };
                    let mut wrong = Diagnostic::error(order::NOT_A_RUN, target.span, message);
                    if let Some(declared) = declared {
                        wrong = wrong.label(declared, "defined here");
                    }
                    self.report(wrong.help(help));
                    continue;
                }
            }
            let keys = keys.into_iter().map(|key| self.key_of_run(key)).collect();
            let (span, place) = (target.span, self.sources.place(target.span));
            waits.push(Wait {
                run: name.text.clone(),
                keys,
                handed_in: false,
                output: None,
                argument: String::new(),
                mode,
                span,
                place,
            });
        }
        self.waits.clear();
    }

    fn key_of_run(&mut self, key: &ast::Expression) -> Expression {
        let key = self.infer(key, None);
        if !(key.ty.is_textual() || matches!(key.ty.base(), Type::Int | Type::Error)) {
            let message = format!("a key is text or a number, and this is {}", noun(&key.ty));
            self.report(Diagnostic::error(types::BAD_KEY, key.span, message));
        }
        key
    }

    /// Behind a `for` the names of its runs stand for those of all turns: maps of what each hands out.
    pub(super) fn runs_of_all_turns(&mut self, block: &ast::Block) {
        let mut outside: BTreeMap<&str, Type> = BTreeMap::new();
        let mut runs = Vec::new();
        names_of_runs(block, &mut runs);
        for (name, depth) in &runs {
            let outputs = match self.locals.get(&name.span) {
                Some(Type::Thing(Thing::Run, outputs)) => Type::Record((**outputs).clone()),
                Some(other) => other.clone(),
                None => Type::Error,
            };
            // Two of one name, in two branches: what both of them hand out.
            let before = outside.remove(name.text.as_str());
            let both = match before {
                None => outputs,
                Some(before) if before == outputs => outputs,
                Some(_) => Type::Record(BTreeMap::new()),
            };
            outside.insert(&name.text, both);
            self.repeated.insert(name.span, depth + 1);
        }
        for (name, _) in runs {
            let each = outside.get(name.text.as_str()).cloned().unwrap_or(Type::Error);
            let ty = match each {
                Type::Error => Type::Error,
                each => self.bounded(Type::Map(Box::new(Type::String), Box::new(each)), name.span),
            };
            self.locals.insert(name.span, ty);
            let all = Wait {
                run: name.text.clone(),
                keys: Vec::new(),
                handed_in: false,
                output: None,
                argument: String::new(),
                mode: GateMode::All,
                span: name.span,
                place: String::new(),
            };
            self.waits_of.insert(name.span, vec![all]);
        }
    }
}

/// How much of which run is meant.
fn asked(wait: &ast::Expression) -> (GateMode, &ast::Expression) {
    if let ast::ExpressionKind::Call { callee, arguments } = &wait.kind
        && let (ast::ExpressionKind::Name(word), [run]) = (&callee.kind, arguments.as_slice())
    {
        let mode = match word.text.as_str() {
            "all" => GateMode::All,
            "any" => GateMode::Any,
            "quorum" => GateMode::Quorum,
            _ => return (GateMode::All, wait),
        };
        return (mode, &run.value);
    }
    (GateMode::All, wait)
}

/// `pages["a"]["b"]`: the run, and the keys from the outermost.
fn with_keys(mut target: &ast::Expression) -> (&ast::Expression, Vec<&ast::Expression>) {
    let mut keys = Vec::new();
    while let ast::ExpressionKind::Index { of, key } = &target.kind {
        keys.push(&**key);
        target = of;
    }
    keys.reverse();
    (target, keys)
}

/// Names of the runs of a block, and in how many `for` within it each of them is.
fn names_of_runs<'b>(block: &'b ast::Block, found: &mut Vec<(&'b ast::Name, usize)>) {
    for statement in &block.statements {
        match &statement.kind {
            StatementKind::Run { name, .. } => found.push((name, 0)),
            StatementKind::For { block, .. } => {
                let first = found.len();
                names_of_runs(block, found);
                found[first..].iter_mut().for_each(|(_, depth)| *depth += 1);
            }
            StatementKind::If { branches, otherwise } => {
                branches.iter().for_each(|(_, b)| names_of_runs(b, found));
                otherwise.iter().for_each(|b| names_of_runs(b, found));
            }
            StatementKind::Match { arms, .. } => {
                arms.iter().for_each(|arm| names_of_runs(&arm.value, found));
            }
            _ => {}
        }
    }
}
