//! Data in files and on the command line: JSON and TOML, each value with its place.

use serde::de::IgnoredAny;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{SourceId, Span};

/// More values than this are no configuration.
const MAX_VALUES: usize = 200_000;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// Where it is written.
    pub span: Span,
    /// What it is.
    pub kind: DataKind,
}

/// The forms of data.
#[derive(Debug, Clone, PartialEq)]
pub enum DataKind {
    /// Nothing.
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// Values in order.
    List(Vec<Data>),
    /// Values by name, each name with its place.
    Record(Vec<(String, Span, Data)>),
}

/// Why there is no data: what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataError {
    /// In words.
    pub message: String,
    /// The place.
    pub span: Span,
}

/// Reads JSON that begins `offset` bytes into its source.
///
/// # Errors
/// [`DataError`] at the first place that cannot be read.
pub fn json(source: SourceId, text: &str, offset: usize) -> Result<Data, DataError> {
    // Some editors put a mark of the encoding before the text.
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        return json(source, rest, offset + text.len() - rest.len());
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let at = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let at = (0..=at.min(text.len()))
            .rev()
            .find(|i| text.is_char_boundary(*i))
            .unwrap_or(0);
        // A letter may have several bytes.
        let letter = text[at..].chars().next().map_or(0, char::len_utf8);
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        return Err(DataError {
            message,
            span: Span::new(source, offset + at, offset + at + letter),
        });
    }
    let mut scanner = Scanner {
        source,
        text,
        offset,
        at: 0,
        left: MAX_VALUES,
    };
    scanner.value()
}

/// Finds the places of values in JSON that is known to be well formed, and not to be nested deeply.
struct Scanner<'t> {
    source: SourceId,
    text: &'t str,
    offset: usize,
    at: usize,
    left: usize,
}

impl Scanner<'_> {
    fn blanks(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    fn span(&self, from: usize) -> Span {
        Span::new(self.source, self.offset + from, self.offset + self.at)
    }

    /// Steps over one token that is no bracket, and returns it.
    fn token(&mut self) -> &str {
        let (bytes, from) = (self.text.as_bytes(), self.at);
        if bytes.get(from) == Some(&b'"') {
            self.at += 1;
            while let Some(byte) = bytes.get(self.at).filter(|b| **b != b'"') {
                self.at += if *byte == b'\\' { 2 } else { 1 };
            }
            self.at += 1;
        } else {
            let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b',' | b']' | b'}' | b':');
            while bytes.get(self.at).is_some_and(|b| !ends(b)) {
                self.at += 1;
            }
        }
        self.text.get(from..self.at).unwrap_or_default()
    }

    fn text_token(&mut self) -> Result<String, DataError> {
        let from = self.at;
        let text = serde_json::from_str(self.token());
        // Half of a pair of surrogates is well formed, and no text.
        text.map_err(|_| DataError {
            message: "this is no text: it has half of a character".to_owned(),
            span: self.span(from),
        })
    }

    fn value(&mut self) -> Result<Data, DataError> {
        let first = self.blanks();
        let from = self.at;
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return Err(DataError {
                message: format!("there are more than {MAX_VALUES} values"),
                span: self.span(from),
            });
        }
        let kind = match first {
            b'"' => DataKind::Text(self.text_token()?),
            b'[' => {
                self.at += 1;
                let mut elements = Vec::new();
                while self.blanks() != b']' {
                    elements.push(self.value()?);
                    if self.blanks() == b',' {
                        self.at += 1;
                    }
                }
                self.at += 1;
                DataKind::List(elements)
            }
            b'{' => {
                self.at += 1;
                let mut fields = Vec::new();
                while self.blanks() != b'}' {
                    let from = self.at;
                    let name = self.text_token()?;
                    let place = self.span(from);
                    self.blanks();
                    self.at += 1; // the colon
                    fields.push((name, place, self.value()?));
                    if self.blanks() == b',' {
                        self.at += 1;
                    }
                }
                self.at += 1;
                DataKind::Record(fields)
            }
            _ => match self.token() {
                "null" => DataKind::Null,
                "true" => DataKind::Bool(true),
                "false" => DataKind::Bool(false),
                number => match number.parse() {
                    Ok(whole) => DataKind::Int(whole),
                    Err(_) if number.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) => {
                        return Err(DataError {
                            message: "this number is too large".to_owned(),
                            span: self.span(from),
                        });
                    }
                    Err(_) => DataKind::Float(number.parse().unwrap_or(f64::MAX)),
                },
            },
        };
        Ok(Data {
            span: self.span(from),
            kind,
        })
    }
}

/// Reads TOML.
///
/// # Errors
/// [`DataError`] at the first place that cannot be read.
pub fn toml(source: SourceId, text: &str) -> Result<Data, DataError> {
    let table = DeTable::parse(text).map_err(|error| {
        let range = error.span().unwrap_or(0..0);
        DataError {
            message: error.message().lines().next().unwrap_or_default().to_owned(),
            span: Span::new(source, range.start.min(text.len()), range.end.min(text.len())),
        }
    })?;
    let mut left = MAX_VALUES;
    let span = Span::new(source, 0, text.len());
    Ok(Data {
        span,
        kind: of_table(source, table.get_ref(), &mut left),
    })
}

fn of_table(source: SourceId, table: &DeTable<'_>, left: &mut usize) -> DataKind {
    let mut fields: Vec<(String, Span, Data)> = Vec::new();
    for (name, value) in table {
        let range = name.span();
        let place = Span::new(source, range.start, range.end);
        fields.push((name.get_ref().to_string(), place, of_toml(source, value, left)));
    }
    fields.sort_by_key(|(_, place, _)| *place);
    DataKind::Record(fields)
}

fn of_toml(source: SourceId, value: &Spanned<DeValue<'_>>, left: &mut usize) -> Data {
    let range = value.span();
    *left = left.saturating_sub(1);
    let kind = match value.get_ref() {
        _ if *left == 0 => DataKind::Null,
        DeValue::String(text) => DataKind::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => DataKind::Int(number),
            Err(_) => DataKind::Text(number.as_str().to_owned()),
        },
        DeValue::Float(number) => DataKind::Float(number.as_str().parse().unwrap_or(f64::MAX)),
        DeValue::Boolean(yes) => DataKind::Bool(*yes),
        DeValue::Datetime(time) => DataKind::Text(time.to_string()),
        DeValue::Array(list) => DataKind::List(list.iter().map(|v| of_toml(source, v, left)).collect()),
        DeValue::Table(table) => of_table(source, table, left),
    };
    Data {
        span: Span::new(source, range.start, range.end),
        kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_json_have_their_places() {
        let text = r#" { "a\"b": [1, -2.5, null ,true], "c" : {} , "d":"x\\" } "#;
        let data = json(SourceId(0), text, 0).unwrap();
        let DataKind::Record(fields) = &data.kind else {
            panic!("{data:?}")
        };
        let at = |span: Span| &text[span.range()];
        assert_eq!(fields[0].0, "a\"b");
        assert_eq!(at(fields[0].1), r#""a\"b""#);
        let DataKind::List(list) = &fields[0].2.kind else {
            panic!()
        };
        assert_eq!(
            list.iter().map(|d| at(d.span)).collect::<Vec<_>>(),
            ["1", "-2.5", "null", "true"]
        );
        assert_eq!(list[1].kind, DataKind::Float(-2.5));
        assert_eq!((at(fields[1].2.span), at(fields[2].2.span)), ("{}", r#""x\\""#));
        assert_eq!(fields[2].2.kind, DataKind::Text("x\\".to_owned()));
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        for text in ["", "{", "[1,]", "{\"a\" 1}", "nul", "\u{e9}", &"[".repeat(10_000)] {
            let error = json(SourceId(0), text, 0).unwrap_err();
            assert!(error.span.end as usize <= text.len(), "{text}: {error:?}");
        }
    }

    #[test]
    fn values_of_toml_have_their_places() {
        let text = "a = 1\n[b]\nc = [\"x\", 0x10]\n";
        let data = toml(SourceId(0), text).unwrap();
        let DataKind::Record(fields) = &data.kind else {
            panic!("{data:?}")
        };
        assert_eq!(&text[fields[0].2.span.range()], "1");
        let DataKind::Record(inner) = &fields[1].2.kind else {
            panic!()
        };
        let DataKind::List(list) = &inner[0].2.kind else {
            panic!()
        };
        assert_eq!(list[1].kind, DataKind::Int(16));
        assert_eq!(&text[list[0].span.range()], "\"x\"");
        assert!(toml(SourceId(0), "a = ").is_err());
    }
}
