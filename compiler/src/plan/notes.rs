//! What a plan tells of where its spec came from: arguments that were given beside it, patches of packages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An argument that was given beside the spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenValue {
    /// Its value in base units.
    pub value: serde_json::Value,
    /// `--arg`, `--args values.json`, `REBAR_ARG_replicas`
    pub from: String,
}

/// One change of a patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchNote {
    /// The package, or `std`.
    pub package: String,
    /// Its version.
    pub version: String,
    /// What was changed: `ceph.osd role osd before service osd`.
    pub what: String,
    /// `main.rebar:12:5`
    pub place: String,
}
