//! A story: what somebody wants one after the other, and what goes wrong with it.

use std::collections::BTreeMap;
use std::fmt;

use rebar_runtime::backends::sim::{Fault, Leaves};

use crate::random::Random;
use crate::spec::Spec;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Story {
    pub(crate) seed: u64,
    pub(crate) chapters: Vec<Chapter>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chapter {
    pub(crate) goal: Goal,
    pub(crate) faults: BTreeMap<Fault, f64>,
    /// Before the plan is made.
    pub(crate) before: Vec<Drift>,
    /// Between plan and apply.
    pub(crate) between: Vec<Drift>,
    pub(crate) mishap: Mishap,
    /// If the first session was broken off.
    pub(crate) then: Then,
    /// What happens to the session after that.
    pub(crate) again: Mishap,
    /// Somebody does something with the plan that he should not.
    pub(crate) misuse: Option<Misuse>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Goal {
    Apply(Spec),
    Destroy,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Drift {
    /// A machine is removed.
    Removed(u64),
    /// A machine is stopped.
    Stopped(u64),
    /// Something on a node is changed.
    Changed(u64),
    /// Somebody else takes a name that will be wanted.
    Taken(u64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mishap {
    None,
    /// The program is killed at so many moments after its beginning.
    Kill(u64, Leaves),
    /// Ctrl-C at so many calls and lines, once or twice.
    Cancel(u64, bool),
    /// The disk is full from so many lines on.
    Full(u64),
    /// The clock jumps by so many minutes.
    Jump(u64, i64),
    /// The program stands still for longer than its lease, and another host takes over.
    Paused(u64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Then {
    Resume,
    Replan,
    MoveOn,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Misuse {
    /// A plan that was carried out is applied again.
    Consumed,
    /// A plan is changed after it was made.
    Edited,
    /// A plan is applied to another state.
    Elsewhere,
    /// A plan is applied that was made before other changes.
    Stale,
}

impl Story {
    /// The story of a seed.
    pub(crate) fn of(seed: u64, nodes: u64) -> Story {
        let mut random = Random::new(seed);
        let mut spec = Spec::random(&mut random, nodes);
        let mut chapters = vec![Chapter::random(&mut random, Goal::Apply(spec.clone()))];
        for _ in 0..random.between(0, 3) {
            let goal = if random.chance(0.12) {
                Goal::Destroy
            } else {
                for _ in 0..random.between(0, 2) {
                    spec.change(&mut random, nodes);
                }
                Goal::Apply(spec.clone())
            };
            chapters.push(Chapter::random(&mut random, goal));
        }
        Story { seed, chapters }
    }

    /// The largest number of nodes that it has at a time.
    pub(crate) fn nodes(&self) -> u64 {
        let nodes = self.chapters.iter().map(|chapter| match &chapter.goal {
            Goal::Apply(spec) => spec.nodes(),
            Goal::Destroy => 0,
        });
        nodes.max().unwrap_or(0)
    }
}

impl Chapter {
    pub(crate) fn calm(goal: Goal) -> Chapter {
        Chapter {
            goal,
            faults: BTreeMap::new(),
            before: Vec::new(),
            between: Vec::new(),
            mishap: Mishap::None,
            then: Then::MoveOn,
            again: Mishap::None,
            misuse: None,
        }
    }

    fn random(random: &mut Random, goal: Goal) -> Chapter {
        let nodes = match &goal {
            Goal::Apply(spec) => spec.nodes(),
            Goal::Destroy => 20,
        };
        let mut chapter = Chapter::calm(goal);
        for fault in Fault::ALL {
            let rate = match fault {
                Fault::StepFails | Fault::NameTaken => 0.04,
                _ => 0.2,
            };
            if random.chance(0.35) {
                chapter.faults.insert(fault, rate * random.unit());
            }
        }
        if random.chance(0.3) {
            chapter.before.push(Drift::random(random));
        }
        if random.chance(0.2) {
            chapter.between.push(Drift::random(random));
        }
        chapter.mishap = Mishap::random(random, nodes);
        chapter.then = *random.one_of(&[Then::Resume, Then::Resume, Then::Replan, Then::MoveOn]);
        if random.chance(0.4) {
            chapter.again = Mishap::random(random, nodes);
        }
        if random.chance(0.3) {
            let misuses = [Misuse::Consumed, Misuse::Edited, Misuse::Elsewhere, Misuse::Stale];
            chapter.misuse = Some(*random.one_of(&misuses));
        }
        chapter
    }
}

impl Drift {
    fn random(random: &mut Random) -> Drift {
        let which = random.between(0, 1000);
        *random.one_of(&[
            Drift::Removed(which),
            Drift::Stopped(which),
            Drift::Changed(which),
            Drift::Taken(which),
        ])
    }
}

impl Mishap {
    fn random(random: &mut Random, nodes: u64) -> Mishap {
        let at = random.small(30 + nodes * 12);
        match random.between(0, 15) {
            0..=5 => {
                let leaves = [Leaves::Nothing, Leaves::Half, Leaves::Whole, Leaves::Late];
                Mishap::Kill(at, *random.one_of(&leaves))
            }
            6 | 7 => Mishap::Cancel(at, false),
            8 | 9 => Mishap::Cancel(at, true),
            10 => Mishap::Full(at),
            11 => Mishap::Jump(at, *random.one_of(&[60, -60])),
            12 | 13 => Mishap::Paused(at),
            _ => Mishap::None,
        }
    }

    /// The same, but earlier; nothing if it cannot be.
    pub(crate) fn earlier(self, by: u64) -> Option<Mishap> {
        let less = |at: u64| at.checked_sub(by).filter(|at| *at > 0);
        Some(match self {
            Mishap::None => return None,
            Mishap::Kill(at, leaves) => Mishap::Kill(less(at)?, leaves),
            Mishap::Cancel(at, twice) => Mishap::Cancel(less(at)?, twice),
            Mishap::Full(at) => Mishap::Full(less(at)?),
            Mishap::Jump(at, minutes) => Mishap::Jump(less(at)?, minutes),
            Mishap::Paused(at) => Mishap::Paused(less(at)?),
        })
    }

    pub(crate) fn at(self) -> u64 {
        match self {
            Mishap::None => 0,
            Mishap::Kill(at, _)
            | Mishap::Cancel(at, _)
            | Mishap::Full(at)
            | Mishap::Jump(at, _)
            | Mishap::Paused(at) => at,
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for (number, chapter) in self.chapters.iter().enumerate() {
            match &chapter.goal {
                Goal::Apply(spec) => writeln!(f, "{}. apply {spec}", number + 1)?,
                Goal::Destroy => writeln!(f, "{}. destroy", number + 1)?,
            }
            if !chapter.faults.is_empty() {
                let rates = chapter
                    .faults
                    .iter()
                    .map(|(fault, rate)| format!("{fault}={rate:.4}"));
                writeln!(f, "   faults {}", rates.collect::<Vec<_>>().join(","))?;
            }
            for (when, drifts) in [
                ("before the plan", &chapter.before),
                ("after the plan", &chapter.between),
            ] {
                for drift in drifts {
                    writeln!(f, "   {when}: {drift:?}")?;
                }
            }
            if chapter.mishap != Mishap::None {
                writeln!(
                    f,
                    "   {:?}; then {:?}, {:?}",
                    chapter.mishap, chapter.then, chapter.again
                )?;
            }
            if let Some(misuse) = chapter.misuse {
                writeln!(f, "   misuse {misuse:?}")?;
            }
        }
        Ok(())
    }
}
