//! What a plan leaves out, and what therefore cannot be done.

use super::Builder;

/// Causes begin like this where nothing failed, and something is left out.
pub(in crate::execute) const LEFT_OUT: &str = "left out: ";

impl Builder<'_> {
    /// The first of these runs that is not done on a node that is left out.
    pub(super) fn left_out<'r>(&self, runs: impl IntoIterator<Item = &'r str>) -> Option<String> {
        let left_out = &self.plan.selection.as_ref()?.left_out;
        runs.into_iter().find_map(|run| {
            let not_done = |of: &String| of == run;
            let (node, _) = left_out.iter().find(|(_, out)| out.runs.iter().any(not_done))?;
            Some(format!("{LEFT_OUT}{node}/{run}"))
        })
    }

    /// On how many nodes that are left out a run is not done.
    pub(super) fn count_left_out(&self, run: &str) -> usize {
        let left_out = self
            .plan
            .selection
            .iter()
            .flat_map(|selection| &selection.left_out);
        left_out
            .filter(|(_, out)| out.runs.iter().any(|of| of == run))
            .count()
    }

    /// A node that is left out with something to be changed there: it may still use what leaves.
    pub(super) fn left_out_user(&self) -> Option<String> {
        let left_out = &self.plan.selection.as_ref()?.left_out;
        let (node, out) = left_out.iter().find(|(_, out)| !out.runs.is_empty())?;
        let run = out.runs.first()?;
        Some(format!("{LEFT_OUT}{node}/{run}"))
    }
}
