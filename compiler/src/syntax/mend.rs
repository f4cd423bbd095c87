//! A second look at a file whose brackets do not match up: indentation tells where one is missing.
//!
//! What is missing is written into the masked copy, over a blank or a newline, so that the grammar reads the rest as it was
//! meant and each mistake is told where it was made. The second look counts only if it leaves fewer brackets
//! without a partner than the first: in a file that is not indented as it is nested, it leaves more.

use crate::diagnostics::{Diagnostic, Fix, codes::syntax as codes};

use super::explain::nearest_item;
use super::layout::{ITEM_WORDS, Scanner};
use super::token::{Token, TokenKind, begins_word, closer, word_end};

impl Scanner<'_> {
    /// After a newline at `start`: blocks that the next line is too far left for are closed; one that it is too far right
    /// for is opened.
    pub(super) fn mend_newline(&mut self, start: usize) {
        let next = self.next_significant();
        let Some(&byte) = self.bytes.get(next) else { return };
        if matches!(byte, b'}' | b')' | b']') {
            return;
        }
        let indentation = self.indentation(next);
        self.close_blocks(next, indentation);
        self.open_block(start, indentation);
    }

    /// Closes the blocks that a line with this indentation cannot be in. The closing braces go where it is indented.
    fn close_blocks(&mut self, next: usize, indentation: usize) {
        let mut closers = 0;
        let mut at = self.line_start(next);
        while let Some((byte, open, _)) = self.brackets.top_open() {
            let nested = self.brackets.count() > 1;
            let group = (byte == b'(').then(|| self.group_begins(open)).flatten();
            if !nested && group.is_none() || indentation > self.indentation(open) {
                return;
            }
            if byte == b'{' {
                // Each brace takes a blank, and the newline that separates it one more.
                if closers + 1 >= indentation {
                    return;
                }
                self.masked[at] = b'}';
                self.masked[at + 1] = b'\n';
                at += 1;
                closers += 1;
            } else if let Some(on) = group {
                self.masked[on - 1] = b')';
            } else {
                self.unreadable(open);
            }
            self.tell_unclosed(open);
            self.brackets.pop();
        }
    }

    /// Opens a block where a line is indented further than the one before, which ended without a brace.
    fn open_block(&mut self, newline: usize, indentation: usize) {
        let Some(last) = self.last else { return };
        let end = last.end as usize;
        let line = self.line_start(last.start as usize);
        let own = self.indentation(last.start as usize);
        let inside = self.brackets.top_open().is_none_or(|(byte, _, _)| byte == b'{');
        let ends = matches!(last.kind, TokenKind::Word) || last.text(self.text) == ")";
        if !inside || !ends || indentation <= own || self.goes_on(last) {
            return;
        }
        let header = &self.text[line..end];
        let item = self.brackets.is_empty() && begins_item(header);
        let words = header.split_whitespace().count();
        // `path = x` and the like are no headers of blocks.
        let statement =
            !self.brackets.is_empty() && (words == 2 && !header.contains('=') || header.contains(" on "));
        if !item && !statement {
            return;
        }
        self.masked[newline] = b'{';
        self.brackets.open(b'{', newline, self.line - 1);
        let shown = last.text(self.text);
        let span = self.span(end, end);
        self.problems.push(
            Diagnostic::error(codes::UNEXPECTED, span, format!("expected `{{` after `{shown}`"))
                .here("the block begins here")
                .add_fix(Fix::sure("write `{`").edit(span, " {")),
        );
    }

    /// An opening brace where a parenthesis of the same line is still open: `role web(port: Int {`.
    pub(super) fn mend_open(&mut self, start: usize) {
        let Some((b'(', open, line)) = self.brackets.top_open() else {
            return;
        };
        let rest = &self.text[start + 1..];
        let ends_line = rest.trim_start_matches(' ').starts_with('\n');
        let begins_record = self
            .last
            .is_none_or(|t| matches!(t.text(self.text), "(" | "," | "=" | ":" | "[" | "{"));
        let blank = start > 0 && self.bytes[start - 1] == b' ';
        // The parentheses of an item are followed by its block, and nothing else is.
        let header = self.brackets.count() == 1 && begins_item(&self.text[self.line_start(start)..start]);
        if line != self.line {
            return;
        }
        let group = self.group_begins(open);
        let place = match group {
            Some(on) if self.last.is_some_and(|t| t.start as usize > on) => Some(on),
            _ => (blank && (ends_line || header) && (header && ends_line || !begins_record)).then_some(start),
        };
        if let Some(place) = place {
            self.masked[place - 1] = b')';
            self.tell_unclosed(open);
            self.brackets.pop();
        }
    }

    /// Where `on group` begins behind this parenthesis, in its line: that is no argument.
    fn group_begins(&self, open: usize) -> Option<usize> {
        let mut behind: Vec<&Token> = self
            .tokens
            .iter()
            .rev()
            .take_while(|t| t.start as usize > open)
            .collect();
        behind.reverse();
        behind.retain(|t| !t.is_trivia());
        if behind.iter().any(|t| t.text(self.text) == "(") {
            // Which of the calls lacks its end is not known.
            return None;
        }
        let pair = behind
            .windows(2)
            .rfind(|w| w.iter().all(|t| t.kind == TokenKind::Word) && w[0].text(self.text) == "on")?;
        let on = pair[0].start as usize;
        let same_line = !self.text[open..on].contains('\n');
        (same_line && self.masked[on - 1] == b' ').then_some(on)
    }

    /// Before a closing bracket is matched. Returns whether it is dealt with.
    pub(super) fn mend_close(&mut self, byte: u8) -> bool {
        let start = self.position;
        if byte == b'}' {
            self.close_before(start);
        }
        let Some((open_byte, open, line)) = self.brackets.top_open() else {
            return byte == b'}' && self.open_item();
        };
        if closer(open_byte) != byte {
            return self.swapped(byte, open_byte, open, line);
        }
        byte == b'}' && line != self.line && !self.first_on_line(start) && self.ends_early(open)
    }

    /// An item in one line without its opening brace: `use std.linux file }`, `network front cidr = 10.0.0.0/24 }`.
    fn open_item(&mut self) -> bool {
        let Some(start) = self.region.as_ref().map(|r| r.start) else {
            return false;
        };
        let first = self.tokens.partition_point(|t| (t.start as usize) < start);
        let words: Vec<_> = self.tokens[first..].iter().filter(|t| !t.is_trivia()).collect();
        let of_type = words.iter().map(|t| t.text(self.text)).find(|t| *t != "pub") == Some("type");
        let next_to = |w: &&[&Token]| {
            let text = w[0].text(self.text);
            let header = w[0].kind == TokenKind::Word || text == ")" || of_type && text == "=";
            header && w[1].kind == TokenKind::Word && w[0].text(self.text) != "pub"
        };
        // The first such pair is the word of the item and its name.
        let Some(pair) = words.windows(2).filter(next_to).nth(1) else {
            return false;
        };
        let (header, field) = (*pair[0], *pair[1]);
        self.masked[header.end as usize] = b'{';
        self.tell_unopened(header, field);
        true
    }

    fn tell_unopened(&mut self, header: Token, field: Token) {
        let (begin, end) = (field.start as usize, field.end as usize);
        let (shown, found) = (header.text(self.text), field.text(self.text));
        let message = format!("expected `{{` after `{shown}`, found `{found}`");
        let brace = self.span(self.position, self.position + 1);
        self.problems.push(
            Diagnostic::error(codes::UNEXPECTED, self.span(begin, end), message)
                .label(brace, "this brace closes it")
                .fix(self.span(begin, begin), "{ ", "write `{`"),
        );
    }

    /// Blocks that stand further right than this brace lack their own.
    fn close_before(&mut self, start: usize) {
        if !self.first_on_line(start) {
            return;
        }
        let mut at = start;
        while let Some((byte, open, line)) = self.brackets.top_open() {
            let own = line != self.line && self.indentation(start) >= self.indentation(open);
            if own || self.brackets.count() < 2 {
                return;
            }
            if byte == b'{' {
                let free = at
                    .checked_sub(1)
                    .filter(|b| matches!(self.masked[*b], b' ' | b'\n'));
                let Some(free) = free else { return };
                at = free;
                self.masked[at] = b'}';
            } else {
                self.unreadable(open);
            }
            self.tell_unclosed(open);
            self.brackets.pop();
        }
    }

    /// A bracket of another kind than the one that is open.
    fn swapped(&mut self, byte: u8, open_byte: u8, open: usize, line: usize) -> bool {
        let start = self.position;
        let first = self.first_on_line(start) && self.indentation(start) == self.indentation(open);
        let outer = self.brackets.has_other(byte);
        if (line != self.line && !first) || (outer && byte != b'}' && line != self.line) {
            return false;
        }
        // `( … }` with a blank before it is a block; otherwise the closing one is wrong.
        let before = self.text[..open].trim_end_matches(' ');
        let value = before.ends_with(['=', ',', '(', '[', ':']);
        let block = byte == b'}'
            && open_byte == b'('
            && (before.len() < open && !value || value && self.holds_fields(open));
        if !block {
            match self.meant(byte, open_byte, outer, line) {
                Meant::TooMany => return self.too_many(byte),
                Meant::Outer => return self.close_on_line(byte),
                Meant::Swapped => {}
            }
        }
        if block {
            self.masked[open] = b'{';
            let newlines: Vec<usize> = self
                .tokens
                .iter()
                .rev()
                .take_while(|t| t.start as usize > open)
                .filter(|t| t.kind == TokenKind::Newline)
                .map(|t| t.start as usize)
                .collect();
            for newline in newlines {
                self.masked[newline] = b'\n';
            }
        } else {
            self.masked[start] = closer(open_byte);
        }
        let (wrong, right) = if block { (open, start) } else { (start, open) };
        let (found, wanted) = match block {
            true => (open_byte, b'{'),
            false => (byte, closer(open_byte)),
        };
        let span = self.span(wrong, wrong + 1);
        let message = format!("expected `{}`, found `{}`", wanted as char, found as char);
        self.problems.push(
            Diagnostic::error(codes::UNEXPECTED, span, message)
                .label(self.span(right, right + 1), "its partner is here")
                .fix(
                    span,
                    (wanted as char).to_string(),
                    format!("write `{}`", wanted as char),
                ),
        );
        self.brackets.pop();
        true
    }

    /// Whether `name =` or `name:` stands behind this bracket: then it was to begin a record.
    fn holds_fields(&self, open: usize) -> bool {
        let inside = self.text[open + 1..].trim_start_matches(' ');
        let end = word_end(inside.as_bytes(), 0);
        let behind = inside[end..].trim_start_matches(' ');
        end > 0 && behind.starts_with(['=', ':']) && !behind.starts_with("==")
    }

    /// What a bracket that does not fit was to be: what leaves the fewest brackets of the rest of the line without a partner.
    fn meant(&self, byte: u8, open_byte: u8, outer: bool, line: usize) -> Meant {
        let rest = &self.bytes[self.position + 1..];
        let length = rest.iter().take_while(|b| **b != b'\n').count();
        let rest = &rest[..length.min(LOOK_AHEAD)];
        let usual = match outer {
            true => Meant::Outer,
            false if line == self.line && rest.contains(&closer(open_byte)) => Meant::TooMany,
            false => Meant::Swapped,
        };
        if line != self.line {
            return usual;
        }
        let here = self.brackets.opened_on(self.line);
        let inner = here.iter().rev().take_while(|b| closer(**b) != byte).count();
        let alone = |meant: Meant| {
            let (kept, own) = match meant {
                Meant::TooMany => (here.len(), 1),
                Meant::Swapped => (here.len().saturating_sub(1), 1),
                Meant::Outer => (here.len().saturating_sub(inner + 1), inner),
            };
            own + unmatched(here[..kept].to_vec(), rest)
        };
        let all = [Meant::TooMany, Meant::Outer, Meant::Swapped];
        let all = all.into_iter().filter(|m| *m != Meant::Outer || outer);
        all.min_by_key(|m| (alone(*m), *m != usual)).unwrap_or(usual)
    }

    /// A closing bracket that is left out of account.
    fn too_many(&mut self, byte: u8) -> bool {
        let start = self.position;
        // Before a brace that is too many its partner may be missing: then the rest is no list of arguments either.
        self.masked[start] = if byte == b'}' { b'\\' } else { b' ' };
        let span = self.span(start, start + 1);
        let shown = byte as char;
        let problem = Diagnostic::error(codes::UNEXPECTED, span, format!("this `{shown}` closes nothing"));
        let help = "remove it, or write the missing opening bracket before it";
        self.problems.push(
            problem
                .help(help)
                .likely_fix(span, "", format!("remove the `{shown}`")),
        );
        true
    }

    /// Brackets of this line that lack their own before this one, which closes one further out.
    fn close_on_line(&mut self, byte: u8) -> bool {
        let start = self.position;
        while let Some((inner, open, line)) = self.brackets.top_open() {
            if closer(inner) == byte || line != self.line {
                break;
            }
            match self.masked[start - 1] == b' ' {
                true => self.masked[start - 1] = closer(inner),
                false => self.unreadable(open),
            }
            let problem = self.unclosed_problem(open, Some(start));
            self.problems.push(problem);
            self.brackets.pop();
        }
        false
    }

    /// A brace at the end of a line that would end a block whose lines go on: the line lacks its opening brace.
    fn ends_early(&mut self, open: usize) -> bool {
        let start = self.position;
        let after = start + 1 + run(&self.bytes[start + 1..], b" \t\r");
        if self.bytes.get(after) != Some(&b'\n') {
            return false;
        }
        let next = after + run(&self.bytes[after..], b" \t\r\n");
        let Some(&byte) = self.bytes.get(next) else {
            return false;
        };
        let (own, then) = (self.indentation(open), self.indentation(next));
        if then < own || then == own && byte != b'}' {
            return false;
        }
        let line = self.line_start(start);
        let words: Vec<_> = self
            .tokens
            .iter()
            .rev()
            .take_while(|t| t.start as usize >= line)
            .filter(|t| !t.is_trivia())
            .copied()
            .collect();
        // From the end of the line: `=`, the name of a field, and the word that ends the header of the block.
        let place = words.windows(3).rev().find(|w| {
            w[0].text(self.text) == "=" && w[1].kind == TokenKind::Word && w[2].kind == TokenKind::Word
        });
        if let Some([_, field, header]) = place {
            let (header, field) = (*header, *field);
            self.masked[header.end as usize] = b'{';
            self.tell_unopened(header, field);
        } else {
            self.masked[start] = b' ';
            let span = self.span(start, start + 1);
            self.problems.push(
                Diagnostic::error(codes::STRAY_CLOSER, span, "this `}` closes nothing")
                    .label(self.span(open, open + 1), "the block that begins here goes on")
                    .help("remove it, or write the missing `{` before it")
                    .likely_fix(span, "", "remove the `}`"),
            );
        }
        true
    }

    /// Where a string that is never closed probably ends: before the brackets at the end of its line that close what was
    /// opened in that line.
    pub(super) fn mend_string(&self, start: usize, end: usize) -> usize {
        let mut open = self.brackets.opened_on(self.line);
        let mut text = self.text[start + 1..end].trim_end();
        let mut kept = text;
        while let (Some(byte), Some(last)) = (open.pop(), text.bytes().last()) {
            if last != closer(byte) {
                break;
            }
            text = text[..text.len() - 1].trim_end();
            kept = text;
        }
        let all = self.text[start + 1..end].trim_end();
        // `f(name = "curl) on a`: a bracket of the line is closed within.
        let open = self.brackets.opened_on(self.line);
        if kept.len() == all.len()
            && let Some(last) = open.last().map(|byte| closer(*byte))
            && let Some(at) = closes_first(all.as_bytes(), last)
        {
            kept = &all[..at];
        }
        match kept.len() == all.len() {
            true => end,
            false => start + 1 + kept.len(),
        }
    }

    pub(super) fn unclosed_problem(&self, open: usize, before: Option<usize>) -> Diagnostic {
        let byte = self.bytes[open];
        let (text, missing) = (byte as char, closer(byte) as char);
        let what = match byte {
            b'{' => "brace",
            b'[' => "bracket",
            _ => "parenthesis",
        };
        let mut problem = Diagnostic::error(
            codes::UNCLOSED,
            self.span(open, open + 1),
            format!("missing `{missing}`: this {what} is never closed"),
        )
        .here(format!("`{text}` opens here"));
        if let Some(end) = before {
            let found = self.bytes[end] as char;
            problem = problem.label(
                self.span(end, end + 1),
                format!("`{missing}` is expected before this `{found}`"),
            );
        }
        if let (None, Some(last)) = (before, self.last.filter(|t| t.start as usize > open)) {
            let end = last.end as usize;
            problem = problem.label(self.span(end, end), format!("`{missing}` is missing before here"));
        }
        problem
    }

    fn tell_unclosed(&mut self, open: usize) {
        let problem = self.unclosed_problem(open, None);
        self.problems.push(problem);
    }

    /// Makes a statement one that cannot be read, up to the end of its line: what it says is told already.
    fn unreadable(&mut self, open: usize) {
        self.masked[open] = b'\\';
        let line = self.masked[open..self.position]
            .iter_mut()
            .take_while(|b| **b != b'\n');
        line.filter(|b| **b == b',').for_each(|b| *b = b'\\');
    }
}

/// What a bracket that does not fit was to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meant {
    /// Nothing: it is too many.
    TooMany,
    /// The end of a bracket further out: those within lack theirs.
    Outer,
    /// The end of the innermost bracket.
    Swapped,
}

/// How much of a line is looked at.
const LOOK_AHEAD: usize = 1000;

/// How many brackets of `text` have no partner, and how many of those that are `open` before it. A block may begin at its end.
fn unmatched(mut open: Vec<u8>, text: &[u8]) -> usize {
    let mut alone = 0;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at += text[at..].iter().take_while(|b| **b != b'"').count() + 1,
            b'(' | b'[' | b'{' => open.push(byte),
            b')' | b']' | b'}' => match open.iter().rposition(|o| closer(*o) == byte) {
                Some(depth) => {
                    alone += open.len() - depth - 1;
                    open.truncate(depth);
                }
                None => alone += 1,
            },
            _ => {}
        }
    }
    let block = text.trim_ascii_end().last() == Some(&b'{');
    alone + open.len() - usize::from(block && !open.is_empty())
}

/// The first such bracket in the text that closes nothing of it.
fn closes_first(text: &[u8], closing: u8) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.iter().enumerate() {
        if *byte == closing {
            match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Some(at),
            }
        } else if matches!(byte, b'(' | b'[' | b'{') && closer(*byte) == closing {
            depth += 1;
        }
    }
    None
}

/// How many bytes at the beginning are among `these`.
fn run(bytes: &[u8], these: &[u8]) -> usize {
    bytes.iter().take_while(|b| these.contains(b)).count()
}

/// Whether `text` begins with a slip of an item's word, a name, and what follows a name there.
pub(super) fn begins_misspelt_item(text: &str) -> bool {
    let word = &text[..word_end(text.as_bytes(), 0)];
    let rest = text[word.len()..].trim_start_matches(' ');
    let behind = rest[word_end(rest.as_bytes(), 0)..].trim_start_matches(' ');
    let header = behind.len() < rest.len() && behind.starts_with(['=', '(', '{']);
    header && nearest_item(word).is_some_and(|near| near.len() == word.len())
}

/// Whether `text` begins with a word of an item and a name (or the title of a test).
pub(super) fn begins_item(text: &str) -> bool {
    let end = word_end(text.as_bytes(), 0);
    let next = text[end..].bytes().find(|b| *b != b' ');
    ITEM_WORDS.contains(&&text[..end]) && next.is_some_and(|b| begins_word(b) || b == b'"')
}
