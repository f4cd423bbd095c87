//! Fixes: changes of the text that mend what a diagnostic tells.

use crate::source::{Source, SourceId, Sources, Span};

use super::Diagnostics;

/// How far a fix can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Applicability {
    /// It is what was meant: `rebar check --fix` writes it.
    Sure,
    /// It is probably what was meant; a person should look first. Nearest names are of this kind.
    Likely,
    /// It leaves something to fill in, such as the value of a field.
    Unfinished,
}

impl Applicability {
    /// The word of programs: `sure`, `likely`, `unfinished`.
    pub const fn word(self) -> &'static str {
        match self {
            Applicability::Sure => "sure",
            Applicability::Likely => "likely",
            Applicability::Unfinished => "unfinished",
        }
    }
}

/// A change of the text that mends the problem: all of its edits, or none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fix {
    /// What the fix does, as a command: "write `count` instead".
    pub title: String,
    /// What to replace by what; an empty span inserts. They do not overlap.
    pub edits: Vec<(Span, String)>,
    /// How far it can be trusted.
    pub applicability: Applicability,
}

impl Fix {
    /// A fix without edits yet; see [`Fix::edit`].
    pub fn new(title: impl Into<String>, applicability: Applicability) -> Self {
        Fix {
            title: title.into(),
            edits: Vec::new(),
            applicability,
        }
    }

    /// A fix that is what was meant.
    pub fn sure(title: impl Into<String>) -> Self {
        Fix::new(title, Applicability::Sure)
    }

    /// A fix that a person should look at.
    pub fn likely(title: impl Into<String>) -> Self {
        Fix::new(title, Applicability::Likely)
    }

    /// A fix that leaves something to fill in.
    pub fn unfinished(title: impl Into<String>) -> Self {
        Fix::new(title, Applicability::Unfinished)
    }

    /// Adds an edit; an empty span inserts, an empty text removes.
    #[must_use]
    pub fn edit(mut self, span: Span, text: impl Into<String>) -> Self {
        self.edits.push((span, text.into()));
        self
    }
}

/// A file with fixes applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// Which file.
    pub source: SourceId,
    /// Its whole new text.
    pub text: String,
}

/// What [`mend`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mending {
    /// The files that are different now.
    pub files: Vec<Mended>,
    /// The titles of the fixes that were applied, with their places, in the order of places.
    pub applied: Vec<(Span, String)>,
}

/// Applies every sure fix whose files may all be changed. Of fixes that touch the same text the first one is applied;
/// the others may fit another time.
pub fn mend(
    diagnostics: &Diagnostics,
    sources: &Sources,
    may_change: impl Fn(SourceId, &Source) -> bool,
) -> Mending {
    let mut taken: Vec<(Span, &str)> = Vec::new();
    let mut mending = Mending::default();
    for diagnostic in diagnostics.sorted() {
        let sure = diagnostic
            .fixes
            .iter()
            .find(|fix| fix.applicability == Applicability::Sure && !fix.edits.is_empty());
        let Some(fix) = sure else { continue };
        let allowed = fix
            .edits
            .iter()
            .all(|(span, _)| may_change(span.source, sources.get(span.source)));
        let changes = fix.edits.iter().any(|(span, text)| sources.slice(*span) != text);
        let free = |span: Span| taken.iter().all(|(other, _)| !touch(span, *other));
        if allowed && changes && fix.edits.iter().all(|(span, _)| free(*span)) {
            taken.extend(fix.edits.iter().map(|(span, text)| (*span, text.as_str())));
            mending.applied.push((fix.edits[0].0, fix.title.clone()));
        }
    }
    taken.sort_by_key(|(span, _)| *span);
    for edits in taken.chunk_by(|a, b| a.0.source == b.0.source) {
        let source = edits[0].0.source;
        let text = edited(&sources.get(source).text, edits);
        mending.files.push(Mended { source, text });
    }
    mending
}

/// Whether two edits cannot both be made: they overlap, or insert at one place.
fn touch(a: Span, b: Span) -> bool {
    a.source == b.source && (a.start < b.end && b.start < a.end || a.start == b.start || a.end == b.end)
}

/// A text with replacements, which are sorted and do not overlap.
fn edited(text: &str, edits: &[(Span, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (span, new) in edits {
        out.push_str(&text[done..span.start as usize]);
        out.push_str(new);
        done = span.end as usize;
    }
    out.push_str(&text[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::{Fix, mend};
    use crate::diagnostics::codes::syntax::UNEXPECTED;
    use crate::{Diagnostic, Diagnostics, Sources, Span};

    #[test]
    fn sure_fixes_are_applied_and_those_that_overlap_wait() {
        let mut sources = Sources::default();
        let one = sources.add("main.rebar", "let a = b && c\n");
        let two = sources.add("std/web.rebar", "let b = 3\n");
        let mut diagnostics = Diagnostics::default();
        let problem = |span| Diagnostic::error(UNEXPECTED, span, "no");
        let word = Span::new(one, 10, 12);
        diagnostics.push(problem(word).fix(word, "and", "write `and`"));
        diagnostics.push(problem(Span::new(one, 8, 14)).fix(Span::new(one, 8, 14), "c", "write `c`"));
        let name = Span::new(one, 4, 5);
        diagnostics.push(
            problem(name).add_fix(
                Fix::sure("rename both")
                    .edit(name, "x")
                    .edit(Span::new(two, 4, 5), "x"),
            ),
        );
        diagnostics.push(problem(name).add_fix(Fix::likely("write `d`").edit(name, "d")));
        let mending = mend(&diagnostics, &sources, |_, source| {
            !source.name.starts_with("std/")
        });
        // The one that begins first wins; the fix that would change the library as well is not made by halves.
        assert_eq!(mending.files.len(), 1);
        assert_eq!(mending.files[0].text, "let a = c\n");
        assert_eq!(mending.applied.len(), 1);
        let all = mend(&diagnostics, &sources, |_, _| true);
        assert_eq!(all.files[0].text, "let x = c\n");
        assert_eq!(all.files[1].text, "let x = 3\n");
    }
}
