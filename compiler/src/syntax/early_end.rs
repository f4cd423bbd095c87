//! Items that a brace too many ends early.
//!
//! Their remaining statements look like unknown items, and the brace that was meant to end them closes nothing. All
//! that is one mistake: the statements become part of a broken item, and one diagnostic shows both braces.

use crate::diagnostics::{Diagnostic, codes::syntax as codes};
use crate::source::Span;

use super::layout::{ITEM_WORDS, Layout, Region};

/// Joins what follows an early end, up to the brace that closes nothing.
pub(super) fn join(layout: &mut Layout, text: &str) {
    let mut kept: Vec<Region> = Vec::new();
    let regions = std::mem::take(&mut layout.regions);
    let mut rest = regions.into_iter().peekable();
    while let Some(region) = rest.next() {
        let closes = text[region.start..region.end].ends_with('}');
        let followed = rest.peek().is_some_and(|next| is_statement(next, text));
        if !closes || !followed || region.broken {
            kept.push(region);
            continue;
        }
        let mut members = Vec::new();
        while let Some(next) = rest.next_if(|next| is_statement(next, text)) {
            members.push(next);
        }
        let stray = rest.next_if(|next| &text[next.start..next.end] == "}");
        match stray {
            Some(stray) => {
                report(layout, &region, &stray);
                let end = stray.end;
                kept.push(region);
                if let Some(first) = members.into_iter().next() {
                    // Nothing of it is read: the diagnostic stands for all of it.
                    kept.push(Region {
                        end,
                        broken: true,
                        deep: true,
                        ..first
                    });
                }
            }
            None => {
                kept.push(region);
                kept.extend(members);
            }
        }
    }
    layout.regions = kept;
}

/// Whether a region is indented and begins with no word of an item.
fn is_statement(region: &Region, text: &str) -> bool {
    let word_end = text[region.start..region.end].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let word = &text[region.start..word_end.map_or(region.end, |n| region.start + n)];
    let margin = region.start == 0 || text.as_bytes()[region.start - 1] == b'\n';
    let item = ITEM_WORDS.contains(&word) && !matches!(word, "let" | "deploy");
    !margin && !word.is_empty() && !item && !region.deep
}

fn report(layout: &mut Layout, region: &Region, stray: &Region) {
    let source = layout
        .problems
        .get(stray.problems.start)
        .and_then(|p| p.labels.first())
        .map(|l| l.span.source);
    let Some(source) = source else { return };
    let early = Span::new(source, region.end - 1, region.end);
    let brace = Span::new(source, stray.start, stray.end);
    layout.problems[stray.problems.start] =
        Diagnostic::error(codes::STRAY_CLOSER, early, "this `}` ends the item early")
            .here("the item ends here")
            .label(brace, "this `}` closes nothing")
            .help("remove one of them, or write the missing `{`");
}
