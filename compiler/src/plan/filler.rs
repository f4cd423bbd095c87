//! The steps of a plan's nodes, filled and digested, for whoever carries them out.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::digest::Digests;
use super::fill::{FillContext, FillError};
use super::{NodeRow, Plan, RecordedStep, Step};

/// A step with its fields filled, and the digests of the steps that it loads.
#[derive(Debug, Clone, PartialEq)]
pub struct FilledStep {
    /// The run that it belongs to.
    pub run: String,
    /// The step as it will be recorded.
    pub step: RecordedStep,
    /// Address and digest of each step in `reload_on`.
    pub loads: BTreeMap<String, String>,
}

/// Fills steps. Making one costs O(patterns + nodes); after that a node costs no more than its steps.
pub struct Filler<'a> {
    plan: &'a Plan,
    context: FillContext<'a>,
    digests: Digests<'a>,
    /// The place of each node in its group.
    places: HashMap<&'a str, usize>,
}

impl<'a> Filler<'a> {
    /// A filler for all nodes of `plan`.
    pub fn new(plan: &'a Plan) -> Filler<'a> {
        let mut places = HashMap::new();
        for group in plan.groups.values() {
            places.extend(
                group
                    .nodes
                    .iter()
                    .enumerate()
                    .map(|(index, name)| (name.as_str(), index)),
            );
        }
        Filler {
            plan,
            context: FillContext::of_plan(plan),
            digests: Digests::new(plan),
            places,
        }
    }

    /// All steps of one node in order, filled, with their digests.
    ///
    /// # Errors
    /// [`FillError`] for the first field that cannot be filled.
    pub fn steps(&self, node: &NodeRow) -> Result<Vec<FilledStep>, FillError> {
        let Some(pattern) = self.plan.patterns.get(node.pattern) else {
            return Ok(Vec::new());
        };
        let digests = self.digests.node(node);
        let mut all = Vec::new();
        for segment in &pattern.segments {
            let first = all.len();
            for (index, step) in segment.steps.iter().enumerate() {
                let fields = self.fields(node, step)?;
                let position = first + index;
                let loads = segment
                    .steps
                    .iter()
                    .enumerate()
                    .filter(|(_, s)| step.reload_on.contains(&s.name));
                let loads = loads
                    .map(|(other, s)| {
                        (
                            format!("{}.{}", segment.run, s.name),
                            digests[first + other].to_string(),
                        )
                    })
                    .collect();
                let recorded = RecordedStep {
                    address: format!("{}.{}", segment.run, step.name),
                    kind: step.kind.clone(),
                    key: key_of(step, &fields),
                    digest: digests[position].to_string(),
                    fields,
                    removal: step.removal,
                    position: position as u32,
                    known_as: None,
                };
                all.push(FilledStep {
                    run: segment.run.clone(),
                    step: recorded,
                    loads,
                });
            }
        }
        Ok(all)
    }

    /// The outputs of the deploy.
    ///
    /// # Errors
    /// [`FillError`] for the first output that cannot be filled.
    pub fn outputs(&self) -> Result<BTreeMap<String, Value>, FillError> {
        let fill = |(name, value): (&String, _)| Ok((name.clone(), self.context.fill(value, None)?));
        self.plan.outputs.iter().map(fill).collect()
    }

    /// The fields of one step on one node.
    pub(crate) fn fields(&self, node: &NodeRow, step: &Step) -> Result<BTreeMap<String, Value>, FillError> {
        let group = self.plan.patterns.get(node.pattern).map(|p| p.group.as_str());
        let place = self.places.get(node.name.as_str());
        let own = group.zip(place.copied());
        let mut fields = BTreeMap::new();
        for (name, template) in &step.fields {
            let value = self.context.fill(template, own)?;
            // A field that turns out to have no value is left out like any other.
            if !value.is_null() {
                fields.insert(name.clone(), value);
            }
        }
        Ok(fields)
    }

    /// The digests of a node's steps in order.
    pub(crate) fn digests(&self, node: &NodeRow) -> Vec<Cow<'a, str>> {
        self.digests.node(node)
    }
}

/// The identity of a step on its node, as text.
pub(crate) fn key_of(step: &Step, fields: &BTreeMap<String, Value>) -> String {
    joined(&step.key, fields)
}

/// The fields of a key, as text.
pub(super) fn joined(key: &[String], fields: &BTreeMap<String, Value>) -> String {
    let part = |name: &String| match fields.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    key.iter().map(part).collect::<Vec<_>>().join(" ")
}

/// All steps of one node in order, filled. For many nodes make one [`Filler`] and use that.
///
/// # Errors
/// [`FillError`] for the first field that cannot be filled.
pub fn filled_steps(plan: &Plan, node: &NodeRow) -> Result<Vec<FilledStep>, FillError> {
    Filler::new(plan).steps(node)
}
