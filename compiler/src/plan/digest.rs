//! Digests: of steps with symbolic fields, of a node's steps, and of machines.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use sha2::{Digest, Sha256};

use super::template::{Column, NodeReference, Template};
use super::{NodeRow, Pattern, Plan, Step};

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// The bytes of a value that is hashed. Maps are sorted; a value that has no JSON (there is none here) counts as empty.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Parts with their lengths, so that no two lists of parts give the same bytes.
#[derive(Clone)]
pub(super) struct Parts(Sha256);

impl Parts {
    pub(super) fn new(purpose: &str) -> Parts {
        let mut parts = Parts(Sha256::new());
        parts.add(purpose);
        parts
    }

    pub(super) fn add(&mut self, part: impl AsRef<[u8]>) {
        self.0.update((part.as_ref().len() as u64).to_le_bytes());
        self.0.update(part.as_ref());
    }

    pub(super) fn add_json(&mut self, value: &impl serde::Serialize) {
        self.add(json(value));
    }

    pub(super) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// The hash of a step: kind, symbolic fields, and the hashes of the steps that it loads.
pub(crate) fn step_hash<'a>(
    kind: &str,
    fields: &BTreeMap<String, Template>,
    loads: impl Iterator<Item = &'a str>,
) -> String {
    let mut parts = Parts::new("step");
    parts.add(kind);
    parts.add_json(&by_number(fields));
    loads.for_each(|load| parts.add(load));
    parts.finish()
}

/// The fields with groups, and steps whose outputs are used, by the order in which they are first met, not by their
/// names: they can be called otherwise without changing what is done.
fn by_number(fields: &BTreeMap<String, Template>) -> Cow<'_, BTreeMap<String, Template>> {
    let groups = fields.values().fold(Vec::new(), |mut groups, template| {
        groups_of(template, &mut groups);
        groups
    });
    if groups.is_empty() {
        return Cow::Borrowed(fields);
    }
    let mut fields = fields.clone();
    let numbers: HashMap<String, String> = groups
        .iter()
        .enumerate()
        .map(|(number, group)| (group.clone(), format!("#{number}")))
        .collect();
    let mut open: Vec<&mut Template> = fields.values_mut().collect();
    while let Some(template) = open.pop() {
        match template {
            Template::Value(_) | Template::Secret(_) => {}
            Template::Column { node, .. } => {
                if let NodeReference::Member(group) = node
                    && let Some(number) = numbers.get(group)
                {
                    group.clone_from(number);
                }
            }
            Template::Output { node, step, .. } => {
                if let NodeReference::Member(group) = node
                    && let Some(number) = numbers.get(group)
                {
                    group.clone_from(number);
                }
                if let Some(number) = numbers.get(step) {
                    step.clone_from(number);
                }
            }
            Template::Each { group, element } => {
                if let Some(number) = numbers.get(group) {
                    group.clone_from(number);
                }
                open.push(element);
            }
            Template::Apply { arguments, .. } => open.extend(arguments),
            Template::List(list) => open.extend(list),
            Template::Record(fields) => open.extend(fields.values_mut()),
        }
    }
    Cow::Owned(fields)
}

/// Names of the groups that a template uses, each once, in the order of its parts.
fn groups_of(template: &Template, groups: &mut Vec<String>) {
    // Not recursive, so that depth does not matter.
    let mut open = vec![template];
    let mut add = |group: &String| {
        if !groups.contains(group) {
            groups.push(group.clone());
        }
    };
    while let Some(template) = open.pop() {
        match template {
            Template::Value(_) | Template::Secret(_) => {}
            Template::Column { node, .. } => {
                if let NodeReference::Member(group) = node {
                    add(group);
                }
            }
            Template::Output { node, step, .. } => {
                if let NodeReference::Member(group) = node {
                    add(group);
                }
                // No group has a dot in its name.
                add(step);
            }
            Template::Each { group, element } => {
                add(group);
                open.push(element);
            }
            Template::Apply { arguments, .. } => open.extend(arguments.iter().rev()),
            Template::List(list) => open.extend(list.iter().rev()),
            Template::Record(fields) => open.extend(fields.values().rev()),
        }
    }
}

/// The hash of what a pattern does to each node: its runs and steps in order. Names of nodes, their number, hardware
/// and rollout are no part of it, and neither is how the roles are written: only the steps that come of them.
pub fn pattern_hash(pattern: &Pattern) -> String {
    let mut parts = Parts::new("pattern");
    for segment in &pattern.segments {
        parts.add("run");
        parts.add(&segment.run);
        for step in &segment.steps {
            parts.add("step");
            parts.add_json(&(
                &step.name,
                &step.kind,
                &step.key,
                step.removal,
                &step.reload_on,
                &step.fields,
            ));
        }
    }
    parts.finish()
}

/// Digests of a plan's steps, node by node. Making one costs O(patterns + nodes).
pub(crate) struct Digests<'a> {
    plan: &'a Plan,
    /// By pattern: what each of its steps uses.
    uses: Vec<Vec<Uses<'a>>>,
    /// By group: a digest of the names and addresses of its members.
    groups: HashMap<&'a str, String>,
}

#[derive(Default, Clone)]
struct Uses<'a> {
    hash: &'a str,
    own: BTreeSet<&'a Column>,
    /// Ids of secrets.
    secrets: BTreeSet<String>,
    /// In the order in which they are met, which no name decides.
    groups: Vec<&'a str>,
    /// Outputs of steps, in the order in which they are met.
    outputs: Vec<UsedOutput<'a>>,
    /// Groups whose leaders it uses, in that order.
    leaders: Vec<&'a str>,
}

/// An output of a step, as a pattern says it: whose, which step, which output.
pub(crate) type UsedOutput<'a> = (&'a NodeReference, &'a str, &'a str);

impl<'a> Uses<'a> {
    fn uses(&mut self, group: &'a str) {
        if !self.groups.contains(&group) {
            self.groups.push(group);
        }
    }

    fn uses_output(&mut self, output: UsedOutput<'a>) {
        if !self.outputs.contains(&output) {
            self.outputs.push(output);
        }
    }

    fn uses_leader(&mut self, group: &'a str) {
        if !self.leaders.contains(&group) {
            self.leaders.push(group);
        }
    }
}

impl<'a> Digests<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Digests<'a> {
        let mut uses = Vec::new();
        for pattern in &plan.patterns {
            let mut steps: Vec<Uses<'a>> = Vec::new();
            for segment in &pattern.segments {
                let first = steps.len();
                for step in &segment.steps {
                    let mut used = uses_of(step);
                    // Steps that are loaded stand above; what they use counts as well.
                    for (index, loaded) in segment.steps.iter().enumerate().take(steps.len() - first) {
                        if step.reload_on.contains(&loaded.name) {
                            let inner = steps[first + index].clone();
                            used.own.extend(inner.own);
                            used.secrets.extend(inner.secrets);
                            inner.groups.into_iter().for_each(|group| used.uses(group));
                            let outputs = inner.outputs.into_iter();
                            outputs.for_each(|output| used.uses_output(output));
                            inner
                                .leaders
                                .into_iter()
                                .for_each(|group| used.uses_leader(group));
                        }
                    }
                    steps.push(used);
                }
            }
            uses.push(steps);
        }
        let rows: HashMap<&str, &NodeRow> = plan.nodes.iter().map(|row| (row.name.as_str(), row)).collect();
        let used: BTreeSet<&str> = uses
            .iter()
            .flatten()
            .flat_map(|uses| uses.groups.iter().copied())
            .collect();
        let mut groups = HashMap::new();
        for (name, group) in plan
            .groups
            .iter()
            .filter(|(name, _)| used.contains(name.as_str()))
        {
            let mut parts = Parts::new("group");
            for node in &group.nodes {
                parts.add(node);
                if let Some(row) = rows.get(node.as_str()) {
                    let first = plan
                        .patterns
                        .get(row.pattern)
                        .and_then(|p| p.hardware.nics.values().next());
                    parts.add_json(&(first, &row.addresses));
                }
            }
            groups.insert(name.as_str(), parts.finish());
        }
        Digests { plan, uses, groups }
    }

    /// The digests of a node's steps in order.
    pub(crate) fn node(&self, node: &NodeRow) -> Vec<Cow<'a, str>> {
        let Some(uses) = self.uses.get(node.pattern) else {
            return Vec::new();
        };
        uses.iter().map(|uses| self.digest(uses, node)).collect()
    }

    /// The outputs that each of a pattern's steps, or a step that it loads, uses. Where there are any, the digests of
    /// [`Digests::node`] are but a part: see [`super::later::digest_with`].
    pub(crate) fn outputs(&self, pattern: usize) -> impl Iterator<Item = &Vec<UsedOutput<'a>>> {
        let uses = self.uses.get(pattern).into_iter().flatten();
        uses.map(|uses| &uses.outputs)
    }

    fn digest(&self, uses: &Uses<'a>, node: &NodeRow) -> Cow<'a, str> {
        let symbolic = uses.groups.is_empty() && uses.leaders.is_empty() && uses.secrets.is_empty();
        if uses.own.is_empty() && symbolic {
            return Cow::Borrowed(uses.hash);
        }
        let mut parts = Parts::new("step on a node");
        parts.add(uses.hash);
        for column in &uses.own {
            match column {
                Column::Name => parts.add(&node.name),
                Column::Address => {
                    let pattern = self.plan.patterns.get(node.pattern);
                    let first = pattern.and_then(|p| p.hardware.nics.values().next());
                    parts.add_json(&first.and_then(|network| node.addresses.get(network)));
                }
                Column::AddressOn(network) => parts.add_json(&node.addresses.get(network)),
            }
        }
        for group in &uses.groups {
            parts.add(self.groups.get(group).map_or("", String::as_str));
        }
        for group in &uses.leaders {
            parts.add("leader");
            parts.add_json(&self.leader(group));
        }
        for id in &uses.secrets {
            // Without a MAC it is another secret than any that was applied with one.
            let mac = self.plan.secrets.get(id).and_then(|secret| secret.mac.as_deref());
            parts.add(id);
            parts.add(mac.unwrap_or_default());
        }
        Cow::Owned(parts.finish())
    }

    /// The name and addresses of a group's leader, and on which network it is called first.
    fn leader(&self, group: &str) -> Option<(&'a str, Option<&'a String>, &'a super::Addresses)> {
        let leader = &self.plan.groups.get(group)?.leader.as_ref()?.node;
        let at = self
            .plan
            .nodes
            .binary_search_by(|row| row.name.as_str().cmp(leader));
        let row = self.plan.nodes.get(at.ok()?)?;
        let pattern = self.plan.patterns.get(row.pattern);
        let first = pattern.and_then(|p| p.hardware.nics.values().next());
        Some((leader, first, &row.addresses))
    }
}

fn uses_of(step: &Step) -> Uses<'_> {
    let mut uses = Uses {
        hash: &step.hash,
        ..Uses::default()
    };
    // Not recursive, so that depth does not matter.
    let mut open: Vec<&Template> = step.fields.values().collect();
    while let Some(template) = open.pop() {
        match template {
            Template::Value(_) => {}
            Template::Secret(reference) => {
                uses.secrets.insert(reference.id());
            }
            Template::Column {
                node: NodeReference::Own,
                column,
            } => {
                uses.own.insert(column);
            }
            Template::Column {
                node: NodeReference::Member(group),
                ..
            } => {
                uses.uses(group);
            }
            Template::Output { node, step, output } => {
                if let NodeReference::Member(group) = node {
                    uses.uses(group);
                }
                uses.uses_output((node, step, output));
            }
            Template::Column {
                node: NodeReference::Leader(group),
                ..
            } => {
                uses.uses_leader(group);
            }
            Template::Each { group, element } => {
                uses.uses(group);
                open.push(element);
            }
            Template::Apply { arguments, .. } => open.extend(arguments),
            Template::List(list) => open.extend(list),
            Template::Record(fields) => open.extend(fields.values()),
        }
    }
    uses
}

/// The digest of one step on one node: it changes when the filled step changes, or may change. `None` if the
/// plan has no such step there, or if it uses what other steps find out. For many steps make one [`super::Filler`] and use that.
pub fn step_digest(plan: &Plan, node: &NodeRow, address: &str) -> Option<String> {
    let pattern = plan.patterns.get(node.pattern)?;
    let mut addresses = pattern
        .segments
        .iter()
        .flat_map(|s| s.steps.iter().map(move |step| (s, step)));
    let index = addresses.position(|(segment, step)| {
        address
            .strip_prefix(&segment.run)
            .and_then(|rest| rest.strip_prefix('.'))
            == Some(&step.name)
    })?;
    let digests = super::Filler::new(plan).digests(node);
    digests.into_iter().nth(index)?.map(Cow::into_owned)
}

/// The digest of all that a node's machine is made from: image, hardware, interfaces with addresses, and the
/// backend that makes it with its settings. For many nodes make one [`MachineDigests`] and use that.
pub fn machine_digest(plan: &Plan, node: &NodeRow) -> String {
    MachineDigests::of(plan, plan.patterns.get(node.pattern)).digest(node)
}

/// [`machine_digest`] for the nodes of one pattern: what they have in common is read once.
pub(crate) struct MachineDigests<'a> {
    common: Parts,
    /// Interface, network by name, and the network's part.
    interfaces: Vec<(&'a str, &'a str, Vec<u8>)>,
}

impl<'a> MachineDigests<'a> {
    pub(crate) fn of(plan: &'a Plan, pattern: Option<&'a Pattern>) -> MachineDigests<'a> {
        let mut common = Parts::new("machine");
        common.add(&plan.backend.name);
        common.add_json(&plan.backend.image);
        if !plan.backend.settings.is_empty() {
            common.add_json(&plan.backend.settings);
        }
        let mut interfaces = Vec::new();
        if let Some(pattern) = pattern {
            common.add_json(&pattern.hardware);
            for (interface, name) in &pattern.hardware.nics {
                let network = plan.networks.get(name);
                let network = json(&network.map(|n| (n.cidr, n.gateway, n.mtu, n.vlan)));
                interfaces.push((interface.as_str(), name.as_str(), network));
            }
        }
        MachineDigests { common, interfaces }
    }

    pub(crate) fn digest(&self, node: &NodeRow) -> String {
        let mut parts = self.common.clone();
        for (interface, name, network) in &self.interfaces {
            parts.add(interface);
            parts.add(network);
            parts.add_json(&node.addresses.get(name));
        }
        parts.finish()
    }
}
