//! Diagnostics for people: messages with the text they speak of.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};

use crate::source::{Source, SourceId, Sources};

use super::{Diagnostic, Diagnostics, Label, Severity};

/// The longest line, in bytes, that is worth drawing.
const LONGEST_LINE: usize = 1000;

/// How many diagnostics people are shown at once.
const SHOWN: usize = 100;

/// The diagnostics, sorted, and a last line that counts them. Empty if there are none; at most a hundred are shown.
///
/// `width` is that of the terminal in columns; `color` switches ANSI colours on.
pub fn render_human(diagnostics: &Diagnostics, sources: &Sources, color: bool, width: usize) -> String {
    let sorted = diagnostics.sorted();
    if sorted.is_empty() {
        return String::new();
    }
    let theme = if color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width.max(40))
        .with_links(false)
        .without_syntax_highlighting();
    let mut out = String::new();
    for diagnostic in sorted.iter().copied().take(SHOWN) {
        if diagnostic
            .labels
            .iter()
            .any(|l| line_length(l, sources) > LONGEST_LINE)
        {
            out.push_str(&one_line(diagnostic, sources));
            if let Some(help) = &diagnostic.help {
                out.push_str(&format!("\n  help: {help}"));
            }
            out.push_str("\n\n");
            continue;
        }
        let shown = Shown::new(diagnostic, sources);
        if handler.render_report(&mut out, &shown).is_err() {
            // Writing to a string does not fail; a label outside its file would: then the line has to do.
            out.push_str(&one_line(diagnostic, sources));
        }
        out.push('\n');
    }
    if sorted.len() > SHOWN {
        out.push_str(&format!("{} more are not shown\n", sorted.len() - SHOWN));
    }
    out.push_str(&summary(diagnostics));
    out.push('\n');
    out.lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// The length in bytes of the lines that a label touches.
fn line_length(label: &Label, sources: &Sources) -> usize {
    let text = &sources.get(label.span.source).text;
    let before = text[..label.span.start as usize]
        .bytes()
        .rev()
        .take_while(|b| *b != b'\n')
        .count();
    let within = &text[label.span.range()];
    let first = before + within.bytes().take_while(|b| *b != b'\n').count();
    let after = text[label.span.end as usize..]
        .bytes()
        .take_while(|b| *b != b'\n')
        .count();
    first.max(within.bytes().rev().take_while(|b| *b != b'\n').count() + after)
}

/// `main.rebar:3:5: error[E0101]: expected a value after \`=\``
pub fn one_line(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = diagnostic
        .labels
        .first()
        .map_or(String::new(), |l| sources.place(l.span) + ": ");
    format!("{place}{word}[{}]: {}", diagnostic.code.0, diagnostic.message)
}

/// `3 errors, 1 warning`
pub fn summary(diagnostics: &Diagnostics) -> String {
    let sorted = diagnostics.sorted();
    let count = |severity| sorted.iter().filter(|d| d.severity == severity).count();
    let told = |n: usize, what: &str| match n {
        0 => None,
        1 => Some(format!("1 {what}")),
        n => Some(format!("{n} {what}s")),
    };
    let told = [
        told(count(Severity::Error), "error"),
        told(count(Severity::Warning), "warning"),
    ];
    told.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A file as miette reads it.
#[derive(Debug)]
struct File<'a>(&'a Source);

impl SourceCode for File<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text: &str = &self.0.text;
        let inner = text.read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.0.name.to_string(),
            inner.data(),
            *inner.span(),
            inner.line(),
            inner.column(),
            inner.line_count(),
        )))
    }
}

/// A diagnostic, or the part of it that lies in another file.
#[derive(Debug)]
struct Shown<'a> {
    message: String,
    code: Option<&'static str>,
    severity: miette::Severity,
    help: Option<String>,
    file: Option<File<'a>>,
    labels: Vec<LabeledSpan>,
    related: Vec<Shown<'a>>,
}

impl<'a> Shown<'a> {
    fn new(diagnostic: &Diagnostic, sources: &'a Sources) -> Self {
        let home = diagnostic.labels.first().map(|l| l.span.source);
        let mut others: Vec<SourceId> = diagnostic.labels.iter().map(|l| l.span.source).collect();
        others.retain(|id| Some(*id) != home);
        others.dedup();
        let related = others.into_iter().map(|id| Shown {
            message: format!("see also {}", sources.get(id).name),
            code: None,
            severity: miette::Severity::Advice,
            help: None,
            file: Some(File(sources.get(id))),
            labels: labels(&diagnostic.labels, id),
            related: Vec::new(),
        });
        let fix = diagnostic.fixes.first().map(|f| f.title.clone());
        Shown {
            message: diagnostic.message.clone(),
            code: Some(diagnostic.code.0),
            severity: match diagnostic.severity {
                Severity::Error => miette::Severity::Error,
                Severity::Warning => miette::Severity::Warning,
            },
            help: diagnostic.help.clone().or(fix),
            file: home.map(|id| File(sources.get(id))),
            labels: home.map_or(Vec::new(), |id| labels(&diagnostic.labels, id)),
            related: related.collect(),
        }
    }
}

fn labels(all: &[Label], file: SourceId) -> Vec<LabeledSpan> {
    let here = all.iter().enumerate().filter(|(_, l)| l.span.source == file);
    here.map(|(i, label)| {
        let text = Some(label.text.clone()).filter(|t| !t.is_empty());
        let (start, length) = (
            label.span.start as usize,
            (label.span.end - label.span.start) as usize,
        );
        match i {
            0 => LabeledSpan::new_primary_with_span(text, (start, length)),
            _ => LabeledSpan::new(text, start, length),
        }
    })
    .collect()
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.map(|c| Box::new(c) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.file.as_ref().map(|f| f as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
            .filter(|_| !self.labels.is_empty())
            .map(|b| b as Box<_>)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        if self.related.is_empty() {
            return None;
        }
        Some(Box::new(
            self.related.iter().map(|r| r as &dyn miette::Diagnostic),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::render_human;
    use crate::diagnostics::codes::syntax::UNEXPECTED;
    use crate::{Diagnostic, Diagnostics, Sources, Span};

    #[test]
    fn labels_of_other_files_are_shown_with_their_file() {
        let mut sources = Sources::default();
        let one = sources.add("main.rebar", "let a = b\nlet c = d\n");
        let two = sources.add("web.rebar", "let b = 3\n");
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(
            Diagnostic::error(UNEXPECTED, Span::new(one, 8, 9), "two places disagree")
                .here("this one")
                .label(Span::new(one, 18, 19), "and this")
                .label(Span::new(two, 4, 5), "and that one"),
        );
        diagnostics.push(Diagnostic::without_place(UNEXPECTED, "it has no place"));
        let shown = render_human(&diagnostics, &sources, false, 80);
        insta::assert_snapshot!(shown);
        assert!(render_human(&diagnostics, &sources, true, 80).contains('\u{1b}'));
    }
}
