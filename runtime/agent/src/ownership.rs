//! Whose the things on the node are: what stood at a step's place before rebar first touched it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::protocol::{Prior, Step};

/// Identity of a thing on the node: `file /etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Resource(String);

impl Resource {
    /// What this step is about.
    pub(crate) fn of(step: &Step) -> Resource {
        Resource(format!("{} {}", step.action, step.key))
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What stood there before, with all that is needed to put it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
pub(crate) enum Former {
    /// Nothing.
    Absent,
    /// A package that was not installed; these were.
    NotInstalled {
        /// Names of all packages that were installed then.
        installed: Vec<String>,
    },
    /// Something that is never changed back, only left.
    Present,
    /// A regular file; its content is kept in the store.
    File {
        /// Digest of the content.
        content: String,
        /// Permissions.
        mode: u32,
        /// Owner's number.
        uid: u32,
        /// Group's number.
        gid: u32,
    },
    /// A directory.
    Directory {
        /// Permissions.
        mode: u32,
        /// Owner's number.
        uid: u32,
        /// Group's number.
        gid: u32,
    },
    /// A symbolic link.
    Link {
        /// Where it pointed.
        target: String,
    },
    /// A user account.
    Account {
        /// Supplementary groups.
        groups: Vec<String>,
    },
    /// A service.
    Unit {
        /// Whether it ran.
        active: bool,
        /// In systemctl's words: `enabled`, `disabled`, `masked` …
        enabled: String,
    },
    /// A setting of the kernel.
    Setting {
        /// Its value.
        value: String,
    },
}

impl Former {
    /// In the words of the protocol.
    pub(crate) fn prior(&self) -> Prior {
        match self {
            Former::Absent | Former::NotInstalled { .. } => Prior::Absent,
            Former::Present
            | Former::File { .. }
            | Former::Directory { .. }
            | Former::Link { .. }
            | Former::Account { .. }
            | Former::Unit { .. }
            | Former::Setting { .. } => Prior::Present,
        }
    }
}

/// What the journal knows of a thing that we own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Owned {
    /// The step that it belongs to.
    pub(crate) address: String,
    /// What stood there before.
    pub(crate) former: Former,
    /// What its action wants to remember.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) memory: Value,
}

/// What an action is told about its thing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// What stood there before; nothing if we do not own it.
    pub(crate) former: Option<Former>,
    /// What the action remembered.
    pub(crate) memory: Value,
    /// Whether a `once` step has been done in this node's life.
    pub(crate) done_once: bool,
    /// When (in journal entries) each step last changed something.
    pub(crate) changes: BTreeMap<String, u64>,
    /// The journal's present length in entries.
    pub(crate) now: u64,
}
