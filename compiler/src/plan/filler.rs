//! The steps of a plan's nodes, filled and digested, for whoever carries them out.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::digest::{Digests, UsedOutput};
use super::fill::{FillContext, FillError};
use super::functions::FunctionError;
use super::later::{Later, LaterStep, OutputUse, Outputs, digest_with};
use super::{NodeReference, NodeRow, Plan, RecordedStep, Step, ValueType};

/// A step with its fields filled, and the digests of the steps that it loads.
#[derive(Debug, Clone, PartialEq)]
pub struct FilledStep {
    /// The run that it belongs to.
    pub run: String,
    /// The step as it will be recorded.
    pub step: RecordedStep,
    /// Address and digest of each step in `reload_on`.
    pub loads: BTreeMap<String, String>,
    /// What is missing of it until other steps have told what they found out.
    pub later: Option<LaterStep>,
    /// What it is to find out itself.
    pub outputs: BTreeMap<String, ValueType>,
}

/// Fields of a step, and those of which not all is known yet.
pub(crate) type Fields = (BTreeMap<String, Value>, BTreeMap<String, Later>);

/// Outputs that a step uses, as its pattern says it.
pub(crate) type Used<'a> = Vec<UsedOutput<'a>>;

/// By group, step and output: a digest of what its nodes found out, where all of them have.
type OfGroups<'a> = HashMap<(&'a str, &'a str, &'a str), Option<String>>;

/// Fills steps. Making one costs O(patterns + nodes); after that a node costs no more than its steps.
pub struct Filler<'a> {
    plan: &'a Plan,
    context: FillContext<'a>,
    digests: Digests<'a>,
    /// The place of each node in its group.
    places: HashMap<&'a str, usize>,
    /// What steps have found out, as far as it is known.
    outputs: Option<&'a Outputs>,
    /// The members of groups whose outputs are used.
    members: HashMap<&'a str, Arc<[String]>>,
    /// Digests of outputs of whole groups, made once; `None` where one is not known.
    of_groups: Mutex<OfGroups<'a>>,
}

impl<'a> Filler<'a> {
    /// A filler for all nodes of `plan`, that knows nothing of what steps have found out.
    pub fn new(plan: &'a Plan) -> Filler<'a> {
        Filler::made(plan, None)
    }

    /// A filler for all nodes of `plan`.
    pub fn with_outputs(plan: &'a Plan, outputs: &'a Outputs) -> Filler<'a> {
        Filler::made(plan, Some(outputs))
    }

    fn made(plan: &'a Plan, outputs: Option<&'a Outputs>) -> Filler<'a> {
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
        let digests = Digests::new(plan);
        let mut members = HashMap::new();
        for (node, ..) in (0..plan.patterns.len()).flat_map(|index| digests.outputs(index).flatten()) {
            if let NodeReference::Member(name) = node
                && let Some(group) = plan.groups.get(name)
            {
                members
                    .entry(name.as_str())
                    .or_insert_with(|| Arc::from(group.nodes.clone()));
            }
        }
        let context = FillContext::of_plan(plan);
        Filler {
            plan,
            context: match outputs {
                Some(outputs) => context.with_outputs(outputs),
                None => context,
            },
            digests,
            places,
            outputs,
            members,
            of_groups: Mutex::default(),
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
        let uses = self.uses(node);
        let mut all = Vec::new();
        for segment in &pattern.segments {
            let first = all.len();
            for (index, step) in segment.steps.iter().enumerate() {
                let (fields, missing) = self.fields(node, step)?;
                if let Some(key) = step.key.iter().find(|key| missing.contains_key(*key)) {
                    return Err(FillError::LaterKey(key.clone()));
                }
                let position = first + index;
                let loads = segment
                    .steps
                    .iter()
                    .enumerate()
                    .filter(|(_, s)| step.reload_on.contains(&s.name));
                let mut later = LaterStep {
                    fields: missing,
                    uses: uses.get(position).cloned().unwrap_or_default(),
                    loads: BTreeMap::new(),
                };
                let mut digests_of_loads = BTreeMap::new();
                for (other, s) in loads {
                    let address = format!("{}.{}", segment.run, s.name);
                    digests_of_loads.insert(address.clone(), digests[first + other].to_string());
                    if let Some(uses) = uses.get(first + other).filter(|uses| !uses.is_empty()) {
                        later.loads.insert(address, uses.clone());
                    }
                }
                let mut recorded = RecordedStep {
                    address: format!("{}.{}", segment.run, step.name),
                    kind: step.kind.clone(),
                    key: key_of(step, &fields),
                    digest: digests[position].to_string(),
                    fields,
                    removal: step.removal,
                    position: position as u32,
                    outputs: BTreeMap::new(),
                    known_as: None,
                };
                // Where all is known already, nothing is left for later.
                let mut later = Some(later).filter(|later| !later.uses.is_empty());
                if let (Some(waits), Some(outputs)) = (&later, self.outputs) {
                    match waits.complete(&mut recorded, &mut digests_of_loads, outputs) {
                        Ok(()) => later = None,
                        // What is refused is told when it is filled in.
                        Err(FillError::NotYet { .. } | FillError::Function(FunctionError::Refused(_))) => {}
                        Err(error) => return Err(error),
                    }
                }
                all.push(FilledStep {
                    run: segment.run.clone(),
                    step: recorded,
                    loads: digests_of_loads,
                    later,
                    outputs: step.outputs.clone(),
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

    /// The outputs of the deploy, but those that steps have not found out, or that break a rule.
    pub fn known_outputs(&self) -> BTreeMap<String, Value> {
        let fill = |(name, value): (&String, _)| Some((name.clone(), self.context.fill(value, None).ok()?));
        self.plan.outputs.iter().filter_map(fill).collect()
    }

    /// The fields of one step on one node, and those of which not all is known yet.
    pub(crate) fn fields(&self, node: &NodeRow, step: &Step) -> Result<Fields, FillError> {
        let group = self.plan.patterns.get(node.pattern).map(|p| p.group.as_str());
        let place = self.places.get(node.name.as_str());
        let own = group.zip(place.copied());
        let (mut fields, mut later) = (BTreeMap::new(), BTreeMap::new());
        for (name, template) in &step.fields {
            let value = match self.context.fill(template, own) {
                Err(FillError::NotYet { .. } | FillError::Function(FunctionError::Refused(_))) => {
                    match self.context.filling(own).partly(template, 0)? {
                        Later::Value(value) => value,
                        value => {
                            later.insert(name.clone(), value);
                            continue;
                        }
                    }
                }
                value => value?,
            };
            // A field that turns out to have no value is left out like any other.
            if !value.is_null() {
                fields.insert(name.clone(), value);
            }
        }
        Ok((fields, later))
    }

    /// The digests of a node's steps in order; `None` where a step uses an output that is not known.
    pub(crate) fn digests(&self, node: &NodeRow) -> Vec<Option<Cow<'a, str>>> {
        let digests = self.digests.node(node);
        let uses = self.digests.outputs(node.pattern);
        let digest = |(digest, used): (Cow<'a, str>, &Used<'a>)| match used.is_empty() {
            true => Some(digest),
            false => {
                let parts: Option<Vec<String>> =
                    used.iter().map(|used| self.output_digest(node, *used)).collect();
                Some(Cow::Owned(digest_with(
                    &digest,
                    parts?.iter().map(String::as_str),
                )))
            }
        };
        digests.into_iter().zip(uses).map(digest).collect()
    }

    /// The outputs that each step of a pattern, or a step that it loads, uses.
    pub(crate) fn outputs_used(&self, pattern: usize) -> impl Iterator<Item = &Used<'a>> {
        self.digests.outputs(pattern)
    }

    fn output_digest(&self, node: &NodeRow, (of, step, output): UsedOutput<'a>) -> Option<String> {
        let outputs = self.outputs?;
        let NodeReference::Member(group) = of else {
            return self.use_of(node, of, step, output).digest(outputs);
        };
        let mut known = self.of_groups.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = known.entry((group, step, output));
        digest
            .or_insert_with(|| self.use_of(node, of, step, output).digest(outputs))
            .clone()
    }

    fn use_of(&self, node: &NodeRow, of: &NodeReference, step: &str, output: &str) -> OutputUse {
        OutputUse {
            nodes: match of {
                NodeReference::Own => Arc::from([node.name.clone()]),
                NodeReference::Member(group) => self.members.get(group.as_str()).cloned().unwrap_or_default(),
                NodeReference::Leader(group) => {
                    let leader = self
                        .plan
                        .groups
                        .get(group)
                        .and_then(|group| group.leader.as_ref());
                    leader.map(|leader| leader.node.clone()).into_iter().collect()
                }
            },
            step: step.to_owned(),
            output: output.to_owned(),
        }
    }

    /// For each step of a node, the outputs that it uses.
    fn uses(&self, node: &NodeRow) -> Vec<Vec<OutputUse>> {
        let of = |(of, step, output): &(&NodeReference, &str, &str)| self.use_of(node, of, step, output);
        let uses = self.digests.outputs(node.pattern);
        uses.map(|used| used.iter().map(of).collect()).collect()
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
