//! How changes of a run are spread over time: parts of a group become numbers, and are held against its quorum.

use serde_json::Value;

use super::deploy::Layout;
use crate::check::evaluate::Scope;
use crate::check::{Expression, Run, Type};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::codes::expand as codes;
use crate::plan::Rollout;
use crate::source::Span;

/// What a part of a group comes to.
#[derive(Clone, Copy)]
enum Part {
    /// At least one, rounded up: so that a small group still moves.
    Up,
    /// At least one, rounded down: never more than was said.
    Down,
    /// Rounded down; none is an answer too.
    DownToNone,
}

impl Layout<'_> {
    /// The rollout of a run on the group with this index.
    pub(super) fn rollout(&mut self, run: &Run, group: usize, scope: &mut Scope<'_>) -> Rollout {
        let size = self.counts[group];
        let mut amount = |this: &mut Self, name: &str, part: Part| {
            let field = run.fields.get(name)?;
            Some((this.amount_of(name, field, size, part, scope)?, field.span))
        };
        let canary = amount(self, "canary", Part::Up);
        let batch = amount(self, "batch", Part::Up);
        let max_unavailable = amount(self, "max_unavailable", Part::Down);
        let error_budget = amount(self, "error_budget", Part::DownToNone);
        let settle = run
            .fields
            .get("settle")
            .and_then(|s| self.known(s, scope, "a rollout"));
        let own = run.fields.get("quorum");
        let own = own.and_then(|field| self.quorum(field, size, self.groups[group].span, scope));
        // Both hold where both are said: the larger one.
        let quorum = [own, self.quorums[group]].into_iter().flatten();
        let quorum = quorum.max_by_key(|(number, _)| *number);
        if let Some(quorum) = quorum {
            self.keeps_quorum(
                run,
                group,
                quorum,
                [("canary", canary), ("batch", batch)],
                max_unavailable,
            );
        }
        let number = |given: Option<(u32, Span)>| given.map(|(number, _)| number);
        Rollout {
            canary: number(canary),
            batch: number(batch),
            settle: settle.as_ref().and_then(Value::as_u64),
            max_unavailable: number(max_unavailable),
            error_budget: number(error_budget),
            quorum: number(quorum),
        }
    }

    /// A number of nodes of a group of `size`, given as such or as a part; `None` if it was reported.
    fn amount_of(
        &mut self,
        name: &str,
        field: &Expression,
        size: u64,
        part: Part,
        scope: &mut Scope<'_>,
    ) -> Option<u32> {
        let value = self.known(field, scope, "a rollout")?;
        let given = value.as_f64()?;
        let least = if matches!(part, Part::DownToNone) {
            0.0
        } else {
            1.0
        };
        let percent = *field.ty.base() == Type::Percent;
        let (number, fits) = if percent {
            let share = given * size as f64 / 100.0;
            let number = match part {
                Part::Up => share.ceil(),
                Part::Down | Part::DownToNone => share.floor(),
            };
            (
                number.max(least),
                given <= 100.0 && (given > 0.0 || least == 0.0 && given == 0.0),
            )
        } else {
            (given, given >= least)
        };
        if fits && number <= f64::from(u32::MAX) {
            return Some(number as u32);
        }
        let shown = match percent {
            true => format!("{given}%"),
            false => value.to_string(),
        };
        let message = format!("`{name}` cannot be {shown}");
        let help = match percent {
            true => format!("give a part from {least}% to 100%"),
            false => format!("give at least {least}"),
        };
        self.report(Diagnostic::error(codes::BAD_AMOUNT, field.span, message).help(help));
        None
    }

    /// How many of `size` members must serve, and where that is written; `None` if it was reported.
    pub(super) fn quorum(
        &mut self,
        field: &Expression,
        size: u64,
        group: Span,
        scope: &mut Scope<'_>,
    ) -> Option<(u32, Span)> {
        let value = self.known(field, scope, "a quorum")?;
        let members = u32::try_from(size).unwrap_or(u32::MAX);
        // `Majority` is the only word.
        let number = match value.as_i64() {
            None if members == 0 => 0,
            None => i64::from(members / 2 + 1),
            Some(number) => number,
        };
        if (1..=i64::from(members)).contains(&number) || number == 0 && value.is_string() {
            return Some((number as u32, field.span));
        }
        let message = format!("a quorum cannot be {number} of {members}");
        let wrong = Diagnostic::error(codes::BAD_AMOUNT, field.span, message);
        let help = format!("give a number from 1 to {members}, or `Majority`");
        self.report(wrong.label(group, format!("this group has {members}")).help(help));
        None
    }

    /// Reports what takes away more members at a time than the quorum can do without.
    fn keeps_quorum(
        &mut self,
        run: &Run,
        group: usize,
        (quorum, declared): (u32, Span),
        sizes: [(&str, Option<(u32, Span)>); 2],
        max_unavailable: Option<(u32, Span)>,
    ) {
        let members = u32::try_from(self.counts[group]).unwrap_or(u32::MAX);
        let spare = members - quorum.min(members);
        let most = max_unavailable.map_or(u32::MAX, |(most, _)| most);
        let given = sizes.into_iter().filter_map(|(name, given)| Some((name, given?)));
        // What is bounded by `max_unavailable` is told there.
        let mut wrong = given
            .map(|(name, (number, span))| (name, number.min(members), span))
            .filter(|(_, number, _)| *number > spare && *number <= most)
            .collect::<Vec<_>>();
        if let Some((number, span)) = max_unavailable
            && number > spare
            && wrong.is_empty()
            && sizes[1].1.is_none_or(|(batch, _)| batch > spare)
        {
            wrong.push(("max_unavailable", number.min(members), span));
        }
        if wrong.is_empty() && spare == 0 && members > 0 {
            wrong.push(("run", 1, run.span));
        }
        for (name, number, span) in wrong {
            let message = format!(
                "{number} of {members} away leaves fewer than the quorum of {quorum} on `{}`",
                self.groups[group].name
            );
            let here = match name {
                "run" => "it changes at least one member at a time".to_owned(),
                name => format!("`{name}` takes {number} away at a time"),
            };
            let help = match spare {
                0 => "no member can be changed then: take more members, or a smaller quorum".to_owned(),
                spare => {
                    format!("at most {spare} may be away at a time: change fewer, or take a smaller quorum")
                }
            };
            let diagnostic = Diagnostic::error(codes::BREAKS_QUORUM, span, message).here(here);
            self.report(
                diagnostic
                    .label(declared, format!("{quorum} must serve at any time"))
                    .help(help),
            );
        }
    }
}
