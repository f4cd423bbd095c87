//! What the executor takes from the compiler: filled steps, digests, hashes.

use std::collections::BTreeMap;

use rebar_agent::protocol::Verb;
use rebar_compiler::plan::{Column, NodeReference, NodeRow, Plan, RecordedStep, StepVerbs, Template};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::lane::LaneStep;

/// What there is to do on one node.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct NodeWork {
    /// For each segment of the pattern, what there is to do.
    pub(super) segments: Vec<SegmentWork>,
    /// Steps whose runs are gone, in the order of removal.
    pub(super) removals: Vec<LaneStep>,
}

/// What there is to do in one segment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SegmentWork {
    /// The run.
    pub(super) run: String,
    /// Removals first, in the order of removal, then what is ensured.
    pub(super) steps: Vec<LaneStep>,
}

impl NodeWork {
    pub(super) fn is_empty(&self) -> bool {
        self.removals.is_empty() && self.segments.iter().all(|segment| segment.steps.is_empty())
    }

    pub(super) fn steps(&self) -> usize {
        self.removals.len()
            + self
                .segments
                .iter()
                .map(|segment| segment.steps.len())
                .sum::<usize>()
    }
}

/// What there is to do on each node. Fails, in words, when a field cannot be filled.
pub(super) fn work(plan: &Plan) -> Result<BTreeMap<String, NodeWork>, String> {
    plan.nodes
        .iter()
        .map(|row| Ok((row.name.clone(), node_work(plan, row)?)))
        .collect()
}

fn node_work(plan: &Plan, row: &NodeRow) -> Result<NodeWork, String> {
    let pattern = plan.patterns.get(row.pattern).ok_or_else(|| {
        format!(
            "node `{}` follows pattern {}, which is not there",
            row.name, row.pattern
        )
    })?;
    let mut work = NodeWork::default();
    let mut removed: BTreeMap<&str, Vec<LaneStep>> = BTreeMap::new();
    if let StepVerbs::Some { remove, .. } = &row.steps {
        for recipe in remove {
            let step = LaneStep {
                verb: Verb::Remove,
                recipe: recipe.clone(),
                loads: BTreeMap::new(),
            };
            let run = recipe.address.rsplit_once('.').map_or("", |(run, _)| run);
            match pattern.segments.iter().find(|segment| segment.run == run) {
                Some(segment) => removed.entry(&segment.run).or_default().push(step),
                None => work.removals.push(step),
            }
        }
    }
    let mut filled = fill_steps(plan, row)?.into_iter();
    for segment in &pattern.segments {
        let mut steps = removed.remove(segment.run.as_str()).unwrap_or_default();
        for _ in &segment.steps {
            let Some((recipe, loads)) = filled.next() else {
                continue;
            };
            let wanted = match &row.steps {
                StepVerbs::All => true,
                StepVerbs::Some { ensure, .. } => ensure.contains_key(&recipe.address),
            };
            if wanted {
                steps.push(LaneStep {
                    verb: Verb::Ensure,
                    recipe,
                    loads,
                });
            }
        }
        work.segments.push(SegmentWork {
            run: segment.run.clone(),
            steps,
        });
    }
    Ok(work)
}

type Filled = (RecordedStep, BTreeMap<String, String>);

fn fill_steps(plan: &Plan, row: &NodeRow) -> Result<Vec<Filled>, String> {
    let mut all: Vec<Filled> = Vec::new();
    for segment in plan
        .patterns
        .get(row.pattern)
        .map(|p| p.segments.as_slice())
        .unwrap_or_default()
    {
        for step in &segment.steps {
            let fields = step
                .fields
                .iter()
                .map(|(name, template)| Ok((name.clone(), fill(row, template)?)))
                .collect::<Result<BTreeMap<_, _>, String>>()?;
            let key = step
                .key
                .iter()
                .filter_map(|k| fields.get(k))
                .map(text)
                .collect::<Vec<_>>()
                .join(" ");
            let loads = step
                .reload_on
                .iter()
                .filter_map(|name| {
                    let address = format!("{}.{name}", segment.run);
                    let loaded = all.iter().find(|(recipe, _)| recipe.address == address)?;
                    Some((address, loaded.0.digest.clone()))
                })
                .collect::<BTreeMap<_, _>>();
            let recipe = RecordedStep {
                address: format!("{}.{}", segment.run, step.name),
                kind: step.kind.clone(),
                key,
                digest: hash(&(&step.hash, &fields, &loads)),
                fields,
                removal: step.removal,
                position: all.len() as u32,
            };
            all.push((recipe, loads));
        }
    }
    Ok(all)
}

fn fill(row: &NodeRow, template: &Template) -> Result<Value, String> {
    match template {
        Template::Value(value) => Ok(value.clone()),
        Template::Column {
            node: NodeReference::Own,
            column: Column::Name,
        } => Ok(row.name.clone().into()),
        Template::List(list) => list.iter().map(|t| fill(row, t)).collect(),
        other => Err(format!("cannot fill {other:?}")),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Digest of what a node's machine is made from.
pub fn machine_digest(plan: &Plan, row: &NodeRow) -> String {
    let hardware = plan.patterns.get(row.pattern).map(|pattern| &pattern.hardware);
    hash(&(&plan.backend.image, hardware, &row.addresses))
}

/// What the deploy hands out.
pub(super) fn outputs(plan: &Plan) -> Result<BTreeMap<String, Value>, String> {
    let mut outputs = BTreeMap::new();
    for (name, template) in &plan.outputs {
        if let Template::Value(value) = template {
            outputs.insert(name.clone(), value.clone());
        }
    }
    Ok(outputs)
}

/// SHA-256 (hex) of the plan's canonical bytes.
pub(crate) fn plan_hash(plan: &Plan) -> String {
    hash(plan)
}

fn hash(value: &impl serde::Serialize) -> String {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
