//! A table of TOML with places: what it lacks, what it has too much, and what is of the wrong type is told.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostics::codes::project;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::resolve::list_of;
use crate::source::{SourceId, Span};

/// A text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Where it stands, of a value with its quotes.
    pub span: Span,
}

/// A section or an inline table.
#[derive(Debug, Clone)]
pub struct Table<'a> {
    /// How people call it: "the section `package`".
    name: String,
    /// Where it stands.
    pub span: Span,
    table: &'a DeTable<'a>,
}

/// One value under a key.
#[derive(Debug, Clone)]
pub struct Value<'a> {
    /// The key.
    pub key: Text,
    /// The place of the value.
    pub span: Span,
    value: &'a DeValue<'a>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub(super) fn root(source: SourceId, length: usize, table: &'a DeTable<'a>) -> Table<'a> {
        Table {
            name: String::new(),
            span: Span::new(source, 0, length),
            table,
        }
    }

    /// All values by key, in the order in which they are written.
    pub fn values(&self) -> Vec<Value<'a>> {
        let mut values: Vec<Value<'a>> = self.table.iter().map(|(k, v)| self.value_of(k, v)).collect();
        values.sort_by_key(|value| value.key.span);
        values
    }

    /// The value under `key`.
    pub fn value(&self, key: &str) -> Option<Value<'a>> {
        let (found, value) = self.table.get_key_value(key)?;
        Some(self.value_of(found, value))
    }

    /// Tells each key that is none of `known`, with the nearest of those.
    pub fn only(&self, known: &[&str], diagnostics: &mut Diagnostics) {
        let unknown = self.values().into_iter();
        for value in unknown.filter(|value| !known.contains(&value.key.text.as_str())) {
            let key = &value.key.text;
            let message = match self.name.as_str() {
                "" => format!("`rebar.toml` has no section `{key}`"),
                name => format!("{name} has no `{key}`"),
            };
            let diagnostic = Diagnostic::error(project::MANIFEST_KEY, value.key.span, message).suggest(
                key,
                known.iter().copied().take(diagnostics.look_through(known.len())),
            );
            diagnostics.push(match diagnostic.help {
                Some(_) => diagnostic,
                None => diagnostic.help(format!("there is {}", list_of(known))),
            });
        }
    }

    /// The text under `key`, if it is there.
    pub fn text(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<Text> {
        self.value(key)?.text(diagnostics)
    }

    /// The text under `key`; told when it is not there.
    pub fn required_text(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<Text> {
        if self.value(key).is_none() {
            let message = format!("{} lacks `{key}`", self.name);
            diagnostics.push(
                Diagnostic::error(project::MANIFEST_MISSING, self.span, message)
                    .help(format!("write `{key} = \"…\"` in it")),
            );
        }
        self.text(key, diagnostics)
    }

    /// The table under `key`, if it is there.
    pub fn table(&self, key: &str, diagnostics: &mut Diagnostics) -> Option<Table<'a>> {
        let value = self.value(key)?;
        match self.name.as_str() {
            "" => value.named(format!("the section `{key}`"), diagnostics),
            _ => value.table(diagnostics),
        }
    }

    fn value_of(
        &self,
        key: &'a Spanned<toml::de::DeString<'a>>,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Value<'a> {
        let place = |range: std::ops::Range<usize>| Span::new(self.span.source, range.start, range.end);
        Value {
            key: Text {
                text: key.get_ref().to_string(),
                span: place(key.span()),
            },
            span: place(value.span()),
            value: value.get_ref(),
        }
    }
}

impl<'a> Value<'a> {
    /// As text; told when it is something else.
    pub fn text(&self, diagnostics: &mut Diagnostics) -> Option<Text> {
        match self.value {
            DeValue::String(text) => Some(Text {
                text: text.to_string(),
                span: self.span,
            }),
            _ => self.wrong("a text in quotes", diagnostics),
        }
    }

    /// As `true` or `false`; told when it is something else.
    pub fn boolean(&self, diagnostics: &mut Diagnostics) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong("`true` or `false`", diagnostics),
        }
    }

    /// As a whole number; told when it is something else.
    pub fn integer(&self, diagnostics: &mut Diagnostics) -> Option<i64> {
        let number = match self.value {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        match number {
            Some(number) => Some(number),
            None => self.wrong("a whole number", diagnostics),
        }
    }

    /// As a list of texts; told when it is something else.
    pub fn texts(&self, diagnostics: &mut Diagnostics) -> Option<Vec<Text>> {
        let DeValue::Array(list) = self.value else {
            return self.wrong("a list of texts, `[\"a\", \"b\"]`", diagnostics);
        };
        list.iter()
            .map(|entry| {
                let span = Span::new(self.span.source, entry.span().start, entry.span().end);
                let value = Value {
                    key: self.key.clone(),
                    span,
                    value: entry.get_ref(),
                };
                value.text(diagnostics)
            })
            .collect()
    }

    /// Whether it is a text.
    pub fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// As a table; told when it is something else.
    pub fn table(&self, diagnostics: &mut Diagnostics) -> Option<Table<'a>> {
        self.named(format!("`{}`", self.key.text), diagnostics)
    }

    fn named(&self, name: String, diagnostics: &mut Diagnostics) -> Option<Table<'a>> {
        match self.value {
            DeValue::Table(table) => Some(Table {
                name,
                // Of a section, the place is its header alone.
                span: self.span,
                table,
            }),
            _ => self.wrong("a table, `{ name = value }`", diagnostics),
        }
    }

    fn wrong<T>(&self, expected: &str, diagnostics: &mut Diagnostics) -> Option<T> {
        let message = format!("`{}` must be {expected}", self.key.text);
        diagnostics.push(
            Diagnostic::error(project::MANIFEST_TYPE, self.span, message)
                .here(format!("this is {}", self.noun())),
        );
        None
    }

    fn noun(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "`true` or `false`",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }
}

/// The reader's words as ours: one line, lower case, no full stop.
pub(super) fn own_words(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default().trim_end_matches('.');
    let mut letters = line.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}
