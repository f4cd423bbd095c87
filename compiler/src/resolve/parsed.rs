//! Files as they were parsed, and what of them the loader needs. A session keeps them from one time to the next.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::outline::Outline;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::parallel;
use crate::source::{SourceId, Sources, Span};
use crate::syntax::{ast, walk};

/// One file that was parsed.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The text that it was.
    pub(crate) text: Arc<str>,
    /// What it says.
    pub(crate) ast: Arc<ast::File>,
    /// Whether some of it could not be read.
    pub(crate) incomplete: bool,
    /// The words in what could not be read.
    pub(crate) unread: BTreeSet<String>,
    /// The modules that it uses, as written.
    pub(crate) uses: Vec<(String, Span)>,
    /// The files of data that it names.
    pub(crate) imports: Vec<String>,
    /// The templates that it names.
    pub(crate) templates: Vec<String>,
    /// What is wrong with it.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// What of it others see.
    pub(crate) outline: Outline,
}

/// All files that were parsed, by their ids.
#[derive(Debug, Default)]
pub struct Parses {
    files: HashMap<SourceId, Arc<Parsed>>,
}

impl Parses {
    /// What was parsed of a file, the last time.
    pub(crate) fn of(&self, id: SourceId) -> Option<&Arc<Parsed>> {
        self.files.get(&id)
    }

    /// Parses those of the files whose text is another one than before.
    pub(crate) fn parse(&mut self, sources: &Sources, ids: &[SourceId]) -> Vec<Arc<Parsed>> {
        let parsed = parallel::each(ids, |id| match self.files.get(id) {
            Some(before) if Arc::ptr_eq(&before.text, &sources.get(*id).text) => before.clone(),
            _ => Arc::new(Parsed::new(sources, *id)),
        });
        self.files.extend(ids.iter().copied().zip(parsed.iter().cloned()));
        parsed
    }
}

impl Parsed {
    fn new(sources: &Sources, id: SourceId) -> Parsed {
        let mut diagnostics = Diagnostics::default();
        let syntax = crate::syntax::parse(sources, id, &mut diagnostics);
        let unread = syntax.tree.unread_words();
        let (mut imports, mut templates) = (Vec::new(), Vec::new());
        // The first arguments of all calls, such as `template("…", …)`.
        walk::expressions(&syntax.ast, &mut |expression| {
            if let ast::ExpressionKind::Call { callee, arguments } = &expression.kind
                && let ast::ExpressionKind::Name(name) = &callee.kind
                && let Some(first) = arguments.first()
            {
                match name.text.as_str() {
                    "import" => imports.extend(walk::plain_text(&first.value)),
                    "template" => templates.extend(walk::plain_text(&first.value)),
                    _ => {}
                }
            }
        });
        let uses = syntax.ast.items.iter().filter_map(|item| match &item.kind {
            ast::ItemKind::Use { module, .. } => Some((module.text(), module.span)),
            _ => None,
        });
        Parsed {
            text: sources.get(id).text.clone(),
            incomplete: syntax
                .ast
                .items
                .iter()
                .any(|item| matches!(item.kind, ast::ItemKind::Error)),
            unread,
            uses: uses.collect(),
            imports,
            templates,
            diagnostics: diagnostics.into_list(),
            outline: Outline::of(&sources.get(id).text, &syntax.ast),
            ast: Arc::new(syntax.ast),
        }
    }
}
