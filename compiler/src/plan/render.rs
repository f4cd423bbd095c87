//! Handlebars: strict, without HTML escaping, and safe with templates from a hostile plan file.
//!
//! Partials and decorators are refused: with them a template could call itself without end. Nesting and sizes
//! are limited, because the parser and the renderer go down one level of stack for each level of nesting.

use handlebars::template::TemplateElement;
use handlebars::{Handlebars, RenderErrorReason, Template, TemplateErrorReason};
use serde_json::Value;

/// Levels of `{{#…}}` and of brackets in one expression.
const MAX_DEPTH: usize = 48;
/// Bytes of a template.
const MAX_TEMPLATE: usize = 4 << 20;
/// Bytes of a rendered text.
const MAX_OUTPUT: usize = 64 << 20;

/// Why a template could not be rendered; lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The template is not well formed.
    #[error("the template is broken{}: {message}", place(*.line, *.column))]
    Broken {
        /// Line of the template.
        line: Option<usize>,
        /// Column in that line.
        column: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// Something is used that the record does not hold.
    #[error("the template uses `{name}`, which it is not given{}", place(*.line, *.column))]
    Missing {
        /// Line of the template.
        line: Option<usize>,
        /// Column in that line.
        column: Option<usize>,
        /// What is missing.
        name: String,
    },
    /// Anything else that went wrong.
    #[error("the template cannot be rendered{}: {message}", place(*.line, *.column))]
    Failed {
        /// Line of the template.
        line: Option<usize>,
        /// Column in that line.
        column: Option<usize>,
        /// What is wrong.
        message: String,
    },
}

impl RenderError {
    /// Line and column in the template, where they are known.
    pub fn position(&self) -> (Option<usize>, Option<usize>) {
        match self {
            RenderError::Broken { line, column, .. }
            | RenderError::Missing { line, column, .. }
            | RenderError::Failed { line, column, .. } => (*line, *column),
        }
    }

    fn broken(message: impl Into<String>) -> RenderError {
        RenderError::Broken { line: None, column: None, message: message.into() }
    }
}

fn place(line: Option<usize>, column: Option<usize>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!(" (line {line}, column {column})"),
        (Some(line), None) => format!(" (line {line})"),
        (None, _) => String::new(),
    }
}

/// A registry with the settings of the language.
pub(crate) fn registry() -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(handlebars::no_escape);
    registry.unregister_helper("log");
    registry
}

/// Compiles `text`, refusing what could run without end.
pub(crate) fn compile(text: &str) -> Result<Template, RenderError> {
    if text.len() > MAX_TEMPLATE {
        return Err(RenderError::broken("it is larger than 4 MiB"));
    }
    check_depth(text)?;
    let template = Template::compile(text).map_err(|error| {
        let (line, column) = error.pos().map_or((None, None), |(l, c)| (Some(l), Some(c)));
        RenderError::Broken { line, column, message: explain(error.reason()) }
    })?;
    refuse_partials(&template)?;
    Ok(template)
}

/// Renders a template that is used once.
pub(crate) fn render_once(text: &str, record: &Value) -> Result<String, RenderError> {
    let mut registry = registry();
    registry.register_template("template", compile(text)?);
    render(&registry, "template", record)
}

/// Renders a registered template.
pub(crate) fn render(
    registry: &Handlebars<'_>,
    name: &str,
    record: &Value,
) -> Result<String, RenderError> {
    let mut output = Limited(Vec::new());
    // The renderer indexes paths that the template wrote; a template that makes it panic must not end the program.
    let rendered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        registry.render_to_write(name, record, &mut output)
    }));
    match rendered {
        Ok(Ok(())) => String::from_utf8(output.0).map_err(|_| RenderError::Failed {
            line: None,
            column: None,
            message: "the result is not text".to_owned(),
        }),
        Ok(Err(error)) => Err(translate(&error)),
        Err(_) => Err(RenderError::Failed {
            line: None,
            column: None,
            message: "it reaches outside of the record that it is given".to_owned(),
        }),
    }
}

fn translate(error: &handlebars::RenderError) -> RenderError {
    let (line, column) = (error.line_no, error.column_no);
    match error.reason() {
        RenderErrorReason::MissingVariable(name) => {
            RenderError::Missing { line, column, name: name.clone().unwrap_or_default() }
        }
        RenderErrorReason::HelperNotFound(name) => {
            RenderError::Broken { line, column, message: format!("there is no helper `{name}`") }
        }
        reason => RenderError::Failed { line, column, message: lower_first(&reason.to_string()) },
    }
}

fn explain(reason: &TemplateErrorReason) -> String {
    match reason {
        TemplateErrorReason::MismatchingClosedHelper(opened, closing)
        | TemplateErrorReason::MismatchingClosedDecorator(opened, closing) => {
            let name = |text: &str| text.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
            format!("`{{{{#{}}}}}` is closed by `{{{{/{}}}}}`", name(opened), name(closing))
        }
        // The parser's own words speak of its rules.
        TemplateErrorReason::InvalidSyntax(_) => {
            "this cannot be read; is every `{{` closed by `}}`, and every `{{#…}}` by its `{{/…}}`?".to_owned()
        }
        other => lower_first(&other.to_string()),
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Bounds the nesting before the parser sees the text.
fn check_depth(text: &str) -> Result<(), RenderError> {
    let too_deep = || RenderError::broken(format!("it is nested more than {MAX_DEPTH} levels deep"));
    let mut blocks = 0usize;
    for (start, _) in text.match_indices("{{") {
        let inside = text[start..].trim_start_matches(['{', '~', ' ', '\t', '\n', '\r']);
        if inside.starts_with(['#', '^']) || inside.starts_with("else ") {
            blocks += 1;
        } else if inside.starts_with('/') {
            blocks = blocks.saturating_sub(1);
        }
        let mut depth = 0usize;
        for byte in text[start + 2..].bytes().take_while(|b| *b != b'\n').take(4096) {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' if depth == 0 => break,
                b')' | b']' | b'}' => depth -= 1,
                _ => {}
            }
            if depth > MAX_DEPTH {
                return Err(too_deep());
            }
        }
        if blocks > MAX_DEPTH {
            return Err(too_deep());
        }
    }
    Ok(())
}

fn refuse_partials(template: &Template) -> Result<(), RenderError> {
    for (index, element) in template.elements.iter().enumerate() {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
            TemplateElement::HtmlExpression(helper)
            | TemplateElement::Expression(helper)
            | TemplateElement::HelperBlock(helper) => {
                for inner in helper.template.iter().chain(helper.inverse.iter()) {
                    refuse_partials(inner)?;
                }
            }
            // Partials and decorators, and whatever else the crate may learn.
            _ => {
                let place = template.mapping.get(index);
                return Err(RenderError::Broken {
                    line: place.map(|p| p.0),
                    column: place.map(|p| p.1),
                    message: "partials (`{{> …}}`) and decorators (`{{* …}}`) are not part of the language"
                        .to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// A writer that takes so much and no more.
struct Limited(Vec<u8>);

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(std::io::Error::other("the text is larger than 64 MiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{RenderError, render_once};
    use serde_json::json;

    #[test]
    fn renders_strictly_and_without_escaping() {
        assert_eq!(render_once("a {{b}}", &json!({"b": "<&>"})).unwrap(), "a <&>");
        assert!(matches!(render_once("\n{{c}}", &json!({})), Err(RenderError::Missing { line: Some(2), .. })));
        assert!(matches!(render_once("{{#each x}", &json!({})), Err(RenderError::Broken { .. })));
    }

    #[test]
    fn refuses_what_could_run_without_end() {
        let endless = "{{#*inline \"a\"}}{{> a}}{{/inline}}{{> a}}";
        assert!(matches!(render_once(endless, &json!({})), Err(RenderError::Broken { .. })));
        let deep = "{{#if a}}".repeat(100_000);
        assert!(matches!(render_once(&deep, &json!({})), Err(RenderError::Broken { .. })));
        let brackets = format!("{{{{a {}", "(".repeat(100_000));
        assert!(matches!(render_once(&brackets, &json!({})), Err(RenderError::Broken { .. })));
        for text in ["{{../../../a}}", "{{@root.a}}", "{{lookup a b}}", "{{this.[}}", "{{#each ../..}}{{/each}}"] {
            let _ = render_once(text, &json!({"a": [1]}));
        }
    }
}
