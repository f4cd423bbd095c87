//! The harness can see: an executor that is broken on purpose is caught.

use crate::desk::Seam;
use crate::figures::Figures;
use crate::{NODES, matrix, seeds};

const SEAMS: [(Seam, &str); 8] = [
    (Seam::ProbeAbsent, "looking up always says that nothing was done"),
    (Seam::ProbeComplete, "looking up always says that all was done"),
    (Seam::IntentLate, "the Intent is written after the call"),
    (Seam::NoFence, "nodes let in older writers"),
    (Seam::StaleJournal, "an older writer takes its lines for written"),
    (
        Seam::LostLines,
        "acknowledged lines are lost at a kill (no fsync)",
    ),
    (Seam::Forgetful, "agents forget their journal"),
    (Seam::Adopts, "foreign objects are adopted"),
];

pub(crate) fn seams() -> Result<(), String> {
    let mut missed = Vec::new();
    for (seam, what) in SEAMS {
        let enough = |figures: &Figures| !figures.violations.is_empty();
        let mut figures = seeds::each(1, 500, |number| seeds::seed(number, NODES, seam), enough);
        let mut by = "stories";
        if !enough(&figures) {
            figures = matrix::matrix(seam, 1, enough);
            by = "runs";
        }
        let runs = figures.counts.get(by).copied().unwrap_or(0);
        match figures.violations.first() {
            Some(violation) => println!("{what}: caught after {runs} {by}: {violation}"),
            None => missed.push(what),
        }
    }
    if missed.is_empty() {
        Ok(())
    } else {
        Err(format!("not caught: {missed:?}"))
    }
}
