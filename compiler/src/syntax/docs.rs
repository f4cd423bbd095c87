//! Documentation comments and what they belong to.

use super::token::{Token, TokenKind};

/// Finds the `///` lines before an item or statement.
pub(super) struct Docs;

impl Docs {
    /// The text of the `///` lines that stand directly above the line of `start`, joined by newlines. A blank line
    /// separates them from what follows: then they speak of the file.
    pub(super) fn before(text: &str, tokens: &[Token], start: usize) -> String {
        let index = tokens.partition_point(|t| (t.start as usize) < start);
        let mut lines: Vec<&str> = Vec::new();
        let mut newlines = 0;
        for (i, token) in tokens[..index].iter().enumerate().rev() {
            match token.kind {
                TokenKind::Space => {}
                TokenKind::Newline => newlines += 1,
                TokenKind::DocComment if newlines == 1 && first_on_line(tokens, i) => {
                    newlines = 0;
                    let line = token.text(text).trim_start_matches('/').trim_end();
                    lines.push(line.strip_prefix(' ').unwrap_or(line));
                }
                _ => break,
            }
            if newlines > 1 {
                break;
            }
        }
        lines.reverse();
        lines.join("\n")
    }
}

fn first_on_line(tokens: &[Token], index: usize) -> bool {
    tokens[..index]
        .iter()
        .rev()
        .find(|t| t.kind != TokenKind::Space)
        .is_none_or(|t| t.kind == TokenKind::Newline)
}
