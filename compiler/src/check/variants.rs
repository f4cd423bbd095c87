//! Variants of enums, with and without data, and `None`.

use super::Checker;
use super::coerce::noun;
use super::expressions::{error, strip};
use super::typed::{Expression, ExpressionKind, Parameter};
use super::types::{EnumType, Type};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{names, types};
use crate::source::Span;
use crate::syntax::ast;

impl Checker<'_> {
    /// A name that begins with a capital and is no item: a variant of the enum that is expected.
    pub(super) fn variant(
        &mut self,
        name: &ast::Name,
        arguments: Option<&[ast::Argument]>,
        span: Span,
        hint: Option<&Type>,
    ) -> Expression {
        if name.text == "None" && arguments.is_none() {
            return self.nothing(span, hint);
        }
        let Some(ty @ Type::Enum(definition)) = hint.map(|h| strip(h).enumeration()) else {
            // In place of another type this is the wrong type; without any it is an unknown name. Where the type is
            // not known because of something that was reported, it may well be right.
            let diagnostic = match hint {
                Some(Type::Error) => {
                    for argument in arguments.unwrap_or_default() {
                        let _ = self.infer(&argument.value, hint);
                    }
                    return error(span);
                }
                Some(ty) => {
                    let message = format!("expected {}, found the variant `{}`", noun(ty), name.text);
                    Diagnostic::error(types::MISMATCH, span, message)
                }
                _ => Diagnostic::error(
                    names::UNKNOWN_NAME,
                    span,
                    format!("there is no `{}` here", name.text),
                )
                .help("a variant of an enum can stand only where that enum is expected"),
            };
            self.report(diagnostic);
            for argument in arguments.unwrap_or_default() {
                let _ = self.infer(&argument.value, None);
            }
            return error(span);
        };
        let (ty, definition) = (ty.clone(), definition.clone());
        if !definition.variants.contains(&name.text) {
            self.no_variant(&definition, name);
            return error(span);
        }
        let data = definition.data.get(&name.text);
        if data.is_none() && arguments.is_none_or(<[ast::Argument]>::is_empty) {
            let kind = ExpressionKind::Value(serde_json::Value::String(name.text.clone()));
            return Expression { kind, ty, span };
        }
        let parameters: Vec<Parameter> = data
            .into_iter()
            .flatten()
            .map(|(name, ty)| Parameter {
                name: name.clone(),
                ty: ty.clone(),
                default: None,
                key: false,
                known: false,
                span: definition.span,
            })
            .collect();
        let owner = super::fields::Owner {
            noun: format!("the variant `{}`", name.text),
            field: "field",
            declared: definition.span,
            at: name.span,
            lenient: false,
            also: &[],
        };
        let mut fields = self.arguments(arguments.unwrap_or_default(), &parameters, &owner);
        for parameter in &parameters {
            fields.entry(parameter.name.clone()).or_insert(Expression {
                kind: ExpressionKind::Value(serde_json::Value::Null),
                ty: parameter.ty.clone(),
                span,
            });
        }
        Expression {
            kind: ExpressionKind::Variant(name.text.clone(), fields),
            ty,
            span,
        }
    }

    fn nothing(&mut self, span: Span, hint: Option<&Type>) -> Expression {
        let ty = match hint {
            Some(ty @ Type::Optional(_)) => ty.clone(),
            Some(Type::Error) | None => Type::Optional(Box::new(Type::Error)),
            Some(other) => {
                let message = format!("expected {}, found nothing", noun(other));
                let diagnostic = Diagnostic::error(types::MISMATCH, span, message);
                self.report(diagnostic.help(format!("a value that may be missing has the type `{other}?`")));
                return error(span);
            }
        };
        Expression {
            kind: ExpressionKind::Value(serde_json::Value::Null),
            ty,
            span,
        }
    }

    /// Reports a variant that an enum does not have.
    pub(super) fn no_variant(&mut self, definition: &EnumType, name: &ast::Name) {
        let known: Vec<&str> = definition.variants.iter().map(String::as_str).collect();
        let message = format!("`{}` has no variant `{}`", definition.name, name.text);
        let room = self.diagnostics.look_through(known.len());
        let candidates = known.iter().copied().take(room);
        let mut diagnostic =
            Diagnostic::error(types::UNKNOWN_VARIANT, name.span, message).suggest(&name.text, candidates);
        if diagnostic.help.is_none() {
            diagnostic = diagnostic.help(format!("it has {}", crate::resolve::list_of(&known)));
        }
        if let Some(declared) = definition.span {
            diagnostic = diagnostic.label(declared, "the enum is defined here");
        }
        self.report(diagnostic);
    }
}
