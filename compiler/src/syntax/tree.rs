//! The lossless tree: tokens and trivia, joined they are the file byte for byte.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::source::Span;

use super::ast::{Block, BlockWord, File, FunctionWord, Item, ItemKind, Statement, StatementKind, TestWord};
use super::token::{Token, TokenKind};

/// The tree of a file. It owns its text and can be sent to other threads.
#[derive(Debug, Clone)]
pub struct Tree {
    text: Arc<str>,
    tokens: Vec<Token>,
    nodes: Vec<Node>,
}

/// An item or a statement, with the statements in its blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is: `role`, `field`, `error` …
    pub kind: NodeKind,
    /// Where it stands.
    pub span: Span,
    /// The statements in its blocks, in written order.
    pub children: Vec<Node>,
}

/// The kinds of nodes: those of items, and those of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum NodeKind {
    Use,
    Type,
    Enum,
    Fn,
    Let,
    Network,
    Hardware,
    Image,
    Kind,
    Backend,
    Site,
    Role,
    Workload,
    Interface,
    Deploy,
    Moved,
    Test,
    Policy,
    Field,
    Declaration,
    Named,
    Nodes,
    Run,
    Out,
    If,
    Match,
    For,
    Requires,
    Provides,
    Needs,
    AcceptGap,
    OnLeave,
    Patch,
    Change,
    Choice,
    AcceptPolicy,
    ExpectError,
    Assert,
    /// Text that could not be read.
    Error,
}

impl NodeKind {
    /// Its name in dumps.
    pub fn name(self) -> &'static str {
        match self {
            NodeKind::Use => "use",
            NodeKind::Type => "type",
            NodeKind::Enum => "enum",
            NodeKind::Fn => "fn",
            NodeKind::Let => "let",
            NodeKind::Network => "network",
            NodeKind::Hardware => "hardware",
            NodeKind::Image => "image",
            NodeKind::Kind => "kind",
            NodeKind::Backend => "backend",
            NodeKind::Site => "site",
            NodeKind::Role => "role",
            NodeKind::Workload => "workload",
            NodeKind::Interface => "interface",
            NodeKind::Deploy => "deploy",
            NodeKind::Moved => "moved",
            NodeKind::Test => "test",
            NodeKind::Policy => "policy",
            NodeKind::Field => "field",
            NodeKind::Declaration => "declaration",
            NodeKind::Named => "named",
            NodeKind::Nodes => "nodes",
            NodeKind::Run => "run",
            NodeKind::Out => "out",
            NodeKind::If => "if",
            NodeKind::Match => "match",
            NodeKind::For => "for",
            NodeKind::Requires => "requires",
            NodeKind::Provides => "provides",
            NodeKind::Needs => "needs",
            NodeKind::AcceptGap => "accept gap",
            NodeKind::OnLeave => "on leave",
            NodeKind::Patch => "patch",
            NodeKind::Change => "change",
            NodeKind::Choice => "choice",
            NodeKind::AcceptPolicy => "accept policy",
            NodeKind::ExpectError => "expect error",
            NodeKind::Assert => "assert",
            NodeKind::Error => "error",
        }
    }
}

impl Tree {
    pub(super) fn new(text: Arc<str>, tokens: Vec<Token>, file: &File) -> Self {
        Tree {
            text,
            tokens,
            nodes: file.items.iter().map(item).collect(),
        }
    }

    /// The text of the file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All tokens with spacing and comments, in order and without gaps.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The nodes of the items.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The texts of all tokens, joined: the file.
    pub fn joined(&self) -> String {
        self.tokens.iter().map(|t| t.text(&self.text)).collect()
    }

    /// The nodes that could not be read.
    pub(super) fn unread(&self) -> impl Iterator<Item = &Node> {
        let mut open: Vec<&Node> = self.nodes.iter().collect();
        std::iter::from_fn(move || {
            loop {
                let node = open.pop()?;
                if node.kind == NodeKind::Error {
                    return Some(node);
                }
                open.extend(&node.children);
            }
        })
    }

    /// The words in what could not be read: names that may be defined there, or used.
    pub fn unread_words(&self) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for node in self.unread() {
            let first = self.tokens.partition_point(|t| t.start < node.span.start);
            let within = self.tokens[first..]
                .iter()
                .take_while(|t| t.start < node.span.end);
            let names = within.filter(|t| t.kind == TokenKind::Word);
            words.extend(names.map(|t| t.text(&self.text).to_owned()));
        }
        words
    }

    /// Whether anything could not be read.
    pub fn has_errors(&self) -> bool {
        fn bad(node: &Node) -> bool {
            node.kind == NodeKind::Error || node.children.iter().any(bad)
        }
        self.nodes.iter().any(bad)
    }

    /// The tree for people: nodes with lines and columns, tokens and comments in backticks, one line of the file per
    /// line of the dump.
    pub fn dump(&self) -> String {
        let mut dump = Dump {
            tree: self,
            out: String::new(),
            next: 0,
            line: 1,
            fresh: true,
        };
        for node in &self.nodes {
            dump.node(node, 0);
        }
        dump.tokens(self.text.len(), 0);
        dump.end_line();
        dump.out
    }
}

struct Dump<'t> {
    tree: &'t Tree,
    out: String,
    next: usize,
    line: usize,
    fresh: bool,
}

impl Dump<'_> {
    fn node(&mut self, node: &Node, depth: usize) {
        self.tokens(node.span.start as usize, depth);
        self.end_line();
        let _ = writeln!(
            self.out,
            "{}{} @{}",
            "  ".repeat(depth),
            node.kind.name(),
            self.line
        );
        for child in &node.children {
            self.node(child, depth + 1);
        }
        self.tokens(node.span.end as usize, depth + 1);
        self.end_line();
    }

    /// Writes the tokens that begin before `end`.
    fn tokens(&mut self, end: usize, depth: usize) {
        while let Some(token) = self
            .tree
            .tokens
            .get(self.next)
            .filter(|t| (t.start as usize) < end)
        {
            self.next += 1;
            let text = token.text(&self.tree.text);
            match token.kind {
                TokenKind::Newline => self.end_line(),
                TokenKind::Space => {}
                _ => {
                    if std::mem::take(&mut self.fresh) {
                        self.out.push_str(&"  ".repeat(depth));
                    } else {
                        self.out.push(' ');
                    }
                    let _ = write!(
                        self.out,
                        "`{}`",
                        text.escape_debug()
                            .to_string()
                            .replace("\\\"", "\"")
                            .replace("\\'", "'")
                    );
                }
            }
            self.line += text.bytes().filter(|b| *b == b'\n').count();
        }
    }

    fn end_line(&mut self) {
        if !std::mem::replace(&mut self.fresh, true) {
            self.out.push('\n');
        }
    }
}

fn item(item: &Item) -> Node {
    let block = |b: &Block| statements(b);
    let (kind, children) = match &item.kind {
        ItemKind::Use { .. } => (NodeKind::Use, Vec::new()),
        ItemKind::Type { .. } => (NodeKind::Type, Vec::new()),
        ItemKind::Enum { .. } => (NodeKind::Enum, Vec::new()),
        ItemKind::Fn { .. } => (NodeKind::Fn, Vec::new()),
        ItemKind::Let { .. } => (NodeKind::Let, Vec::new()),
        ItemKind::Block { word, block: b, .. } => {
            let kind = match word {
                BlockWord::Network => NodeKind::Network,
                BlockWord::Hardware => NodeKind::Hardware,
                BlockWord::Image => NodeKind::Image,
                BlockWord::Kind => NodeKind::Kind,
                BlockWord::Backend => NodeKind::Backend,
                BlockWord::Site => NodeKind::Site,
            };
            (kind, block(b))
        }
        ItemKind::Function { word, block: b, .. } => {
            let kind = match word {
                FunctionWord::Role => NodeKind::Role,
                FunctionWord::Workload => NodeKind::Workload,
            };
            (kind, block(b))
        }
        ItemKind::Patch(patch) => (NodeKind::Patch, block(&patch.block)),
        ItemKind::Interface { block: b, .. } => (NodeKind::Interface, block(b)),
        ItemKind::Deploy(deploy) => (NodeKind::Deploy, block(&deploy.block)),
        ItemKind::Moved { .. } => (NodeKind::Moved, Vec::new()),
        ItemKind::Test { word, block: b, .. } => {
            let kind = match word {
                TestWord::Test => NodeKind::Test,
                TestWord::Policy => NodeKind::Policy,
            };
            (kind, block(b))
        }
        ItemKind::Error => (NodeKind::Error, Vec::new()),
    };
    Node {
        kind,
        span: item.span,
        children,
    }
}

fn statements(block: &Block) -> Vec<Node> {
    block.statements.iter().map(statement).collect()
}

fn statement(statement: &Statement) -> Node {
    let (kind, children) = match &statement.kind {
        StatementKind::Field { .. } => (NodeKind::Field, Vec::new()),
        StatementKind::Declaration { .. } => (NodeKind::Declaration, Vec::new()),
        StatementKind::Let { .. } => (NodeKind::Let, Vec::new()),
        StatementKind::Named { block, .. } => (NodeKind::Named, statements(block)),
        StatementKind::Nodes { block, .. } => (NodeKind::Nodes, statements(block)),
        StatementKind::Run { block, .. } => (NodeKind::Run, statements(block)),
        StatementKind::Out { .. } => (NodeKind::Out, Vec::new()),
        StatementKind::If { branches, otherwise } => {
            let blocks = branches.iter().map(|(_, block)| block).chain(otherwise);
            (NodeKind::If, blocks.flat_map(statements).collect())
        }
        StatementKind::Match { arms, .. } => {
            let blocks = arms.iter().map(|arm| &arm.value);
            (NodeKind::Match, blocks.flat_map(statements).collect())
        }
        StatementKind::For { block, .. } => (NodeKind::For, statements(block)),
        StatementKind::Requires { .. } => (NodeKind::Requires, Vec::new()),
        StatementKind::Provides { .. } => (NodeKind::Provides, Vec::new()),
        StatementKind::Needs { .. } => (NodeKind::Needs, Vec::new()),
        StatementKind::AcceptGap { block, .. } => (NodeKind::AcceptGap, statements(block)),
        StatementKind::OnLeave { block } => (NodeKind::OnLeave, statements(block)),
        StatementKind::Change(change) => (NodeKind::Change, statements(&change.block)),
        StatementKind::Choice { .. } => (NodeKind::Choice, Vec::new()),
        StatementKind::Signature { word, block, .. } => {
            let kind = match word {
                FunctionWord::Role => NodeKind::Role,
                FunctionWord::Workload => NodeKind::Workload,
            };
            (kind, statements(block))
        }
        StatementKind::Deploy(deploy) => (NodeKind::Deploy, statements(&deploy.block)),
        StatementKind::AcceptPolicy { block, .. } => (NodeKind::AcceptPolicy, statements(block)),
        StatementKind::ExpectError { block, .. } => (NodeKind::ExpectError, statements(block)),
        StatementKind::Assert { .. } => (NodeKind::Assert, Vec::new()),
        StatementKind::Error => (NodeKind::Error, Vec::new()),
    };
    Node {
        kind,
        span: statement.span,
        children,
    }
}
