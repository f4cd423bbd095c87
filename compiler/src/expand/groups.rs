//! Groups as values: what a workload sees of their nodes, and which group it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::GroupInstance;
use crate::plan::{Column, NodeReference, Template};

/// The member of a group's value that tells which group it is; no name of the language is empty.
const WHICH: &str = "";

impl GroupInstance {
    /// What an expression sees of the group; as one of many, its columns are lists.
    pub(super) fn value(&self, as_many: bool) -> Template {
        let member = || NodeReference::Member(self.name.clone());
        let each = |element: Template| match as_many {
            true => Template::Each {
                group: self.name.clone(),
                element: Box::new(element),
            },
            false => element,
        };
        let mut members = self.columns(&member(), &each);
        let leader = match self.many {
            true => NodeReference::Leader(self.name.clone()),
            // There is nothing to choose.
            false => member(),
        };
        let which = json!({ "group": self.name, "many": as_many });
        members.insert(WHICH.to_owned(), Template::Value(which));
        members.insert(
            "leader".to_owned(),
            Template::Record(self.columns(&leader, &|column| column)),
        );
        let one = Template::Record(self.columns(&member(), &|column| column));
        members.insert("members".to_owned(), each(one));
        Template::Record(members)
    }

    fn columns(&self, node: &NodeReference, of: &dyn Fn(Template) -> Template) -> BTreeMap<String, Template> {
        let column = |column: Column| {
            of(Template::Column {
                node: node.clone(),
                column,
            })
        };
        let on = |network: &String| (network.clone(), column(Column::AddressOn(network.clone())));
        let mut columns = BTreeMap::from([
            ("name".to_owned(), column(Column::Name)),
            (
                "addresses".to_owned(),
                Template::Record(self.hardware.nics.values().map(on).collect()),
            ),
        ]);
        if !self.hardware.nics.is_empty() {
            columns.insert("address".to_owned(), column(Column::Address));
        }
        columns
    }

    /// The name of the group that a value is.
    pub(super) fn of_value(value: &Template) -> Option<&str> {
        which(value)?.get("group")?.as_str()
    }

    /// Whether the value is that of a group of many.
    pub(super) fn is_many(value: &Template) -> bool {
        let many = which(value).and_then(|which| which.get("many"));
        many.and_then(Value::as_bool).unwrap_or(false)
    }
}

fn which(value: &Template) -> Option<&Value> {
    match value {
        Template::Record(members) => match members.get(WHICH)? {
            Template::Value(which) => Some(which),
            _ => None,
        },
        _ => None,
    }
}

/// Adds the groups whose leaders a value uses.
pub(super) fn leaders(value: &Template, found: &mut BTreeSet<String>) {
    // Not recursive, so that depth does not matter.
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Template::Column {
                node: NodeReference::Leader(group),
                ..
            } => {
                found.insert(group.clone());
            }
            Template::Value(_) | Template::Column { .. } | Template::Output { .. } | Template::Secret(_) => {}
            Template::Each { element, .. } => open.push(element),
            Template::Apply { arguments: list, .. } | Template::List(list) => open.extend(list),
            Template::Record(fields) => open.extend(fields.values()),
        }
    }
}
