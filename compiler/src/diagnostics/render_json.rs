//! Diagnostics for programs: a JSON array.

use serde::Serialize;

use crate::source::{Sources, Span};

use super::{Diagnostic, Diagnostics, Fix, Severity};

/// How many are written: an array cannot say that more were found, so whoever prints it does.
pub const JSON_LIMIT: usize = 10_000;

/// One diagnostic. Lines and columns count from 1, columns in characters; ends are exclusive.
#[derive(Debug, Serialize)]
struct JsonDiagnostic<'a> {
    code: &'a str,
    /// `error` or `warning`
    severity: &'a str,
    message: &'a str,
    labels: Vec<JsonLabel<'a>>,
    help: Option<&'a str>,
    fixes: Vec<JsonFix<'a>>,
}

#[derive(Debug, Serialize)]
struct JsonLabel<'a> {
    #[serde(flatten)]
    place: JsonPlace<'a>,
    text: &'a str,
    primary: bool,
}

#[derive(Debug, Serialize)]
struct JsonFix<'a> {
    title: &'a str,
    /// `sure`, `likely` or `unfinished`
    applicability: &'a str,
    edits: Vec<JsonEdit<'a>>,
}

#[derive(Debug, Serialize)]
struct JsonEdit<'a> {
    #[serde(flatten)]
    place: JsonPlace<'a>,
    replacement: &'a str,
}

#[derive(Debug, Serialize)]
struct JsonPlace<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

/// A JSON array of the diagnostics, sorted, at most [`JSON_LIMIT`]:
/// `[{code, severity, message, labels: [{file, line, column, end_line, end_column, text, primary}], help, fixes}]`;
/// a fix is `{title, applicability, edits: [{file, line, column, end_line, end_column, replacement}]}`, `help` may be null.
pub fn render_json(diagnostics: &Diagnostics, sources: &Sources) -> String {
    let all: Vec<_> = diagnostics
        .sorted()
        .into_iter()
        .take(JSON_LIMIT)
        .map(|d| json(d, sources))
        .collect();
    // Strings and numbers always have a JSON form.
    serde_json::to_string_pretty(&all).unwrap_or_else(|_| "[]".to_owned())
}

fn json<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> JsonDiagnostic<'a> {
    let labels = diagnostic.labels.iter().enumerate();
    JsonDiagnostic {
        code: diagnostic.code.0,
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        message: &diagnostic.message,
        labels: labels
            .map(|(i, label)| JsonLabel {
                place: place(label.span, sources),
                text: &label.text,
                primary: i == 0,
            })
            .collect(),
        help: diagnostic.help.as_deref(),
        fixes: diagnostic
            .fixes
            .iter()
            .map(|fix| json_fix(fix, sources))
            .collect(),
    }
}

fn json_fix<'a>(fix: &'a Fix, sources: &'a Sources) -> JsonFix<'a> {
    let edits = fix.edits.iter().map(|(span, replacement)| JsonEdit {
        place: place(*span, sources),
        replacement,
    });
    JsonFix {
        title: &fix.title,
        applicability: fix.applicability.word(),
        edits: edits.collect(),
    }
}

fn place(span: Span, sources: &Sources) -> JsonPlace<'_> {
    let (line, column) = sources.position(span);
    let (end_line, end_column) = sources.position(Span {
        start: span.end,
        ..span
    });
    JsonPlace {
        file: &sources.get(span.source).name,
        line,
        column,
        end_line,
        end_column,
    }
}

#[cfg(test)]
mod tests {
    use super::render_json;
    use crate::diagnostics::codes::syntax::UNEXPECTED;
    use crate::{Diagnostic, Diagnostics, Sources, Span};

    #[test]
    fn the_shape_is_stable() {
        let mut sources = Sources::default();
        let id = sources.add("main.rebar", "let ä = b\n");
        let mut diagnostics = Diagnostics::default();
        let span = Span::new(id, 9, 10);
        diagnostics.push(
            Diagnostic::error(UNEXPECTED, span, "no")
                .here("here")
                .fix(span, "c", "write `c`"),
        );
        insta::assert_snapshot!(render_json(&diagnostics, &sources));
    }
}
