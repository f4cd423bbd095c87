//! `service`: a unit of systemd, running or not, enabled or not, with the newest of what it loads.
//!
//! The journal remembers which digests a service has loaded, and when. It loads anew when a digest differs, and
//! when a step it loads has changed something since: a file that was mended back to what it was, for example.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::systemd::{self, Unit, complaint, systemctl};
use super::{Action, Effect, Node, compared};
use crate::failure::{Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::program::Finished;
use crate::protocol::Observation;

/// A service as desired.
#[derive(Debug)]
pub(crate) struct Service {
    name: String,
    running: bool,
    enabled: bool,
    loads: BTreeMap<String, String>,
}

impl Service {
    pub(crate) fn parse(
        fields: &mut Fields<'_>,
        loads: &BTreeMap<String, String>,
    ) -> Result<Service, Refusal> {
        let name = fields.text("name")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
        if name.is_empty() || name.starts_with('-') || !name.bytes().all(plain) {
            return Err(fields.wrong("name", format!("`{name}` is no name of a service")));
        }
        let service = Service {
            name,
            running: fields.boolean_or("running", true)?,
            enabled: fields.boolean_or("enabled", true)?,
            loads: loads.clone(),
        };
        fields.ignore("reload_on");
        Ok(service)
    }

    /// Steps whose present state the service has not loaded.
    fn stale(&self, known: &Known) -> Vec<&str> {
        let loaded = known.memory.get("loaded").and_then(Value::as_object);
        let since = known.memory.get("at").and_then(Value::as_u64).unwrap_or(0);
        self.loads
            .iter()
            .filter(|(address, digest)| {
                let same = loaded.and_then(|loaded| loaded.get(*address)?.as_str()) == Some(digest.as_str());
                !same
                    || known
                        .changes
                        .get(*address)
                        .is_some_and(|changed| *changed > since)
            })
            .map(|(address, _)| address.as_str())
            .collect()
    }

    /// Steps that changed the node after the service last loaded them. Who only looks does not say what the service
    /// loads; what it loaded when it was applied is remembered.
    fn changed_since<'a>(&'a self, known: &'a Known) -> Vec<&'a str> {
        if !self.loads.is_empty() {
            return self.stale(known);
        }
        let since = known.memory.get("at").and_then(Value::as_u64).unwrap_or(0);
        let loaded = known.memory.get("loaded").and_then(Value::as_object);
        loaded
            .into_iter()
            .flat_map(serde_json::Map::keys)
            .filter(|address| {
                known
                    .changes
                    .get(*address)
                    .is_some_and(|changed| *changed > since)
            })
            .map(String::as_str)
            .collect()
    }

    fn memory(&self, known: &Known) -> Value {
        json!({ "loaded": self.loads, "at": known.now })
    }

    fn differences(&self, unit: &Unit) -> Vec<String> {
        let mut differences = Vec::new();
        if unit.is_masked() && (self.running || self.enabled) {
            differences.push("masked".to_owned());
        }
        if self.running != unit.is_active() {
            differences.push(match unit.active.as_str() {
                "inactive" => "stopped".to_owned(),
                "active" => "running".to_owned(),
                other => other.to_owned(),
            });
        }
        if self.enabled && !unit.is_masked() && !starts_at_boot(&unit.enabled) {
            differences.push("not enabled".to_owned());
        }
        if !self.enabled && matches!(unit.enabled.as_str(), "enabled" | "enabled-runtime") {
            differences.push("enabled".to_owned());
        }
        differences
    }

    fn call(&self, verb: &str) -> Result<(), Failure> {
        check(verb, &self.name, &systemctl(&[verb, "--", &self.name])?)
    }

    /// Sets whether it is started at boot. Tells what was done.
    fn set_enabled(&self, unit: &Unit, notes: &mut Vec<&'static str>) -> Result<(), Failure> {
        if unit.is_masked() && (self.running || self.enabled) {
            self.call("unmask")?;
            notes.push("unmasked");
        }
        let unit = if unit.is_masked() {
            systemd::look(&self.name)?
        } else {
            unit.clone()
        };
        if self.enabled && !starts_at_boot(&unit.enabled) {
            self.call("enable")?;
            notes.push("enabled");
        }
        if !self.enabled && matches!(unit.enabled.as_str(), "enabled" | "enabled-runtime") {
            self.call("disable")?;
            notes.push("disabled");
        }
        Ok(())
    }

    fn start(&self, node: &Node<'_>, unit: &Unit) -> Result<(), Failure> {
        if unit.active == "failed" {
            // Else systemd may refuse because it failed too often.
            self.call("reset-failed")?;
        }
        (node.progress)(&format!("starting {}", self.name));
        self.call("start")?;
        self.confirm_running()
    }

    /// A service of the simple sort counts as started before it has read its configuration.
    fn confirm_running(&self) -> Result<(), Failure> {
        let unit = systemd::look(&self.name)?;
        if unit.is_active() {
            return Ok(());
        }
        let message = format!("`{}` was started, and is {} now", self.name, unit.active);
        Err(Failure::terminal(message).with_detail(complaint(&self.name)))
    }
}

impl Action for Service {
    fn observe(&self, node: &Node<'_>, known: &Known) -> Result<Observation, Failure> {
        systemd::require(node)?;
        let unit = systemd::look(&self.name)?;
        if !unit.is_loaded && !unit.is_masked() {
            return Ok(compared(&["there is no such service".to_owned()]));
        }
        let mut differences = self.differences(&unit);
        if self.running && unit.is_active() {
            let stale = self.changed_since(known);
            if !stale.is_empty() {
                differences.push(format!("has not loaded `{}`", stale.join("`, `")));
            }
        }
        Ok(compared(&differences))
    }

    fn former(&self, node: &Node<'_>) -> Result<Former, Failure> {
        systemd::require(node)?;
        let unit = systemd::look(&self.name)?;
        Ok(Former::Unit {
            active: unit.is_active(),
            enabled: unit.enabled,
        })
    }

    fn ensure(&self, node: &Node<'_>, known: &Known) -> Result<Effect, Failure> {
        systemd::require(node)?;
        let mut unit = systemd::look(&self.name)?;
        if !unit.is_loaded && !unit.is_masked() {
            // A unit file that was just written is not known before systemd has looked again.
            check("daemon-reload", &self.name, &systemctl(&["daemon-reload"])?)?;
            unit = systemd::look(&self.name)?;
        }
        if !unit.is_loaded && !unit.is_masked() {
            return Err(Failure::terminal(format!(
                "there is no service `{}` on this node; add a `package` or `file` step that brings it",
                self.name
            )));
        }
        let mut notes = Vec::new();
        let stale = self.stale(known);
        if unit.is_outdated {
            check("daemon-reload", &self.name, &systemctl(&["daemon-reload"])?)?;
        }
        self.set_enabled(&unit, &mut notes)?;
        match (self.running, unit.is_active()) {
            (true, false) => {
                self.start(node, &unit)?;
                notes.push("started");
            }
            // What stands in the unit's own file takes effect only at a start.
            (true, true) if !stale.is_empty() && unit.is_outdated => {
                (node.progress)(&format!("restarting {}", self.name));
                self.call("restart")?;
                self.confirm_running()?;
                notes.push("restarted");
            }
            (true, true) if !stale.is_empty() => {
                (node.progress)(&format!("reloading {}", self.name));
                self.call("reload-or-restart")?;
                self.confirm_running()?;
                notes.push("reloaded");
            }
            (false, true) => {
                self.call("stop")?;
                notes.push("stopped");
            }
            (false, false) if unit.active == "activating" => {
                self.call("stop")?;
                notes.push("stopped");
            }
            (true, true) | (false, false) => {}
        }
        let effect = if notes.is_empty() {
            Effect::unchanged("as desired")
        } else {
            Effect::changed(notes.join(", "))
        };
        let process = systemd::look(&self.name)?.main_process;
        Ok(effect
            .remember(self.memory(known))
            .output("main_process", process))
    }

    fn undo(&self, node: &Node<'_>, _known: &Known, former: &Former) -> Result<Effect, Failure> {
        systemd::require(node)?;
        let Former::Unit { active, enabled } = former else {
            return Ok(Effect::unchanged("left as it is"));
        };
        let unit = systemd::look(&self.name)?;
        if !unit.is_loaded {
            return Ok(Effect::unchanged("already gone"));
        }
        let mut notes = Vec::new();
        if unit.is_active() && !active {
            self.call("stop")?;
            notes.push("stopped");
        }
        if enabled.starts_with("masked") && !unit.is_masked() {
            self.call("mask")?;
            notes.push("masked");
        } else if unit.enabled == "enabled" && enabled != "enabled" && !enabled.is_empty() {
            self.call("disable")?;
            notes.push("disabled");
        } else if enabled == "enabled" && unit.enabled == "disabled" {
            self.call("enable")?;
            notes.push("enabled");
        }
        if *active && !unit.is_active() {
            // What made it run may be about to go as well: that it does not start must not bar the rest.
            notes.push(match self.start(node, &unit) {
                Ok(()) => "started",
                Err(_) => "left stopped: it ran before, and does not start now",
            });
        }
        Ok(if notes.is_empty() {
            Effect::unchanged("already as before")
        } else {
            Effect::changed(notes.join(", "))
        })
    }
}

/// In systemctl's words; `static` and its like are started by others and cannot be enabled.
fn starts_at_boot(enabled: &str) -> bool {
    matches!(
        enabled,
        "enabled" | "static" | "indirect" | "generated" | "alias" | "transient" | "linked" | ""
    )
}

fn check(verb: &str, name: &str, finished: &Finished) -> Result<(), Failure> {
    if finished.is_success() {
        return Ok(());
    }
    let detail = format!("{}\n{}", finished.tail(), complaint(name))
        .trim()
        .to_owned();
    let failure = match finished.code {
        None => Failure::transient(format!("`systemctl {verb} {name}` did not end")),
        Some(_) => Failure::terminal(format!("`systemctl {verb} {name}` failed")),
    };
    Err(failure.with_detail(detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Step;

    fn service(fields: Value, loads: &[(&str, &str)]) -> Service {
        let step = Step {
            address: "run.web".into(),
            action: "service".into(),
            key: "nginx".into(),
            fields: serde_json::from_value(fields).unwrap(),
            removal: crate::protocol::Removal::Restore,
            secret: Vec::new(),
            replaced: false,
            loads: loads
                .iter()
                .map(|(address, digest)| ((*address).into(), (*digest).into()))
                .collect(),
        };
        Service::parse(&mut Fields::of(&step), &step.loads).unwrap()
    }

    fn unit(active: &str, enabled: &str) -> Unit {
        Unit {
            is_loaded: true,
            active: active.into(),
            enabled: enabled.into(),
            main_process: 1,
            is_outdated: false,
        }
    }

    #[test]
    fn differences_are_told_in_words() {
        let wanted = service(json!({ "name": "nginx" }), &[]);
        assert!(wanted.differences(&unit("active", "enabled")).is_empty());
        assert!(wanted.differences(&unit("reloading", "static")).is_empty());
        assert_eq!(
            wanted.differences(&unit("inactive", "disabled")),
            ["stopped", "not enabled"]
        );
        assert_eq!(
            wanted.differences(&unit("failed", "masked")),
            ["masked", "failed"]
        );
        let unwanted = service(
            json!({ "name": "nginx", "running": false, "enabled": false }),
            &[],
        );
        assert_eq!(
            unwanted.differences(&unit("active", "enabled")),
            ["running", "enabled"]
        );
        assert!(unwanted.differences(&unit("inactive", "masked")).is_empty());
    }

    #[test]
    fn it_loads_anew_when_a_digest_differs_or_a_step_changed_since() {
        let service = service(json!({ "name": "nginx" }), &[("run.a", "1"), ("run.b", "2")]);
        let mut known = Known {
            now: 10,
            ..Known::default()
        };
        assert_eq!(service.stale(&known), ["run.a", "run.b"]);
        known.memory = service.memory(&known);
        assert!(service.stale(&known).is_empty());
        known.changes.insert("run.b".into(), 9);
        assert!(service.stale(&known).is_empty());
        known.changes.insert("run.b".into(), 12);
        assert_eq!(service.stale(&known), ["run.b"]);
        known.changes.clear();
        known.memory["loaded"]["run.a"] = json!("0");
        assert_eq!(service.stale(&known), ["run.a"]);
    }

    #[test]
    fn who_only_looks_sees_what_changed_since_it_was_loaded() {
        let applied = service(json!({ "name": "nginx" }), &[("run.a", "1"), ("run.b", "2")]);
        let looked_at = service(json!({ "name": "nginx" }), &[]);
        let mut known = Known {
            now: 10,
            ..Known::default()
        };
        assert!(looked_at.changed_since(&known).is_empty());
        known.memory = applied.memory(&known);
        known.changes.insert("run.b".into(), 9);
        known.changes.insert("run.other".into(), 12);
        assert!(looked_at.changed_since(&known).is_empty());
        known.changes.insert("run.b".into(), 12);
        assert_eq!(looked_at.changed_since(&known), ["run.b"]);
    }

    #[test]
    fn names_cannot_be_options() {
        for name in ["--now", "a b", "", "a/b"] {
            let step = super::super::testing::step("service", json!({ "name": name }));
            assert!(super::super::parse(&step).is_err(), "{name}");
        }
    }
}
