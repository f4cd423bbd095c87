//! Nodes that several runs share: no two steps may want different things of one file, package or unit.

use std::collections::HashMap;

use super::deploy::Layout;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand as codes;
use crate::diagnostics::codes::plan as plan_codes;
use crate::plan::{FillContext, Template};
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
            let context = FillContext::of_groups(&self.groups);
            for (run_index, run) in self.runs.iter().enumerate() {
                let Some(group) = self.groups.iter().find(|g| g.name == run.group) else {
                    continue;
                };
                if group.nodes.is_empty() {
                    continue;
                }
                for (step_index, step) in run.steps.iter().enumerate() {
                    for (field, value) in &step.fields {
                        if let Err(error) = context.fill(value, Some((&group.name, 0))) {
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
