//! The abstract syntax of patches; part of [`super::ast`].

use super::ast::{Block, DottedName, Name};
use crate::source::Span;

/// Changes of items of another package.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// The package, or one module of it.
    pub module: DottedName,
    /// For which version it was written; `None` where that is missing, which is told.
    pub version: Option<PatchVersion>,
    /// Items, each with its changes: `role osd { … }`.
    pub block: Block,
}

/// The version behind the `@` of a patch, as written: `1.2` is meant for `1.2.0` and `1.2.7` alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchVersion {
    /// Its numbers.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// One change of a patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What is done.
    pub verb: Verb,
    /// Where its word stands.
    pub verb_span: Span,
    /// At which statement; of `set`, `None` is the item itself.
    pub anchor: Option<Anchor>,
    /// What is put there.
    pub block: Block,
}

/// A statement of a patched item, by its word and name: `service osd`, `run pages`.
#[derive(Debug, Clone, PartialEq)]
pub struct Anchor {
    /// Its word.
    pub word: DottedName,
    /// Its name.
    pub name: Name,
    /// Both.
    pub span: Span,
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Puts statements before the anchor.
    Before,
    /// Puts statements after it.
    After,
    /// Puts statements in its place.
    Replace,
    /// Takes it away.
    Remove,
    /// Gives fields of it.
    Set,
}

impl Verb {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Before => "before",
            Verb::After => "after",
            Verb::Replace => "replace",
            Verb::Remove => "remove",
            Verb::Set => "set",
        }
    }
}
