//! Diagnostics as workflow commands, which GitHub's runner turns into annotations of the changed files.

use crate::source::{Sources, Span};

use super::{Diagnostic, Diagnostics, Severity};

/// How many are written: GitHub shows ten of each severity a step, and its log keeps the others.
const WRITTEN: usize = 100;

/// A line for each diagnostic: `::error file=…,line=…,col=…,endColumn=…,title=…::message`.
///
/// `folder` stands before the names of files: the project's place in the repository, empty or with a `/` at its end.
/// Places in the library, which is no part of the repository, are named in the message only.
pub fn render_github(diagnostics: &Diagnostics, sources: &Sources, folder: &str) -> String {
    let sorted = diagnostics.sorted();
    let mut out: String = sorted
        .iter()
        .take(WRITTEN)
        .map(|d| command(d, sources, folder))
        .collect();
    if sorted.len() > WRITTEN {
        out.push_str(&format!(
            "::notice title=rebar::{} more are not shown\n",
            sorted.len() - WRITTEN
        ));
    }
    out
}

fn command(diagnostic: &Diagnostic, sources: &Sources, folder: &str) -> String {
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let primary = diagnostic.labels.first().map(|label| label.span);
    let place = primary.filter(|span| sources.get(span.source).is_of_project());
    let mut properties: Vec<String> = place.map_or(Vec::new(), |span| place_of(span, sources, folder));
    properties.push(format!(
        "title={}",
        property(&format!("rebar {}", diagnostic.code.0))
    ));
    format!(
        "::{word} {}::{}\n",
        properties.join(","),
        data(&message(diagnostic, sources))
    )
}

/// Columns are told only within one line: GitHub refuses them otherwise.
fn place_of(span: Span, sources: &Sources, folder: &str) -> Vec<String> {
    let (line, column) = sources.position(span);
    let (end_line, end_column) = sources.position(Span {
        start: span.end,
        ..span
    });
    let file = format!("{folder}{}", sources.get(span.source).name);
    let mut properties = vec![
        format!("file={}", property(&file)),
        format!("line={line}"),
        format!("endLine={end_line}"),
    ];
    if line == end_line {
        properties.push(format!("col={column}"));
        properties.push(format!("endColumn={end_column}"));
    }
    properties
}

/// All that is to be said, a line each: an annotation has no other places.
fn message(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let mut lines = vec![diagnostic.message.clone()];
    for (at, label) in diagnostic.labels.iter().enumerate() {
        let outside = !sources.get(label.span.source).is_of_project();
        match (at, label.text.as_str()) {
            (0, "") if !outside => {}
            (0, text) if !outside => lines.push(text.to_owned()),
            (_, "") => lines.push(sources.place(label.span)),
            (_, text) => lines.push(format!("{}: {text}", sources.place(label.span))),
        }
    }
    lines.extend(diagnostic.help.iter().map(|help| format!("help: {help}")));
    lines.join("\n")
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::render_github;
    use crate::diagnostics::codes::syntax::UNEXPECTED;
    use crate::{Diagnostic, Diagnostics, Sources, Span};

    #[test]
    fn what_could_end_a_command_is_escaped() {
        let mut sources = Sources::default();
        let id = sources.add("a,b:c%/main.rebar", "let ä = b\nlet b = 1\n");
        let std = sources.add("std/linux.rebar", "let c = d\n");
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(
            Diagnostic::error(
                UNEXPECTED,
                Span::new(id, 9, 10),
                "100% wrong::\nor not, who: knows",
            )
            .here("here")
            .label(Span::new(std, 4, 5), "declared here")
            .help("think"),
        );
        diagnostics.push(Diagnostic::warning(UNEXPECTED, Span::new(id, 4, 12), "two lines"));
        diagnostics.push(Diagnostic::error(
            UNEXPECTED,
            Span::new(std, 4, 5),
            "in the library",
        ));
        diagnostics.push(Diagnostic::without_place(UNEXPECTED, "nowhere"));
        insta::assert_snapshot!(render_github(&diagnostics, &sources, "sub/"));
    }
}
