//! How many spaces stand between two tokens of a line.

use crate::syntax::{RESERVED_WORDS, TokenKind};

/// Remembers what the rules need of the tokens before.
#[derive(Debug, Clone, Default)]
pub(super) struct Spacing<'t> {
    last: Option<(TokenKind, &'t str)>,
    /// Whether the last token is an operator before its operand, such as `-` in `-1`.
    prefix: bool,
    /// Whether the last token is a `<` of a type.
    type_angle: bool,
    /// How many `<` of types are open.
    angles: usize,
    /// Whether the last token began its line.
    began: bool,
}

impl<'t> Spacing<'t> {
    /// The spaces before the next token; `spaced` tells whether the writer has some there, `first` whether it begins
    /// its line.
    pub(super) fn before(&mut self, kind: TokenKind, text: &'t str, spaced: bool, first: bool) -> usize {
        let angle_opens = text == "<"
            && !spaced
            && !first
            && self
                .last
                .is_some_and(|(k, t)| k == TokenKind::Word && last_name_is_capital(t));
        let angle_closes = text == ">" && self.angles > 0;
        let prefix = text == "-" && self.last.is_none_or(|(k, t)| awaits_operand(k, t));
        let close = self.close(kind, text) || angle_opens || angle_closes;
        if angle_opens {
            self.angles += 1;
        }
        if angle_closes {
            self.angles -= 1;
        }
        self.last = if kind.is_comment() {
            self.last
        } else {
            Some((kind, text))
        };
        if !kind.is_comment() {
            self.prefix = prefix;
            self.type_angle = angle_opens;
            self.began = first;
        }
        usize::from(!close && !first)
    }

    /// Whether the next token follows without space.
    fn close(&self, kind: TokenKind, text: &str) -> bool {
        let Some((last_kind, last)) = self.last else {
            return true;
        };
        if kind.is_comment() {
            return false;
        }
        if self.prefix || self.type_angle {
            return true;
        }
        match text {
            "," | ")" | "]" | ":" | "." | ".." | "?." | "@" => return true,
            // The key of a map, rather than a list.
            "[" => {
                let value = last_kind == TokenKind::Word && !begins_expression(last);
                return value && !(self.began && last == "assert") || matches!(last, "(" | "[" | ")" | "]");
            }
            "?" => return true,
            "}" => return last == "{",
            "(" => {
                let statement = self.began && last == "assert";
                let name = last_kind == TokenKind::Word && !begins_expression(last) && !statement;
                return name || matches!(last, "(" | "[" | ")" | "]" | "." | "..");
            }
            _ => {}
        }
        matches!(last, "(" | "[" | "." | ".." | "?." | "@")
    }
}

/// Whether an expression of its own may follow this word.
fn begins_expression(word: &str) -> bool {
    RESERVED_WORDS.contains(&word) || matches!(word, "where" | "by")
}

fn last_name_is_capital(text: &str) -> bool {
    text.starts_with(char::is_uppercase)
}

/// Whether an operand must follow, so that a `-` is its sign.
fn awaits_operand(kind: TokenKind, text: &str) -> bool {
    match kind {
        TokenKind::Open => true,
        TokenKind::Punctuation => text != "?",
        TokenKind::Word => RESERVED_WORDS.contains(&text) && !matches!(text, "true" | "false"),
        _ => false,
    }
}

/// Whether a line that ends with this token goes on in the next one, other than by a bracket or a comma.
pub(super) fn continues(kind: TokenKind, text: &str) -> bool {
    match kind {
        TokenKind::Punctuation => {
            matches!(
                text,
                "+" | "-"
                    | "->"
                    | "*"
                    | "/"
                    | "|"
                    | "=="
                    | "!="
                    | "<"
                    | "<="
                    | ">="
                    | ".."
                    | "??"
                    | "."
                    | "?."
                    | "=>"
                    | "="
                    | ":"
            )
        }
        TokenKind::Word => matches!(text, "and" | "or" | "mod" | "not" | "in" | "then" | "else"),
        _ => false,
    }
}
