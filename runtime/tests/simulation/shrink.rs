//! Making a story that fails as small as it can be, and telling it.

use crate::course::play;
use crate::desk::Seam;
use crate::spec::Spec;
use crate::story::{Chapter, Goal, Mishap, Story, Then};

/// So many stories are tried at most.
const TRIES: usize = 400;

/// What a violation is about: `I4`.
pub(crate) fn invariant(violation: &str) -> &str {
    violation.split(':').next().unwrap_or_default()
}

/// The smallest story found that fails in the same way, and how it fails.
pub(crate) fn shrink(story: &Story, seam: Seam) -> Option<(Story, Vec<String>)> {
    let violations = play(story, seam).violations;
    let about = invariant(violations.first()?).to_owned();
    let mut best = (story.clone(), violations);
    let mut tries = 0;
    'again: loop {
        for smaller in candidates(&best.0) {
            tries += 1;
            if tries > TRIES {
                return Some(best);
            }
            let violations = play(&smaller, seam).violations;
            if violations.iter().any(|violation| invariant(violation) == about) {
                best = (smaller, violations);
                continue 'again;
            }
        }
        return Some(best);
    }
}

/// Stories that are a little smaller, the boldest first.
fn candidates(story: &Story) -> Vec<Story> {
    let mut smaller = Vec::new();
    for at in (0..story.chapters.len()).rev() {
        if story.chapters.len() > 1 {
            let mut without = story.clone();
            without.chapters.remove(at);
            smaller.push(without);
        }
    }
    for (at, chapter) in story.chapters.iter().enumerate() {
        let mut with = |chapter: Chapter| {
            let mut changed = story.clone();
            changed.chapters[at] = chapter;
            smaller.push(changed);
        };
        if !chapter.faults.is_empty() {
            with(Chapter {
                faults: Default::default(),
                ..chapter.clone()
            });
            for fault in chapter.faults.keys() {
                let mut without = chapter.clone();
                without.faults.remove(fault);
                with(without);
            }
        }
        let simpler = [
            Chapter {
                mishap: Mishap::None,
                then: Then::MoveOn,
                ..chapter.clone()
            },
            Chapter {
                again: Mishap::None,
                ..chapter.clone()
            },
            Chapter {
                before: Vec::new(),
                ..chapter.clone()
            },
            Chapter {
                between: Vec::new(),
                ..chapter.clone()
            },
            Chapter {
                misuse: None,
                ..chapter.clone()
            },
        ];
        for simple in simpler.into_iter().filter(|simple| simple != chapter) {
            with(simple);
        }
        for by in [chapter.mishap.at() / 2, 1] {
            if let Some(mishap) = chapter.mishap.earlier(by).filter(|_| by > 0) {
                with(Chapter {
                    mishap,
                    ..chapter.clone()
                });
            }
        }
    }
    smaller.extend(specs(story));
    smaller
}

/// The story with smaller specs: the same change everywhere.
fn specs(story: &Story) -> Vec<Story> {
    let all = |change: &dyn Fn(&mut Spec)| {
        let mut changed = story.clone();
        for chapter in &mut changed.chapters {
            if let Goal::Apply(spec) = &mut chapter.goal {
                change(spec);
            }
        }
        let whole = changed.chapters.iter().all(|chapter| match &chapter.goal {
            Goal::Apply(spec) => !spec.groups.is_empty(),
            Goal::Destroy => true,
        });
        (whole && changed != *story).then_some(changed)
    };
    let mut smaller = Vec::new();
    for name in 0..6 {
        smaller.extend(all(&|spec| spec.remove_group(&format!("g{name}"))));
    }
    for name in 0..10 {
        smaller.extend(all(&|spec| spec.remove_run(&format!("r{name}"))));
    }
    for name in 0..6 {
        let shrunk = |by: fn(u64) -> u64| {
            all(&|spec| {
                for group in spec
                    .groups
                    .iter_mut()
                    .filter(|group| group.name == format!("g{name}"))
                {
                    group.count = by(group.count).max(1);
                }
            })
        };
        smaller.extend(shrunk(|count| count / 2));
        smaller.extend(shrunk(|count| count - 1));
    }
    smaller.extend(all(&|spec| {
        for run in &mut spec.runs {
            run.steps.truncate(1);
        }
    }));
    smaller.extend(all(&|spec| {
        for run in &mut spec.runs {
            (run.canary, run.batch) = (0, 0);
        }
    }));
    smaller
}
