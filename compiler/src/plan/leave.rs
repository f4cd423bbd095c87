//! What is done on a node before it goes: kept on the node's record as a step of its own, so that it can be done
//! when the spec that said so is gone.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::filler::joined;
use super::{ObjectVerb, Plan, RecordedNode, RecordedStep, Removal, Replacement, Step, Template, step_hash};

/// The kind of the step that keeps the others. There is nothing to do for it on the node.
pub const LEAVE: &str = "leave";

/// The name of that step, which no step of a spec can have.
const NAME: &str = "on-leave";

/// A step as it is kept.
#[derive(Deserialize)]
struct Kept {
    name: String,
    kind: String,
    key: Vec<String>,
    removal: Removal,
    fields: BTreeMap<String, Value>,
}

/// The step that keeps `steps` for when the node leaves.
pub(crate) fn keeping(run: &str, steps: &[Step]) -> Step {
    let text = |text: &str| Template::Value(text.into());
    let kept = steps.iter().map(|step| {
        let part = |name: &str, value| (name.to_owned(), value);
        Template::Record(BTreeMap::from([
            part("name", text(&step.name)),
            part("kind", text(&step.kind)),
            part("key", Template::Value(serde_json::json!(step.key))),
            part("removal", Template::Value(serde_json::json!(step.removal))),
            part("fields", Template::Record(step.fields.clone())),
        ]))
    });
    let kept = BTreeMap::from([("steps".to_owned(), Template::List(kept.collect()))]);
    let mut fields = kept.clone();
    fields.insert("run".to_owned(), text(run));
    Step {
        name: NAME.to_owned(),
        kind: LEAVE.to_owned(),
        key: vec!["run".to_owned()],
        // What it is of is no part of it, so that a run can be called otherwise.
        hash: step_hash(LEAVE, &kept, std::iter::empty()),
        fields,
        reload_on: Vec::new(),
        removal: Removal::Forget,
        place: steps.first().map_or(String::new(), |step| step.place.clone()),
        outputs: BTreeMap::new(),
        shared: BTreeMap::new(),
        replaces: Vec::new(),
        interrupts: Vec::new(),
        replacement: Replacement::After,
    }
}

/// What is done on a recorded node before it goes: the runs from the last to the first, the steps of each in their
/// order.
pub(super) fn leave_steps(node: &RecordedNode) -> Vec<RecordedStep> {
    let mut keeping: Vec<&RecordedStep> = node.steps.values().filter(|step| step.kind == LEAVE).collect();
    keeping.sort_by_key(|step| std::cmp::Reverse(step.position));
    let mut all: Vec<RecordedStep> = Vec::new();
    for keeper in keeping {
        let run = super::split_address(&keeper.address).map_or("", |(run, _)| run);
        let steps = keeper.fields.get("steps").cloned().unwrap_or_default();
        // What this program did not write itself is left alone.
        let steps: Vec<Kept> = serde_json::from_value(steps).unwrap_or_default();
        for kept in steps {
            let mut fields = kept.fields;
            fields.retain(|_, value| !value.is_null());
            let as_templates = fields
                .iter()
                .map(|(name, value)| (name.clone(), Template::Value(value.clone())));
            all.push(RecordedStep {
                address: format!("{run}.{}", kept.name),
                key: joined(&kept.key, &fields),
                digest: step_hash(&kept.kind, &as_templates.collect(), std::iter::empty()),
                kind: kept.kind,
                fields,
                removal: kept.removal,
                // After all others, so that it would be taken back before them.
                position: AFTER_ALL + all.len() as u32,
                outputs: BTreeMap::new(),
                known_as: None,
            });
        }
    }
    all
}

/// Lets a node go without what is to be done on it before. `false` if the plan does not let it go.
pub fn leave_undrained(plan: &mut Plan, node: &str) -> bool {
    let leaving = plan.leaving.iter_mut().find(|leaving| leaving.name == node);
    let replaced = plan.nodes.iter_mut().find(|row| row.name == node);
    let replaced = replaced.filter(|row| matches!(row.machine, ObjectVerb::Replace { .. }));
    let steps = leaving
        .map(|node| &mut node.leave)
        .or(replaced.map(|row| &mut row.leave));
    steps.map(Vec::clear).is_some()
}

/// More steps than a node has.
const AFTER_ALL: u32 = 1 << 24;
