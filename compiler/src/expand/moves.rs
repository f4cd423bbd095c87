//! Which `moved` items concern a deploy, and what they find in its record.

use std::borrow::Cow;

use super::Instances;
use super::deploy::Layout;
use super::loops::name_of_group;
use crate::check::{Deploy, Part};
use crate::diagnostics::codes::expand as codes;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::plan::{Ledger, Move, Snapshot, move_groups};
use crate::resolve::ItemId;
use crate::source::Span;

/// Paths to groups that are looked at: nested moves of one group multiply.
const MAX_PATHS: usize = 100_000;

/// A run or group with the paths to it.
struct MovedPart {
    is_run: bool,
    from: String,
    to: String,
    /// In how many workloads it is.
    depth: usize,
    at: (Span, Span),
}

impl MovedPart {
    /// The moves in all turns of the `for` around it. With a run go the groups of its workload. `paths` are those of all
    /// groups, to which older ones are added.
    fn moves(&self, paths: &mut Vec<String>) -> Vec<Move> {
        let belongs = |rest: &str| match self.is_run {
            true => rest.starts_with(['.', '[']),
            false => rest.is_empty() || rest.starts_with('['),
        };
        let mut moves = Vec::new();
        let mut older = Vec::new();
        for path in paths.iter() {
            if let Some(rest) = path.strip_prefix(&self.to).filter(|rest| belongs(rest)) {
                let before = format!("{}{rest}", self.from);
                moves.push(Move::Group {
                    from: name_of_group(&before),
                    to: name_of_group(path),
                });
                older.push(before);
            }
        }
        let room = MAX_PATHS.saturating_sub(paths.len());
        paths.extend(older.into_iter().take(room));
        match self.is_run {
            true => moves.push(Move::Run {
                from: self.from.clone(),
                to: self.to.clone(),
            }),
            // It is not there in this deploy, but may be recorded.
            false if moves.is_empty() => moves.push(Move::Group {
                from: name_of_group(&self.from),
                to: name_of_group(&self.to),
            }),
            false => {}
        }
        moves
    }
}

impl Layout<'_> {
    /// Everything that may be recorded under another name, in the order in which it is to be moved: groups and runs, those
    /// of the deploy's workload before those of workloads in it, then steps. And where it is written.
    pub(super) fn moves(&self, deploy: &Deploy) -> (Vec<Move>, Vec<(Span, Span)>) {
        let (mut parts, mut steps) = (Vec::new(), Vec::new());
        for moved in &self.typed.moves {
            let (from, to) = (moved.from.clone(), moved.to.clone());
            let at = (moved.span, moved.target);
            match moved.part {
                Part::Group | Part::Run => {
                    for prefix in self.places_of(moved.owner, deploy) {
                        parts.push(MovedPart {
                            is_run: moved.part == Part::Run,
                            from: format!("{prefix}{from}"),
                            to: format!("{prefix}{to}"),
                            depth: prefix.matches('.').count(),
                            at,
                        });
                    }
                }
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
        parts.sort_by_key(|part| part.depth);
        // From the last of the innermost: what is moved before has to move their old names as well.
        let mut paths = self.spelled.clone();
        let mut moves: Vec<Vec<(Move, (Span, Span))>> = Vec::new();
        for part in parts.iter().rev() {
            let of_part = part.moves(&mut paths).into_iter();
            moves.push(of_part.map(|step| (step, part.at)).collect());
        }
        let parts = moves.into_iter().rev().flatten();
        parts.chain(steps).unzip()
    }

    /// What stands before the names of a workload's runs, for each place where it is put in: nothing for that of the deploy.
    fn places_of(&self, workload: ItemId, deploy: &Deploy) -> Vec<String> {
        let of_deploy = (workload == deploy.workload).then(String::new);
        let inner = self.put_in.iter().filter(|(of, _)| *of == workload);
        of_deploy
            .into_iter()
            .chain(inner.map(|(_, prefix)| prefix.clone()))
            .collect()
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
