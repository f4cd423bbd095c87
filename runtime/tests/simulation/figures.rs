//! What is counted.

use std::collections::BTreeMap;
use std::fmt;

#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) violations: Vec<String>,
}

impl Figures {
    pub(crate) fn count(&mut self, what: &str) {
        self.add(what, 1);
    }

    pub(crate) fn add(&mut self, what: &str, number: u64) {
        *self.counts.entry(what.to_owned()).or_default() += number;
    }

    pub(crate) fn fault(&mut self, what: &str, number: u64) {
        *self.faults.entry(what.to_owned()).or_default() += number;
    }

    pub(crate) fn join(&mut self, other: Figures) {
        for (what, number) in other.counts {
            self.add(&what, number);
        }
        for (what, number) in other.faults {
            self.fault(&what, number);
        }
        self.violations.extend(other.violations);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, number) in &self.counts {
            writeln!(f, "{what:<28} {number:>9}")?;
        }
        writeln!(f, "faults injected")?;
        for (what, number) in &self.faults {
            writeln!(f, "  {what:<26} {number:>9}")?;
        }
        writeln!(f, "violations: {}", self.violations.len())
    }
}
