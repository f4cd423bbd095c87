//! Tables of names: what each module has, and what it takes from others.

use std::collections::BTreeMap;

use super::{Builtin, Definition, ItemId, Module, Modules, Resolved, name_of, noun};
use crate::diagnostics::codes::names;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::source::Span;
use crate::syntax::BUILTIN_TYPES;
use crate::syntax::ast::{self, BlockWord, ItemKind};

/// What one module sees beside its own items.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Imported names.
    pub(super) imports: BTreeMap<String, Import>,
    /// Imported modules: index and name.
    pub(super) modules: Vec<(usize, String)>,
    /// Whether something that was not looked at may use an import.
    pub(super) tolerant: bool,
    /// Whether unknown names may be the fault of something already reported.
    pub(super) lenient: bool,
}

/// One imported name.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) definition: Definition,
    pub(super) span: Span,
    pub(super) used: bool,
}

/// The names of the items of all modules.
pub(super) fn all_items(modules: &Modules) -> Vec<BTreeMap<String, ItemId>> {
    let mut diagnostics = Diagnostics::default();
    let all = 0..modules.list.len();
    all.map(|module| own_items(modules, module, &mut diagnostics))
        .collect()
}

/// Tells what is wrong with the names of a module's own items, and builds its table.
pub(super) fn table(resolved: &Resolved, module: usize, diagnostics: &mut Diagnostics) -> Table {
    own_items(&resolved.modules, module, diagnostics);
    not_of_prelude(resolved, module, diagnostics);
    imports_of(resolved, module, diagnostics)
}

/// Warns of imports that nothing in a module uses.
pub(super) fn report_unused(module: &Module, table: &Table, diagnostics: &mut Diagnostics) {
    // The library is not the user's to tidy, and what a broken file uses is not known.
    if !module.is_own() || table.lenient || table.tolerant {
        return;
    }
    for (name, import) in table.imports.iter().filter(|(_, i)| !i.used) {
        let message = format!("`{name}` is imported and not used");
        diagnostics.push(
            Diagnostic::warning(names::UNUSED_IMPORT, import.span, message).help("remove it from this `use`"),
        );
    }
}

/// The items of a module by name.
fn own_items(modules: &Modules, index: usize, diagnostics: &mut Diagnostics) -> BTreeMap<String, ItemId> {
    let mut table: BTreeMap<String, ItemId> = BTreeMap::new();
    let module = &modules.list[index];
    for (item_index, item) in module.ast.items.iter().enumerate() {
        let Some(name) = name_of(item) else { continue };
        // A function of the language is called, and so only hides what is called as well.
        let called = matches!(
            item.kind,
            ItemKind::Fn { .. }
                | ItemKind::Block {
                    word: BlockWord::Backend,
                    ..
                }
        );
        let taken = Builtin::is_value(&name.text) || (called && Builtin::function(&name.text).is_some());
        if taken || BUILTIN_TYPES.contains(&name.text.as_str()) {
            let message = format!("`{}` is a name of the language itself", name.text);
            diagnostics
                .push(Diagnostic::error(names::SHADOWS, name.span, message).help("choose another name"));
            continue;
        }
        if let Some(first) = table.get(&name.text) {
            let first = &module.ast.items[first.item];
            let before = name_of(first).map_or(first.span, |n| n.span);
            diagnostics.push(
                Diagnostic::error(
                    names::DUPLICATE_NAME,
                    name.span,
                    format!("`{}` is defined twice", name.text),
                )
                .here("here again")
                .label(before, format!("first defined here, as {}", noun(first)))
                .help("give one of them another name"),
            );
            continue;
        }
        let id = ItemId {
            module: index,
            item: item_index,
        };
        table.insert(name.text.clone(), id);
    }
    table
}

/// Tells which items of a module have a name that the library has given away everywhere.
fn not_of_prelude(resolved: &Resolved, index: usize, diagnostics: &mut Diagnostics) {
    let prelude = resolved.modules.find(super::modules::PRELUDE);
    let Some(prelude) = prelude.filter(|prelude| *prelude != index) else {
        return;
    };
    for (name, id) in &resolved.items[index] {
        let Some(known) = resolved.items[prelude].get(name) else {
            continue;
        };
        let (Some(here), Some(there)) = (resolved.item_name(*id), resolved.item_name(*known)) else {
            continue;
        };
        diagnostics.push(
            Diagnostic::error(
                names::SHADOWS,
                here.span,
                format!("`{name}` is known everywhere already"),
            )
            .label(
                there.span,
                format!("{} of the library", noun(resolved.item(*known))),
            )
            .help("choose another name"),
        );
    }
}

/// What a module takes from others.
pub(super) fn imports_of(resolved: &Resolved, module: usize, diagnostics: &mut Diagnostics) -> Table {
    let this = &resolved.modules.list[module];
    let mut table = Table::default();
    for item in &this.ast.items {
        let ItemKind::Use {
            module: path,
            names: list,
        } = &item.kind
        else {
            continue;
        };
        let target = resolved.modules.used(module, &path.text());
        match target {
            Some(target) => table.modules.push((target, path.text())),
            None => table.lenient = true,
        }
        for entry in list {
            let local = entry.alias.as_ref().unwrap_or(&entry.name);
            let definition = match target {
                Some(target) => import(resolved, target, &entry.name, diagnostics),
                None => Definition::Broken,
            };
            let taken = table.imports.get(&local.text).map(|i| i.span).or_else(|| {
                let own = resolved.items[module].get(&local.text)?;
                resolved.item_name(*own).map(|n| n.span)
            });
            if let Some(before) = taken {
                diagnostics.push(
                    Diagnostic::error(
                        names::DUPLICATE_NAME,
                        local.span,
                        format!("`{}` is defined twice", local.text),
                    )
                    .here("imported here")
                    .label(before, "defined here as well")
                    .help(format!(
                        "give the import another name: `{} as …`",
                        entry.name.text
                    )),
                );
                continue;
            }
            let used = definition == Definition::Broken;
            table.imports.insert(
                local.text.clone(),
                Import {
                    definition,
                    span: local.span,
                    used,
                },
            );
        }
    }
    table
}

fn import(resolved: &Resolved, target: usize, name: &ast::Name, diagnostics: &mut Diagnostics) -> Definition {
    let module = &resolved.modules.list[target];
    let items = &resolved.items[target];
    let Some(id) = items.get(&name.text) else {
        if !module.unread.contains(&name.text) {
            let public = items
                .iter()
                .filter(|(_, id)| resolved.item(**id).public)
                .map(|(n, _)| n.as_str());
            let known: Vec<&str> = public.collect();
            let diagnostic = Diagnostic::error(
                names::NOT_IN_MODULE,
                name.span,
                format!("`{}` has no `{}`", module.name, name.text),
            )
            .suggest(
                &name.text,
                known.iter().copied().take(diagnostics.look_through(known.len())),
            );
            diagnostics.push(match diagnostic.help {
                Some(_) => diagnostic,
                None => diagnostic.help(format!("it has {}", list_of(&known))),
            });
        }
        return Definition::Broken;
    };
    let item = resolved.item(*id);
    if !item.public {
        let at = name_of(item).map_or(item.span, |n| n.span);
        let start = Span {
            end: item.span.start,
            ..item.span
        };
        let diagnostic = Diagnostic::error(
            names::PRIVATE,
            name.span,
            format!("`{}` is private to `{}`", name.text, module.name),
        )
        .label(at, "defined here, without `pub`");
        diagnostics.push(match module.is_own() {
            true => diagnostic
                .help("write `pub` before it, if other modules may use it")
                .likely_fix(start, "pub ", "write `pub` before it"),
            // What belongs to others is not the user's to change.
            false => {
                let public: Vec<&str> = items
                    .iter()
                    .filter(|(_, id)| resolved.item(**id).public)
                    .map(|(name, _)| name.as_str())
                    .collect();
                diagnostic.help(format!("others may use {}", list_of(&public)))
            }
        });
        return Definition::Broken;
    }
    Definition::Item(*id)
}

/// More names than this help nobody.
const MAX_LISTED: usize = 20;

/// Names in backticks, joined by commas.
pub(crate) fn list_of(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(MAX_LISTED).map(|n| format!("`{n}`")).collect();
    match names.len().saturating_sub(MAX_LISTED) {
        _ if names.is_empty() => "nothing".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Circles of `use`, each told once, as a path with one label an edge.
pub(crate) fn find_cycles(all: &Modules, diagnostics: &mut Diagnostics) {
    let modules = &all.list;
    let edges: Vec<Vec<(usize, Span)>> = modules
        .iter()
        .enumerate()
        .map(|(index, module)| {
            let used = |item: &ast::Item| match &item.kind {
                ItemKind::Use { module, .. } => Some((all.used(index, &module.text())?, module.span)),
                _ => None,
            };
            module.ast.items.iter().filter_map(used).collect()
        })
        .collect();
    // 0: not yet seen, 1: on the path, 2: done.
    let mut state = vec![0u8; modules.len()];
    for start in 0..modules.len() {
        let mut path: Vec<(usize, usize)> = Vec::new();
        if state[start] == 0 {
            state[start] = 1;
            path.push((start, 0));
        }
        while let Some((module, next)) = path.pop() {
            let Some((target, _)) = edges[module].get(next) else {
                state[module] = 2;
                continue;
            };
            path.push((module, next + 1));
            match state[*target] {
                0 => {
                    state[*target] = 1;
                    path.push((*target, 0));
                }
                1 => {
                    let from = path.iter().position(|(m, _)| m == target).unwrap_or(0);
                    let circle: Vec<(usize, Span)> = path[from..]
                        .iter()
                        .map(|(m, next)| (*m, edges[*m][next - 1].1))
                        .collect();
                    diagnostics.push(cycle(all, &circle));
                }
                _ => {}
            }
        }
    }
}

fn cycle(modules: &Modules, circle: &[(usize, Span)]) -> Diagnostic {
    let name = |module: usize| modules.list[module].name.as_str();
    let mut path: Vec<String> = circle.iter().map(|(m, _)| format!("`{}`", name(*m))).collect();
    path.push(path[0].clone());
    let mut diagnostic = Diagnostic::error(
        names::IMPORT_CYCLE,
        circle[0].1,
        format!("modules use each other in a circle: {}", path.join(" → ")),
    )
    .here(format!("`{}` uses this", name(circle[0].0)));
    for (module, span) in &circle[1..] {
        diagnostic = diagnostic.label(*span, format!("`{}` uses this", name(*module)));
    }
    diagnostic.help("move what both need into a module of its own")
}
