//! What the node remembers of a secret: a digest with a salt of its own, so that a change is seen without the secret, and
//! equal secrets do not look equal.

use std::fs::File;
use std::io::Read;

use serde_json::{Value, json};

use crate::failure::{Attempt, Failure};
use crate::ownership::Known;
use crate::text;

/// Bytes of a salt.
const SALT: usize = 16;

/// A salted digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Salted {
    salt: String,
    digest: String,
}

impl Salted {
    /// That of a content, with a new salt.
    pub(super) fn new(content: &[u8]) -> Result<Salted, Failure> {
        let mut salt = [0; SALT];
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut salt))
            .attempt(|| "read `/dev/urandom`".to_owned())?;
        let salt = text::hexadecimal(&salt);
        let digest = digest(&salt, content);
        Ok(Salted { salt, digest })
    }

    /// That which is remembered of a thing.
    pub(super) fn of(known: &Known) -> Option<Salted> {
        let part = |name: &str| Some(known.memory.get(name)?.as_str()?.to_owned());
        Some(Salted {
            salt: part("salt")?,
            digest: part("digest")?,
        })
    }

    /// Whether this is the content.
    pub(super) fn fits(&self, content: &[u8]) -> bool {
        digest(&self.salt, content) == self.digest
    }

    /// To be remembered.
    pub(super) fn memory(&self) -> Value {
        json!({ "salt": self.salt, "digest": self.digest })
    }
}

fn digest(salt: &str, content: &[u8]) -> String {
    let mut all = Vec::with_capacity(salt.len() + content.len());
    all.extend_from_slice(salt.as_bytes());
    all.extend_from_slice(content);
    text::digest(&all)
}
