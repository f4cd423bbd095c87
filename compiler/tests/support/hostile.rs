//! What must hold for any bytes that somebody hands to rebar. Fuzz targets, the replay of their corpus and random
//! tests all use these functions; whatever does not hold is a panic.

#![allow(dead_code)]

use std::collections::BTreeMap;

use rebar_compiler::plan::{self, Ledger, Snapshot};
use rebar_compiler::syntax::{self, Syntax, Token, TokenKind};
use rebar_compiler::{Diagnostics, Library, Sources, analyse, diagnostics};

/// Begins the name of a further file of a project, at the start of a line.
const FILE: &str = "//// ";
/// Nodes of a plan that are filled: each costs what a plan file may ask for.
const FILLED: usize = 8;

/// Parsing any text.
pub(crate) fn syntax(bytes: &[u8]) {
    syntax_of(&String::from_utf8_lossy(bytes));
}

/// Formatting any text.
pub(crate) fn format(bytes: &[u8]) {
    format_of(&String::from_utf8_lossy(bytes));
}

/// Checking and planning any project. Further files follow in the same text after a line `//// name`.
pub(crate) fn analysis(bytes: &[u8]) {
    analysis_of(&project(&String::from_utf8_lossy(bytes)));
}

/// Reading any plan file, and filling what it says.
pub(crate) fn plan_file(bytes: &[u8]) {
    let Ok(read) = plan::read(bytes) else {
        return;
    };
    let written = plan::canonical_bytes(&read);
    let again = plan::read(&written).unwrap_or_else(|e| panic!("what was written is not read: {e}"));
    // Compared as bytes, in which 0 and -0 differ as well.
    assert_eq!(plan::canonical_bytes(&again), written);
    assert_eq!(plan::hash(&again), plan::hash(&read));
    plan::counts(&read);
    filled(&read);
}

/// The tree is the text without gaps, and every place that is told of is in it. Answers whether there is no error.
pub(crate) fn syntax_of(text: &str) -> bool {
    let (sources, syntax, said) = parse(text);
    assert_eq!(syntax.tree.joined(), text, "the tree is the text");
    let mut end = 0;
    for token in syntax.tree.tokens() {
        assert_eq!(token.start, end, "tokens have no gaps");
        end = token.end;
    }
    assert!(
        !syntax.tree.has_errors() || said.has_errors(),
        "an error node without a diagnostic"
    );
    places(&sources, &said);
    !said.has_errors()
}

/// A file without errors has a formatted form with the same tokens, which is its own formatted form.
pub(crate) fn format_of(text: &str) {
    if !syntax_of(text) {
        assert!(formatted(text).is_none(), "a file with errors was formatted");
        return;
    }
    let Some(once) = formatted(text) else {
        panic!("a file without errors has no formatted form");
    };
    assert_eq!(
        significant(&once),
        significant(text),
        "the formatter keeps all tokens"
    );
    assert_eq!(formatted(&once), Some(once), "the formatter is idempotent");
}

/// A project is analysed, and all that it deploys is planned, filled, and read back as a plan file.
pub(crate) fn analysis_of(project: &BTreeMap<String, String>) {
    let std = standard_library();
    let mut analysis = analyse(&Library {
        project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    analysis.examine();
    places(&analysis.sources, &analysis.diagnostics);
    for colour in [false, true] {
        diagnostics::render_human(&analysis.diagnostics, &analysis.sources, colour, 100);
    }
    if analysis.diagnostics.has_errors() {
        return;
    }
    let names: Vec<String> = analysis.deploys().into_iter().map(str::to_owned).collect();
    for name in names {
        let Some(made) = analysis.plan(&name, &Ledger::default(), &Snapshot::default()) else {
            panic!("`{name}` was examined without an error and cannot be planned");
        };
        let bytes = plan::canonical_bytes(&made);
        let read = plan::read(&bytes).unwrap_or_else(|e| panic!("the plan of `{name}` is not read: {e}"));
        assert_eq!(plan::canonical_bytes(&read), bytes);
        if let Some(error) = filled(&made) {
            panic!("the plan of `{name}` cannot be filled: {error}");
        }
    }
}

/// A text as files: `main.rebar` first.
pub(crate) fn project(text: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let (mut name, mut body) = ("main.rebar".to_owned(), String::new());
    for line in text.split_inclusive('\n') {
        match line.strip_prefix(FILE) {
            Some(next) => {
                files.insert(name, std::mem::take(&mut body));
                name = next.trim().to_owned();
            }
            None => body.push_str(line),
        }
    }
    files.insert(name, body);
    files
}

/// Fills some nodes and the outputs; the first error, if there is one.
fn filled(plan: &plan::Plan) -> Option<plan::FillError> {
    let filler = plan::Filler::new(plan);
    for node in plan.nodes.iter().take(FILLED) {
        if let Err(error) = filler.steps(node) {
            return Some(error);
        }
    }
    filler.outputs().err()
}

fn parse(text: &str) -> (Sources, Syntax, Diagnostics) {
    let mut sources = Sources::default();
    let id = sources.add("main.rebar", text);
    let mut diagnostics = Diagnostics::default();
    let syntax = syntax::parse(&sources, id, &mut diagnostics);
    (sources, syntax, diagnostics)
}

fn formatted(text: &str) -> Option<String> {
    let mut sources = Sources::default();
    let id = sources.add("main.rebar", text);
    rebar_compiler::format::format(&sources, id).ok()
}

/// All tokens and comments without spacing.
fn significant(text: &str) -> Vec<(TokenKind, String)> {
    let (_, syntax, _) = parse(text);
    let keep = |t: &&Token| !matches!(t.kind, TokenKind::Space | TokenKind::Newline);
    syntax
        .tree
        .tokens()
        .iter()
        .filter(keep)
        .map(|t| (t.kind, t.text(text).trim_end().to_owned()))
        .collect()
}

/// Every place is in its file and between two characters.
fn places(sources: &Sources, diagnostics: &Diagnostics) {
    let sorted = diagnostics.sorted();
    let labels = sorted.iter().flat_map(|d| &d.labels).map(|l| l.span);
    let fixes = sorted.iter().flat_map(|d| &d.fixes).flat_map(|f| &f.edits);
    let fixes = fixes.map(|(span, _)| *span);
    for span in labels.chain(fixes) {
        let text = &sources.get(span.source).text;
        let (start, end) = (span.start as usize, span.end as usize);
        assert!(start <= end && end <= text.len(), "{span:?}");
        assert!(
            text.is_char_boundary(start) && text.is_char_boundary(end),
            "{span:?}"
        );
    }
}

fn standard_library() -> BTreeMap<String, String> {
    rebar_stdlib::FILES
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}
