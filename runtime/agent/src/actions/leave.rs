//! `leave`: what is done on a node before it goes. The controller keeps it with the node's other steps and gives it as
//! steps of their own when the time has come; until then there is nothing to do for it.

use super::{Action, Effect, Node};
use crate::failure::{Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::protocol::Observation;

/// Steps that are kept.
#[derive(Debug)]
pub(crate) struct Leave;

impl Leave {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Leave, Refusal> {
        fields.text("run")?;
        fields.ignore("steps");
        Ok(Leave)
    }
}

impl Action for Leave {
    fn observe(&self, _: &Node<'_>, _: &Known) -> Result<Observation, Failure> {
        Ok(Observation::InSync)
    }

    fn former(&self, _: &Node<'_>) -> Result<Former, Failure> {
        Ok(Former::Absent)
    }

    fn ensure(&self, _: &Node<'_>, _: &Known) -> Result<Effect, Failure> {
        Ok(Effect::unchanged("kept for when the node leaves"))
    }

    fn undo(&self, _: &Node<'_>, _: &Known, _: &Former) -> Result<Effect, Failure> {
        Ok(Effect::unchanged("no longer kept"))
    }
}
