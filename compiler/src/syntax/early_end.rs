//! Brackets that close nothing, and the items they belong to.
//!
//! A brace too many ends an item early, and a missing `{` lets it end with its first line. Either way the remaining
//! statements look like unknown items, and the brace that was meant to end them closes nothing. All that is one
//! mistake: the remaining statements become one unread region, and what is wrong is told where it began.

use crate::diagnostics::{Diagnostic, codes::syntax as codes};
use crate::source::Span;

use super::layout::{Layout, Region};
use super::mend::begins_item;

/// Gives every bracket that closes nothing to the item that it was meant for.
pub(super) fn join(layout: &mut Layout, text: &str) {
    let mut kept: Vec<Region> = Vec::new();
    for mut region in std::mem::take(&mut layout.regions) {
        let Some(stray) = stray_problem(layout, &region) else {
            kept.push(region);
            continue;
        };
        if !is_remainder(&region, text) {
            // The item reports the bracket itself, if it finds nothing better.
            region.broken = false;
            region.pending = Some(layout.problems[stray].clone());
            layout.dropped.push(stray);
            kept.push(region);
            continue;
        }
        let members = kept.iter().rev().take_while(|r| is_remainder(r, text)).count();
        let rest: Vec<Region> = kept.drain(kept.len() - members..).collect();
        let first = rest.first().unwrap_or(&region);
        // Nothing of it is read: one problem stands for all of it.
        let unread = Region {
            start: first.start,
            broken: true,
            deep: true,
            ..region.clone()
        };
        let Some(owner) = kept.last_mut() else {
            kept.push(unread);
            continue;
        };
        if owner.pending.is_none() && !owner.broken {
            owner.pending = Some(early_end(&layout.problems[stray], owner, first, text));
        }
        layout.dropped.push(stray);
        kept.push(unread);
    }
    layout.regions = kept;
}

/// The index of the problem that a bracket of the region closes nothing.
fn stray_problem(layout: &Layout, region: &Region) -> Option<usize> {
    region
        .problems
        .clone()
        .find(|i| layout.problems[*i].code == codes::STRAY_CLOSER)
}

/// Whether a region looks like the inside or the end of an item: it is indented, or begins with a closing bracket.
fn is_remainder(region: &Region, text: &str) -> bool {
    let inside = &text[region.start..region.end];
    let margin = region.start == 0 || text.as_bytes()[region.start - 1] == b'\n';
    let item = begins_item(inside) && !inside.starts_with("let ") && !inside.starts_with("deploy ");
    inside.starts_with(['}', ')', ']']) || (!margin && !item)
}

fn early_end(stray: &Diagnostic, owner: &Region, first: &Region, text: &str) -> Diagnostic {
    let Some(place) = stray.labels.first().map(|l| l.span) else {
        return stray.clone();
    };
    if !text[owner.start..owner.end].ends_with('}') {
        if first.start == place.start as usize {
            return stray.clone();
        }
        let outside = Span::new(place.source, first.start, first.start);
        return stray.clone().label(outside, "this stands outside of any item");
    }
    let early = Span::new(place.source, owner.end - 1, owner.end);
    Diagnostic::error(codes::STRAY_CLOSER, early, "this `}` ends the item early")
        .here("the item ends here")
        .label(place, "and this closes nothing")
        .help("remove one of them, or write the missing `{`")
}
