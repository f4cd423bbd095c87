//! Patches: changes of items of other packages, made to their syntax before names get their meaning. So what is put
//! in is checked as if it stood in the module; names that the module does not know are looked for where the patch
//! stands ([`super::scopes`]).

mod change;

use std::sync::Arc;

use change::{PATCHABLE, anchors, block_of, block_of_mut, digest, find, make, unfit, word_of};

use super::imports::list_of;
use super::packages::{Owner, Packages};
use super::{Modules, Resolved, name_of, noun};
use crate::diagnostics::codes::names;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::source::{Sources, Span};
use crate::syntax::ast::{Anchor, Change, ItemKind, Name, Patch, Statement, StatementKind, Verb};

/// One change that a patch made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patched {
    /// What it changed, for people and the lock file: `ceph.osd role osd before service osd`.
    pub what: String,
    /// The package, or `std`.
    pub package: String,
    /// Its version.
    pub version: String,
    /// SHA-256 (hex) of the text that it stands at, without comments and spacing; empty where that is the
    /// project's own, put in by an earlier change.
    pub anchor: String,
    /// Where the change is written.
    pub span: Span,
    /// What it stands at.
    pub upstream: Span,
}

/// The version of the standard library is that of the program.
const STD_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes the changes of all patches, in the order in which they are written.
pub fn apply_patches(
    modules: &mut Modules,
    packages: &Packages<'_>,
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) {
    let mut work = Work {
        modules,
        packages,
        sources,
        diagnostics,
    };
    let mut patches: Vec<(usize, Patch)> = Vec::new();
    for (index, module) in work.modules.list.iter().enumerate() {
        for item in &module.ast.items {
            if let ItemKind::Patch(patch) = &item.kind {
                patches.push((index, patch.clone()));
            }
        }
    }
    for (module, patch) in &patches {
        work.patch(*module, patch);
    }
}

/// Whether all changes of a patch were made.
pub(super) fn is_whole(resolved: &Resolved, patch: &Patch) -> bool {
    let made = |change: &Statement| match &change.kind {
        StatementKind::Change(change) => resolved
            .modules
            .patched
            .iter()
            .any(|p| p.span == change.verb_span),
        _ => false,
    };
    patch.block.statements.iter().all(|item| match &item.kind {
        StatementKind::Named { block, .. } => block.statements.iter().all(made),
        _ => false,
    })
}

struct Work<'a> {
    modules: &'a mut Modules,
    packages: &'a Packages<'a>,
    sources: &'a Sources,
    diagnostics: &'a mut Diagnostics,
}

/// An item, by the index of its module and its own.
type At = (usize, usize);

impl Work<'_> {
    fn patch(&mut self, home: usize, patch: &Patch) {
        if !self.modules.list[home].is_own() {
            let message = format!("`{}` patches another package", self.modules.list[home].name);
            return self.diagnostics.push(
                Diagnostic::error(names::PATCH_NOT_IN_ROOT, patch.module.span, message)
                    .here("this patch stands in a dependency")
                    .help(
                        "only the project itself may patch, so that two patches never meet: write it there",
                    ),
            );
        }
        let Some((package, targets)) = self.targets(patch) else {
            return;
        };
        if !self.is_version(patch, &package) {
            return;
        }
        for statement in &patch.block.statements {
            // Anything else is told when it is resolved.
            let StatementKind::Named { word, name, block } = &statement.kind else {
                continue;
            };
            let Some(at) = self.item(patch, &targets, (&word.text(), word.span), name) else {
                continue;
            };
            for change in &block.statements {
                if let StatementKind::Change(change) = &change.kind {
                    self.change(at, &package, change);
                }
            }
        }
    }

    /// The package that a patch names, and the modules of it that are in use.
    fn targets(&mut self, patch: &Patch) -> Option<(Owner, Vec<usize>)> {
        let name = patch.module.text();
        let first = patch.module.names[0].text.as_str();
        let owner = match first {
            "std" => Some(Owner::Std),
            _ => self.packages.find(first).map(Owner::Package),
        };
        let Some(owner) = owner else {
            let mut known: Vec<&str> = self.packages.list.iter().map(|p| p.name).collect();
            known.push("std");
            let own = self
                .modules
                .find(&name)
                .is_some_and(|m| self.modules.list[m].is_own());
            let diagnostic = match own {
                true => Diagnostic::error(
                    names::PATCH_OF_NOTHING,
                    patch.module.span,
                    format!("`{name}` is a module of this project"),
                )
                .help("change it where it is written: patches are for what others wrote"),
                false => Diagnostic::error(
                    names::PATCH_OF_NOTHING,
                    patch.module.span,
                    format!("there is no package `{first}`"),
                )
                .suggest(first, known.iter().copied()),
            };
            self.diagnostics.push(match diagnostic.help {
                Some(_) => diagnostic,
                None => diagnostic.help(format!("this project uses {}", list_of(&known))),
            });
            return None;
        };
        let all: Vec<usize> = (0..self.modules.list.len())
            .filter(|m| self.modules.list[*m].owner == owner)
            .collect();
        let whole = patch.module.names.len() == 1;
        let targets: Vec<usize> = all
            .iter()
            .copied()
            .filter(|m| whole || self.modules.list[*m].name == name)
            .collect();
        if targets.is_empty() {
            let known: Vec<&str> = all.iter().map(|m| self.modules.list[*m].name.as_str()).collect();
            let message = format!("nothing uses `{name}`, so there is nothing to patch");
            let diagnostic = Diagnostic::error(names::PATCH_OF_NOTHING, patch.module.span, message)
                .suggest(&name, known.iter().copied());
            self.diagnostics.push(match diagnostic.help {
                Some(_) => diagnostic,
                None => diagnostic.help(format!("in use is {}", list_of(&known))),
            });
            return None;
        }
        Some((owner, targets))
    }

    fn name_and_version(&self, owner: Owner) -> (String, String) {
        match self.packages.get(owner) {
            Some(package) => (package.name.to_owned(), package.version.to_owned()),
            None => ("std".to_owned(), STD_VERSION.to_owned()),
        }
    }

    fn is_version(&mut self, patch: &Patch, owner: &Owner) -> bool {
        let (name, version) = self.name_and_version(*owner);
        let Some(wanted) = &patch.version else {
            return true;
        };
        let rest = version.strip_prefix(wanted.text.as_str());
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '+'])) {
            return true;
        }
        let message = format!(
            "this patch is for `{name}` {}, and {version} is in use",
            wanted.text
        );
        self.diagnostics.push(
            Diagnostic::error(names::PATCH_VERSION, wanted.span, message)
                .here(format!("{version} is in use"))
                .help(format!(
                    "see whether the patch is still right, then write `@{version}`; or use version {} again",
                    wanted.text
                )),
        );
        false
    }

    fn item(
        &mut self,
        patch: &Patch,
        targets: &[usize],
        (word, at): (&str, Span),
        name: &Name,
    ) -> Option<At> {
        let mut found: Vec<At> = Vec::new();
        let mut others: Vec<&str> = Vec::new();
        let mut same_name: Option<(Span, &'static str)> = None;
        for module in targets {
            for (index, item) in self.modules.list[*module].ast.items.iter().enumerate() {
                let Some(own) = name_of(item) else { continue };
                let fits = word_of(item) == Some(word);
                match (own.text == name.text, fits) {
                    (true, true) => found.push((*module, index)),
                    (true, false) => same_name = Some((own.span, noun(item))),
                    (false, true) => others.push(&own.text),
                    (false, false) => {}
                }
            }
        }
        let package = patch.module.text();
        match found.as_slice() {
            [one] => return Some(*one),
            [] => {
                let message = format!("`{package}` has no {word} `{}`", name.text);
                let room = self.diagnostics.look_through(others.len());
                let diagnostic = Diagnostic::error(names::PATCH_UNKNOWN_ITEM, name.span, message);
                let diagnostic = match same_name {
                    _ if !PATCHABLE.contains(&word) => {
                        let unknown = Diagnostic::error(
                            names::PATCH_UNKNOWN_ITEM,
                            at,
                            format!("there are no items `{word}` that could be patched"),
                        );
                        unknown.suggest(word, PATCHABLE.iter().copied())
                    }
                    Some((span, noun)) => diagnostic
                        .label(span, format!("`{}` is {noun}", name.text))
                        .help("write the word of what it is"),
                    None => diagnostic.suggest(&name.text, others.iter().copied().take(room)),
                };
                let diagnostic = match diagnostic.help {
                    Some(_) => diagnostic,
                    None if PATCHABLE.contains(&word) => {
                        diagnostic.help(format!("of this sort it has {}", list_of(&others)))
                    }
                    None => diagnostic.help(format!("a patch changes {}", list_of(&PATCHABLE))),
                };
                self.diagnostics.push(diagnostic);
            }
            several => {
                let message = format!("`{}` is in several modules of `{package}`", name.text);
                let mut diagnostic = Diagnostic::error(names::PATCH_UNKNOWN_ITEM, name.span, message);
                let mut modules = Vec::new();
                for (module, item) in several {
                    let module = &self.modules.list[*module];
                    modules.push(module.name.as_str());
                    if let Some(own) = name_of(&module.ast.items[*item]) {
                        diagnostic = diagnostic.label(own.span, "one of them");
                    }
                }
                self.diagnostics
                    .push(diagnostic.help(format!("patch one module: {}", list_of(&modules))));
            }
        }
        None
    }

    fn change(&mut self, at: At, owner: &Owner, change: &Change) {
        let (module, index) = at;
        let item = &self.modules.list[module].ast.items[index];
        let Some(block) = block_of(item) else { return };
        let upstream = match &change.anchor {
            None if change.verb == Verb::Set => item.span,
            // Told when it was read.
            None => return,
            Some(anchor) => match find(block, anchor) {
                Some(statement) => statement.span,
                None => {
                    let diagnostic = self.no_anchor(at, anchor);
                    return self.diagnostics.push(diagnostic);
                }
            },
        };
        if let Some(diagnostic) = unfit(item, change) {
            return self.diagnostics.push(diagnostic);
        }
        let (package, version) = self.name_and_version(*owner);
        let what = match &change.anchor {
            Some(anchor) => format!(
                "{} {} {}",
                change.verb.word(),
                anchor.word.text(),
                anchor.name.text
            ),
            None => change.verb.word().to_owned(),
        };
        let name = name_of(item).map_or("", |n| n.text.as_str());
        let patched = Patched {
            what: format!(
                "{} {} {name} {what}",
                self.modules.list[module].name,
                word_of(item).unwrap_or_default()
            ),
            package,
            version,
            // What this project itself put in may change with it.
            anchor: match upstream.source == self.modules.list[module].source {
                true => digest(self.sources.slice(upstream)),
                false => String::new(),
            },
            span: change.verb_span,
            upstream,
        };
        self.compare(&patched, change);
        let taken = match (&change.anchor, change.verb) {
            (Some(anchor), Verb::Remove | Verb::Replace) => Some(anchor.name.text.clone()),
            _ => None,
        };
        let own = self.modules.list[module].source;
        let item = &mut Arc::make_mut(&mut self.modules.list[module].ast).items[index];
        if let Some(block) = block_of_mut(item) {
            make(block, change, own);
        }
        if let Some(name) = taken {
            self.modules.removed.push((module, name, change.verb_span));
        }
        self.modules.patched.push(patched);
    }

    /// Tells where the text that a change stands at is not what it was.
    fn compare(&mut self, patched: &Patched, change: &Change) {
        let Some(locked) = self.packages.anchors.and_then(|a| a.get(&patched.what)) else {
            return;
        };
        if patched.anchor.is_empty() || *locked == patched.anchor {
            return;
        }
        let span = change.anchor.as_ref().map_or(change.verb_span, |a| a.span);
        let message = format!("`{}` moved under this patch", patched.package);
        self.diagnostics.push(
            Diagnostic::error(names::PATCH_MOVED, span, message)
                .here("the patch stands at this")
                .label(
                    patched.upstream,
                    "which is not what it was when the patch was locked",
                )
                .help("see whether the patch is still right, then run `rebar update --accept-patches`"),
        );
    }

    fn no_anchor(&mut self, (module, index): At, anchor: &Anchor) -> Diagnostic {
        let this = &self.modules.list[module];
        let item = &this.ast.items[index];
        let mut all: Vec<(&str, &Name)> = Vec::new();
        if let Some(block) = block_of(item) {
            anchors(block, &mut all);
        }
        let own = name_of(item).map_or("", |n| n.text.as_str());
        let (word, name) = (anchor.word.text(), &anchor.name.text);
        let message = format!("`{own}` has no `{word} {name}`");
        let diagnostic = Diagnostic::error(names::PATCH_UNKNOWN_ANCHOR, anchor.span, message);
        if let Some((word, at)) = all.iter().find(|(_, n)| n.text == *name) {
            return diagnostic
                .label(at.span, format!("this is `{word} {name}`"))
                .fix(anchor.word.span, *word, format!("write `{word}`"))
                .help(format!("write `{word} {name}`"));
        }
        let removed = self
            .modules
            .removed
            .iter()
            .find(|(m, n, _)| *m == module && n == name);
        if let Some((_, _, by)) = removed {
            return diagnostic
                .label(*by, "this change has taken it away")
                .help("changes are made in the written order: one statement is replaced or removed once");
        }
        let written: Vec<String> = all.iter().map(|(w, n)| format!("{w} {}", n.text)).collect();
        let room = self.diagnostics.look_through(written.len());
        let wanted = format!("{word} {name}");
        let diagnostic = diagnostic.suggest(&wanted, written.iter().map(String::as_str).take(room));
        let at = name_of(item).map_or(item.span, |n| n.span);
        let diagnostic = diagnostic.label(at, "the patched item");
        match diagnostic.help {
            Some(_) => diagnostic,
            None => {
                let written: Vec<&str> = written.iter().map(String::as_str).collect();
                diagnostic.help(format!("it has {}", list_of(&written)))
            }
        }
    }
}
