//! The scanner's dealings with text that is no code: comments, strings and unknown characters.

use crate::diagnostics::{Diagnostic, codes::syntax as codes};
use crate::source::Span;

use super::layout::{BRACKET_LIMIT, Scanner};
use super::token::{self, TokenKind};

impl Scanner<'_> {
    pub(super) fn comment(&mut self) {
        let start = self.position;
        let rest = &self.bytes[start..];
        let (kind, length) = match rest {
            [b'/', b'/', b'/', b'/', ..] => (TokenKind::LineComment, line_length(rest)),
            [b'/', b'/', b'/', ..] => (TokenKind::DocComment, line_length(rest)),
            [b'/', b'/', ..] => (TokenKind::LineComment, line_length(rest)),
            _ => (
                TokenKind::BlockComment,
                block_comment_length(rest).unwrap_or(rest.len()),
            ),
        };
        if kind == TokenKind::BlockComment {
            if block_comment_length(rest).is_none() {
                let span = self.span(start, start + 2);
                let message = "this comment is never closed";
                self.problems
                    .push(Diagnostic::error(codes::UNCLOSED_TEXT, span, message).help("close it with `*/`"));
            }
            self.line += rest[..length].iter().filter(|b| **b == b'\n').count();
        }
        self.mask(start, start + length, b' ');
        self.push(kind, start + length);
    }

    pub(super) fn string(&mut self) {
        let start = self.position;
        let mut found = token::string_end(self.bytes, start, BRACKET_LIMIT);
        let triple = self.bytes[start..].starts_with(b"\"\"\"");
        let quote = if triple {
            "\"\"\""
        } else {
            &self.text[start..start + 1]
        };
        if found.deep {
            self.too_deep(start, start + quote.len());
        } else if !found.closed {
            let span = self.span(start, start + quote.len());
            let mut problem = Diagnostic::error(codes::UNCLOSED_TEXT, span, "this string is never closed");
            problem = match quote {
                "\"" => problem
                    .help("close it with `\"` on the same line; text of several lines stands in `\"\"\"`"),
                _ => problem.help(format!("close it with `{quote}`")),
            };
            self.unclosed_texts += 1;
            if quote.len() == 1 {
                if self.mending {
                    found.end = self.mend_string(start, found.end);
                }
                self.problems.push(problem);
            } else {
                self.report_bracket(problem);
            }
        }
        self.line += self.bytes[start..found.end]
            .iter()
            .filter(|b| **b == b'\n')
            .count();
        // The grammar sees a quote, blanks and a quote, whatever the string holds.
        self.mask(start, found.end, b'_');
        self.masked[start] = b'"';
        if found.end > start + 1 {
            self.masked[found.end - 1] = b'"';
        }
        self.push(TokenKind::String, found.end);
    }

    pub(super) fn unknown(&mut self) {
        let start = self.position;
        let rest = &self.text[start..];
        let length = match rest.as_bytes() {
            [b'&', b'&', ..] | [b'|', b'|', ..] => 2,
            [b'#', ..] => line_length(rest.as_bytes()),
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        let with = if length == 2 && rest.is_char_boundary(2) && matches!(rest.as_bytes()[0], b'&' | b'|') {
            self.mask(start, start + 2, b'r');
            self.masked[start] = b'o';
            "or"
        } else {
            self.mask(start, start + length, b' ');
            if rest.starts_with(';') && self.brackets.top() == Some(b'{') {
                // Whoever writes `;` means the end of a statement.
                self.masked[start] = b',';
            }
            if rest.starts_with(DASHES) {
                self.masked[start] = b'-';
            }
            if rest.starts_with(QUOTES) {
                // Nothing that can be read: the word behind it is text and no name.
                self.masked[start] = b'\\';
            }
            ""
        };
        if self.unknown_line.replace(self.line) != Some(self.line) {
            let shown = if with.is_empty() {
                rest.chars().take(1).collect::<String>()
            } else {
                rest[..2].to_owned()
            };
            let span = self.span(start, start + shown.len());
            self.problems.push(unknown_character(span, &shown));
        }
        let kind = if rest.starts_with('#') {
            TokenKind::LineComment
        } else {
            TokenKind::Unknown
        };
        self.push(kind, start + length);
    }
}

/// What stands for `"` and `'` in text that was set nicely.
const QUOTES: &[char] = &['“', '”', '„', '‘', '’', '‚', '«', '»', '＂'];

/// What stands for `-` in text that was set nicely.
const DASHES: &[char] = &['–', '—', '−', '‐', '‑'];

fn unknown_character(span: Span, shown: &str) -> Diagnostic {
    let problem = Diagnostic::error(
        codes::UNKNOWN_CHARACTER,
        span,
        format!("`{}` is no part of the language", shown.escape_debug()),
    );
    match shown {
        "&&" => problem.help("the word is `and`").fix(span, "and", "write `and`"),
        "||" => problem.help("the word is `or`").fix(span, "or", "write `or`"),
        "!" => problem.help("the word is `not`").fix(span, "not ", "write `not`"),
        ";" => problem
            .help("a new line ends a statement")
            .fix(span, "", "remove the `;`"),
        "#" => problem
            .help("a comment begins with `//`")
            .fix(span, "//", "write `//`"),
        "%" => problem
            .help("the remainder of a division is `mod`")
            .likely_fix(span, "mod", "write `mod`"),
        _ if shown.starts_with(DASHES) => {
            problem
                .help("this dash is another character than `-`")
                .fix(span, "-", "write `-`")
        }
        _ if shown.chars().all(|c| c.is_whitespace()) => problem
            .help("this looks like a space and is none, as text copied from elsewhere may have them")
            .fix(span, " ", "write a space"),
        "\u{feff}" | "\u{200b}" | "\u{200c}" | "\u{200d}" | "\u{2060}" => problem
            .help("nobody sees this character, and text copied from elsewhere may have it")
            .fix(span, "", "remove it"),
        _ if shown.starts_with(QUOTES) => {
            problem
                .help("strings stand in plain quotes: `\"`")
                .fix(span, "\"", "write `\"`")
        }
        _ => problem
            .help("names have letters of the English alphabet, digits and `_`; other text stands in quotes"),
    }
}

/// Up to the end of the line.
pub(super) fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
}

/// With its end, if it has one.
pub(super) fn block_comment_length(rest: &[u8]) -> Option<usize> {
    rest.windows(2).skip(2).position(|w| w == b"*/").map(|n| n + 4)
}
