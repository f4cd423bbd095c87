//! Handlebars: strict, without HTML escaping, and safe with templates from a hostile plan file.
//!
//! Partials and decorators are refused: with them a template could call itself without end. Nesting and sizes
//! are limited, because the parser and the renderer go down one level of stack for each level of nesting. What
//! blocks repeat is counted, because loops within loops need neither stack nor output to run for years.

use std::cell::Cell;

use handlebars::template::{Parameter, TemplateElement};
use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderErrorReason, Template,
    TemplateErrorReason,
};
use serde_json::Value;

/// Levels of `{{#…}}` and of brackets in one expression.
const MAX_DEPTH: usize = 48;
/// Bytes of a template.
const MAX_TEMPLATE: usize = 4 << 20;
/// Bytes of a template times the `{{` in it: the parser finds the line of each by counting from the start.
const MAX_PLACES: usize = 200_000_000;
/// Parts of blocks that one rendering goes through: a line with a few values for each of a million nodes fits.
const MAX_TURNS: u64 = 12_000_000;
/// The helper that counts them; no template can write this name.
const TURN: &str = "\0turn";
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
        RenderError::Broken {
            line: None,
            column: None,
            message: message.into(),
        }
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
    registry.register_helper(TURN, Box::new(Turn));
    registry
}

thread_local! {
    /// Parts of blocks that the rendering at hand may still go through.
    static TURNS: Cell<u64> = const { Cell::new(0) };
}

/// What [`TURN`] calls.
struct Turn;

impl HelperDef for Turn {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        _: &mut dyn Output,
    ) -> HelperResult {
        let parts = helper.param(0).and_then(|p| p.value().as_u64()).unwrap_or(1);
        let left = TURNS.get().checked_sub(parts);
        TURNS.set(left.unwrap_or(0));
        match left {
            Some(_) => Ok(()),
            None => Err(RenderErrorReason::Other("its blocks repeat too much".to_owned()).into()),
        }
    }
}

/// Compiles `text`, refusing what could run without end.
pub(crate) fn compile(text: &str) -> Result<Template, RenderError> {
    if text.len() > MAX_TEMPLATE {
        return Err(RenderError::broken("it is larger than 4 MiB"));
    }
    if text.len().saturating_mul(text.matches("{{").count()) > MAX_PLACES {
        return Err(RenderError::broken("it has too many `{{` for its size"));
    }
    check_depth(text)?;
    let mut template = parse(text)?;
    refuse_partials(&template)?;
    if let Some(counter) = parse("{{turn 1}}")?.elements.pop() {
        count_turns(&mut template, &counter);
    }
    Ok(template)
}

fn parse(text: &str) -> Result<Template, RenderError> {
    Template::compile(text).map_err(|error| {
        let (line, column) = error.pos().map_or((None, None), |(l, c)| (Some(l), Some(c)));
        RenderError::Broken {
            line,
            column,
            message: explain(error.reason()),
        }
    })
}

/// Puts a call of [`Turn`] before what each block holds.
fn count_turns(template: &mut Template, counter: &TemplateElement) {
    for element in &mut template.elements {
        let (TemplateElement::HtmlExpression(helper)
        | TemplateElement::Expression(helper)
        | TemplateElement::HelperBlock(helper)) = element
        else {
            continue;
        };
        for inner in helper.template.iter_mut().chain(helper.inverse.iter_mut()) {
            count_turns(inner, counter);
            let (mut counter, parts) = (counter.clone(), inner.elements.len() + 1);
            if let TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) = &mut counter {
                call.name = Parameter::Name(TURN.to_owned());
                call.params = vec![Parameter::Literal(parts.into())];
            }
            // Elements and their places are two lists side by side.
            if let Some(first) = inner.mapping.first().cloned() {
                inner.mapping.insert(0, first);
            }
            inner.elements.insert(0, counter);
        }
    }
}

/// Renders a template that is used once.
pub(crate) fn render_once(text: &str, record: &Value) -> Result<String, RenderError> {
    let mut registry = registry();
    registry.register_template("template", compile(text)?);
    render(&registry, "template", record)
}

/// Renders a registered template.
pub(crate) fn render(registry: &Handlebars<'_>, name: &str, record: &Value) -> Result<String, RenderError> {
    let mut output = Limited(Vec::new());
    TURNS.set(MAX_TURNS);
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

/// Which part of its limits the last rendering on this thread used, whose text has `bytes`: of `whole`, if that is all.
pub(super) fn used(bytes: usize, whole: usize) -> usize {
    let part = |used: u128, limit: u128| usize::try_from(used * whole as u128 / limit).unwrap_or(usize::MAX);
    let turns = u128::from(MAX_TURNS.saturating_sub(TURNS.get()));
    part(turns, u128::from(MAX_TURNS)).max(part(bytes as u128, MAX_OUTPUT as u128))
}

fn translate(error: &handlebars::RenderError) -> RenderError {
    let (line, column) = (error.line_no, error.column_no);
    match error.reason() {
        RenderErrorReason::MissingVariable(name) => RenderError::Missing {
            line,
            column,
            name: name.clone().unwrap_or_default(),
        },
        RenderErrorReason::HelperNotFound(name) => RenderError::Broken {
            line,
            column,
            message: format!("there is no helper `{name}`"),
        },
        reason => RenderError::Failed {
            line,
            column,
            message: lower_first(&reason.to_string()),
        },
    }
}

fn explain(reason: &TemplateErrorReason) -> String {
    match reason {
        TemplateErrorReason::MismatchingClosedHelper(opened, closing)
        | TemplateErrorReason::MismatchingClosedDecorator(opened, closing) => {
            let name = |text: &str| text.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
            format!(
                "`{{{{#{}}}}}` is closed by `{{{{/{}}}}}`",
                name(opened),
                name(closing)
            )
        }
        // The parser's own words speak of its rules.
        TemplateErrorReason::InvalidSyntax(_) => {
            "this cannot be read; is every `{{` closed by `}}`, and every `{{#…}}` by its `{{/…}}`?"
                .to_owned()
        }
        other => lower_first(&other.to_string()),
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Bounds the nesting before the parser sees the text.
fn check_depth(text: &str) -> Result<(), RenderError> {
    let too_deep = || RenderError::broken(format!("it is nested more than {MAX_DEPTH} levels deep"));
    let mut blocks = 0usize;
    for (start, _) in text.match_indices("{{") {
        let inside = text[start..].trim_start_matches(['{', '~', ' ', '\t', '\n', '\r']);
        if inside.starts_with(['#', '^']) || is_else_chain(inside) {
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

/// `else if …` and the like: each is one level more.
fn is_else_chain(inside: &str) -> bool {
    let rest = inside.strip_prefix("else");
    rest.is_some_and(|rest| {
        rest.starts_with(char::is_whitespace) && !rest.trim_start().starts_with(['~', '}'])
    })
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
        assert!(matches!(
            render_once("\n{{c}}", &json!({})),
            Err(RenderError::Missing { line: Some(2), .. })
        ));
        assert!(matches!(
            render_once("{{#each x}", &json!({})),
            Err(RenderError::Broken { .. })
        ));
    }

    #[test]
    fn loops_within_loops_end() {
        let record = json!({"l": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]});
        let deep = format!("{}{}", "{{#each @root.l}}".repeat(20), "{{/each}}".repeat(20));
        let failed = render_once(&deep, &record);
        assert!(matches!(failed, Err(RenderError::Failed { .. })), "{failed:?}");
        let three = "{{#each @root.l}}{{#each @root.l}}{{#each @root.l}}.{{/each}}{{/each}}{{/each}}";
        assert_eq!(render_once(three, &record).unwrap().len(), 1_000);
        let long = json!({"l": vec!["x"; 300_000]});
        let joined = render_once(
            "{{#each l}}{{#unless @first}},{{/unless}}{{this}}{{/each}}",
            &long,
        );
        assert_eq!(joined.unwrap().len(), 599_999);
    }

    #[test]
    fn refuses_what_could_run_without_end() {
        let endless = "{{#*inline \"a\"}}{{> a}}{{/inline}}{{> a}}";
        assert!(matches!(
            render_once(endless, &json!({})),
            Err(RenderError::Broken { .. })
        ));
        let deep = "{{#if a}}".repeat(100_000);
        assert!(matches!(
            render_once(&deep, &json!({})),
            Err(RenderError::Broken { .. })
        ));
        for chain in ["{{else if a}}", "{{else\tif a}}", "{{~else\n if a}}"] {
            let chain = format!("{{{{#if a}}}}{}{{{{/if}}}}", chain.repeat(20_000));
            let broken = render_once(&chain, &json!({"a": false}));
            assert!(matches!(broken, Err(RenderError::Broken { .. })), "{broken:?}");
        }
        for open in ["(len ", "(len\n"] {
            let calls = format!("{{{{len {}a{}}}}}", open.repeat(20_000), ")".repeat(20_000));
            let broken = render_once(&calls, &json!({"a": "a"}));
            assert!(matches!(broken, Err(RenderError::Broken { .. })), "{broken:?}");
        }
        let many = "a line with {{a}} in it\n".repeat(20_000);
        let broken = render_once(&many, &json!({"a": 1}));
        assert!(matches!(broken, Err(RenderError::Broken { .. })), "{broken:?}");
        let brackets = format!("{{{{a {}", "(".repeat(100_000));
        assert!(matches!(
            render_once(&brackets, &json!({})),
            Err(RenderError::Broken { .. })
        ));
        for text in [
            "{{../../../a}}",
            "{{@root.a}}",
            "{{lookup a b}}",
            "{{this.[}}",
            "{{#each ../..}}{{/each}}",
        ] {
            let _ = render_once(text, &json!({"a": [1]}));
        }
    }
}
