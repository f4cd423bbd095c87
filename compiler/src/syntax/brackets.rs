//! The brackets that are open at a place of the scan.

use super::layout::BRACKET_LIMIT;
use super::token::closer;

/// A stack of open brackets. Beyond the limit they are only counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Brackets {
    stack: Vec<Open>,
    /// How many brackets are open beyond the limit.
    beyond: usize,
    /// How many `<` of types are open in all.
    angles: usize,
    /// An opener whose closer stands further left than its line: probably the one that lacks its own.
    suspected: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    byte: u8,
    offset: usize,
    line: usize,
    /// How many `<` were open outside of it.
    angles: usize,
}

/// What a closing bracket did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Closed {
    /// It closed the bracket at `open`, which stands on line `line` (counted from 0).
    Matched {
        /// Offset of the opening bracket.
        open: usize,
        /// Its line.
        line: usize,
    },
    /// It closed an outer bracket; these inner ones (outermost first) are never closed.
    Unclosed(Vec<usize>),
    /// No such bracket is open.
    Nothing,
}

impl Brackets {
    /// Whether none is open.
    pub(super) fn is_empty(&self) -> bool {
        self.stack.is_empty()
    }

    /// Opens one and tells how many are open now.
    pub(super) fn open(&mut self, byte: u8, offset: usize, line: usize) -> usize {
        if self.depth() > BRACKET_LIMIT {
            self.beyond += 1;
        } else {
            self.stack.push(Open {
                byte,
                offset,
                line,
                angles: self.angles,
            });
        }
        self.depth()
    }

    /// Opens the `<` of a type and tells how many brackets are open now.
    pub(super) fn open_angle(&mut self) -> usize {
        self.angles += 1;
        self.depth()
    }

    /// Closes the `<` of a type, if one is open within the innermost bracket.
    pub(super) fn close_angle(&mut self) {
        if self.angles > self.stack.last().map_or(0, |o| o.angles) {
            self.angles -= 1;
        }
    }

    /// At the end of a statement no `<` is open.
    pub(super) fn forget_angles(&mut self) {
        self.angles = self.stack.last().map_or(0, |o| o.angles);
    }

    fn depth(&self) -> usize {
        self.stack.len() + self.beyond + self.angles
    }

    /// Closes one.
    pub(super) fn close(&mut self, byte: u8) -> Closed {
        if self.beyond > 0 {
            self.beyond -= 1;
            let line = 0;
            return Closed::Matched { open: 0, line };
        }
        let Some(depth) = self.stack.iter().rposition(|o| closer(o.byte) == byte) else {
            return Closed::Nothing;
        };
        let inner: Vec<usize> = self.stack.drain(depth + 1..).map(|o| o.offset).collect();
        match self.stack.pop() {
            Some(open) if inner.is_empty() => {
                self.angles = open.angles;
                Closed::Matched {
                    open: open.offset,
                    line: open.line,
                }
            }
            Some(open) => {
                self.angles = open.angles;
                Closed::Unclosed(inner)
            }
            None => Closed::Nothing,
        }
    }

    /// The innermost open bracket's byte.
    pub(super) fn top(&self) -> Option<u8> {
        self.stack.last().map(|o| o.byte)
    }

    /// The innermost open bracket: its byte, its offset, its line. None where brackets are only counted.
    pub(super) fn top_open(&self) -> Option<(u8, usize, usize)> {
        let open = self.stack.last().filter(|_| self.beyond == 0)?;
        Some((open.byte, open.offset, open.line))
    }

    /// How many brackets are open.
    pub(super) fn count(&self) -> usize {
        self.stack.len()
    }

    /// Closes the innermost bracket, whatever it is.
    pub(super) fn pop(&mut self) {
        if let Some(open) = self.stack.pop() {
            self.angles = open.angles;
        }
    }

    /// Whether a bracket that `byte` closes is open further out.
    pub(super) fn has_other(&self, byte: u8) -> bool {
        self.stack.iter().any(|o| closer(o.byte) == byte)
    }

    /// The brackets that were opened on a line, outermost first.
    pub(super) fn opened_on(&self, line: usize) -> Vec<u8> {
        let last = self.stack.iter().rev().take_while(|o| o.line == line);
        let mut bytes: Vec<u8> = last.map(|o| o.byte).collect();
        bytes.reverse();
        bytes
    }

    /// The innermost open bracket's offset.
    pub(super) fn innermost(&self) -> Option<usize> {
        self.stack.last().map(|o| o.offset)
    }

    /// Remembers the first opener whose closer looks as if it belonged to another.
    pub(super) fn suspect(&mut self, open: usize) {
        self.suspected.get_or_insert(open);
    }

    /// The opener that probably lacks its closer.
    pub(super) fn suspected(&self) -> Option<usize> {
        self.suspected
    }

    /// The closers of all that are open, innermost first.
    pub(super) fn missing(&self) -> String {
        self.stack.iter().rev().map(|o| closer(o.byte) as char).collect()
    }
}
