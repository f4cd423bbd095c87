//! Values that exist only later: what steps find out when they are carried out, and what is made of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::digest::Parts;
use super::fill::{FillError, Filling};
use super::functions::{self, FunctionError};
use super::secret;
use super::template::{Function, Template};
use super::{RecordedStep, Snapshot};

/// What an output of a step is. Nodes are not trusted: what they answer is held against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
}

impl ValueType {
    /// Whether `value` is one.
    pub fn holds(self, value: &Value) -> bool {
        match self {
            ValueType::Text => value.is_string(),
            ValueType::Integer => value.is_i64(),
            ValueType::Boolean => value.is_boolean(),
        }
    }
}

/// What steps have found out: by node, by `run.step`, by output.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outputs(BTreeMap<String, BTreeMap<String, BTreeMap<String, Value>>>);

impl Outputs {
    /// What is recorded.
    pub fn of_snapshot(snapshot: &Snapshot) -> Outputs {
        let mut outputs = Outputs::default();
        for (name, node) in &snapshot.nodes {
            for (address, step) in node.steps.iter().filter(|(_, step)| !step.outputs.is_empty()) {
                outputs.insert(name, address, step.outputs.clone());
            }
        }
        outputs
    }

    /// What a step of a node found out; what it told before is forgotten.
    pub fn insert(&mut self, node: &str, step: &str, values: BTreeMap<String, Value>) {
        let steps = self.0.entry(node.to_owned()).or_default();
        steps.insert(step.to_owned(), values);
    }

    /// One output.
    pub fn get(&self, node: &str, step: &str, output: &str) -> Option<&Value> {
        self.0.get(node)?.get(step)?.get(output)
    }
}

/// A value of which all is known but what steps will find out.
#[derive(Debug, Clone, PartialEq)]
pub enum Later {
    /// It is known.
    Value(Value),
    /// An output of a step.
    Output {
        /// The node's name.
        node: String,
        /// The step: `run.step`.
        step: String,
        /// The output.
        output: String,
    },
    /// A function over values that are not all known.
    Apply(Function, Vec<Later>),
    /// A list.
    List(Vec<Later>),
    /// A record.
    Record(BTreeMap<String, Later>),
}

impl Later {
    /// The value, now that steps have told.
    ///
    /// # Errors
    /// [`FillError::NotYet`] when one has not; those of functions.
    pub fn fill(&self, outputs: &Outputs) -> Result<Value, FillError> {
        let all = |list: &[Later]| {
            list.iter()
                .map(|value| value.fill(outputs))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match self {
            Later::Value(value) => value.clone(),
            Later::Output { node, step, output } => {
                let value = outputs.get(node, step, output).cloned();
                value.ok_or_else(|| not_yet(node, step, output))?
            }
            Later::Apply(function, arguments) => {
                let values = all(arguments)?;
                match values.iter().any(secret::holds_secret) {
                    true => secret::apply_sealed(*function, values)?,
                    false => functions::apply(*function, &values).map_err(|error| self.refused(error))?,
                }
            }
            Later::List(list) => Value::Array(all(list)?),
            Later::Record(fields) => {
                let mut record = Map::new();
                for (name, value) in fields {
                    record.insert(name.clone(), value.fill(outputs)?);
                }
                Value::Object(record)
            }
        })
    }

    /// What is wrong with what a step found out, and which step that was.
    fn refused(&self, error: FunctionError) -> FillError {
        FillError::Function(match (error, self.first_output()) {
            (FunctionError::Refused(message), Some((node, step))) => {
                FunctionError::Refused(format!("{message}; `{node}/{step}` found it out"))
            }
            (error, _) => error,
        })
    }

    fn first_output(&self) -> Option<(&str, &str)> {
        match self {
            Later::Value(_) => None,
            Later::Output { node, step, .. } => Some((node, step)),
            Later::Apply(_, inside) | Later::List(inside) => inside.iter().find_map(Later::first_output),
            Later::Record(fields) => fields.values().find_map(Later::first_output),
        }
    }
}

fn not_yet(node: &str, step: &str, output: &str) -> FillError {
    FillError::NotYet {
        node: node.to_owned(),
        step: step.to_owned(),
        output: output.to_owned(),
    }
}

/// One output that a step uses, of one node or of all members of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputUse {
    /// The nodes in name order.
    pub nodes: Arc<[String]>,
    /// The step: `run.step`.
    pub step: String,
    /// The output.
    pub output: String,
}

impl OutputUse {
    /// A digest of the values; `None` if one is not known.
    pub(super) fn digest(&self, outputs: &Outputs) -> Option<String> {
        // The step is not named here: it may be called otherwise one day.
        let mut parts = Parts::new("outputs");
        parts.add(&self.output);
        for node in self.nodes.iter() {
            parts.add(node);
            parts.add_json(outputs.get(node, &self.step, &self.output)?);
        }
        Some(parts.finish())
    }

    fn missing(&self, outputs: &Outputs) -> FillError {
        let unknown = |node: &&String| outputs.get(node, &self.step, &self.output).is_none();
        let node = self.nodes.iter().find(unknown).map_or("", String::as_str);
        not_yet(node, &self.step, &self.output)
    }
}

/// The digest of a step that uses outputs: that of all else about it, and those of what it uses.
pub(super) fn digest_with<'d>(digest: &str, used: impl Iterator<Item = &'d str>) -> String {
    let mut parts = Parts::new("step with outputs");
    parts.add(digest);
    used.for_each(|part| parts.add(part));
    parts.finish()
}

/// What a filled step lacks until others have told what they found out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LaterStep {
    /// Its fields that are not known yet.
    pub(super) fields: BTreeMap<String, Later>,
    /// The outputs that it, or a step that it loads, uses.
    pub(super) uses: Vec<OutputUse>,
    /// By address: the outputs that the steps use which it loads.
    pub(super) loads: BTreeMap<String, Vec<OutputUse>>,
}

impl LaterStep {
    /// The outputs that must be known.
    pub fn uses(&self) -> &[OutputUse] {
        &self.uses
    }

    /// Fills in what was missing: the step's fields and digest, and the digests of what it loads.
    ///
    /// # Errors
    /// [`FillError::NotYet`] when an output is not known; those of filling.
    pub fn complete(
        &self,
        step: &mut RecordedStep,
        loads: &mut BTreeMap<String, String>,
        outputs: &Outputs,
    ) -> Result<(), FillError> {
        for (name, value) in &self.fields {
            let value = value.fill(outputs)?;
            if !value.is_null() {
                step.fields.insert(name.clone(), value);
            }
        }
        step.digest = completed(&step.digest, &self.uses, outputs)?;
        for (address, digest) in loads {
            if let Some(uses) = self.loads.get(address) {
                *digest = completed(digest, uses, outputs)?;
            }
        }
        Ok(())
    }
}

fn completed(digest: &str, uses: &[OutputUse], outputs: &Outputs) -> Result<String, FillError> {
    let mut used = Vec::with_capacity(uses.len());
    for each in uses {
        used.push(each.digest(outputs).ok_or_else(|| each.missing(outputs))?);
    }
    if used.is_empty() {
        return Ok(digest.to_owned());
    }
    Ok(digest_with(digest, used.iter().map(String::as_str)))
}

impl<'a> Filling<'a, '_> {
    /// Fills all that is known; what is left waits for outputs.
    pub(super) fn partly(&mut self, template: &'a Template, depth: usize) -> Result<Later, FillError> {
        self.enter(depth)?;
        Ok(match template {
            Template::Value(_) | Template::Column { .. } | Template::Secret(_) => {
                Later::Value(self.fill(template, depth)?)
            }
            Template::Output { node, step, output } => match self.fill(template, depth) {
                Ok(value) if !self.outputs_later => Later::Value(value),
                Ok(_) => Later::Output {
                    node: self.name_of(node)?.to_owned(),
                    step: step.clone(),
                    output: output.clone(),
                },
                Err(FillError::NotYet { .. }) => Later::Output {
                    node: self.name_of(node)?.to_owned(),
                    step: step.clone(),
                    output: output.clone(),
                },
                Err(error) => return Err(error),
            },
            Template::Each { group, element } => {
                let mut list = Vec::new();
                for index in 0..self.count(group)? {
                    list.push(self.turn(group, index, |this| this.partly(element, depth + 1))?);
                }
                listed(list)
            }
            Template::Apply { function, arguments } => {
                let values = self.all_partly(arguments, depth)?;
                let Some(values) = known(&values) else {
                    return Ok(Later::Apply(*function, values));
                };
                match self.apply(*function, values) {
                    // It is told when the step is filled, and not when the plan is made: what is recorded may change.
                    Err(FillError::Function(FunctionError::Refused(_))) => {
                        let before = std::mem::replace(&mut self.outputs_later, true);
                        let values = self.all_partly(arguments, depth);
                        self.outputs_later = before;
                        Later::Apply(*function, values?)
                    }
                    value => Later::Value(value?),
                }
            }
            Template::List(list) => listed(self.all_partly(list, depth)?),
            Template::Record(fields) => {
                let mut values = BTreeMap::new();
                for (name, value) in fields {
                    values.insert(name.clone(), self.partly(value, depth + 1)?);
                }
                recorded(values)
            }
        })
    }
}

impl<'a> Filling<'a, '_> {
    fn all_partly(&mut self, list: &'a [Template], depth: usize) -> Result<Vec<Later>, FillError> {
        list.iter().map(|each| self.partly(each, depth + 1)).collect()
    }
}

fn known(values: &[Later]) -> Option<Vec<Value>> {
    let value = |later: &Later| match later {
        Later::Value(value) => Some(value.clone()),
        _ => None,
    };
    values.iter().map(value).collect()
}

fn listed(values: Vec<Later>) -> Later {
    match known(&values) {
        Some(values) => Later::Value(Value::Array(values)),
        None => Later::List(values),
    }
}

fn recorded(fields: BTreeMap<String, Later>) -> Later {
    if fields.values().any(|value| !matches!(value, Later::Value(_))) {
        return Later::Record(fields);
    }
    let values = fields.into_iter().filter_map(|(name, value)| match value {
        Later::Value(value) => Some((name, value)),
        _ => None,
    });
    Later::Value(Value::Object(values.collect()))
}
