//! From names to types: every expression has one, every field is declared, every literal keeps its rules.

mod addresses;
pub(crate) mod alone;
mod assertions;
mod bodies;
mod bounds;
mod calls;
pub(crate) mod choose;
mod coerce;
mod comprehensions;
mod constructs;
pub(crate) mod data;
mod dimensions;
mod display;
mod dump;
pub(crate) mod evaluate;
mod exhaustive;
mod expressions;
mod fields;
mod functions;
mod hangs;
mod hardware;
mod interfaces;
mod items;
mod known;
mod literals;
mod matching;
mod members;
mod moved;
mod operators;
mod parts;
pub(crate) mod phases;
mod provisions;
mod records;
mod replacement;
pub(crate) mod rules;
mod runs;
mod secrets;
mod shape;
mod templates;
mod tested;
pub(crate) mod turns;
mod typed;
mod types;
mod variants;
mod versions;
mod waits;
pub(crate) mod workloads;
mod written;

pub(crate) use bounds::MAX_PARTS;
pub use dump::dump;
pub(crate) use parts::SEPARATOR;
pub use tested::{Assertion, Test, TestStatement};
pub use typed::{
    Backend, Callee, Check, Choice, Construct, Deploy, Expression, ExpressionKind, For, GivenHere, Group,
    Interface, InterfaceSignature, Kind, Level, Moved, Parameter, Part, Pattern, Provision, PureFunction,
    Requirement, RoleOrWorkload, Run, SignatureName, Site, Statement, Step, Typed, Wait,
};
pub use types::{EnumType, Refined, Rule, TextForm, Thing, Type};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::resolve::{GivenArguments, ItemId, Resolved};
use crate::source::{Sources, Span};

/// What the compiler should know of the runtime.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Names of the actions that the agent has. A kind must be one of them; `None` takes any.
    pub actions: Option<Vec<String>>,
    /// Arguments of one deploy that are given beside the spec.
    pub given: GivenArguments,
}

/// Gives every expression its type.
pub fn check(
    resolved: Resolved,
    sources: &Sources,
    options: &Options,
    diagnostics: &mut Diagnostics,
) -> Typed {
    let ids = resolved.ids().collect();
    let mut checker = Checker::new(&resolved, ids, sources, options, diagnostics);
    checker.items();
    checker.moves();
    checker.circles_of_deploys();
    checker.shapes();
    let mut typed = checker.typed;
    typed.spec = digest(sources);
    typed.resolved = resolved;
    typed
}

impl<'a> Checker<'a> {
    fn new(
        resolved: &'a Resolved,
        ids: Vec<ItemId>,
        sources: &'a Sources,
        options: &'a Options,
        diagnostics: &'a mut Diagnostics,
    ) -> Checker<'a> {
        Checker {
            resolved,
            ids,
            alone: None,
            inside: false,
            asked_all: false,
            described: BTreeSet::new(),
            sources,
            options,
            diagnostics,
            typed: Typed::default(),
            types: HashMap::new(),
            values_in_progress: BTreeSet::new(),
            functions: HashMap::new(),
            implements: HashMap::new(),
            locals: HashMap::new(),
            handed_in: HashSet::new(),
            waits: Vec::new(),
            waits_of: HashMap::new(),
            repeated: HashMap::new(),
            module: 0,
            reader: None,
            types_in_progress: Vec::new(),
            type_parts: bounds::MAX_TYPES,
            value_parts: MAX_PARTS,
            circular: BTreeSet::new(),
            sink: secrets::Sink::default(),
            origins: BTreeMap::new(),
            generated: BTreeMap::new(),
        }
    }
}

/// SHA-256 (hex) over names and texts of all files.
fn digest(sources: &Sources) -> String {
    let mut hash = Sha256::new();
    for (_, source) in sources.iter() {
        for part in [&source.name, &source.text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    crate::plan::hex(&hash.finalize())
}

/// The state of checking.
struct Checker<'a> {
    resolved: &'a Resolved,
    /// The items that are looked at, in the order of modules and text.
    ids: Vec<ItemId>,
    /// The only module whose items are looked at as a whole; of others only what it needs. `None`: all are.
    alone: Option<usize>,
    /// Whether bodies in other modules are looked at as well, for what is decided in them.
    inside: bool,
    /// Whether something depended on what modules say that nothing here uses.
    asked_all: bool,
    /// Names of the generated secrets that are described in the modules that are looked at.
    described: BTreeSet<String>,
    sources: &'a Sources,
    options: &'a Options,
    diagnostics: &'a mut Diagnostics,
    /// What is done.
    typed: Typed,
    /// Types of `type` and `enum` items; `None` while one is being read.
    types: HashMap<ItemId, Option<Type>>,
    values_in_progress: BTreeSet<ItemId>,
    /// Parameters and outputs of roles and workloads.
    functions: HashMap<ItemId, Signature>,
    /// What roles and workloads implement.
    implements: HashMap<ItemId, SignatureName>,
    /// Types of the names of the function at hand, by the place of their declaration.
    locals: HashMap<Span, Type>,
    /// Parameters of the workload at hand: what they are made of is waited for.
    handed_in: HashSet<Span>,
    /// Runs whose outputs the expression at hand uses.
    waits: Vec<Wait>,
    /// Runs that a `let` of the workload at hand has used.
    waits_of: HashMap<Span, Vec<Wait>>,
    /// Runs that a `for` has made, and in how many of them: behind it they are known by their keys.
    repeated: HashMap<Span, usize>,
    /// The module at hand.
    module: usize,
    /// The deploy whose arguments are at hand.
    reader: Option<String>,
    /// Types that are being read, each with the place where the one before it uses it.
    types_in_progress: Vec<(ItemId, Option<Span>)>,
    /// How many more parts types may have.
    type_parts: usize,
    /// How many more parts values may have.
    value_parts: usize,
    /// Functions that need themselves, and values that they need for it.
    circular: BTreeSet<ItemId>,
    /// What takes the value at hand.
    sink: secrets::Sink,
    /// Where names of the function at hand became secrets.
    origins: BTreeMap<String, Span>,
    /// Generated secrets by name: how, and where that is written first.
    generated: BTreeMap<String, (crate::plan::Recipe, Span)>,
}

/// What a role or workload takes and gives.
#[derive(Debug, Clone, Default)]
struct Signature {
    parameters: Vec<Parameter>,
    outputs: BTreeMap<String, Type>,
}

/// What a place expects.
#[derive(Debug, Clone)]
struct Expected {
    ty: Type,
    /// The field or parameter, for messages; may be empty.
    name: String,
    /// Where that is declared.
    declared: Option<Span>,
}

impl Expected {
    fn of(ty: Type) -> Expected {
        Expected {
            ty,
            name: String::new(),
            declared: None,
        }
    }

    fn parameter(parameter: &Parameter) -> Expected {
        Expected {
            ty: parameter.ty.clone(),
            name: parameter.name.clone(),
            declared: parameter.span,
        }
    }

    /// The same place, for a part of the value.
    fn part(&self, ty: &Type) -> Expected {
        Expected {
            ty: ty.clone(),
            ..self.clone()
        }
    }
}

impl Checker<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        match self.is_looked_at(self.module) {
            true => self.diagnostics.push(diagnostic),
            false => self.diagnostics.leave_to_others(),
        }
    }

    /// What decides what there is; says how much was gone through for that.
    fn shapes(&mut self) -> usize {
        let resolved = self.resolved;
        let own = |id: ItemId| self.alone.is_none_or(|alone| alone == id.module);
        let (told, spent) = shape::check(&self.typed, &own, &|id| resolved.item(id).public);
        self.at_all_modules();
        told.into_iter().for_each(|wrong| self.report(wrong));
        spent
    }

    /// What comes now is not about one module: what is wrong is told in any case.
    fn at_all_modules(&mut self) {
        self.module = self.alone.unwrap_or(self.module);
    }

    /// Whether the items of a module are looked at as a whole.
    fn is_looked_at(&self, module: usize) -> bool {
        self.alone.is_none_or(|alone| alone == module)
    }

    /// The value of an expression that uses no parameters and no nodes.
    fn constant(&self, expression: &Expression) -> Option<serde_json::Value> {
        if !is_closed(expression) {
            return None;
        }
        match evaluate::evaluate(expression, &mut evaluate::Scope::of(&self.typed)) {
            Ok(crate::plan::Template::Value(value)) => Some(value),
            _ => None,
        }
    }
}

/// Whether an expression means the same everywhere.
fn is_closed(expression: &Expression) -> bool {
    use ExpressionKind as E;
    !expression.any(&|e| {
        matches!(
            e.kind,
            E::Error
                | E::Variable(_)
                | E::Column(_)
                | E::Comprehension { .. }
                | E::Call(..)
                | E::Match(..)
                | E::IfPresent(..)
        )
    })
}
