//! Arguments of a deploy: what is given beside the spec, and outputs of other deploys.

use std::collections::BTreeMap;

use serde_json::Value;

use super::deploy::Layout;
use crate::check::data::outputs_of;
use crate::check::evaluate::Scope;
use crate::check::{Deploy, Typed};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand as codes;
use crate::plan::{GivenValue, Template};

impl Layout<'_> {
    /// Makes the recorded outputs of other deploys known, and tells which are not there yet.
    pub(super) fn recorded_outputs(&mut self, deploy: &Deploy, scope: &mut Scope<'_>) {
        let typed = self.typed;
        let none = BTreeMap::new();
        let recorded = typed.recorded.as_ref().unwrap_or(&none);
        for read in typed.reads.iter().filter(|read| read.deploy == deploy.name) {
            match recorded.get(&read.of) {
                Some(values) => {
                    let value = Template::Value(values.clone());
                    scope.variables.insert(outputs_of(&read.of), value);
                }
                None => {
                    let message = format!("`{}` has no outputs yet: it does not stand", read.of);
                    let mut missing = Diagnostic::error(codes::NOT_APPLIED_YET, read.span, message)
                        .here(format!("`{}` needs them to be planned", deploy.name));
                    if let Some(other) = typed.deploys.iter().find(|d| d.name == read.of) {
                        missing = missing.label(other.span, "this deploy comes first");
                    }
                    self.report(missing.help(format!("apply it first: `rebar apply {}`", read.of)));
                }
            }
        }
    }
}

/// The values that are given beside the spec, with where they come from.
pub(super) fn given(deploy: &Deploy, values: &BTreeMap<String, Template>) -> BTreeMap<String, GivenValue> {
    let known = |name: &String| match values.get(name) {
        Some(Template::Value(value)) => value.clone(),
        _ => Value::Null,
    };
    let value = |(name, from): (&String, &String)| {
        let value = GivenValue {
            value: known(name),
            from: from.clone(),
        };
        (name.clone(), value)
    };
    deploy.given.iter().map(value).collect()
}

/// The outputs that a deploy's arguments use, as they are recorded.
pub(super) fn reads(
    typed: &Typed,
    deploy: &Deploy,
    values: &BTreeMap<String, Template>,
) -> BTreeMap<String, Value> {
    let of_deploy = typed.reads.iter().filter(|read| read.deploy == deploy.name);
    let known = of_deploy.filter_map(|read| match values.get(&outputs_of(&read.of)) {
        Some(Template::Value(value)) => Some((read.of.clone(), value.clone())),
        _ => None,
    });
    known.collect()
}
