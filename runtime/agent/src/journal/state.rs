//! What a journal says: the sum of its entries.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ownership::{Former, Known, Owned, Resource};
use crate::protocol::{FailureClass, Prior, Verb};

/// So many finished operations are remembered.
const REMEMBERED: usize = 2000;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(crate) enum Entry {
    /// All that the lines before it said.
    Snapshot {
        /// Their sum.
        state: Box<State>,
    },
    /// The node belongs to this deploy.
    Claimed {
        /// The deploy's id.
        deploy: String,
    },
    /// A writer with this epoch has been here.
    Epoch {
        /// The epoch.
        epoch: u64,
    },
    /// A step is begun. What stood there before is known and kept.
    Begun {
        /// The operation.
        operation: String,
        /// The step.
        address: String,
        /// What it is about.
        resource: Resource,
        /// What is done with it.
        verb: Verb,
        /// Whether a crash inside it is ambiguous.
        once: bool,
        /// What stood there before, where it becomes ours now.
        former: Option<Former>,
    },
    /// A step is done.
    Done {
        /// The operation.
        operation: String,
        /// How it ended.
        outcome: Outcome,
        /// What the action wants to remember; nothing leaves it as it was.
        memory: Option<Value>,
        /// Whether it is no longer ours.
        released: bool,
        /// Whether this attempt or a broken-off one before it changed something.
        touched: bool,
    },
    /// A step failed.
    Failed {
        /// The operation.
        operation: String,
        /// Whether trying again can help.
        class: FailureClass,
        /// What went wrong.
        message: String,
    },
    /// A person told what became of a `once` command.
    Settled {
        /// The step.
        address: String,
        /// Whether it counts as done; otherwise it is run again.
        done: bool,
    },
}

/// How a step ended well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Whether the node was changed.
    pub(crate) changed: bool,
    /// What was done.
    pub(crate) note: String,
    /// What was there before.
    pub(crate) prior: Prior,
    /// What the step found out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) outputs: BTreeMap<String, Value>,
}

/// The sum of all entries.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// The deploy that the node belongs to.
    pub(crate) deploy: Option<String>,
    /// The highest epoch seen.
    pub(crate) epoch: u64,
    /// Number of entries so far.
    pub(crate) sequence: u64,
    /// What became of operations.
    pub(crate) operations: BTreeMap<String, Operation>,
    /// What we own.
    pub(crate) owned: BTreeMap<Resource, Owned>,
    /// `once` steps that were begun or done.
    pub(crate) once: BTreeMap<Resource, OnceState>,
    /// When (in entries) each step last changed something.
    pub(crate) changes: BTreeMap<String, u64>,
    /// Things on which a step was begun and did not end well since.
    pub(crate) unsettled: BTreeSet<Resource>,
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Operation {
    /// When it was begun, in entries.
    pub(crate) begun: u64,
    /// The step.
    pub(crate) address: String,
    /// What it is about.
    pub(crate) resource: Resource,
    /// How far it came.
    pub(crate) progress: Progress,
}

/// How far an operation came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Progress {
    /// Begun.
    Begun,
    /// Done.
    Done(Outcome),
    /// It failed: with this message.
    Failed(String),
}

/// How a `once` step stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnceState {
    /// Begun by the step of this address; whether it ended nobody knows.
    Begun(String),
    /// Done.
    Done,
}

impl State {
    /// What an action is told about its thing.
    pub(crate) fn known(&self, resource: &Resource) -> Known {
        let owned = self.owned.get(resource);
        Known {
            former: owned.map(|owned| owned.former.clone()),
            memory: owned.map(|owned| owned.memory.clone()).unwrap_or_default(),
            done_once: self.once.get(resource) == Some(&OnceState::Done),
            changes: self.changes.clone(),
            now: self.sequence,
        }
    }

    /// Adds an entry.
    pub(crate) fn apply(&mut self, entry: Entry) {
        self.sequence += 1;
        match entry {
            Entry::Snapshot { state } => *self = *state,
            Entry::Claimed { deploy } => self.deploy = Some(deploy),
            Entry::Epoch { epoch } => self.epoch = self.epoch.max(epoch),
            Entry::Begun {
                operation,
                address,
                resource,
                verb,
                once,
                former,
            } => {
                if once {
                    self.once
                        .insert(resource.clone(), OnceState::Begun(address.clone()));
                }
                if verb == Verb::Ensure {
                    self.own(&address, &resource, former);
                }
                self.begin(operation, address, resource);
            }
            Entry::Done {
                operation,
                outcome,
                memory,
                released,
                touched,
            } => {
                self.finish(&operation, outcome, memory, released, touched);
            }
            Entry::Failed {
                operation,
                class: _,
                message,
            } => {
                if let Some(known) = self.operations.get_mut(&operation) {
                    known.progress = Progress::Failed(message);
                    if matches!(self.once.get(&known.resource), Some(OnceState::Begun(_))) {
                        // It is known how it ended: it may be tried again.
                        self.once.remove(&known.resource);
                    }
                }
            }
            Entry::Settled { address, done } => {
                let begun = OnceState::Begun(address);
                if done {
                    self.once
                        .values_mut()
                        .filter(|state| **state == begun)
                        .for_each(|state| *state = OnceState::Done);
                } else {
                    self.once.retain(|_, state| *state != begun);
                }
            }
        }
    }

    fn own(&mut self, address: &str, resource: &Resource, former: Option<Former>) {
        match (self.owned.get_mut(resource), former) {
            // A step that was renamed takes over what its old name owned.
            (Some(owned), _) => address.clone_into(&mut owned.address),
            (None, Some(former)) => {
                let owned = Owned {
                    address: address.to_owned(),
                    former,
                    memory: Value::Null,
                };
                self.owned.insert(resource.clone(), owned);
            }
            (None, None) => {}
        }
    }

    fn begin(&mut self, operation: String, address: String, resource: Resource) {
        self.unsettled.insert(resource.clone());
        let begun = Operation {
            begun: self.sequence,
            address,
            resource,
            progress: Progress::Begun,
        };
        self.operations.insert(operation, begun);
        self.forget_old();
    }

    fn finish(
        &mut self,
        operation: &str,
        outcome: Outcome,
        memory: Option<Value>,
        released: bool,
        touched: bool,
    ) {
        let Some(known) = self.operations.get_mut(operation) else {
            return;
        };
        self.unsettled.remove(&known.resource);
        if let Some(state @ OnceState::Begun(_)) = self.once.get_mut(&known.resource) {
            *state = OnceState::Done;
        }
        if touched {
            self.changes.insert(known.address.clone(), self.sequence);
        }
        if released {
            self.owned.remove(&known.resource);
            self.changes.remove(&known.address);
        } else if let (Some(owned), Some(memory)) = (self.owned.get_mut(&known.resource), memory) {
            owned.memory = memory;
        }
        known.progress = Progress::Done(outcome);
    }

    fn forget_old(&mut self) {
        if self.operations.len() <= REMEMBERED {
            return;
        }
        let mut ages: Vec<u64> = self
            .operations
            .values()
            .map(|operation| operation.begun)
            .collect();
        ages.sort_unstable();
        let oldest_kept = ages[ages.len() - REMEMBERED / 2];
        self.operations
            .retain(|_, operation| operation.begun >= oldest_kept);
    }
}
