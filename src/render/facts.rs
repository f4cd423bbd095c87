//! Facts of a plan for people: how long, why so long, and how well it is known.

use rebar_runtime::forecast::{Facts, PatternPractice, Piece};

use super::duration::spoken;
use super::palette::{Palette, count};

/// So many of the longest pieces of the critical path are named.
const NAMED: usize = 3;

/// A short paragraph, ending in a newline.
pub(crate) fn facts(facts: &Facts, paint: Palette) -> String {
    let mut out = format!("{}\n", paint.strong("expected"));
    let basis = basis(facts.basis.measured, facts.basis.runs);
    out += &format!("  {} if nothing fails ({basis})\n", spoken(facts.expected));
    if let Some(path) = path(&facts.critical_path) {
        out += &format!("  longest path: {path}\n");
    }
    out += &format!("  {}\n", workers(facts));
    for practice in &facts.practice {
        let line = format!("  {} = {}: {}", practice.run, practice.role, practised(practice));
        out += &format!("{}\n", paint.faint(&line));
    }
    out
}

/// What expected durations come from.
pub(crate) fn basis(measured: bool, runs: u64) -> String {
    if measured {
        format!("from {}", count(runs as usize, "earlier run"))
    } else {
        "nothing was measured here yet: usual times".to_owned()
    }
}

/// The longest pieces in their order, with what comes first and last.
fn path(pieces: &[Piece]) -> Option<String> {
    let (first, last) = (pieces.first()?, pieces.last()?);
    let mut lengths: Vec<u64> = pieces.iter().map(|piece| piece.expected).collect();
    lengths.sort_unstable_by_key(|length| std::cmp::Reverse(*length));
    let least = lengths.get(NAMED - 1).or(lengths.last()).copied().unwrap_or(0);
    let mut shown: Vec<String> = Vec::new();
    let mut left_out = false;
    let mut named = 0;
    for piece in pieces {
        let end = std::ptr::eq(piece, first) || std::ptr::eq(piece, last);
        let long = piece.expected >= least && named < NAMED;
        named += usize::from(long);
        if end || long {
            if left_out {
                shown.push("…".to_owned());
            }
            shown.push(format!("{} {}", piece.subject, spoken(piece.expected)));
            left_out = false;
        } else {
            left_out = true;
        }
    }
    Some(shown.join(", "))
}

fn workers(facts: &Facts) -> String {
    let peak = format!(
        "at most {} can go on at a time",
        count(facts.peak as usize, "piece of work")
    )
    .replace("piece of works", "pieces of work");
    let one = facts.workers.first();
    let best = facts.workers.last();
    match (one, best) {
        (Some(one), Some(best)) if best.lanes > 1 => format!(
            "{peak}; one node at a time: {}, more than {} gain nothing (machines are made {} at a time)",
            spoken(one.expected),
            // Limits of other kinds can make a few more lanes than can ever be busy look useful.
            best.lanes.min(facts.peak.max(1)),
            facts.objects
        ),
        _ => format!("{peak}; more workers gain nothing"),
    }
}

/// `applied on 12 nodes (docker 9, local 3), 1 failed; rehearsed on 400, 2 failed`
pub(crate) fn practised(practice: &PatternPractice) -> String {
    let applied: u64 = practice.applied.values().sum();
    let failed: u64 = practice.failed.values().sum();
    let with_failed = |text: String, failed: u64| match failed {
        0 => text,
        failed => format!("{text}, {failed} failed"),
    };
    let mut parts = Vec::new();
    if applied + failed > 0 {
        let mut places: Vec<&String> = practice.applied.keys().chain(practice.failed.keys()).collect();
        places.sort();
        places.dedup();
        let place = |backend: &&String| {
            let done = practice.applied.get(*backend).copied().unwrap_or(0);
            format!("{backend} {done}")
        };
        let places: Vec<String> = places.iter().map(place).collect();
        let text = format!(
            "applied on {} ({})",
            count(applied as usize, "node"),
            places.join(", ")
        );
        parts.push(with_failed(text, failed));
    }
    if practice.rehearsed > 0 {
        let nodes = count(practice.rehearsed as usize, "simulated node");
        parts.push(with_failed(
            format!("rehearsed on {nodes}"),
            practice.rehearsed_failed,
        ));
    }
    if parts.is_empty() {
        return "never applied or rehearsed".to_owned();
    }
    parts.join("; ")
}
