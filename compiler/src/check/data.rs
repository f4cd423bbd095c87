//! Data from files and the command line: read as if it were written in the spec, so that types, rules and messages
//! are the same, with places in the data.

use super::expressions::error;
use super::typed::{Deploy, Expression, ExpressionKind, GivenHere};
use super::types::Type;
use super::{Checker, Expected, Signature};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{expand, project, types};
use crate::resolve::{Builtin, Definition, GivenArgument, GivenValue, ItemId, Origin, list_of};
use crate::source::data::{self, Data, DataKind};
use crate::source::{FileError, Span};
use crate::syntax::ast::{self, ExpressionKind as E, Literal, Name, StringPart};
use crate::syntax::walk::plain_text;

impl Checker<'_> {
    /// Whether this calls the language's own function `wanted`.
    pub(super) fn calls(&self, e: &ast::Expression, wanted: Builtin) -> bool {
        let E::Call { callee, .. } = &e.kind else {
            return false;
        };
        let E::Name(name) = &callee.kind else { return false };
        self.resolved.references.get(&name.span) == Some(&Definition::Builtin(wanted))
    }

    /// `import("rack1.json")`: what the file holds, as the place expects it.
    pub(super) fn import(&mut self, e: &ast::Expression, expected: Option<&Expected>) -> Expression {
        let E::Call { arguments, .. } = &e.kind else {
            return error(e.span);
        };
        let path = match arguments.as_slice() {
            [only] => plain_text(&only.value),
            _ => None,
        };
        let Some(path) = path else {
            let message = "`import` takes the name of a file, written out";
            let wrong = Diagnostic::error(types::BAD_IMPORT, e.span, message);
            self.report(
                wrong.help("write `import(\"rack1.json\")`: the file is read when the spec is compiled"),
            );
            return error(e.span);
        };
        let place = arguments.first().map_or(e.span, |a| a.value.span);
        let Some(data) = self.imported(&path, place) else {
            return error(e.span);
        };
        let value = self.as_written(&data, expected.map(|e| &e.ty));
        match expected {
            Some(expected) => self.expression(&value, expected),
            None => self.infer(&value, None),
        }
    }

    fn imported(&mut self, path: &str, place: Span) -> Option<Data> {
        let source = match self.resolved.modules.list[self.module].imports.get(path)? {
            Ok(source) => *source,
            Err(FileError::Missing(at)) => {
                let message = format!("there is no file `{path}`");
                let missing = Diagnostic::error(types::MISSING_DATA, place, message);
                self.report(
                    missing
                        .here(format!("this reads `{at}`"))
                        .help("data stands beside the file that imports it, or in a folder there"),
                );
                return None;
            }
            Err(cause @ FileError::Unreadable { .. }) => {
                self.report(Diagnostic::error(project::UNREADABLE, place, cause.to_string()));
                return None;
            }
            Err(cause @ FileError::NotText { .. }) => {
                self.report(Diagnostic::error(project::NOT_TEXT, place, cause.to_string()));
                return None;
            }
        };
        let text = self.sources.get(source).text.clone();
        let read = match path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("json") => data::json(source, &text, 0),
            Some("toml") => data::toml(source, &text),
            _ => {
                let message = format!("`{path}` is no file of data");
                let wrong = Diagnostic::error(types::BAD_IMPORT, place, message);
                self.report(wrong.help("files that can be imported end in `.json` or `.toml`"));
                return None;
            }
        };
        read.map_err(|error| {
            let message = format!("`{path}` cannot be read as data");
            self.report(
                Diagnostic::error(types::MALFORMED_DATA, error.span, message)
                    .here(error.message)
                    .label(place, "imported here"),
            );
        })
        .ok()
    }

    /// Data as it would be written in the spec where a value of this type is expected.
    fn as_written(&mut self, data: &Data, ty: Option<&Type>) -> ast::Expression {
        let wanted = ty.map(bare);
        let kind = match &data.kind {
            DataKind::Null => {
                let message = "`null` can stand only where a value may be missing";
                self.report(Diagnostic::error(types::MISMATCH, data.span, message));
                E::Error
            }
            DataKind::Bool(yes) => E::Literal(Literal::Bool(*yes)),
            DataKind::Int(number) => E::Literal(Literal::Int(*number)),
            DataKind::Float(number) => E::Literal(Literal::Float(*number)),
            DataKind::Text(text) => match text_as(text, data.span, wanted) {
                Ok(kind) => kind,
                Err(mut wrong) => {
                    // How it would be mended in a spec is not how it is written here.
                    wrong.fixes.clear();
                    self.report(*wrong);
                    E::Error
                }
            },
            DataKind::List(elements) => {
                let part = match wanted {
                    Some(Type::List(part)) => Some(&**part),
                    _ => None,
                };
                E::List(elements.iter().map(|e| self.as_written(e, part)).collect())
            }
            DataKind::Record(fields) => {
                let written = fields.iter().filter_map(|(name, span, value)| {
                    let part = match wanted {
                        Some(Type::Map(_, part)) => Some(&**part),
                        Some(Type::Record(parts)) => parts.get(name),
                        _ => None,
                    };
                    // What may be missing and is null is missing.
                    let missing = value.kind == DataKind::Null && matches!(part, Some(Type::Optional(_)));
                    let name = Name {
                        text: name.clone(),
                        span: *span,
                    };
                    (!missing).then(|| (name, Some(self.as_written(value, part))))
                });
                E::Record(written.collect())
            }
        };
        ast::Expression {
            kind,
            span: data.span,
        }
    }

    /// Puts what is given beside the spec in the place of what the spec says. Parameters that are given are told
    /// first, so that they are not missed.
    pub(super) fn given_arguments(
        &mut self,
        deploy: &str,
        workload: ItemId,
        signature: &Signature,
    ) -> Vec<(String, Expression, String)> {
        let given: Vec<GivenArgument> = match self.options.given.deploy == deploy {
            true => self.resolved.modules.given.clone(),
            false => Vec::new(),
        };
        let mut values: Vec<(String, Expression, String)> = Vec::new();
        for argument in given {
            let Some(parameter) = signature.parameters.iter().find(|p| p.name == argument.name) else {
                // The environment may hold arguments of other deploys.
                if argument.origin != Origin::Environment {
                    self.unknown_argument(&argument, workload, signature);
                }
                continue;
            };
            let expected = Expected::parameter(parameter);
            let data = match &argument.value {
                GivenValue::Data(data) => data.clone(),
                GivenValue::Text(text, span) => given_text(text, *span, &parameter.ty),
            };
            values.retain(|(name, ..)| *name != argument.name);
            let value = match (&data.kind, &parameter.ty) {
                (DataKind::Null, Type::Optional(_)) => Expression {
                    kind: ExpressionKind::Value(serde_json::Value::Null),
                    ty: parameter.ty.clone(),
                    span: data.span,
                },
                _ => {
                    let written = self.as_written(&data, Some(&parameter.ty));
                    self.expression(&written, &expected)
                }
            };
            values.push((argument.name.clone(), value, argument.shown));
        }
        values
    }

    fn unknown_argument(&mut self, argument: &GivenArgument, workload: ItemId, signature: &Signature) {
        let name = self.resolved.qualified_name(workload);
        let message = format!("the workload `{name}` has no parameter `{}`", argument.name);
        let known: Vec<&str> = signature.parameters.iter().map(|p| p.name.as_str()).collect();
        let mut unknown = Diagnostic::error(expand::UNKNOWN_ARGUMENT, argument.name_span, message);
        if let Some(at) = self.resolved.item_name(workload) {
            unknown = unknown.label(at.span, "defined here");
        }
        let near = unknown.suggest(&argument.name, known.iter().copied());
        // What is typed is no file that could be mended.
        let mut near = near;
        near.fixes.clear();
        self.report(match (&near.help, known.is_empty()) {
            (Some(_), _) => near,
            (None, true) => near.help("it takes no arguments"),
            (None, false) => near.help(format!("it has {}", list_of(&known))),
        });
    }

    /// `outputs(database)` in a deploy: what the other deploy has handed out, by name.
    pub(super) fn outputs_of_deploy(&mut self, e: &ast::Expression) -> Expression {
        let E::Call { arguments, .. } = &e.kind else {
            return error(e.span);
        };
        let Some(reader) = self.reader.clone() else {
            let message = "outputs of another deploy can be used only in the arguments of a deploy";
            let wrong = Diagnostic::error(types::BAD_IMPORT, e.span, message);
            self.report(wrong.help(
                "give the workload a parameter, and the deploy its value: `deploy app = web(db = outputs(database).url) on lab`",
            ));
            return error(e.span);
        };
        let name = match arguments.as_slice() {
            [
                ast::Argument {
                    name: None,
                    value:
                        ast::Expression {
                            kind: E::Name(name), ..
                        },
                    ..
                },
            ] => name,
            _ => {
                let message = "`outputs` takes the name of a deploy";
                let wrong = Diagnostic::error(types::BAD_IMPORT, e.span, message);
                self.report(wrong.help("write `outputs(database).url`"));
                return error(e.span);
            }
        };
        let Some(Definition::Item(id)) = self.resolved.references.get(&name.span).copied() else {
            return error(e.span);
        };
        let ast::ItemKind::Deploy(other) = &self.resolved.item(id).kind else {
            return error(e.span);
        };
        let workload = match self.resolved.references.get(&other.workload.span) {
            Some(Definition::Item(workload)) => *workload,
            _ => return error(e.span),
        };
        let outputs = self.functions.get(&workload).cloned().unwrap_or_default().outputs;
        self.typed.reads.push(GivenHere {
            deploy: reader,
            of: other.name.text.clone(),
            span: e.span,
        });
        Expression {
            kind: ExpressionKind::Variable(outputs_of(&other.name.text)),
            ty: Type::Record(outputs),
            span: e.span,
        }
    }

    /// Deploys that wait for each other's outputs, each circle once.
    pub(super) fn circles_of_deploys(&mut self) {
        let reads = self.typed.reads.clone();
        let deploys: Vec<Deploy> = self.typed.deploys.clone();
        let mut told: Vec<String> = Vec::new();
        for deploy in &deploys {
            if told.contains(&deploy.name) {
                continue;
            }
            let Some(path) = path_back(&deploy.name, &reads) else {
                continue;
            };
            told.extend(path.iter().map(|read| read.deploy.clone()));
            let mut shown: Vec<String> = path.iter().map(|read| format!("`{}`", read.deploy)).collect();
            shown.push(format!("`{}`", deploy.name));
            let message = format!(
                "these deploys wait for each other's outputs: {}",
                shown.join(" → ")
            );
            let text = |read: &GivenHere| format!("`{}` uses outputs of `{}`", read.deploy, read.of);
            let mut circle = Diagnostic::error(
                crate::diagnostics::codes::order::DEPLOYS_IN_CIRCLE,
                path[0].span,
                message,
            )
            .here(text(path[0]));
            for read in &path[1..] {
                circle = circle.label(read.span, text(read));
            }
            self.report(
                circle.help("one of them must be applied first: put what both need into a deploy of its own"),
            );
        }
    }
}

/// A shortest way from a deploy back to itself.
fn path_back<'r>(start: &str, reads: &'r [GivenHere]) -> Option<Vec<&'r GivenHere>> {
    let mut reached: std::collections::BTreeMap<&str, &GivenHere> = std::collections::BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start.to_owned()]);
    while let Some(at) = queue.pop_front() {
        for read in reads.iter().filter(|read| read.deploy == at) {
            if reached.contains_key(read.of.as_str()) {
                continue;
            }
            reached.insert(&read.of, read);
            queue.push_back(read.of.clone());
        }
    }
    let mut path: Vec<&GivenHere> = Vec::new();
    let mut at = start;
    while let Some(read) = reached.get(at) {
        path.push(read);
        at = &read.deploy;
        if at == start {
            path.reverse();
            return Some(path);
        }
    }
    None
}

/// The variable that holds the outputs of another deploy; no name of a spec is like it.
pub(crate) fn outputs_of(deploy: &str) -> String {
    format!("outputs({deploy})")
}

/// The type beneath what may be missing and rules.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Optional(inner) => bare(inner),
        Type::Refined(refined) => bare(&refined.base),
        other => other,
    }
}

/// Whether values of this type are given as text.
fn is_text(ty: &Type) -> bool {
    match bare(ty) {
        Type::Union(members) => members.iter().any(is_text),
        Type::Bool
        | Type::Int
        | Type::Float
        | Type::List(_)
        | Type::Map(..)
        | Type::Record(_)
        | Type::Error => false,
        _ => true,
    }
}

/// Text in data, for a place that may want something that is written without quotes in a spec.
fn text_as(text: &str, span: Span, wanted: Option<&Type>) -> Result<E, Box<Diagnostic>> {
    Ok(match wanted {
        Some(Type::Enum(_)) => E::Name(Name {
            text: text.to_owned(),
            span,
        }),
        Some(
            Type::Bytes
            | Type::Rate
            | Type::Duration
            | Type::Frequency
            | Type::Percent
            | Type::Ip
            | Type::Cidr
            | Type::Mac,
        ) => E::Literal(crate::syntax::literal(text, span)?),
        _ => E::String(vec![StringPart::Text(text.to_owned())]),
    })
}

/// A value that was typed: text where the parameter takes text, else JSON.
fn given_text(text: &str, span: Span, ty: &Type) -> Data {
    let as_text = Data {
        span,
        kind: DataKind::Text(text.to_owned()),
    };
    if is_text(ty) {
        return as_text;
    }
    data::json(span.source, text, span.start as usize).unwrap_or(as_text)
}
