//! The product of checking: the spec with a type on every expression, names replaced by what they stand for,
//! and defaults filled in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tested::Test;
use super::types::{Rule, TextForm, Type};
use crate::plan::{Column, Function, GateMode, Removal, Replacement, SecretReference, ValueType};
use crate::resolve::{ItemId, Known, Resolved};
use crate::source::Span;
use crate::syntax::ast::{BinaryOperator, UnaryOperator};

/// A checked spec.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    /// What it was made from.
    pub resolved: Resolved,
    /// SHA-256 (hex) over all text that was read.
    pub spec: String,
    /// Values with names, by item.
    pub values: BTreeMap<ItemId, Expression>,
    /// Kinds of steps.
    pub kinds: BTreeMap<ItemId, Kind>,
    /// Backends.
    pub backends: BTreeMap<ItemId, Backend>,
    /// Networks, hardware and images: their fields.
    pub constructs: BTreeMap<ItemId, Construct>,
    /// `fn` items.
    pub pure: BTreeMap<ItemId, PureFunction>,
    /// Roles and workloads.
    pub functions: BTreeMap<ItemId, RoleOrWorkload>,
    /// Interfaces.
    pub interfaces: BTreeMap<ItemId, Interface>,
    /// Sites.
    pub sites: BTreeMap<ItemId, Site>,
    /// Deploys in written order.
    pub deploys: Vec<Deploy>,
    /// Tests and policies in the order of modules and text.
    pub tests: Vec<Test>,
    /// Parts of roles and workloads that had other names.
    pub moves: Vec<Moved>,
    /// Which deploys use outputs of which others.
    pub reads: Vec<GivenHere>,
    /// Outputs of the deploys that stand, by deploy. `None` where nobody has looked: then deploys that use them cannot
    /// be laid out.
    pub recorded: Option<BTreeMap<String, serde_json::Value>>,
}

/// A deploy that uses the outputs of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenHere {
    /// The deploy that uses them.
    pub deploy: String,
    /// The deploy that hands them out.
    pub of: String,
    /// Where that is written.
    pub span: Span,
}

/// A part of a role or workload that had another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The role or workload.
    pub owner: ItemId,
    /// What kind of part.
    pub part: Part,
    /// What it was called.
    pub from: String,
    /// What it is called now, at the end of all moves.
    pub to: String,
    /// Where the old name is written.
    pub span: Span,
    /// Where the name of now is written.
    pub target: Span,
}

/// Parts that keep what was recorded of them under a new name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A group of a workload.
    Group,
    /// A run of a workload.
    Run,
    /// A step of a role.
    Step,
}

/// A function of one value.
#[derive(Debug, Clone)]
pub struct PureFunction {
    /// Its name with its module.
    pub name: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// The type of its value.
    pub result: Type,
    /// Its value.
    pub body: Expression,
}

/// What a value may look like.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// Anything.
    Any,
    /// Anything, which then has this name.
    Name(String),
    /// `None`
    Missing,
    /// A variant, and what its fields must look like.
    Variant(String, BTreeMap<String, Pattern>),
    /// This value.
    Literal(serde_json::Value),
    /// From the first to the second, both included.
    Range(serde_json::Value, serde_json::Value),
    /// One of these.
    Either(Vec<Pattern>),
}

/// An expression with its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// What it is.
    pub kind: ExpressionKind,
    /// Its type.
    pub ty: Type,
    /// Where it is written.
    pub span: Span,
}

/// The forms of checked expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpressionKind {
    /// Already reported.
    Error,
    /// A value in base units.
    Value(serde_json::Value),
    /// A string with interpolation.
    Concat(Vec<Expression>),
    /// A parameter, `let`, step, run, group or variable of a comprehension, by its name.
    Variable(String),
    /// A value with a name, a network, a hardware or an image; and its name.
    Item(ItemId, String),
    /// A column of the node that a role runs on.
    Column(Column),
    /// `secret("bmc")`, `generated("key")`
    Secret(SecretReference),
    /// The name of a step.
    StepName(String),
    /// `a.b`
    Member(Box<Expression>, String),
    /// `[a, b]`
    List(Vec<Expression>),
    /// Values by field name or key.
    Record(BTreeMap<String, Expression>),
    /// `map["key"]`
    Index(Box<Expression>, Box<Expression>),
    /// A value that may be missing; what is made of it under this name if it is there.
    IfPresent(Box<Expression>, String, Box<Expression>),
    /// `match`
    Match(Box<Expression>, Vec<(Pattern, Expression)>),
    /// A function with its name and its arguments by parameter.
    Call(ItemId, String, BTreeMap<String, Expression>),
    /// A variant with its fields.
    Variant(String, BTreeMap<String, Expression>),
    /// A list or map made from a list or map.
    Comprehension {
        /// The key of each, if a map is made.
        key: Option<Box<Expression>>,
        /// What each element becomes.
        element: Box<Expression>,
        /// The variable for the keys of a map.
        key_variable: Option<String>,
        /// The variable.
        variable: String,
        /// The list.
        list: Box<Expression>,
        /// Which elements stay.
        condition: Option<Box<Expression>>,
    },
    /// A choice.
    If(Box<Expression>, Box<Expression>, Box<Expression>),
    /// `not x`, `-x`
    Unary(UnaryOperator, Box<Expression>),
    /// `a + b`
    Binary(BinaryOperator, Box<Expression>, Box<Expression>),
    /// A pure function of the plan.
    Apply(Function, Vec<Expression>),
    /// A function over values that are known.
    Known(Known, Vec<Expression>),
    /// A member or method of a network, which stands first.
    OfNetwork(String, Vec<Expression>),
    /// `template("…", record)`: the file's name, its text, the record.
    Render(String, Arc<str>, Box<Expression>),
    /// `join(list, separator)`
    JoinText(Box<Expression>, Box<Expression>),
    /// A value that must keep a rule, which can be told only once it is known.
    Checked(Box<Expression>, Check),
}

impl Expression {
    /// The expressions directly inside.
    pub fn children(&self) -> Vec<&Expression> {
        use ExpressionKind as E;
        match &self.kind {
            E::Error
            | E::Value(_)
            | E::Variable(_)
            | E::Item(..)
            | E::Column(_)
            | E::Secret(_)
            | E::StepName(_) => Vec::new(),
            E::Concat(list)
            | E::List(list)
            | E::Apply(_, list)
            | E::Known(_, list)
            | E::OfNetwork(_, list) => list.iter().collect(),
            E::Member(of, _) | E::Unary(_, of) | E::Checked(of, _) | E::Render(_, _, of) => vec![of],
            E::Record(fields) | E::Variant(_, fields) | E::Call(_, _, fields) => fields.values().collect(),
            E::Match(subject, arms) => std::iter::once(&**subject)
                .chain(arms.iter().map(|(_, v)| v))
                .collect(),
            E::If(a, b, c) => vec![a, b, c],
            E::Index(a, b) | E::IfPresent(a, _, b) => vec![a, b],
            E::Binary(_, a, b) | E::JoinText(a, b) => vec![a, b],
            E::Comprehension {
                key,
                element,
                list,
                condition,
                ..
            } => {
                let mut all = vec![&**list, &**element];
                all.extend(key.as_deref());
                all.extend(condition.as_deref());
                all
            }
        }
    }

    /// Whether `found` holds of this expression or of one inside of it.
    pub(crate) fn any(&self, found: &dyn Fn(&Expression) -> bool) -> bool {
        found(self) || self.children().into_iter().any(|child| child.any(found))
    }
}

/// What a value must keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The rule.
    pub requirement: Requirement,
    /// The type that has it, in words.
    pub name: String,
    /// Where it is declared.
    pub declared: Option<Span>,
}

/// Rules that values keep.
#[derive(Debug, Clone, PartialEq)]
pub enum Requirement {
    /// That of a refined type.
    Rule(Rule),
    /// To be text of a form.
    Form(TextForm),
}

/// A parameter of a role or workload, or a field of a kind or backend.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Its value when none is given.
    pub default: Option<Expression>,
    /// Whether it is (part of) the identity on a node.
    pub key: bool,
    /// Whether it is marked `known`: it may decide what there is.
    pub known: bool,
    /// Where it is declared; `None` for those of the language itself.
    pub span: Option<Span>,
}

/// A kind of step.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its name, which is also that of the agent's action.
    pub name: String,
    /// Where its name is written.
    pub span: Span,
    /// Its fields.
    pub fields: Vec<Parameter>,
    /// What its steps find out when they are carried out.
    pub outputs: BTreeMap<String, ValueType>,
    /// Capabilities that its steps need.
    pub requires: Vec<(String, Span)>,
    /// Of each of these sets a step must set one.
    pub needs: Vec<Vec<String>>,
    /// What happens when a step leaves the spec.
    pub removal: Removal,
    /// Whether runs on one node that want exactly the same may have one step for it.
    pub shared: bool,
    /// Fields that cannot be changed in place.
    pub replaces: Vec<String>,
    /// Fields whose change interrupts what stands.
    pub interrupts: Vec<String>,
    /// When the old one goes, where a step is replaced.
    pub replacement: Replacement,
}

/// A backend.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Where its name is written.
    pub span: Span,
    /// What a site gives it.
    pub fields: Vec<Parameter>,
    /// What it can do.
    pub provides: BTreeMap<String, (Provision, Span)>,
}

/// How well a backend does something, which may hang on what a site gives it.
#[derive(Debug, Clone)]
pub enum Provision {
    /// In any case, and where that is written.
    Is(Level, Span),
    /// If the condition over the backend's settings holds, the first; otherwise the second.
    If(Expression, Box<Provision>, Box<Provision>),
}

/// How well a backend does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    /// As on metal.
    Exact,
    /// By other means: how.
    Emulated(String),
    /// Not at all.
    Absent,
}

/// A network, hardware or image: fields by name, and parts such as disks by word and name.
#[derive(Debug, Clone)]
pub struct Construct {
    /// Its name.
    pub name: String,
    /// Where its name is written.
    pub span: Span,
    /// Its fields.
    pub fields: BTreeMap<String, Expression>,
    /// Its parts in written order: the word, the name, the fields.
    pub parts: Vec<(String, String, BTreeMap<String, Expression>)>,
}

/// A role or a workload.
#[derive(Debug, Clone)]
pub struct RoleOrWorkload {
    /// Its name with its module.
    pub name: String,
    /// Where its name is written.
    pub span: Span,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Its outputs' types.
    pub outputs: BTreeMap<String, Type>,
    /// Whether it is a workload.
    pub workload: bool,
    /// The signature that it implements.
    pub implements: Option<SignatureName>,
    /// What is in it.
    pub body: Vec<Statement>,
}

/// A signature of an interface: `Dns.dns`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignatureName {
    /// The interface.
    pub interface: ItemId,
    /// The signature in it.
    pub name: String,
}

/// An interface: what several roles or workloads offer alike.
#[derive(Debug, Clone)]
pub struct Interface {
    /// Its name with its module.
    pub name: String,
    /// Where its name is written.
    pub span: Span,
    /// Its signatures by name.
    pub signatures: BTreeMap<String, InterfaceSignature>,
    /// What is taken where nobody chooses.
    pub defaults: Vec<Choice>,
}

/// What an implementation takes and gives.
#[derive(Debug, Clone)]
pub struct InterfaceSignature {
    /// Whether it is that of a workload.
    pub workload: bool,
    /// Where its name is written.
    pub span: Span,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Its outputs' types, and where their names are written.
    pub outputs: BTreeMap<String, (Type, Span)>,
}

/// Which implementation a signature has.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The signature.
    pub signature: SignatureName,
    /// The role or workload.
    pub implementation: ItemId,
    /// Where that is written.
    pub span: Span,
}

/// A statement of a role or workload.
#[derive(Debug, Clone)]
pub enum Statement {
    /// A value with a name.
    Let(String, Expression),
    /// A step.
    Step(Step),
    /// A group of nodes.
    Group(Group),
    /// A run.
    Run(Run),
    /// An output.
    Out(String, Expression),
    /// Conditions with what they guard; the last may hold what is left.
    If(Vec<(Expression, Vec<Statement>)>, Vec<Statement>),
    /// The first block whose pattern fits.
    Match(Expression, Vec<(Pattern, Vec<Statement>)>),
    /// A block for each element of a list or map.
    For(Box<For>),
    /// What is done on a node before it goes.
    OnLeave(Vec<Statement>),
}

/// A step of a role.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: ItemId,
    /// Its fields, defaults included.
    pub fields: BTreeMap<String, Expression>,
    /// From its kind to its name.
    pub span: Span,
    /// `main.rebar:12:3`
    pub place: String,
}

/// A block for each element of a list or map.
#[derive(Debug, Clone)]
pub struct For {
    /// The variable for the keys of a map.
    pub key_variable: Option<String>,
    /// The variable.
    pub variable: String,
    /// The list or map.
    pub list: Expression,
    /// What tells one turn from the others; without it the element, or the key of a map.
    pub by: Option<Expression>,
    /// What is done for each.
    pub body: Vec<Statement>,
}

/// A group of a workload.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Whether it is `nodes`.
    pub many: bool,
    /// `count`, `hardware`, `spread` and `quorum`.
    pub fields: BTreeMap<String, Expression>,
    /// Where its name is written.
    pub span: Span,
}

/// A run of a workload.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub callee: Callee,
    /// Arguments and defaults, by parameter.
    pub arguments: BTreeMap<String, Expression>,
    /// The group that a role runs on, by its name here.
    pub group: Option<String>,
    /// `canary`, `batch` and the other settings of a rollout.
    pub fields: BTreeMap<String, Expression>,
    /// Runs that it waits for.
    pub waits: Vec<Wait>,
    /// Where its name is written.
    pub span: Span,
}

/// What a run runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callee {
    /// A role or a workload.
    Function(ItemId),
    /// Whatever implements a signature.
    Signature(SignatureName),
}

/// A run that another one waits for.
#[derive(Debug, Clone)]
pub struct Wait {
    /// The run that is waited for; or the parameter, through which whatever it is made of is.
    pub run: String,
    /// Of a run in a `for`: in which turns, from the outermost; without them in all.
    pub keys: Vec<Expression>,
    /// Whether it is a parameter.
    pub handed_in: bool,
    /// The output that is used; `None` for an explicit `after`.
    pub output: Option<String>,
    /// The parameter of the run for which it is used.
    pub argument: String,
    /// How much of the run.
    pub mode: GateMode,
    /// Where that is written.
    pub span: Span,
    /// `main.rebar:31:27`
    pub place: String,
}

/// A site.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// Where its name is written.
    pub span: Span,
    /// The backend, what it is given, and where that is written.
    pub backend: Option<(ItemId, BTreeMap<String, Expression>, Span)>,
    /// Capabilities that it goes without, why, and where that is written.
    pub accepted: BTreeMap<String, (Expression, Span)>,
    /// Which implementations interfaces have here.
    pub choices: Vec<Choice>,
    /// Policies that its deploys may break, why, and where that is written.
    pub accepted_policies: BTreeMap<String, (Expression, Span)>,
}

/// A deploy.
#[derive(Debug, Clone)]
pub struct Deploy {
    /// Its name.
    pub name: String,
    /// Where its name is written.
    pub span: Span,
    /// The workload.
    pub workload: ItemId,
    /// Arguments and defaults, by parameter.
    pub arguments: BTreeMap<String, Expression>,
    /// Which of them are given beside the spec, and how.
    pub given: BTreeMap<String, String>,
    /// The site.
    pub site: ItemId,
    /// Which implementations interfaces have in it.
    pub choices: Vec<Choice>,
}
