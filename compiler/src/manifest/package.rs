//! `[package]`: name, version and description.

use super::{Table, Text};
use crate::diagnostics::codes::project;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::RESERVED_WORDS;

/// What a package is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Its name: that of its modules for others.
    pub name: Option<Text>,
    /// Its version: numbers with points.
    pub version: Option<Text>,
    /// A line for people.
    pub description: Option<Text>,
}

/// Names that belong to the language: `use std.linux`, `use main`.
const TAKEN: [&str; 2] = ["std", "main"];

/// Longer names are refused: they become names of folders.
const LONGEST_NAME: usize = 64;

pub(super) fn read(section: &Table<'_>, diagnostics: &mut Diagnostics) -> About {
    section.only(&["name", "version", "description"], diagnostics);
    let name = section.required_text("name", diagnostics);
    let version = section.required_text("version", diagnostics);
    About {
        name: name.filter(|name| is_usable(name, diagnostics)),
        version: version.filter(|version| is_version(version, diagnostics)),
        description: section.text("description", diagnostics),
    }
}

/// Whether packages can have this name; told when not.
pub(super) fn is_usable(name: &Text, diagnostics: &mut Diagnostics) -> bool {
    let text = &name.text;
    let problem = if TAKEN.contains(&text.as_str()) {
        "this name belongs to the language"
    } else if !text.starts_with(|c: char| c.is_ascii_lowercase())
        || !text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    {
        "it begins with a small letter; small letters, digits and `_` follow"
    } else if text.len() > LONGEST_NAME {
        "it is longer than 64 letters"
    } else if RESERVED_WORDS.contains(&text.as_str()) {
        "this is a word of the language"
    } else {
        return true;
    };
    diagnostics.push(
        Diagnostic::error(
            project::MANIFEST_VALUE,
            name.span,
            format!("`{text}` is no name for a package"),
        )
        .here(problem)
        .help("choose another name: it stands before the names of its modules, as in `use ceph.osd { … }`"),
    );
    false
}

/// Whether this is a version; told when not.
pub(super) fn is_version(version: &Text, diagnostics: &mut Diagnostics) -> bool {
    let (numbers, rest) = version
        .text
        .split_at(version.text.find(['-', '+']).unwrap_or(version.text.len()));
    let parts: Vec<&str> = numbers.split('.').collect();
    let number =
        |part: &&str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-+._".contains(&b);
    if parts.len() <= 3 && parts.iter().all(number) && rest.len() <= 64 && rest.bytes().all(plain) {
        return true;
    }
    diagnostics.push(
        Diagnostic::error(
            project::MANIFEST_VALUE,
            version.span,
            format!("`{}` is no version", version.text),
        )
        .help("write up to three numbers with points, such as `1.2.0`"),
    );
    false
}
