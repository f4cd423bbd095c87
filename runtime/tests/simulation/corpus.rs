//! Stories that failed once, and must not fail again.

use crate::desk::Seam;
use crate::figures::Figures;
use crate::seeds;

/// `seed nodes what it found`, one a line.
const CORPUS: &str = include_str!("corpus.txt");

pub(crate) fn corpus() -> Result<(), String> {
    let mut figures = Figures::default();
    let mut number = 0;
    for line in CORPUS
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let mut words = line.split_whitespace();
        let (seed, nodes) = (words.next(), words.next());
        let read = |word: Option<&str>| word.and_then(|word| word.parse().ok()).ok_or(line.to_owned());
        figures.join(seeds::seed(read(seed)?, read(nodes)?, Seam::None));
        number += 1;
    }
    println!(
        "{number} seeds that failed once: violations {}",
        figures.violations.len()
    );
    crate::judged(&figures)
}
