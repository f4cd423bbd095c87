//! The project on disk: where it is, how its files are read, and the folders the runtime works in.

use std::io::Read;
use std::path::{Path, PathBuf};

use rebar_compiler::source::{FileError, Files};
use rebar_runtime::backend::Folders;

use crate::exit::Exit;
use crate::packages::Policy;
use crate::report::Failure;

/// Files larger than this are refused: specs, templates and inventories are far smaller.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// A folder with a `main.rebar`.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    /// The folder.
    pub(crate) root: PathBuf,
    /// How its packages are had.
    pub(crate) policy: Policy,
}

impl Project {
    /// The project of `start`: that folder or the nearest one above it that holds a `main.rebar`.
    /// Without any, `start` itself, so that the compiler says which file is missing.
    pub(crate) fn find(start: &Path) -> Project {
        let absolute = std::path::absolute(start).unwrap_or_else(|_| start.to_owned());
        let root = absolute
            .ancestors()
            .find(|folder| folder.join("main.rebar").is_file());
        Project {
            root: root.unwrap_or(&absolute).to_owned(),
            policy: Policy::default(),
        }
    }

    /// Whether there is a project here at all.
    ///
    /// # Errors
    /// `E1615` where there is neither a spec nor a state.
    pub(crate) fn exists(&self) -> Result<(), Failure> {
        if self.root.join("main.rebar").exists() || self.root.join(".rebar").exists() {
            return Ok(());
        }
        Err(
            Failure::new("E1615", format!("`{}` holds no project", self.root.display()))
                .help("run this in the folder of its `main.rebar`, or name that with `-C`"),
        )
    }

    /// Where state, machines' disks and images of this project are.
    ///
    /// A project whose machines stand remembers where their disks are ([`Project::keep_data`]).
    ///
    /// # Errors
    /// `E1614` when `REBAR_DATA` names another folder: the machines would seem to be gone.
    pub(crate) fn folders(&self) -> Result<Folders, Failure> {
        let state = self.root.join(".rebar");
        let kept = std::fs::read_to_string(state.join(DATA)).ok();
        let kept = kept.map(|text| PathBuf::from(text.trim_end_matches('\n')));
        let data = match (kept, from_environment("REBAR_DATA")) {
            (Some(kept), Some(named)) if kept != named => {
                let message = format!(
                    "the machines of this project are in `{}`, and REBAR_DATA names `{}`",
                    kept.display(),
                    named.display()
                );
                let help = "unset REBAR_DATA; to move, destroy what stands first";
                return Err(Failure::new("E1614", message).help(help).exit(Exit::Refused));
            }
            (Some(kept), _) => kept,
            (None, named) => named.unwrap_or_else(|| "/var/lib/rebar".into()),
        };
        Ok(Folders {
            state,
            data,
            cache: cache(),
        })
    }

    /// Remembers where the disks of machines are, before the first is made.
    ///
    /// # Errors
    /// `E1604` when that cannot be written.
    pub(crate) fn keep_data(&self, folders: &Folders) -> Result<(), Failure> {
        let path = folders.state.join(DATA);
        let text = format!("{}\n", folders.data.display());
        if std::fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
            return Ok(());
        }
        std::fs::write(&path, text).map_err(|error| {
            Failure::new(
                "E1604",
                format!("cannot write `{}`: {}", path.display(), plain(&error)),
            )
            .help("nothing was changed; free some space, or make the folder writable")
        })
    }

    /// Refuses to write what somebody asks for into the folder of the state: it would replace the state itself.
    ///
    /// # Errors
    /// `E1626` when `path` is in that folder.
    pub(crate) fn refuse_own(&self, path: &Path) -> Result<(), Failure> {
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let target = real(path).or_else(|| std::path::absolute(path).ok());
        let folder = target.as_deref().and_then(Path::parent).and_then(real);
        let own = real(&self.root.join(".rebar"));
        match (folder, own) {
            (Some(folder), Some(own)) if folder.starts_with(&own) => {
                let message = format!("`{}` is in the folder of the state", path.display());
                Err(Failure::new("E1626", message)
                    .help("give a file elsewhere: what is in `.rebar` is rebar's own")
                    .exit(Exit::Usage))
            }
            _ => Ok(()),
        }
    }

    /// Forgets it, when no machine stands any more.
    pub(crate) fn forget_data(&self) {
        // A file that stays only binds the next apply to the same folder.
        let _ = std::fs::remove_file(self.root.join(".rebar").join(DATA));
    }
}

/// Where images and packages are kept between projects.
pub(crate) fn cache() -> PathBuf {
    from_environment("REBAR_CACHE").unwrap_or_else(|| "/var/cache/rebar".into())
}

/// Levels of folders: more than a path can name.
const DEEPEST: usize = 2048;

/// The file beside the state that names the data folder.
const DATA: &str = "data";

fn from_environment(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

impl Project {
    /// All specs of the project, as paths below it: links are not followed, hidden folders and `target` left out.
    pub(crate) fn specs(&self) -> Vec<String> {
        let mut found = Vec::new();
        list_below(&self.root, "", DEEPEST, &mut found);
        // Copies of packages are others' text, and locked.
        found.retain(|path| path.ends_with(".rebar") && !path.starts_with("vendor/"));
        found.sort();
        found
    }
}

impl Files for Project {
    fn read(&self, path: &str) -> Result<String, FileError> {
        let unreadable = |cause: String| FileError::Unreadable {
            path: path.to_owned(),
            cause,
        };
        // Specs name files of their own project; a path that climbs out of it is not one.
        if Path::new(path)
            .components()
            .any(|part| !matches!(part, std::path::Component::Normal(_)))
        {
            return Err(unreadable("it is outside the project".to_owned()));
        }
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => FileError::Missing(path.to_owned()),
            _ => unreadable(plain(&error)),
        };
        // A pipe would wait for a writer for ever.
        let kind = std::fs::metadata(self.root.join(path)).map_err(failed)?;
        if !kind.is_file() && !kind.is_dir() {
            return Err(unreadable("it is no regular file".to_owned()));
        }
        let file = std::fs::File::open(self.root.join(path)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(LARGEST_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(plain(&error)))?;
        if bytes.len() as u64 > LARGEST_FILE {
            return Err(unreadable(format!(
                "it is larger than {} MiB",
                LARGEST_FILE >> 20
            )));
        }
        String::from_utf8(bytes).map_err(|error| FileError::NotText {
            path: path.to_owned(),
            offset: error.utf8_error().valid_up_to(),
        })
    }

    fn list(&self) -> Vec<String> {
        let mut found = Vec::new();
        // Only for suggestions: not worth a long walk.
        list_below(&self.root, "", 4, &mut found);
        found.sort();
        found
    }
}

/// The system's words for an error, without Rust's `(os error 13)`.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// Files below `folder`, down to `depth` further folders; links are not followed, hidden folders left out.
fn list_below(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        let path = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}/{name}")
        };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => list_below(&entry.path(), &path, depth - 1, found),
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
}
