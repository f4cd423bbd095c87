//! Writing a file so that a full disk or a crash loses nothing.

use std::io::Write;
use std::path::Path;

use crate::project::plain;
use crate::report::Failure;

/// Writes beside the file and renames, so that a full disk or a crash loses nothing. A link stays a link, and
/// what may not be written is not.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| {
        Failure::new(
            "E1604",
            format!("cannot write `{}`: {}", path.display(), plain(error)),
        )
        .help("the file is as it was")
    };
    let path = &std::fs::canonicalize(path).map_err(|e| failed(&e))?;
    std::fs::OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(|e| failed(&e))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(&e))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(|e| failed(&e))?;
    if let Ok(meta) = std::fs::metadata(path) {
        file.as_file()
            .set_permissions(meta.permissions())
            .map_err(|e| failed(&e))?;
    }
    file.persist(path).map_err(|e| failed(&e.error))?;
    Ok(())
}
