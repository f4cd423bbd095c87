//! Secrets, from where they are kept to the line to the agent, and nowhere else.
//!
//! Plans, records and the journal hold references and keyed MACs ([`rebar_compiler::plan::SecretReference`]). What a
//! secret is, is asked for when a plan is made (for its MAC) and just before a step is sent to its node.

mod key;
mod settle;
mod source;

pub use key::{FILE, Key};
pub(crate) use settle::settle;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rebar_compiler::manifest::{SecretFrom, SecretSource};
use rebar_compiler::plan::{LEAVE, RecordedStep, SecretReference, holds_secret, open, secrets_in};
use serde_json::Value;
use zeroize::Zeroizing;

/// A shorter secret is not looked for in what nodes say: it would be found everywhere.
const SHORTEST_TO_HIDE: usize = 4;
/// A shorter line of a secret of several lines may be anybody's, such as its first.
const SHORTEST_LINE_TO_HIDE: usize = 8;

/// Why a secret is not there.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct SecretError {
    /// A stable code.
    pub code: &'static str,
    /// What is wrong. It never holds the secret.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Where secrets are taken from.
#[derive(Debug)]
enum Origin {
    /// There are none.
    Nowhere,
    /// Names stand for them: nothing real is touched.
    Rehearsed,
    /// The project's.
    Project {
        root: PathBuf,
        state: PathBuf,
        sources: BTreeMap<String, SecretFrom>,
    },
}

/// The secrets of a project. Each is asked for once.
pub struct Secrets {
    origin: Origin,
    /// One question at a time: a program may ask a person.
    asking: tokio::sync::Mutex<()>,
    known: Mutex<BTreeMap<String, Zeroizing<String>>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Default for Secrets {
    fn default() -> Secrets {
        Secrets::with(Origin::Nowhere)
    }
}

impl Secrets {
    fn with(origin: Origin) -> Secrets {
        Secrets {
            origin,
            asking: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// Those of the project in `root`, whose key is in the folder `state`.
    pub fn of_project(root: PathBuf, state: PathBuf, sources: &[SecretSource]) -> Secrets {
        let sources = sources.iter().map(|s| (s.name.text.clone(), s.from.clone()));
        Secrets::with(Origin::Project {
            root,
            state,
            sources: sources.collect(),
        })
    }

    /// Names in place of secrets, for rehearsals.
    pub fn rehearsed() -> Secrets {
        Secrets::with(Origin::Rehearsed)
    }

    /// The project's key, if there is one.
    ///
    /// # Errors
    /// `E1070` when it cannot be read, or others can read it.
    pub fn key(&self) -> Result<Option<Key>, SecretError> {
        match &self.origin {
            Origin::Nowhere | Origin::Rehearsed => Ok(None),
            Origin::Project { state, .. } => Key::load(state),
        }
    }

    /// The MAC of a secret as it is now; the key is made if there is none. Nothing in a rehearsal.
    ///
    /// # Errors
    /// When the secret, or the key, is not there.
    pub async fn mac(&self, reference: &SecretReference) -> Result<Option<String>, SecretError> {
        let Origin::Project { state, .. } = &self.origin else {
            return Ok(None);
        };
        let key = Key::load_or_make(state)?;
        if reference.generated.is_some() {
            return Ok(Some(key.mac_of_generated(reference)));
        }
        let value = self.value(reference, "").await?;
        Ok(Some(key.mac(&reference.name, &value)))
    }

    /// A secret itself.
    async fn value(
        &self,
        reference: &SecretReference,
        deploy_id: &str,
    ) -> Result<Zeroizing<String>, SecretError> {
        let id = reference.id();
        let _turn = self.asking.lock().await;
        if let Some(value) = self.known().get(&id) {
            return Ok(value.clone());
        }
        let value = match (&self.origin, reference.generated) {
            (Origin::Rehearsed, _) => Zeroizing::new(format!("({reference})")),
            (Origin::Nowhere, _) => {
                return Err(SecretError {
                    code: "E1230",
                    message: format!("nothing says where the secret `{}` comes from", reference.name),
                    help: "secrets are given where a project is applied".to_owned(),
                });
            }
            (Origin::Project { state, .. }, Some(recipe)) => {
                let key = Key::load_or_make(state)?;
                key.generate(deploy_id, &reference.name, recipe)
            }
            (Origin::Project { root, sources, .. }, None) => {
                let usual = SecretFrom::usual(&reference.name);
                let from = sources.get(&reference.name).unwrap_or(&usual);
                source::ask(root, &reference.name, from).await?
            }
        };
        self.known().insert(id, value.clone());
        Ok(value)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Zeroizing<String>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fields of a step with their secrets in them, and which fields those are.
    ///
    /// # Errors
    /// When a secret is not there.
    pub(crate) async fn open(
        &self,
        step: &RecordedStep,
        deploy_id: &str,
    ) -> Result<BTreeMap<String, Value>, SecretError> {
        let mut opened = BTreeMap::new();
        // What is kept for when the node leaves stays sealed until then.
        if step.kind == LEAVE {
            return Ok(opened);
        }
        for (name, field) in step.fields.iter().filter(|(_, field)| holds_secret(field)) {
            let mut values = BTreeMap::new();
            for reference in secrets_in(field) {
                let value = self.value(&reference, deploy_id).await?;
                values.insert(reference.id(), value.to_string());
            }
            let field = open(field, &values);
            values.into_values().for_each(|value| drop(Zeroizing::new(value)));
            let field = field.map_err(|_| SecretError {
                code: "E1230",
                message: format!(
                    "the field `{name}` of `{}`, which holds a secret, cannot be put together",
                    step.address
                ),
                help: "make the plan anew with `rebar plan`".to_owned(),
            })?;
            opened.insert(name.clone(), field);
        }
        Ok(opened)
    }

    /// The text without any secret that is known by now.
    pub(crate) fn hide(&self, text: String) -> String {
        let known = self.known();
        let found = known.iter().flat_map(|(id, value)| {
            let whole = Some(value.as_str()).filter(|whole| whole.len() >= SHORTEST_TO_HIDE);
            // Who complains of a key shows one of its lines, and a shell makes them one.
            let lines = value.lines().map(str::trim);
            let lines = lines.filter(|line| line.len() >= SHORTEST_LINE_TO_HIDE && *line != value.as_str());
            whole.into_iter().chain(lines).map(move |part| (id, part))
        });
        found.fold(text, |text, (id, part)| match text.contains(part) {
            true => text.replace(part, &format!("(secret {id})")),
            false => text,
        })
    }

    /// The value without any secret that is known by now.
    pub(crate) fn hide_in(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.hide(text)),
            Value::Array(list) => list.into_iter().map(|inner| self.hide_in(inner)).collect(),
            Value::Object(map) => {
                let map = map.into_iter();
                Value::Object(
                    map.map(|(name, inner)| (self.hide(name), self.hide_in(inner)))
                        .collect(),
                )
            }
            plain => plain,
        }
    }
}

#[cfg(test)]
mod tests;
