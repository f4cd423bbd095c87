//! `[secrets]`: where each secret comes from.

use super::table::{Table, Text, Value};
use crate::diagnostics::codes::project;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::source::Span;

/// The keys of a secret.
const KEYS: &[&str] = &["env", "file", "command"];

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSource {
    /// The secret's name.
    pub name: Text,
    /// Where it comes from.
    pub from: From,
    /// Where that is written.
    pub span: Span,
}

/// A place that a secret is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// A variable of the environment.
    Env(String),
    /// A file; a path that is not absolute is below the project.
    File(String),
    /// What a program prints: the program and its arguments.
    Command(Vec<String>),
}

impl From {
    /// Where a secret comes from that `[secrets]` does not name: `REBAR_SECRET_BMC`.
    pub fn usual(name: &str) -> From {
        From::Env(format!("REBAR_SECRET_{}", name.to_uppercase()))
    }
}

pub(super) fn read(section: &Table<'_>, diagnostics: &mut Diagnostics) -> Vec<SecretSource> {
    let values = section.values();
    values
        .iter()
        .filter_map(|value| source(value, diagnostics))
        .collect()
}

fn source(value: &Value<'_>, diagnostics: &mut Diagnostics) -> Option<SecretSource> {
    let name = value.key.clone();
    if !is_secret_name(&name.text) {
        let message = format!("`{}` is no name of a secret", name.text);
        let help = "a name has up to 64 small letters, digits and `_`, and begins with a letter";
        diagnostics.push(Diagnostic::error(project::SECRET_SOURCE, name.span, message).help(help));
        return None;
    }
    let help = format!(
        "write `{0} = {{ env = \"{1}\" }}`, `{0} = {{ file = \"/run/secrets/{0}\" }}` or `{0} = {{ command = [\"pass\", \"{0}\"] }}`",
        name.text,
        name.text.to_uppercase()
    );
    if value.is_text() {
        let message = format!("`{}` does not say where it comes from", name.text);
        let told = Diagnostic::error(project::SECRET_SOURCE, value.span, message)
            .here("the secret itself must not stand here");
        diagnostics.push(told.help(help));
        return None;
    }
    let table = value.table(diagnostics)?;
    table.only(KEYS, diagnostics);
    let given = KEYS.iter().filter_map(|key| table.value(key));
    let given: Vec<Value<'_>> = given.collect();
    let from = match given.as_slice() {
        [one] => from(one, diagnostics)?,
        [] => {
            let message = format!("`{}` does not say where it comes from", name.text);
            diagnostics.push(Diagnostic::error(project::SECRET_SOURCE, value.span, message).help(help));
            return None;
        }
        [first, second, ..] => {
            let message = format!("`{}` comes from two places", name.text);
            diagnostics.push(
                Diagnostic::error(project::SECRET_SOURCE, second.key.span, message)
                    .label(first.key.span, "and from here")
                    .help("give one of them"),
            );
            return None;
        }
    };
    let span = value.span;
    Some(SecretSource { name, from, span })
}

fn from(value: &Value<'_>, diagnostics: &mut Diagnostics) -> Option<From> {
    let from = match value.key.text.as_str() {
        "env" => From::Env(value.text(diagnostics)?.text),
        "file" => From::File(value.text(diagnostics)?.text),
        _ => {
            let words = value.texts(diagnostics)?;
            From::Command(words.into_iter().map(|word| word.text).collect())
        }
    };
    let wrong = match &from {
        From::Env(name) if name.is_empty() || name.contains(['=', '\0']) => "this is no name of a variable",
        From::File(path) if path.is_empty() || path.contains('\0') => "this is no path",
        From::Command(words) if words.first().is_none_or(String::is_empty) => "no program is named",
        From::Command(words) if words.iter().any(|word| word.contains('\0')) => {
            "a word of a command cannot hold a zero byte"
        }
        From::Env(_) | From::File(_) | From::Command(_) => return Some(from),
    };
    diagnostics.push(Diagnostic::error(project::SECRET_SOURCE, value.span, wrong));
    None
}

/// Whether a secret can be called so.
pub(crate) fn is_secret_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
