//! What `doctor` found, for people.

use rebar_runtime::backend::{Finding, FindingState};

use super::palette::Palette;

/// One or more lines for each finding.
pub(crate) fn findings(list: &[Finding], paint: Palette) -> String {
    let mut out = String::new();
    for finding in list {
        let mark = match finding.state {
            FindingState::Good => paint.create("ok     "),
            FindingState::Limited => paint.change("limited"),
            FindingState::Missing => paint.remove("missing"),
        };
        out.push_str(&format!("{mark}  {:<22} {}\n", finding.subject, finding.text));
        if let Some(command) = &finding.command {
            out.push_str(&format!("         {:<22} {}\n", "", paint.strong(command)));
        }
    }
    out
}
