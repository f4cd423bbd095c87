//! Beside the road: documentation of modules, from their `///` lines and what is written below them.

mod html;
mod markdown;

pub use html::html;
pub use markdown::markdown;

use crate::check::Typed;
use crate::resolve::Module;
use crate::source::Sources;
use crate::syntax::ast::{Block, FunctionWord, Item, ItemKind, Parameter, Statement, StatementKind};
use crate::syntax::{self, TokenKind};

/// The page of one module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The module's name.
    pub module: String,
    /// What its first `///` lines say, where a blank line parts them from the first item.
    pub docs: String,
    /// Its items in written order.
    pub entries: Vec<Entry>,
}

/// One item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is: `role`.
    pub noun: String,
    /// How it begins, as it is written.
    pub signature: String,
    /// Its `///` lines.
    pub docs: String,
    /// What it takes, gives and is made of.
    pub tables: Vec<Table>,
}

/// A table of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// What it lists: `Parameters`.
    pub title: &'static str,
    /// The heads of its columns; the first is that of names.
    pub columns: Vec<&'static str>,
    /// Its rows; the last cell of each is text, the others are pieces of a spec.
    pub rows: Vec<Vec<String>>,
}

/// The pages of modules that `wanted` takes. Private items stand only in the page of `main`, which is nobody's library.
pub fn pages(typed: &Typed, sources: &Sources, wanted: impl Fn(&str) -> bool) -> Vec<Page> {
    let modules = typed.resolved.modules.list.iter();
    modules
        .filter(|module| wanted(&module.name))
        .map(|module| page(module, sources))
        .collect()
}

fn page(module: &Module, sources: &Sources) -> Page {
    let shown = module
        .ast
        .items
        .iter()
        .filter(|item| item.public || module.name == "main");
    Page {
        module: module.name.clone(),
        docs: docs_of_file(module, sources),
        entries: shown.filter_map(|item| entry(item, sources)).collect(),
    }
}

/// The `///` lines at the top of a file that speak of no item.
fn docs_of_file(module: &Module, sources: &Sources) -> String {
    let tree = syntax::parse(sources, module.source, &mut crate::Diagnostics::default()).tree;
    let (mut lines, mut newlines) = (Vec::new(), 0);
    for token in tree.tokens() {
        match token.kind {
            TokenKind::DocComment if newlines < 2 || lines.is_empty() => {
                let line = token.text(tree.text()).trim_start_matches('/').trim_end();
                lines.push(line.strip_prefix(' ').unwrap_or(line).to_owned());
                newlines = 0;
            }
            TokenKind::Newline => newlines += 1,
            TokenKind::Space | TokenKind::LineComment | TokenKind::BlockComment => {}
            _ => break,
        }
    }
    // Directly above the first item they are that item's.
    match newlines >= 2 {
        true => lines.join("\n"),
        false => String::new(),
    }
}

fn entry(item: &Item, sources: &Sources) -> Option<Entry> {
    let name = crate::resolve::name_of(item)?.text.clone();
    let noun = crate::resolve::noun(item);
    let (_, noun) = noun.split_once(' ').unwrap_or(("", noun));
    let whole = sources.slice(item.span);
    let (head, tables) = match &item.kind {
        ItemKind::Function {
            word,
            parameters,
            block,
            ..
        } => {
            let mut tables = vec![of_parameters(
                "Parameters",
                parameters.iter().map(|p| (p, "")),
                sources,
            )];
            tables.extend(of_body(*word, block, sources));
            (head(item, block, sources), tables)
        }
        ItemKind::Block { block, .. } => {
            let declared = block.statements.iter().filter_map(|s| match &s.kind {
                StatementKind::Declaration { parameter, .. } => Some((parameter, s.docs.as_str())),
                _ => None,
            });
            let fields = of_parameters("Fields", declared, sources);
            let head = match fields.rows.is_empty() {
                true => whole.to_owned(),
                false => head(item, block, sources),
            };
            (head, vec![fields, outputs(block, sources)])
        }
        _ => (whole.to_owned(), Vec::new()),
    };
    Some(Entry {
        name,
        noun: noun.to_owned(),
        signature: head,
        docs: item.docs.clone(),
        tables: tables.into_iter().filter(|t| !t.rows.is_empty()).collect(),
    })
}

/// An item up to its block.
fn head(item: &Item, block: &Block, sources: &Sources) -> String {
    let end = block.span.start.saturating_sub(item.span.start) as usize;
    let whole = sources.slice(item.span);
    whole.get(..end).unwrap_or(whole).trim_end().to_owned()
}

fn of_parameters<'a>(
    title: &'static str,
    parameters: impl Iterator<Item = (&'a Parameter, &'a str)>,
    sources: &Sources,
) -> Table {
    let row = |(p, docs): (&Parameter, &str)| {
        let default = p.default.as_ref().map(|d| sources.slice(d.span).to_owned());
        vec![
            p.name.text.clone(),
            format!(
                "{}{}",
                if p.known { "known " } else { "" },
                sources.slice(p.ty.span)
            ),
            default.unwrap_or_default(),
            docs.to_owned(),
        ]
    };
    Table {
        title,
        columns: vec!["name", "type", "default", ""],
        rows: parameters.map(row).collect(),
    }
}

fn outputs(block: &Block, sources: &Sources) -> Table {
    let row = |s: &Statement| match &s.kind {
        StatementKind::Out { name, ty, .. } => Some(vec![
            name.text.clone(),
            sources.slice(ty.span).to_owned(),
            s.docs.clone(),
        ]),
        _ => None,
    };
    Table {
        title: "Outputs",
        columns: vec!["name", "type", ""],
        rows: block.statements.iter().filter_map(row).collect(),
    }
}

/// What a role does, or what a workload is made of.
fn of_body(word: FunctionWord, block: &Block, sources: &Sources) -> Vec<Table> {
    let mut parts = Vec::new();
    rows_of_body(block, &mut parts);
    let title = match word {
        FunctionWord::Role => "Steps",
        FunctionWord::Workload => "Groups and runs",
    };
    let parts = Table {
        title,
        columns: vec!["name", "what", ""],
        rows: parts,
    };
    vec![outputs(block, sources), parts]
}

fn rows_of_body(block: &Block, rows: &mut Vec<Vec<String>>) {
    for statement in &block.statements {
        let row = |name: &str, what: String| vec![name.to_owned(), what, statement.docs.clone()];
        match &statement.kind {
            StatementKind::Named { word, name, .. } => rows.push(row(&name.text, word.text())),
            StatementKind::Nodes { many, name, .. } => {
                let what = if *many { "nodes" } else { "node" };
                rows.push(row(&name.text, what.to_owned()));
            }
            StatementKind::Run { name, role, .. } => rows.push(row(&name.text, role.text())),
            StatementKind::If { .. } | StatementKind::OnLeave { .. } => {
                for inner in syntax::walk::blocks(statement) {
                    rows_of_body(inner, rows);
                }
            }
            _ => {}
        }
    }
}
