//! Arguments of a deploy that are given beside the spec: on the command line, in a file, in the environment.

use std::collections::BTreeMap;

use crate::diagnostics::codes::types;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::source::data::{self, Data, DataKind};
use crate::source::{Sources, Span};

/// Where arguments come from, the weakest first: a later one takes the place of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A variable of the environment: `REBAR_ARG_replicas`.
    Environment,
    /// A file: `--args values.json`.
    File,
    /// The command line: `--arg replicas=5`.
    CommandLine,
}

/// One argument, or one file of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Where it comes from.
    pub origin: Origin,
    /// The parameter, or the file's path.
    pub name: String,
    /// The value as it was given, or the file's text.
    pub text: String,
}

/// All that is given for one deploy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivenArguments {
    /// The deploy.
    pub deploy: String,
    /// In the order of their precedence: the last one counts.
    pub given: Vec<Given>,
}

/// One argument with its places.
#[derive(Debug, Clone)]
pub struct GivenArgument {
    /// Where it comes from.
    pub origin: Origin,
    /// How people name that: `--arg`, `--args values.json`, `REBAR_ARG_replicas`.
    pub shown: String,
    /// The parameter.
    pub name: String,
    /// Where that is written.
    pub name_span: Span,
    /// The value, if it is data.
    pub value: GivenValue,
}

/// A value that is given.
#[derive(Debug, Clone)]
pub enum GivenValue {
    /// As text, which the parameter's type decides the meaning of.
    Text(String, Span),
    /// As data of a file.
    Data(Data),
}

/// Takes what is given among the sources, so that errors can point at it.
pub(crate) fn read(
    given: &GivenArguments,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Vec<GivenArgument> {
    let mut all = Vec::new();
    for entry in &given.given {
        match entry.origin {
            Origin::File => file(entry, sources, diagnostics, &mut all),
            Origin::Environment | Origin::CommandLine => {
                let shown = match entry.origin {
                    Origin::Environment => format!("REBAR_ARG_{}", entry.name),
                    _ => "--arg".to_owned(),
                };
                let text = format!("{}={}", entry.name, entry.text);
                let (end, length) = (entry.name.len(), text.len());
                let source = sources.add(shown.as_str(), text);
                all.push(GivenArgument {
                    origin: entry.origin,
                    shown,
                    name: entry.name.clone(),
                    name_span: Span::new(source, 0, end),
                    value: GivenValue::Text(entry.text.clone(), Span::new(source, end + 1, length)),
                });
            }
        }
    }
    all
}

fn file(entry: &Given, sources: &mut Sources, diagnostics: &mut Diagnostics, all: &mut Vec<GivenArgument>) {
    let source = sources.add(entry.name.as_str(), entry.text.as_str());
    let read = match entry.name.ends_with(".toml") {
        true => data::toml(source, &entry.text),
        false => data::json(source, &entry.text, 0),
    };
    let data = match read {
        Ok(data) => data,
        Err(error) => {
            let message = format!("`{}` cannot be read as data", entry.name);
            diagnostics.push(
                Diagnostic::error(types::MALFORMED_DATA, error.span, message)
                    .here(error.message)
                    .help(
                        "a file of arguments is JSON, or TOML where its name ends so: `{ \"replicas\": 5 }`",
                    ),
            );
            return;
        }
    };
    let DataKind::Record(fields) = data.kind else {
        let message = "a file of arguments holds one record, with a value for each parameter";
        let wrong = Diagnostic::error(types::MALFORMED_DATA, data.span, message);
        diagnostics.push(wrong.help("write `{ \"replicas\": 5 }`"));
        return;
    };
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for (name, name_span, value) in fields {
        if let Some(first) = seen.insert(name.clone(), name_span) {
            let message = format!("`{name}` is given twice in `{}`", entry.name);
            let twice = Diagnostic::error(types::DUPLICATE_FIELD, name_span, message);
            diagnostics.push(twice.here("here again").label(first, "first here"));
            continue;
        }
        all.push(GivenArgument {
            origin: Origin::File,
            shown: format!("--args {}", entry.name),
            name,
            name_span,
            value: GivenValue::Data(value),
        });
    }
}
