//! The executor in simulated worlds: everything that can go wrong does, and an oracle holds the outcome against the
//! invariants I1 to I10.
//!
//! ```text
//! cargo test -p rebar-runtime --test simulation                                   all tests
//! cargo test -p rebar-runtime --test simulation -- matrix                         those with this in their name
//! cargo test --release -p rebar-runtime --test simulation -- --seeds 10000 --nodes 200
//! cargo test -p rebar-runtime --test simulation -- --seed 17 --nodes 12           one story, told and made small
//! ```
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod cone;
mod corpus;
mod course;
mod desk;
mod figures;
mod matrix;
mod misuse;
mod oracle;
mod random;
mod seams;
mod seeds;
mod shrink;
mod spec;
mod story;
mod thousand;

use std::process::ExitCode;
use std::time::Instant;

use desk::Seam;
use figures::Figures;

/// A name, and what it does.
type Test = (&'static str, fn() -> Result<(), String>);

const TESTS: &[Test] = &[
    ("the_same_seed_takes_the_same_course", same),
    ("seeds_that_failed_once", corpus::corpus),
    ("five_hundred_seeds", five_hundred),
    ("kill_matrix", kill_matrix),
    ("a_thousand_nodes_and_one_failure", thousand::thousand),
    ("the_harness_sees_what_is_broken", seams::seams),
];

/// How many nodes the stories of the tests have at most.
const NODES: u64 = 12;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    if let Some(seed) = value("--seed") {
        return code(seeds::replay(seed, value("--nodes").unwrap_or(NODES), false));
    }
    if let Some(count) = value("--seeds") {
        let nodes = value("--nodes").unwrap_or(NODES);
        let first = value("--first").unwrap_or(1);
        let begun = Instant::now();
        let figures = seeds::many(first, count, nodes);
        println!(
            "{count} seeds from {first}, up to {nodes} nodes, {:.1?}\n{figures}",
            begun.elapsed()
        );
        seeds::tell(&figures, nodes);
        return code(figures.violations.is_empty());
    }
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    tests(&arguments)
}

fn code(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn tests(arguments: &[String]) -> ExitCode {
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let mut good = true;
    for (name, test) in TESTS {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        let begun = Instant::now();
        let result = test();
        good &= result.is_ok();
        match result {
            Ok(()) => println!("test {name} ... ok ({:.1?})\n", begun.elapsed()),
            Err(why) => println!("test {name} ... FAILED ({:.1?})\n{why}\n", begun.elapsed()),
        }
    }
    code(good)
}

fn judged(figures: &Figures) -> Result<(), String> {
    match figures.violations.len() {
        0 => Ok(()),
        number => {
            let first: Vec<&str> = figures.violations.iter().take(10).map(String::as_str).collect();
            Err(format!("{number} violations, the first:\n{}", first.join("\n")))
        }
    }
}

fn five_hundred() -> Result<(), String> {
    let figures = seeds::many(1, 500, NODES);
    println!("{figures}");
    seeds::tell(&figures, NODES);
    judged(&figures)
}

fn kill_matrix() -> Result<(), String> {
    let figures = matrix::matrix(Seam::None, 1, |_| false);
    let runs = figures.counts.get("runs").copied().unwrap_or(0);
    println!(
        "kill matrix: runs {runs}, violations: {}",
        figures.violations.len()
    );
    judged(&figures)
}

fn same() -> Result<(), String> {
    for seed in 1..6 {
        let story = story::Story::of(seed, NODES);
        let (first, again) = (course::play(&story, Seam::None), course::play(&story, Seam::None));
        if (&first.counts, &first.faults) != (&again.counts, &again.faults) {
            return Err(format!("seed {seed}:\n{first}\nand again:\n{again}"));
        }
    }
    Ok(())
}
