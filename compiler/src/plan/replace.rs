//! What cannot be changed in place: which fields say so, and what the old thing is called while both are known.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::digest::hex;
use super::{Hardware, Image, RecordedStep};

/// When the old thing goes, where another takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// The new one comes after the old one is gone.
    #[default]
    After,
    /// The new one comes before the old one goes, where their keys differ: two things of one key cannot stand at once.
    Before,
}

impl Replacement {
    /// Whether it need not be written.
    pub fn is_usual(&self) -> bool {
        *self == Replacement::After
    }
}

/// A field that has changed, with both values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldChange {
    /// The field.
    pub field: String,
    /// What was applied; missing if it had no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is desired; missing if it has no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}
// Values are JSON, in which nothing is unequal to itself.
impl Eq for FieldChange {}

/// The fields of `names` that differ.
pub(super) fn field_changes<'n>(
    names: impl IntoIterator<Item = &'n String>,
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
) -> Vec<FieldChange> {
    let change = |name: &String| FieldChange {
        field: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    };
    let all = names.into_iter().map(change);
    all.filter(|change| change.before != change.after).collect()
}

/// What a machine was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MadeOf {
    /// Its image.
    pub image: Option<Image>,
    /// What was asked of it.
    pub hardware: Hardware,
    /// What the site gave the backend.
    pub settings: BTreeMap<String, Value>,
    /// The address of each interface.
    pub addresses: BTreeMap<String, IpAddr>,
}

impl MadeOf {
    /// What it differs in from `now`, with both values; interfaces with their networks.
    pub(super) fn changes(&self, now: &MadeOf) -> Vec<FieldChange> {
        let (before, after) = (self.fields(), now.fields());
        let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        field_changes(names, &before, &after)
    }

    fn fields(&self) -> BTreeMap<String, Value> {
        let hardware = &self.hardware;
        let image = self.image.as_ref().map(|image| {
            let (name, suite) = (&image.name, &image.suite);
            match image.packages.is_empty() {
                true => format!("{name} ({suite} {})", image.variant),
                false => format!(
                    "{name} ({suite} {}, {})",
                    image.variant,
                    image.packages.join(", ")
                ),
            }
        });
        let mut fields = BTreeMap::from([
            ("image".to_owned(), json!(image)),
            ("hardware".to_owned(), json!(hardware.name)),
            ("cpu".to_owned(), json!(hardware.cpu)),
            ("memory".to_owned(), json!(hardware.memory)),
        ]);
        let disks = hardware.disks.iter();
        fields.extend(disks.map(|(name, size)| (format!("disk {name}"), json!(size))));
        let nics = hardware.nics.iter();
        fields.extend(nics.map(|(name, network)| (format!("nic {name}"), json!(network))));
        let addresses = self.addresses.iter();
        fields.extend(addresses.map(|(name, address)| (format!("address of {name}"), json!(address))));
        let settings = self.settings.iter();
        fields.extend(settings.map(|(name, value)| (format!("setting {name}"), value.clone())));
        fields
    }
}

/// What stands between a step's name and the mark of an older thing of it.
const MARK: &str = "[replaced ";

/// A recorded step as what its successor replaces: under an address of its own, by which it goes until it is removed.
pub fn replaced_step(step: &RecordedStep) -> RecordedStep {
    let mut hash = Sha256::new();
    for part in [&step.kind, &step.key, &step.digest] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let short = &hex(&hash.finalize())[..8];
    let address = format!("{}{MARK}{short}]", step.address);
    super::moved_step(step.clone(), &address)
}

impl RecordedStep {
    /// The address of the step whose older thing this is.
    pub fn successor(&self) -> Option<&str> {
        self.address.split_once(MARK).map(|(address, _)| address)
    }
}
