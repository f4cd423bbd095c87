//! Fields and arguments: each declared, each given once, none missing.

use std::collections::BTreeMap;

use super::secrets::Sink;
use super::typed::{Expression, Parameter};
use super::types::Type;
use super::{Checker, Expected};
use crate::diagnostics::codes::types;
use crate::diagnostics::{Diagnostic, foreign};
use crate::resolve::list_of;
use crate::source::Span;
use crate::syntax::ast;

/// What takes the fields, for messages.
pub(super) struct Owner {
    /// "the kind `file`", "the role `page`".
    pub(super) noun: String,
    /// "field" or "parameter".
    pub(super) field: &'static str,
    /// Where it is declared.
    pub(super) declared: Option<Span>,
    /// Where it is used, for what is missing.
    pub(super) at: Span,
    /// Whether some of what is given could not be read, so that nothing is said of missing fields.
    pub(super) lenient: bool,
    /// What can be given too, and is looked at elsewhere.
    pub(super) also: &'static [&'static str],
}

impl Checker<'_> {
    /// Fields of a block against their declarations; defaults are filled in, optional ones left out.
    pub(super) fn fields(
        &mut self,
        block: &ast::Block,
        declared: &[Parameter],
        owner: &Owner,
    ) -> BTreeMap<String, Expression> {
        let mut given = Vec::new();
        for statement in &block.statements {
            if let ast::StatementKind::Field { name, value } = &statement.kind {
                given.push((name, value));
            }
        }
        self.given(&given, declared, owner)
    }

    /// Arguments against parameters: those without a name first, in order.
    pub(super) fn arguments(
        &mut self,
        arguments: &[ast::Argument],
        declared: &[Parameter],
        owner: &Owner,
    ) -> BTreeMap<String, Expression> {
        let mut given: Vec<(ast::Name, &ast::Expression)> = Vec::new();
        for (index, argument) in arguments.iter().enumerate() {
            let name = match (&argument.name, declared.get(index)) {
                (Some(name), _) => name.clone(),
                (None, Some(parameter)) => ast::Name {
                    text: parameter.name.clone(),
                    span: argument.span,
                },
                (None, None) => {
                    let _ = self.infer(&argument.value, None);
                    let count = declared.len();
                    let message = format!(
                        "{} takes {count} argument{}",
                        owner.noun,
                        if count == 1 { "" } else { "s" }
                    );
                    let mut extra = Diagnostic::error(types::TOO_MANY_ARGUMENTS, argument.span, message);
                    if let Some(at) = owner.declared {
                        extra = extra.label(at, "declared here");
                    }
                    self.report(extra);
                    continue;
                }
            };
            given.push((name, &argument.value));
        }
        let given: Vec<(&ast::Name, &ast::Expression)> = given.iter().map(|(n, e)| (n, *e)).collect();
        self.given(&given, declared, owner)
    }

    fn given(
        &mut self,
        given: &[(&ast::Name, &ast::Expression)],
        declared: &[Parameter],
        owner: &Owner,
    ) -> BTreeMap<String, Expression> {
        let mut values: BTreeMap<String, Expression> = BTreeMap::new();
        let mut places: BTreeMap<&str, Span> = BTreeMap::new();
        let mut unknown = Vec::new();
        for (name, value) in given {
            let Some(parameter) = declared.iter().find(|p| p.name == name.text) else {
                unknown.push(*name);
                let _ = self.infer(value, None);
                continue;
            };
            let before = self.waits.len();
            let outer = std::mem::replace(&mut self.sink, Sink::of(owner.field, declared));
            let checked = self.expression(value, &Expected::parameter(parameter));
            self.sink = outer;
            for wait in self.waits.iter_mut().skip(before) {
                wait.argument.clone_from(&parameter.name);
            }
            if let Some(first) = places.insert(&name.text, name.span) {
                let message = format!("`{}` is given twice", name.text);
                let twice = Diagnostic::error(types::DUPLICATE_FIELD, name.span, message);
                self.report(twice.here("here again").label(first, "first given here"));
                continue;
            }
            values.insert(name.text.clone(), checked);
        }
        let missing: Vec<&Parameter> = declared
            .iter()
            .filter(|p| {
                p.default.is_none() && !matches!(p.ty, Type::Optional(_)) && !values.contains_key(&p.name)
            })
            .collect();
        let mut slips = Vec::new();
        for name in &unknown {
            let free = declared
                .iter()
                .take(self.diagnostics.look_through(declared.len()))
                .map(|p| p.name.as_str())
                .filter(|n| !values.contains_key(*n))
                .chain(owner.also.iter().copied());
            let meant = foreign::setting(&name.text).filter(|word| owner.also.contains(word));
            let mut diagnostic = Diagnostic::error(
                types::UNKNOWN_FIELD,
                name.span,
                format!("{} has no {} `{}`", owner.noun, owner.field, name.text),
            );
            diagnostic = match meant {
                Some(word) => diagnostic
                    .help(format!("write `{word} = […]`, with the runs to wait for"))
                    .likely_fix(name.span, word, format!("write `{word}`")),
                None => diagnostic.suggest(&name.text, free),
            };
            let edits = diagnostic.fixes.iter().flat_map(|fix| &fix.edits);
            slips.extend(edits.map(|(_, text)| text.clone()));
            if let Some(at) = owner.declared {
                diagnostic = diagnostic.label(at, "declared here");
            }
            if diagnostic.help.is_none() {
                let known: Vec<&str> = declared
                    .iter()
                    .map(|p| p.name.as_str())
                    .chain(owner.also.iter().copied())
                    .collect();
                diagnostic = diagnostic.help(match known.is_empty() {
                    true => "it takes none".to_owned(),
                    false => format!("it has {}", list_of(&known)),
                });
            }
            self.report(diagnostic);
        }
        // A mistyped name has been told already; that it is missing would be said twice.
        for parameter in missing
            .iter()
            .filter(|p| !owner.lenient && !slips.contains(&p.name))
        {
            let message = format!("{} needs the {} `{}`", owner.noun, owner.field, parameter.name);
            let mut diagnostic = Diagnostic::error(types::MISSING_FIELD, owner.at, message);
            if let Some(at) = parameter.span {
                diagnostic = diagnostic.label(
                    at,
                    format!("declared here as `{}`, without a default", parameter.ty),
                );
            }
            self.report(diagnostic.help(format!("give it: `{} = …`", parameter.name)));
        }
        for parameter in declared {
            if let Some(default) = &parameter.default {
                values
                    .entry(parameter.name.clone())
                    .or_insert_with(|| default.clone());
            }
        }
        values
    }

    /// A declared field or parameter.
    pub(super) fn parameter(&mut self, parameter: &ast::Parameter, key: bool) -> Parameter {
        let ty = self.written_type(&parameter.ty);
        if key {
            self.refuse_secret(&ty, parameter.ty.span, "a key");
        }
        let expected = Expected {
            ty: ty.clone(),
            name: parameter.name.text.clone(),
            declared: Some(parameter.ty.span),
        };
        let default = parameter.default.as_ref().map(|d| self.expression(d, &expected));
        let span = Some(parameter.name.span.to(parameter.ty.span));
        Parameter {
            name: parameter.name.text.clone(),
            ty,
            default,
            key,
            known: parameter.known,
            span,
        }
    }
}

/// Whether a statement of a block could not be read.
pub(super) fn unreadable(block: &ast::Block) -> bool {
    block
        .statements
        .iter()
        .any(|s| matches!(s.kind, ast::StatementKind::Error))
}
