//! Nodes that several runs share: no two steps may want different things of one file, package or unit.

use std::collections::{HashMap, HashSet};

use super::deploy::{Layout, with_calls};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand as codes;
use crate::diagnostics::codes::plan as plan_codes;
use crate::expand::GroupInstance;
use crate::plan::{FillContext, FillError, MAX_VALUES, Template};
use crate::source::Span;

/// A run and one of its steps.
type Place = (usize, usize);

impl Layout<'_> {
    /// Makes one step of those that want exactly the same on one node, where their kind can be shared, and reports
    /// others that manage the same thing.
    pub(super) fn same_things(&mut self) {
        let mut conflicts = Vec::new();
        let mut equal: Vec<(Place, Place)> = Vec::new();
        for group in &self.groups {
            // By kind and key: the run and step that came first.
            let mut owners: HashMap<(&str, Vec<String>), Place> = HashMap::new();
            for (run_index, run) in self
                .runs
                .iter()
                .enumerate()
                .filter(|(_, r)| r.group == group.name)
            {
                for (step_index, step) in run.steps.iter().enumerate() {
                    let key: Vec<String> = step
                        .key
                        .iter()
                        .map(|field| canonical(step.fields.get(field)))
                        .collect();
                    let second = (run_index, step_index);
                    let first = *owners.entry((&step.kind, key)).or_insert(second);
                    if first == second {
                        continue;
                    }
                    let same = self.runs[first.0].steps[first.1].fields == step.fields;
                    match self.sharing(first, second).filter(|_| same) {
                        Some(()) => equal.push((first, second)),
                        None => conflicts.push((first, second, group.name.clone(), same)),
                    }
                }
            }
        }
        for (first, second, group, same) in conflicts {
            self.same_thing(first, second, &group, same);
        }
        self.share(&equal);
    }

    /// Whether two steps may be one: of two runs, of a kind that says so, and nothing is loaded when they change.
    fn sharing(&self, first: Place, second: Place) -> Option<()> {
        let (kind, _) = self.steps[first.0][first.1];
        let shared = self.typed.kinds.get(&kind)?.shared;
        (shared && first.0 != second.0 && !self.is_loaded(second)).then_some(())
    }

    /// Whether another step of its run loads it.
    fn is_loaded(&self, (run, step): Place) -> bool {
        let run = &self.runs[run];
        run.steps
            .iter()
            .any(|s| s.reload_on.contains(&run.steps[step].name))
    }

    /// Takes the second of each pair out of its run: it is the first.
    fn share(&mut self, equal: &[(Place, Place)]) {
        let mut gone: HashMap<usize, HashSet<usize>> = HashMap::new();
        for (first, second) in equal {
            let run = self.runs[second.0].name.clone();
            let place = self.runs[second.0].steps[second.1].place.clone();
            self.runs[first.0].steps[first.1].shared.insert(run, place);
            gone.entry(second.0).or_default().insert(second.1);
        }
        for (run, gone) in gone {
            let mut index = 0..;
            self.runs[run]
                .steps
                .retain(|_| !index.next().is_some_and(|at| gone.contains(&at)));
            let mut index = 0..;
            self.steps[run].retain(|_| !index.next().is_some_and(|at| gone.contains(&at)));
        }
    }

    fn same_thing(&mut self, first: Place, second: Place, group: &str, same: bool) {
        let place = |(run, step): Place| -> Span { self.steps[run][step].1 };
        let name =
            |(run, step): Place| format!("`{}.{}`", self.runs[run].name, self.runs[run].steps[step].name);
        let step = &self.runs[second.0].steps[second.1];
        let key: Vec<String> = step
            .key
            .iter()
            .map(|field| shown(step.fields.get(field)))
            .collect();
        let message = format!(
            "{} and {} manage the same {} {} on the nodes of `{group}`",
            name(first),
            name(second),
            step.kind,
            key.join(" ")
        );
        let mut diagnostic =
            Diagnostic::error(codes::SAME_THING_TWICE, place(second), message).here("managed here");
        diagnostic = match place(first) == place(second) {
            true => diagnostic
                .label(self.runs[first.0].span, "by this run")
                .label(self.runs[second.0].span, "and by this one"),
            false => diagnostic.label(place(first), "and here"),
        };
        // By which calls each of the two came there.
        diagnostic = with_calls(diagnostic, &self.run_calls[first.0]);
        if self.run_calls[second.0] != self.run_calls[first.0] {
            diagnostic = with_calls(diagnostic, &self.run_calls[second.0]);
        }
        let kind = &step.kind;
        let loaded = same && self.is_loaded(second);
        let help = match (same, loaded) {
            (true, true) => format!(
                "they are the same, but another step of `{}` loads it: let only one of the runs have it",
                self.runs[second.0].name
            ),
            (true, false) => format!(
                "they are the same, but a `{kind}` has one owner: keep one of the two, and let the other run come after it"
            ),
            (false, _) => {
                "each thing on a node has one owner: keep one of the two, or make them the same".to_owned()
            }
        };
        self.report(diagnostic.help(help));
    }

    /// Fills all steps for one node of each group, so that what cannot be filled is told now and not half-way.
    pub(super) fn sample(&mut self) {
        let mut broken = Vec::new();
        {
            let samples = Samples::of(&self.groups);
            for (run_index, run) in self.runs.iter().enumerate() {
                let Some(group) = self.groups.iter().find(|g| g.name == run.group) else {
                    continue;
                };
                if group.nodes.is_empty() {
                    continue;
                }
                for (step_index, step) in run.steps.iter().enumerate() {
                    for (field, value) in &step.fields {
                        let tried = samples.try_fill(value, &group.name);
                        // What exists only later is filled when it is there.
                        if let Err(error) = tried
                            && !matches!(error, FillError::NotYet { .. })
                        {
                            let node = &group.nodes[0].name;
                            let message = format!("the field `{field}` has no value on `{node}`: {error}");
                            broken.push((self.steps[run_index][step_index].1, message));
                        }
                    }
                }
            }
        }
        for (span, message) in broken {
            self.report(Diagnostic::error(plan_codes::CANNOT_FILL, span, message));
        }
    }
}

/// Members of a group that are tried. They differ in name and address only, so that more would tell no more, except
/// for how large a value becomes that goes through all of them.
const TRIED: usize = 512;

/// What values are filled from on trial: the first members of each group.
struct Samples<'a> {
    groups: &'a [GroupInstance],
    half: FillContext<'a>,
    whole: FillContext<'a>,
    /// Members of the largest group.
    largest: usize,
}

impl<'a> Samples<'a> {
    fn of(groups: &'a [GroupInstance]) -> Samples<'a> {
        Samples {
            groups,
            half: FillContext::of_groups(groups, TRIED / 2),
            whole: FillContext::of_groups(groups, TRIED),
            largest: groups.iter().map(|g| g.nodes.len()).max().unwrap_or(0),
        }
    }

    /// Whether a value can be filled on the first node of `group`. Of large groups a part is tried; where that does
    /// not show that the whole is small enough, all of it.
    fn try_fill(&self, value: &Template, group: &str) -> Result<(), FillError> {
        let own = Some((group, 0));
        let whole = self.whole.cost(value, own)?;
        if self.largest <= TRIED {
            return Ok(());
        }
        let growth = whole.saturating_sub(self.half.cost(value, own)?);
        let halves = self.largest.div_ceil(TRIED / 2);
        // What goes through a group within itself grows faster than the group.
        let even = growth.saturating_mul(2) <= whole.saturating_add(whole / 8);
        if even && growth.saturating_mul(halves).saturating_add(whole) <= MAX_VALUES {
            return Ok(());
        }
        let all = FillContext::of_groups(self.groups, usize::MAX);
        all.fill(value, own).map(drop)
    }
}

fn canonical(value: Option<&Template>) -> String {
    value
        .and_then(|v| serde_json::to_string(v).ok())
        .unwrap_or_default()
}

/// A key for people.
fn shown(value: Option<&Template>) -> String {
    match value {
        Some(Template::Value(serde_json::Value::String(text))) => format!("`{text}`"),
        Some(Template::Value(value)) => format!("`{value}`"),
        _ => "of the same key".to_owned(),
    }
}
