//! `for` in workloads: the same groups and runs for each element. The key is part of what they are called: run
//! `pages[shop]`, group `web_shop`, since names of groups become names of hosts.

use std::collections::BTreeMap;

use super::deploy::Layout;
use super::turns::names;
use super::workloads::{Frame, Ran};
use crate::check::evaluate::{Scope, record};
use crate::check::workloads::visit;
use crate::check::{For, Group, Wait};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{expand as codes, types};
use crate::plan::Template;
use crate::resolve::list_of;
use crate::source::Span;

/// Runs that are named in a message.
const SHOWN: usize = 8;

impl Frame {
    /// A name with the keys of the turns at hand: `pages[shop]`.
    pub(super) fn in_turn(&self, name: &str) -> String {
        let keys = self.turns.iter().map(|(key, _)| format!("[{key}]"));
        keys.fold(name.to_owned(), |name, key| name + &key)
    }

    /// The runs of a `for`, by the names that they have behind it: taken out, since the next turn has runs of these names.
    fn take_runs(&mut self, name: &str) -> Vec<(String, Ran)> {
        let keyed = format!("{name}[");
        let inner: Vec<String> = self
            .runs
            .range(keyed.clone()..)
            .map(|(known, _)| known.clone())
            .take_while(|known| known.starts_with(&keyed))
            .collect();
        let all = std::iter::once(name.to_owned()).chain(inner);
        all.filter_map(|known| Some((known[name.len()..].to_owned(), self.runs.remove(&known)?)))
            .collect()
    }
}

/// The name of a group as hosts have it, from the path to it: `kv_tea_disk` of `kv[Tea].disk`. In keys hosts have small
/// letters and digits only, and a dash stands before the number of a node.
pub(super) fn name_of_group(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    let mut in_key = false;
    for c in path.chars() {
        match c {
            '[' => {
                in_key = true;
                name.push('_');
            }
            ']' => in_key = false,
            c if in_key && c.is_ascii_alphanumeric() => name.push(c.to_ascii_lowercase()),
            c if in_key || c == '.' => name.push('_'),
            c => name.push(c),
        }
    }
    name
}

impl Layout<'_> {
    /// The groups and runs of all turns of a `for`.
    pub(super) fn repeat(&mut self, turns: &For, scope: &mut Scope<'_>, frame: &mut Frame) {
        let declared = names(&turns.body);
        let mut runs: BTreeMap<String, Ran> = BTreeMap::new();
        let mut values: BTreeMap<String, BTreeMap<String, Template>> = BTreeMap::new();
        visit(&turns.body, &mut |run| {
            let ran = Ran {
                called: frame.run_name(&run.name),
                leaves: Vec::new(),
            };
            runs.insert(run.name.clone(), ran);
            values.insert(run.name.clone(), BTreeMap::new());
        });
        let depth = frame.turns.len();
        self.each_turn(turns, "a run or group", depth, scope, &mut |this, key, scope| {
            frame.turns.push((key.to_owned(), turns.list.span));
            this.statements(&turns.body, scope, frame);
            frame.turns.pop();
            for (name, of_turns) in &mut values {
                if let Some(value) = scope.variables.get(name) {
                    of_turns.insert(key.to_owned(), value.clone());
                }
                for (rest, ran) in frame.take_runs(name) {
                    if rest.is_empty() {
                        runs.entry(name.clone())
                            .or_default()
                            .leaves
                            .extend(ran.leaves.iter().cloned());
                    }
                    runs.insert(format!("{name}[{key}]{rest}"), ran);
                }
            }
            for name in &declared {
                scope.variables.remove(*name);
            }
            this.room.statements > 0
        });
        for (name, of_turns) in values {
            frame.lists.insert(name.clone(), turns.list.span);
            scope.variables.insert(name, record(of_turns));
        }
        frame.runs.extend(runs);
    }

    /// What is waited for; `None` if nothing was run, or that was reported.
    pub(super) fn waited_for<'f>(
        &mut self,
        wait: &Wait,
        scope: &mut Scope<'_>,
        frame: &'f Frame,
    ) -> Option<&'f Ran> {
        let mut name = wait.run.clone();
        for key in &wait.keys {
            let key = self.known(key, scope, "which run is waited for")?;
            let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
            name += &format!("[{key}]");
        }
        match frame.runs.get(&name) {
            Some(ran) => Some(ran),
            // Nothing was run in it, or that has been told.
            None if wait.keys.is_empty() => None,
            None => {
                self.no_such_turn(&name, wait, frame);
                None
            }
        }
    }

    fn no_such_turn(&mut self, name: &str, wait: &Wait, frame: &Frame) {
        let keyed = format!("{}[", wait.run);
        // As it is written: `pages["shop"]`.
        let spelled = |name: &str| name.replace('[', "[\"").replace(']', "\"]");
        let known: Vec<String> = frame
            .runs
            .range(keyed.clone()..)
            .map(|(known, _)| known.as_str())
            .take_while(|known| known.starts_with(&keyed))
            .filter(|known| known.matches("][").count() + 1 == wait.keys.len())
            .take(SHOWN)
            .map(spelled)
            .collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let name = spelled(name);
        let mut wrong = Diagnostic::error(
            types::NO_SUCH_TURN,
            wait.span,
            format!("there is no run `{name}`"),
        );
        if let Some(list) = frame.lists.get(&wait.run) {
            wrong = wrong.label(
                *list,
                format!("the runs `{}` are for the elements of this", wait.run),
            );
        }
        let wrong = wrong.suggest(&name, known.iter().copied());
        let wrong = match (&wrong.help, known.is_empty()) {
            (Some(_), _) => wrong,
            (None, true) => wrong.help("the list is empty, so that there is nothing to wait for"),
            (None, false) => wrong.help(format!("there are {}", list_of(&known))),
        };
        self.report(wrong);
    }

    /// Whether no run before has the name; else that is reported.
    pub(super) fn has_own_name(&mut self, name: &str, span: Span) -> bool {
        let Some(before) = self.run_places.insert(name.to_owned(), span) else {
            return true;
        };
        let message = format!("two runs of this deploy are called `{name}`");
        let twice = Diagnostic::error(codes::SAME_NAME, span, message).label(before, "the other is this one");
        self.report(
            twice.help("give one of them another name, or let only one of the blocks be there at a time"),
        );
        false
    }

    /// Reports a group whose name, with those of the calls before it and the keys in it, is that of another.
    pub(super) fn same_name(&mut self, name: &str, group: &Group, before: usize, frame: &Frame) {
        let message = format!("two groups of this deploy are called `{name}`");
        let first = self.groups[before].span;
        let calls = self.group_calls[before].clone();
        let spelled = self.spelled[before].clone();
        let mut twice = Diagnostic::error(codes::SAME_NAME, group.span, message);
        if !frame.turns.is_empty() {
            twice = twice.here(format!("`{}`", frame.run_name(&group.name)));
        }
        twice = match (group.span == first, calls.last(), frame.turns.last()) {
            (true, Some(call), _) if calls != self.calls => {
                twice.label(*call, "the other comes from this run")
            }
            (true, _, Some((_, list))) => {
                twice.label(*list, format!("`{spelled}` is for an element of this too"))
            }
            _ => twice.label(first, "the other is this one"),
        };
        self.report(twice.help(match frame.turns.is_empty() {
            true => {
                "names of groups in a workload begin with that of its run: give one of the runs or groups another name"
            }
            false => {
                "keys become part of names of groups, in small letters and with `_` for `-`, `.` and `:`, since `web-1` \
                 is the name of a node: choose keys that differ in more, or give one of the groups another name"
            }
        }));
    }
}
