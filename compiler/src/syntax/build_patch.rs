//! From the pairs of pest to the AST: patches and the changes in them.

use pest::iterators::Pair;

use super::ast::{Anchor, Block, Change, Patch, PatchVersion, Verb};
use super::build::{Builder, parts};
use super::grammar::Rule;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::syntax as codes;
use crate::source::Span;

impl Builder<'_> {
    /// `patch ceph@1.2 { … }` behind its word.
    pub(super) fn patch<'i>(&self, parts: impl Iterator<Item = Pair<'i, Rule>>) -> Option<Patch> {
        let mut parts = parts.peekable();
        let module = self.dotted(parts.next()?);
        let version = parts
            .next_if(|p| p.as_rule() == Rule::number)
            .map(|pair| PatchVersion {
                text: pair.as_str().trim_end().to_owned(),
                span: self.span(&pair),
            });
        if version.is_none() {
            let name = module.text();
            self.report(
                Diagnostic::error(
                    codes::PATCH_WITHOUT_VERSION,
                    module.span,
                    format!("this patch does not say for which version of `{name}` it was written"),
                )
                .help(format!(
                    "write the version behind the name: `patch {name}@1.2 {{ … }}`"
                )),
            );
        }
        Some(Patch {
            module,
            version,
            block: self.block(parts.next()?),
        })
    }

    /// `before service osd { … }`
    pub(super) fn change(&self, pair: Pair<'_, Rule>) -> Option<Change> {
        let span = self.span(&pair);
        let mut parts = parts(pair);
        let word = parts.next()?;
        let verb_span = self.span(&word);
        let verb = match word.as_str().trim_end() {
            "before" => Verb::Before,
            "after" => Verb::After,
            "replace" => Verb::Replace,
            "remove" => Verb::Remove,
            _ => Verb::Set,
        };
        let (mut anchor, mut block) = (None, None);
        for part in parts {
            match part.as_rule() {
                Rule::anchor => anchor = self.anchor(part),
                Rule::block => block = Some(self.block(part)),
                _ => {}
            }
        }
        if anchor.is_none() && verb != Verb::Set {
            let message = format!("`{}` does not say what it stands at", verb.word());
            self.report(
                Diagnostic::error(codes::CHANGE_WITHOUT_ANCHOR, verb_span, message).help(format!(
                    "name a statement of the item: `{} service web`",
                    verb.word()
                )),
            );
        }
        match &block {
            Some(block) if verb == Verb::Remove => {
                self.report(
                    Diagnostic::error(
                        codes::CHANGE_BLOCK,
                        block.span,
                        "`remove` takes nothing in braces",
                    )
                    .help("to put something in its place, write `replace`"),
                );
            }
            None if verb != Verb::Remove => {
                let message = format!("`{}` lacks its braces", verb.word());
                self.report(
                    Diagnostic::error(codes::CHANGE_BLOCK, span, message)
                        .help("write in braces what is put there, with the opening one on the same line"),
                );
            }
            _ => {}
        }
        Some(Change {
            verb,
            verb_span,
            anchor,
            block: block.unwrap_or(Block {
                statements: Vec::new(),
                span: Span {
                    start: span.end,
                    ..span
                },
            }),
        })
    }

    fn anchor(&self, pair: Pair<'_, Rule>) -> Option<Anchor> {
        let span = self.span(&pair);
        let mut parts = parts(pair);
        Some(Anchor {
            word: self.dotted(parts.next()?),
            name: self.name(&parts.next()?),
            span,
        })
    }
}
