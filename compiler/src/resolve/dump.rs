//! `--emit names`: each item, and each use of a name with what it stands for.

use std::fmt::Write as _;

use super::{Definition, Resolved, name_of, noun};
use crate::source::Sources;

/// Stable text for people and baselines. Modules of the library are left out.
pub fn dump(resolved: &Resolved, sources: &Sources) -> String {
    let mut text = String::new();
    for module in resolved
        .modules
        .list
        .iter()
        .filter(|m| m.owner != super::Owner::Std)
    {
        let _ = writeln!(text, "module {}", module.name);
        for item in &module.ast.items {
            if let Some(name) = name_of(item) {
                let public = if item.public { "pub " } else { "" };
                let _ = writeln!(text, "  {public}{} is {}", name.text, noun(item));
            }
        }
        let mut uses: Vec<_> = resolved
            .references
            .iter()
            .filter(|(s, _)| s.source == module.source)
            .collect();
        uses.sort_by_key(|(span, _)| **span);
        for (span, definition) in uses {
            let (line, column) = sources.position(*span);
            let _ = writeln!(
                text,
                "  {line}:{column} {} -> {}",
                sources.slice(*span),
                describe(resolved, sources, definition)
            );
        }
    }
    text
}

fn describe(resolved: &Resolved, sources: &Sources, definition: &Definition) -> String {
    match definition {
        Definition::Item(id) => format!("{} {}", noun(resolved.item(*id)), resolved.qualified_name(*id)),
        Definition::Local(span) => {
            let (line, column) = sources.position(*span);
            format!("{line}:{column}")
        }
        Definition::Builtin(builtin) => {
            format!("the language's {}", builtin.name())
        }
        Definition::Broken => "unknown".to_owned(),
    }
}
