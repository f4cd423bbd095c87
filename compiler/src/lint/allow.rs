//! `// lint: allow(unused-value) because …`: findings that somebody has looked at.

use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::walk;
use crate::syntax::{self, TokenKind};

use super::look::Look;
use super::rules::codes;
use super::{Rule, rule};

/// What such a comment begins with, after `//`.
pub const ALLOW_WORD: &str = "lint:";

/// One rule of one comment.
pub(super) struct Allowed {
    /// The rule's name as it is written.
    name: String,
    /// The comment.
    span: Span,
    /// Where it holds, by offset.
    scope: std::ops::Range<u32>,
    /// Whether a reason stands after it.
    reason: bool,
    /// Whether it allowed something.
    used: std::cell::Cell<bool>,
}

/// All such comments of a module.
pub(super) fn allowed(look: &Look<'_>) -> Vec<Allowed> {
    let source = look.module.source;
    // Most files have none, and need not be read again.
    if !look.sources.get(source).text.contains(ALLOW_WORD) {
        return Vec::new();
    }
    let tree = syntax::parse(look.sources, source, &mut crate::Diagnostics::default()).tree;
    let text = tree.text();
    let mut starts = Vec::new();
    for item in look.items() {
        starts.push(item.span);
        collect(item, &mut starts);
    }
    // Of what begins at one place the widest counts.
    starts.sort_by_key(|s| (s.start, std::cmp::Reverse(s.end)));
    let first = starts.first().map_or(text.len() as u32, |s| s.start);
    let mut all = Vec::new();
    for token in tree.tokens() {
        if token.kind != TokenKind::LineComment {
            continue;
        }
        let comment = token.text(text);
        let Some(rest) = comment
            .strip_prefix("//")
            .and_then(|c| c.trim_start().strip_prefix(ALLOW_WORD))
        else {
            continue;
        };
        let span = Span::new(source, token.start as usize, token.end as usize);
        let line_start = text[..token.start as usize].rfind('\n').map_or(0, |at| at + 1);
        let after = &text[token.end as usize..];
        let own_line = text[line_start..token.start as usize].trim().is_empty();
        let blank_follows = after.trim_start_matches([' ', '\t', '\r']).starts_with('\n')
            && after.trim_start_matches([' ', '\t', '\r'])[1..]
                .trim_start_matches([' ', '\t', '\r'])
                .starts_with('\n');
        let scope = if own_line && token.end <= first && blank_follows {
            0..u32::MAX
        } else if own_line {
            match starts.iter().find(|s| s.start >= token.end) {
                Some(next) => next.start..next.end,
                None => token.start..token.end,
            }
        } else {
            line_start as u32..token.start
        };
        let (names, reason) = parts(rest);
        if names.is_empty() {
            all.push(Allowed {
                name: rest.trim().to_owned(),
                span,
                scope: scope.clone(),
                reason: true,
                used: std::cell::Cell::new(true),
            });
        }
        for name in names {
            all.push(Allowed {
                name: name.to_owned(),
                span,
                scope: scope.clone(),
                reason,
                used: std::cell::Cell::new(false),
            });
        }
    }
    all
}

/// The names between the parentheses of `allow(…)`, and whether `because` and a reason follow.
fn parts(rest: &str) -> (Vec<&str>, bool) {
    let inner = rest
        .trim_start()
        .strip_prefix("allow(")
        .and_then(|r| r.split_once(')'));
    let Some((names, after)) = inner else {
        return (Vec::new(), false);
    };
    let names = names
        .split(',')
        .map(str::trim)
        .filter(|n| !n.is_empty())
        .collect();
    let reason = after.trim_start().strip_prefix("because");
    (names, reason.is_some_and(|r| !r.trim().is_empty()))
}

fn collect(item: &syntax::ast::Item, starts: &mut Vec<Span>) {
    use syntax::ast::{Block, ItemKind};
    fn block(of: &Block, starts: &mut Vec<Span>) {
        for statement in &of.statements {
            starts.push(statement.span);
            for inner in walk::blocks(statement) {
                block(inner, starts);
            }
        }
    }
    if let ItemKind::Block { block: b, .. }
    | ItemKind::Function { block: b, .. }
    | ItemKind::Test { block: b, .. } = &item.kind
    {
        block(b, starts);
    }
}

/// Whether a comment allows a finding.
pub(super) fn takes(allowed: &[Allowed], found: &Rule, diagnostic: &Diagnostic) -> bool {
    let Some(place) = diagnostic.labels.first() else {
        return false;
    };
    let mut taken = false;
    for one in allowed {
        let same = one.name == found.name || one.name == found.code.0;
        if same && one.span.source == place.span.source && one.scope.contains(&place.span.start) {
            one.used.set(true);
            taken = true;
        }
    }
    taken
}

/// What is wrong with the comments themselves.
pub(super) fn told(allowed: &[Allowed]) -> Vec<(Code, Diagnostic)> {
    let mut all = Vec::new();
    for one in allowed {
        let known = rule(&one.name).is_some();
        let warning = |code, message: String| (code, Diagnostic::warning(code, one.span, message));
        if !known {
            let (code, diagnostic) = warning(codes::UNKNOWN_LINT, format!("there is no lint `{}`", one.name));
            let near = crate::diagnostics::nearest(&one.name, super::names());
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "write `// lint: allow(name) because …` with the name that a warning has in parentheses"
                        .to_owned()
                }
            };
            all.push((code, diagnostic.help(help)));
            continue;
        }
        if !one.used.get() {
            let (code, diagnostic) = warning(codes::UNUSED_ALLOW, format!("nothing here is `{}`", one.name));
            all.push((code, diagnostic.help("take the comment out")));
        } else if !one.reason {
            let message = format!("`{}` is allowed without a reason", one.name);
            let (code, diagnostic) = warning(codes::ALLOW_WITHOUT_REASON, message);
            let help = format!("say why: `// lint: allow({}) because …`", one.name);
            all.push((code, diagnostic.help(help)));
        }
    }
    all
}
