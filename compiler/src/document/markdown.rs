//! Pages as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Page, Table};

/// One page. Names of types that one of `all` defines are links to it.
pub fn markdown(page: &Page, all: &[Page]) -> String {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for other in all.iter().chain([page]) {
        for entry in &other.entries {
            known.insert(&entry.name, &other.module);
        }
    }
    let mut text = format!("# {}\n\n", page.module);
    if !page.docs.is_empty() {
        let _ = writeln!(text, "{}\n", page.docs);
    }
    for entry in &page.entries {
        let (noun, name) = (&entry.noun, &entry.name);
        let _ = writeln!(text, "- [{noun} `{name}`](#{})", anchor(noun, name));
    }
    for entry in &page.entries {
        let _ = writeln!(text, "\n## {} {}\n", entry.noun, entry.name);
        let fence = fence(&entry.signature);
        let _ = writeln!(text, "{fence}rebar\n{}\n{fence}\n", entry.signature);
        if !entry.docs.is_empty() {
            let _ = writeln!(text, "{}\n", entry.docs);
        }
        for table in &entry.tables {
            write_table(&mut text, table, &known, page);
        }
    }
    text
}

fn write_table(text: &mut String, table: &Table, known: &BTreeMap<&str, &str>, page: &Page) {
    let _ = writeln!(text, "### {}\n", table.title);
    let _ = writeln!(text, "| {} |", table.columns.join(" | "));
    let _ = writeln!(text, "|{}", "---|".repeat(table.columns.len()));
    for row in &table.rows {
        text.push('|');
        for (index, cell) in row.iter().enumerate() {
            let shown = match (index + 1 == row.len(), cell.is_empty()) {
                (_, true) => String::new(),
                (true, _) => cell.replace('|', "\\|").replace('\n', " "),
                (false, _) => code(cell, known, page),
            };
            let _ = write!(text, " {shown} |");
        }
        text.push('\n');
    }
    text.push('\n');
}

/// A piece of a spec in a cell; one that names what a page defines is a link.
fn code(cell: &str, known: &BTreeMap<&str, &str>, page: &Page) -> String {
    let line = cell.replace('\n', " ").replace('|', "\\|");
    let ticks = if line.contains('`') { "``" } else { "`" };
    let shown = format!("{ticks}{line}{ticks}");
    let word = cell
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .find(|word| known.contains_key(word));
    match word.and_then(|word| Some((word, *known.get(word)?))) {
        Some((_, module)) if module == page.module => shown,
        Some((_, module)) => format!("[{shown}]({module}.md)"),
        None => shown,
    }
}

/// The place of an item in its page, as Markdown viewers call it.
pub(super) fn anchor(noun: &str, name: &str) -> String {
    format!("{noun} {name}").to_lowercase().replace(' ', "-")
}

/// Ticks that do not stand in the text.
fn fence(text: &str) -> String {
    let mut ticks = "```".to_owned();
    while text.contains(&ticks) {
        ticks.push('`');
    }
    ticks
}
