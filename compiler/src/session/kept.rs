//! What was found in one module, and as long as what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::check::{Options, alone::Aside, alone::check_alone};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::resolve::{Modules, Parsed, Parses, alone::Shared, outline::number};
use crate::source::{SourceId, Sources};

/// What was found in one module.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) aside: Aside,
    text: Arc<str>,
    /// The shapes of the modules that it reaches.
    reach: u64,
    /// The shapes of all modules, if what was found may hang on them.
    all: Option<u64>,
    /// Other files that were pointed at.
    labels: Vec<(SourceId, Arc<str>)>,
    /// By file, the items of others that it needs.
    needs: Vec<Need>,
}

/// What is needed of a file.
#[derive(Debug)]
struct Need {
    source: SourceId,
    text: Arc<str>,
    items: Vec<(usize, u64)>,
    /// Whether items count as a whole.
    inside: bool,
}

/// The modules as they are now.
pub(super) struct Now<'a> {
    sources: &'a Sources,
    /// By module.
    parsed: Vec<Option<Arc<Parsed>>>,
    by_source: BTreeMap<SourceId, usize>,
    reach: Vec<u64>,
    all: u64,
}

impl<'a> Now<'a> {
    pub(super) fn of(modules: &Modules, sources: &'a Sources, parses: &Parses) -> Now<'a> {
        let parsed: Vec<_> = modules
            .list
            .iter()
            .map(|m| parses.of(m.source).cloned())
            .collect();
        let shapes: Vec<u64> = modules
            .list
            .iter()
            .zip(&parsed)
            .map(|(module, parsed)| {
                let text = |found: &Result<SourceId, _>| match found {
                    Ok(id) => Ok(sources.get(*id).text.clone()),
                    Err(error) => Err(format!("{error:?}")),
                };
                let read = module.templates.iter().chain(&module.imports);
                let read: Vec<_> = read.map(|(name, found)| (name, text(found))).collect();
                let uses: Vec<_> = module
                    .uses
                    .iter()
                    .map(|(name, index)| (name, &modules.list[*index].name))
                    .collect();
                let shape = parsed.as_ref().map(|parsed| parsed.outline.shape);
                let files = (read, &module.template_names);
                number((
                    &module.name,
                    shape,
                    &module.unread,
                    module.incomplete,
                    files,
                    uses,
                ))
            })
            .collect();
        let by_source = modules
            .list
            .iter()
            .enumerate()
            .map(|(index, m)| (m.source, index));
        Now {
            sources,
            parsed,
            by_source: by_source.collect(),
            reach: reach(modules, &shapes),
            all: number(&shapes),
        }
    }

    fn text(&self, id: SourceId) -> &Arc<str> {
        &self.sources.get(id).text
    }

    /// What an item is now.
    fn item(&self, id: SourceId, item: usize, inside: bool) -> Option<u64> {
        let outline = &self.parsed.get(*self.by_source.get(&id)?)?.as_ref()?.outline;
        let items = if inside { &outline.whole } else { &outline.heads };
        items.get(item).copied()
    }
}

/// By module, a number for the shapes of all modules that it reaches. Modules do not use each other in a circle.
fn reach(modules: &Modules, shapes: &[u64]) -> Vec<u64> {
    let mut known: Vec<Option<u64>> = vec![None; shapes.len()];
    for start in 0..shapes.len() {
        let mut open = vec![start];
        while let Some(module) = open.last().copied() {
            let uses = &modules.list[module].uses;
            let before = open.len();
            open.extend(uses.values().filter(|used| known[**used].is_none()));
            if open.len() == before {
                let below: Vec<_> = uses.values().map(|used| known[*used]).collect();
                known[module] = Some(number((shapes[module], below)));
                open.pop();
            }
        }
    }
    known.into_iter().map(Option::unwrap_or_default).collect()
}

impl Kept {
    /// Checks one module.
    pub(super) fn make(
        module: usize,
        shared: &Shared,
        sources: &Sources,
        options: &Options,
        now: &Now<'_>,
    ) -> Kept {
        let mut diagnostics = Diagnostics::default();
        let inside = now.parsed[module]
            .as_ref()
            .is_some_and(|p| p.outline.looks_inside);
        let (resolved, needed) = shared.resolve((module, inside), &mut diagnostics);
        let checked = (&resolved, &needed, inside);
        let aside = check_alone(checked, module, sources, options, &mut diagnostics);
        let own = shared.modules().list[module].source;
        let mut needs: BTreeMap<SourceId, Vec<(usize, u64)>> = BTreeMap::new();
        for id in needed {
            let source = shared.modules().list[id.module].source;
            let is = now.item(source, id.item, inside).unwrap_or_default();
            needs.entry(source).or_default().push((id.item, is));
        }
        let diagnostics = diagnostics.into_list();
        let labels: BTreeSet<SourceId> = diagnostics
            .iter()
            .flat_map(Diagnostic::spans)
            .map(|span| span.source)
            .filter(|source| *source != own)
            .collect();
        let fragile = aside.asked_all || !diagnostics.is_empty();
        Kept {
            diagnostics,
            aside,
            text: now.text(own).clone(),
            reach: now.reach[module],
            all: fragile.then_some(now.all),
            labels: labels.into_iter().map(|id| (id, now.text(id).clone())).collect(),
            needs: needs
                .into_iter()
                .map(|(source, items)| Need {
                    source,
                    text: now.text(source).clone(),
                    items,
                    inside,
                })
                .collect(),
        }
    }

    /// Whether nothing has changed that it hangs on.
    pub(super) fn holds(&self, module: usize, now: &Now<'_>) -> bool {
        let is_own = |parsed: &Arc<Parsed>| Arc::ptr_eq(&parsed.text, &self.text);
        now.parsed[module].as_ref().is_some_and(is_own)
            && self.reach == now.reach[module]
            && self.all.is_none_or(|all| all == now.all)
            && self
                .labels
                .iter()
                .all(|(id, text)| Arc::ptr_eq(now.text(*id), text))
            && self.needs.iter().all(|need| {
                let same = |(item, is): &(usize, u64)| now.item(need.source, *item, need.inside) == Some(*is);
                Arc::ptr_eq(now.text(need.source), &need.text) || need.items.iter().all(same)
            })
    }
}
