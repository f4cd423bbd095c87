//! Fields that have changed, with both values.

use rebar_compiler::plan::{FieldChange, Template, shown};

use super::template::describe;

/// What a machine is made of, with sizes as the language writes them: `memory changed from 256MiB to 320MiB`.
pub(super) fn made_of_text(changes: &[FieldChange]) -> String {
    let sized = |value: &Option<serde_json::Value>| match value.as_ref().and_then(serde_json::Value::as_u64) {
        Some(bytes) => Some(rebar_compiler::verify::size(bytes).into()),
        None => value.clone(),
    };
    let told: Vec<FieldChange> = changes
        .iter()
        .map(
            |change| match change.field == "memory" || change.field.starts_with("disk ") {
                true => FieldChange {
                    field: change.field.clone(),
                    before: sized(&change.before),
                    after: sized(&change.after),
                },
                false => change.clone(),
            },
        )
        .collect();
    changes_text(&told)
}

/// `image changed from a to b, cpu changed from 1 to 2`.
pub(super) fn changes_text(changes: &[FieldChange]) -> String {
    let value = |value: &Option<serde_json::Value>| match value {
        Some(value) => describe(&Template::Value(shown(value)), 60),
        None => "nothing".to_owned(),
    };
    let change = |change: &FieldChange| {
        format!(
            "{} changed from {} to {}",
            change.field,
            value(&change.before),
            value(&change.after)
        )
    };
    changes.iter().map(change).collect::<Vec<_>>().join(", ")
}
