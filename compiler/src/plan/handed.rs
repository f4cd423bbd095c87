//! Things that go over from a step of one run to that of another: who has one record of a thing cannot hand it over and
//! have it replaced in one plan.

use std::collections::BTreeSet;

use super::filler::{Filler, key_of};
use super::replace::field_changes;
use super::reverse::words;
use super::{NodeRow, Outputs, Places, Plan, Reason, Snapshot, Step, StepVerbs};
use crate::diagnostics::codes::expand;
use crate::diagnostics::{Diagnostic, Diagnostics};

/// Reports steps that take over what another one has left, and would have to replace it.
pub(crate) fn refuse_handed_over(
    plan: &Plan,
    snapshot: &Snapshot,
    places: &Places,
    diagnostics: &mut Diagnostics,
) {
    let new: Vec<(&NodeRow, String, &Step)> =
        plan.nodes.iter().flat_map(|row| new_steps(plan, row)).collect();
    if new.is_empty() {
        return;
    }
    let outputs = Outputs::of_snapshot(snapshot);
    let filler = Filler::with_outputs(plan, &outputs);
    let mut told = BTreeSet::new();
    for (row, address, step) in new {
        let Some(recorded) = snapshot.nodes.get(&row.name) else {
            continue;
        };
        let (fields, _) = filler.fields(row, step).unwrap_or_default();
        let key = key_of(step, &fields);
        let former = recorded
            .steps
            .values()
            .find(|before| before.kind == step.kind && before.key == key && before.address != address);
        let Some(former) = former else { continue };
        let changes = field_changes(&step.replaces, &former.fields, &fields);
        if let Some(change) = changes.first()
            && told.insert(address.clone())
        {
            let message = format!(
                "the {} `{key}` goes over from `{}` to `{address}`, and would have to be replaced: {}",
                step.kind,
                former.address,
                words(change)
            );
            diagnostics.push(
                Diagnostic::error(expand::HANDED_OVER, places.step(&address), message)
                    .here("it is taken over here")
                    .help("apply one of the two changes first, and then the other"),
            );
        }
    }
}

/// Steps that are new on a node that stands, and say what cannot be changed in place.
fn new_steps<'p>(plan: &'p Plan, row: &'p NodeRow) -> Vec<(&'p NodeRow, String, &'p Step)> {
    let (StepVerbs::Some { ensure, .. }, Some(pattern)) = (&row.steps, plan.patterns.get(row.pattern)) else {
        return Vec::new();
    };
    if ensure.is_empty() {
        return Vec::new();
    }
    let steps = pattern.segments.iter().flat_map(|segment| {
        let marked = segment.steps.iter().filter(|step| !step.replaces.is_empty());
        marked.map(move |step| (format!("{}.{}", segment.run, step.name), step))
    });
    steps
        .filter(|(address, _)| ensure.get(address) == Some(&Reason::New))
        .map(|(address, step)| (row, address, step))
        .collect()
}
