//! Templates are rendered when the spec is compiled, with sample values of the types that they are given.

use serde_json::{Map, Value};

use super::Checker;
use super::coerce::noun;
use super::typed::Expression;
use super::types::{TextForm, Type};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::types;
use crate::plan::render::{RenderError, render_once};
use crate::source::{SourceId, Span};

impl Checker<'_> {
    /// Renders a template with samples of its record; reports the first thing that is wrong.
    pub(super) fn check_template(&mut self, source: SourceId, record: &Expression, call: Span) -> bool {
        let text = self.sources.get(source).text.clone();
        // Once with everything there, once with all that can be missing or empty so: both sides of conditions.
        for full in [true, false] {
            let sample = match sample(&record.ty, full) {
                Ok(sample) => sample,
                Err(ty) => {
                    let message = format!("{} cannot be given to a template", noun(&ty));
                    self.report(Diagnostic::error(types::NO_TEXT, record.span, message));
                    return false;
                }
            };
            if let Err(error) = render_once(&text, &sample) {
                let diagnostic = self.template_error(source, &text, record, call, &error);
                self.report(diagnostic);
                return false;
            }
        }
        true
    }

    fn template_error(
        &self,
        source: SourceId,
        text: &str,
        record: &Expression,
        call: Span,
        error: &RenderError,
    ) -> Diagnostic {
        let (line, column) = error.position();
        let there = span_of(source, text, line, column);
        let file = &self.sources.get(source).name;
        match error {
            RenderError::Missing { name, .. } => {
                let given: Vec<&str> = match record.ty.base() {
                    Type::Record(fields) => fields.keys().map(String::as_str).collect(),
                    _ => Vec::new(),
                };
                let message = format!("the template `{file}` uses `{name}`, which it is not given");
                let mut diagnostic = Diagnostic::error(types::TEMPLATE_VARIABLE, record.span, message)
                    .here("given here")
                    .label(there, "used here");
                diagnostic = match crate::diagnostics::nearest(name, given.iter().copied()) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic.help(format!("it is given {}", crate::resolve::list_of(&given))),
                };
                diagnostic
            }
            RenderError::Broken { message, .. } | RenderError::Failed { message, .. } => Diagnostic::error(
                types::TEMPLATE_BROKEN,
                there,
                format!("the template `{file}` is broken: {message}"),
            )
            .label(call, "it is used here"),
        }
    }
}

/// The rest of the line at a position that counts from 1.
fn span_of(source: SourceId, text: &str, line: Option<usize>, column: Option<usize>) -> Span {
    let Some(line) = line else {
        return Span::new(source, 0, text.find('\n').unwrap_or(text.len()));
    };
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let row = text[start.min(text.len())..].split('\n').next().unwrap_or("");
    let skip = row
        .char_indices()
        .nth(column.unwrap_or(1).saturating_sub(1))
        .map_or(0, |(at, _)| at);
    let end = row[skip..].find("}}").map_or(row.len(), |at| skip + at + 2);
    Span::new(source, start + skip, start + end)
}

/// A value of a type; `full` with everything there, else with all that can be missing or empty so.
fn sample(ty: &Type, full: bool) -> Result<Value, Type> {
    Ok(match ty {
        Type::Bool => full.into(),
        Type::Error | Type::String => "text".into(),
        Type::Int | Type::Bytes | Type::Rate | Type::Duration | Type::Frequency => u32::from(full).into(),
        Type::Float | Type::Percent => 1.5.into(),
        Type::Ip => "192.0.2.1".into(),
        Type::Cidr => "192.0.2.0/24".into(),
        Type::Mac => "52:54:00:00:00:01".into(),
        Type::Text(form) => match form {
            TextForm::Domain | TextForm::Url | TextForm::Path | TextForm::Version | TextForm::Regex => {
                form.example().into()
            }
        },
        Type::Enum(definition) => definition.variants.first().cloned().unwrap_or_default().into(),
        Type::Refined(refined) => sample(&refined.base, full)?,
        Type::Secret(inner) => sample(inner, full)?,
        Type::Optional(inner) if full => sample(inner, full)?,
        Type::Optional(_) => Value::Null,
        Type::Union(members) => sample(members.first().unwrap_or(&Type::Error), full)?,
        Type::List(inner) if full => Value::Array(vec![sample(inner, full)?]),
        Type::List(_) => Value::Array(Vec::new()),
        Type::Map(_, value) => {
            let mut map = Map::new();
            if full {
                map.insert("key".to_owned(), sample(value, full)?);
            }
            Value::Object(map)
        }
        Type::Record(fields) => {
            let mut map = Map::new();
            for (name, ty) in fields {
                map.insert(name.clone(), sample(ty, full)?);
            }
            Value::Object(map)
        }
        Type::Range(_) | Type::Thing(..) => return Err(ty.clone()),
    })
}
