//! Nodes that several runs share: no two steps may want different things of one file, package or unit.

use std::collections::HashMap;

use super::deploy::{Layout, with_calls};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand as codes;
use crate::diagnostics::codes::plan as plan_codes;
use crate::expand::GroupInstance;
use crate::plan::{FillContext, FillError, MAX_VALUES, Template};
use crate::source::Span;

impl Layout<'_> {
    /// Reports steps that manage the same thing on one node, unless two runs want exactly the same.
    pub(super) fn same_things(&mut self) {
        let mut conflicts = Vec::new();
        for group in &self.groups {
            // By kind and key: the run and step that came first.
            let mut owners: HashMap<(&str, Vec<String>), (usize, usize)> = HashMap::new();
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
                    let Some((first_run, first_step)) =
                        owners.insert((&step.kind, key), (run_index, step_index))
                    else {
                        continue;
                    };
                    let first = &self.runs[first_run].steps[first_step];
                    let same = first.fields == step.fields && first_run != run_index;
                    if !same {
                        conflicts.push((
                            (first_run, first_step),
                            (run_index, step_index),
                            group.name.clone(),
                        ));
                    }
                }
            }
        }
        for (first, second, group) in conflicts {
            let place = |(run, step): (usize, usize)| -> Span { self.steps[run][step].1 };
            let name = |(run, step): (usize, usize)| {
                format!("`{}.{}`", self.runs[run].name, self.runs[run].steps[step].name)
            };
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
            self.report(
                diagnostic
                    .help("each thing on a node has one owner: keep one of the two, or make them the same"),
            );
        }
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
