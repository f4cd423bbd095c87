//! Which `moved` items concern a deploy, and what they find in its record.

use std::borrow::Cow;

use super::Instances;
use super::deploy::Layout;
use crate::check::{Deploy, Part};
use crate::diagnostics::codes::expand as codes;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::plan::{Ledger, Move, Snapshot, move_groups};
use crate::source::Span;

impl Layout<'_> {
    /// Everything that may be recorded under another name: groups, then runs, then steps. And where it is written.
    pub(super) fn moves(&self, deploy: &Deploy) -> (Vec<Move>, Vec<(Span, Span)>) {
        let (mut parts, mut steps) = (Vec::new(), Vec::new());
        for moved in &self.typed.moves {
            let (from, to) = (moved.from.clone(), moved.to.clone());
            let at = (moved.span, moved.target);
            match moved.part {
                Part::Group if moved.owner == deploy.workload => parts.push((Move::Group { from, to }, at)),
                Part::Run if moved.owner == deploy.workload => parts.push((Move::Run { from, to }, at)),
                Part::Group | Part::Run => {}
                Part::Step => {
                    let of_role = self
                        .runs
                        .iter()
                        .zip(&self.roles)
                        .filter(|(_, r)| **r == moved.owner);
                    for (run, _) in of_role {
                        let (run, from, to) = (run.name.clone(), from.clone(), to.clone());
                        steps.push((Move::Step { run, from, to }, at));
                    }
                }
            }
        }
        parts.into_iter().chain(steps).unzip()
    }

    /// The ledger with groups under the names of now, if one of them has another name there. Two groups that would
    /// become one are reported.
    pub(super) fn moved_ledger(
        &mut self,
        deploy: &str,
        ledger: &Ledger,
        moves: &[Move],
        places: &[(Span, Span)],
    ) -> Option<Ledger> {
        let held = ledger.deploys.get(deploy)?;
        for (step, at) in moves.iter().zip(places) {
            let Move::Group { from, to } = step else { continue };
            let node_of = |group: &String| held.iter().find(|(_, n)| n.group == *group).map(|(name, _)| name);
            if let (Some(_), Some(node)) = (node_of(from), node_of(to)) {
                let what = format!("node `{node}` is in group `{to}`");
                self.report(taken(deploy, step, *at, &what));
            }
        }
        move_groups(ledger, deploy, moves)
    }
}

/// Reports moves to something that is recorded already.
pub(crate) fn refuse_taken(instances: &Instances, snapshot: &Snapshot, diagnostics: &mut Diagnostics) {
    let mut after = Cow::Borrowed(snapshot);
    for (step, at) in instances.moves.iter().zip(&instances.moved_at) {
        if !step.finds(&after.nodes) {
            continue;
        }
        match step.in_the_way(&after) {
            Some((node, what)) => {
                let what = format!("node `{node}` has {what}");
                diagnostics.push(taken(&instances.deploy, step, *at, &what));
            }
            None => after
                .to_mut()
                .nodes
                .values_mut()
                .for_each(|node| step.apply(node)),
        }
    }
}

fn taken(deploy: &str, step: &Move, (from, to): (Span, Span), what: &str) -> Diagnostic {
    let message = format!(
        "{} of `{deploy}` cannot become `{}`: both are recorded",
        step.before().replacen(' ', " `", 1) + "`",
        step.after()
    );
    Diagnostic::error(codes::MOVED_BOTH_RECORDED, from, message)
        .here("this is recorded")
        .label(to, format!("and so is this: {what}"))
        .help(format!(
            "they are two things. Take the `moved` out, so that the one of the old name is removed and the other stays; \
             or take the other one away first: `rebar status {deploy}` shows both"
        ))
}
