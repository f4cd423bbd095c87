//! What came of the checks.

use serde::{Deserialize, Serialize};

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The promise is kept.
    Passed,
    /// It is not.
    Failed {
        /// What was found instead.
        why: String,
    },
    /// The backend does not promise it.
    DoesNotApply {
        /// Why not.
        because: String,
    },
}

/// A check with what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The check's id.
    pub id: String,
    /// What holds when it passes.
    pub title: String,
    /// The clause of the contract or the invariant.
    pub promise: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// What came of all checks that were carried out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    /// The backend's name.
    pub backend: String,
    /// In the order in which they were carried out.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Those that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts
            .iter()
            .filter(|verdict| matches!(verdict.outcome, Outcome::Failed { .. }))
    }

    /// How many passed, failed, and do not apply.
    pub fn counts(&self) -> (usize, usize, usize) {
        let passed = |verdict: &&Verdict| verdict.outcome == Outcome::Passed;
        let passed = self.verdicts.iter().filter(passed).count();
        let failed = self.failed().count();
        (passed, failed, self.verdicts.len() - passed - failed)
    }

    /// Whether every promise that was examined is kept.
    pub fn is_good(&self) -> bool {
        self.failed().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_apply_is_no_failure() {
        let verdict = |outcome| Verdict {
            id: "a".into(),
            title: String::new(),
            promise: String::new(),
            outcome,
            seconds: 0.0,
        };
        let because = "absent".to_owned();
        let mut report = Report {
            backend: "x".into(),
            verdicts: vec![
                verdict(Outcome::Passed),
                verdict(Outcome::DoesNotApply { because }),
            ],
        };
        assert!(report.is_good() && report.counts() == (1, 0, 1));
        let why = "gone".to_owned();
        report.verdicts.push(verdict(Outcome::Failed { why }));
        assert!(!report.is_good() && report.counts() == (1, 1, 1));
    }
}
