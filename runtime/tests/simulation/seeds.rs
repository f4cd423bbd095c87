//! Many seeds, side by side.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::course::play;
use crate::desk::Seam;
use crate::figures::Figures;
use crate::shrink::shrink;
use crate::story::Story;

/// How many threads.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` for each number from `first` on, `count` of them, until `enough` says so.
pub(crate) fn each(
    first: u64,
    count: u64,
    work: impl Fn(u64) -> Figures + Sync,
    enough: impl Fn(&Figures) -> bool + Sync,
) -> Figures {
    let next = AtomicU64::new(first);
    let all = Mutex::new(Figures::default());
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= first + count || enough(&all.lock().unwrap()) {
                        return;
                    }
                    let figures = work(number);
                    all.lock().unwrap().join(figures);
                }
            });
        }
    });
    all.into_inner().unwrap()
}

/// The story of one seed; a defect that panics is a violation like any other.
pub(crate) fn seed(seed: u64, nodes: u64, seam: Seam) -> Figures {
    let story = Story::of(seed, nodes);
    let mut figures = std::panic::catch_unwind(|| play(&story, seam)).unwrap_or_else(|_| {
        let mut figures = Figures::default();
        figures.violations.push("I9: a panic".to_owned());
        figures
    });
    for violation in &mut figures.violations {
        *violation = format!("seed {seed}: {violation}");
    }
    figures
}

/// The stories of many seeds.
pub(crate) fn many(first: u64, count: u64, nodes: u64) -> Figures {
    each(first, count, |number| seed(number, nodes, Seam::None), |_| false)
}

/// Tells what fails, made small, with the commands that show it again.
pub(crate) fn tell(figures: &Figures, nodes: u64) {
    let mut seeds: Vec<u64> = figures
        .violations
        .iter()
        .filter_map(|violation| violation.strip_prefix("seed ")?.split(':').next()?.parse().ok())
        .collect();
    seeds.sort_unstable();
    seeds.dedup();
    for violation in figures.violations.iter().take(20) {
        println!("{violation}");
    }
    for seed in seeds.into_iter().take(3) {
        println!("\ncargo test -p rebar-runtime --test simulation -- --seed {seed} --nodes {nodes}");
        replay(seed, nodes, true);
    }
}

/// Plays the story of one seed, tells it, and if it fails, tells the smallest that fails so.
pub(crate) fn replay(seed: u64, nodes: u64, only_small: bool) -> bool {
    let story = Story::of(seed, nodes);
    if !only_small {
        println!("{story}");
        println!("{}", play(&story, Seam::None));
    }
    match shrink(&story, Seam::None) {
        None => true,
        Some((small, violations)) => {
            println!("{small}{}", violations.join("\n"));
            false
        }
    }
}
