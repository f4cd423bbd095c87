//! From types as written to types.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Checker;
use super::rules::{compile_pattern, holds_ends, within};
use super::types::{EnumType, Refined, Rule, TextForm, Thing, Type};
use crate::diagnostics::codes::{names, types};
use crate::diagnostics::{Diagnostic, nearest};
use crate::resolve::{Definition, ItemId};
use crate::source::Span;
use crate::syntax::BUILTIN_TYPES;
use crate::syntax::ast::{self, TypeKind};

/// Steps of a circle that are shown.
const SHOWN: usize = 12;

impl Checker<'_> {
    /// The type that is written there.
    pub(super) fn written_type(&mut self, ty: &ast::Type) -> Type {
        match &ty.kind {
            TypeKind::Error => Type::Error,
            TypeKind::Named { name, arguments } => {
                let arguments_: Vec<Type> = arguments.iter().map(|t| self.written_type(t)).collect();
                if let Some(Definition::Item(id)) = self.resolved.references.get(&name.span) {
                    self.argument_count(ty, 0, arguments_.len());
                    return self.type_used_at(*id, Some(name.span));
                }
                let text = name.text();
                let unread = &self.resolved.modules.list[self.module].unread;
                // A slip is taken for the type that was suggested.
                let slip = self.resolved.references.get(&name.span) == Some(&Definition::Broken)
                    && !unread.contains(&text);
                let meant = slip.then(|| nearest(&text, BUILTIN_TYPES)).flatten();
                self.builtin_type(ty, meant.unwrap_or(&text), arguments_)
            }
            TypeKind::Optional(inner) => match self.written_type(inner) {
                Type::Optional(inner) => Type::Optional(inner),
                inner => Type::Optional(Box::new(inner)),
            },
            TypeKind::Record(fields) => {
                let mut record = BTreeMap::new();
                for (name, ty) in fields {
                    let ty = self.written_type(ty);
                    if record.insert(name.text.clone(), ty).is_some() {
                        let message = format!("the field `{}` is there twice", name.text);
                        self.report(Diagnostic::error(types::DUPLICATE_FIELD, name.span, message));
                    }
                }
                Type::Record(record)
            }
            TypeKind::Union(members) => Type::Union(members.iter().map(|t| self.written_type(t)).collect()),
            TypeKind::Where { base, condition } => self.conditioned(ty, base, condition),
            TypeKind::In { base, range } => self.range_type(ty, base, range),
            TypeKind::Matches { base, pattern } => {
                let base = self.written_type(base);
                if !matches!(base.base(), Type::String | Type::Text(_) | Type::Error) {
                    let message = format!(
                        "`matches` is for text, and this is {}",
                        super::coerce::noun(&base)
                    );
                    self.report(Diagnostic::error(types::BAD_REFINEMENT, ty.span, message));
                    return Type::Error;
                }
                if let Err(cause) = compile_pattern(&pattern.text) {
                    let message = format!("this pattern means nothing: {cause}");
                    self.report(Diagnostic::error(types::BAD_REFINEMENT, pattern.span, message));
                    return base;
                }
                self.hold_both_ends(pattern);
                let rule = Rule::Matches(pattern.text.clone());
                Type::Refined(Arc::new(Refined {
                    name: None,
                    base,
                    rule,
                    span: ty.span,
                }))
            }
        }
    }

    /// Says so when a pattern leaves an end of the text open: such a rule lets through what it was meant to stop.
    fn hold_both_ends(&mut self, pattern: &ast::StringLiteral) {
        let (begins, ends) = holds_ends(&pattern.text);
        let (missing, lets) = match (begins, ends) {
            (true, true) => return,
            (true, false) => ("its end", "anything may follow what it describes"),
            (false, true) => ("its beginning", "anything may stand before what it describes"),
            (false, false) => (
                "both its ends",
                "it is enough that what it describes is found somewhere in the text",
            ),
        };
        let written = self.sources.slice(pattern.span);
        let quote = if written.starts_with("\"\"\"") { 3 } else { 1 };
        let mut diagnostic = Diagnostic::error(
            types::OPEN_PATTERN,
            pattern.span,
            format!("this pattern leaves {missing} open"),
        )
        .here(lets)
        .help("begin it with `^` and end it with `$`; write `.*` there where anything is meant");
        if let Some(inner) = written.get(quote..written.len().saturating_sub(quote)) {
            let (open, close) = (&written[..quote], &written[written.len() - quote..]);
            let held = match inner.contains('|') {
                // The ends of one alternative are not those of the others.
                true => format!("{open}^(?:{inner})${close}"),
                false => format!(
                    "{open}{}{inner}{}{close}",
                    if begins { "" } else { "^" },
                    if ends { "" } else { "$" }
                ),
            };
            diagnostic = diagnostic.fix(pattern.span, held, "hold the pattern to the whole text");
        }
        self.report(diagnostic);
    }

    /// `Int where it mod 2 == 0`
    fn conditioned(&mut self, ty: &ast::Type, base: &ast::Type, condition: &ast::Expression) -> Type {
        let base = self.written_type(base);
        self.locals.insert(ty.span, base.clone());
        let shown = self.sources.slice(condition.span).to_owned();
        let condition = self.expression(condition, &super::Expected::of(Type::Bool));
        if condition.ty == Type::Error || base == Type::Error {
            return base;
        }
        Type::Refined(Arc::new(Refined {
            name: None,
            base,
            rule: Rule::Where(Box::new(condition), shown),
            span: ty.span,
        }))
    }

    fn range_type(&mut self, ty: &ast::Type, base: &ast::Type, range: &ast::Expression) -> Type {
        let base = self.written_type(base);
        let shown = self.sources.slice(range.span).to_owned();
        let hint = Type::Range(Box::new(base.base().clone()));
        let expression = self.infer(range, Some(&hint));
        if base == Type::Error || expression.ty == Type::Error {
            return base;
        }
        let bad = |message: String| Diagnostic::error(types::BAD_REFINEMENT, range.span, message);
        if !matches!(&expression.ty, Type::Range(inner) if base.accepts(inner)) {
            self.report(bad(format!(
                "`in` needs a range of `{base}` here, such as `1..100`"
            )));
            return base;
        }
        match self
            .constant(&expression)
            .as_ref()
            .and_then(|v| v.as_array())
            .map(Vec::as_slice)
        {
            Some([low, high]) => {
                if !within(low, low, high) {
                    self.report(bad(format!("no value lies in `{shown}`")).help("write the lower end first"));
                }
                let rule = Rule::In(low.clone(), high.clone(), shown);
                Type::Refined(Arc::new(Refined {
                    name: None,
                    base,
                    rule,
                    span: ty.span,
                }))
            }
            _ => {
                self.report(bad("both ends of this range must be written out".to_owned()));
                base
            }
        }
    }

    fn builtin_type(&mut self, ty: &ast::Type, name: &str, mut arguments: Vec<Type>) -> Type {
        let wanted = match name {
            "List" | "Secret" => 1,
            "Map" => 2,
            _ => 0,
        };
        let given = arguments.len();
        let simple = match name {
            "Bool" => Type::Bool,
            "Int" => Type::Int,
            "Float" => Type::Float,
            "String" => Type::String,
            "Bytes" => Type::Bytes,
            "Rate" => Type::Rate,
            "Duration" => Type::Duration,
            "Frequency" => Type::Frequency,
            "Percent" => Type::Percent,
            "Ip" => Type::Ip,
            "Cidr" => Type::Cidr,
            "Mac" => Type::Mac,
            "Domain" => Type::Text(TextForm::Domain),
            "Url" => Type::Text(TextForm::Url),
            "Path" => Type::Text(TextForm::Path),
            "Version" => Type::Text(TextForm::Version),
            "Regex" => Type::Text(TextForm::Regex),
            "Step" => Type::thing(Thing::Step),
            "Image" => Type::thing(Thing::Image),
            "Nodes" => Type::nodes(true),
            "Node" => Type::member(),
            "List" => Type::list(arguments.pop().unwrap_or(Type::Error)),
            "Secret" => Type::Secret(Box::new(arguments.pop().unwrap_or(Type::Error))),
            "Map" => {
                let value = arguments.pop().unwrap_or(Type::Error);
                Type::Map(Box::new(arguments.pop().unwrap_or(Type::Error)), Box::new(value))
            }
            // Unknown names have been reported.
            _ => return Type::Error,
        };
        if !self.argument_count(ty, wanted, given) {
            return Type::Error;
        }
        if let Type::Secret(inner) = &simple
            && !matches!(**inner, Type::String | Type::Error)
        {
            let message = format!("a secret is text, and `{inner}` is not plain text");
            let diagnostic = Diagnostic::error(types::SECRET_DECLARED, ty.span, message);
            self.report(
                diagnostic.help("write `Secret<String>`; a list of secrets is `List<Secret<String>>`"),
            );
            return Type::Error;
        }
        if let Type::Map(key, _) = &simple
            && !(key.is_textual() || **key == Type::Error)
        {
            let message = format!("keys of a map are text, and `{key}` is not");
            self.report(Diagnostic::error(types::TYPE_ARGUMENTS, ty.span, message));
        }
        simple
    }

    fn argument_count(&mut self, ty: &ast::Type, wanted: usize, given: usize) -> bool {
        if wanted != given {
            let message = match wanted {
                0 => "this type takes no other types".to_owned(),
                1 => "this type takes one other type".to_owned(),
                n => format!("this type takes {n} other types"),
            };
            let help = "write `List<Int>`, `Map<String, Int>` or `Secret<String>`";
            self.report(Diagnostic::error(types::TYPE_ARGUMENTS, ty.span, message).help(help));
        }
        wanted == given
    }

    /// The type behind a `type` or `enum` item.
    pub(super) fn type_of_item(&mut self, id: ItemId) -> Type {
        self.type_used_at(id, None)
    }

    /// The same, for another type that uses it there.
    fn type_used_at(&mut self, id: ItemId, used: Option<Span>) -> Type {
        if let Some(Some(ty)) = self.types.get(&id) {
            return ty.clone();
        }
        let module = std::mem::replace(&mut self.module, id.module);
        let ty = self.read_type(id, used);
        self.module = module;
        ty
    }

    fn read_type(&mut self, id: ItemId, used: Option<Span>) -> Type {
        match self.types.get(&id) {
            Some(Some(ty)) => return ty.clone(),
            Some(None) => {
                self.types.insert(id, Some(Type::Error));
                self.circle_of_types(id, used);
                return Type::Error;
            }
            None => {}
        }
        if self.types_in_progress.len() >= super::bounds::MAX_CHAIN {
            let span = self.resolved.item(id).span;
            self.report(super::bounds::too_large(span, "this chain of types"));
            return Type::Error;
        }
        self.types.insert(id, None);
        self.types_in_progress.push((id, used));
        let ty = match &self.resolved.item(id).kind {
            ast::ItemKind::Type { name, definition } => {
                let ty = self.written_type(definition);
                match &ty {
                    Type::Refined(refined) => Type::Refined(Arc::new(Refined {
                        name: Some(name.text.clone()),
                        span: name.span.to(definition.span),
                        ..Refined::clone(refined)
                    })),
                    _ => ty,
                }
            }
            ast::ItemKind::Enum { name, variants } => {
                for (index, variant) in variants.iter().enumerate() {
                    if let Some(first) = variants[..index]
                        .iter()
                        .find(|v| v.name.text == variant.name.text)
                    {
                        let message = format!("the variant `{}` is there twice", variant.name.text);
                        let twice = Diagnostic::error(names::DUPLICATE_NAME, variant.name.span, message);
                        self.report(twice.here("here again").label(first.name.span, "first here"));
                    }
                }
                let mut data = BTreeMap::new();
                for variant in variants {
                    if variant.name.text == "None" {
                        let message = "`None` is the missing value, and no variant";
                        self.report(
                            Diagnostic::error(names::SHADOWS, variant.name.span, message)
                                .help("choose another name, such as `Nothing`"),
                        );
                    }
                    let mut fields: Vec<(String, Type)> = Vec::new();
                    for (name, ty) in &variant.fields {
                        let ty = self.written_type(ty);
                        if fields.iter().any(|(n, _)| *n == name.text) {
                            let message = format!("the field `{}` is there twice", name.text);
                            self.report(Diagnostic::error(types::DUPLICATE_FIELD, name.span, message));
                        } else {
                            fields.push((name.text.clone(), ty));
                        }
                    }
                    if !fields.is_empty() {
                        data.insert(variant.name.text.clone(), fields);
                    }
                }
                Type::Enum(Arc::new(EnumType {
                    data,
                    name: name.text.clone(),
                    variants: variants.iter().map(|v| v.name.text.clone()).collect(),
                    span: Some(name.span),
                }))
            }
            _ => Type::Error,
        };
        let span = self
            .resolved
            .item_name(id)
            .map_or(self.resolved.item(id).span, |name| name.span);
        self.types_in_progress.pop();
        let ty = self.bounded(ty, span);
        self.types.insert(id, Some(ty.clone()));
        ty
    }

    /// Reports a type that needs itself: the way back to it, one label for each step.
    fn circle_of_types(&mut self, id: ItemId, used: Option<Span>) {
        let from = self.types_in_progress.iter().position(|(of, _)| *of == id);
        let way = &self.types_in_progress[from.unwrap_or(0)..];
        let name = |id: &ItemId| self.resolved.item_name(*id).map_or("", |n| n.text.as_str());
        let mut names: Vec<&str> = way.iter().map(|(of, _)| name(of)).collect();
        names.push(name(&id));
        // Each is used by the one before it.
        let places = way.iter().skip(1).map(|(_, used)| *used).chain([used]);
        let mut edges = names
            .windows(2)
            .zip(places)
            .take(SHOWN)
            .filter_map(|(pair, place)| Some((place?, format!("`{}` uses `{}` here", pair[0], pair[1]))));
        let mut shown: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        if shown.len() > SHOWN {
            shown.splice(SHOWN - 1..shown.len() - 1, ["…".to_owned()]);
        }
        let message = format!("a type cannot be made from itself: {}", shown.join(" → "));
        let Some((span, text)) = edges.next() else { return };
        let mut diagnostic = Diagnostic::error(names::CIRCULAR_DEFINITION, span, message).here(text);
        for (span, text) in edges {
            diagnostic = diagnostic.label(span, text);
        }
        self.report(diagnostic.help(
            "values of it would have no end: let one of them hold names of the others, such as a `String` or a `Map` with keys",
        ));
    }
}
