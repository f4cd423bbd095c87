//! `[lint]`: how strict the linter is, rule by rule.

use super::Table;
use crate::diagnostics::codes::project;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::source::Span;

/// What becomes of a finding of a lint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LintLevel {
    /// It is not told.
    Allow,
    /// It is a warning.
    Warn,
    /// It is an error.
    Deny,
}

/// One line of the section: a rule's name or code (or `all`), where that stands, and its level.
pub type LintSetting = (String, Span, LintLevel);

pub(super) fn read(section: &Table<'_>, diagnostics: &mut Diagnostics) -> Vec<LintSetting> {
    let mut all = Vec::new();
    for value in section.values() {
        let Some(word) = value.text(diagnostics) else {
            continue;
        };
        let level = match word.text.as_str() {
            "allow" => LintLevel::Allow,
            "warn" => LintLevel::Warn,
            "deny" => LintLevel::Deny,
            other => {
                let message = format!("`{other}` is no level of a lint");
                diagnostics.push(
                    Diagnostic::error(project::MANIFEST_VALUE, word.span, message)
                        .help("write \"allow\", \"warn\" or \"deny\""),
                );
                continue;
            }
        };
        all.push((value.key.text.clone(), value.key.span, level));
    }
    all
}
