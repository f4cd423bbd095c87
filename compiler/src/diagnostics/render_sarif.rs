//! Diagnostics as SARIF 2.1.0, the format of analysis tools: code hosts and editors show it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::source::{SourceId, Sources, Span};

use super::{Diagnostic, Diagnostics, Fix, Severity};

/// How many are written: code hosts show five thousand at most.
const WRITTEN: usize = 5000;

/// What a log says about the program, which the compiler does not know.
#[derive(Clone, Copy)]
pub struct Tool<'a> {
    /// The program's version.
    pub version: &'a str,
    /// The page of a code, in Markdown; its first line is its title.
    pub page: &'a dyn Fn(&str) -> Option<&'static str>,
    /// The project's place in the repository: empty, or with a `/` at its end.
    pub folder: &'a str,
}

/// One SARIF log with one run. Columns count UTF-16 code units, as most readers of the format do; the log says so.
/// Places in the library, which is no file of the repository, are told in words.
pub fn render_sarif(diagnostics: &Diagnostics, sources: &Sources, tool: Tool<'_>) -> String {
    let sorted = diagnostics.sorted();
    let shown = &sorted[..sorted.len().min(WRITTEN)];
    let mut codes: Vec<&str> = shown.iter().map(|d| d.code.0).collect();
    codes.sort_unstable();
    codes.dedup();
    let mut writer = Writer {
        sources,
        tool,
        seen: BTreeMap::new(),
    };
    let results: Vec<Value> = shown.iter().map(|d| writer.result(d, &codes)).collect();
    let rules: Vec<Value> = codes.iter().map(|code| writer.rule(code)).collect();
    let mut run = json!({
        "tool": { "driver": { "name": "rebar", "semanticVersion": tool.version, "rules": rules } },
        "columnKind": "utf16CodeUnits",
        "results": results,
    });
    if sorted.len() > shown.len() {
        let text = format!("{} more are not shown", sorted.len() - shown.len());
        run["invocations"] = json!([{
            "executionSuccessful": true,
            "toolExecutionNotifications": [{ "level": "note", "message": { "text": text } }],
        }]);
    }
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    });
    format!("{log:#}")
}

struct Writer<'a, 't> {
    sources: &'a Sources,
    tool: Tool<'t>,
    /// How often the same was said of a line with the same text.
    seen: BTreeMap<String, usize>,
}

impl Writer<'_, '_> {
    fn rule(&self, code: &str) -> Value {
        let page = (self.tool.page)(code).unwrap_or_default();
        let title = page.lines().next().unwrap_or_default().trim_start_matches("# ");
        let title = if title.is_empty() { code } else { title };
        let mut rule = json!({
            "id": code,
            "shortDescription": { "text": title },
            "help": { "text": format!("rebar explain {code}") },
        });
        let body = page.split_once('\n').map_or("", |(_, body)| body).trim();
        if !body.is_empty() {
            let first = body.split("\n\n").next().unwrap_or_default();
            rule["fullDescription"] = json!({ "text": first });
            rule["help"] = json!({ "text": body, "markdown": page });
        }
        rule
    }

    fn result(&mut self, diagnostic: &Diagnostic, codes: &[&str]) -> Value {
        let mut lines = vec![diagnostic.message.clone()];
        let (mut locations, mut related) = (Vec::new(), Vec::new());
        for (at, label) in diagnostic.labels.iter().enumerate() {
            if !self.sources.get(label.span.source).is_of_project() {
                let place = self.sources.place(label.span);
                lines.push(match label.text.as_str() {
                    "" => place,
                    text => format!("{place}: {text}"),
                });
                continue;
            }
            let mut location = Map::new();
            location.insert("physicalLocation".to_owned(), self.physical(label.span));
            if !label.text.is_empty() {
                location.insert("message".to_owned(), json!({ "text": label.text }));
            }
            if at == 0 {
                locations.push(Value::Object(location));
            } else {
                location.insert("id".to_owned(), json!(related.len() + 1));
                related.push(Value::Object(location));
            }
        }
        lines.extend(diagnostic.help.iter().map(|help| format!("help: {help}")));
        let level = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut result = json!({
            "ruleId": diagnostic.code.0,
            "ruleIndex": codes.binary_search(&diagnostic.code.0).unwrap_or(0),
            "level": level,
            "message": { "text": lines.join("\n") },
            "locations": locations,
            "partialFingerprints": { "rebarLine/v1": self.fingerprint(diagnostic) },
        });
        if !related.is_empty() {
            result["relatedLocations"] = json!(related);
        }
        let fixes: Vec<Value> = diagnostic.fixes.iter().filter_map(|f| self.fix(f)).collect();
        if !fixes.is_empty() {
            result["fixes"] = json!(fixes);
        }
        result
    }

    /// What stays the same while lines above it come and go.
    fn fingerprint(&mut self, diagnostic: &Diagnostic) -> String {
        let mut text = diagnostic.code.0.to_owned();
        if let Some(label) = diagnostic.labels.first() {
            let line = self.sources.line(label.span).trim();
            text = format!("{text}\n{}\n{line}", self.sources.get(label.span.source).name);
        } else {
            text = format!("{text}\n{}", diagnostic.message);
        }
        let digest = Sha256::digest(text.as_bytes());
        let mut shown: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let times = self.seen.entry(shown.clone()).or_default();
        *times += 1;
        shown.push_str(&format!(":{times}"));
        shown
    }

    /// A fix that would change the library is none.
    fn fix(&self, fix: &Fix) -> Option<Value> {
        let mut changes: BTreeMap<SourceId, Vec<Value>> = BTreeMap::new();
        for (span, text) in &fix.edits {
            if !self.sources.get(span.source).is_of_project() {
                return None;
            }
            changes.entry(span.source).or_default().push(json!({
                "deletedRegion": self.region(*span),
                "insertedContent": { "text": text },
            }));
        }
        let changes: Vec<Value> = changes
            .into_iter()
            .map(|(file, all)| json!({ "artifactLocation": self.artifact(file), "replacements": all }))
            .collect();
        (!changes.is_empty()).then(|| {
            json!({
                "description": { "text": fix.title },
                "artifactChanges": changes,
                "properties": { "applicability": fix.applicability.word() },
            })
        })
    }

    fn physical(&self, span: Span) -> Value {
        json!({ "artifactLocation": self.artifact(span.source), "region": self.region(span) })
    }

    fn artifact(&self, file: SourceId) -> Value {
        let path = uri(&format!("{}{}", self.tool.folder, self.sources.get(file).name));
        // Outside of a repository there is nothing that it could be relative to.
        let scheme = if path.starts_with('/') { "file://" } else { "" };
        json!({ "uri": format!("{scheme}{path}") })
    }

    fn region(&self, span: Span) -> Value {
        let end = Span {
            start: span.end,
            ..span
        };
        let (line, column) = self.sources.position_utf16(span);
        let (end_line, end_column) = self.sources.position_utf16(end);
        json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column })
    }
}

/// A path as a relative reference.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}
