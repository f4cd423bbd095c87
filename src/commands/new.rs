//! `rebar new` and `rebar init`: a small project that can be applied at once.

use std::path::Path;

use rebar_compiler::{Diagnostics, Sources, manifest};

use super::{Context, tell};
use crate::exit::Exit;
use crate::project::plain;
use crate::report::Failure;

const MAIN: &str = include_str!("new.rebar");

const IGNORED: &str = "# What stands, and what was done: the state of rebar.\n/.rebar/\n";

/// Makes a folder with a project.
pub(crate) fn new(folder: &Path) -> Result<Exit, Failure> {
    if std::fs::symlink_metadata(folder).is_ok() {
        let message = format!("`{}` is there already", folder.display());
        return Err(Failure::new("E1660", message)
            .help("give another name; in a folder that is there, `rebar init` makes a project")
            .exit(Exit::Refused));
    }
    let name = name_of(folder)?;
    std::fs::create_dir_all(folder).map_err(|e| unwritten(folder, &e))?;
    fill(folder, &name)
}

/// Makes a project in the folder at hand.
pub(crate) fn init(context: &Context) -> Result<Exit, Failure> {
    let folder = std::path::absolute(&context.project.root).unwrap_or_else(|_| context.project.root.clone());
    let name = name_of(&folder)?;
    fill(&folder, &name)
}

/// The name of the package: the last part of the path, as names are written.
fn name_of(folder: &Path) -> Result<String, Failure> {
    let last = folder.file_name().map(|n| n.to_string_lossy().into_owned());
    let last = last.unwrap_or_default();
    let name = last.to_lowercase().replace(['-', ' ', '.'], "_");
    let mut sources = Sources::default();
    let source = sources.add(manifest::FILE, toml(&name));
    let mut said = Diagnostics::default();
    manifest::read(&sources, source, &mut said);
    match said.sorted().first() {
        None => Ok(name),
        Some(_) => Err(
            Failure::new("E1661", format!("`{last}` cannot be the name of a package"))
                .help("names begin with a small letter, of small letters, digits and `_`, and are no words of the language")
                .exit(Exit::Usage),
        ),
    }
}

fn toml(name: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n")
}

/// Writes the files; those that are there stay as they are, but `main.rebar` and `rebar.toml` may not be there.
fn fill(folder: &Path, name: &str) -> Result<Exit, Failure> {
    for file in ["main.rebar", manifest::FILE] {
        if std::fs::symlink_metadata(folder.join(file)).is_ok() {
            let message = format!("there is a project in `{}`: it has `{file}`", folder.display());
            return Err(Failure::new("E1660", message)
                .help("nothing was written")
                .exit(Exit::Refused));
        }
    }
    let files = [
        ("main.rebar", MAIN.replace("NAME", name)),
        (manifest::FILE, toml(name)),
        (".gitignore", IGNORED.to_owned()),
    ];
    for (file, text) in files {
        let path = folder.join(file);
        if path.exists() {
            continue;
        }
        std::fs::write(&path, text).map_err(|e| unwritten(&path, &e))?;
    }
    tell(&format!(
        "a project in {}: see what it would do with `rebar plan laptop_{name}`\n",
        folder.display()
    ));
    Ok(Exit::Done)
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot write `{}`: {}", path.display(), plain(error));
    Failure::new("E1604", message).help("free some space, or make the folder writable")
}
