//! Diagnostics: everything that the compiler has to say to a person.
//!
//! Style: lower case, no full stop, user input in backticks, a span whenever possible, a second label
//! wherever two places disagree, and the nearest name where a name is unknown. No message speaks of
//! grammar rules or of Rust types.

pub mod codes;
mod fix;
pub(crate) mod foreign;
mod nearest;
mod render;
mod render_github;
mod render_json;
mod render_sarif;

pub use fix::{Applicability, Fix, Mended, Mending, mend};
pub use nearest::nearest;
pub use render::{one_line, render_human, summary};
pub use render_github::render_github;
pub use render_json::{JSON_LIMIT, render_json};
pub use render_sarif::{Tool, render_sarif};

use std::collections::HashMap;

use crate::source::{SourceId, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing can be planned.
    Error,
    /// It works, but is probably not meant.
    Warning,
}

/// A stable code such as `E0201`; each has a page under `docs/errors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

/// A place and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is to be said about it; may be empty for the primary label.
    pub text: String,
}

/// One problem, told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Places; the first is the primary one. Empty only for problems that have no place in the text.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
    /// Changes of the text that mend it, the best one first.
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    /// An error of `code` at `span`.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: vec![Label {
                span,
                text: String::new(),
            }],
            help: None,
            fixes: Vec::new(),
        }
    }

    /// A warning of `code` at `span`.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(code, span, message)
        }
    }

    /// An error that has no place in the text, such as an unknown deploy on the command line.
    pub fn without_place(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            help: None,
            fixes: Vec::new(),
        }
    }

    /// Says something at the primary place.
    #[must_use]
    pub fn here(mut self, text: impl Into<String>) -> Self {
        if let Some(first) = self.labels.first_mut() {
            first.text = text.into();
        }
        self
    }

    /// Adds a further place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Adds `did you mean …` and its fix when one of `candidates` is near to `wrong`.
    #[must_use]
    pub fn suggest<'a>(mut self, wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(name) = nearest(wrong, candidates) {
            if self.help.is_none() {
                self.help = Some(format!("did you mean `{name}`?"));
            }
            if let Some(first) = self.labels.first() {
                let span = first.span;
                self.fixes
                    .push(Fix::likely(format!("write `{name}`")).edit(span, name));
            }
        }
        self
    }

    /// Adds a fix of one edit that is certainly what was meant; see [`Diagnostic::add_fix`] for others.
    #[must_use]
    pub fn fix(self, span: Span, replacement: impl Into<String>, title: impl Into<String>) -> Self {
        self.add_fix(Fix::sure(title).edit(span, replacement))
    }

    /// Adds a fix of one edit that is probably what was meant.
    #[must_use]
    pub fn likely_fix(self, span: Span, replacement: impl Into<String>, title: impl Into<String>) -> Self {
        self.add_fix(Fix::likely(title).edit(span, replacement))
    }

    /// All places that it speaks of.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        let edits = self.fixes.iter().flat_map(|fix| &fix.edits);
        self.labels
            .iter()
            .map(|l| l.span)
            .chain(edits.map(|(span, _)| *span))
    }

    /// Adds a fix; the first one added is shown first.
    #[must_use]
    pub fn add_fix(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }
}

/// Collects diagnostics over all stages.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// How many names have been looked through for suggestions.
    looked_through: usize,
    /// How many were found that are told elsewhere: see [`Diagnostics::leave_to_others`].
    left_to_others: usize,
}

/// Names that are looked through for suggestions in all: thousands of unknown names among thousands of known ones
/// would take minutes, and nobody reads the thousandth suggestion.
pub(crate) const MAX_LOOKED_THROUGH: usize = 500_000;

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// How many of `count` more names may be looked through for a suggestion: all or none.
    pub fn look_through(&mut self, count: usize) -> usize {
        self.looked_through = self.looked_through.saturating_add(count);
        if self.looked_through <= MAX_LOOKED_THROUGH {
            count
        } else {
            0
        }
    }

    /// Gives files other ids.
    pub(crate) fn moved(&mut self, ids: &HashMap<SourceId, SourceId>) {
        for diagnostic in &mut self.list {
            let edits = diagnostic.fixes.iter_mut().flat_map(|fix| &mut fix.edits);
            let spans = diagnostic.labels.iter_mut().map(|l| &mut l.span);
            for span in spans.chain(edits.map(|(span, _)| span)) {
                span.source = ids.get(&span.source).copied().unwrap_or(span.source);
            }
        }
    }

    /// Counts one that is told where its own module is looked at.
    pub(crate) fn leave_to_others(&mut self) {
        self.left_to_others += 1;
    }

    /// How many names have been looked through for suggestions.
    pub(crate) fn looked_through(&self) -> usize {
        self.looked_through
    }

    /// Whether anything stands in the way of a plan.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// Leaves warnings out: where there are errors they are mostly consequences, such as an import that only the
    /// misspelt line used.
    pub fn keep_errors(&mut self) {
        self.list
            .retain(|diagnostic| diagnostic.severity == Severity::Error);
    }

    /// All, as they came.
    pub(crate) fn into_list(self) -> Vec<Diagnostic> {
        self.list
    }

    /// How many have been found.
    pub fn len(&self) -> usize {
        self.list.len() + self.left_to_others
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All, sorted by file and place (those without a place first), each once.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<&Diagnostic> = self.list.iter().collect();
        all.sort_by(|a, b| {
            let place = |d: &Diagnostic| d.labels.first().map(|l| l.span);
            place(a)
                .cmp(&place(b))
                .then_with(|| a.code.cmp(&b.code))
                .then_with(|| a.message.cmp(&b.message))
        });
        all.dedup();
        all
    }
}
