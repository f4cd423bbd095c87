//! Two plans side by side, for people.

use std::fmt::Write;

use rebar_compiler::plan::{
    Capability, CapabilityComparison, Comparison, Difference, GateMode, GroupComparison, GroupSide, Only,
    Provided, Rollout, Setting, Side, Template,
};
use serde_json::Value;

use super::palette::{Palette, count};
use super::template::describe;

/// Characters of a value that are shown.
const WIDTH: usize = 80;
/// Characters of a hash that are shown: enough to tell a few hundred patterns apart.
const HASH: usize = 12;

/// The whole comparison as text, ending in a newline.
pub(crate) fn compare(comparison: &Comparison, paint: Palette) -> String {
    let mut out = String::new();
    let (left, right) = (&comparison.left, &comparison.right);
    line(
        &mut out,
        0,
        &paint.strong(&format!("{} and {}", side(left), side(right))),
    );
    let sides = Sides::of(left, right);
    out.push('\n');
    line(&mut out, 0, &paint.strong("patterns: what runs on each node"));
    for group in &comparison.groups {
        group_text(&mut out, group, &sides, paint);
    }
    for gate in &comparison.gates {
        let text = format!(
            "`{}` waits for {}`{}` in {} only",
            gate.of,
            how_much(gate.mode),
            gate.after,
            sides.name(gate.only)
        );
        line(&mut out, 1, &paint.change(&format!("~ {text}")));
    }
    if !comparison.provisioning.is_empty() {
        out.push('\n');
        line(
            &mut out,
            0,
            &paint.strong("provisioning: what the nodes stand on"),
        );
        for setting in &comparison.provisioning {
            setting_text(&mut out, setting, &sides);
        }
    }
    capabilities(&mut out, comparison, &sides, paint);
    out.push('\n');
    line(&mut out, 0, &summary(comparison, paint));
    out
}

/// What of a run is waited for; nothing is said where it is all of it.
fn how_much(mode: GateMode) -> String {
    match mode {
        GateMode::All => String::new(),
        GateMode::Any | GateMode::Quorum => format!("{} ", mode.words()),
    }
}

fn side(side: &Side) -> String {
    format!(
        "{} on {} ({}, {})",
        side.deploy,
        side.site,
        side.backend,
        count(side.nodes, "node")
    )
}

/// What the two plans are called.
struct Sides {
    left: String,
    right: String,
    width: usize,
}

impl Sides {
    /// By their deploys; where these are the same, by their order.
    fn of(left: &Side, right: &Side) -> Sides {
        let (left, right) = match left.deploy == right.deploy {
            true => ("the first".to_owned(), "the second".to_owned()),
            false => (left.deploy.clone(), right.deploy.clone()),
        };
        let width = left.chars().count().max(right.chars().count());
        Sides { left, right, width }
    }

    fn name(&self, only: Only) -> &str {
        match only {
            Only::Left => &self.left,
            Only::Right => &self.right,
        }
    }

    /// Two lines, one for each plan.
    fn both(&self, out: &mut String, depth: usize, left: &str, right: &str) {
        let width = self.width;
        line(out, depth, &format!("{:<width$}  {left}", self.left));
        line(out, depth, &format!("{:<width$}  {right}", self.right));
    }
}

fn group_text(out: &mut String, group: &GroupComparison, sides: &Sides, paint: Palette) {
    let (left, right) = match (&group.left, &group.right) {
        (Some(left), Some(right)) => (left, right),
        (Some(_), None) => return only(out, &group.group, sides, Only::Left, paint),
        (None, Some(_)) => return only(out, &group.group, sides, Only::Right, paint),
        (None, None) => return,
    };
    let nodes = match left.nodes == right.nodes {
        true => format!("{} in both", count(left.nodes, "node")),
        false => format!("{} and {} nodes", left.nodes, right.nodes),
    };
    if group.agree {
        let steps = count(left.steps, "step");
        let text = format!(
            "= {}: the same {steps} on {nodes} ({})",
            group.group,
            short(&left.hash)
        );
        line(out, 1, &paint.create(&text));
    } else {
        let text = format!(
            "~ {}: the pattern differs, {nodes} ({} and {})",
            group.group,
            short(&left.hash),
            short(&right.hash)
        );
        line(out, 1, &paint.change(&text));
        for difference in &group.differences {
            difference_text(out, difference, sides, paint);
        }
    }
    for run in &left.runs {
        let Some(other) = right.runs.iter().find(|other| other.run == run.run) else {
            continue;
        };
        if run.role_hash != other.role_hash {
            let text = format!("`{}`: the role itself is written otherwise", run.run);
            line(out, 3, &paint.faint(&text));
        }
        if run.rollout != other.rollout {
            line(out, 3, &format!("rollout of `{}`", run.run));
            sides.both(out, 4, &rollout(&run.rollout), &rollout(&other.rollout));
        }
    }
    spread(out, left, right, sides);
}

fn only(out: &mut String, group: &str, sides: &Sides, only: Only, paint: Palette) {
    line(
        out,
        1,
        &one_sided(
            &format!("{group}: a group of {} only", sides.name(only)),
            only,
            paint,
        ),
    );
}

/// What the first alone has goes, seen from the second, and what the second alone has comes.
fn one_sided(text: &str, only: Only, paint: Palette) -> String {
    match only {
        Only::Left => paint.remove(&format!("- {text}")),
        Only::Right => paint.create(&format!("+ {text}")),
    }
}

fn spread(out: &mut String, left: &GroupSide, right: &GroupSide, sides: &Sides) {
    if left.spread != right.spread {
        let shown = |side: &GroupSide| side.spread.clone().unwrap_or_else(|| "none".to_owned());
        line(out, 3, "spread");
        sides.both(out, 4, &shown(left), &shown(right));
    }
}

fn difference_text(out: &mut String, difference: &Difference, sides: &Sides, paint: Palette) {
    match difference {
        Difference::Run { run, only } => {
            line(
                out,
                3,
                &one_sided(
                    &format!("run `{run}` in {} only", sides.name(*only)),
                    *only,
                    paint,
                ),
            );
        }
        Difference::Step {
            run,
            step,
            kind,
            only,
        } => {
            let text = format!("{kind} {run}.{step} in {} only", sides.name(*only));
            line(out, 3, &one_sided(&text, *only, paint));
        }
        Difference::Order { run, left, right } => {
            let what = match run {
                Some(run) => format!("~ {run}: its steps come in another order"),
                None => "~ the runs come in another order".to_owned(),
            };
            line(out, 3, &paint.change(&what));
            sides.both(out, 4, &left.join(", "), &right.join(", "));
        }
        Difference::Field {
            run,
            step,
            field,
            at,
            left,
            right,
        } => {
            let at = if at.is_empty() {
                String::new()
            } else {
                format!(", {at}")
            };
            line(out, 3, &paint.change(&format!("~ {run}.{step}: {field}{at}")));
            line(out, 4, &paint.remove(&format!("- {}", value(left.as_ref()))));
            line(out, 4, &paint.create(&format!("+ {}", value(right.as_ref()))));
        }
    }
}

fn value(template: Option<&Template>) -> String {
    template.map_or("(nothing)".to_owned(), |template| describe(template, WIDTH))
}

fn rollout(rollout: &Rollout) -> String {
    let mut parts = Vec::new();
    parts.extend(rollout.canary.map(|nodes| format!("canary {nodes}")));
    parts.extend(rollout.batch.map(|nodes| format!("batch {nodes}")));
    parts.extend(
        rollout
            .settle
            .map(|time| format!("settle {:?}", std::time::Duration::from_nanos(time))),
    );
    parts.extend(
        rollout
            .max_unavailable
            .map(|nodes| format!("at most {nodes} away")),
    );
    parts.extend(rollout.error_budget.map(|nodes| format!("error budget {nodes}")));
    parts.extend(rollout.quorum.map(|nodes| format!("quorum {nodes}")));
    if parts.is_empty() {
        "all at once".to_owned()
    } else {
        parts.join(", ")
    }
}

fn setting_text(out: &mut String, setting: &Setting, sides: &Sides) {
    line(out, 1, &format!("{}: {}", setting.of, setting.setting));
    let is_size = setting.setting == "memory" || setting.setting.starts_with("disk ");
    let shown = |value: &Option<Value>| match value {
        None => "(not set)".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(bytes)) if is_size => bytes
            .as_u64()
            .map_or(bytes.to_string(), |bytes| format!("{} MiB", bytes >> 20)),
        Some(value) => value.to_string(),
    };
    sides.both(out, 2, &shown(&setting.left), &shown(&setting.right));
}

fn capabilities(out: &mut String, comparison: &Comparison, sides: &Sides, paint: Palette) {
    if comparison.capabilities.is_empty() {
        return;
    }
    out.push('\n');
    line(
        out,
        0,
        &paint.strong("capabilities: what the steps need of the sites"),
    );
    let exact = |side: &Option<Capability>| side.as_ref().is_some_and(|c| c.provided == Provided::Exact);
    let (same, others): (Vec<_>, Vec<_>) = comparison
        .capabilities
        .iter()
        .partition(|(_, c)| exact(&c.left) && exact(&c.right));
    if !same.is_empty() {
        let names: Vec<&str> = same.iter().map(|(name, _)| name.as_str()).collect();
        line(out, 1, &format!("exact on both: {}", names.join(", ")));
    }
    for (name, capability) in others {
        capability_text(out, name, capability, sides, paint);
    }
}

fn capability_text(out: &mut String, name: &str, both: &CapabilityComparison, sides: &Sides, paint: Palette) {
    let mut kinds: Vec<&str> = [&both.left, &both.right]
        .into_iter()
        .flatten()
        .flat_map(|capability| capability.kinds.iter().map(String::as_str))
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    let provided = |capability: &Option<Capability>| match capability.as_ref().map(|c| &c.provided) {
        None => "not needed".to_owned(),
        Some(Provided::Exact) => "exact".to_owned(),
        Some(Provided::Emulated(how)) => format!("emulated: {how}"),
        Some(Provided::AcceptedGap(because)) => format!("absent, and accepted: {because}"),
    };
    let (left, right) = (provided(&both.left), provided(&both.right));
    let head = format!("{name}, for {}", kinds.join(", "));
    if left == right {
        line(out, 1, &format!("{head}: on both {left}"));
        return;
    }
    line(out, 1, &paint.change(&format!("~ {head}")));
    sides.both(out, 2, &left, &right);
}

fn summary(comparison: &Comparison, paint: Palette) -> String {
    let groups = comparison.groups.len();
    let differ = comparison.groups.iter().filter(|group| !group.agree).count();
    let mut parts = Vec::new();
    match (groups, differ) {
        (0, _) => parts.push("there are no patterns".to_owned()),
        (1, 0) => parts.push("the pattern agrees".to_owned()),
        (2, 0) => parts.push("both patterns agree".to_owned()),
        (_, 0) => parts.push(format!("all {groups} patterns agree")),
        (_, _) => parts.push(format!("{differ} of {} differ", count(groups, "pattern"))),
    }
    if !comparison.gates.is_empty() {
        parts.push(format!("{} of one only", count(comparison.gates.len(), "wait")));
    }
    parts.push(match comparison.provisioning.len() {
        0 => "nothing of the provisioning differs".to_owned(),
        1 => "1 setting of the provisioning differs".to_owned(),
        number => format!("{number} settings of the provisioning differ"),
    });
    let text = parts.join("; ");
    if comparison.agree {
        paint.create(&text)
    } else {
        paint.change(&text)
    }
}

fn short(hash: &str) -> &str {
    hash.get(..HASH).unwrap_or(hash)
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:indent$}{text}", "", indent = depth * 2);
}
