//! Rules that values keep: ranges, patterns and forms of text.

use std::net::IpAddr;

use regex::Regex;
use regex_syntax::hir::Look;
use serde_json::Value;

use super::typed::Requirement;
use super::types::{Rule, TextForm};
use crate::diagnostics::Code;
use crate::diagnostics::codes::types;
use crate::plan::url::{Url, has_dollar, is_scheme};

/// What breaks a rule: code, message, help.
pub(crate) type Broken = (Code, String, Option<String>);

/// Whether `value` keeps `requirement`, which the type `name` has.
pub(crate) fn holds(value: &Value, requirement: &Requirement, name: &str) -> Result<(), Broken> {
    match requirement {
        Requirement::Rule(Rule::In(low, high, range)) => {
            if within(value, low, high) {
                return Ok(());
            }
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let message = match name.is_empty() {
                true => format!("`{shown}` is not in `{range}`"),
                false => format!("`{shown}` is no `{name}`: it is not in `{range}`"),
            };
            Err((
                types::OUT_OF_RANGE,
                message,
                Some(format!("give a value in `{range}`, both ends included")),
            ))
        }
        // Conditions are computed where names are known: see `choose::keep`.
        Requirement::Rule(Rule::Where(..)) => Ok(()),
        Requirement::Rule(Rule::Matches(pattern)) => {
            let text = value.as_str().unwrap_or_default();
            // A pattern that is none has been reported where it is written.
            let Ok(regex) = compile_pattern(pattern) else {
                return Ok(());
            };
            if regex.is_match(text) {
                return Ok(());
            }
            let help = format!("it must match `{pattern}`");
            let message = match name.is_empty() {
                true => format!("`{text}` does not match the pattern of this type"),
                false => format!("`{text}` is no `{name}`"),
            };
            Err((types::DOES_NOT_MATCH, message, Some(help)))
        }
        Requirement::Form(form) => {
            let text = value.as_str().unwrap_or_default();
            form_of(text, *form).map_err(|cause| {
                let help = help_of_form(text, *form);
                (
                    types::MALFORMED_TEXT,
                    format!("`{text}` is no `{}`: {cause}", form.name()),
                    Some(help),
                )
            })
        }
    }
}

/// What to write instead of text that does not have a form.
pub(crate) fn help_of_form(text: &str, form: TextForm) -> String {
    match form {
        TextForm::Url if has_dollar(text) => "rebar interpolates with `{…}`, without `$`".to_owned(),
        _ => format!("a `{}` looks like `{}`", form.name(), form.example()),
    }
}

/// A pattern of the language, with bounded memory.
pub(crate) fn compile_pattern(pattern: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            other => other
                .to_string()
                .lines()
                .last()
                .unwrap_or("it is not well formed")
                .trim_start_matches("error: ")
                .to_owned(),
        })
}

/// Whether `low <= value <= high`, for numbers and addresses.
pub(crate) fn within(value: &Value, low: &Value, high: &Value) -> bool {
    let not_above = |a: &Value, b: &Value| super::operators::compare(a, b).is_some_and(|o| o.is_le());
    not_above(low, value) && not_above(value, high)
}

/// Whether text has a form; the error says in a few words why not.
pub(crate) fn form_of(text: &str, form: TextForm) -> Result<(), String> {
    match form {
        TextForm::Url => Url::parse(text).map(|_| ()),
        TextForm::Path => match text {
            _ if !text.starts_with('/') => Err("it does not begin with `/`".to_owned()),
            _ if text.contains('\0') || text.contains('\n') => {
                Err("it holds a line break or zero byte".to_owned())
            }
            _ if text.split('/').any(|part| part == "..") => Err("it goes up with `..`".to_owned()),
            // Two ways to write one path would be two things to manage where there is one.
            _ if text.contains("//") => Err("it holds `//`".to_owned()),
            _ if text.split('/').any(|part| part == ".") => Err("it holds `.` as a folder".to_owned()),
            _ if text.len() > 1 && text.ends_with('/') => Err("it ends in `/`".to_owned()),
            _ => Ok(()),
        },
        TextForm::Domain => {
            let name = text.strip_suffix('.').unwrap_or(text);
            if name.is_empty() || name.len() > 253 {
                return Err("a name has 1 to 253 letters".to_owned());
            }
            let bad = name.split('.').find(|label| !is_label(label));
            bad.map_or(Ok(()), |label| {
                Err(format!("`{label}` cannot be a part of a name"))
            })
        }
        TextForm::Version => {
            let numbers = text.split(['-', '+', '~']).next().unwrap_or(text);
            let starts = text.starts_with(|c: char| c.is_ascii_digit());
            let clean = text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '~' | ':'));
            match starts && clean && !numbers.split('.').any(str::is_empty) {
                true => Ok(()),
                false => Err("numbers with dots are expected".to_owned()),
            }
        }
        TextForm::Regex => compile_pattern(text).map(|_| ()),
    }
}

fn is_label(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(inner)
}

/// Whether text that goes on after `start` in a way not yet known can have a form.
pub(crate) fn form_of_start(start: &str, form: TextForm) -> Result<(), String> {
    match form {
        // What follows is a name of a node or an address.
        TextForm::Path if !start.is_empty() => form_of(&format!("{start}a"), form),
        TextForm::Url if !start.is_empty() => {
            if let Some(bad) = start.chars().find(|c| c.is_whitespace()) {
                return Err(format!("{bad:?} cannot stand in a URL"));
            }
            let scheme = start.split([':', '/']).next().unwrap_or(start);
            let complete = start.len() > scheme.len();
            let fits = is_scheme(scheme)
                && (!complete
                    || "://".starts_with(&start[scheme.len()..])
                    || start[scheme.len()..].starts_with("://"));
            if fits {
                Ok(())
            } else {
                Err("it has no scheme such as `http://`".to_owned())
            }
        }
        TextForm::Domain => match start
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        {
            Some(bad) => Err(format!("{bad:?} cannot stand in a name")),
            None => Ok(()),
        },
        TextForm::Path | TextForm::Url | TextForm::Version | TextForm::Regex => Ok(()),
    }
}

/// Reads an address.
pub(crate) fn ip(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

/// Whether every text that the pattern matches begins, and ends, where the pattern does. A pattern that is none holds both.
pub(crate) fn holds_ends(pattern: &str) -> (bool, bool) {
    let Ok(parsed) = regex_syntax::parse(pattern) else {
        return (true, true);
    };
    let properties = parsed.properties();
    (
        properties.look_set_prefix().contains(Look::Start),
        properties.look_set_suffix().contains(Look::End),
    )
}
