//! The files of one package, read once into memory: what is compiled is what was hashed.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use rebar_compiler::source::{FileError, Files};
use sha2::{Digest, Sha256};

use crate::project::plain;

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All files of a package together.
const LARGEST: u64 = 64 << 20;
/// Files of a package.
const MOST: usize = 10_000;
/// Levels of folders.
const DEEPEST: usize = 32;

/// The files of a package, by path with `/` between folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// Reads a folder: without what is hidden, without folders `target`, and at the top without `vendor` and
    /// `rebar.lock`, which are the business of whoever works on it.
    ///
    /// # Errors
    /// In a few words: what cannot be read, leads out of the folder, or is too much.
    pub(crate) fn read(folder: &Path) -> Result<Tree, String> {
        let root = std::fs::canonicalize(folder)
            .map_err(|error| format!("`{}` cannot be read: {}", folder.display(), plain(&error)))?;
        let mut walk = Walk {
            root,
            tree: Tree::default(),
            left: LARGEST,
        };
        walk.folder(&walk.root.clone(), "", DEEPEST)?;
        Ok(walk.tree)
    }

    /// `sha256:` and the digest over names and contents, in the order of the names.
    pub(crate) fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (path, content) in &self.files {
            for part in [path.as_bytes(), content] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        format!("sha256:{}", hex(&hash.finalize()))
    }

    /// Writes the files below `folder`, which is made.
    ///
    /// # Errors
    /// Those of writing.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        for (path, content) in &self.files {
            let file = folder.join(path);
            if let Some(parent) = file.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(file, content)?;
        }
        Ok(())
    }
}

impl Files for Tree {
    fn read(&self, path: &str) -> Result<String, FileError> {
        let bytes = self
            .files
            .get(path)
            .ok_or_else(|| FileError::Missing(path.to_owned()))?;
        String::from_utf8(bytes.clone()).map_err(|error| FileError::NotText {
            path: path.to_owned(),
            offset: error.utf8_error().valid_up_to(),
        })
    }

    fn list(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }
}

struct Walk {
    root: PathBuf,
    tree: Tree,
    left: u64,
}

impl Walk {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), String> {
        let failed =
            |error: &std::io::Error| format!("`{}` cannot be read: {}", folder.display(), plain(error));
        for entry in std::fs::read_dir(folder).map_err(|e| failed(&e))? {
            let entry = entry.map_err(|e| failed(&e))?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(format!("a name in `{}` is not UTF-8 text", folder.display()));
            };
            let top = prefix.is_empty();
            if name.starts_with('.') || name == "target" || top && (name == "vendor" || name == "rebar.lock")
            {
                continue;
            }
            let path = if top { name } else { format!("{prefix}/{name}") };
            let kind = entry.file_type().map_err(|e| failed(&e))?;
            if kind.is_dir() {
                if depth == 0 {
                    return Err(format!("`{path}` is more than {DEEPEST} folders deep"));
                }
                self.folder(&entry.path(), &path, depth - 1)?;
            } else {
                self.file(&entry.path(), path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, at: &Path, path: String) -> Result<(), String> {
        let failed = |error: &std::io::Error| format!("`{path}` cannot be read: {}", plain(error));
        let real = std::fs::canonicalize(at).map_err(|e| failed(&e))?;
        if !real.starts_with(&self.root) {
            return Err(format!("`{path}` is a link that leads out of the package"));
        }
        let meta = std::fs::metadata(&real).map_err(|e| failed(&e))?;
        if meta.is_dir() {
            return Err(format!(
                "`{path}` is a link to a folder: packages have links to their own files only"
            ));
        }
        if !meta.is_file() {
            return Err(format!("`{path}` is no regular file"));
        }
        let mut content = Vec::new();
        let file = std::fs::File::open(&real).map_err(|e| failed(&e))?;
        file.take(self.left + 1)
            .read_to_end(&mut content)
            .map_err(|e| failed(&e))?;
        self.left = match self.left.checked_sub(content.len() as u64) {
            Some(left) => left,
            None => return Err(format!("its files have more than {} MiB together", LARGEST >> 20)),
        };
        self.tree.files.insert(path, content);
        if self.tree.files.len() > MOST {
            return Err(format!("it has more than {MOST} files"));
        }
        Ok(())
    }
}
