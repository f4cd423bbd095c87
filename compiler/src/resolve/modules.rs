//! Modules: which files a project uses, read and parsed once each.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostics::codes::project;
use crate::diagnostics::{Diagnostic, Diagnostics, nearest};
use crate::source::{FileError, Files, SourceId, Sources, Span};
use crate::syntax::ast;
use crate::syntax::walk;

use super::GivenArgument;

/// Where the compiler gets its text from.
#[derive(Clone, Copy)]
pub struct Library<'a> {
    /// The files of the project.
    pub project: &'a dyn Files,
    /// The files of the standard library, below `std/`.
    pub std: &'a dyn Files,
}

/// One file of a project or of the standard library.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name in `use`: `main`, `web.pages`, `std.linux`.
    pub name: String,
    /// Its text.
    pub source: SourceId,
    /// What it says.
    pub ast: ast::File,
    /// Whether some of it could not be read, so that its list of names is not complete.
    pub incomplete: bool,
    /// The words in what could not be read. An unknown name among them may be defined there, and is not told.
    pub unread: BTreeSet<String>,
    /// Templates that it names, by the name as written.
    pub templates: BTreeMap<String, Result<SourceId, FileError>>,
    /// Files of data that it imports, by the name as written.
    pub imports: BTreeMap<String, Result<SourceId, FileError>>,
    /// Names of the template files beside it, for "did you mean".
    pub template_names: Vec<String>,
}

/// All modules of a compilation. The first is `main`, the second `std.prelude`.
#[derive(Debug, Clone, Default)]
pub struct Modules {
    /// What is given beside the spec, the weakest first.
    pub given: Vec<GivenArgument>,
    /// The modules in the order in which they were met.
    pub list: Vec<Module>,
}

/// The module that is known everywhere.
pub(crate) const PRELUDE: &str = "std.prelude";

impl Modules {
    /// The index of the module `name`.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|m| m.name == name)
    }
}

/// Reads `main.rebar`, the prelude, and all that they use.
pub fn load(library: &Library<'_>, sources: &mut Sources, diagnostics: &mut Diagnostics) -> Modules {
    let mut modules = Modules::default();
    match library.project.read("main.rebar") {
        Ok(text) => add(
            library,
            "main",
            "main.rebar",
            &text,
            sources,
            diagnostics,
            &mut modules,
        ),
        Err(error) => {
            diagnostics.push(no_main(&error));
            add(
                library,
                "main",
                "main.rebar",
                "",
                sources,
                diagnostics,
                &mut modules,
            );
        }
    }
    match library.std.read("std/prelude.rebar") {
        Ok(text) => add(
            library,
            PRELUDE,
            "std/prelude.rebar",
            &text,
            sources,
            diagnostics,
            &mut modules,
        ),
        Err(error) => diagnostics.push(Diagnostic::without_place(
            project::MISSING_MODULE,
            error.to_string(),
        )),
    }
    let mut next = 0;
    while next < modules.list.len() {
        for (name, span) in uses(&modules.list[next].ast) {
            if modules.find(&name).is_some() {
                continue;
            }
            let path = format!("{}.rebar", name.replace('.', "/"));
            match files_of(library, &name).read(&path) {
                Ok(text) => add(library, &name, &path, &text, sources, diagnostics, &mut modules),
                Err(error) => diagnostics.push(no_module(library, &name, span, &error)),
            }
        }
        next += 1;
    }
    modules
}

fn uses(file: &ast::File) -> Vec<(String, Span)> {
    let module = |item: &ast::Item| match &item.kind {
        ast::ItemKind::Use { module, .. } => Some((module.text(), module.span)),
        _ => None,
    };
    file.items.iter().filter_map(module).collect()
}

fn files_of<'a>(library: &Library<'a>, module: &str) -> &'a dyn Files {
    if module.starts_with("std.") {
        library.std
    } else {
        library.project
    }
}

fn add(
    library: &Library<'_>,
    name: &str,
    path: &str,
    text: &str,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
    modules: &mut Modules,
) {
    let source = sources.add(path, text);
    let syntax = crate::syntax::parse(sources, source, diagnostics);
    let (ast, unread) = (syntax.ast, syntax.tree.unread_words());
    let incomplete = ast
        .items
        .iter()
        .any(|item| matches!(item.kind, ast::ItemKind::Error));
    let mut module = Module {
        name: name.to_owned(),
        source,
        incomplete,
        unread,
        templates: BTreeMap::new(),
        imports: BTreeMap::new(),
        template_names: Vec::new(),
        ast,
    };
    let folder = match path.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/templates/"),
        None => "templates/".to_owned(),
    };
    let files = files_of(library, name);
    for file in named_files(&module.ast, "import") {
        let path = match path.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{file}"),
            None => file.clone(),
        };
        let found = module.imports.entry(file);
        found.or_insert_with(|| files.read(&path).map(|text| sources.add(path.as_str(), text)));
    }
    for template in named_files(&module.ast, "template") {
        if module.templates.contains_key(&template) {
            continue;
        }
        let file = format!("{folder}{template}");
        let found = files.read(&file).map(|text| sources.add(file.as_str(), text));
        if found.is_err() && module.template_names.is_empty() {
            let below = |path: String| path.strip_prefix(&folder).map(str::to_owned);
            module.template_names = files.list().into_iter().filter_map(below).collect();
        }
        module.templates.insert(template, found);
    }
    modules.list.push(module);
}

/// The first arguments of all calls of `function` in a file, such as `template("…", …)`.
fn named_files(file: &ast::File, function: &str) -> Vec<String> {
    let mut names = Vec::new();
    walk::expressions(file, &mut |expression| {
        if let ast::ExpressionKind::Call { callee, arguments } = &expression.kind
            && matches!(&callee.kind, ast::ExpressionKind::Name(name) if name.text == function)
            && let Some(first) = arguments.first()
            && let Some(text) = walk::plain_text(&first.value)
        {
            names.push(text);
        }
    });
    names
}

fn no_main(error: &FileError) -> Diagnostic {
    match error {
        FileError::Missing(_) => Diagnostic::without_place(
            project::NO_MAIN,
            "this folder holds no project: there is no `main.rebar`",
        )
        .help("run rebar in the folder of `main.rebar`, or begin a project there"),
        other => unreadable(other, None),
    }
}

fn unreadable(error: &FileError, span: Option<Span>) -> Diagnostic {
    let code = match error {
        FileError::Missing(_) => project::MISSING_MODULE,
        FileError::Unreadable { .. } => project::UNREADABLE,
        FileError::NotText { .. } => project::NOT_TEXT,
    };
    match span {
        Some(span) => Diagnostic::error(code, span, error.to_string()),
        None => Diagnostic::without_place(code, error.to_string()),
    }
}

fn no_module(library: &Library<'_>, name: &str, span: Span, error: &FileError) -> Diagnostic {
    let FileError::Missing(path) = error else {
        return unreadable(error, Some(span));
    };
    let of = |files: &dyn Files| -> Vec<String> {
        let module = |path: String| Some(path.strip_suffix(".rebar")?.replace('/', "."));
        files.list().into_iter().filter_map(module).collect()
    };
    let mut known: Vec<String> = of(library.project);
    known.retain(|module| module != "main");
    known.extend(of(library.std).into_iter().filter(|module| module != PRELUDE));
    let diagnostic = Diagnostic::error(
        project::MISSING_MODULE,
        span,
        format!("there is no module `{name}`"),
    )
    .here(format!("this reads `{path}`"));
    if nearest(name, known.iter().map(String::as_str)).is_some() {
        return diagnostic.suggest(name, known.iter().map(String::as_str));
    }
    let library: Vec<String> = known
        .iter()
        .filter(|m| m.starts_with("std."))
        .map(|m| format!("`{m}`"))
        .collect();
    diagnostic.help(format!(
        "a module is a file of the project; the library has {}",
        library.join(", ")
    ))
}
