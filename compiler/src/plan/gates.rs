//! What waits for what between runs, and how much of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The run `of` starts when the run `after` is done: on all its nodes, or as `mode` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The run that waits.
    pub of: String,
    /// The run that is waited for.
    pub after: String,
    /// Why, in words: "`entry` uses the output `url` of `pages`".
    pub reason: String,
    /// Where that is written: `main.rebar:31:27`.
    pub place: String,
    /// How much of the run that is waited for must be done.
    #[serde(default, skip_serializing_if = "GateMode::is_all")]
    pub mode: GateMode,
}

/// How much of a run must be done before another one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateMode {
    /// One node.
    Any,
    /// More than half of its nodes.
    Quorum,
    /// All its nodes.
    #[default]
    All,
}

impl GateMode {
    /// Whether it is the usual one, which plans leave out.
    pub(super) fn is_all(&self) -> bool {
        *self == GateMode::All
    }

    /// How many of so many nodes must be done.
    pub fn enough(self, nodes: usize) -> usize {
        match self {
            GateMode::Any => nodes.min(1),
            GateMode::Quorum if nodes == 0 => 0,
            GateMode::Quorum => nodes / 2 + 1,
            GateMode::All => nodes,
        }
    }

    /// In words: "all of", "any node of".
    pub fn words(self) -> &'static str {
        match self {
            GateMode::Any => "any node of",
            GateMode::Quorum => "a quorum of",
            GateMode::All => "all of",
        }
    }
}
