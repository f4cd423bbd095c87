//! Strings: quotes, escapes, interpolation, and the indentation of strings of several lines.

use pest::Parser;

use crate::diagnostics::{Diagnostic, codes::syntax as codes};
use crate::source::Span;

use super::ast::{Expression, StringPart};
use super::build::{Builder, parts};
use super::grammar::{Grammar, Rule};
use super::layout::{self, BRACKET_LIMIT, Layout};
use super::token::{begins_interpolation, interpolation_end};

/// The inside of a string token.
struct Inside {
    /// First byte.
    start: usize,
    /// One past the last byte.
    end: usize,
    /// Whether escapes and interpolation mean nothing.
    raw: bool,
    /// The indentation that is taken off every line, for strings of several lines.
    indentation: Option<usize>,
}

impl Builder<'_> {
    /// The parts of the string at `span` and the height of the highest; `None` if something in it is wrong.
    pub(super) fn string(&self, span: Span) -> Option<(Vec<StringPart>, usize)> {
        let inside = self.inside(span);
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut height = 0;
        let mut good = true;
        let mut at = inside.start;
        let bytes = self.text.as_bytes();
        while at < inside.end {
            match bytes[at] {
                b'\\' if !inside.raw => good &= self.escape(&mut at, inside.end, &mut text),
                b'{' if !inside.raw && begins_interpolation(bytes, at) => {
                    let limit = BRACKET_LIMIT;
                    let Some(end) = interpolation_end(bytes, at, limit).filter(|end| *end <= inside.end)
                    else {
                        self.report(unclosed_interpolation(Span {
                            end: at as u32 + 1,
                            start: at as u32,
                            ..span
                        }));
                        return None;
                    };
                    let built = self.interpolation(at + 1, end - 1);
                    good &= built.is_some();
                    if let Some((expression, levels)) = built {
                        if !text.is_empty() {
                            parts.push(StringPart::Text(std::mem::take(&mut text)));
                        }
                        height = height.max(levels);
                        parts.push(StringPart::Interpolation(expression));
                    }
                    at = end;
                }
                b'{' if !inside.raw => {
                    good = false;
                    self.report(plain_brace(Span {
                        start: at as u32,
                        end: at as u32 + 1,
                        ..span
                    }));
                    at += 1;
                }
                byte => {
                    let next = (at + 1..=inside.end)
                        .find(|i| self.text.is_char_boundary(*i))
                        .unwrap_or(inside.end);
                    text.push_str(&self.text[at..next]);
                    at = next;
                    if byte == b'\n'
                        && let Some(indentation) = inside.indentation
                    {
                        let spaces = bytes[at..inside.end]
                            .iter()
                            .take_while(|b| matches!(b, b' ' | b'\t'))
                            .count();
                        at += spaces.min(indentation);
                    }
                }
            }
        }
        if !text.is_empty() {
            parts.push(StringPart::Text(text));
        }
        good.then_some((parts, height))
    }

    /// The text of a string in which nothing is interpolated, such as a pattern: braces are plain.
    pub(super) fn plain_text(&self, span: Span) -> String {
        let inside = self.inside(span);
        let mut text = String::new();
        let mut at = inside.start;
        while at < inside.end {
            let rest = &self.text[at..inside.end];
            if rest.starts_with('\\') && !inside.raw {
                self.escape(&mut at, inside.end, &mut text);
                continue;
            }
            let plain = rest.find('\\').filter(|_| !inside.raw).unwrap_or(rest.len());
            text.push_str(&rest[..plain]);
            at += plain;
        }
        text
    }

    fn inside(&self, span: Span) -> Inside {
        let token = &self.text[span.range()];
        let (start, end) = (span.start as usize, span.end as usize);
        let raw = token.starts_with('\'');
        if !token.starts_with("\"\"\"") || !token.ends_with("\"\"\"") || token.len() < 6 {
            // A string without its end was reported; what it holds may end within a character's bytes otherwise.
            let closed = token.len() > 1 && token.ends_with(['"', '\'']);
            return Inside {
                start: start + 1,
                end: end - usize::from(closed),
                raw,
                indentation: None,
            };
        }
        let inner = &token[3..token.len() - 3];
        let Some(newline) = inner.find('\n').filter(|n| inner[..*n].trim().is_empty()) else {
            return Inside {
                start: start + 3,
                end: end - 3,
                raw,
                indentation: None,
            };
        };
        // The text begins below the opening quotes; what all its lines (and the closing quotes) are indented by is
        // no part of it.
        let lines = &inner[newline + 1..];
        let last = lines.rsplit('\n').next().unwrap_or_default();
        let blank = |line: &str| line.trim().is_empty();
        let width = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
        let indentation = lines
            .lines()
            .filter(|l| !blank(l))
            .map(width)
            .min()
            .unwrap_or(usize::MAX);
        let closing = if blank(last) { width(last) } else { usize::MAX };
        let indentation = indentation.min(closing);
        let first = lines
            .bytes()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count()
            .min(indentation);
        let start = start + 3 + newline + 1 + first;
        Inside {
            start: start.min(end - 3),
            end: end - 3,
            raw,
            indentation: Some(indentation),
        }
    }

    fn escape(&self, at: &mut usize, end: usize, text: &mut String) -> bool {
        let start = *at;
        let rest = &self.text[start + 1..end];
        let next = rest.chars().next();
        *at += 1 + next.map_or(0, char::len_utf8);
        let plain = match next {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some(same @ ('\\' | '"' | '{' | '}')) => same,
            Some('u') => return self.unicode_escape(start, at, end, text),
            _ => {
                let span = Span::new(self.source, start, *at);
                let shown = self.text[start..*at].escape_debug();
                self.report(
                    Diagnostic::error(codes::BAD_ESCAPE, span, format!("unknown escape `{}`", shown.to_string().replace("\\\\", "\\")))
                        .help("the escapes are `\\n`, `\\t`, `\\r`, `\\\\`, `\\\"`, `\\{`, `\\}` and `\\u{…}`; in a raw string `'…'` a `\\` is itself")
                        .fix(Span::new(self.source, start, start + 1), "\\\\", "write `\\\\` for a backslash"),
                );
                return false;
            }
        };
        text.push(plain);
        true
    }

    fn unicode_escape(&self, start: usize, at: &mut usize, end: usize, text: &mut String) -> bool {
        let rest = &self.text[*at..end];
        let digits = rest
            .strip_prefix('{')
            .and_then(|r| r.split_once('}'))
            .map(|(digits, _)| digits);
        let known = digits.filter(|d| (1..=6).contains(&d.len()));
        match known
            .and_then(|d| u32::from_str_radix(d, 16).ok())
            .and_then(char::from_u32)
        {
            Some(character) => {
                text.push(character);
                *at += digits.map_or(0, str::len) + 2;
                true
            }
            None => {
                let length = digits.filter(|d| d.len() < 20).map_or(0, |d| d.len() + 2);
                *at += length;
                let span = Span::new(self.source, start, *at);
                let message = "this is no character";
                self.report(Diagnostic::error(codes::BAD_ESCAPE, span, message).help(
                    "`\\u{…}` takes the number of a character in hexadecimal digits, such as `\\u{20ac}`",
                ));
                false
            }
        }
    }

    /// Reads the expression between the braces.
    fn interpolation(&self, start: usize, end: usize) -> Option<(Expression, usize)> {
        let mut layout = layout::scan_at(self.source, &self.text[start..end], start);
        layout.masked = layout.masked.replace('\n', " ");
        if !layout.problems.is_empty() {
            layout.problems.into_iter().for_each(|p| self.report(p));
            return None;
        }
        let whole = self.whole_layout(&layout, start);
        let inner = Builder {
            source: self.source,
            text: self.text,
            layout: &whole,
            base: start,
            end,
            problems: std::cell::RefCell::default(),
            unreadable_until: std::cell::Cell::default(),
        };
        let before = self.problems.borrow().len();
        let built = match Grammar::parse(Rule::interpolation_entry, &layout.masked) {
            Ok(mut pairs) => pairs
                .next()
                .and_then(|entry| parts(entry).next())
                .map(|value| inner.interpolated(value)),
            Err(error) => {
                let span = Span::new(self.source, start, end);
                let problem = inner.reader(span, "`}`").explain(&error, start);
                let brace = Span::new(self.source, start - 1, start);
                self.report(match problem.help {
                    Some(_) => problem,
                    None => problem
                        .help(
                            "`{name}` or `{(expression)}` stands for a value; a plain brace is written `\\{`",
                        )
                        .likely_fix(brace, "\\{", "write `\\{` for a plain brace"),
                });
                None
            }
        };
        inner
            .problems
            .into_inner()
            .into_iter()
            .for_each(|p| self.report(p));
        built.filter(|_| self.problems.borrow().len() == before)
    }

    /// The layout of a part of the file, its tokens counted from the beginning of the file.
    fn whole_layout(&self, part: &Layout, start: usize) -> Layout {
        let shift = start as u32;
        let tokens = part.tokens.iter().map(|t| super::Token {
            start: t.start + shift,
            end: t.end + shift,
            ..*t
        });
        Layout {
            tokens: tokens.collect(),
            ..Layout::default()
        }
    }
}

fn plain_brace(span: Span) -> Diagnostic {
    Diagnostic::error(codes::BRACE_IN_STRING, span, "this `{` begins no interpolation")
        .help("`{name}` or `{(expression)}` stands for a value; a plain brace is written `\\{`")
        .likely_fix(span, "\\{", "write `\\{`")
}

fn unclosed_interpolation(span: Span) -> Diagnostic {
    Diagnostic::error(
        codes::BRACE_IN_STRING,
        span,
        "this `{` is never closed within its string",
    )
    .help("close it with `}`; a plain brace is written `\\{`")
    .likely_fix(span, "\\{", "write `\\{`")
}
