//! What can be done on a node: one file an action, each behind the same small trait.

mod capture;
mod command;
mod directory;
mod file;
mod group;
mod host;
mod leave;
mod link;
mod package;
mod probe;
mod salted;
mod service;
mod shell;
mod sysctl;
mod systemd;
mod user;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::failure::{Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::protocol::{Observation, Step};
use crate::root::Root;
use crate::store::Store;

/// The node that actions work on.
pub(crate) struct Node<'a> {
    /// Its file system.
    pub(crate) root: &'a Root,
    /// Where what stood there before is kept.
    pub(crate) store: &'a Store,
    /// Tells a person who waits how far it is.
    pub(crate) progress: &'a dyn Fn(&str),
}

/// How an action ended well.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Effect {
    /// Whether the node was changed.
    pub(crate) changed: bool,
    /// What was done, in a few words.
    pub(crate) note: String,
    /// What the step found out.
    pub(crate) outputs: BTreeMap<String, Value>,
    /// What the action wants to be told next time; nothing leaves it as it was.
    pub(crate) memory: Option<Value>,
}

impl Effect {
    /// There was nothing to do.
    pub(crate) fn unchanged(note: impl Into<String>) -> Effect {
        Effect {
            note: note.into(),
            ..Effect::default()
        }
    }

    /// The node was changed.
    pub(crate) fn changed(note: impl Into<String>) -> Effect {
        Effect {
            changed: true,
            note: note.into(),
            ..Effect::default()
        }
    }

    /// With something found out.
    pub(crate) fn output(mut self, name: &str, value: impl Into<Value>) -> Effect {
        self.outputs.insert(name.to_owned(), value.into());
        self
    }

    /// With something to remember.
    pub(crate) fn remember(mut self, memory: Value) -> Effect {
        self.memory = Some(memory);
        self
    }
}

/// One thing on the node. All calls are idempotent, and may follow a crash inside any of them.
pub(crate) trait Action {
    /// Compares; changes nothing.
    fn observe(&self, node: &Node<'_>, known: &Known) -> Result<Observation, Failure>;

    /// What stands there now, with its content kept in the store. Called before the first change.
    fn former(&self, node: &Node<'_>) -> Result<Former, Failure>;

    /// Brings about what is desired.
    fn ensure(&self, node: &Node<'_>, known: &Known) -> Result<Effect, Failure>;

    /// Puts back what was there before we came; takes it away if that was nothing.
    fn undo(&self, node: &Node<'_>, known: &Known, former: &Former) -> Result<Effect, Failure>;

    /// Whether a crash inside `ensure` is ambiguous.
    fn is_once(&self) -> bool {
        false
    }
}

/// The action of a step, with its fields read. Refuses what it does not understand.
pub(crate) fn parse(step: &Step) -> Result<Box<dyn Action>, Refusal> {
    let mut fields = Fields::of(step);
    let action: Box<dyn Action> = match step.action.as_str() {
        "package" => Box::new(package::Package::parse(&mut fields)?),
        "file" => Box::new(file::File::parse(&mut fields)?),
        "directory" => Box::new(directory::Directory::parse(&mut fields)?),
        "link" => Box::new(link::Link::parse(&mut fields)?),
        "user" => Box::new(user::User::parse(&mut fields)?),
        "group" => Box::new(group::Group::parse(&mut fields)?),
        "service" => Box::new(service::Service::parse(&mut fields, &step.loads)?),
        "command" => Box::new(command::Command::parse(&mut fields)?),
        "capture" => Box::new(capture::Capture::parse(&mut fields)?),
        "probe" => Box::new(probe::Probe::parse(&mut fields)?),
        "sysctl" => Box::new(sysctl::Sysctl::parse(&mut fields)?),
        "host" => Box::new(host::Host::parse(&mut fields)?),
        // Roles say it themselves (`on leave`), so it is no kind of theirs.
        "leave" => Box::new(leave::Leave::parse(&mut fields)?),
        other => {
            return Err(Refusal::bad_step(format!(
                "step `{}`: this agent knows no action `{other}`; it knows `{}`",
                step.address,
                crate::ACTIONS.join("`, `")
            )));
        }
    };
    fields.finish()?;
    Ok(action)
}

/// As desired when nothing differs; else what was found, in words.
pub(crate) fn compared(differences: &[String]) -> Observation {
    if differences.is_empty() {
        Observation::InSync
    } else {
        Observation::Differs {
            what: differences.join(", "),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
