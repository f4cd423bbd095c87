//! Looking up one name.

use super::super::imports::list_of;
use super::super::{Builtin, Definition, ItemId, Known, is_value, noun};
use super::{Walker, Wanted};
use crate::diagnostics::codes::{names, order};
use crate::diagnostics::{Diagnostic, foreign, nearest};
use crate::source::Span;
use crate::syntax::BUILTIN_TYPES;
use crate::syntax::ast::{
    Argument, BlockWord, DottedName, ExpressionKind, FunctionWord, Item, ItemKind, Name,
};

impl Wanted {
    pub(super) fn fits(self, item: &Item) -> bool {
        match self {
            Wanted::Type => matches!(item.kind, ItemKind::Type { .. } | ItemKind::Enum { .. }),
            Wanted::Kind => matches!(
                item.kind,
                ItemKind::Block {
                    word: BlockWord::Kind,
                    ..
                }
            ),
            Wanted::Workload => matches!(
                item.kind,
                ItemKind::Function {
                    word: FunctionWord::Workload,
                    ..
                }
            ),
            Wanted::Interface => matches!(item.kind, ItemKind::Interface { .. }),
            Wanted::Deploy => matches!(item.kind, ItemKind::Deploy(_)),
            Wanted::RoleOrWorkload => matches!(item.kind, ItemKind::Function { .. }),
            Wanted::Site => matches!(
                item.kind,
                ItemKind::Block {
                    word: BlockWord::Site,
                    ..
                }
            ),
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Wanted::Type => "type",
            Wanted::Kind => "kind of step",
            Wanted::Workload => "workload",
            Wanted::Interface => "interface",
            Wanted::Site => "site",
            Wanted::Deploy => "deploy",
            Wanted::RoleOrWorkload => "role or workload",
        }
    }
}

impl Walker<'_> {
    /// A name in an expression.
    pub(super) fn value(&mut self, name: &Name) {
        let definition = match self.find_value(name) {
            Some(definition) => definition,
            // Perhaps a variant: what is expected there decides.
            None if begins_with_capital(name) => return,
            None => {
                self.report_unknown_value(name);
                Definition::Broken
            }
        };
        self.references.insert(name.span, definition);
    }

    /// The name before `(`: a function, or a backend.
    pub(super) fn callee(&mut self, name: &Name) {
        // Values and words of the same name cannot be called.
        if let Some(builtin) = Builtin::function(&name.text) {
            self.references.insert(name.span, Definition::Builtin(builtin));
            return;
        }
        if let Some(Definition::Item(id)) = self.find_item(&name.text, name.span) {
            self.references.insert(name.span, Definition::Item(id));
            return;
        }
        match self.find_value(name) {
            Some(definition) => {
                self.references.insert(name.span, definition);
            }
            // Perhaps a variant: what is expected there decides.
            None if begins_with_capital(name) => {}
            None => {
                if !self.forgiving(&name.text) {
                    let functions = Builtin::ALL.into_iter().map(|(n, _)| n).filter(|n| *n != "node");
                    let functions = functions.chain(Known::ALL.into_iter().map(|(n, ..)| n));
                    let mut known: Vec<String> = functions.map(str::to_owned).collect();
                    known.extend(self.names_of(|item| {
                        matches!(
                            item.kind,
                            ItemKind::Fn { .. }
                                | ItemKind::Block {
                                    word: BlockWord::Backend,
                                    ..
                                }
                        )
                    }));
                    let message = format!("there is no function `{}`", name.text);
                    let unknown = Diagnostic::error(names::UNKNOWN_NAME, name.span, message)
                        .suggest(&name.text, known.iter().map(String::as_str));
                    self.diagnostics
                        .push(match (&unknown.help, foreign::function(&name.text)) {
                            (None, Some(help)) => unknown.help(help),
                            _ => unknown,
                        });
                }
                self.references.insert(name.span, Definition::Broken);
            }
        }
    }

    /// The arguments of `outputs(database)`, which are names of deploys.
    pub(super) fn deploys(&mut self, arguments: &[Argument]) {
        for argument in arguments {
            match &argument.value.kind {
                ExpressionKind::Name(name) => {
                    let word = DottedName {
                        names: vec![name.clone()],
                        span: name.span,
                    };
                    self.item(&word, Wanted::Deploy);
                }
                _ => self.expression(&argument.value),
            }
        }
    }

    /// A word: the name of a kind, role, type and so on, perhaps with its module.
    pub(super) fn item(&mut self, name: &DottedName, wanted: Wanted) {
        let definition = self.find_word(name, wanted);
        self.references.insert(name.span, definition);
    }

    fn find_word(&mut self, name: &DottedName, wanted: Wanted) -> Definition {
        let found = match name.names.as_slice() {
            [single] => self.find_item(&single.text, single.span),
            [path @ .., last] => {
                let path: Vec<&str> = path.iter().map(|n| n.text.as_str()).collect();
                self.find_in_module(&path.join("."), last)
            }
            [] => None,
        };
        match found {
            Some(Definition::Item(id)) if wanted.fits(self.resolved.item(id)) => Definition::Item(id),
            Some(Definition::Item(id)) => {
                let item = self.resolved.item(id);
                let mut diagnostic = Diagnostic::error(
                    names::WRONG_THING,
                    name.span,
                    format!(
                        "`{}` is {}, not {}",
                        name.text(),
                        noun(item),
                        article(wanted.noun())
                    ),
                );
                if let Some(at) = super::name_of(item) {
                    diagnostic = diagnostic.label(at.span, "defined here");
                }
                self.diagnostics.push(diagnostic);
                Definition::Broken
            }
            Some(definition) => definition,
            None => {
                if !name.names.iter().any(|part| self.forgiving(&part.text)) {
                    let mut known = self.names_of(|item| wanted.fits(item));
                    if wanted == Wanted::Type {
                        known.extend(BUILTIN_TYPES.iter().map(|t| (*t).to_owned()));
                    }
                    let diagnostic = Diagnostic::error(
                        names::UNKNOWN_NAME,
                        name.span,
                        format!("there is no {} `{}`", wanted.noun(), name.text()),
                    )
                    .suggest(&name.text(), known.iter().map(String::as_str));
                    let near = nearest(&name.text(), known.iter().map(String::as_str)).map(str::to_owned);
                    let diagnostic = match diagnostic.help {
                        Some(_) => diagnostic,
                        None => self.where_to_find(diagnostic, name, wanted),
                    };
                    self.diagnostics.push(diagnostic);
                    return near.map_or(Definition::Broken, |near| {
                        self.taken_for(&near, name.span, wanted)
                    });
                }
                Definition::Broken
            }
        }
    }

    /// What a slip of a type or kind is taken for: so the rest of the step, or what is given, is looked at as well.
    fn taken_for(&mut self, near: &str, span: Span, wanted: Wanted) -> Definition {
        match self.find_item(near, span) {
            Some(Definition::Item(id)) if matches!(wanted, Wanted::Type | Wanted::Kind) => {
                let item = self.resolved.item(id);
                // A type that would contain itself is no good guess.
                let within =
                    item.span.source == span.source && (item.span.start..item.span.end).contains(&span.start);
                match wanted.fits(item) && !within {
                    true => Definition::Item(id),
                    false => Definition::Broken,
                }
            }
            _ => Definition::Broken,
        }
    }

    /// A hint at a module that is read anyway and has the name.
    fn where_to_find(&mut self, diagnostic: Diagnostic, name: &DottedName, wanted: Wanted) -> Diagnostic {
        let text = name.text();
        for (index, module) in self.resolved.modules.list.iter().enumerate() {
            let Some(id) = self.resolved.items[index].get(&text) else {
                continue;
            };
            let item = self.resolved.item(*id);
            if index != self.module && item.public && wanted.fits(item) {
                return diagnostic.help(format!(
                    "`{}` has it: `use {} {{ {text} }}`",
                    module.name, module.name
                ));
            }
        }
        let known = self.names_of(|item| wanted.fits(item));
        let known: Vec<&str> = known.iter().map(String::as_str).take(12).collect();
        match wanted {
            Wanted::Type | Wanted::Kind | Wanted::RoleOrWorkload if known.is_empty() => diagnostic
                .help("define it in this file, or take it from a module: `use std.linux { package, file }`"),
            _ if known.is_empty() => {
                diagnostic.help("define it in this file, or take it from a module with `use`")
            }
            _ => diagnostic.help(format!("this file knows {}", list_of(&known))),
        }
    }

    pub(super) fn find_in_module(&mut self, path: &str, last: &Name) -> Option<Definition> {
        let short = |name: &str| name.rsplit('.').next() == Some(path);
        let own = &self.tables[self.module].modules;
        let home = self.resolved.modules.of_source(last.span.source);
        let home = home.map_or(&[][..], |home| &self.tables[home].modules);
        let (module, _) = own
            .iter()
            .chain(home)
            .find(|(_, name)| name == path || short(name))?
            .clone();
        let id = *self.resolved.items[module].get(&last.text)?;
        if !self.resolved.item(id).public {
            let module = &self.resolved.modules.list[module].name;
            let message = format!("`{}` is private to `{module}`", last.text);
            self.diagnostics
                .push(Diagnostic::error(names::PRIVATE, last.span, message));
            return Some(Definition::Broken);
        }
        Some(Definition::Item(id))
    }

    /// An item by its name in this file; marks an import as used. In what a patch puts in, what this file does not
    /// know has its meaning where the patch stands.
    pub(super) fn find_item(&mut self, name: &str, span: Span) -> Option<Definition> {
        let here = self.find_item_of(self.module, name);
        let there = self.home(span).and_then(|home| self.find_item_of(home, name));
        match (here, there) {
            (Some(here), Some(there))
                if here != there && here != Definition::Broken && there != Definition::Broken =>
            {
                let place = |definition: Definition| match definition {
                    Definition::Item(id) => self.resolved.item_name(id).map(|n| n.span),
                    _ => None,
                };
                self.two_meanings(name, span, [place(here), place(there)]);
                Some(Definition::Broken)
            }
            (Some(found), _) | (None, Some(found)) => Some(found),
            (None, None) => self.resolved.prelude_item(name).map(Definition::Item),
        }
    }

    /// The module whose patch put the text at `span` in here, if one did.
    pub(super) fn home(&self, span: Span) -> Option<usize> {
        match self.resolved.modules.list[self.module].source == span.source {
            true => None,
            false => self.resolved.modules.of_source(span.source),
        }
    }

    fn find_item_of(&mut self, module: usize, name: &str) -> Option<Definition> {
        if let Some(id) = self.resolved.items[module].get(name) {
            return Some(Definition::Item(*id));
        }
        let import = self.tables[module].imports.get_mut(name)?;
        import.used = true;
        Some(import.definition)
    }

    fn two_meanings(&mut self, name: &str, span: Span, places: [Option<Span>; 2]) {
        let message = format!("`{name}` means two things here");
        let mut diagnostic = Diagnostic::error(names::AMBIGUOUS_NAME, span, message);
        let said = ["in the patched module", "where the patch stands"];
        for (place, said) in places.into_iter().zip(said) {
            if let Some(place) = place {
                diagnostic = diagnostic.label(place, format!("what it means {said}"));
            }
        }
        self.diagnostics.push(
            diagnostic.help("give it another name where the patch stands: an import by `name as other`"),
        );
    }

    fn find_value(&mut self, name: &Name) -> Option<Definition> {
        if let Some(local) = self.locals.iter().rev().find(|l| l.name == name.text) {
            if local.twice {
                return Some(Definition::Broken);
            }
            let span = local.span;
            let other = self
                .home(name.span)
                .and_then(|home| self.outer_value(home, &name.text));
            if let Some((_, other)) = other.filter(|_| span.source != name.span.source) {
                self.two_meanings(&name.text, name.span, [Some(span), Some(other)]);
                return Some(Definition::Broken);
            }
            return Some(Definition::Local(span));
        }
        match self.find_item(&name.text, name.span) {
            Some(Definition::Item(id)) => {
                if is_value(self.resolved.item(id)) {
                    return Some(Definition::Item(id));
                }
                // A word of the same name is no value; something else may still be.
                if !self.declared.iter().any(|d| d.name == name.text) {
                    return Some(self.not_a_value(name, id));
                }
            }
            Some(definition) => return Some(definition),
            None => {}
        }
        match Builtin::find(&name.text)? {
            Builtin::Node if !self.in_role => None,
            // Its declaration could not be read, which has been reported.
            Builtin::Known(_) if self.forgiving(&name.text) => None,
            builtin => Some(Definition::Builtin(builtin)),
        }
    }

    fn not_a_value(&mut self, name: &Name, id: ItemId) -> Definition {
        let item = self.resolved.item(id);
        let message = format!("`{}` is {}, not a value", name.text, noun(item));
        let mut diagnostic = Diagnostic::error(names::WRONG_THING, name.span, message);
        if let Some(at) = super::name_of(item) {
            diagnostic = diagnostic.label(at.span, "defined here");
        }
        if matches!(item.kind, ItemKind::Fn { .. }) {
            diagnostic = diagnostic.help(format!("call it: `{}(…)`", name.text));
        }
        let backend = BlockWord::Backend;
        if matches!(item.kind, ItemKind::Block { word, .. } if word == backend)
            && let Some(help) = foreign::value(&name.text)
        {
            diagnostic = diagnostic.help(help);
        }
        self.diagnostics.push(diagnostic);
        Definition::Broken
    }

    fn report_unknown_value(&mut self, name: &Name) {
        if self.misplaced.contains(&name.text) {
            return;
        }
        if let Some(declared) = self.declared.iter().find(|d| d.name == name.text).cloned() {
            let same = declared.span.source == name.span.source;
            let diagnostic = if declared.span.start > name.span.start || !same {
                Diagnostic::error(order::FORWARD_REFERENCE, name.span, format!("`{}` is used above the place where it is written", name.text))
                    .here("used here")
                    .label(declared.span, format!("this {} is written later", declared.noun))
                    .help("the written order is the order of work: move the one that is used above the one that uses it")
            } else {
                Diagnostic::error(
                    names::UNKNOWN_NAME,
                    name.span,
                    format!("`{}` is not known here", name.text),
                )
                .label(declared.span, "it is known only inside of its block")
                .help("whether it is there depends on what encloses it: use it in the same block")
            };
            return self.diagnostics.push(diagnostic);
        }
        if self.forgiving(&name.text) {
            return;
        }
        let removed = &self.resolved.modules.removed;
        if let Some((_, _, by)) = removed
            .iter()
            .find(|(m, n, _)| *m == self.module && *n == name.text)
        {
            let message = format!("there is no `{}` here any more", name.text);
            let diagnostic = Diagnostic::error(names::UNKNOWN_NAME, name.span, message);
            return self.diagnostics.push(
                diagnostic
                    .label(*by, "this patch takes it away")
                    .help("change what uses it as well: `replace`, `remove` or `set`"),
            );
        }
        if name.text == "node" {
            let message = "`node` is known only in a role";
            let diagnostic = Diagnostic::error(names::UNKNOWN_NAME, name.span, message);
            return self.diagnostics.push(
                diagnostic.help(
                    "a workload speaks of groups: `web.address` has the addresses of the nodes of `web`",
                ),
            );
        }
        let room = self.diagnostics.look_through(self.locals.len());
        let mut known: Vec<String> = self.locals.iter().take(room).map(|l| l.name.clone()).collect();
        known.extend(self.names_of(is_value));
        if self.in_role {
            known.push("node".to_owned());
        }
        let message = format!("there is no `{}` here", name.text);
        let diagnostic = Diagnostic::error(names::UNKNOWN_NAME, name.span, message)
            .suggest(&name.text, known.iter().map(String::as_str));
        let locals: Vec<&str> = self.locals.iter().map(|l| l.name.as_str()).take(room).collect();
        if matches!(name.text.as_str(), "yes" | "no" | "on" | "off") {
            return self
                .diagnostics
                .push(diagnostic.help("the values of `Bool` are `true` and `false`"));
        }
        let foreign = foreign::value(&name.text);
        let diagnostic = match (&diagnostic.help, foreign, locals.is_empty()) {
            (None, Some(help), true) => diagnostic.help(help),
            (None, Some(help), false) => diagnostic.help(format!("{help}; known here: {}", list_of(&locals))),
            (None, None, false) => diagnostic.help(format!("known here: {}", list_of(&locals))),
            _ => diagnostic,
        };
        self.diagnostics.push(diagnostic);
    }

    /// Names of items in reach that pass `filter`; none when enough has been looked through.
    fn names_of(&mut self, filter: impl Fn(&Item) -> bool) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let own = self.resolved.items[self.module].iter().map(|(n, id)| (n, *id));
        let imported = self.tables[self.module]
            .imports
            .iter()
            .filter_map(|(n, i)| match i.definition {
                Definition::Item(id) => Some((n, id)),
                _ => None,
            });
        let prelude = self.resolved.modules.find(super::super::modules::PRELUDE);
        let count = self.resolved.items[self.module].len() + self.tables[self.module].imports.len();
        if self.diagnostics.look_through(count) < count {
            return all;
        }
        let everywhere = prelude
            .into_iter()
            .flat_map(|m| self.resolved.items[m].iter().map(|(n, id)| (n, *id)));
        for (name, id) in own.chain(imported).chain(everywhere) {
            if filter(self.resolved.item(id)) {
                all.push(name.clone());
            }
        }
        all
    }

    /// Whether an unknown name may be the fault of something that has been reported already.
    fn forgiving(&self, name: &str) -> bool {
        self.tables[self.module].lenient || self.resolved.modules.list[self.module].unread.contains(name)
    }
}

/// With its article.
fn article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

fn begins_with_capital(name: &Name) -> bool {
    name.text.starts_with(|c: char| c.is_uppercase())
}
