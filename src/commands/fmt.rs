//! `rebar fmt`

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rebar_compiler::{Sources, format};

use super::Context;
use crate::cli::{FmtArgs, Format};
use crate::exit::Exit;
use crate::project::plain;
use crate::report::Failure;

/// Formats files in place, or tells which are not in the format.
pub(crate) fn run(context: &Context, args: &FmtArgs) -> Result<Exit, Failure> {
    if args.files.len() == 1 && args.files[0].as_os_str() == "-" {
        return standard_input(context);
    }
    let files = if args.files.is_empty() {
        all_of(context)
    } else {
        args.files.clone()
    };
    let mut exit = Exit::Done;
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::new(
                "E1603",
                format!("cannot read `{}`: {}", path.display(), plain(&error)),
            )
        })?;
        let Some(formatted) = formatted(context, &path.display().to_string(), &text)? else {
            exit = Exit::Failed;
            continue;
        };
        if formatted == text {
            continue;
        }
        if args.check {
            super::print(&format!("{}\n", path.display()))?;
            if exit == Exit::Done {
                exit = Exit::Changes;
            }
        } else {
            replace(&path, &formatted)?;
            super::tell(&format!("formatted {}\n", path.display()));
        }
    }
    Ok(exit)
}

fn standard_input(context: &Context) -> Result<Exit, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new("E1603", format!("cannot read standard input: {}", plain(&error))))?;
    match formatted(context, "<standard input>", &text)? {
        Some(formatted) => {
            super::print(&formatted)?;
            Ok(Exit::Done)
        }
        None => Ok(Exit::Failed),
    }
}

/// The text in the format; `None` (and the errors shown) if it cannot be read.
fn formatted(context: &Context, name: &str, text: &str) -> Result<Option<String>, Failure> {
    let mut sources = Sources::default();
    let id = sources.add(name, text);
    match format::format(&sources, id) {
        Ok(formatted) => Ok(Some(formatted)),
        Err(diagnostics) => {
            super::show(context, Format::Human, &diagnostics, &sources)?;
            Ok(None)
        }
    }
}

fn all_of(context: &Context) -> Vec<PathBuf> {
    let specs = context.project.specs().into_iter();
    specs.map(|path| context.project.root.join(path)).collect()
}

/// Writes beside the file and renames, so that a full disk or a crash loses nothing. A link stays a link, and
/// what may not be written is not.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
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
