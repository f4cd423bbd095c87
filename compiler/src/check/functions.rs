//! `fn` items: pure functions of one value. Neither they nor values need themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::typed::{Expression, ExpressionKind, Parameter, PureFunction};
use super::types::Type;
use super::{Checker, Expected, bounds};
use crate::diagnostics::codes::{names, types};
use crate::diagnostics::{Diagnostic, Fix};
use crate::resolve::{Definition, ItemId};
use crate::source::Span;
use crate::syntax::ast::{self, ItemKind};
use crate::syntax::walk;

/// What an item uses, and where.
type Uses = BTreeMap<ItemId, Vec<(ItemId, Span)>>;

impl Checker<'_> {
    /// Reports functions and values that need themselves, each circle once, and remembers them.
    pub(super) fn circles(&mut self) {
        let uses = self.uses();
        let mut done: BTreeSet<ItemId> = BTreeSet::new();
        for start in uses.keys() {
            // The way from the start: each item, and how many of its uses have been followed.
            let mut way: Vec<(ItemId, usize)> = vec![(*start, 0)];
            if !done.insert(*start) {
                continue;
            }
            while let Some((item, next)) = way.last_mut() {
                let Some((used, _)) = uses.get(item).and_then(|list| list.get(*next)) else {
                    way.pop();
                    continue;
                };
                *next += 1;
                if let Some(first) = way.iter().position(|(item, _)| item == used) {
                    self.circle(&way[first..], &uses);
                } else if done.insert(*used) {
                    way.push((*used, 0));
                }
            }
        }
    }

    fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for id in self.ids.iter().copied() {
            let mut list = Vec::new();
            let mut visit = |e: &ast::Expression| {
                if let ast::ExpressionKind::Name(name) = &e.kind
                    && let Some(Definition::Item(used)) = self.resolved.references.get(&name.span)
                    && matches!(
                        self.resolved.item(*used).kind,
                        ItemKind::Fn { .. } | ItemKind::Let { .. }
                    )
                {
                    list.push((*used, name.span));
                }
            };
            match &self.resolved.item(id).kind {
                ItemKind::Fn { parameters, body, .. } => {
                    let defaults = parameters.iter().filter_map(|p| p.default.as_ref());
                    defaults.for_each(|d| walk::expression(d, &mut visit));
                    walk::expression(body, &mut visit);
                }
                ItemKind::Let { value, .. } => walk::expression(value, &mut visit),
                _ => continue,
            }
            uses.insert(id, list);
        }
        uses
    }

    fn circle(&mut self, way: &[(ItemId, usize)], uses: &Uses) {
        let function = |id: &ItemId| matches!(self.resolved.item(*id).kind, ItemKind::Fn { .. });
        if way.iter().all(|(id, _)| self.circular.contains(id)) {
            return;
        }
        let name = |id: &ItemId| self.resolved.item_name(*id).map_or("", |n| n.text.as_str());
        let mut edges = Vec::new();
        for (item, next) in way {
            if let Some((used, span)) = uses.get(item).and_then(|list| list.get(next.saturating_sub(1))) {
                edges.push((*span, format!("`{}` uses `{}` here", name(item), name(used))));
            }
        }
        let mut path: Vec<String> = way
            .iter()
            .map(|(id, _)| format!("`{}`", name(id)))
            .take(12)
            .collect();
        path.extend(path.first().cloned());
        let path = path.join(" → ");
        let (code, message, help) = match way.iter().any(|(id, _)| function(id)) {
            true => (
                types::RECURSION,
                format!("a function cannot need itself: {path}"),
                "functions end: go through a list with `[… for x in list]` instead",
            ),
            false => (
                names::CIRCULAR_DEFINITION,
                format!("a value cannot be made from itself: {path}"),
                "give one of them a value of its own",
            ),
        };
        let mut edges = edges.into_iter().take(12);
        let Some((span, text)) = edges.next() else { return };
        let mut diagnostic = Diagnostic::error(code, span, message).here(text);
        for (span, text) in edges {
            diagnostic = diagnostic.label(span, text);
        }
        self.report(diagnostic.help(help));
        self.circular.extend(way.iter().map(|(id, _)| *id));
    }

    /// The parameters and the result of a function, which is checked if it has not been.
    pub(super) fn function(&mut self, id: ItemId) -> Option<(Vec<Parameter>, Type)> {
        if let Some(known) = self.typed.pure.get(&id) {
            return Some((known.parameters.clone(), known.result.clone()));
        }
        let resolved = self.resolved;
        let item = resolved.item(id);
        let ItemKind::Fn {
            name,
            parameters,
            result,
            body,
        } = &item.kind
        else {
            return None;
        };
        if self.circular.contains(&id) {
            return None;
        }
        if self.values_in_progress.len() >= bounds::MAX_CHAIN || !self.values_in_progress.insert(id) {
            let message = format!(
                "too many definitions need each other before `{}` is known",
                name.text
            );
            self.report(
                Diagnostic::error(names::CIRCULAR_DEFINITION, name.span, message)
                    .help("write the types of results: `fn name(…): Int = …`"),
            );
            return None;
        }
        let module = std::mem::replace(&mut self.module, id.module);
        let origins = std::mem::take(&mut self.origins);
        let waits = std::mem::take(&mut self.waits);
        let parameters_: Vec<Parameter> = parameters.iter().map(|p| self.parameter(p, false)).collect();
        for (written, parameter) in parameters.iter().zip(&parameters_) {
            self.locals.insert(written.name.span, parameter.ty.clone());
            if parameter.ty.holds_secret() {
                self.origins.insert(written.name.text.clone(), written.ty.span);
            }
        }
        let body = match result {
            Some(written) => {
                let ty = self.written_type(written);
                let expected = Expected {
                    ty: ty.clone(),
                    name: name.text.clone(),
                    declared: Some(written.span),
                };
                let value = self.expression(body, &expected);
                Expression { ty, ..value }
            }
            None => self.infer(body, None),
        };
        let result_type = self.bounded(body.ty.clone(), name.span);
        if item.public && result.is_none() && result_type != Type::Error {
            let message = format!(
                "the function `{}` is `pub` and does not say what it gives",
                name.text
            );
            let behind = Span {
                start: parameters_end(self.sources.slice(item.span), item.span, name.span),
                ..name.span
            };
            let behind = Span {
                end: behind.start,
                ..behind
            };
            self.report(
                Diagnostic::error(types::RESULT_UNTOLD, name.span, message)
                    .help("others build on it: a change of its value must not change its type unseen")
                    .add_fix(
                        Fix::likely(format!("write `: {result_type}`"))
                            .edit(behind, format!(": {result_type}")),
                    ),
            );
        }
        self.module = module;
        self.origins = origins;
        self.waits = waits;
        self.values_in_progress.remove(&id);
        let function = PureFunction {
            name: resolved.qualified_name(id),
            parameters: parameters_.clone(),
            result: result_type.clone(),
            body,
        };
        self.typed.pure.insert(id, function);
        Some((parameters_, result_type))
    }

    /// A call of a `fn`.
    pub(super) fn call_function(
        &mut self,
        id: ItemId,
        name: &ast::Name,
        arguments: &[ast::Argument],
        span: Span,
    ) -> Expression {
        let Some((parameters, result)) = self.function(id) else {
            for argument in arguments {
                let _ = self.infer(&argument.value, None);
            }
            return super::expressions::error(span);
        };
        let owner = super::fields::Owner {
            noun: format!("the function `{}`", name.text),
            field: "parameter",
            declared: self.resolved.item_name(id).map(|n| n.span),
            at: name.span,
            lenient: false,
            also: &[],
        };
        let arguments = self.arguments(arguments, &parameters, &owner);
        Expression {
            kind: ExpressionKind::Call(id, self.resolved.qualified_name(id), arguments),
            ty: result,
            span,
        }
    }
}

/// The place behind the parenthesis that closes the parameters.
fn parameters_end(text: &str, item: Span, name: Span) -> u32 {
    let from = (name.end - item.start) as usize;
    let mut depth = 0_usize;
    for (index, byte) in text.bytes().enumerate().skip(from) {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 1 => return item.start + index as u32 + 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    name.end
}
