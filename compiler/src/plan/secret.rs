//! Secrets in plans and records: which one is meant, never what it is.
//!
//! A filled value keeps the parts that hold secrets *sealed*: the template that will make the text, with all columns
//! filled in, and a keyed MAC of each secret as it was when that was last known. Whoever has the secrets opens it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fill::{FillContext, FillError};
use super::functions;
use super::moves::take_effect;
use super::template::{Function, Template};
use super::{Plan, Snapshot};

/// The one field of a sealed value. No field of a record can be called so.
const SEALED: &str = "rebar:secret";

/// Which secret is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretReference {
    /// Its name: `secret("bmc")`.
    pub name: String,
    /// For those that rebar makes itself: how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Recipe>,
}

/// How a secret is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// How many letters and digits.
    pub length: u32,
    /// Another version is another secret.
    pub version: u32,
}

impl SecretReference {
    /// The name under which plans list it.
    pub fn id(&self) -> String {
        match self.generated {
            None => self.name.clone(),
            Some(Recipe { length, version }) => format!("{}/{length}/{version}", self.name),
        }
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generated {
            None => write!(f, "secret {}", self.name),
            Some(Recipe { version, .. }) => write!(f, "generated {}, version {version}", self.name),
        }
    }
}

/// What a plan knows of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedSecret {
    /// Which one.
    pub reference: SecretReference,
    /// Its MAC under the project's key; nothing where it could not be asked for and was never applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Whether it could not be asked for, and is taken to be as it was applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

/// A value that is put together from secrets when it is needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    value: Template,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    macs: BTreeMap<String, String>,
}

/// Whether a map is that of a sealed value.
pub(super) fn is_sealed(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.contains_key(SEALED)
}

/// Whether there is a secret in a value.
pub fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Object(map) => is_sealed(map) || map.values().any(holds_secret),
        Value::Array(list) => list.iter().any(holds_secret),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The sealed value that stands for `template`, which has no columns.
pub(super) fn seal(value: Template, macs: BTreeMap<String, String>) -> Value {
    // All of a template has a JSON form.
    let sealed = serde_json::to_value(Sealed { value, macs }).unwrap_or_default();
    Value::Object(Map::from_iter([(SEALED.to_owned(), sealed)]))
}

fn read(map: &Map<String, Value>) -> Option<Sealed> {
    serde_json::from_value(map.get(SEALED)?.clone()).ok()
}

/// A filled value as a template again; the MACs in it go to `macs`.
pub(super) fn unfilled(value: Value, macs: &mut BTreeMap<String, String>) -> Result<Template, FillError> {
    if !holds_secret(&value) {
        return Ok(Template::Value(value));
    }
    Ok(match value {
        Value::Object(map) if is_sealed(&map) => {
            let sealed = read(&map).ok_or(FillError::Sealed)?;
            macs.extend(sealed.macs);
            sealed.value
        }
        Value::Object(map) => {
            let mut record = BTreeMap::new();
            for (name, value) in map {
                record.insert(name, unfilled(value, macs)?);
            }
            Template::Record(record)
        }
        Value::Array(list) => {
            let list = list.into_iter().map(|value| unfilled(value, macs));
            Template::List(list.collect::<Result<_, _>>()?)
        }
        plain => Template::Value(plain),
    })
}

/// A function over arguments with secrets in them: text waits until they are opened.
pub(super) fn apply_sealed(function: Function, values: Vec<Value>) -> Result<Value, FillError> {
    match function {
        // These look at the list and not at what is in it.
        Function::Join | Function::Length if values.iter().all(Value::is_array) => {
            Ok(functions::apply(function, &values)?)
        }
        Function::Concat | Function::Render => {
            let mut macs = BTreeMap::new();
            let arguments = values.into_iter().map(|value| unfilled(value, &mut macs));
            let arguments = arguments.collect::<Result<_, _>>()?;
            Ok(seal(Template::Apply { function, arguments }, macs))
        }
        _ => Err(FillError::Sealed),
    }
}

/// The secrets that a filled value is made from.
pub fn secrets_in(value: &Value) -> BTreeSet<SecretReference> {
    let mut found = BTreeSet::new();
    each_sealed(value, &mut |sealed| in_template(&sealed.value, &mut found));
    found
}

/// The MACs that a filled value keeps, by the secret's id.
pub fn macs_in(value: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    each_sealed(value, &mut |sealed| found.extend(sealed.macs.clone()));
    found
}

fn each_sealed(value: &Value, found: &mut dyn FnMut(&Sealed)) {
    match value {
        Value::Object(map) if is_sealed(map) => {
            if let Some(sealed) = read(map) {
                found(&sealed);
            }
        }
        Value::Object(map) => map.values().for_each(|inner| each_sealed(inner, found)),
        Value::Array(list) => list.iter().for_each(|inner| each_sealed(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The secrets of a template.
fn in_template(template: &Template, found: &mut BTreeSet<SecretReference>) {
    // Not recursive, so that depth does not matter.
    let mut open = vec![template];
    while let Some(template) = open.pop() {
        match template {
            Template::Secret(reference) => {
                found.insert(reference.clone());
            }
            // A value that another deploy has handed out may be sealed.
            Template::Value(value) if holds_secret(value) => found.extend(secrets_in(value)),
            other => open.extend(other.parts()),
        }
    }
}

/// The value with its secrets. `values` are those, by id; it must have all of [`secrets_in`].
///
/// # Errors
/// [`FillError::Sealed`] when one is missing, or what is sealed is none of the compiler's. The error says nothing of
/// what is inside.
pub fn open(value: &Value, values: &BTreeMap<String, String>) -> Result<Value, FillError> {
    if !holds_secret(value) {
        return Ok(value.clone());
    }
    let sealed = unfilled(value.clone(), &mut BTreeMap::new())?;
    let context = FillContext::opening(values);
    let opened = context.fill(&sealed, None).map_err(|_| FillError::Sealed)?;
    match holds_secret(&opened) {
        false => Ok(opened),
        true => Err(FillError::Sealed),
    }
}

/// The value without what is sealed in it: such fields and elements are left out.
pub fn without_secrets(value: &Value) -> Option<Value> {
    match value {
        Value::Object(map) if is_sealed(map) => None,
        Value::Object(map) => {
            let kept = map
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), without_secrets(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(list) => Some(Value::Array(list.iter().filter_map(without_secrets).collect())),
        plain => Some(plain.clone()),
    }
}

/// The value as people and programs are shown it: in place of what is sealed, the names of its secrets.
pub fn shown(value: &Value) -> Value {
    match value {
        Value::Object(map) if is_sealed(map) => {
            let names: Vec<String> = secrets_in(value).iter().map(ToString::to_string).collect();
            format!("({})", names.join(", ")).into()
        }
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(name, value)| (name.clone(), shown(value)))
                .collect(),
        ),
        Value::Array(list) => Value::Array(list.iter().map(shown).collect()),
        plain => plain.clone(),
    }
}

/// All secrets that the steps and outputs of a plan use; nothing is known of them yet.
pub(super) fn of_plan<'a>(templates: impl Iterator<Item = &'a Template>) -> BTreeMap<String, PlannedSecret> {
    let mut found = BTreeSet::new();
    templates.for_each(|template| in_template(template, &mut found));
    let planned = |reference: SecretReference| PlannedSecret {
        reference,
        mac: None,
        assumed: false,
    };
    found
        .into_iter()
        .map(|reference| (reference.id(), planned(reference)))
        .collect()
}

/// What could be found out of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretKnown {
    /// Its MAC.
    Mac(String),
    /// It cannot be asked for here: it is taken to be as it was applied.
    Unavailable,
    /// There is no key to make a MAC with: whatever was applied counts as another secret.
    NoKey,
}

/// Tells a plan what is known of its secrets, by id, and decides anew what is to be done.
pub fn know_secrets(plan: &mut Plan, snapshot: &Snapshot, known: &BTreeMap<String, SecretKnown>) {
    let (_, snapshot) = take_effect(&plan.moves, snapshot);
    let snapshot = snapshot.as_ref();
    for (id, secret) in &mut plan.secrets {
        (secret.mac, secret.assumed) = match known.get(id) {
            Some(SecretKnown::Mac(mac)) => (Some(mac.clone()), false),
            Some(SecretKnown::NoKey) => (None, false),
            None | Some(SecretKnown::Unavailable) => (recorded(snapshot, id), true),
        };
    }
    super::planning::decide(plan, snapshot);
}

/// The MAC that a secret had when it was applied last.
pub fn recorded(snapshot: &Snapshot, id: &str) -> Option<String> {
    let steps = snapshot.nodes.values().flat_map(|node| node.steps.values());
    steps
        .flat_map(|step| step.fields.values())
        .find_map(|value| macs_in(value).remove(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Function;
    use serde_json::json;

    fn reference(name: &str) -> SecretReference {
        SecretReference {
            name: name.to_owned(),
            generated: None,
        }
    }

    fn sealed() -> Value {
        let value = Template::Apply {
            function: Function::Concat,
            arguments: vec![Template::Value("key=".into()), Template::Secret(reference("a"))],
        };
        seal(value, BTreeMap::from([("a".to_owned(), "m".to_owned())]))
    }

    #[test]
    fn what_is_sealed_is_opened_where_it_stands() {
        let value = json!({ "A": "plain", "B": sealed(), "list": [sealed(), 1] });
        let values = BTreeMap::from([("a".to_owned(), "hush".to_owned())]);
        assert_eq!(
            open(&value, &values).unwrap(),
            json!({ "A": "plain", "B": "key=hush", "list": ["key=hush", 1] })
        );
        assert_eq!(open(&value, &BTreeMap::new()), Err(FillError::Sealed));
        assert_eq!(secrets_in(&value), BTreeSet::from([reference("a")]));
        assert_eq!(macs_in(&value)["a"], "m");
        assert_eq!(
            without_secrets(&value).unwrap(),
            json!({ "A": "plain", "list": [1] })
        );
        assert_eq!(shown(&value)["B"], json!("(secret a)"));
    }

    #[test]
    fn what_only_looks_sealed_is_refused_and_not_shown() {
        let value = json!({ "rebar:secret": { "value": { "nonsense": 1 } } });
        assert!(holds_secret(&value));
        assert_eq!(open(&value, &BTreeMap::new()), Err(FillError::Sealed));
        assert_eq!(shown(&value), json!("()"));
    }
}
