//! `moved` items: each leads from a name that is gone to one that is there, perhaps by way of others.

use std::collections::BTreeMap;

use super::Checker;
use super::typed::{Moved, Part};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{names, order, types};
use crate::resolve::{Definition, ItemId, list_of, parts, split_part};
use crate::source::Span;
use crate::syntax::ast::{ItemKind, Name};

/// A name with its place.
#[derive(Debug, Clone)]
struct End {
    name: String,
    span: Span,
}

/// The moves of one role or workload: from, to.
type Moves = Vec<(End, End)>;

impl Checker<'_> {
    /// All `moved` items, by the role or workload that they are about.
    pub(super) fn moves(&mut self) {
        let mut owners: BTreeMap<ItemId, Moves> = BTreeMap::new();
        for id in self.ids.iter().copied() {
            let ItemKind::Moved { from, to } = &self.resolved.item(id).kind else {
                continue;
            };
            let (Some((_, from)), Some((owner, to))) = (split_part(from), split_part(to)) else {
                continue;
            };
            if let Some(Definition::Item(owner)) = self.resolved.references.get(&owner.span) {
                owners.entry(*owner).or_default().push((end(from), end(to)));
            }
        }
        for (owner, moves) in owners {
            self.moves_of(owner, &moves);
        }
    }

    fn moves_of(&mut self, owner: ItemId, moves: &Moves) {
        let ItemKind::Function { name, block, .. } = &self.resolved.item(owner).kind else {
            return;
        };
        let there: BTreeMap<String, (&'static str, Span)> = parts(block)
            .into_iter()
            .map(|(name, noun, span)| (name, (noun, span)))
            .collect();
        if !self.each_once(moves) {
            return;
        }
        // Each name leads to one other, so that following them is a path.
        let next: BTreeMap<&str, &(End, End)> = moves.iter().map(|m| (m.0.name.as_str(), m)).collect();
        let mut told_circles: Vec<&str> = Vec::new();
        for (from, to) in moves {
            if let Some((noun, span)) = there.get(&from.name) {
                self.report(still_there(from, noun, *span));
                continue;
            }
            let mut path: Vec<&(End, End)> = Vec::new();
            let mut at = to;
            while let Some(step) = next
                .get(at.name.as_str())
                .filter(|_| !there.contains_key(&at.name))
            {
                if path.iter().any(|earlier| earlier.0.name == step.0.name) {
                    break;
                }
                path.push(step);
                at = &step.1;
            }
            match there.get(&at.name) {
                Some((noun, _)) => self.typed.moves.push(Moved {
                    owner,
                    part: part(noun),
                    from: from.name.clone(),
                    to: at.name.clone(),
                    span: from.span,
                    target: at.span,
                }),
                // It came back to where it was: told once for all names of the circle.
                None if next.contains_key(at.name.as_str()) => {
                    if !told_circles.contains(&from.name.as_str())
                        && path.iter().any(|m| m.0.name == from.name)
                    {
                        told_circles.extend(path.iter().map(|m| m.0.name.as_str()));
                        self.report(circle(&from.name, &next));
                    }
                }
                None => {
                    let known: Vec<&str> = there.keys().map(String::as_str).collect();
                    let room = self.diagnostics.look_through(known.len());
                    self.report(to_nothing(at, name, &known[..room]));
                }
            }
        }
    }

    /// Whether no name is moved from, or to, twice.
    fn each_once(&mut self, moves: &Moves) -> bool {
        let (mut sources, mut targets) = (BTreeMap::new(), BTreeMap::new());
        let mut once = true;
        for (from, to) in moves {
            if let Some(first) = sources.insert(from.name.as_str(), from.span) {
                let message = format!("`{}` is moved to two places", from.name);
                let twice = Diagnostic::error(types::MOVED_TWICE, from.span, message);
                self.report(
                    twice
                        .here("moved again")
                        .label(first, "first moved here")
                        .help("keep the move that says what it is called now"),
                );
                once = false;
            }
            if let Some(first) = targets.insert(to.name.as_str(), to.span) {
                let message = format!("two things cannot both become `{}`", to.name);
                let twice = Diagnostic::error(types::MOVED_TWICE, to.span, message);
                self.report(twice.here("again").label(first, "first here").help(
                    "keep the move of the one that it is now; write moves one after the other as a chain",
                ));
                once = false;
            }
        }
        once
    }
}

fn end(name: &Name) -> End {
    End {
        name: name.text.clone(),
        span: name.span,
    }
}

fn part(noun: &str) -> Part {
    match noun {
        "group" => Part::Group,
        "run" => Part::Run,
        _ => Part::Step,
    }
}

fn still_there(from: &End, noun: &str, span: Span) -> Diagnostic {
    let message = format!("`{}` is moved, and is still there", from.name);
    Diagnostic::error(names::MOVED_STILL_THERE, from.span, message)
        .here("what has another name now")
        .label(span, format!("this {noun} has the old name"))
        .help(format!(
            "give this {noun} a name that was not used before, or take the `moved` out: which of the two was applied \
             cannot be told"
        ))
}

fn to_nothing(to: &End, owner: &Name, known: &[&str]) -> Diagnostic {
    let message = format!("`{}` has no `{}`", owner.text, to.name);
    let diagnostic = Diagnostic::error(names::MOVED_TO_NOTHING, to.span, message)
        .here("what it should be called now")
        .label(owner.span, "in here")
        .suggest(&to.name, known.iter().copied());
    match (&diagnostic.help, known.is_empty()) {
        (None, false) => diagnostic.help(format!("it has {}", list_of(known))),
        _ => diagnostic,
    }
}

/// The names of a circle in their order, one label a move.
fn circle(start: &str, next: &BTreeMap<&str, &(End, End)>) -> Diagnostic {
    let mut path: Vec<&(End, End)> = Vec::new();
    let mut at = start;
    while let Some(step) = next.get(at) {
        path.push(step);
        at = &step.1.name;
        if at == start {
            break;
        }
    }
    let mut shown: Vec<String> = path.iter().map(|m| format!("`{}`", m.0.name)).collect();
    shown.push(format!("`{start}`"));
    let message = format!("these moves lead back to where they begin: {}", shown.join(" → "));
    let place = path.first().map_or_else(Span::default, |m| m.0.span);
    let mut diagnostic = Diagnostic::error(order::MOVED_IN_CIRCLE, place, message);
    for (index, (from, to)) in path.iter().map(|m| (&m.0, &m.1)).enumerate() {
        let text = format!("`{}` becomes `{}`", from.name, to.name);
        diagnostic = match index {
            0 => diagnostic.here(text),
            _ => diagnostic.label(from.span, text),
        };
    }
    diagnostic.help("the last name must be one that is there; take out what is not true any more")
}
