//! The first look at a file: tokens, the masked copy and the cut into top-level items.
//!
//! The masked copy has the length of the file. In it comments and the insides of strings are blank, and so are
//! newlines that end nothing: those within `(` and `[`, and those after a trailing operator or comma. The
//! grammar reads the masked copy and therefore knows neither comments nor continuation lines.

use std::ops::Range;

use crate::diagnostics::{Diagnostic, codes::syntax as codes};
use crate::source::{SourceId, Span};

use super::brackets::{Brackets, Closed};
use super::layout_text::{block_comment_length, line_length};
use super::mend::{begins_item, begins_misspelt_item};
use super::token::{self, Token, TokenKind, begins_word, number_end, opener, punctuation_length, word_end};

/// How deeply brackets and strings may be nested.
pub const BRACKET_LIMIT: usize = 64;

/// The words that begin items.
pub const ITEM_WORDS: &[&str] = &[
    "use",
    "type",
    "enum",
    "fn",
    "let",
    "network",
    "hardware",
    "image",
    "kind",
    "backend",
    "site",
    "role",
    "workload",
    "interface",
    "deploy",
    "test",
    "policy",
    "moved",
    "patch",
    "pub",
];

/// Words after which a line goes on.
const TRAILING_WORDS: &[&str] = &["and", "or", "mod", "not", "in", "then", "else", "if", "for"];

/// A top-level item in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    /// First byte of its first token.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// The brackets that would have to be added at its end.
    pub missing: String,
    /// Whether a problem of its brackets has been reported, so that others are not worth telling.
    pub broken: bool,
    /// Whether it is nested too deeply to be read.
    pub deep: bool,
    /// Which problems of the layout lie in it.
    pub problems: Range<usize>,
    /// What is wrong with its end, unless the grammar finds something better to say.
    pub pending: Option<Diagnostic>,
}

/// What the first look finds.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    pub tokens: Vec<Token>,
    pub masked: String,
    pub regions: Vec<Region>,
    pub problems: Vec<Diagnostic>,
    /// Indices of problems that are told otherwise.
    pub dropped: Vec<usize>,
}

/// Looks through `text` once; twice if brackets do not match up. Also tells whether the second look was taken: where it
/// was not, and something cannot be read, [`mended`] may be right all the same.
pub(super) fn scan(source: SourceId, text: &str) -> (Layout, bool) {
    let scanner = likelier(source, text, 0);
    let mending = scanner.mending;
    (scanner.layout(), mending)
}

/// Looks through a part of a file that begins at byte `base` of it. The tokens, the masked copy and the regions
/// count from the beginning of the part, the spans of problems from that of the file.
pub(super) fn scan_at(source: SourceId, text: &str, base: usize) -> Layout {
    likelier(source, text, base).layout()
}

/// The look that lets indentation tell which brackets are missing.
pub(super) fn mended(source: SourceId, text: &str) -> Layout {
    look(source, text, 0, true).layout()
}

fn likelier(source: SourceId, text: &str, base: usize) -> Scanner<'_> {
    let plain = look(source, text, base, false);
    let signs = plain.alone + plain.items_inside;
    // What is nested too deeply is not read in any case, and would be looked back through from each bracket.
    if signs == 0 || plain.regions.iter().any(|region| region.deep) {
        return plain;
    }
    let mended = look(source, text, base, true);
    // A file that is right may have its items' words at the margin everywhere.
    let right = plain.alone == 0 && plain.unclosed_texts == 0;
    match mended.alone < if right { 1 } else { signs } {
        true => mended,
        false => plain,
    }
}

fn look(source: SourceId, text: &str, base: usize, mending: bool) -> Scanner<'_> {
    let mut scanner = Scanner::new(source, text);
    (scanner.base, scanner.mending, scanner.resynchronise) = (base, mending, mending);
    scanner.run();
    scanner
}

pub(super) struct Scanner<'t> {
    pub(super) source: SourceId,
    pub(super) base: usize,
    pub(super) text: &'t str,
    pub(super) bytes: &'t [u8],
    pub(super) position: usize,
    pub(super) tokens: Vec<Token>,
    pub(super) masked: Vec<u8>,
    pub(super) regions: Vec<Region>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) brackets: Brackets,
    pub(super) region: Option<Region>,
    /// The last token that is not trivia, within the item.
    pub(super) last: Option<Token>,
    /// Whether an item word at the beginning of a line ends an unfinished item.
    pub(super) resynchronise: bool,
    /// Where the next token is that is not trivia, as far as known.
    pub(super) next_known: usize,
    /// The line of the last unknown character, so that there is one report per line.
    pub(super) unknown_line: Option<usize>,
    pub(super) line: usize,
    /// Whether this is the second look, which writes missing brackets where indentation tells.
    pub(super) mending: bool,
    /// How many brackets have no partner.
    pub(super) alone: usize,
    /// How many items seem to begin within brackets.
    pub(super) items_inside: usize,
    /// How many strings are never closed.
    pub(super) unclosed_texts: usize,
}

/// The state to return to when an item turns out to be without end.
struct Mark {
    position: usize,
    tokens: usize,
    problems: usize,
    line: usize,
    alone: usize,
}

impl<'t> Scanner<'t> {
    fn new(source: SourceId, text: &'t str) -> Self {
        Scanner {
            source,
            base: 0,
            text,
            bytes: text.as_bytes(),
            position: 0,
            tokens: Vec::new(),
            masked: text.as_bytes().to_vec(),
            regions: Vec::new(),
            problems: Vec::new(),
            brackets: Brackets::default(),
            region: None,
            last: None,
            resynchronise: false,
            next_known: 0,
            unknown_line: None,
            line: 0,
            mending: false,
            alone: 0,
            items_inside: 0,
            unclosed_texts: 0,
        }
    }

    fn layout(self) -> Layout {
        Layout {
            tokens: self.tokens,
            // Only whole tokens are overwritten, and only by ASCII.
            masked: String::from_utf8(self.masked).unwrap_or_else(|_| " ".repeat(self.text.len())),
            regions: self.regions,
            problems: self.problems,
            dropped: Vec::new(),
        }
    }

    fn run(&mut self) {
        let mut mark = self.mark();
        loop {
            if self.region.is_none() {
                mark = self.mark();
            }
            if self.position < self.bytes.len() {
                self.step();
                continue;
            }
            if self.region.is_some() && !self.brackets.is_empty() && !self.resynchronise {
                // The item never ends: look again, and let the next item word at the left margin end it.
                self.resynchronise = true;
                self.go_back(&mark);
                continue;
            }
            self.end_region();
            return;
        }
    }

    fn mark(&self) -> Mark {
        Mark {
            position: self.position,
            tokens: self.tokens.len(),
            problems: self.problems.len(),
            line: self.line,
            alone: self.alone,
        }
    }

    fn go_back(&mut self, mark: &Mark) {
        self.position = mark.position;
        self.tokens.truncate(mark.tokens);
        self.problems.truncate(mark.problems);
        self.line = mark.line;
        self.alone = mark.alone;
        self.masked[mark.position..].copy_from_slice(&self.bytes[mark.position..]);
        self.brackets = Brackets::default();
        self.region = None;
        self.last = None;
        self.next_known = 0;
        self.unknown_line = None;
    }

    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.source, self.base + start, self.base + end)
    }

    pub(super) fn push(&mut self, kind: TokenKind, end: usize) {
        let token = Token {
            kind,
            start: self.position as u32,
            end: end as u32,
        };
        self.position = end;
        match self.tokens.last_mut() {
            Some(last) if kind == TokenKind::Skipped && last.kind == kind => last.end = token.end,
            _ => self.tokens.push(token),
        }
        if !kind.is_trivia() {
            self.last = Some(token);
        }
    }

    /// Replaces the bytes of `start..end` in the masked copy.
    pub(super) fn mask(&mut self, start: usize, end: usize, with: u8) {
        self.masked[start..end].fill(with);
    }

    fn step(&mut self) {
        let start = self.position;
        let byte = self.bytes[start];
        match byte {
            b' ' | b'\t' | b'\r' => {
                let length = self.bytes[start..]
                    .iter()
                    .take_while(|b| matches!(b, b' ' | b'\t' | b'\r'))
                    .count();
                // A mend may have written a bracket over a blank.
                for byte in &mut self.masked[start..start + length] {
                    if matches!(byte, b'\t' | b'\r') {
                        *byte = b' ';
                    }
                }
                self.push(TokenKind::Space, start + length);
            }
            b'\n' => self.newline(),
            b'/' if matches!(self.bytes.get(start + 1), Some(b'/' | b'*')) => self.comment(),
            _ if self.text[start..].starts_with('\u{feff}') && start == 0 => {
                self.mask(0, 3, b' ');
                self.push(TokenKind::Space, 3);
            }
            // It is meant as a comment, and begins no item.
            b'#' if self.region.is_none() => self.operator(),
            _ => self.significant(byte),
        }
    }

    fn significant(&mut self, byte: u8) {
        let start = self.position;
        if !self.brackets.is_empty() && self.at_item_word() {
            self.items_inside += 1;
            if self.resynchronise {
                self.end_region();
            }
        }
        if self.region.is_none() {
            self.region = Some(Region {
                start,
                end: start,
                missing: String::new(),
                broken: false,
                deep: false,
                problems: self.problems.len()..self.problems.len(),
                pending: None,
            });
            self.last = None;
        }
        let deep = self.region.as_ref().is_some_and(|r| r.deep);
        match byte {
            b'(' | b'[' | b'{' => self.open(byte),
            b')' | b']' | b'}' => self.close(byte),
            b'"' | b'\'' => self.string(),
            _ => {
                if let Some(end) = number_end(self.bytes, start) {
                    self.push(TokenKind::Number, end);
                } else if begins_word(byte) {
                    let end = word_end(self.bytes, start);
                    self.push(TokenKind::Word, end);
                } else {
                    self.operator();
                }
            }
        }
        if deep && let Some(token) = self.tokens.last_mut() {
            // Beyond the limit nobody reads the tokens: one long one is enough.
            token.kind = TokenKind::Skipped;
            if let [.., before, last] = self.tokens.as_mut_slice()
                && before.kind == TokenKind::Skipped
            {
                before.end = last.end;
                self.tokens.pop();
            }
        }
    }

    fn at_item_word(&self) -> bool {
        let start = self.position;
        let column_0 = start == 0 || self.bytes[start - 1] == b'\n';
        if !column_0 || !begins_word(self.bytes[start]) {
            return false;
        }
        let text = &self.text[start..];
        begins_item(text) || self.mending && begins_misspelt_item(text)
    }

    fn operator(&mut self) {
        let start = self.position;
        let length = punctuation_length(self.bytes, start);
        if length == 0 || self.bytes[start..].starts_with(b"||") {
            return self.unknown();
        }
        if self.bytes[start] == b'<' && length == 1 {
            let generic = self.last.is_some_and(|t| {
                t.kind == TokenKind::Word
                    && t.end as usize == start
                    && t.text(self.text).starts_with(char::is_uppercase)
            });
            if generic && self.brackets.open_angle() > BRACKET_LIMIT {
                self.too_deep(start, start + 1);
            }
        }
        if self.bytes[start] == b'>' && length == 1 {
            self.brackets.close_angle();
        }
        self.push(TokenKind::Punctuation, start + length);
    }

    fn open(&mut self, byte: u8) {
        let start = self.position;
        if self.mending && byte == b'{' {
            self.mend_open(start);
        }
        if self.brackets.open(byte, start, self.line) > BRACKET_LIMIT {
            self.too_deep(start, start + 1);
        }
        self.push(TokenKind::Open, start + 1);
    }

    pub(super) fn too_deep(&mut self, start: usize, end: usize) {
        let span = self.span(start, end);
        if let Some(region) = self.region.as_mut()
            && !region.deep
        {
            region.deep = true;
            region.broken = true;
            self.problems.push(
                Diagnostic::error(
                    codes::TOO_DEEP,
                    span,
                    format!("brackets are nested more than {BRACKET_LIMIT} deep"),
                )
                .help("give the inner part a name with `let` and use that"),
            );
        }
    }

    fn close(&mut self, byte: u8) {
        let start = self.position;
        if self.mending && self.mend_close(byte) {
            return self.push(TokenKind::Close, start + 1);
        }
        match self.brackets.close(byte) {
            Closed::Matched { open, line } => {
                let suspicious = byte == b'}'
                    && line != self.line
                    && self.first_on_line(start)
                    && self.indentation(start) < self.indentation(open);
                if suspicious {
                    self.brackets.suspect(open);
                }
            }
            Closed::Unclosed(opens) => {
                if let Some(&open) = opens.last() {
                    let problem = self.unclosed_problem(open, Some(start));
                    self.report_bracket(problem);
                }
                for open in opens {
                    self.mask(open, open + 1, b' ');
                }
            }
            Closed::Nothing => {
                let text = byte as char;
                let span = self.span(start, start + 1);
                self.report_bracket(
                    Diagnostic::error(codes::STRAY_CLOSER, span, format!("this `{text}` closes nothing"))
                        .help(format!(
                            "remove it, or write the missing `{}` before it",
                            opener(byte)
                        ))
                        .likely_fix(span, "", format!("remove the `{text}`")),
                );
                self.mask(start, start + 1, b' ');
            }
        }
        self.push(TokenKind::Close, start + 1);
    }

    /// One problem of brackets per item: the others are mostly consequences.
    pub(super) fn report_bracket(&mut self, problem: Diagnostic) {
        self.alone += usize::from(problem.code != codes::UNCLOSED_TEXT);
        let broken = self
            .region
            .as_mut()
            .is_some_and(|r| std::mem::replace(&mut r.broken, true));
        if !broken {
            self.problems.push(problem);
        }
    }

    pub(super) fn first_on_line(&self, at: usize) -> bool {
        self.line_start(at) + self.indentation(at) == at
    }

    pub(super) fn line_start(&self, at: usize) -> usize {
        self.bytes[..at]
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |n| n + 1)
    }

    pub(super) fn indentation(&self, at: usize) -> usize {
        self.bytes[self.line_start(at)..]
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count()
    }

    fn end_region(&mut self) {
        if !self.brackets.is_empty() {
            let open = self.brackets.suspected().or_else(|| self.brackets.innermost());
            if let Some(open) = open {
                let problem = self.unclosed_problem(open, None);
                if self.mending {
                    // The brackets that are added at the end make the rest readable.
                    self.alone += 1;
                    self.problems.push(problem);
                } else {
                    self.report_bracket(problem);
                }
            }
        }
        let missing = self.brackets.missing();
        self.brackets = Brackets::default();
        let end = self.last.map(|t| t.end as usize);
        if let Some(mut region) = self.region.take() {
            region.end = end.unwrap_or(region.start);
            region.missing = missing;
            region.problems.end = self.problems.len();
            self.regions.push(region);
        }
        self.last = None;
    }

    fn newline(&mut self) {
        let start = self.position;
        self.push(TokenKind::Newline, start + 1);
        self.line += 1;
        if self.mending && self.region.is_some() {
            self.mend_newline(start);
        }
        let Some(last) = self.last.filter(|_| self.region.is_some()) else {
            return;
        };
        if self.brackets.top().is_some_and(|b| b != b'{') {
            return self.mask(start, start + 1, b' ');
        }
        let next = self.next_significant();
        if self.goes_on(last) && !self.begins_statement(next) {
            return self.mask(start, start + 1, b' ');
        }
        let begins_else = self.bytes[next..].starts_with(b"else")
            && !self.bytes.get(next + 4).copied().is_some_and(token::in_word);
        if begins_else && last.text(self.text) == "}" {
            return self.mask(start, start + 1, b' ');
        }
        let on_next_line = self.bytes.get(next) == Some(&b'{')
            && self.bytes.get(next + 1) != Some(&b'}')
            && !matches!(last.kind, TokenKind::Open)
            && !matches!(last.text(self.text), "," | "}" | "=");
        if on_next_line {
            self.mask(start, next, b' ');
            let span = self.span(next, next + 1);
            self.problems.push(
                Diagnostic::error(codes::BRACE_ON_NEXT_LINE, span, "`{` stands on a line of its own")
                    .label(
                        self.span(last.start as usize, last.end as usize),
                        "a new line ends the statement here",
                    )
                    .help("write the `{` at the end of the line before"),
            );
            return;
        }
        self.brackets.forget_angles();
        if self.brackets.is_empty() {
            self.end_region();
        }
    }

    /// Whether the line at `next` clearly is a statement of its own: `name =`, `name:` or an item word at the margin.
    /// Then an operator before it lacks its operand, and what follows must not be swallowed.
    fn begins_statement(&self, next: usize) -> bool {
        if !self.bytes.get(next).copied().is_some_and(begins_word) {
            return false;
        }
        let end = word_end(self.bytes, next);
        let rest = &self.bytes[end..];
        let spaces = rest.iter().take_while(|b| **b == b' ').count();
        let followed = match rest.get(spaces..) {
            Some([b'=', b'=' | b'>', ..]) => false,
            Some([b'=' | b':', ..]) => true,
            _ => false,
        };
        let margin = next == 0 || self.bytes[next - 1] == b'\n';
        followed || (margin && ITEM_WORDS.contains(&&self.text[next..end]) && spaces > 0)
    }

    /// Whether a line that ends with `token` goes on in the next one.
    pub(super) fn goes_on(&self, token: Token) -> bool {
        let text = token.text(self.text);
        match token.kind {
            TokenKind::Word => TRAILING_WORDS.contains(&text),
            TokenKind::Punctuation => match text {
                "," | "+" | "-" | "->" | "*" | "/" | "|" | "==" | "!=" | "<" | "<=" | ">=" | ".." | "??"
                | "." | "?." | "=>" => true,
                // `List<Int>` ends a line, `a >` does not.
                ">" => self.bytes[..token.start as usize].last() == Some(&b' '),
                _ => false,
            },
            _ => false,
        }
    }

    /// The offset of the next token that is not trivia.
    pub(super) fn next_significant(&mut self) -> usize {
        let mut i = self.next_known.max(self.position);
        loop {
            let rest = &self.bytes[i..];
            i += match rest {
                [b' ' | b'\t' | b'\r' | b'\n', ..] => 1,
                [b'/', b'/', ..] => line_length(rest),
                [b'/', b'*', ..] => block_comment_length(rest).unwrap_or(rest.len()),
                _ => break,
            };
        }
        self.next_known = i;
        i
    }
}
