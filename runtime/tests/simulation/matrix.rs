//! The kill matrix: a plan of three nodes, ended at every moment, leaving every thing a call can leave, gone on with
//! in both ways, alone and with every single fault.

use std::collections::BTreeSet;

use rebar_runtime::backends::sim::{Fault, Leaves, Picture};

use crate::course::{Course, Job, alone, doom, said};
use crate::desk::Seam;
use crate::figures::Figures;
use crate::seeds::each;
use crate::spec::{Spec, comparable, differences};
use crate::story::{Goal, Mishap, Then};

/// A fault on top of the kill, and what it is about.
type Single = Option<(Fault, &'static str)>;

const SINGLES: [Single; 12] = [
    None,
    Some((Fault::AnswerLost, "create machine/web-1")),
    Some((Fault::Half, "create machine/web-2")),
    Some((Fault::TimedOut, "create network/net0")),
    Some((Fault::Busy, "create machine/edge-1")),
    Some((Fault::LineBreaks, "web-1/agent")),
    Some((Fault::AgentKilled, "web-2/pages.s1")),
    Some((Fault::Reboot, "web-1/pages.s0")),
    Some((Fault::StepBusy, "edge-1/entry.s0")),
    Some((Fault::Duplicated, "edge-1/entry.s1")),
    Some((Fault::Refused, "probe")),
    Some((Fault::StaleListing, "observe")),
];

/// The first apply, a change, and a destroy.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Road {
    First,
    Change,
    /// Every step is replaced, on machines that stay.
    Replace,
    Destroy,
}

fn replaced() -> Spec {
    let mut spec = Spec::three();
    spec.runs.iter_mut().for_each(|run| run.content = 2);
    spec
}

fn changed() -> Spec {
    let mut spec = Spec::three();
    spec.groups[0].count = 1;
    spec.groups[0].memory = 2;
    spec.groups[1].count = 2;
    spec.runs[1].content = 2;
    spec
}

struct Run {
    figures: Figures,
    picture: Picture,
    moments: u64,
    /// Moments that are inside a call: there it matters what the call leaves.
    inside: BTreeSet<u64>,
    killed: bool,
}

/// One road with a fault, killed at a moment or not at all.
fn run(road: Road, single: Single, kill: Option<(u64, Leaves, Then)>, seam: Seam) -> Run {
    alone(async {
        let mut course = Course::begin(1, seam);
        let (spec, goal) = match road {
            Road::First => (Spec::three(), Goal::Apply(Spec::three())),
            Road::Change => (changed(), Goal::Apply(changed())),
            Road::Replace => (replaced(), Goal::Apply(replaced())),
            Road::Destroy => (Spec::three(), Goal::Destroy),
        };
        if road != Road::First {
            let made = course.plan(&Spec::three()).await.unwrap();
            course.session(Job::Apply(&made), Mishap::None).await;
        }
        let made = course.plan(&spec).await.unwrap();
        let job = if road == Road::Destroy {
            Job::Destroy
        } else {
            Job::Apply(&made)
        };
        if let Some((fault, about)) = single {
            doom(&course, fault, about);
        }
        let before = course.sim.moments().passed();
        let mishap = kill.map_or(Mishap::None, |(at, leaves, _)| Mishap::Kill(at, leaves));
        let ended = course.session(job, mishap).await;
        let moments = course.sim.moments().passed() - before;
        let inside = course.sim.moments().inside_calls();
        let inside = inside
            .into_iter()
            .filter_map(|at| at.checked_sub(before))
            .collect();
        let killed = ended.is_none();
        if killed {
            let again = match kill {
                Some((_, _, Then::Replan)) if road != Road::Destroy => {
                    let made = course.plan(&spec).await.unwrap();
                    course.session(Job::Apply(&made), Mishap::None).await
                }
                _ => course.session(job, Mishap::None).await,
            };
            if let Some(Err(error)) = &again
                && single.is_none()
            {
                let said = said(&Err(error.clone()));
                course.violated(format!("I4: going on ended with {said}"));
            }
        }
        course.converge(&goal).await;
        let picture = comparable(course.sim.picture());
        Run {
            figures: course.close(),
            picture,
            moments,
            inside,
            killed,
        }
    })
}

/// Everything; every `nth` moment only, where that is more than 1.
pub(crate) fn matrix(seam: Seam, nth: u64, enough: impl Fn(&Figures) -> bool + Sync + Copy) -> Figures {
    let mut all = Figures::default();
    for road in [Road::First, Road::Change, Road::Replace, Road::Destroy] {
        let calm = run(road, None, None, seam);
        for single in SINGLES {
            // Faults that cannot come about on a road that destroys are left out.
            if road == Road::Destroy
                && single.is_some_and(|(_, about)| !["probe", "observe"].contains(&about))
            {
                continue;
            }
            let alone = run(road, single, None, seam);
            let figures = each(
                0,
                alone.moments.div_ceil(nth),
                |number| {
                    let at = 1 + number * nth;
                    let mut figures = Figures::default();
                    for leaves in [Leaves::Nothing, Leaves::Half, Leaves::Whole, Leaves::Late] {
                        if leaves != Leaves::Nothing && !alone.inside.contains(&at) {
                            continue;
                        }
                        for then in [Then::Resume, Then::Replan] {
                            if then == Then::Replan && road == Road::Destroy {
                                continue;
                            }
                            let run = run(road, single, Some((at, leaves, then)), seam);
                            figures.join(tell(&run, &calm, road, single, (at, leaves, then)));
                            if enough(&figures) {
                                return figures;
                            }
                        }
                    }
                    figures
                },
                enough,
            );
            all.join(figures);
            if enough(&all) {
                return all;
            }
        }
    }
    all
}

fn tell(run: &Run, calm: &Run, road: Road, single: Single, kill: (u64, Leaves, Then)) -> Figures {
    let mut figures = run.figures.clone();
    figures.count("runs");
    if !run.killed {
        figures.count("runs that ended before");
    }
    if run.picture != calm.picture && figures.violations.is_empty() {
        let differences = differences(&run.picture, &calm.picture);
        figures.violations.push(format!(
            "I4: not as if it had never been interrupted: {differences}"
        ));
    }
    for violation in &mut figures.violations {
        *violation = format!("{road:?} {single:?} {kill:?}: {violation}");
    }
    figures
}
