//! Tokens: the smallest pieces of a file. Joined, they are the file byte for byte.

/// A piece of text and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// The kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// Spaces, tabs, carriage returns and a byte order mark.
    Space,
    /// One line feed.
    Newline,
    /// `// …` up to the end of the line.
    LineComment,
    /// `/* … */`
    BlockComment,
    /// `/// …` up to the end of the line.
    DocComment,
    /// A word of the language or a name.
    Word,
    /// A number with its unit, or an address.
    Number,
    /// A string with its quotes.
    String,
    /// `(`, `[` or `{`
    Open,
    /// `)`, `]` or `}`
    Close,
    /// Operators and punctuation.
    Punctuation,
    /// A character that is no part of the language.
    Unknown,
    /// Text that was not looked into, because brackets are nested too deeply or the file is too large.
    Skipped,
}

impl Token {
    /// The text of the token in the text of its file.
    pub fn text<'t>(&self, text: &'t str) -> &'t str {
        &text[self.start as usize..self.end as usize]
    }

    /// Spacing and comments.
    pub fn is_trivia(&self) -> bool {
        self.kind.is_trivia()
    }
}

impl TokenKind {
    /// Spacing and comments.
    pub fn is_trivia(self) -> bool {
        use TokenKind::{BlockComment, DocComment, LineComment, Newline, Space};
        matches!(self, Space | Newline | LineComment | BlockComment | DocComment)
    }

    /// Comments of all three kinds.
    pub fn is_comment(self) -> bool {
        matches!(
            self,
            TokenKind::LineComment | TokenKind::BlockComment | TokenKind::DocComment
        )
    }
}

/// Whether `byte` can begin a name.
pub(super) fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

/// Whether `byte` can stand in a name.
pub(super) fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The end of the name that begins at `start`.
pub(super) fn word_end(bytes: &[u8], start: usize) -> usize {
    start + bytes[start..].iter().take_while(|b| in_word(**b)).count()
}

/// The end of the number or address that begins at `start`, if one does. One token, classified later:
/// digits, letters, `_`, dots before digits, colons of addresses, `/` before digits, `%`.
pub(super) fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    if let Some(end) = colons_end(bytes, start) {
        return Some(prefix_end(bytes, end));
    }
    if !at(start).is_ascii_digit() {
        return None;
    }
    let mut end = start;
    while in_word(at(end)) || (at(end) == b'.' && at(end + 1).is_ascii_digit()) {
        end += 1;
    }
    if at(end) == b'%' {
        return Some(end + 1);
    }
    Some(prefix_end(bytes, end))
}

/// `fd00::1`, `52:54:00:12:34:56`: at least two colons between hexadecimal digits, with an IPv4 tail.
fn colons_end(bytes: &[u8], start: usize) -> Option<usize> {
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let digits = |from: usize| {
        from + bytes[from..]
            .iter()
            .take(40)
            .take_while(|b| b.is_ascii_hexdigit())
            .count()
    };
    let first = digits(start);
    if at(first) != b':' || first - start >= 40 {
        return None;
    }
    let second = digits(first + 1);
    if at(second) != b':' || second - first > 40 {
        return None;
    }
    let mut end = second + 1;
    while in_word(at(end)) || at(end) == b':' || (at(end) == b'.' && at(end + 1).is_ascii_digit()) {
        end += 1;
    }
    Some(end)
}

/// Takes `/24` along.
fn prefix_end(bytes: &[u8], end: usize) -> usize {
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    if at(end) != b'/' || !at(end + 1).is_ascii_digit() {
        return end;
    }
    word_end(bytes, end + 1)
}

/// How many bytes the operator at `start` has; 0 if there is none.
pub(super) fn punctuation_length(bytes: &[u8], start: usize) -> usize {
    match (bytes[start], bytes.get(start + 1).copied().unwrap_or(0)) {
        (b'=' | b'!' | b'<' | b'>', b'=') | (b'.', b'.') | (b'?', b'?' | b'.') | (b'=' | b'-', b'>') => 2,
        (b'=' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'|' | b'.' | b',' | b':' | b'?' | b'@', _) => 1,
        _ => 0,
    }
}

/// Where a string that begins at a quote ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StringEnd {
    /// One past the closing quote, or where the string was given up.
    pub end: usize,
    /// Whether there is a closing quote.
    pub closed: bool,
    /// Whether strings and brackets within it are nested too deeply.
    pub deep: bool,
}

/// Whether the `{` at `open` (within a string) begins an interpolation.
pub(super) fn begins_interpolation(bytes: &[u8], open: usize) -> bool {
    bytes.get(open + 1).is_some_and(|b| begins_word(*b) || *b == b'(')
}

/// Finds the end of the string whose opening quote is at `start`.
pub(super) fn string_end(bytes: &[u8], start: usize, depth_limit: usize) -> StringEnd {
    if bytes[start] == b'\'' {
        let line = bytes[start + 1..].iter().position(|b| matches!(b, b'\'' | b'\n'));
        let end = line.map_or(bytes.len(), |n| start + 1 + n);
        let closed = bytes.get(end) == Some(&b'\'');
        return StringEnd {
            end: end + usize::from(closed),
            closed,
            deep: false,
        };
    }
    match nested_end(bytes, start, depth_limit) {
        Ok(end) => StringEnd {
            end,
            closed: true,
            deep: false,
        },
        // An interpolation without its end would swallow the closing quote: then braces count for nothing.
        Err(deep) => StringEnd {
            deep,
            ..plain_end(bytes, start)
        },
    }
}

/// The end of the interpolation whose `{` is at `open`: one past its `}`.
pub(super) fn interpolation_end(bytes: &[u8], open: usize, depth_limit: usize) -> Option<usize> {
    nested_end(bytes, open, depth_limit).ok()
}

fn is_triple(bytes: &[u8], at: usize) -> bool {
    bytes[at..].starts_with(b"\"\"\"")
}

/// What the scanner of strings is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Line,
    Block,
    Code(u8),
}

fn nested_end(bytes: &[u8], start: usize, depth_limit: usize) -> Result<usize, bool> {
    let mut stack: Vec<Inside> = Vec::new();
    let mut i = start;
    loop {
        let Some(&byte) = bytes.get(i) else {
            return Err(false);
        };
        if stack.len() > depth_limit {
            return Err(true);
        }
        match (stack.last().copied(), byte) {
            (Some(Inside::Line | Inside::Block), b'\\') => i += 2,
            (Some(Inside::Line), b'"') => {
                stack.pop();
                i += 1;
            }
            (Some(Inside::Block), b'"') if is_triple(bytes, i) => {
                stack.pop();
                i += 3;
            }
            (Some(Inside::Line | Inside::Block), b'{') => {
                if begins_interpolation(bytes, i) {
                    stack.push(Inside::Code(b'}'));
                }
                i += 1;
            }
            (Some(Inside::Block), _) => i += 1,
            (_, b'\n') if !stack.contains(&Inside::Block) => return Err(false),
            (Some(Inside::Line), _) => i += 1,
            (_, b'"') => {
                let triple = is_triple(bytes, i);
                stack.push(if triple { Inside::Block } else { Inside::Line });
                i += if triple { 3 } else { 1 };
            }
            (_, b'\'') => {
                let end = string_end(bytes, i, depth_limit);
                if !end.closed {
                    return Err(false);
                }
                i = end.end;
            }
            (_, b'{' | b'(' | b'[') => {
                stack.push(Inside::Code(closer(byte)));
                i += 1;
            }
            (Some(Inside::Code(expected)), b'}' | b')' | b']') => {
                if expected != byte {
                    return Err(false);
                }
                stack.pop();
                i += 1;
            }
            (_, _) => i += 1,
        }
        if stack.is_empty() {
            return Ok(i);
        }
    }
}

fn plain_end(bytes: &[u8], start: usize) -> StringEnd {
    let triple = is_triple(bytes, start);
    let mut i = start + if triple { 3 } else { 1 };
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b'"' if !triple => {
                return StringEnd {
                    end: i + 1,
                    closed: true,
                    deep: false,
                };
            }
            b'"' if is_triple(bytes, i) => {
                return StringEnd {
                    end: i + 3,
                    closed: true,
                    deep: false,
                };
            }
            b'\n' if !triple => break,
            _ => i += 1,
        }
    }
    // An escaped newline or end of file must not carry the end beyond the line.
    let end = i.min(bytes.len());
    let line = bytes[start..end]
        .iter()
        .position(|b| *b == b'\n')
        .filter(|_| !triple);
    StringEnd {
        end: line.map_or(end, |n| start + n),
        closed: false,
        deep: false,
    }
}

/// The bracket that opens what `close` closes.
pub(super) fn opener(close: u8) -> char {
    match close {
        b')' => '(',
        b']' => '[',
        _ => '{',
    }
}

/// The bracket that closes `open`.
pub(super) fn closer(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}
