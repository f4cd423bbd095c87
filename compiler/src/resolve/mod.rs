//! From modules to names: every name has a definition, or a diagnostic says why not.

pub(crate) mod alone;
mod dump;
mod given;
mod imports;
mod known;
mod modules;
pub(crate) mod outline;
mod packages;
mod parsed;
mod patches;
mod placement;
mod scopes;

pub use dump::dump;
pub(crate) use given::read as read_given;
pub use given::{Given, GivenArgument, GivenArguments, GivenValue, Origin};
pub(crate) use imports::{find_cycles, list_of};
pub use known::Known;
pub use modules::{Library, Module, Modules, load};
pub use packages::{Owner, Package, Packages};
pub(crate) use parsed::Parsed;
pub use parsed::Parses;
pub use patches::{Patched, apply_patches};
pub(crate) use scopes::interfaces::as_path;
pub(crate) use scopes::{bindings, parts, policy_names, split_part};

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::diagnostics::Diagnostics;
use crate::source::Span;
use crate::syntax::ast;

/// One top-level item of one module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId {
    /// Index into [`Modules::list`].
    pub module: usize,
    /// Index into the module's items.
    pub item: usize,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definition {
    /// An item.
    Item(ItemId),
    /// A parameter, `let`, step, group, run or variable: the place of its name.
    Local(Span),
    /// Something that the language itself has.
    Builtin(Builtin),
    /// Nothing, and that has been reported.
    Broken,
}

/// Values and functions that the language itself has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builtin {
    /// `node` in a role: the node it runs on.
    Node,
    /// `len(list)`
    Len,
    /// `template("file", record)`
    Template,
    /// `join(list, separator)`
    Join,
    /// `import("rack1.json")`
    Import,
    /// `outputs(database)`
    Outputs,
    /// `secret("name")`
    Secret,
    /// `generated("name", length = 32)`
    Generated,
    /// `sort(list)` and the like
    Known(Known),
}

impl Builtin {
    /// The builtin called `name`.
    pub(crate) fn find(name: &str) -> Option<Builtin> {
        Builtin::ALL
            .into_iter()
            .find(|(text, _)| *text == name)
            .map(|(_, builtin)| builtin)
            .or_else(|| Known::find(name).map(Builtin::Known))
    }

    /// Whether it is a value, so that no other value can have its name.
    pub(crate) fn is_value(name: &str) -> bool {
        name == "node"
    }

    /// The function of this name that no other function can have.
    pub(crate) fn function(name: &str) -> Option<Builtin> {
        let mut all = Builtin::ALL.into_iter();
        let found = all.find(|(text, _)| *text == name && !Builtin::is_value(name));
        found.map(|(_, builtin)| builtin)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        if let Builtin::Known(known) = self {
            return known.usage().0;
        }
        let mut all = Builtin::ALL.into_iter();
        all.find(|(_, builtin)| *builtin == self)
            .map_or("", |(name, _)| name)
    }

    /// All of them with their names.
    pub(crate) const ALL: [(&'static str, Builtin); 8] = [
        ("node", Builtin::Node),
        ("len", Builtin::Len),
        ("template", Builtin::Template),
        ("join", Builtin::Join),
        ("import", Builtin::Import),
        ("outputs", Builtin::Outputs),
        ("secret", Builtin::Secret),
        ("generated", Builtin::Generated),
    ];
}

/// All modules, and what each name in them stands for.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// The modules.
    pub modules: Arc<Modules>,
    /// By the place where a name is used. Members and fields are not names in this sense, and a name that
    /// begins with a capital and is no item may be a variant; both wait for [`crate::check`].
    pub references: HashMap<Span, Definition>,
    /// By module: names of its own items.
    pub items: Arc<Vec<BTreeMap<String, ItemId>>>,
}

impl Resolved {
    /// The names of all items, before any other name has a meaning.
    fn of(modules: Arc<Modules>) -> Resolved {
        Resolved {
            items: Arc::new(imports::all_items(&modules)),
            modules,
            references: HashMap::new(),
        }
    }

    /// The item behind an id.
    pub fn item(&self, id: ItemId) -> &ast::Item {
        &self.modules.list[id.module].ast.items[id.item]
    }

    /// The name of an item and the place where it is written, if it has one.
    pub fn item_name(&self, id: ItemId) -> Option<&ast::Name> {
        name_of(self.item(id))
    }

    /// The module's name and the item's name: `std.haproxy.balancer`, and just `web_page` for `main`.
    pub fn qualified_name(&self, id: ItemId) -> String {
        let name = self.item_name(id).map_or("", |n| n.text.as_str());
        match self.modules.list[id.module].name.as_str() {
            "main" => name.to_owned(),
            module => format!("{module}.{name}"),
        }
    }

    /// All items in the order of modules and text.
    pub fn ids(&self) -> impl Iterator<Item = ItemId> + '_ {
        self.modules
            .list
            .iter()
            .enumerate()
            .flat_map(|(module, m)| (0..m.ast.items.len()).map(move |item| ItemId { module, item }))
    }

    /// An item of the prelude by name.
    pub(crate) fn prelude_item(&self, name: &str) -> Option<ItemId> {
        let module = self.modules.find(modules::PRELUDE)?;
        self.items.get(module)?.get(name).copied()
    }
}

/// The name that an item gives to something.
pub(crate) fn name_of(item: &ast::Item) -> Option<&ast::Name> {
    match &item.kind {
        ast::ItemKind::Type { name, .. }
        | ast::ItemKind::Enum { name, .. }
        | ast::ItemKind::Let { name, .. }
        | ast::ItemKind::Fn { name, .. }
        | ast::ItemKind::Block { name, .. }
        | ast::ItemKind::Function { name, .. }
        | ast::ItemKind::Interface { name, .. } => Some(name),
        ast::ItemKind::Deploy(deploy) => Some(&deploy.name),
        ast::ItemKind::Use { .. }
        | ast::ItemKind::Patch(_)
        | ast::ItemKind::Moved { .. }
        | ast::ItemKind::Test { .. }
        | ast::ItemKind::Error => None,
    }
}

/// What an item is, with its article: "a network".
pub(crate) fn noun(item: &ast::Item) -> &'static str {
    use ast::{BlockWord, FunctionWord, ItemKind};
    match &item.kind {
        ItemKind::Use { .. } => "an import",
        ItemKind::Type { .. } => "a type",
        ItemKind::Enum { .. } => "an enum",
        ItemKind::Let { .. } => "a value",
        ItemKind::Fn { .. } => "a function",
        ItemKind::Block { word, .. } => match word {
            BlockWord::Network => "a network",
            BlockWord::Hardware => "a hardware",
            BlockWord::Image => "an image",
            BlockWord::Kind => "a kind of step",
            BlockWord::Backend => "a backend",
            BlockWord::Site => "a site",
        },
        ItemKind::Function { word, .. } => match word {
            FunctionWord::Role => "a role",
            FunctionWord::Workload => "a workload",
        },
        ItemKind::Interface { .. } => "an interface",
        ItemKind::Deploy(_) => "a deploy",
        ItemKind::Patch(_) => "a patch",
        ItemKind::Moved { .. } => "a move",
        ItemKind::Test { word, .. } => match word {
            ast::TestWord::Test => "a test",
            ast::TestWord::Policy => "a policy",
        },
        ItemKind::Error => "something unreadable",
    }
}

/// Whether an item is a value, which can stand in an expression.
pub(crate) fn is_value(item: &ast::Item) -> bool {
    use ast::BlockWord;
    match &item.kind {
        ast::ItemKind::Let { .. } => true,
        ast::ItemKind::Block { word, .. } => {
            matches!(word, BlockWord::Network | BlockWord::Hardware | BlockWord::Image)
        }
        _ => false,
    }
}

/// Gives every name its definition.
pub fn resolve(modules: Modules, diagnostics: &mut Diagnostics) -> Resolved {
    find_cycles(&modules, diagnostics);
    let mut resolved = Resolved::of(Arc::new(modules));
    let all = 0..resolved.modules.list.len();
    let mut tables: Vec<_> = all
        .map(|module| imports::table(&resolved, module, diagnostics))
        .collect();
    resolved.references = scopes::resolve_bodies(&resolved, &mut tables, diagnostics);
    for (module, table) in resolved.modules.list.iter().zip(&tables) {
        imports::report_unused(module, table, diagnostics);
    }
    resolved
}
