//! The abstract syntax: what a file says, without its spacing and comments. Every node has its span.
//!
//! Blocks of all items hold the same [`Statement`]s; which ones may stand where is decided by
//! [`crate::resolve`], so that a statement in the wrong place gets an error that teaches.

mod literal;
mod pattern;
mod words;

pub use literal::{BinaryOperator, Literal, UnaryOperator};
pub use pattern::{Arm, Pattern, PatternKind, Variables};
pub use words::{BlockWord, FunctionWord, TestWord};

use crate::source::Span;

pub use super::ast_patch::{Anchor, Change, Patch, PatchVersion, Verb};

/// An identifier as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Its letters.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// A dotted path of names, such as `std.linux` or `net.firewall`. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DottedName {
    /// The names in order.
    pub names: Vec<Name>,
    /// From the first to the last.
    pub span: Span,
}

impl DottedName {
    /// The names joined by dots.
    pub fn text(&self) -> String {
        self.names
            .iter()
            .map(|n| n.text.as_str())
            .collect::<Vec<_>>()
            .join(".")
    }
}

/// A whole file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct File {
    /// Its items in written order.
    pub items: Vec<Item>,
}

/// One top-level item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The text of its `///` lines, joined by newlines; empty if there are none.
    pub docs: String,
    /// Whether it is marked `pub`.
    pub public: bool,
    /// What it is.
    pub kind: ItemKind,
    /// From the first word (`pub` or the item word) to its end.
    pub span: Span,
}

/// The kinds of items.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemKind {
    /// `use std.linux { package, file as text_file }`
    Use {
        /// The module.
        module: DottedName,
        /// Imported names and what they are called here.
        names: Vec<UseName>,
    },
    /// `type Port = Int in 1..65535`
    Type {
        /// The new name.
        name: Name,
        /// What it stands for.
        definition: Type,
    },
    /// `enum Spread { Host, Rack }`
    Enum {
        /// The new name.
        name: Name,
        /// The variants, each beginning with a capital.
        variants: Vec<Variant>,
    },
    /// `fn shards(hosts: Int, per: Int = 3): Int = (hosts + per - 1) / per`
    Fn {
        /// The new name.
        name: Name,
        /// Its parameters in order.
        parameters: Vec<Parameter>,
        /// The type of its value if written.
        result: Option<Type>,
        /// Its value.
        body: Expression,
    },
    /// A value with a name: `let bookworm = debian(suite = "bookworm")`
    Let {
        /// The new name.
        name: Name,
        /// Its type if written.
        ty: Option<Type>,
        /// Its value.
        value: Expression,
    },
    /// `network front { … }`, `hardware small { … }`, `image bookworm { … }`, `kind file { … }`,
    /// `backend local { … }` and `site laptop { … }`: a word, a name and a block.
    Block {
        /// Which of them.
        word: BlockWord,
        /// The new name.
        name: Name,
        /// What is in it.
        block: Block,
    },
    /// `role web_page(greeting: String) { … }` or `workload shop(…) { … }`
    Function {
        /// Which of the two.
        word: FunctionWord,
        /// The new name.
        name: Name,
        /// Its parameters in order.
        parameters: Vec<Parameter>,
        /// The signature that it implements: `implements Dns.dns`.
        implements: Option<DottedName>,
        /// What is in it.
        block: Block,
    },
    /// `interface Dns { workload dns(zone: Domain, on: Nodes) { out server: Ip } }`
    Interface {
        /// The new name.
        name: Name,
        /// Its signatures, and `default = …`.
        block: Block,
    },
    /// `deploy laptop_shop = shop(replicas = 2) on laptop`
    Deploy(Deploy),
    /// `moved shop.web -> shop.pages`: what was applied as the first is the second from now on.
    Moved {
        /// What it was called, after its workload or role.
        from: DottedName,
        /// What it is called now, after the same workload or role.
        to: DottedName,
    },
    /// `test "the entry waits" { … }` or `policy "nodes have room" { … }`
    Test {
        /// Which of the two.
        word: TestWord,
        /// What it says it tests.
        title: StringLiteral,
        /// What is in it.
        block: Block,
    },
    /// `patch ceph@1.2 { role osd { before service osd { … } } }`
    Patch(Patch),
    /// Text that could not be read; a diagnostic tells why.
    Error,
}

/// One name of a `use`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseName {
    /// The name in the module.
    pub name: Name,
    /// The name here, if `as` gives another one.
    pub alias: Option<Name>,
}

/// A variant of an enum: `Local`, `Ceph(pool: String, size: Bytes)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// Its name.
    pub name: Name,
    /// What it holds.
    pub fields: Vec<(Name, Type)>,
}

/// `name: Type = default`, `known name: Type`
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Type,
    /// Its value when the caller gives none.
    pub default: Option<Expression>,
    /// Whether it is marked `known`: it may decide what there is.
    pub known: bool,
    /// All of it.
    pub span: Span,
}

/// `deploy name = workload(args) on site`
#[derive(Debug, Clone, PartialEq)]
pub struct Deploy {
    /// The new name.
    pub name: Name,
    /// The workload.
    pub workload: DottedName,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// The site.
    pub site: Name,
    /// Which implementations it takes, empty if none are written.
    pub block: Block,
    /// All of it.
    pub span: Span,
}

/// `name = value` or just `value` in parentheses.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// The parameter, if named.
    pub name: Option<Name>,
    /// The value.
    pub value: Expression,
    /// All of it.
    pub span: Span,
}

/// What stands between braces.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block {
    /// The statements in written order.
    pub statements: Vec<Statement>,
    /// From brace to brace.
    pub span: Span,
}

/// One statement of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text of its `///` lines; empty if there are none.
    pub docs: String,
    /// What it is.
    pub kind: StatementKind,
    /// All of it.
    pub span: Span,
}

/// What a field of a kind is marked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldMark {
    /// `key`: it is (part of) the identity on a node.
    Key,
    /// `replaces`: it cannot be changed in place.
    Replaces,
    /// `interrupts`: a change of it interrupts what stands.
    Interrupts,
}

/// The kinds of statements.
#[derive(Debug, Clone, PartialEq)]
pub enum StatementKind {
    /// `cidr = 10.20.0.0/24`, and `machines = local(image = bookworm)`
    Field {
        /// The field.
        name: Name,
        /// Its value.
        value: Expression,
    },
    /// `key path: Path`, `mode: Mode = "0644"`: a field that a kind or backend takes.
    Declaration {
        /// What it is marked as.
        mark: Option<FieldMark>,
        /// The field.
        parameter: Parameter,
    },
    /// `let name = value`
    Let {
        /// The new name.
        name: Name,
        /// Its type if written.
        ty: Option<Type>,
        /// Its value.
        value: Expression,
    },
    /// `package nginx { … }` in a role, `disk root { … }` in hardware: a word, a name and a block.
    Named {
        /// `package`, `disk`, `nic`, or a step kind with its module: `linux.package`.
        word: DottedName,
        /// The new name.
        name: Name,
        /// What is in it.
        block: Block,
    },
    /// `nodes web { count = 3 }` (many) or `node edge { }` (one)
    Nodes {
        /// Whether it is `nodes`.
        many: bool,
        /// The group's name.
        name: Name,
        /// Its settings.
        block: Block,
    },
    /// `run pages = web_page(greeting) on web { canary = 1 }`, `run kv = etcd(on = control)`
    Run {
        /// The run's name.
        name: Name,
        /// The role, the workload, or a signature of an interface.
        role: DottedName,
        /// Its arguments.
        arguments: Vec<Argument>,
        /// The group it runs on; a workload brings its own.
        on: Option<Name>,
        /// Its settings, empty if none are written.
        block: Block,
    },
    /// `out url: Url = healthy.url`; without a value in kinds.
    Out {
        /// The output.
        name: Name,
        /// Its type.
        ty: Type,
        /// Its value.
        value: Option<Expression>,
    },
    /// `if condition { … } else if … { … } else { … }`
    If {
        /// Conditions with their blocks, in order.
        branches: Vec<(Expression, Block)>,
        /// The last `else`.
        otherwise: Option<Block>,
    },
    /// `match os { Debian => { … } Suse => { … } }`
    Match {
        /// What is looked at.
        subject: Expression,
        /// What is done when it looks so, in order.
        arms: Vec<Arm<Block>>,
    },
    /// `for site in sites by site.name { … }`
    For {
        /// The names for what is gone through.
        variables: Variables,
        /// The list or map.
        list: Expression,
        /// What tells one turn from the others; without it the element, or the key of a map.
        by: Option<Expression>,
        /// What is done for each.
        block: Block,
    },
    /// `requires node.files`
    Requires {
        /// The capability.
        capability: DottedName,
    },
    /// `provides node.files = exact`, `… = emulated("how")`, `… = absent`
    Provides {
        /// The capability.
        capability: DottedName,
        /// How well.
        level: Expression,
    },
    /// `needs unless | creates | once`: a step must set at least one of these fields.
    Needs {
        /// The fields.
        fields: Vec<Name>,
    },
    /// `accept gap net.firewall { because = "…" }`
    AcceptGap {
        /// The capability that is known to be absent.
        capability: DottedName,
        /// Holds `because`.
        block: Block,
    },
    /// `deploy t = shop(replicas = 3) on lab` in a test
    Deploy(Deploy),
    /// `assert condition, "why"` in a test or policy
    Assert {
        /// What must hold.
        condition: Expression,
        /// Why it must, if that is written.
        because: Option<StringLiteral>,
    },
    /// `expect error E0305 { deploy t = shop(replicas = 0) on lab }` in a test
    ExpectError {
        /// The code.
        code: Name,
        /// What must give it.
        block: Block,
    },
    /// `accept policy "nodes have room" { because = "…" }` in a site
    AcceptPolicy {
        /// The policy's title.
        title: StringLiteral,
        /// Holds `because`.
        block: Block,
    },
    /// `use Dns = bind_dns` in a deploy or a site: which implementation an interface has.
    Choice {
        /// The interface.
        interface: DottedName,
        /// The role or workload.
        implementation: DottedName,
    },
    /// `workload dns(zone: Domain, on: Nodes) { out server: Ip }` in an interface.
    Signature {
        /// Whether it is a role or a workload.
        word: FunctionWord,
        /// Its name.
        name: Name,
        /// Its parameters in order.
        parameters: Vec<Parameter>,
        /// Its outputs.
        block: Block,
    },
    /// `on leave { … }` in a role: steps that are done on a node before it goes.
    OnLeave {
        /// The steps.
        block: Block,
    },
    /// `before service osd { … }` in a patch
    Change(Change),
    /// Text that could not be read; a diagnostic tells why.
    Error,
}

/// A type as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    /// What it is.
    pub kind: TypeKind,
    /// All of it.
    pub span: Span,
}

/// The forms of types.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeKind {
    /// `Int`, `Port`, `List<Url>`, `Map<String, Int>`
    Named {
        /// The name, perhaps with a module.
        name: DottedName,
        /// What stands between `<` and `>`.
        arguments: Vec<Type>,
    },
    /// `T?`
    Optional(Box<Type>),
    /// `{ host: String, port: Port }`
    Record(Vec<(Name, Type)>),
    /// `String | Int`: one of these.
    Union(Vec<Type>),
    /// `Int in 1..100`
    In {
        /// The base.
        base: Box<Type>,
        /// The range it must lie in.
        range: Box<Expression>,
    },
    /// `String matches "^[a-z]+$"`
    Matches {
        /// The base.
        base: Box<Type>,
        /// The pattern.
        pattern: StringLiteral,
    },
    /// `Int where it mod 2 == 0`
    Where {
        /// The base.
        base: Box<Type>,
        /// What must hold of each value, which is called `it`.
        condition: Box<Expression>,
    },
    /// Text that could not be read.
    Error,
}

/// A string without interpolation, its escapes resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringLiteral {
    /// Its text.
    pub text: String,
    /// With its quotes.
    pub span: Span,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// What it is.
    pub kind: ExpressionKind,
    /// All of it.
    pub span: Span,
}

/// The forms of expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpressionKind {
    /// `true`, `3`, `512MiB`, `10.20.0.0/24`
    Literal(Literal),
    /// `"http://{node.address}:{port}/"`, its escapes resolved
    String(Vec<StringPart>),
    /// `replicas`, or an enum variant such as `Rack`
    Name(Name),
    /// `node.name`
    Member {
        /// What it is taken from.
        of: Box<Expression>,
        /// The member.
        name: Name,
    },
    /// `node?.name`: the member of a value that may be missing
    SafeMember {
        /// What it is taken from.
        of: Box<Expression>,
        /// The member.
        name: Name,
    },
    /// `ports["web"]`
    Index {
        /// The map.
        of: Box<Expression>,
        /// The key.
        key: Box<Expression>,
    },
    /// `template("page.hbs", { host = node.name })`, `t.entry.after(t.pages)`
    Call {
        /// What is called.
        callee: Box<Expression>,
        /// Its arguments.
        arguments: Vec<Argument>,
    },
    /// `[a, b]`
    List(Vec<Expression>),
    /// `{ greeting, host = node.name }`; a field without a value takes that of the same name
    Record(Vec<(Name, Option<Expression>)>),
    /// `[b.host for b in backends if b.port == 80]`, `{ for d in disks: d.name = d.size }`
    Comprehension {
        /// The key of each, if a map is made.
        key: Option<Box<Expression>>,
        /// What each element becomes.
        element: Box<Expression>,
        /// The names for what is gone through.
        variables: Variables,
        /// The list or map.
        list: Box<Expression>,
        /// Which elements stay.
        condition: Option<Box<Expression>>,
    },
    /// `if a then b else c`
    If {
        /// The condition.
        condition: Box<Expression>,
        /// The value when it holds.
        then: Box<Expression>,
        /// The value when it does not.
        otherwise: Box<Expression>,
    },
    /// `match store { Local => 0, Ceph(size) => size / 1GiB }`
    Match {
        /// What is looked at.
        subject: Box<Expression>,
        /// The value when it looks so, in order.
        arms: Vec<Arm<Expression>>,
    },
    /// `not x`, `-x`
    Unary {
        /// The operator.
        operator: UnaryOperator,
        /// What it stands before.
        operand: Box<Expression>,
    },
    /// `a + b`
    Binary {
        /// The operator.
        operator: BinaryOperator,
        /// Where the operator stands.
        operator_span: Span,
        /// Left of it.
        left: Box<Expression>,
        /// Right of it.
        right: Box<Expression>,
    },
    /// Text that could not be read.
    Error,
}

/// A part of a string.
#[derive(Debug, Clone, PartialEq)]
pub enum StringPart {
    /// Plain text, escapes resolved.
    Text(String),
    /// `{name.member}` or `{(expression)}`
    Interpolation(Expression),
}
