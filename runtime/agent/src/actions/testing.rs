//! A node in a temporary folder, for the actions' tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::{Action, Effect, Node};
use crate::failure::Failure;
use crate::ownership::{Former, Known};
use crate::protocol::{Observation, Removal, Step};
use crate::root::Root;
use crate::store::Store;

/// The node.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    root: Root,
    store: Store,
}

impl Bench {
    /// An empty node with `/etc`.
    pub(crate) fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        let store = Store::of(&root);
        store.prepare().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        Bench { folder, root, store }
    }

    /// Where a path of the node is.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// Puts a file on the node.
    pub(crate) fn write(&self, path: &str, content: &str) {
        std::fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        std::fs::write(self.at(path), content).unwrap();
    }

    /// Reads a file of the node.
    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).unwrap()
    }

    /// Calls with this node.
    pub(crate) fn with<T>(&self, call: impl FnOnce(&Node<'_>) -> T) -> T {
        call(&Node {
            root: &self.root,
            store: &self.store,
            progress: &|_| {},
        })
    }

    pub(crate) fn observe(&self, action: &dyn Action) -> String {
        match self.with(|node| action.observe(node, &Known::default())).unwrap() {
            Observation::InSync => "in sync".to_owned(),
            Observation::Differs { what } => what,
            Observation::Unknown { because } => format!("unknown: {because}"),
        }
    }

    pub(crate) fn former(&self, action: &dyn Action) -> Former {
        self.with(|node| action.former(node)).unwrap()
    }

    pub(crate) fn ensure(&self, action: &dyn Action) -> Result<Effect, Failure> {
        self.with(|node| action.ensure(node, &Known::default()))
    }

    pub(crate) fn undo(&self, action: &dyn Action, former: &Former) -> Result<Effect, Failure> {
        self.with(|node| action.undo(node, &Known::default(), former))
    }
}

/// The action of a step with these fields.
pub(crate) fn action(name: &str, fields: Value) -> Box<dyn Action> {
    super::parse(&step(name, fields)).unwrap()
}

/// A step with these fields.
pub(crate) fn step(name: &str, fields: Value) -> Step {
    Step {
        address: format!("run.{name}"),
        action: name.to_owned(),
        key: String::new(),
        fields: serde_json::from_value(fields).unwrap(),
        removal: Removal::Restore,
        loads: BTreeMap::new(),
        secret: Vec::new(),
        replaced: false,
    }
}
