//! From text to syntax: a lossless tree and the AST.
//!
//! `layout` scans the file once and makes a masked copy, `grammar` (pest) reads it item by item, `build*` make the
//! AST, `literal` and `text` say what numbers and strings mean, and `explain` tells people what is wrong.

pub mod ast;
mod ast_patch;
mod brackets;
mod build;
mod build_expression;
mod build_match;
mod build_patch;
mod build_statement;
mod build_type;
mod docs;
mod early_end;
mod explain;
mod grammar;
mod layout;
mod layout_text;
mod literal;
mod mend;
mod text;
mod token;
mod tree;
pub mod walk;

use std::sync::Arc;

pub use build_expression::EXPRESSION_LIMIT;
pub(crate) use explain::BUILTIN_TYPES;
pub use explain::{RESERVED_WORDS, STATEMENT_WORDS};
use layout::Layout;
pub use layout::{BRACKET_LIMIT, ITEM_WORDS};
pub use token::{Token, TokenKind};
pub use tree::{Node, NodeKind, Tree};

use crate::diagnostics::{Diagnostic, Diagnostics, codes::syntax as codes};
use crate::source::{SourceId, Sources, Span};

/// What a number with its unit, or an address, means; the error is for `span`.
pub(crate) fn literal(text: &str, span: Span) -> Result<ast::Literal, Box<Diagnostic>> {
    literal::classify(text).map_err(|problem| Box::new(problem.diagnostic(span)))
}

/// The largest file that is read, in bytes.
pub const SIZE_LIMIT: usize = 32 << 20;

/// What a file says.
#[derive(Debug, Clone)]
pub struct Syntax {
    /// Without spacing and comments; what could not be read is an error node.
    pub ast: ast::File,
    /// Everything, byte for byte.
    pub tree: Tree,
}

/// Reads the file `id`. It never fails: what cannot be read becomes an error node and a diagnostic.
pub fn parse(sources: &Sources, id: SourceId, diagnostics: &mut Diagnostics) -> Syntax {
    let text = &sources.get(id).text;
    if text.len() > SIZE_LIMIT {
        let limit = SIZE_LIMIT >> 20;
        let problem = Diagnostic::error(
            codes::TOO_LARGE,
            Span::new(id, 0, 0),
            format!("this file is larger than {limit} MiB"),
        );
        diagnostics.push(problem.help("split it into modules and `use` them"));
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let token = Token {
            kind: TokenKind::Skipped,
            start: 0,
            end,
        };
        let ast = ast::File::default();
        return Syntax {
            tree: Tree::new(text.clone(), vec![token], &ast),
            ast,
        };
    }
    let (layout, mended) = layout::scan(id, text);
    let deep = layout.regions.iter().any(|region| region.deep);
    let mut reading = Reading::of(id, text, layout);
    if !mended && !deep && reading.unread() > 0 {
        // Two brackets that are missing may well match up: what can be read tells which look is right.
        let other = Reading::of(id, text, layout::mended(id, text));
        if other.unread() < reading.unread() {
            reading = other;
        }
    }
    reading.problems.into_iter().for_each(|p| diagnostics.push(p));
    Syntax {
        tree: reading.tree,
        ast: reading.ast,
    }
}

/// A file as one look at its brackets lets it be read.
struct Reading {
    tree: Tree,
    ast: ast::File,
    problems: Vec<Diagnostic>,
}

impl Reading {
    fn of(id: SourceId, text: &Arc<str>, mut layout: Layout) -> Reading {
        early_end::join(&mut layout, text);
        let mut found = Vec::new();
        let items = layout
            .regions
            .iter()
            .map(|region| build::item(id, text, &layout, region, &mut found))
            .collect();
        let ast = ast::File { items };
        let mut dropped = layout.dropped.iter().copied().peekable();
        let told = layout
            .problems
            .into_iter()
            .enumerate()
            .filter(|(i, _)| dropped.next_if_eq(i).is_none());
        let problems = told.map(|(_, p)| p).chain(found).collect();
        let tree = Tree::new(text.clone(), layout.tokens, &ast);
        Reading { tree, ast, problems }
    }

    /// How many bytes of it could not be read.
    fn unread(&self) -> usize {
        self.tree
            .unread()
            .map(|n| (n.span.end - n.span.start) as usize)
            .sum()
    }
}

#[cfg(test)]
mod tests;
