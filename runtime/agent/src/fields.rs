//! Reading a step's fields: typed, complete, with errors that name step and field.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::failure::Refusal;
use crate::protocol::Step;

/// The fields of one step, each to be read once.
pub(crate) struct Fields<'a> {
    step: &'a Step,
    known: BTreeSet<&'static str>,
}

impl<'a> Fields<'a> {
    /// The fields of this step.
    pub(crate) fn of(step: &'a Step) -> Fields<'a> {
        Fields {
            step,
            known: BTreeSet::new(),
        }
    }

    /// A refusal that names the step and the field.
    pub(crate) fn wrong(&self, field: &str, why: impl AsRef<str>) -> Refusal {
        Refusal::bad_step(format!(
            "step `{}`: field `{field}` of `{}`: {}",
            self.step.address,
            self.step.action,
            why.as_ref()
        ))
    }

    /// Whether there are secrets in a field.
    pub(crate) fn is_secret(&self, field: &str) -> bool {
        self.step.secret.iter().any(|name| name == field)
    }

    /// Text, or nothing.
    pub(crate) fn optional_text(&mut self, field: &'static str) -> Result<Option<String>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) if text.contains('\0') && field != "content" => {
                Err(self.wrong(field, "a NUL character cannot stand here"))
            }
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.mismatch(field, "text", other)),
        }
    }

    /// Text.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<String, Refusal> {
        self.optional_text(field)?
            .ok_or_else(|| self.wrong(field, "is missing"))
    }

    /// Text with a default.
    pub(crate) fn text_or(&mut self, field: &'static str, default: &str) -> Result<String, Refusal> {
        Ok(self.optional_text(field)?.unwrap_or_else(|| default.to_owned()))
    }

    /// An absolute path without `..`, or nothing.
    pub(crate) fn optional_path(&mut self, field: &'static str) -> Result<Option<String>, Refusal> {
        let Some(path) = self.optional_text(field)? else {
            return Ok(None);
        };
        if !path.starts_with('/') {
            return Err(self.wrong(field, format!("`{path}` is not absolute")));
        }
        if path.split('/').any(|part| part == ".." || part == ".") {
            return Err(self.wrong(field, format!("`{path}` has `.` or `..` in it")));
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        Ok(Some(format!("/{}", parts.join("/"))))
    }

    /// An absolute path without `..`.
    pub(crate) fn path(&mut self, field: &'static str) -> Result<String, Refusal> {
        self.optional_path(field)?
            .ok_or_else(|| self.wrong(field, "is missing"))
    }

    /// Yes or no, with a default.
    pub(crate) fn boolean_or(&mut self, field: &'static str, default: bool) -> Result<bool, Refusal> {
        match self.take(field) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => Err(self.mismatch(field, "true or false", other)),
        }
    }

    /// A whole number from 0, or nothing.
    pub(crate) fn optional_number(&mut self, field: &'static str) -> Result<Option<u64>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(value) => value
                .as_u64()
                .map(Some)
                .ok_or_else(|| self.mismatch(field, "a number from 0", value)),
        }
    }

    /// A whole number that fits an account's number, or nothing.
    pub(crate) fn optional_identity(&mut self, field: &'static str) -> Result<Option<u32>, Refusal> {
        match self.optional_number(field)? {
            None => Ok(None),
            Some(number) => u32::try_from(number)
                .map(Some)
                .map_err(|_| self.wrong(field, format!("`{number}` is too large"))),
        }
    }

    /// A duration (nanoseconds), with a default.
    pub(crate) fn duration_or(
        &mut self,
        field: &'static str,
        default: Duration,
    ) -> Result<Duration, Refusal> {
        Ok(self.optional_number(field)?.map_or(default, Duration::from_nanos))
    }

    /// Permissions in octal digits, with a default.
    pub(crate) fn mode_or(&mut self, field: &'static str, default: u32) -> Result<u32, Refusal> {
        let Some(text) = self.optional_text(field)? else {
            return Ok(default);
        };
        let digits = (3..=5).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if digits && mode <= 0o7777 => Ok(mode),
            Ok(_) | Err(_) => Err(self.wrong(field, format!("`{text}` is no mode such as `0644`"))),
        }
    }

    /// A list of text; missing is empty.
    pub(crate) fn texts(&mut self, field: &'static str) -> Result<Vec<String>, Refusal> {
        match self.take(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values
                .iter()
                .map(|value| {
                    value
                        .as_str()
                        .map(str::to_owned)
                        .ok_or_else(|| self.mismatch(field, "a list of text", value))
                })
                .collect(),
            Some(other) => Err(self.mismatch(field, "a list of text", other)),
        }
    }

    /// Text by name; missing is empty.
    pub(crate) fn map(&mut self, field: &'static str) -> Result<BTreeMap<String, String>, Refusal> {
        match self.take(field) {
            None => Ok(BTreeMap::new()),
            Some(Value::Object(entries)) => entries
                .iter()
                .map(|(name, value)| match value.as_str() {
                    Some(text) => Ok((name.clone(), text.to_owned())),
                    None => Err(self.mismatch(field, "text for each name", value)),
                })
                .collect(),
            Some(other) => Err(self.mismatch(field, "text by name", other)),
        }
    }

    /// Text, or a number written as text.
    pub(crate) fn text_or_number(&mut self, field: &'static str) -> Result<String, Refusal> {
        match self.take(field) {
            None => Err(self.wrong(field, "is missing")),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(other) => Err(self.mismatch(field, "text or a number", other)),
        }
    }

    /// Fields that this action has, and reads elsewhere or not at all.
    pub(crate) fn ignore(&mut self, field: &'static str) {
        self.known.insert(field);
    }

    /// Refuses fields that were not read: what is not understood is not silently left undone.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        match self
            .step
            .fields
            .iter()
            .find(|(name, value)| !self.known.contains(name.as_str()) && !value.is_null())
        {
            None => Ok(()),
            Some((name, _)) => Err(self.wrong(name, "this agent does not know it")),
        }
    }

    fn take(&mut self, field: &'static str) -> Option<&'a Value> {
        self.known.insert(field);
        self.step.fields.get(field).filter(|value| !value.is_null())
    }

    fn mismatch(&self, field: &str, expected: &str, found: &Value) -> Refusal {
        let found = match found {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a record",
        };
        self.wrong(field, format!("expected {expected}, found {found}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Removal;
    use serde_json::json;

    fn step(fields: Value) -> Step {
        Step {
            address: "pages.index".into(),
            action: "file".into(),
            key: "/x".into(),
            fields: serde_json::from_value(fields).unwrap(),
            removal: Removal::Restore,
            loads: BTreeMap::new(),
            secret: Vec::new(),
            replaced: false,
        }
    }

    #[test]
    fn errors_name_step_and_field() {
        let step = step(json!({ "path": 3 }));
        let error = Fields::of(&step).path("path").unwrap_err();
        assert_eq!(error.code, "E1307");
        assert_eq!(
            error.message,
            "step `pages.index`: field `path` of `file`: expected text, found a number"
        );
    }

    #[test]
    fn paths_are_absolute_and_plain() {
        for (path, good) in [
            ("/a//b/", true),
            ("a", false),
            ("/a/../b", false),
            ("/a\0b", false),
        ] {
            let step = step(json!({ "path": path }));
            assert_eq!(Fields::of(&step).path("path").is_ok(), good, "{path:?}");
        }
        let step = step(json!({ "path": "/a//b/" }));
        assert_eq!(Fields::of(&step).path("path").unwrap(), "/a/b");
    }

    #[test]
    fn modes_are_octal() {
        for (mode, expected) in [
            ("0644", Some(0o644)),
            ("755", Some(0o755)),
            ("8", None),
            ("+644", None),
        ] {
            let step = step(json!({ "mode": mode }));
            assert_eq!(Fields::of(&step).mode_or("mode", 0).ok(), expected, "{mode}");
        }
    }

    #[test]
    fn unknown_fields_are_refused() {
        let step = step(json!({ "path": "/x", "colour": "red", "nothing": null }));
        let mut fields = Fields::of(&step);
        fields.path("path").unwrap();
        assert!(fields.finish().unwrap_err().message.contains("`colour`"));
    }
}
