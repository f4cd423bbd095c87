//! From the pairs of pest to the AST: items and what they share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use pest::Parser;
use pest::iterators::Pair;

use crate::diagnostics::{Diagnostic, codes::syntax as codes};
use crate::source::{SourceId, Span};

use super::ast::{
    Argument, BlockWord, Deploy, DottedName, FunctionWord, Item, ItemKind, Name, Parameter, StringLiteral,
    TestWord, UseName, Variant,
};
use super::docs::Docs;
use super::explain::{self, Reader};
use super::grammar::{Grammar, Rule};
use super::layout::{Layout, Region};
use super::token::TokenKind;

/// Builds the AST of one item after the other.
pub(super) struct Builder<'t> {
    /// The file.
    pub(super) source: SourceId,
    /// Its text.
    pub(super) text: &'t str,
    /// Its tokens and masked copy.
    pub(super) layout: &'t Layout,
    /// Byte of the file at which the text of the pairs begins.
    pub(super) base: usize,
    /// One past the last byte of the file that belongs to the item: closers may have been added after it.
    pub(super) end: usize,
    /// What is wrong in this item.
    pub(super) problems: RefCell<Vec<Diagnostic>>,
    /// The end of the last statement that could not be read.
    pub(super) unreadable_until: Cell<usize>,
}

/// How many words may be missing in one item or statement and the rest is still read.
const SLIPS: usize = 4;

/// The parts of a pair that carry meaning.
pub(super) fn parts<'i>(pair: Pair<'i, Rule>) -> impl Iterator<Item = Pair<'i, Rule>> {
    pair.into_inner().filter(|p| {
        !matches!(
            p.as_rule(),
            Rule::open_brace
                | Rule::close_brace
                | Rule::open_paren
                | Rule::close_paren
                | Rule::open_bracket
                | Rule::close_bracket
                | Rule::close_angle
                | Rule::assign
                | Rule::colon
                | Rule::comma
                | Rule::bar
                | Rule::dot
                | Rule::at
                | Rule::arrow
                | Rule::gives
                | Rule::separator
                | Rule::end_of_item
                | Rule::end_of_statement
        )
    })
}

/// The entry rule for items that begin with `word`.
fn entry(word: &str) -> Option<Rule> {
    match word {
        "use" => Some(Rule::use_entry),
        "type" => Some(Rule::type_entry),
        "enum" => Some(Rule::enum_entry),
        "let" => Some(Rule::let_entry),
        "network" | "hardware" | "image" | "kind" | "backend" | "site" => Some(Rule::block_entry),
        "role" | "workload" => Some(Rule::function_entry),
        "interface" => Some(Rule::interface_entry),
        "fn" => Some(Rule::fn_entry),
        "deploy" => Some(Rule::deploy_entry),
        "patch" => Some(Rule::patch_entry),
        "moved" => Some(Rule::moved_entry),
        "test" | "policy" => Some(Rule::test_entry),
        _ => None,
    }
}

/// Whether a signature is that of a role or of a workload.
pub(super) fn function_word(pair: &Pair<'_, Rule>) -> FunctionWord {
    match pair.as_str() {
        "role" => FunctionWord::Role,
        _ => FunctionWord::Workload,
    }
}

/// Reads one item; its problems are added to `problems`, sparing those that follow from others.
pub(super) fn item(
    source: SourceId,
    text: &str,
    layout: &Layout,
    region: &Region,
    problems: &mut Vec<Diagnostic>,
) -> Item {
    let builder = Builder {
        source,
        text,
        layout,
        base: region.start,
        end: region.end,
        problems: RefCell::default(),
        unreadable_until: Cell::default(),
    };
    let item = builder.item(region);
    if region.broken {
        return item;
    }
    let dropped = |i: &usize| layout.dropped.binary_search(i).is_err();
    let mut earlier: Vec<Span> = region
        .problems
        .clone()
        .filter(dropped)
        .filter_map(|i| layout.problems[i].labels.first().map(|l| l.span))
        .collect();
    earlier.sort_unstable();
    let told = region
        .problems
        .clone()
        .filter(dropped)
        .map(|i| &layout.problems[i]);
    let lines = [
        codes::UNCLOSED,
        codes::STRAY_CLOSER,
        codes::UNEXPECTED,
        codes::UNCLOSED_TEXT,
    ];
    let told = told.filter(|p| lines.contains(&p.code));
    let brackets: BTreeSet<u32> = told
        .filter_map(|p| p.labels.first().map(|l| l.span.start))
        .collect();
    // The earlier problems do not overlap: only the last one that begins before the end can touch.
    let consequence = |found: &Diagnostic| {
        let Some(place) = found.labels.first().map(|l| l.span) else {
            return false;
        };
        // What is wrong with the brackets and quotes of a line explains what else is wrong in it.
        let (from, to) = line_around(text, place.start as usize);
        if brackets.range(from as u32..=to as u32).next().is_some() {
            return true;
        }
        let end = place.end.max(place.start + 1);
        let index = earlier.partition_point(|s| s.start <= end);
        earlier[..index].last().is_some_and(|s| place.start <= s.end)
    };
    let mut own = builder.problems.into_inner();
    own.retain(|p| !consequence(p));
    if own.is_empty() {
        own.extend(region.pending.clone());
    }
    problems.extend(own);
    item
}

/// Where the line of a byte begins and ends; a very long line is only looked at nearby.
fn line_around(text: &str, at: usize) -> (usize, usize) {
    const NEARBY: usize = 500;
    let bytes = text.as_bytes();
    let (low, high) = (at.saturating_sub(NEARBY), bytes.len().min(at + NEARBY));
    let before = bytes[low..at].iter().rposition(|b| *b == b'\n');
    let after = bytes[at..high].iter().position(|b| *b == b'\n');
    (
        before.map_or(low, |n| low + n + 1),
        after.map_or(high, |n| at + n),
    )
}

impl<'t> Builder<'t> {
    fn item(&self, region: &Region) -> Item {
        let span = Span::new(self.source, region.start, region.end);
        let first = self
            .layout
            .tokens
            .partition_point(|t| (t.start as usize) < region.start);
        let docs = Docs::before(self.text, &self.layout.tokens, region.start);
        let mut words = self.layout.tokens[first..].iter().filter(|t| !t.is_trivia());
        let mut head = words.next().filter(|t| (t.start as usize) < region.end);
        let public = head.is_some_and(|t| t.text(self.text) == "pub");
        if public {
            head = words.next().filter(|t| (t.start as usize) < region.end);
        }
        let error = Item {
            docs,
            public,
            kind: ItemKind::Error,
            span,
        };
        if region.deep {
            return error;
        }
        let Some(head) = head else {
            // Only `pub`, or only characters that were reported already.
            if public {
                self.report(explain::lonely_pub(span));
            }
            return error;
        };
        let head_span = Span::new(self.source, head.start as usize, head.end as usize);
        let rule = Some(head)
            .filter(|t| t.kind == TokenKind::Word)
            .and_then(|t| entry(t.text(self.text)));
        let mut input = self.layout.masked[region.start..region.end].to_owned();
        let rule = rule.or_else(|| {
            if !matches!(head.kind, TokenKind::Unknown | TokenKind::Close) {
                self.report(explain::unknown_item(head_span, head.text(self.text), head.kind));
            }
            // What is in it is read as if the word were right.
            let word = head.text(self.text);
            let near = explain::nearest_item(word).filter(|near| near.len() <= word.len())?;
            let (start, end) = (
                head.start as usize - region.start,
                head.end as usize - region.start,
            );
            input.replace_range(start..end, &format!("{near:<width$}", width = word.len()));
            entry(near)
        });
        let Some(rule) = rule else { return error };
        input.push_str(&region.missing);
        let reader = self.reader(span, "a new line");
        let kind = self.read(rule, &input, &reader, |pair| self.item_kind(rule, pair));
        Item {
            kind: kind.unwrap_or(ItemKind::Error),
            ..error
        }
    }

    /// Reads `input`, which begins at the base. A word that is plainly missing is told, and what is behind it is read as if
    /// it were there.
    pub(super) fn read<T>(
        &self,
        rule: Rule,
        input: &str,
        reader: &Reader<'_>,
        then: impl Fn(Pair<'_, Rule>) -> Option<T>,
    ) -> Option<T> {
        let mut error = match Grammar::parse(rule, input) {
            Ok(mut pairs) => return then(pairs.next()?),
            Err(error) => error,
        };
        self.report(reader.explain(&error, self.base));
        let mut mended = input.to_owned();
        for _ in 0..SLIPS {
            let (at, text) = reader.slip(&error, self.base)?;
            let at = at.checked_sub(self.base)?;
            mended.replace_range(at..at + text.len(), text);
            error = match Grammar::parse(rule, &mended) {
                Ok(mut pairs) => return then(pairs.next()?),
                Err(error) => error,
            };
            // What is no slip is perhaps none of its own either: it may follow from what was written.
            if reader.slip(&error, self.base).is_some() {
                self.report(reader.explain(&error, self.base));
            }
        }
        None
    }

    fn item_kind(&self, rule: Rule, pair: Pair<'_, Rule>) -> Option<ItemKind> {
        let mut parts = parts(pair).filter(|p| {
            !matches!(
                p.as_rule(),
                Rule::kw_patch
                    | Rule::kw_pub
                    | Rule::kw_use
                    | Rule::kw_type
                    | Rule::kw_enum
                    | Rule::kw_fn
                    | Rule::kw_let
                    | Rule::kw_interface
                    | Rule::kw_moved
                    | Rule::EOI
            )
        });
        match rule {
            Rule::use_entry => {
                let module = self.dotted(parts.next()?);
                let names = self::parts(parts.next()?)
                    .filter_map(|p| self.use_name(p))
                    .collect();
                Some(ItemKind::Use { module, names })
            }
            Rule::type_entry => {
                let name = self.name(&parts.next()?);
                Some(ItemKind::Type {
                    name,
                    definition: self.type_expression(parts.next()?),
                })
            }
            Rule::enum_entry => {
                let name = self.name(&parts.next()?);
                Some(ItemKind::Enum {
                    name,
                    variants: self::parts(parts.next()?)
                        .filter_map(|p| self.variant(p))
                        .collect(),
                })
            }
            Rule::fn_entry => {
                let name = self.name(&parts.next()?);
                let parameters = self::parts(parts.next()?)
                    .filter_map(|p| self.parameter(p))
                    .collect();
                let next = parts.next()?;
                let (result, body) = match next.as_rule() {
                    Rule::type_expression => (Some(self.type_expression(next)), parts.next()?),
                    _ => (None, next),
                };
                Some(ItemKind::Fn {
                    name,
                    parameters,
                    result,
                    body: self.expression(body).node,
                })
            }
            Rule::let_entry => {
                let (name, ty, value) = self.binding(parts)?;
                Some(ItemKind::Let { name, ty, value })
            }
            Rule::block_entry => {
                let word = match parts.next()?.as_str() {
                    "network" => BlockWord::Network,
                    "hardware" => BlockWord::Hardware,
                    "image" => BlockWord::Image,
                    "kind" => BlockWord::Kind,
                    "backend" => BlockWord::Backend,
                    _ => BlockWord::Site,
                };
                let name = self.name(&parts.next()?);
                Some(ItemKind::Block {
                    word,
                    name,
                    block: self.block(parts.next()?),
                })
            }
            Rule::function_entry => {
                let word = function_word(&parts.next()?);
                let name = self.name(&parts.next()?);
                let parameters = self::parts(parts.next()?)
                    .filter_map(|p| self.parameter(p))
                    .collect();
                let mut parts = parts.peekable();
                let implements = parts.next_if(|p| p.as_rule() == Rule::implements);
                let implements = implements.and_then(|p| p.into_inner().find(|p| p.as_rule() == Rule::path));
                Some(ItemKind::Function {
                    word,
                    name,
                    parameters,
                    implements: implements.map(|p| self.dotted(p)),
                    block: self.block(parts.next()?),
                })
            }
            Rule::interface_entry => {
                let name = self.name(&parts.next()?);
                Some(ItemKind::Interface {
                    name,
                    block: self.block(parts.next()?),
                })
            }
            Rule::deploy_entry => self.deployment(parts.next()?).map(ItemKind::Deploy),
            Rule::patch_entry => self.patch(parts).map(ItemKind::Patch),
            Rule::moved_entry => {
                let from = self.dotted(parts.next()?);
                let to = self.dotted(parts.next()?);
                for part in [&from, &to] {
                    if part.names.len() < 2 {
                        self.report(explain::moved_without_owner(part.span, &part.text()));
                    }
                }
                Some(ItemKind::Moved { from, to })
            }
            Rule::test_entry => {
                let word = match parts.next()?.as_rule() {
                    Rule::kw_policy => TestWord::Policy,
                    _ => TestWord::Test,
                };
                let title = self.plain_string(&parts.next()?);
                Some(ItemKind::Test {
                    word,
                    title,
                    block: self.block(parts.next()?),
                })
            }
            _ => None,
        }
    }

    fn use_name(&self, pair: Pair<'_, Rule>) -> Option<UseName> {
        let mut names = parts(pair).filter(|p| p.as_rule() != Rule::kw_as);
        let name = self.name(&names.next()?);
        Some(UseName {
            name,
            alias: names.next().map(|p| self.name(&p)),
        })
    }

    fn variant(&self, pair: Pair<'_, Rule>) -> Option<Variant> {
        let mut parts = parts(pair);
        let name = self.name(&parts.next()?);
        let fields = parts.next().into_iter().flat_map(self::parts);
        let fields = fields.filter_map(|field| {
            let mut inner = self::parts(field);
            Some((self.name(&inner.next()?), self.type_expression(inner.next()?)))
        });
        Some(Variant {
            name,
            fields: fields.collect(),
        })
    }

    pub(super) fn parameter(&self, pair: Pair<'_, Rule>) -> Option<Parameter> {
        let span = self.span(&pair);
        let mut parts = parts(pair).peekable();
        let known = parts.next_if(|p| p.as_rule() == Rule::kw_known).is_some();
        let name = self.name(&parts.next()?);
        let ty = self.type_expression(parts.next()?);
        Some(Parameter {
            name,
            ty,
            default: parts.next().map(|p| self.expression(p).node),
            known,
            span,
        })
    }

    pub(super) fn deployment(&self, pair: Pair<'_, Rule>) -> Option<Deploy> {
        let span = self.span(&pair);
        let mut parts = parts(pair).filter(|p| !matches!(p.as_rule(), Rule::kw_deploy | Rule::kw_on));
        let name = self.name(&parts.next()?);
        let workload = self.dotted(parts.next()?);
        let arguments = self.arguments(parts.next()?).0;
        let site = self.name(&parts.next()?);
        let block = self.block_or_none(parts.next(), site.span);
        Some(Deploy {
            name,
            workload,
            arguments,
            site,
            block,
            span,
        })
    }

    /// The arguments in parentheses, and the height of the highest.
    pub(super) fn arguments(&self, pair: Pair<'_, Rule>) -> (Vec<Argument>, usize) {
        let mut height = 0;
        let arguments = parts(pair)
            .filter_map(|argument| {
                let span = self.span(&argument);
                let mut inner = parts(argument).peekable();
                let name = inner.next_if(|p| p.as_rule() == Rule::argument_name);
                let value = self.expression(inner.next()?);
                height = height.max(value.height);
                let name = name.and_then(|p| parts(p).next()).map(|p| self.name(&p));
                Some(Argument {
                    name,
                    value: value.node,
                    span,
                })
            })
            .collect();
        (arguments, height)
    }

    /// The span of a pair in the file, without trailing spaces.
    pub(super) fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        let text = span.as_str();
        let length = text.trim_end_matches([' ', '\n']).len();
        let start = (self.base + span.start()).min(self.end);
        Span::new(
            self.source,
            start,
            (self.base + span.start() + length).clamp(start, self.end),
        )
    }

    pub(super) fn name(&self, pair: &Pair<'_, Rule>) -> Name {
        Name {
            text: pair.as_str().trim_end().to_owned(),
            span: self.span(pair),
        }
    }

    pub(super) fn dotted(&self, pair: Pair<'_, Rule>) -> DottedName {
        let span = self.span(&pair);
        DottedName {
            names: parts(pair).map(|p| self.name(&p)).collect(),
            span,
        }
    }

    /// A string in which nothing is interpolated.
    pub(super) fn plain_string(&self, pair: &Pair<'_, Rule>) -> StringLiteral {
        let span = self.span(pair);
        StringLiteral {
            text: self.plain_text(span),
            span,
        }
    }

    pub(super) fn report(&self, problem: Diagnostic) {
        self.problems.borrow_mut().push(problem);
    }

    /// Explains errors within `span`.
    pub(super) fn reader(&self, span: Span, ends: &'static str) -> Reader<'_> {
        Reader {
            text: self.text,
            tokens: &self.layout.tokens,
            span,
            ends,
        }
    }
}
