//! Faults planted in good specs: each is told once, near its place, and nothing else is.
//!
//! A file with k faults must report at least k and at most k + 1 errors, each within two lines of a fault.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

mod faults;
mod specs;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use faults::Fault;
use rebar_compiler::diagnostics::Severity;
use rebar_compiler::{Library, analyse};
use specs::{Project, Random};

/// Faults that are planted for each seed.
const FAULTS: usize = 300;

/// Seeds that are tried.
const SEEDS: u64 = 4;

/// An error as the test looks at it.
#[derive(Debug)]
struct Told {
    /// The lines of its labels in the file, the primary one first.
    lines: Vec<usize>,
    text: String,
}

fn errors(project: &Project, std: &Project) -> Vec<Told> {
    let mut analysis = analyse(&Library {
        project,
        std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    analysis.examine();
    let sorted = analysis.diagnostics.sorted();
    let errors = sorted.iter().filter(|d| d.severity == Severity::Error);
    errors
        .map(|d| {
            let own = d.labels.iter().map(|l| l.span);
            let own = own.filter(|s| &*analysis.sources.get(s.source).name == "main.rebar");
            Told {
                lines: own.map(|s| analysis.sources.position(s).0).collect(),
                text: format!("{}: {}", d.code.0, d.message),
            }
        })
        .collect()
}

/// `count` faults for one text, which do not touch each other or stand on the same line.
fn choose(text: &str, count: usize, random: &mut Random) -> Vec<Fault> {
    let mut kinds: BTreeMap<&str, Vec<Fault>> = BTreeMap::new();
    for fault in faults::all(text) {
        kinds.entry(fault.kind).or_default().push(fault);
    }
    let names: Vec<&str> = kinds.keys().copied().collect();
    let line = |at: usize| text[..at].matches('\n').count();
    let mut chosen: Vec<Fault> = Vec::new();
    for _ in 0..1000 {
        if chosen.len() == count {
            break;
        }
        let kind = random.pick(&names);
        let fault = random.pick(&kinds[kind]).clone();
        let free = |other: &Fault| {
            line(other.from).abs_diff(line(fault.from)) > 1 && line(other.to).abs_diff(line(fault.to)) > 1
        };
        // `( … ` in place of `{ … }`, the opening bracket of another kind and the closing one missing, is one mistake to
        // whoever reads it: nothing tells that a brace was meant.
        let same_pair = |other: &Fault| fault.pair.is_some() && other.pair == fault.pair;
        if chosen.iter().all(free) && !chosen.iter().any(same_pair) {
            chosen.push(fault);
        }
    }
    chosen.sort_by_key(|f| f.from);
    chosen
}

/// The text with the faults, and the line of each in it.
fn planted(text: &str, faults: &[Fault]) -> (String, Vec<usize>) {
    let (mut out, mut done, mut lines) = (String::new(), 0, Vec::new());
    for fault in faults {
        out.push_str(&text[done..fault.from]);
        let begins = fault.text.starts_with('\n');
        lines.push(out.matches('\n').count() + 1 + usize::from(begins));
        out.push_str(&fault.text);
        done = fault.to;
    }
    out.push_str(&text[done..]);
    (out, lines)
}

/// What does not hold, in words.
fn broken(told: &[Told], lines: &[usize]) -> Option<String> {
    let far: Vec<String> = told
        .iter()
        .filter(|t| lines.iter().all(|l| t.lines.iter().all(|t| l.abs_diff(*t) > 2)))
        .map(|t| format!("lines {:?}: {}", t.lines, t.text))
        .collect();
    let (least, most) = (lines.len(), lines.len() + 1);
    if told.len() < least || told.len() > most {
        return Some(format!("{} errors for {} faults", told.len(), lines.len()));
    }
    (!far.is_empty()).then(|| format!("far from any fault: {}", far.join("; ")))
}

struct Figure {
    files: usize,
    faults: usize,
    broken: Vec<String>,
    kinds: BTreeMap<&'static str, usize>,
}

fn run(seed: u64, wanted: usize) -> Figure {
    let std = support::standard_library();
    let written = specs::written();
    let mut random = Random(seed);
    let mut figure = Figure {
        files: 0,
        faults: 0,
        broken: Vec::new(),
        kinds: BTreeMap::new(),
    };
    while figure.faults < wanted {
        let project = match figure.files % 3 {
            0 => random.pick(&written).clone(),
            n => specs::generated(random.0, 1 + n * random.below(4)),
        };
        let count = (1 + figure.files % 5).min(wanted - figure.faults);
        let text = &project["main.rebar"];
        let chosen = choose(text, count, &mut random);
        let (changed, lines) = planted(text, &chosen);
        figure.files += 1;
        figure.faults += chosen.len();
        for fault in &chosen {
            *figure.kinds.entry(fault.kind).or_default() += 1;
        }
        let mut project = project.clone();
        project.insert("main.rebar".to_owned(), changed.clone());
        let told = errors(&project, &std);
        if let Some(why) = broken(&told, &lines) {
            let shown = |line: &usize| changed.lines().nth(line - 1).unwrap_or_default().to_owned();
            let planted: Vec<String> = chosen
                .iter()
                .zip(&lines)
                .map(|(f, l)| format!("  {l}: {}: {}", f.kind, shown(l)))
                .collect();
            let said: Vec<String> = told
                .iter()
                .map(|t| format!("  {:?}: {}", t.lines, t.text))
                .collect();
            figure.broken.push(format!(
                "file {}: {why}\n planted\n{}\n told\n{}\n",
                figure.files,
                planted.join("\n"),
                said.join("\n")
            ));
        }
    }
    figure
}

#[test]
fn specs_are_good_before_faults_are_planted() {
    let std = support::standard_library();
    let generated = (0..8).map(|seed| specs::generated(seed, 1 + seed as usize));
    for project in specs::written().into_iter().chain(generated) {
        let told = errors(&project, &std);
        assert!(told.is_empty(), "{told:#?}\n{}", project["main.rebar"]);
    }
}

#[test]
fn each_planted_fault_is_told_once_and_near() {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let first = number("PLANTED_SEED").unwrap_or(1);
    let seeds = number("PLANTED_SEEDS").unwrap_or(SEEDS);
    let wanted = number("PLANTED_FAULTS").map_or(FAULTS, |n| n as usize);
    let mut all = Vec::new();
    // Shown with `--nocapture`; others: PLANTED_SEED, PLANTED_SEEDS, PLANTED_FAULTS.
    for seed in first..first + seeds {
        let figure = run(seed, wanted);
        println!(
            "seed {seed}: {} faults of {} kinds in {} files, broken in {}",
            figure.faults,
            figure.kinds.len(),
            figure.files,
            figure.broken.len(),
        );
        all.push(figure);
    }
    let sum = |of: fn(&Figure) -> usize| all.iter().map(of).sum::<usize>();
    println!(
        "planted faults: {} in {} files, {seeds} seeds; broken in {}",
        sum(|f| f.faults),
        sum(|f| f.files),
        sum(|f| f.broken.len()),
    );
    let broken: Vec<&str> = all.iter().flat_map(|f| &f.broken).map(String::as_str).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
