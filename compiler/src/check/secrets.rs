//! Secrets: `secret("name")`, `generated("name")`, and where what is made of them must not stand.

use serde_json::Value;

use super::coerce::noun;
use super::expressions::error;
use super::typed::{Expression, ExpressionKind, Parameter};
use super::types::Type;
use super::{Checker, Expected};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::types;
use crate::plan::{Recipe, SecretReference};
use crate::resolve::Builtin;
use crate::source::Span;
use crate::syntax::ast;
use crate::syntax::walk::plain_text;

/// Letters and digits of a generated secret, unless it says otherwise.
const USUAL_LENGTH: u32 = 32;
/// The fewest and the most.
const LENGTHS: std::ops::RangeInclusive<u32> = 16..=1024;
/// Permissions of a file with a secret in it, unless it says otherwise.
const PRIVATE: &str = "0600";

/// What takes the value at hand, for messages about secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Sink {
    /// A condition, a count, a range …
    #[default]
    Shape,
    /// A field of a kind; the field of the same kind that takes secrets by name, if there is one.
    Field(Option<String>),
    /// A parameter of a role or workload.
    Parameter,
    /// An output.
    Output,
}

impl Sink {
    /// The sink of one of these fields or parameters.
    pub(super) fn of(word: &str, declared: &[Parameter]) -> Sink {
        let by_name = |p: &&Parameter| matches!(p.ty.base(), Type::Map(_, value) if value.may_be_secret());
        match word {
            "field" => Sink::Field(declared.iter().find(by_name).map(|p| p.name.clone())),
            "parameter" => Sink::Parameter,
            _ => Sink::Shape,
        }
    }

    fn help(&self, name: &str) -> String {
        match self {
            Sink::Field(Some(map)) => format!(
                "hand it over as a variable, `{map} = {{ PASSWORD = … }}`, and write `$PASSWORD` in `{name}`"
            ),
            Sink::Field(None) => {
                "write it to a file of its own (`file` with mode 0600) and let it be read there".to_owned()
            }
            Sink::Parameter => format!(
                "if what it is used for takes a secret, declare the parameter so: `{name}: Secret<String>`"
            ),
            Sink::Output => format!("declare the output as a secret: `out {name}: Secret<String>`"),
            Sink::Shape => {
                "what there is, how much of it and how it is called never depends on a secret".to_owned()
            }
        }
    }
}

impl Type {
    /// Whether a value of this type is, or may be, a secret.
    pub(crate) fn may_be_secret(&self) -> bool {
        match self {
            Type::Secret(_) => true,
            Type::Optional(inner) => inner.may_be_secret(),
            Type::Refined(refined) => refined.base.may_be_secret(),
            Type::Union(members) => members.iter().any(Type::may_be_secret),
            _ => false,
        }
    }

    /// Whether there may be a secret in a value of this type.
    pub(crate) fn holds_secret(&self) -> bool {
        match self {
            Type::List(inner) | Type::Range(inner) | Type::Optional(inner) => inner.holds_secret(),
            Type::Map(key, value) => key.holds_secret() || value.holds_secret(),
            Type::Record(fields) => fields.values().any(Type::holds_secret),
            Type::Union(members) => members.iter().any(Type::holds_secret),
            Type::Refined(refined) => refined.base.holds_secret(),
            Type::Enum(definition) => definition.data.values().flatten().any(|(_, t)| t.holds_secret()),
            other => other.may_be_secret(),
        }
    }

    /// Whether a value of this type can stand in a string that then is a secret.
    pub(crate) fn has_secret_text(&self) -> bool {
        match self.base() {
            Type::Secret(inner) => inner.has_text(),
            Type::Union(members) => {
                self.may_be_secret() && members.iter().all(|m| m.has_text() || m.has_secret_text())
            }
            _ => false,
        }
    }

    /// The text that is made from parts of these types.
    pub(crate) fn text_of(tainted: bool) -> Type {
        match tainted {
            true => Type::Secret(Box::new(Type::String)),
            false => Type::String,
        }
    }
}

impl Checker<'_> {
    /// `secret("bmc")`, `generated("key", length = 40, version = 2)`
    pub(super) fn secret(
        &mut self,
        builtin: Builtin,
        called: &ast::Name,
        arguments: &[ast::Argument],
        span: Span,
    ) -> Expression {
        let Some((first, rest)) = arguments.split_first() else {
            let message = format!("`{}` lacks the name of the secret", called.text);
            let help = format!("write `{}(\"name\")`", called.text);
            self.report(Diagnostic::error(types::MISSING_FIELD, called.span, message).help(help));
            return error(span);
        };
        let Some(name) = self.secret_name(&first.value) else {
            rest.iter()
                .for_each(|argument| drop(self.infer(&argument.value, None)));
            return error(span);
        };
        let generated = match builtin {
            Builtin::Generated => match self.recipe(&name, rest, span) {
                Some(recipe) => Some(recipe),
                None => return error(span),
            },
            _ => {
                if let Some(extra) = rest.first() {
                    let message = "`secret` takes a name and no more";
                    let help = "where it comes from stands in `rebar.toml`, below `[secrets]`";
                    self.report(Diagnostic::error(types::TOO_MANY_ARGUMENTS, extra.span, message).help(help));
                    return error(span);
                }
                None
            }
        };
        Expression {
            kind: ExpressionKind::Secret(SecretReference { name, generated }),
            ty: Type::text_of(true),
            span,
        }
    }

    fn secret_name(&mut self, written: &ast::Expression) -> Option<String> {
        let Some(name) = plain_text(written) else {
            if !matches!(written.kind, ast::ExpressionKind::Error) {
                let message = "the name of a secret must be written out";
                let help = "which secrets a deploy needs is known before anything runs: `secret(\"bmc\")`";
                self.report(Diagnostic::error(types::SECRET_NAME, written.span, message).help(help));
            }
            return None;
        };
        if crate::manifest::is_secret_name(&name) {
            return Some(name);
        }
        let message = format!(
            "`{}` is no name of a secret",
            name.chars().take(80).collect::<String>()
        );
        let help = "a name has up to 64 small letters, digits and `_`, and begins with a letter";
        self.report(Diagnostic::error(types::SECRET_NAME, written.span, message).help(help));
        None
    }

    /// How a generated secret is made; the same name must not mean two.
    fn recipe(&mut self, name: &str, arguments: &[ast::Argument], span: Span) -> Option<Recipe> {
        let mut recipe = Recipe {
            length: USUAL_LENGTH,
            version: 1,
        };
        let mut good = true;
        for (index, argument) in arguments.iter().enumerate() {
            let word = match &argument.name {
                Some(name) => name.text.as_str(),
                None => ["length", "version"].get(index).copied().unwrap_or(""),
            };
            let limits = match word {
                "length" => LENGTHS,
                "version" => 1..=u32::MAX,
                _ => {
                    let message = "`generated` takes a name, `length` and `version`";
                    self.report(Diagnostic::error(
                        types::TOO_MANY_ARGUMENTS,
                        argument.span,
                        message,
                    ));
                    return None;
                }
            };
            let value = self.expression(&argument.value, &Expected::of(Type::Int));
            if value.ty == Type::Error {
                return None;
            }
            let number = self.constant(&value).as_ref().and_then(Value::as_u64);
            match number
                .and_then(|n| u32::try_from(n).ok())
                .filter(|n| limits.contains(n))
            {
                Some(number) if word == "length" => recipe.length = number,
                Some(number) => recipe.version = number,
                None => {
                    let message = format!(
                        "`{word}` of a generated secret must be written out, from {} to {}",
                        limits.start(),
                        limits.end()
                    );
                    self.report(Diagnostic::error(types::GENERATED, argument.value.span, message));
                    good = false;
                }
            }
        }
        if !good {
            return None;
        }
        if self.is_looked_at(self.module) {
            self.described.insert(name.to_owned());
        }
        let (other, first) = *self.generated.entry(name.to_owned()).or_insert((recipe, span));
        if other != recipe {
            let message = format!("the generated secret `{name}` is described in two ways");
            let twice = Diagnostic::error(types::GENERATED, span, message);
            let twice = twice.here("otherwise here").label(first, "first described here");
            self.report(
                twice.help("write it once, `let key = generated(…)`, or give the two different names"),
            );
            return None;
        }
        Some(recipe)
    }

    /// The error for a secret that would be shown.
    pub(super) fn would_show(&self, value: &Expression, expected: &Expected) -> Diagnostic {
        let message = match expected.name.as_str() {
            "" => "a secret would be shown, or decide something, here".to_owned(),
            name => format!("`{name}` would show a secret"),
        };
        let mut diagnostic = Diagnostic::error(types::SECRET_SHOWN, value.span, message)
            .here(format!("this is {}", noun(&value.ty)));
        if let Some(origin) = self.origin(value).filter(|origin| *origin != value.span) {
            diagnostic = diagnostic.label(origin, "it became a secret here");
        }
        if let Some(declared) = expected.declared {
            diagnostic = diagnostic.label(
                declared,
                format!("declared here as `{}`, which plans and records show", expected.ty),
            );
        }
        diagnostic.help(self.sink.help(&expected.name))
    }

    /// The error for an operator that would tell something of a secret.
    pub(super) fn secret_compared(&self, symbol: &str, at: Span, sides: &[&Expression]) -> Diagnostic {
        let message = format!("`{symbol}` would tell something of a secret");
        let mut diagnostic = Diagnostic::error(types::SECRET_COMPARED, at, message);
        for side in sides.iter().filter(|side| side.ty.holds_secret()) {
            diagnostic = diagnostic.label(side.span, noun(&side.ty));
            if let Some(origin) = self.origin(side).filter(|origin| *origin != side.span) {
                diagnostic = diagnostic.label(origin, "it became a secret here");
            }
        }
        diagnostic.help(match symbol {
            "+" => "text is put together in a string, which then is a secret: \"{a}{b}\"",
            _ => "nothing is decided by a secret: nobody knows it when the plan is made",
        })
    }

    /// Where a value became a secret.
    pub(super) fn origin(&self, value: &Expression) -> Option<Span> {
        match &value.kind {
            ExpressionKind::Secret(_) => Some(value.span),
            ExpressionKind::Variable(name) => self.origins.get(name).copied(),
            ExpressionKind::Item(id, _) => match self.typed.values.get(id) {
                Some(inner) => self.origin(inner).or(Some(inner.span)),
                None => None,
            },
            _ => value.children().into_iter().find_map(|child| {
                let known = child.ty.holds_secret() || matches!(child.ty, Type::Thing(..));
                known.then(|| self.origin(child)).flatten()
            }),
        }
    }

    /// Remembers where the value of a name became a secret, if it is one.
    pub(super) fn remember_origin(&mut self, name: &str, value: &Expression) {
        match value.ty.holds_secret() {
            true => {
                let origin = self.origin(value).unwrap_or(value.span);
                self.origins.insert(name.to_owned(), origin);
            }
            false => {
                self.origins.remove(name);
            }
        }
    }

    /// Refuses a declared type that cannot hold secrets: of a key, or of what becomes part of a machine.
    pub(super) fn refuse_secret(&mut self, ty: &Type, at: Span, what: &str) {
        if ty.holds_secret() {
            let message = format!("{what} cannot be a secret");
            let diagnostic = Diagnostic::error(types::SECRET_DECLARED, at, message);
            self.report(
                diagnostic.help("it is written into names, plans and records; declare it without `Secret`"),
            );
        }
    }

    /// A file with a secret in it is private unless it says otherwise; where it says so, others must not read it.
    pub(super) fn keep_private(
        &mut self,
        fields: &mut std::collections::BTreeMap<String, Expression>,
        given: Option<Span>,
    ) {
        let Some(secret) = fields.values().find(|value| value.ty.may_be_secret()) else {
            return;
        };
        let (content, origin) = (secret.span, self.origin(secret));
        let Some(mode) = fields.get_mut("mode") else {
            return;
        };
        if given.is_none() {
            mode.kind = ExpressionKind::Value(PRIVATE.into());
            return;
        }
        let (at, mode) = (mode.span, mode.clone());
        let known = self.constant(&mode);
        let bits = known
            .as_ref()
            .and_then(Value::as_str)
            .and_then(|text| u32::from_str_radix(text, 8).ok());
        if bits.is_some_and(|bits| bits & 0o007 != 0) {
            let message = "everybody on the node can read a secret";
            let mut warning = Diagnostic::warning(types::SECRET_READABLE, at, message)
                .here("this lets others in")
                .label(content, "this holds a secret");
            if let Some(origin) = origin.filter(|origin| *origin != content) {
                warning = warning.label(origin, "it became a secret here");
            }
            self.report(warning.help("leave `mode` out for `0600`, or give a `group` and `0640`"));
        }
    }
}
