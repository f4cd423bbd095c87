//! Properties of syntax and formatter that hold for any text.

#[path = "support/hostile.rs"]
mod hostile;

use proptest::prelude::*;
use rebar_compiler::syntax::{self, Syntax, TokenKind};
use rebar_compiler::{Diagnostics, Sources, format};

fn parse(text: &str) -> (Syntax, Diagnostics) {
    let mut sources = Sources::default();
    let id = sources.add("main.rebar", text);
    let mut diagnostics = Diagnostics::default();
    let syntax = syntax::parse(&sources, id, &mut diagnostics);
    (syntax, diagnostics)
}

fn holds(text: &str) {
    hostile::format_of(text);
}

fn formatted(text: &str) -> String {
    let mut sources = Sources::default();
    let id = sources.add("main.rebar", text);
    format::format(&sources, id).unwrap_or_else(|d| panic!("{:?}\n{text}", d.sorted()))
}

fn corpus() -> Vec<&'static str> {
    let library = rebar_stdlib::FILES
        .iter()
        .filter(|(name, _)| name.ends_with(".rebar"))
        .map(|(_, text)| *text);
    let others = [
        include_str!("../../examples/shop/main.rebar"),
        include_str!("cases/good_items/main.rebar"),
        include_str!("cases/good_layout/main.rebar"),
        include_str!("cases/good_functions/main.rebar"),
    ];
    library.chain(others).collect()
}

/// Pieces that specs are made of, so that random text is often nearly right.
const PIECES: &[&str] = &[
    "role",
    "web",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "\n",
    "\n",
    " ",
    " ",
    "=",
    ":",
    ",",
    "\"",
    "\"{",
    "\"\"\"",
    "'",
    "\\",
    "let x = ",
    "1",
    "10.0.0.0/8",
    "fd00::1",
    "5min",
    ".",
    "..",
    "-",
    "not ",
    "if ",
    " then ",
    " else ",
    " for ",
    " in ",
    "<",
    ">",
    "List<",
    "?",
    "??",
    "|",
    "//",
    "///",
    "/*",
    "*/",
    "é",
    "“",
    ";",
    "&&",
    "match ",
    "match x {",
    " => ",
    "?.",
    "fn f(x: Int) = ",
    " by ",
    " where ",
    "A(b, c = D) | ",
    "key ",
    "run ",
    " on ",
    "nodes ",
    "use ",
    "pub ",
    "type X = ",
    "Int",
    "\r",
    "\t",
    "==",
    "%",
    "#",
    "\u{feff}",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in ".{0,200}") {
        holds(&text);
    }

    #[test]
    fn any_pieces_are_read(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        holds(&pieces.concat());
    }

    #[test]
    fn changed_specs_are_read(
        file in prop::sample::select(corpus()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..6, prop::sample::select(PIECES)), 1..4),
    ) {
        let mut text = file.to_owned();
        for (place, removed, piece) in changes {
            let start = floor(&text, place.index(text.len() + 1));
            let end = floor(&text, (start + removed).min(text.len()));
            text.replace_range(start..end.max(start), piece);
        }
        holds(&text);
    }

    #[test]
    fn spacing_does_not_matter(
        file in prop::sample::select(corpus()),
        spaces in prop::collection::vec(0_usize..4, 1..40),
    ) {
        // Other spaces between the same tokens give the same formatted file.
        let (syntax, _) = parse(file);
        let mut spaces = spaces.iter().cycle();
        let respaced: String = syntax.tree.tokens().iter().map(|token| match token.kind {
            TokenKind::Space => " ".repeat(1 + spaces.next().copied().unwrap_or(0)),
            _ => token.text(file).to_owned(),
        }).collect();
        prop_assume!(!file.contains("\"\"\""));
        prop_assert_eq!(formatted(&respaced), formatted(file));
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0)
}

#[test]
fn the_good_corpus_has_no_error() {
    for text in corpus() {
        let (syntax, diagnostics) = parse(text);
        assert!(
            diagnostics.is_empty() && !syntax.tree.has_errors(),
            "{:?}",
            diagnostics.sorted()
        );
        holds(text);
    }
}

#[test]
fn every_prefix_of_the_corpus_is_read() {
    for text in corpus() {
        for end in (0..text.len()).filter(|i| text.is_char_boundary(*i)).step_by(7) {
            holds(&text[..end]);
        }
    }
}

#[test]
fn one_mistake_gives_one_error_near_it() {
    let (mut total, mut several, mut far) = (0, 0, 0);
    for text in corpus() {
        let (syntax, _) = parse(text);
        for token in syntax.tree.tokens().iter().filter(|t| !t.is_trivia()) {
            let mut changed = text.to_owned();
            changed.replace_range(token.start as usize..token.end as usize, "");
            let (_, diagnostics) = parse(&changed);
            let sorted = diagnostics.sorted();
            let line = |at: u32| changed[..at as usize].matches('\n').count();
            let near = |at: u32| line(at).abs_diff(line(token.start)) <= 2;
            total += 1;
            several += usize::from(sorted.len() > 1);
            far += sorted
                .iter()
                .filter(|d| !d.labels.iter().any(|l| near(l.span.start)))
                .count();
        }
    }
    // Where a closing brace is missing in the middle of an item, nobody but the writer knows how far its block goes.
    assert!(
        total > 1000 && several * 100 <= total && far * 100 <= total,
        "{total} {several} {far}"
    );
}
