//! The pure functions of templates, over values that are known. The compiler folds with them what it knows,
//! and [`super::fill`] does the rest, so that both always agree.

use serde_json::Value;

use super::template::Function;
use super::url::Url;

/// Why a function has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// Text was needed.
    #[error("{0} has no text")]
    NotText(&'static str),
    /// A URL was needed.
    #[error("`{text}` is not a URL: {cause}")]
    NotUrl {
        /// What was found.
        text: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A URL has no port, and its scheme no usual one.
    #[error("`{0}` names no port, and its scheme has no usual one")]
    NoPort(String),
    /// A list was needed.
    #[error("{0} is not a list")]
    NotList(&'static str),
    /// The wrong number of arguments.
    #[error("`{0}` takes other arguments")]
    Arguments(&'static str),
    /// A value that a step found out breaks the rule of its type.
    #[error("{0}")]
    Refused(String),
    /// A template could not be rendered.
    #[error(transparent)]
    Render(#[from] super::render::RenderError),
}

/// The result of `function` over `arguments`. [`Function::Render`] compiles its template anew each time;
/// [`super::Filler`] keeps compiled ones.
pub(crate) fn apply(function: Function, arguments: &[Value]) -> Result<Value, FunctionError> {
    match function {
        Function::Concat => {
            let mut text = String::new();
            for argument in arguments {
                push_text(&mut text, argument)?;
            }
            Ok(Value::String(text))
        }
        Function::Render => {
            let [Value::String(template), record] = arguments else {
                return Err(FunctionError::Arguments("render"));
            };
            Ok(Value::String(super::render::render_once(template, record)?))
        }
        Function::Keep => match arguments {
            [rule, value] => super::kept::keep(rule, value),
            _ => Err(FunctionError::Arguments("keep")),
        },
        Function::UrlScheme => with_url(arguments, |url, _| Ok(url.scheme.into())),
        Function::UrlHost => with_url(arguments, |url, _| Ok(url.host.into())),
        Function::UrlPort => with_url(arguments, |url, text| {
            url.port_or_default()
                .map(Value::from)
                .ok_or_else(|| FunctionError::NoPort(text.to_owned()))
        }),
        Function::UrlPath => with_url(arguments, |url, _| Ok(url.path.into())),
        Function::Length => match arguments {
            [Value::Array(list)] => Ok(list.len().into()),
            [Value::String(text)] => Ok(text.chars().count().into()),
            [Value::Object(map)] => Ok(map.len().into()),
            _ => Err(FunctionError::Arguments("len")),
        },
        Function::Join => {
            let mut all = Vec::new();
            for argument in arguments {
                match argument {
                    Value::Array(list) => all.extend(list.iter().cloned()),
                    other => return Err(FunctionError::NotList(describe(other))),
                }
            }
            Ok(Value::Array(all))
        }
    }
}

fn with_url(
    arguments: &[Value],
    part: impl FnOnce(&Url<'_>, &str) -> Result<Value, FunctionError>,
) -> Result<Value, FunctionError> {
    let [Value::String(text)] = arguments else {
        return Err(FunctionError::Arguments("url"));
    };
    let url = Url::parse(text).map_err(|cause| FunctionError::NotUrl {
        text: text.clone(),
        cause,
    })?;
    part(&url, text)
}

/// Appends the text of a single value: text as it is, numbers in decimal digits, `true` and `false`.
pub(crate) fn push_text(to: &mut String, value: &Value) -> Result<(), FunctionError> {
    match value {
        Value::String(text) => to.push_str(text),
        Value::Number(number) => to.push_str(&number.to_string()),
        Value::Bool(yes) => to.push_str(if *yes { "true" } else { "false" }),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(FunctionError::NotText(describe(value)));
        }
    }
    Ok(())
}

/// A value in two words, for messages.
pub(crate) fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "a missing value",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a record",
    }
}
