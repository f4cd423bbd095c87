//! A plan for people: grouped by pattern, with the nodes that differ named as exceptions.

use std::fmt::Write;

use rebar_compiler::plan::{
    NodeRow, ObjectVerb, Pattern, Plan, Reason, RecordedStep, Removal, Replacement, Segment, Step, StepVerbs,
};

use super::changes::{changes_text, made_of_text};
use super::order::order;
use super::palette::{Palette, count, names, plain};
use super::template::describe;
use crate::backends::warning;

/// The whole plan as text, ending in a newline. `unsure`: something could not be asked how it is.
pub(crate) fn plan(plan: &Plan, unsure: bool, paint: Palette) -> String {
    let mut out = String::new();
    let image = plan
        .backend
        .image
        .as_ref()
        .map_or(String::new(), |i| format!(", image {}", i.name));
    let title = format!("{} on {} ({}{image})", plan.deploy, plan.site, plan.backend.name);
    line(&mut out, 0, &paint.strong(&title));
    for (name, capability) in &plan.capabilities {
        if let Some(notice) = capability.notice() {
            line(&mut out, 1, &paint.faint(&format!("note: {name}: {notice}")));
        }
    }
    if let Some(warning) = warning(&plan.backend) {
        line(&mut out, 1, &paint.remove(&format!("warning: {warning}")));
    }
    given(&mut out, plan, paint);
    for patch in &plan.patches {
        let text = format!(
            "patched: {} ({} {}), {}",
            patch.what, patch.package, patch.version, patch.place
        );
        line(&mut out, 1, &paint.faint(&plain(&text)));
    }
    moves(&mut out, plan, paint);
    networks(&mut out, plan, paint);
    for (group, nodes) in by_group(plan) {
        group_text(&mut out, plan, group, &nodes, paint);
    }
    for node in &plan.leaving {
        let recorded = plan.ledger.deploys.get(&plan.deploy);
        let retired = recorded
            .and_then(|nodes| nodes.get(&node.name))
            .is_some_and(|known| known.retired);
        let because = if retired { "is retired" } else { "left the spec" };
        let text = format!(
            "- node {}: destroyed with all that is on it, it {because}",
            node.name
        );
        out.push('\n');
        line(&mut out, 1, &paint.remove(&text));
        leave_text(&mut out, &node.leave, 2, paint);
    }
    left_out(&mut out, plan, paint);
    let summary = Summary::of(plan);
    if !summary.is_empty() {
        out.push('\n');
        line(&mut out, 0, &paint.strong("order"));
        for turn in order(plan) {
            line(&mut out, 1, &format!("{}. {}", turn.stage, turn.what));
            for wait in turn.waits {
                line(&mut out, 3, &paint.faint(&wait));
            }
        }
    }
    out.push('\n');
    line(&mut out, 0, &summary.text(unsure));
    out
}

/// What the deploy is given beside its spec: arguments, and outputs of other deploys.
fn given(out: &mut String, plan: &Plan, paint: Palette) {
    for (name, given) in &plan.arguments {
        let text = format!(
            "given: {name} = {} ({})",
            plain(&given.value.to_string()),
            plain(&given.from)
        );
        line(out, 1, &paint.faint(&text));
    }
    for (deploy, outputs) in &plan.reads {
        let values = outputs.as_object().into_iter().flatten();
        for (name, value) in values {
            let text = format!("outputs of {deploy}: {name} = {}", plain(&value.to_string()));
            line(out, 1, &paint.faint(&text));
        }
    }
}

/// What is called otherwise from now on, with how much keeps its record.
fn moves(out: &mut String, plan: &Plan, paint: Palette) {
    if !plan.moves.is_empty() {
        out.push('\n');
    }
    for renamed in &plan.moves {
        let text = format!("> {} is called {} from now on", renamed.before(), renamed.after());
        line(out, 1, &paint.change(&text));
    }
}

/// What is done on a node before it goes.
fn leave_text(out: &mut String, steps: &[RecordedStep], depth: usize, paint: Palette) {
    for step in steps {
        let text = format!("before it goes: {} {} {}", step.kind, step.address, step.key);
        line(out, depth, &paint.change(&format!("~ {text}")));
    }
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    create: usize,
    start: usize,
    replace: usize,
    destroy: usize,
    networks: usize,
    networks_leaving: usize,
    steps_new: usize,
    steps_changed: usize,
    steps_replaced: usize,
    steps_again: usize,
    steps_removed: usize,
    moved: usize,
    interruptions: usize,
    /// Whether nodes are left out that have something to be done.
    partial: bool,
}

impl Summary {
    /// Counts what a plan does.
    pub(crate) fn of(plan: &Plan) -> Summary {
        let mut sum = Summary {
            moved: plan.moves.len(),
            destroy: plan.leaving.len(),
            networks: plan
                .networks
                .values()
                .filter(|n| n.verb != ObjectVerb::Keep)
                .count()
                + plan.leaving_networks.len(),
            partial: plan
                .selection
                .iter()
                .any(|selection| selection.left_out.values().any(|node| !node.is_empty())),
            ..Summary::default()
        };
        for node in &plan.nodes {
            match &node.machine {
                ObjectVerb::Keep => {}
                ObjectVerb::Create => sum.create += 1,
                ObjectVerb::Start => sum.start += 1,
                ObjectVerb::Replace { .. } => sum.replace += 1,
            }
            match &node.steps {
                StepVerbs::All => {
                    sum.steps_new += plan
                        .patterns
                        .get(node.pattern)
                        .map_or(0, |p| p.segments.iter().map(|s| s.steps.len()).sum());
                }
                StepVerbs::Some {
                    ensure,
                    remove,
                    remove_last,
                } => {
                    for reason in ensure.values() {
                        *match reason {
                            Reason::New => &mut sum.steps_new,
                            Reason::Verify => &mut sum.steps_again,
                            Reason::Replaced { .. } => &mut sum.steps_replaced,
                            Reason::Changed(_)
                            | Reason::Interrupts { .. }
                            | Reason::Drifted(_)
                            | Reason::Unfinished
                            | Reason::Awaits(_) => &mut sum.steps_changed,
                        } += 1;
                    }
                    let gone = remove.iter().chain(remove_last);
                    sum.steps_removed += gone.filter(|step| step.successor().is_none()).count();
                }
            }
        }
        sum.interruptions = rebar_compiler::plan::counts(plan).interrupt;
        sum
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(self) -> bool {
        let nothing = Summary {
            partial: self.partial,
            ..Summary::default()
        };
        self == nothing
    }

    /// One line: "3 machines to create, 12 steps to do".
    pub(crate) fn text(self, unsure: bool) -> String {
        if self.is_empty() && unsure {
            return "no changes are known to be needed; not everything could be asked".to_owned();
        }
        if self.is_empty() && self.partial {
            return "0 changes on the selected nodes; others are left out".to_owned();
        }
        if self.is_empty() {
            return "0 changes: everything is as the spec says".to_owned();
        }
        let parts = [
            (self.moved, "name", "to change in the record alone"),
            (self.networks, "network", "to make"),
            (self.networks_leaving, "network", "to remove"),
            (self.create, "machine", "to create"),
            (self.start, "machine", "to start"),
            (self.replace, "machine", "to replace"),
            (self.destroy, "machine", "to destroy"),
            (self.steps_new, "new step", ""),
            (self.steps_changed, "step", "to change or repair"),
            (self.steps_replaced, "step", "to replace"),
            (self.steps_again, "step", "to look at again"),
            (self.steps_removed, "step", "to remove"),
            (self.interruptions, "interruption", ""),
        ];
        let parts = parts.iter().filter(|(number, ..)| *number > 0);
        let parts: Vec<String> = parts
            .map(|(n, noun, what)| format!("{} {what}", count(*n, noun)))
            .collect();
        parts.iter().map(|p| p.trim()).collect::<Vec<_>>().join(", ")
    }
}

/// What a part of a plan does not do, and what therefore has to wait.
fn left_out(out: &mut String, plan: &Plan, paint: Palette) {
    let Some(selection) = &plan.selection else { return };
    let undone = || selection.left_out.iter().filter(|(_, node)| !node.is_empty());
    if undone().next().is_some() {
        out.push('\n');
    }
    for (name, node) in undone() {
        let machine = node.machine.then_some("its machine");
        let what: Vec<&str> = machine
            .into_iter()
            .chain(node.runs.iter().map(String::as_str))
            .collect();
        let text = format!("left out: {name} ({})", what.join(", "));
        line(out, 1, &paint.faint(&text));
    }
    for gate in &plan.gates {
        let waits = undone().find(|(_, node)| node.runs.contains(&gate.after));
        let is_of = |row: &&NodeRow| {
            let pattern = plan.patterns.get(row.pattern);
            pattern.is_some_and(|p| p.segments.iter().any(|segment| segment.run == gate.of))
        };
        let wanted = |row: &NodeRow| !selection.left_out.contains_key(&row.name);
        let concerns = plan.nodes.iter().filter(is_of).any(wanted);
        if let (Some((name, _)), true) = (waits, concerns) {
            let text = format!(
                "not now: `{}` waits for `{}`, which is left out on {name}",
                gate.of, gate.after
            );
            line(out, 1, &paint.change(&text));
        }
    }
}

fn networks(out: &mut String, plan: &Plan, paint: Palette) {
    if !plan.networks.is_empty() || !plan.leaving_networks.is_empty() {
        out.push('\n');
    }
    for (name, network) in &plan.networks {
        let gateway = network
            .gateway
            .map_or(String::new(), |g| format!(", gateway {g}"));
        line(
            out,
            1,
            &object(
                &network.verb,
                &format!("network {name} {}{gateway}", network.cidr),
                paint,
            ),
        );
    }
    for name in &plan.leaving_networks {
        line(
            out,
            1,
            &paint.remove(&format!("- network {name}: it left the spec")),
        );
    }
}

/// Rows of each group, in the order of the patterns, which is that of the spec.
fn by_group(plan: &Plan) -> Vec<(&str, Vec<&NodeRow>)> {
    let mut groups: Vec<(&str, Vec<&NodeRow>)> = Vec::new();
    for pattern in &plan.patterns {
        if !groups.iter().any(|(name, _)| *name == pattern.group) {
            groups.push((&pattern.group, Vec::new()));
        }
    }
    // What is left out is told apart.
    let left_out = |name: &str| {
        let selection = plan.selection.as_ref();
        selection.is_some_and(|selection| selection.left_out.contains_key(name))
    };
    for node in plan.nodes.iter().filter(|node| !left_out(&node.name)) {
        let group = plan
            .patterns
            .get(node.pattern)
            .map(|pattern| pattern.group.as_str());
        if let Some((_, rows)) = groups.iter_mut().find(|(name, _)| Some(*name) == group) {
            rows.push(node);
        }
    }
    groups.retain(|(_, rows)| !rows.is_empty());
    groups
}

fn group_text(out: &mut String, plan: &Plan, group: &str, nodes: &[&NodeRow], paint: Palette) {
    // Nodes with the same verbs are one class; the largest class speaks first, the others are exceptions.
    let mut classes: Vec<Vec<&NodeRow>> = Vec::new();
    for node in nodes {
        let same = |c: &&mut Vec<&NodeRow>| {
            c[0].pattern == node.pattern
                && c[0].machine == node.machine
                && addresses(&c[0].leave) == addresses(&node.leave)
                && same_verbs(&c[0].steps, &node.steps)
        };
        match classes.iter_mut().find(same) {
            Some(class) => class.push(node),
            None => classes.push(vec![node]),
        }
    }
    classes.sort_by_key(|class| std::cmp::Reverse(class.len()));
    let Some(pattern) = plan.patterns.get(nodes[0].pattern) else {
        return;
    };
    let hardware = &pattern.hardware;
    out.push('\n');
    let head = format!(
        "{group}: {}, each {} cpu and {} MiB ({})",
        count(nodes.len(), "node"),
        hardware.cpu,
        hardware.memory >> 20,
        hardware.name
    );
    line(out, 1, &paint.strong(&head));
    leader_text(out, plan, group, paint);
    for (index, class) in classes.iter().enumerate() {
        class_text(out, plan, class, index > 0, paint);
    }
}

/// Who leads a group from now on, if another one did: what was told to its nodes of their leader changes with it.
fn leader_text(out: &mut String, plan: &Plan, group: &str, paint: Palette) {
    let leader = plan.groups.get(group).and_then(|group| group.leader.as_ref());
    if let Some((leader, before)) = leader.and_then(|leader| Some((leader, leader.instead_of.as_ref()?))) {
        let text = format!("~ {} leads instead of {before}, which leaves", leader.node);
        line(out, 2, &paint.change(&text));
    }
}

/// Whether two nodes have the same to do. What a removed step held on each is not compared: it may name its node.
fn same_verbs(one: &StepVerbs, other: &StepVerbs) -> bool {
    match (one, other) {
        (StepVerbs::All, StepVerbs::All) => true,
        (
            StepVerbs::Some {
                ensure: a,
                remove: x,
                remove_last: v,
            },
            StepVerbs::Some {
                ensure: b,
                remove: y,
                remove_last: w,
            },
        ) => a == b && addresses(x) == addresses(y) && addresses(v) == addresses(w),
        (StepVerbs::All, StepVerbs::Some { .. }) | (StepVerbs::Some { .. }, StepVerbs::All) => false,
    }
}

fn addresses(steps: &[RecordedStep]) -> Vec<&str> {
    steps.iter().map(|step| step.address.as_str()).collect()
}

fn class_text(out: &mut String, plan: &Plan, class: &[&NodeRow], exception: bool, paint: Palette) {
    let row = class[0];
    let Some(pattern) = plan.patterns.get(row.pattern) else {
        return;
    };
    let list: Vec<&str> = class.iter().map(|n| n.name.as_str()).collect();
    let who = if list.len() == 1 {
        with_address(row)
    } else {
        names(&list)
    };
    let except = if exception { "except " } else { "" };
    line(out, 2, &object(&row.machine, &format!("{except}{who}"), paint));
    leave_text(out, &row.leave, 3, paint);
    let done = match &row.steps {
        StepVerbs::All => pattern.segments.iter().map(|s| s.steps.len()).sum(),
        StepVerbs::Some {
            ensure,
            remove,
            remove_last,
        } => ensure.len() + remove.len() + remove_last.len(),
    };
    if done == 0 {
        line(out, 3, &paint.faint("nothing to do on it"));
        return;
    }
    for segment in &pattern.segments {
        segment_text(out, segment, &row.steps, class.len(), paint);
    }
    if let StepVerbs::Some {
        remove, remove_last, ..
    } = &row.steps
    {
        let (first, last) = (
            remove.iter().map(|s| (s, "")),
            remove_last.iter().map(|s| (s, ", last")),
        );
        for (step, when) in first.chain(last) {
            removal_text(out, step, when, paint);
        }
    }
    interruptions(out, &list, pattern, row, paint);
}

fn segment_text(out: &mut String, segment: &Segment, verbs: &StepVerbs, nodes: usize, paint: Palette) {
    let steps: Vec<(&Step, Option<&Reason>)> = segment
        .steps
        .iter()
        .filter_map(|step| match verbs {
            StepVerbs::All => Some((step, None)),
            StepVerbs::Some { ensure, .. } => ensure
                .get(&format!("{}.{}", segment.run, step.name))
                .map(|reason| (step, Some(reason))),
        })
        .collect();
    if steps.is_empty() {
        return;
    }
    let these = if steps.len() == 1 { "this step" } else { "these" };
    let head = match steps.len() {
        1 => format!(
            "{} = {}: {these} on {}",
            segment.run,
            segment.role,
            count(nodes, "node")
        ),
        n => format!(
            "{} = {}: {these} {n} steps on {}",
            segment.run,
            segment.role,
            count(nodes, "node")
        ),
    };
    line(out, 3, &head);
    for (step, reason) in steps {
        let key: Vec<String> = step
            .key
            .iter()
            .filter_map(|k| step.fields.get(k))
            .map(|field| describe(field, 60))
            .collect();
        let text = format!("{:<9} {:<12} {}", step.kind, step.name, key.join(" "));
        let shared: Vec<&str> = step.shared.keys().map(String::as_str).collect();
        let text = match shared.is_empty() {
            true => text.trim_end().to_owned(),
            false => format!(
                "{} (shared by {}, {})",
                text.trim_end(),
                segment.run,
                shared.join(", ")
            ),
        };
        match reason {
            None | Some(Reason::New) => line(out, 4, &paint.create(&format!("+ {text}"))),
            Some(reason @ Reason::Replaced { .. }) => {
                line(out, 4, &paint.remove(&format!("± {text}: {}", because(reason))));
            }
            Some(reason) => {
                line(out, 4, &paint.change(&format!("~ {text}: {}", because(reason))));
            }
        }
    }
}

/// A step that goes; of one that is replaced its successor has told why.
fn removal_text(out: &mut String, step: &RecordedStep, when: &str, paint: Palette) {
    let text = match (step.successor(), step.removal) {
        (Some(_), Removal::Forget | Removal::Nothing) => return,
        (Some(successor), _) => format!("{} {successor} {}: replaced{when}", step.kind, plain(&step.key)),
        (None, _) => format!("{} {}: {}{when}", step.kind, step.address, removal(step)),
    };
    line(out, 3, &paint.remove(&format!("- {text}")));
}

/// What is interrupted, and which change of what causes it.
fn interruptions(out: &mut String, nodes: &[&str], pattern: &Pattern, row: &NodeRow, paint: Palette) {
    if let ObjectVerb::Replace { because, changes } = &row.machine {
        let why = match changes.is_empty() {
            true => because.clone(),
            false => made_of_text(changes),
        };
        let text = format!("interrupts {}: {why}; its disk is made anew", names(nodes));
        line(out, 3, &paint.remove(&text));
    }
    let StepVerbs::Some { ensure, .. } = &row.steps else {
        return;
    };
    for segment in &pattern.segments {
        for step in &segment.steps {
            let reason = ensure.get(&format!("{}.{}", segment.run, step.name));
            if let Some(Reason::Interrupts { because, .. }) = reason {
                let text = format!(
                    "interrupts {} {}: {}",
                    step.kind,
                    step.name,
                    changes_text(because)
                );
                line(out, 3, &paint.remove(&text));
            }
        }
    }
}

fn because(reason: &Reason) -> String {
    match reason {
        Reason::New => "new".to_owned(),
        Reason::Changed(fields) if fields.is_empty() => "what it depends on changed".to_owned(),
        Reason::Changed(fields) => format!("{} changed", fields.join(", ")),
        Reason::Interrupts { changed, .. } => format!("{} changed", changed.join(", ")),
        Reason::Replaced { because, order } => {
            let when = match order {
                Replacement::After => "the old one goes first",
                Replacement::Before => "the old one goes last",
            };
            format!("replaced, {}; {when}", changes_text(because))
        }
        Reason::Drifted(found) => format!("found {found}"),
        Reason::Unfinished => "a broken-off run did not finish it".to_owned(),
        Reason::Awaits(steps) if steps.is_empty() => "known after apply".to_owned(),
        Reason::Awaits(steps) => format!("known after apply: what {} finds out", steps.join(", ")),
        Reason::Verify => "looks again after what is done before it".to_owned(),
    }
}

fn removal(step: &RecordedStep) -> &'static str {
    match step.removal {
        Removal::Restore => "it left the spec; what was there before is put back",
        Removal::Remove => "it left the spec; removed if rebar brought it",
        Removal::Forget => "it left the spec; its effect stays",
        Removal::Nothing => "it left the spec",
    }
}

fn object(verb: &ObjectVerb, text: &str, paint: Palette) -> String {
    match verb {
        ObjectVerb::Keep => format!("  {text}"),
        ObjectVerb::Create => paint.create(&format!("+ {text}")),
        ObjectVerb::Start => paint.change(&format!("^ {text}: it is stopped; started as it is")),
        ObjectVerb::Replace { because, .. } => paint.remove(&format!("± {text}: replaced, {because}")),
    }
}

fn with_address(row: &NodeRow) -> String {
    let addresses: Vec<String> = row.addresses.values().map(ToString::to_string).collect();
    format!("{} {}", row.name, addresses.join(" "))
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:indent$}{text}", "", indent = depth * 2);
}
