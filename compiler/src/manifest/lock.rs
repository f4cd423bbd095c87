//! `rebar.lock`: which packages a project uses, and what its patches stand at. Text in and out; whoever reads the
//! folders compares.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toml::de::{DeTable, DeValue};

/// The name of the file.
pub const LOCK_FILE: &str = "rebar.lock";

/// The version of the form; others are refused.
const VERSION: &str = "1";

/// A longer file is refused.
const LONGEST: usize = 4 << 20;

/// What a lock file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Packages by name.
    pub packages: BTreeMap<String, LockedPackage>,
    /// By the place of a change of a patch: the digest of what it stands at.
    pub patches: BTreeMap<String, String>,
}

/// One package as it was locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its version.
    pub version: String,
    /// Where it is from: `path+../ceph`, `git+https://…?tag=v1#<commit>`.
    pub source: String,
    /// `sha256:` and the digest of its files.
    pub hash: String,
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn read(text: &str) -> Result<Lock, String> {
        if text.len() > LONGEST {
            return Err("it is longer than 4 MiB".to_owned());
        }
        let document = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
            format!(
                "line {line} is not TOML: {}",
                super::table::own_words(error.message())
            )
        })?;
        let document = document.get_ref();
        let version = match document.get("version").map(|v| v.get_ref()) {
            Some(DeValue::Integer(number)) => number.as_str().to_owned(),
            _ => String::new(),
        };
        if version != VERSION {
            return Err(format!(
                "its form is not version {VERSION}, which this rebar reads"
            ));
        }
        let mut lock = Lock::default();
        for entry in tables(document, "package")? {
            let name = text_of(entry, "name")?;
            let package = LockedPackage {
                version: text_of(entry, "version")?,
                source: text_of(entry, "source")?,
                hash: text_of(entry, "hash")?,
            };
            if lock.packages.insert(name.clone(), package).is_some() {
                return Err(format!("`{name}` is there twice"));
            }
        }
        for entry in tables(document, "patch")? {
            lock.patches
                .insert(text_of(entry, "at")?, text_of(entry, "hash")?);
        }
        Ok(lock)
    }

    /// The text of the file: always the same for the same content.
    pub fn text(&self) -> String {
        let mut text = format!(
            "# Written by rebar: which packages this project uses. Keep it with the project.\nversion = {VERSION}\n"
        );
        for (name, package) in &self.packages {
            let fields = [
                ("name", name),
                ("version", &package.version),
                ("source", &package.source),
                ("hash", &package.hash),
            ];
            section(&mut text, "package", &fields);
        }
        for (at, hash) in &self.patches {
            section(&mut text, "patch", &[("at", at), ("hash", hash)]);
        }
        text
    }
}

fn section(text: &mut String, name: &str, fields: &[(&str, &String)]) {
    let _ = write!(text, "\n[[{name}]]\n");
    for (key, value) in fields {
        let _ = writeln!(text, "{key} = {}", quoted(value));
    }
}

/// A basic string of TOML.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for letter in value.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(letter));
            }
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

fn tables<'a>(document: &'a DeTable<'a>, name: &str) -> Result<Vec<&'a DeTable<'a>>, String> {
    let Some(value) = document.get(name) else {
        return Ok(Vec::new());
    };
    let wrong = || format!("`{name}` is no list of sections");
    let list = value.get_ref().as_array().ok_or_else(wrong)?;
    list.iter()
        .map(|entry| entry.get_ref().as_table().ok_or_else(wrong))
        .collect()
}

fn text_of(table: &DeTable<'_>, key: &str) -> Result<String, String> {
    match table.get(key).map(|value| value.get_ref()) {
        Some(DeValue::String(text)) => Ok(text.to_string()),
        _ => Err(format!("an entry lacks `{key}`")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut lock = Lock::default();
        let package = LockedPackage {
            version: "1.2.0".to_owned(),
            source: "path+../a \"b\" \\ \u{1}".to_owned(),
            hash: "sha256:00".to_owned(),
        };
        lock.packages.insert("ceph".to_owned(), package);
        lock.patches
            .insert("ceph.osd role osd before service osd".to_owned(), "ab".to_owned());
        assert_eq!(Lock::read(&lock.text()), Ok(lock));
    }

    #[test]
    fn what_lies_about_its_form_is_refused() {
        for text in [
            "",
            "version = 2",
            "version = 1\npackage = 3",
            "version = 1\n[[package]]\nname = \"a\"",
            "version = 1\n[[package]]\nname = 3",
            "version = 1\n[[patch]]\nat = \"a\"",
            "version = 1\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = \"\"\nhash = \"\"\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = \"\"\nhash = \"\"",
            "<<<<<<< HEAD",
        ] {
            assert!(Lock::read(text).is_err(), "{text}");
        }
    }
}
