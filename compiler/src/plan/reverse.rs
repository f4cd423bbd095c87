//! The order in which things go, beside the order in which others are made: what was made later goes earlier, and
//! what is replaced goes before or after what takes its place. Both orders together may have no solution.

use std::collections::{BTreeMap, BTreeSet};

use super::names::split_address;
use super::{FieldChange, Pattern, Plan, Reason, RecordedStep, Replacement, StepVerbs};
use crate::diagnostics::codes::expand;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::graph::Graph;
use crate::source::Span;

/// When something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Before what takes its place is made.
    First,
    /// After that, and after all that may use it has been changed.
    Last,
    /// In its turn.
    Any,
    /// Its run is gone: with the last.
    Gone,
}

/// What goes first and what goes last, each in the order of removal. What was made before something that goes last
/// goes after it, so last as well, if nothing has to take its place.
pub(super) fn in_turn(
    mut all: Vec<RecordedStep>,
    turn: impl Fn(&RecordedStep) -> Turn,
) -> (Vec<RecordedStep>, Vec<RecordedStep>) {
    all.sort_by(|a, b| {
        b.position
            .cmp(&a.position)
            .then_with(|| a.address.cmp(&b.address))
    });
    let mut lasts = false;
    all.into_iter().partition(|step| {
        let turn = turn(step);
        lasts |= turn == Turn::Last;
        match turn {
            Turn::First | Turn::Gone => true,
            Turn::Last => false,
            Turn::Any => !lasts,
        }
    })
}

/// Where steps and waits are written.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Steps by `run.step`.
    steps: BTreeMap<String, Span>,
    /// For each run those that it waits for, with the reason.
    waits: BTreeMap<String, Vec<(String, String, Span)>>,
}

impl Places {
    pub(crate) fn of(graph: &Graph) -> Places {
        let mut places = Places::default();
        for run in &graph.instances.runs {
            for (step, span) in run.steps.iter().zip(&run.spans) {
                places.steps.insert(format!("{}.{}", run.name, step.name), *span);
            }
            let waits = run.waits.iter();
            let waits = waits.map(|wait| (wait.run.clone(), wait.reason.clone(), wait.span));
            places.waits.insert(run.name.clone(), waits.collect());
        }
        places
    }

    pub(super) fn step(&self, address: &str) -> Span {
        self.steps.get(address).copied().unwrap_or_default()
    }

    /// Why what `later` does comes after what `earlier` does: the first wait of a shortest way, or the written order of a
    /// run. `None` for runs that have nothing to do with each other: neither stands on the other.
    fn order(&self, earlier: &str, later: &str) -> Option<(String, Span)> {
        let run = |address| split_address(address).map_or("", |(run, _)| run);
        let (first, then) = (run(earlier), run(later));
        let mut reached = BTreeSet::from([then]);
        let mut queue = std::collections::VecDeque::from([(then, None)]);
        while let Some((at, reason)) = queue.pop_front() {
            for (of, why, span) in self.waits.get(at).into_iter().flatten() {
                let reason = reason.unwrap_or((why, *span));
                if of == first {
                    return Some((reason.0.clone(), reason.1));
                }
                if reached.insert(of) {
                    queue.push_back((of, Some(reason)));
                }
            }
        }
        let written = format!("`{later}` is written after `{earlier}`");
        (first == then).then(|| (written, self.step(later)))
    }
}

/// A change of a field in words: `uid` is 10 and becomes 20.
pub(super) fn words(change: &FieldChange) -> String {
    let value = |value: &Option<serde_json::Value>| match value {
        Some(value) => {
            let text = super::shown(value).to_string();
            match text.char_indices().nth(40) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        }
        None => "nothing".to_owned(),
    };
    format!(
        "`{}` is {} and becomes {}",
        change.field,
        value(&change.before),
        value(&change.after)
    )
}

/// Reports what would have to go before something that has to be made before it goes.
pub(crate) fn refuse_cycles(plan: &Plan, places: &Places, diagnostics: &mut Diagnostics) {
    let mut told = BTreeSet::new();
    for row in &plan.nodes {
        let (
            StepVerbs::Some {
                ensure,
                remove,
                remove_last,
            },
            Some(pattern),
        ) = (&row.steps, plan.patterns.get(row.pattern))
        else {
            continue;
        };
        for last in remove_last {
            let Some(made_first) = replaced(ensure, last, Replacement::Before) else {
                continue;
            };
            // What was made before it goes after it; the nearest of those that have to go first.
            let first = remove.iter().find_map(|first| {
                let after = first.position < last.position;
                replaced(ensure, first, Replacement::After).filter(|_| after)
            });
            let Some(removed_first) = first else { continue };
            if told.insert((removed_first.0.to_owned(), made_first.0.to_owned()))
                && let Some(circle) = circle(&row.name, pattern, places, removed_first, made_first)
            {
                diagnostics.push(circle);
            }
        }
    }
}

/// A step that is replaced in that order, with what causes it.
type Replaced<'r> = (&'r str, &'r [FieldChange]);

fn replaced<'r>(
    ensure: &'r BTreeMap<String, Reason>,
    old: &'r RecordedStep,
    wanted: Replacement,
) -> Option<Replaced<'r>> {
    let address = old.successor()?;
    match ensure.get(address)? {
        Reason::Replaced { because, order } if *order == wanted => Some((address, because)),
        _ => None,
    }
}

/// `first` is removed before it is made anew, `last` is made anew before it is removed, and stood on `first`.
fn circle(
    node: &str,
    pattern: &Pattern,
    places: &Places,
    (first, first_because): Replaced<'_>,
    (last, last_because): Replaced<'_>,
) -> Option<Diagnostic> {
    let place = |address: &str| {
        let all = pattern.segments.iter();
        let mut all = all.flat_map(|s| s.steps.iter().map(move |step| (&s.run, &step.name)));
        all.position(|(run, step)| {
            address
                .strip_prefix(run.as_str())
                .and_then(|rest| rest.strip_prefix('.'))
                == Some(step)
        })
    };
    let in_order = place(first) < place(last);
    let (reason, span) = match in_order {
        true => places.order(first, last)?,
        false => places.order(last, first)?,
    };
    let cause = |because: &[FieldChange]| because.first().map_or_else(String::new, words);
    let path = match in_order {
        true => {
            format!("remove `{first}` → make `{first}` → make `{last}` → remove `{last}` → remove `{first}`")
        }
        false => format!("remove `{first}` → make `{first}` → remove `{last}` → remove `{first}`"),
    };
    let message = format!("on `{node}`, what goes and what is made wait for each other: {path}");
    let mut diagnostic =
        Diagnostic::error(expand::REMOVED_IN_CIRCLE, places.step(first), message).here(format!(
            "the old `{first}` is removed before the new one is made: {}",
            cause(first_because)
        ));
    let text = format!(
        "the new `{last}` is made before the old one is removed (its kind says `replacement = Before`): {}",
        cause(last_because)
    );
    match in_order {
        true => {
            diagnostic = diagnostic.label(span, format!("so it is made after `{first}`: {reason}"));
            diagnostic = diagnostic.label(places.step(last), text);
        }
        false => {
            let kept = format!("the old `{last}` is kept until what comes after it is made: {reason}");
            diagnostic = diagnostic.label(span, kept).label(places.step(last), text);
        }
    }
    let stood = format!(
        "the old `{last}` was made after the old `{first}` and may stand on it, so it is removed before it"
    );
    let help = format!(
        "apply the change of `{first}` and that of `{last}` one after the other, each with a plan of its own"
    );
    Some(diagnostic.label(places.step(last), stood).help(help))
}
