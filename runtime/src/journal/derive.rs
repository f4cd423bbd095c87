//! What a line changes in the record of what stands.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rebar_agent::protocol::Verb;
use rebar_compiler::plan::{Move, RecordedStep};

use super::{Entry, NodeFacts, Request, Surgery};
use crate::backend::{MachineSpec, NetworkSpec, ObjectAction};

/// A change of the record.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A network stands.
    PutNetwork(NetworkSpec),
    /// A network is gone.
    DropNetwork(String),
    /// A machine stands, with nothing on it if it is new.
    PutMachine(Box<MachineSpec>, NodeFacts),
    /// A machine is gone with everything on it; `true` if its name is free again.
    DropMachine(String, bool),
    /// A step is begun on a node. What stands under its address and is another thing is its older thing from then on.
    BeginStep(String, Box<RecordedStep>),
    /// A step's removal is begun on a node. Of a step that is replaced it is the older thing from then on.
    BeginRemoval(String, Box<RecordedStep>),
    /// A step stands on a node.
    PutStep(String, Box<RecordedStep>),
    /// A step is gone from a node.
    DropStep(String, Box<RecordedStep>),
    /// A machine was started, and may have forgotten the names.
    Restarted(String),
    /// A group, run or step is called otherwise.
    Rename(Move),
    /// This table of names is known to these machines.
    PutNames(BTreeMap<String, Vec<IpAddr>>, Vec<String>),
}

/// What `entry` changes, when it is about `request`.
pub fn changes(request: &Request, entry: &Entry) -> Option<Change> {
    match (entry, request) {
        (
            Entry::Intent { .. },
            Request::Step {
                node,
                verb: Verb::Ensure,
                step,
            },
        ) => Some(Change::BeginStep(node.clone(), step.clone())),
        (
            Entry::Intent { .. },
            Request::Step {
                node,
                verb: Verb::Remove,
                step,
            },
        ) => Some(Change::BeginRemoval(node.clone(), step.clone())),
        (
            Entry::Done { outputs, .. },
            Request::Step {
                node,
                verb: Verb::Ensure,
                step,
            },
        ) => {
            let mut step = step.clone();
            step.outputs.clone_from(outputs);
            Some(Change::PutStep(node.clone(), step))
        }
        (
            Entry::Done { .. },
            Request::Step {
                node,
                verb: Verb::Remove,
                step,
            },
        ) => Some(Change::DropStep(node.clone(), step.clone())),
        (
            Entry::Done { .. },
            Request::Object {
                action,
                node,
                leaves,
                told,
            },
        ) => done(action, node.as_ref(), *leaves, told),
        (Entry::Done { .. }, Request::Surgery { surgery }) => operated(surgery),
        (Entry::Intent { .. }, Request::Object { .. } | Request::Surgery { .. })
        | (Entry::Handle { .. } | Entry::Failed { .. }, _) => None,
    }
}

fn operated(surgery: &Surgery) -> Option<Change> {
    match surgery {
        Surgery::ForgetMachine { name } => Some(Change::DropMachine(name.clone(), true)),
        Surgery::ForgetNetwork { name } => Some(Change::DropNetwork(name.clone())),
        Surgery::ForgetNames => Some(Change::PutNames(BTreeMap::new(), Vec::new())),
        Surgery::Rename { renamed } => Some(Change::Rename(renamed.clone())),
        // What a deploy is called, and where its record is from, is not told by what stands.
        Surgery::Move { .. } | Surgery::Forget { .. } | Surgery::Rebuild { .. } | Surgery::Import { .. } => {
            None
        }
    }
}

fn done(action: &ObjectAction, node: Option<&NodeFacts>, leaves: bool, told: &[String]) -> Option<Change> {
    match action {
        ObjectAction::PrepareImage { .. } => None,
        ObjectAction::StartMachine { machine } => Some(Change::Restarted(machine.name.clone())),
        ObjectAction::CreateNetwork { network } => Some(Change::PutNetwork(network.clone())),
        ObjectAction::DestroyNetwork { name } => Some(Change::DropNetwork(name.clone())),
        ObjectAction::CreateMachine { machine } => {
            node.map(|facts| Change::PutMachine(machine.clone(), facts.clone()))
        }
        ObjectAction::DestroyMachine { name } => Some(Change::DropMachine(name.clone(), leaves)),
        ObjectAction::PublishNames { names } => Some(Change::PutNames(names.clone(), told.to_vec())),
    }
}
