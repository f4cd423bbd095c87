//! A person's answer to what nobody else can know: whether a `once` command was done when it was broken off.

use std::path::Path;

use crate::failure::Failure;
use crate::journal::{Entry, Journal, OnceState};
use crate::protocol::FailureClass;
use crate::root::Root;
use crate::store::Store;

/// What became of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was done; it is not run again.
    Accept,
    /// It was not; it is run again.
    Forget,
}

/// Writes the answer for the step of this address into the node's journal, and tells what follows from it.
/// The error is for a person.
pub fn settle(root: &Path, address: &str, answer: Answer) -> Result<String, String> {
    let store = Store::of(&Root::new(root));
    store.prepare().map_err(|refusal| refusal.message)?;
    let _lock = store.lock().map_err(|refusal| refusal.message)?;
    let mut journal = Journal::open(&store).map_err(|refusal| refusal.message)?;
    record(&mut journal, address, answer)?;
    Ok(match answer {
        Answer::Accept => format!("`{address}` counts as done"),
        Answer::Forget => format!("`{address}` is run again by the next apply"),
    })
}

/// The same on a journal that is open. The error is for a person.
pub(crate) fn record(journal: &mut Journal, address: &str, answer: Answer) -> Result<(), String> {
    let asked = OnceState::Begun(address.to_owned());
    if !journal.state().once.values().any(|state| *state == asked) {
        return Err(format!(
            "no `once` command of the step `{address}` was broken off on this node"
        ));
    }
    journal
        .append(Entry::Settled {
            address: address.to_owned(),
            done: answer == Answer::Accept,
        })
        .map_err(|error| format!("cannot write the node's journal: {error}"))
}

/// A crash inside a `once` command.
pub(crate) fn ambiguous(address: &str) -> Failure {
    Failure {
        class: FailureClass::Ambiguous,
        message: format!(
            "the `once` command `{address}` was broken off, and nobody knows whether it was done; look at the node, \
             then run on it `rebar-agent accept {address}` if it was, or `rebar-agent forget {address}` to run it again"
        ),
        detail: String::new(),
    }
}
