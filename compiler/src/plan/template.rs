//! Symbolic values: what a pattern says once for all nodes, to be filled from each node's row.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretReference;

/// A value, perhaps with columns of nodes in it.
///
/// Values are plain JSON in base units: sizes in bytes, rates in bits per second, durations in nanoseconds,
/// frequencies in hertz; addresses, URLs and paths as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// The same for all nodes.
    Value(serde_json::Value),
    /// A column of a node's row.
    Column {
        /// Whose row.
        node: NodeReference,
        /// Which column.
        column: Column,
    },
    /// What a step finds out when it is carried out: known only then, and from the record ever after.
    Output {
        /// On whose node.
        node: NodeReference,
        /// The step: `run.step`.
        step: String,
        /// Which of its outputs.
        output: String,
    },
    /// A list with one element for each node of a group, in name order.
    Each {
        /// The group.
        group: String,
        /// The element; [`NodeReference::Member`] of this group stands for the node in turn.
        element: Box<Template>,
    },
    /// A pure function over arguments that are not all known yet.
    Apply {
        /// The function.
        function: Function,
        /// Its arguments.
        arguments: Vec<Template>,
    },
    /// A list of templates.
    List(Vec<Template>),
    /// A record of templates.
    Record(BTreeMap<String, Template>),
    /// A secret, which nobody knows before a step is carried out.
    Secret(SecretReference),
}

impl Template {
    /// The templates directly inside.
    pub fn parts(&self) -> Vec<&Template> {
        match self {
            Template::Value(_) | Template::Column { .. } | Template::Output { .. } | Template::Secret(_) => {
                Vec::new()
            }
            Template::Each { element, .. } => vec![element],
            Template::Apply { arguments: list, .. } | Template::List(list) => list.iter().collect(),
            Template::Record(fields) => fields.values().collect(),
        }
    }

    /// Whether there is a secret in it.
    pub(crate) fn holds_secret(&self) -> bool {
        let mut open = vec![self];
        while let Some(template) = open.pop() {
            match template {
                Template::Secret(_) => return true,
                other => open.extend(other.parts()),
            }
        }
        false
    }

    /// Whether this hangs on names, addresses or the number of nodes.
    pub(crate) fn is_of_nodes(&self) -> bool {
        let mut open = vec![self];
        while let Some(template) = open.pop() {
            match template {
                Template::Column { .. } | Template::Each { .. } => return true,
                other => open.extend(other.parts()),
            }
        }
        false
    }

    /// A step whose output this uses, if it uses any: then it exists only later.
    pub fn later_step(&self) -> Option<&str> {
        // Not recursive, so that depth does not matter.
        let mut open = vec![self];
        while let Some(template) = open.pop() {
            match template {
                Template::Output { step, .. } => return Some(step),
                other => open.extend(other.parts()),
            }
        }
        None
    }
}

/// Whose row a column is taken from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeReference {
    /// The node whose lane this is.
    Own,
    /// The node in turn of the innermost [`Template::Each`] over this group; for a group of one, its node.
    Member(String),
    /// The leader of a group: see [`super::Group::leader`].
    Leader(String),
}

/// A column of a node's row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// `node.name`
    Name,
    /// `node.address`: the address on the node's first network.
    Address,
    /// `node.addresses.front`: the address on a network.
    AddressOn(String),
}

/// Pure functions that can wait until a row is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Text of all arguments, joined: what interpolation does.
    Concat,
    /// Handlebars, strict and without HTML escaping: template text, then the record.
    Render,
    /// `url.scheme`
    UrlScheme,
    /// `url.host`
    UrlHost,
    /// `url.port`, that of the scheme when none is written
    UrlPort,
    /// `url.path`
    UrlPath,
    /// Length of a list or text.
    Length,
    /// Lists, joined.
    Join,
    /// A value that a step finds out, held against the rule of its type: the rule, then the value.
    Keep,
}
