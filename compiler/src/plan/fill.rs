//! From templates to values: the columns of nodes filled in.
//!
//! Templates may come from a hostile plan file: depth and size are bounded, and whatever is wrong is an error.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use handlebars::Handlebars;
use serde_json::{Map, Value};

use super::functions::{self, FunctionError};
use super::later::Outputs;
use super::render;
use super::secret::{self, PlannedSecret, SecretReference};
use super::template::{Column, Function, NodeReference, Template};
use super::{Addresses, Plan};
use crate::expand::GroupInstance;

/// Levels of templates within each other.
const MAX_DEPTH: usize = 128;
/// Values in one filled template; each 8 bytes of text count as one more. A list of servers on a million nodes fits.
pub(crate) const MAX_VALUES: usize = 40_000_000;

/// Why a template could not be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// A column of the own node where there is none.
    #[error("there is no node whose columns are meant")]
    NoOwnNode,
    /// A group that the plan has not.
    #[error("there is no group `{0}`")]
    NoGroup(String),
    /// A group whose leader is meant, and that has none.
    #[error("the group `{0}` has no leader")]
    NoLeader(String),
    /// One node of a group of several is meant, and it is not said which.
    #[error("it is not said which node of `{0}` is meant")]
    WhichMember(String),
    /// A node has no address on a network.
    #[error("`{node}` has no address on {network}")]
    NoAddress {
        /// The node.
        node: String,
        /// The network in words.
        network: String,
    },
    /// The template is nested too deeply.
    #[error("the value is nested too deeply")]
    TooDeep,
    /// The value is too large.
    #[error("the value is too large")]
    TooLarge,
    /// An output of a step that has not been carried out.
    #[error("`{node}/{step}` has not told its `{output}` yet")]
    NotYet {
        /// The node.
        node: String,
        /// The step.
        step: String,
        /// The output.
        output: String,
    },
    /// The identity of a step hangs on what is not known yet.
    #[error("the key `{0}` cannot wait for what other steps find out")]
    LaterKey(String),
    /// A function has no result.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// A secret would decide something, or what is sealed cannot be opened. What it is made of is not told.
    #[error("a value that holds a secret cannot be put together")]
    Sealed,
}

/// The columns of all nodes, by group: what templates are filled from. Making one costs O(nodes), using it
/// costs no more than the value has parts; rendered templates are compiled once.
pub struct FillContext<'a> {
    groups: HashMap<&'a str, Members<'a>>,
    /// What steps have found out, as far as it is known.
    outputs: Option<&'a Outputs>,
    secrets: Secrets<'a>,
    registry: Mutex<Handlebars<'static>>,
}

/// What is known of secrets while templates are filled.
#[derive(Clone, Copy)]
enum Secrets<'a> {
    /// Nothing but their MACs: they stay sealed.
    Sealed(Option<&'a BTreeMap<String, PlannedSecret>>),
    /// What they are, by id.
    Known(&'a BTreeMap<String, String>),
}

struct Members<'a> {
    many: bool,
    nodes: Vec<Columns<'a>>,
    leader: Option<Columns<'a>>,
}

struct Columns<'a> {
    name: &'a str,
    address: Option<IpAddr>,
    addresses: &'a Addresses,
}

impl<'a> FillContext<'a> {
    /// The nodes of a plan.
    pub fn of_plan(plan: &'a Plan) -> FillContext<'a> {
        let mut rows: HashMap<&str, &super::NodeRow> = HashMap::new();
        rows.extend(plan.nodes.iter().map(|row| (row.name.as_str(), row)));
        let members = |(name, group): (&'a String, &'a super::Group)| {
            let columns = |node: &'a String| {
                let row = rows.get(node.as_str())?;
                let first = plan
                    .patterns
                    .get(row.pattern)
                    .and_then(|p| p.hardware.nics.values().next());
                let address = first.and_then(|network| row.addresses.get(network)).copied();
                Some(Columns {
                    name: node,
                    address,
                    addresses: &row.addresses,
                })
            };
            (
                name.as_str(),
                Members {
                    many: group.many,
                    nodes: group.nodes.iter().filter_map(columns).collect(),
                    leader: group.leader.as_ref().and_then(|leader| columns(&leader.node)),
                },
            )
        };
        let groups = plan.groups.iter().map(members).collect();
        FillContext {
            groups,
            outputs: None,
            secrets: Secrets::Sealed(Some(&plan.secrets)),
            registry: Mutex::new(render::registry()),
        }
    }

    /// No nodes, and these secrets: for templates whose columns are filled in.
    pub(super) fn opening(values: &'a BTreeMap<String, String>) -> FillContext<'a> {
        FillContext {
            groups: HashMap::new(),
            outputs: None,
            secrets: Secrets::Known(values),
            registry: Mutex::new(render::registry()),
        }
    }

    /// The nodes of instances, and of each group no more than the first `most`.
    pub(crate) fn of_groups(groups: &'a [GroupInstance], most: usize) -> FillContext<'a> {
        let members = |group: &'a GroupInstance| {
            let first = group.hardware.nics.values().next();
            let leader = group.leader.as_ref();
            let leader = leader.and_then(|leader| group.nodes.iter().find(|n| n.name == leader.node));
            let columns = |node: &'a crate::expand::NodeInstance| Columns {
                name: &node.name,
                address: first.and_then(|network| node.addresses.get(network)).copied(),
                addresses: &node.addresses,
            };
            (
                group.name.as_str(),
                Members {
                    many: group.many,
                    nodes: group.nodes.iter().take(most).map(columns).collect(),
                    leader: leader.map(columns),
                },
            )
        };
        let groups = groups.iter().map(members).collect();
        FillContext {
            groups,
            outputs: None,
            secrets: Secrets::Sealed(None),
            registry: Mutex::new(render::registry()),
        }
    }

    /// The same, with what steps have found out.
    pub fn with_outputs(self, outputs: &'a Outputs) -> FillContext<'a> {
        FillContext {
            outputs: Some(outputs),
            ..self
        }
    }

    /// Fills a template. `own` is the group and the place in it (in name order) of the node whose lane this is.
    ///
    /// # Errors
    /// [`FillError`]: only templates that the compiler did not make, or edited ones, should give any.
    pub fn fill(&self, template: &Template, own: Option<(&str, usize)>) -> Result<Value, FillError> {
        self.filling(own).fill(template, 0)
    }

    /// How many values a filled template has, counted against [`MAX_VALUES`]; where a rendering comes closer to its
    /// own limits, that part of [`MAX_VALUES`].
    pub(crate) fn cost(&self, template: &Template, own: Option<(&str, usize)>) -> Result<usize, FillError> {
        let mut filling = self.filling(own);
        filling.fill(template, 0)?;
        Ok(filling.rendered.max(MAX_VALUES - filling.left))
    }

    pub(super) fn filling<'f>(&'f self, own: Option<(&'f str, usize)>) -> Filling<'f, 'a> {
        Filling {
            context: self,
            own,
            turns: Vec::new(),
            left: MAX_VALUES,
            rendered: 0,
            sealed: false,
            outputs_later: false,
        }
    }
}

pub(super) struct Filling<'a, 'c> {
    context: &'a FillContext<'c>,
    own: Option<(&'a str, usize)>,
    /// Groups that are gone through, with the node in turn; the innermost last.
    turns: Vec<(&'a str, usize)>,
    left: usize,
    /// What the largest rendering used of its limits, as a part of [`MAX_VALUES`].
    rendered: usize,
    /// Whether a secret was met.
    sealed: bool,
    /// Whether outputs of steps are left for later though they are known.
    pub(super) outputs_later: bool,
}

impl<'a, 'c> Filling<'a, 'c> {
    pub(super) fn fill(&mut self, template: &'a Template, depth: usize) -> Result<Value, FillError> {
        self.enter(depth)?;
        match template {
            Template::Value(value) => {
                self.spend(value)?;
                Ok(value.clone())
            }
            Template::Column { node, column } => self.column(node, column),
            Template::Output { node, step, output } => {
                let name = self.node(node)?.name;
                match self.context.outputs.and_then(|o| o.get(name, step, output)) {
                    Some(value) => {
                        self.spend(value)?;
                        Ok(value.clone())
                    }
                    None => Err(FillError::NotYet {
                        node: name.to_owned(),
                        step: step.clone(),
                        output: output.clone(),
                    }),
                }
            }
            Template::Each { group, element } => {
                let mut list = Vec::new();
                for index in 0..self.count(group)? {
                    list.push(self.turn(group, index, |this| this.fill(element, depth + 1))?);
                }
                Ok(Value::Array(list))
            }
            Template::Apply { function, arguments } => {
                let mut values = Vec::with_capacity(arguments.len().min(64));
                for argument in arguments {
                    values.push(self.fill(argument, depth + 1)?);
                }
                self.apply(*function, values)
            }
            Template::List(list) => {
                let mut values = Vec::with_capacity(list.len());
                for element in list {
                    values.push(self.fill(element, depth + 1)?);
                }
                Ok(Value::Array(values))
            }
            Template::Record(fields) => {
                let mut values = Map::new();
                for (name, value) in fields {
                    values.insert(name.clone(), self.fill(value, depth + 1)?);
                }
                Ok(Value::Object(values))
            }
            Template::Secret(reference) => self.secret(reference),
        }
    }

    /// A secret itself, or sealed.
    fn secret(&mut self, reference: &SecretReference) -> Result<Value, FillError> {
        let id = reference.id();
        match self.context.secrets {
            Secrets::Known(values) => {
                let value = Value::String(values.get(&id).ok_or(FillError::Sealed)?.clone());
                self.spend(&value)?;
                Ok(value)
            }
            Secrets::Sealed(planned) => {
                self.sealed = true;
                let mac = planned.and_then(|all| all.get(&id)?.mac.clone());
                let macs = mac.map(|mac| (id, mac)).into_iter().collect();
                Ok(secret::seal(Template::Secret(reference.clone()), macs))
            }
        }
    }

    /// Counts one more part, at `depth`.
    pub(super) fn enter(&mut self, depth: usize) -> Result<(), FillError> {
        if depth > MAX_DEPTH {
            return Err(FillError::TooDeep);
        }
        self.left = self.left.checked_sub(1).ok_or(FillError::TooLarge)?;
        Ok(())
    }

    /// How many nodes a group has.
    pub(super) fn count(&self, group: &str) -> Result<usize, FillError> {
        Ok(self.members(group)?.nodes.len())
    }

    /// Does something with one node of a group in turn.
    pub(super) fn turn<T>(
        &mut self,
        group: &'a str,
        index: usize,
        within: impl FnOnce(&mut Self) -> Result<T, FillError>,
    ) -> Result<T, FillError> {
        self.turns.push((group, index));
        let value = within(self);
        self.turns.pop();
        value
    }

    /// The result of a function.
    pub(super) fn apply(&mut self, function: Function, values: Vec<Value>) -> Result<Value, FillError> {
        if self.sealed && values.iter().any(secret::holds_secret) {
            let value = secret::apply_sealed(function, values)?;
            self.spend(&value)?;
            return Ok(value);
        }
        let value = match (function, values.as_slice()) {
            (Function::Render, [Value::String(text), record]) => self.render(text, record)?.into(),
            _ => functions::apply(function, &values)?,
        };
        self.spend(&value)?;
        Ok(value)
    }

    /// The name of the node that is meant.
    pub(super) fn name_of(&self, node: &NodeReference) -> Result<&'c str, FillError> {
        Ok(self.node(node)?.name)
    }

    /// Counts what a value holds: few words of a plan file can ask for it once for each node.
    fn spend(&mut self, value: &Value) -> Result<(), FillError> {
        let parts = match value {
            Value::String(text) => text.len() / 8,
            Value::Array(list) => list.len(),
            Value::Object(map) => map.len(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        };
        self.left = self.left.checked_sub(parts).ok_or(FillError::TooLarge)?;
        match value {
            Value::Array(list) => list.iter().try_for_each(|inner| self.spend(inner)),
            Value::Object(map) => {
                self.sealed |= secret::is_sealed(map);
                map.values().try_for_each(|inner| self.spend(inner))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn render(&mut self, text: &str, record: &Value) -> Result<String, FillError> {
        // A panic inside of the renderer is caught there, and leaves the registry whole.
        let mut registry = self
            .context
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !registry.has_template(text) {
            registry.register_template(text, render::compile(text).map_err(FunctionError::from)?);
        }
        let rendered = render::render(&registry, text, record).map_err(FunctionError::from)?;
        self.rendered = self.rendered.max(render::used(rendered.len(), MAX_VALUES));
        Ok(rendered)
    }

    fn members(&self, group: &str) -> Result<&'a Members<'c>, FillError> {
        self.context
            .groups
            .get(group)
            .ok_or_else(|| FillError::NoGroup(group.to_owned()))
    }

    fn node(&self, node: &NodeReference) -> Result<&'a Columns<'c>, FillError> {
        let (group, index) = match node {
            NodeReference::Leader(group) => {
                let leader = self.members(group)?.leader.as_ref();
                return leader.ok_or_else(|| FillError::NoLeader(group.clone()));
            }
            NodeReference::Own => self.own.ok_or(FillError::NoOwnNode)?,
            NodeReference::Member(group) => {
                let turn = self
                    .turns
                    .iter()
                    .rev()
                    .find(|(g, _)| g == group)
                    .map(|(_, index)| *index);
                let members = self.members(group)?;
                let index = match turn {
                    Some(index) => index,
                    None if !members.many && members.nodes.len() == 1 => 0,
                    None => return Err(FillError::WhichMember(group.clone())),
                };
                (group.as_str(), index)
            }
        };
        self.members(group)?.nodes.get(index).ok_or(FillError::NoOwnNode)
    }

    fn column(&self, node: &NodeReference, column: &Column) -> Result<Value, FillError> {
        self.node(node)?.value(column)
    }
}

impl Columns<'_> {
    fn value(&self, column: &Column) -> Result<Value, FillError> {
        let missing = |network: String| FillError::NoAddress {
            node: self.name.to_owned(),
            network,
        };
        let address = match column {
            Column::Name => return Ok(self.name.into()),
            Column::Address => self.address.ok_or_else(|| missing("any network".to_owned()))?,
            Column::AddressOn(network) => *self
                .addresses
                .get(network)
                .ok_or_else(|| missing(format!("`{network}`")))?,
        };
        Ok(address.to_string().into())
    }
}

/// Fills a template; see [`FillContext::fill`].
///
/// # Errors
/// [`FillError`] when it uses what the plan has not.
pub fn fill(
    template: &Template,
    context: &FillContext<'_>,
    own: Option<(&str, usize)>,
) -> Result<Value, FillError> {
    context.fill(template, own)
}
