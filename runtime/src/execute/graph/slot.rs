//! What a piece of work counts against.

use super::Task;

/// Which limit a piece of work counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// Lanes in all: one conversation with an agent.
    Lane,
    /// Changes of objects that the backend makes at a time.
    Object,
    /// None.
    Free,
}

impl Task {
    /// Which limit it counts against.
    pub(in crate::execute) fn slot(&self) -> Slot {
        match self {
            Task::Segment(..) | Task::Look(..) | Task::Leave(_) | Task::Removal(_) => Slot::Lane,
            Task::MakeNetwork(_)
            | Task::DropNetwork(_)
            | Task::MakeMachine(_)
            | Task::StartMachine(_)
            | Task::DropMachine(..) => Slot::Object,
            // The image is one, and names wait for each other.
            Task::Image | Task::KeepMachine(_) | Task::Names(_) | Task::FinalNames | Task::Barrier(_) => {
                Slot::Free
            }
        }
    }

    /// The node that it works on, if it is about one: its machine or its steps.
    pub(in crate::execute) fn node(&self) -> Option<&str> {
        match self {
            Task::Segment(node, _)
            | Task::Look(node, _)
            | Task::Leave(node)
            | Task::Removal(node)
            | Task::MakeMachine(node)
            | Task::StartMachine(node)
            | Task::DropMachine(node, _) => Some(node),
            Task::Image
            | Task::MakeNetwork(_)
            | Task::DropNetwork(_)
            | Task::KeepMachine(_)
            | Task::Names(_)
            | Task::FinalNames
            | Task::Barrier(_) => None,
        }
    }
}
