//! Names of objects, and the ids that follow from them: the same for every backend.

use sha2::{Digest, Sha256};

use super::errors;
use crate::backend::{BackendError, Scope};

/// A name that may become part of an object's name, of a path and of a host table.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), BackendError> {
    let good = !name.is_empty()
        && name.len() <= 63
        && !name.starts_with('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    if good {
        Ok(())
    } else {
        Err(errors::bad_name(what, name))
    }
}

/// A name that may stand in a host table.
pub(crate) fn check_host(name: &str) -> Result<(), BackendError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !name.is_empty() && name.len() <= 253 && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(errors::bad_name("a host name", name))
    }
}

/// What stands in `/etc/machine-id`: the same for one making of one machine, and for no other.
pub(crate) fn machine_id(scope: &Scope, name: &str, operation: &str) -> String {
    hexadecimal(&format!("{}/{name}/{operation}", scope.deploy_id), 16)
}

/// The first `bytes` of the SHA-256 of `text`, in hexadecimal.
pub(crate) fn hexadecimal(text: &str, bytes: usize) -> String {
    let digest = Sha256::digest(text);
    digest
        .iter()
        .take(bytes)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
