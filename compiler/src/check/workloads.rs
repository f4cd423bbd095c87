//! Workloads that run each other: no one may come back to itself.

use std::collections::{HashMap, HashSet};

use super::Checker;
use super::typed::{Callee, Run, Statement};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::order;
use crate::resolve::{ItemId, Resolved};
use crate::source::Span;

/// A call on the way round: who runs whom, and where that is written.
pub(crate) struct Call {
    pub(crate) by: ItemId,
    pub(crate) of: ItemId,
    pub(crate) at: Span,
}

/// The error for workloads that run each other in a circle, told as the way round.
pub(crate) fn circle(resolved: &Resolved, calls: &[Call]) -> Diagnostic {
    let name = |id: ItemId| format!("`{}`", resolved.qualified_name(id));
    let mut way: Vec<String> = calls.iter().map(|call| name(call.by)).collect();
    way.extend(calls.first().map(|call| name(call.by)));
    let message = match calls {
        [_] => format!("the workload {} runs itself", way[0]),
        _ => format!("these workloads run each other: {}", way.join(" → ")),
    };
    let text = |call: &Call| format!("{} runs {} here", name(call.by), name(call.of));
    let mut labels = calls.iter();
    let mut diagnostic = match labels.next() {
        Some(first) => Diagnostic::error(order::WORKLOAD_CYCLE, first.at, message).here(text(first)),
        None => Diagnostic::without_place(order::WORKLOAD_CYCLE, message),
    };
    for call in labels {
        diagnostic = diagnostic.label(call.at, text(call));
    }
    diagnostic.help("a workload is put in where it is run, so that this would have no end")
}

impl Checker<'_> {
    /// Reports workloads that come back to themselves, each circle once. Interfaces are followed when it is known
    /// who implements them.
    pub(super) fn workload_circles(&mut self) {
        let mut runs: HashMap<ItemId, Vec<(ItemId, Span)>> = HashMap::new();
        for (id, function) in self.typed.functions.iter().filter(|(_, f)| f.workload) {
            let mut found = Vec::new();
            visit(&function.body, &mut |run| {
                if let Callee::Function(of) = &run.callee {
                    found.push((*of, run.span));
                }
            });
            runs.insert(*id, found);
        }
        let mut starts: Vec<ItemId> = runs.keys().copied().collect();
        starts.sort();
        let mut done: HashSet<ItemId> = HashSet::new();
        for start in starts {
            // Not recursive: a chain may be as long as a file.
            let mut way: Vec<(ItemId, usize)> = vec![(start, 0)];
            let mut on_way: HashSet<ItemId> = HashSet::from([start]);
            while let Some((at, next)) = way.last_mut() {
                let call = match done.contains(at) {
                    true => None,
                    false => runs.get(at).and_then(|calls| calls.get(*next)).copied(),
                };
                *next += 1;
                let Some((of, _)) = call else {
                    done.insert(*at);
                    on_way.remove(at);
                    way.pop();
                    continue;
                };
                if on_way.contains(&of) {
                    let from = way.iter().position(|(id, _)| *id == of).unwrap_or(0);
                    let calls: Vec<Call> = way[from..]
                        .iter()
                        .filter_map(|(by, next)| {
                            let (of, at) = *runs.get(by)?.get(next - 1)?;
                            Some(Call { by: *by, of, at })
                        })
                        .collect();
                    let diagnostic = circle(self.resolved, &calls);
                    self.report(diagnostic);
                } else if runs.contains_key(&of) && !done.contains(&of) {
                    on_way.insert(of);
                    way.push((of, 0));
                }
            }
        }
    }
}

/// Calls `found` for each run of a body, at any depth.
pub(crate) fn visit(body: &[Statement], found: &mut dyn FnMut(&Run)) {
    for statement in body {
        match statement {
            Statement::Run(run) => found(run),
            Statement::If(branches, otherwise) => {
                for (_, body) in branches {
                    visit(body, found);
                }
                visit(otherwise, found);
            }
            Statement::Match(_, arms) => arms.iter().for_each(|(_, body)| visit(body, found)),
            Statement::For(turns) => visit(&turns.body, found),
            Statement::OnLeave(body) => visit(body, found),
            Statement::Let(..) | Statement::Step(_) | Statement::Group(_) | Statement::Out(..) => {}
        }
    }
}
