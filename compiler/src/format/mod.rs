//! The formatter: one way to space a file. It uses syntax alone.
//!
//! The writer's line breaks stay, at most one blank line remains, two spaces per level of brackets; runs of
//! `name = value` lines and of one-line `word name { … }` statements become tables. Tokens and comments are never
//! changed, so that a formatted file says what it said, and formatting it again changes nothing.

mod align;
mod space;

use crate::diagnostics::Diagnostics;
use crate::source::{SourceId, Sources};
use crate::syntax::{self, Token, TokenKind};

use space::Spacing;

/// One line of the result.
#[derive(Debug, Clone, Default)]
struct Line<'t> {
    /// Levels of two spaces.
    indent: usize,
    /// Texts and whether a space stands before each; the first one's does not count.
    pieces: Vec<Piece<'t>>,
}

/// A token in its line.
#[derive(Debug, Clone, Copy)]
struct Piece<'t> {
    kind: TokenKind,
    text: &'t str,
    /// How many spaces stand before it.
    before: usize,
}

/// The file `id`, formatted.
///
/// # Errors
/// The diagnostics of syntax, if the file has errors: what cannot be read cannot be formatted.
pub fn format(sources: &Sources, id: SourceId) -> Result<String, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let parsed = syntax::parse(sources, id, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let mut lines = lines(parsed.tree.text(), parsed.tree.tokens());
    align::align(&mut lines);
    Ok(write(&lines))
}

/// An open bracket and the line that opened it.
#[derive(Clone, Copy)]
struct Open {
    line: usize,
    indent: usize,
}

fn lines<'t>(text: &'t str, tokens: &[Token]) -> Vec<Line<'t>> {
    let mut lines: Vec<Line<'t>> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut spacing = Spacing::default();
    let mut goes_on = false;
    for line_tokens in tokens.split(|t| t.kind == TokenKind::Newline) {
        let mut line = Line::default();
        let mut spaced = false;
        for token in line_tokens {
            if token.kind == TokenKind::Space {
                spaced = true;
                continue;
            }
            let comment = token.kind.is_comment();
            let text = if comment {
                token.text(text).trim_end()
            } else {
                token.text(text)
            };
            let before = spacing.before(token.kind, text, spaced, line.pieces.is_empty());
            spaced = false;
            if line.pieces.is_empty() {
                let closes = token.kind == TokenKind::Close;
                let level = open.last().map_or(0, |o| o.indent + usize::from(!closes));
                line.indent = level + usize::from(goes_on && !closes);
            }
            match token.kind {
                TokenKind::Open => {
                    let indent = match open.last() {
                        // Several brackets that one line opens indent its contents once.
                        Some(last) if last.line == lines.len() => last.indent,
                        _ => line.indent,
                    };
                    open.push(Open {
                        line: lines.len(),
                        indent,
                    });
                }
                TokenKind::Close => {
                    open.pop();
                }
                _ => {}
            }
            line.pieces.push(Piece {
                kind: token.kind,
                text,
                before,
            });
        }
        if let Some(last) = line.pieces.iter().rev().find(|p| !p.kind.is_comment()) {
            goes_on = space::continues(last.kind, last.text) || reason_follows(&line, last);
        }
        lines.push(line);
    }
    without_needless_blanks(lines)
}

/// Whether an `assert` goes on with its reason: a comma ends other statements.
fn reason_follows(line: &Line<'_>, last: &Piece<'_>) -> bool {
    last.text == "," && line.pieces.first().is_some_and(|first| first.text == "assert")
}

fn without_needless_blanks(lines: Vec<Line<'_>>) -> Vec<Line<'_>> {
    let mut kept: Vec<Line<'_>> = Vec::new();
    for line in lines {
        let after_open = kept
            .last()
            .is_none_or(|l| l.pieces.last().is_none_or(|p| p.kind == TokenKind::Open));
        if line.pieces.is_empty() && after_open {
            continue;
        }
        let closes = line.pieces.first().is_some_and(|p| p.kind == TokenKind::Close);
        if closes && kept.last().is_some_and(|l| l.pieces.is_empty()) {
            kept.pop();
        }
        kept.push(line);
    }
    while kept.last().is_some_and(|l| l.pieces.is_empty()) {
        kept.pop();
    }
    kept
}

fn write(lines: &[Line<'_>]) -> String {
    let mut out = String::new();
    for line in lines {
        for (i, piece) in line.pieces.iter().enumerate() {
            let spaces = if i == 0 { line.indent * 2 } else { piece.before };
            out.extend(std::iter::repeat_n(' ', spaces));
            out.push_str(piece.text);
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
