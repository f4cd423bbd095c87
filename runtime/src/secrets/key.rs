//! The project's key: what MACs of secrets are made with, and generated secrets are derived from.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use rebar_compiler::plan::{Recipe, SecretReference};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::SecretError;

/// The name of its file in the folder of the state.
pub const FILE: &str = "secrets.key";

/// Bytes of a key.
const LENGTH: usize = 32;

/// What a generated secret is made of.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A key of HMAC-SHA-256.
pub struct Key(Zeroizing<[u8; LENGTH]>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

impl Key {
    /// The key in a folder.
    ///
    /// # Errors
    /// `E1070` when it cannot be read, is no key, or others can read it.
    pub(super) fn load(folder: &Path) -> Result<Option<Key>, SecretError> {
        let path = folder.join(FILE);
        let unusable = |cause: &str| unusable(&path, cause);
        let text = match fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&error.kind().to_string())),
        };
        let mode = fs::metadata(&path)
            .map_err(|error| unusable(&error.kind().to_string()))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            let mut error = unusable("others can read it");
            error.help = format!("`chmod 600 {}`", path.display());
            return Err(error);
        }
        let mut key = Zeroizing::new([0; LENGTH]);
        let text = text.trim_end();
        if text.len() != 2 * LENGTH || !text.is_ascii() {
            return Err(unusable("it is no key"));
        }
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).map_err(|_| unusable("it is no key"))?;
        }
        Ok(Some(Key(key)))
    }

    /// The key in a folder; a new one if there is none. Of two that are made at once, one stays.
    ///
    /// # Errors
    /// `E1070` when it cannot be read or written.
    pub(super) fn load_or_make(folder: &Path) -> Result<Key, SecretError> {
        if let Some(key) = Key::load(folder)? {
            return Ok(key);
        }
        let path = folder.join(FILE);
        let failed = |error: std::io::Error| unusable(&path, &error.kind().to_string());
        let mut bytes = Zeroizing::new([0; LENGTH]);
        getrandom::fill(&mut *bytes).map_err(|error| unusable(&path, &error.to_string()))?;
        let digits: Zeroizing<String> =
            Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        fs::create_dir_all(folder).map_err(failed)?;
        // Only its owner can read a file that is made so.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(digits.as_bytes()).map_err(failed)?;
        file.write_all(b"\n").map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error.error)),
        }
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
        Key::load(folder)?.ok_or_else(|| unusable(&path, "it is gone again"))
    }

    /// A few digits that tell this key from others.
    pub fn id(&self) -> String {
        hex(&self.hmac(&["id"])[..4])
    }

    /// Whether a MAC was made with this key.
    pub fn made(&self, mac: &str) -> bool {
        mac.strip_prefix(&self.id())
            .is_some_and(|rest| rest.starts_with('-'))
    }

    /// The MAC of a secret.
    pub(super) fn mac(&self, name: &str, value: &str) -> String {
        self.tagged(&["secret", name, value])
    }

    /// The MAC of a generated secret: what it is follows from the key and these.
    pub fn mac_of_generated(&self, reference: &SecretReference) -> String {
        self.tagged(&["generated", &reference.id()])
    }

    fn tagged(&self, parts: &[&str]) -> String {
        format!("{}-{}", self.id(), hex(&self.hmac(parts)[..16]))
    }

    /// A generated secret of a deploy: letters and digits, each as likely as any other.
    pub(super) fn generate(&self, deploy_id: &str, name: &str, recipe: Recipe) -> Zeroizing<String> {
        let length = recipe.length as usize;
        let (length_text, version) = (recipe.length.to_string(), recipe.version.to_string());
        let mut text = Zeroizing::new(String::with_capacity(length));
        for block in 0u64.. {
            let block = block.to_string();
            let bytes =
                Zeroizing::new(self.hmac(&["value", deploy_id, name, &length_text, &version, &block]));
            // Bytes from 248 on would make the first letters likelier.
            for byte in bytes.iter().filter(|byte| **byte < 248) {
                if text.len() == length {
                    return text;
                }
                text.push(char::from(LETTERS[usize::from(byte % 62)]));
            }
        }
        text
    }

    /// HMAC-SHA-256 over parts with their lengths.
    fn hmac(&self, parts: &[&str]) -> [u8; 32] {
        // A key of any length is taken.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_slice()) else {
            return [0; 32];
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unusable(path: &Path, cause: &str) -> SecretError {
    SecretError {
        code: "E1070",
        message: format!(
            "the key of this project's secrets, `{}`, cannot be used: {cause}",
            path.display()
        ),
        help: "bring the file back from where it is kept safe; without it all secrets count as changed"
            .to_owned(),
    }
}
