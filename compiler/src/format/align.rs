//! Tables: runs of lines of the same form get columns.

use crate::syntax::{RESERVED_WORDS, TokenKind};

use super::{Line, Piece};

/// Words whose statements give a value with `=`, besides plain fields.
const BINDING_WORDS: &[&str] = &["provides", "deploy", "run", "let", "type", "use"];

/// The form of a line, if lines of this form make tables.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// `name = value`, or with one of [`BINDING_WORDS`] before; its column is the `=`.
    Binding { word: Option<String>, equals: usize },
    /// `word name { … }` on one line; its columns are the name and the brace.
    Named { brace: usize },
}

/// Aligns runs of consecutive lines.
pub(super) fn align(lines: &mut [Line<'_>]) {
    let forms: Vec<Option<Form>> = lines.iter().map(form).collect();
    let mut start = 0;
    while start < lines.len() {
        let mut end = start + 1;
        while end < lines.len() && same(lines, &forms, end - 1, end) {
            end += 1;
        }
        if end - start > 1 {
            align_run(&mut lines[start..end], &forms[start..end]);
        }
        start = end;
    }
}

fn same(lines: &[Line<'_>], forms: &[Option<Form>], one: usize, two: usize) -> bool {
    if lines[one].indent != lines[two].indent {
        return false;
    }
    match (&forms[one], &forms[two]) {
        (Some(Form::Binding { word: a, .. }), Some(Form::Binding { word: b, .. })) => {
            // A line that opens brackets has its contents below: it ends its run.
            a == b && balanced(&lines[one].pieces)
        }
        (Some(Form::Named { .. }), Some(Form::Named { .. })) => {
            let item = |l: &Line<'_>| l.pieces.first().is_some_and(|p| p.text == "use");
            item(&lines[one]) == item(&lines[two])
        }
        _ => false,
    }
}

fn align_run(lines: &mut [Line<'_>], forms: &[Option<Form>]) {
    let named = matches!(forms.first(), Some(Some(Form::Named { .. })));
    if named {
        column(lines, &vec![1; lines.len()]);
    }
    let last: Vec<usize> = forms
        .iter()
        .map(|f| match f {
            Some(Form::Binding { equals, .. }) => *equals,
            Some(Form::Named { brace }) => *brace,
            None => 0,
        })
        .collect();
    column(lines, &last);
}

/// Puts piece `at[i]` of line `i` into the same column in all lines.
fn column(lines: &mut [Line<'_>], at: &[usize]) {
    let width = |line: &Line<'_>, at: usize| -> usize {
        line.pieces[..at]
            .iter()
            .enumerate()
            .map(|(i, p)| wide(p) + if i == 0 { 0 } else { p.before })
            .sum()
    };
    let widest = lines
        .iter()
        .zip(at)
        .map(|(line, at)| width(line, *at))
        .max()
        .unwrap_or(0);
    for (line, at) in lines.iter_mut().zip(at) {
        let padding = widest - width(line, *at);
        if let Some(piece) = line.pieces.get_mut(*at) {
            piece.before = 1 + padding;
        }
    }
}

fn wide(piece: &Piece<'_>) -> usize {
    piece.text.chars().count()
}

fn form(line: &Line<'_>) -> Option<Form> {
    let pieces = &line.pieces;
    let first = pieces.first().filter(|p| p.kind == TokenKind::Word)?;
    let key = pieces
        .iter()
        .take_while(|p| p.kind == TokenKind::Word || p.text == ".")
        .count();
    let next = pieces.get(key)?;
    if next.text == "=" {
        let word = BINDING_WORDS
            .contains(&first.text)
            .then(|| first.text.to_owned())
            .filter(|_| key > 1);
        let plain = word.is_some() || key == 1;
        return (plain && !several(pieces)).then_some(Form::Binding { word, equals: key });
    }
    if RESERVED_WORDS.contains(&first.text) {
        return None;
    }
    let names = pieces.get(1).is_some_and(|p| p.kind == TokenKind::Word);
    let ends = pieces
        .iter()
        .rev()
        .find(|p| !p.kind.is_comment())
        .is_some_and(|p| p.text == "}");
    if next.text == "{" && names && ends && one_block(&pieces[key..]) && first.text != "pub" {
        return Some(Form::Named { brace: key });
    }
    None
}

/// Whether the line holds several fields, separated by commas.
fn several(pieces: &[Piece<'_>]) -> bool {
    let mut depth = 0_usize;
    let significant: Vec<&Piece<'_>> = pieces.iter().filter(|p| !p.kind.is_comment()).collect();
    for (i, piece) in significant.iter().enumerate() {
        match piece.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Punctuation if piece.text == "," && depth == 0 && i + 1 < significant.len() => {
                return true;
            }
            _ => {}
        }
    }
    false
}

/// Whether the pieces are one block and nothing after it but comments.
fn one_block(pieces: &[Piece<'_>]) -> bool {
    let mut depth = 0_usize;
    for (i, piece) in pieces.iter().enumerate() {
        match piece.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close if depth == 1 => return pieces[i + 1..].iter().all(|p| p.kind.is_comment()),
            TokenKind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn balanced(pieces: &[Piece<'_>]) -> bool {
    let count = |kind| pieces.iter().filter(|p| p.kind == kind).count();
    count(TokenKind::Open) == count(TokenKind::Close) && !pieces.iter().any(|p| p.text.contains('\n'))
}
