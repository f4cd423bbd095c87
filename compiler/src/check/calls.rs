//! Calls of the language's own functions.

use super::coerce::noun;
use super::expressions::error;
use super::typed::{Expression, ExpressionKind};
use super::types::Type;
use super::{Checker, Expected};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::{project, types};
use crate::plan::Function;
use crate::resolve::{Builtin, Definition};
use crate::source::{FileError, Span};
use crate::syntax::ast;
use crate::syntax::walk::plain_text;

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        callee: &ast::Expression,
        arguments: &[ast::Argument],
        span: Span,
        hint: Option<&Type>,
    ) -> Expression {
        // Apart from the others: functions that call functions take little of the stack.
        if let ast::ExpressionKind::Name(name) = &callee.kind
            && let Some(Definition::Item(id)) = self.resolved.references.get(&name.span)
            && matches!(self.resolved.item(*id).kind, ast::ItemKind::Fn { .. })
        {
            return self.call_function(*id, name, arguments, span);
        }
        self.call_other(callee, arguments, span, hint)
    }

    fn call_other(
        &mut self,
        callee: &ast::Expression,
        arguments: &[ast::Argument],
        span: Span,
        hint: Option<&Type>,
    ) -> Expression {
        if let Some(answer) = self.plan_call(callee, arguments, span) {
            return answer;
        }
        if let ast::ExpressionKind::Member { of, name } = &callee.kind
            && matches!(name.text.as_str(), "host" | "subnet")
        {
            return self.network_call(of, name, arguments, span);
        }
        let ast::ExpressionKind::Name(name) = &callee.kind else {
            self.report(Diagnostic::error(
                types::NOT_A_FUNCTION,
                callee.span,
                "this is not a function",
            ));
            return error(span);
        };
        let builtin = match self.resolved.references.get(&name.span) {
            Some(Definition::Builtin(builtin)) if *builtin != Builtin::Node => *builtin,
            Some(Definition::Broken) => return error(span),
            Some(Definition::Item(id))
                if matches!(self.resolved.item(*id).kind, ast::ItemKind::Fn { .. }) =>
            {
                return self.call_function(*id, name, arguments, span);
            }
            None => return self.variant(name, Some(arguments), span, hint),
            Some(Definition::Item(id)) => {
                let what = crate::resolve::noun(self.resolved.item(*id));
                let message = format!("`{}` is {what}, and cannot be called here", name.text);
                let help = match what {
                    "a backend" => {
                        "a backend stands in a site: `site lab { machines = local(image = bookworm) }`"
                    }
                    "a role" => "a role is run on a group, in a workload: `run name = role(…) on group`",
                    "a workload" => "a workload is put on a site: `deploy name = workload(…) on site`",
                    _ => {
                        "functions are what `fn` defines, and those of the language such as `len`, `join` and `sort`"
                    }
                };
                self.report(Diagnostic::error(types::NOT_A_FUNCTION, callee.span, message).help(help));
                return error(span);
            }
            _ => {
                let message = format!("`{}` is not a function", name.text);
                self.report(Diagnostic::error(types::NOT_A_FUNCTION, callee.span, message));
                return error(span);
            }
        };
        if matches!(builtin, Builtin::Secret | Builtin::Generated) {
            return self.secret(builtin, name, arguments, span);
        }
        let wanted: &[&str] = match builtin {
            Builtin::Template => &["file", "record"],
            Builtin::Join => &["list", "separator"],
            Builtin::Known(known) => known.usage().1,
            // These are looked at where calls are met.
            Builtin::Len
            | Builtin::Node
            | Builtin::Import
            | Builtin::Outputs
            | Builtin::Secret
            | Builtin::Generated => &["list"],
        };
        let Some(arguments) = self.positional(name, wanted, arguments) else {
            return error(span);
        };
        match (builtin, arguments.as_slice()) {
            (Builtin::Known(known), all) => self.known_call(known, name, all, span),
            (Builtin::Template, [file, record]) => self.template(file, record, span),
            (Builtin::Len, [list]) => {
                let list = self.infer(list, None);
                if !matches!(list.ty.base(), Type::List(_) | Type::Map(..) | Type::Error)
                    && !list.ty.is_textual()
                {
                    let message = format!("{} has no length", noun(&list.ty));
                    self.report(Diagnostic::error(types::MISMATCH, list.span, message));
                    return error(span);
                }
                Expression {
                    kind: ExpressionKind::Apply(Function::Length, vec![list]),
                    ty: Type::Int,
                    span,
                }
            }
            (Builtin::Join, [list, separator]) => {
                let list = self.infer(list, None);
                let fits = matches!(list.ty.base(), Type::List(inner) if inner.has_text() || inner.has_secret_text());
                let tainted = list.ty.holds_secret();
                if !fits && list.ty != Type::Error {
                    let message = format!("`join` takes a list of text, and this is {}", noun(&list.ty));
                    self.report(Diagnostic::error(types::MISMATCH, list.span, message));
                    return error(span);
                }
                let separator = self.expression(separator, &Expected::of(Type::String));
                let kind = ExpressionKind::JoinText(Box::new(list), Box::new(separator));
                Expression {
                    kind,
                    ty: Type::text_of(tainted),
                    span,
                }
            }
            _ => error(span),
        }
    }

    /// The arguments of a function of the language, which take no names.
    pub(super) fn positional<'e>(
        &mut self,
        name: &ast::Name,
        wanted: &[&str],
        arguments: &'e [ast::Argument],
    ) -> Option<Vec<&'e ast::Expression>> {
        let usage = format!("write `{}({})`", name.text, wanted.join(", "));
        if let Some(extra) = arguments.get(wanted.len()) {
            let message = format!(
                "`{}` takes {} and no more",
                name.text,
                match wanted.len() {
                    1 => "one argument",
                    2 => "two arguments",
                    _ => "three arguments",
                }
            );
            self.report(Diagnostic::error(types::TOO_MANY_ARGUMENTS, extra.span, message).help(usage));
            return None;
        }
        if let Some(missing) = wanted.get(arguments.len()) {
            let message = format!("`{}` lacks its argument `{missing}`", name.text);
            self.report(Diagnostic::error(types::MISSING_FIELD, name.span, message).help(usage));
            return None;
        }
        if let Some(named) = arguments
            .iter()
            .zip(wanted)
            .find_map(|(a, w)| a.name.as_ref().filter(|n| n.text != *w))
        {
            let message = format!("`{}` has no parameter `{}`", name.text, named.text);
            self.report(Diagnostic::error(types::UNKNOWN_FIELD, named.span, message).help(usage));
            return None;
        }
        Some(arguments.iter().map(|a| &a.value).collect())
    }

    fn template(&mut self, file: &ast::Expression, record: &ast::Expression, span: Span) -> Expression {
        let argument = self.infer(record, None);
        let Some(path) = plain_text(file) else {
            let message = "the name of a template must be written out";
            let diagnostic = Diagnostic::error(types::NOT_CONSTANT, file.span, message);
            self.report(
                diagnostic
                    .help("templates are checked when the spec is compiled: `template(\"page.hbs\", …)`"),
            );
            return error(span);
        };
        // What a patch puts in reads the templates beside the patch.
        let module = match self.resolved.modules.of_source(file.span.source) {
            Some(module) => module,
            None => self.module,
        };
        let module = &self.resolved.modules.list[module];
        let source = match module.templates.get(&path) {
            Some(Ok(source)) => *source,
            Some(Err(cause)) => {
                let diagnostic = match cause {
                    FileError::Missing(at) => Diagnostic::error(
                        project::MISSING_TEMPLATE,
                        file.span,
                        format!("there is no template `{path}`"),
                    )
                    .here(format!("this reads `{at}`"))
                    .suggest_text(&path, &module.template_names),
                    FileError::Unreadable { .. } => {
                        Diagnostic::error(project::UNREADABLE, file.span, cause.to_string())
                    }
                    FileError::NotText { .. } => {
                        Diagnostic::error(project::NOT_TEXT, file.span, cause.to_string())
                    }
                };
                self.report(diagnostic);
                return error(span);
            }
            None => return error(span),
        };
        if argument.ty == Type::Error {
            return error(span);
        }
        if !matches!(argument.ty.base(), Type::Record(_)) {
            let message = format!("a template takes a record, and this is {}", noun(&argument.ty));
            let diagnostic = Diagnostic::error(types::MISMATCH, argument.span, message);
            self.report(diagnostic.help("write `{ name = value }`"));
            return error(span);
        }
        if !self.check_template(source, &argument, span) {
            return error(span);
        }
        let text = self.sources.get(source).text.clone();
        let ty = Type::text_of(argument.ty.holds_secret());
        Expression {
            kind: ExpressionKind::Render(path, text, Box::new(argument)),
            ty,
            span,
        }
    }
}

impl Diagnostic {
    /// Like [`Diagnostic::suggest`] for text in quotes: the fix keeps them.
    fn suggest_text(self, wrong: &str, candidates: &[String]) -> Diagnostic {
        let mut diagnostic = self.suggest(wrong, candidates.iter().map(String::as_str));
        for (_, text) in diagnostic.fixes.iter_mut().flat_map(|fix| &mut fix.edits) {
            *text = format!("\"{text}\"");
        }
        if diagnostic.help.is_none() {
            diagnostic = match candidates {
                [] => diagnostic
                    .help("templates stand in the folder `templates` beside the file that names them"),
                _ => {
                    let names: Vec<&str> = candidates.iter().map(String::as_str).take(12).collect();
                    diagnostic.help(format!("the folder has {}", crate::resolve::list_of(&names)))
                }
            };
        }
        diagnostic
    }
}
