//! `rebar fmt`

use std::io::Read;
use std::path::{Path, PathBuf};

use rebar_compiler::diagnostics::{Code, Fix};
use rebar_compiler::{Diagnostic, Diagnostics, SourceId, Sources, Span, format};

use super::replace::replace;
use super::show::{in_repository, show};
use super::{Context, print, tell};
use crate::cli::{FmtArgs, Format};
use crate::exit::Exit;
use crate::project::plain;
use crate::report::Failure;

/// A file is not in the one format.
const NOT_FORMATTED: Code = Code("E1680");

/// What was found in all files.
#[derive(Default)]
struct Found {
    sources: Sources,
    diagnostics: Diagnostics,
}

/// Formats files in place, or tells which are not in the format.
pub(crate) fn run(context: &Context, args: &FmtArgs) -> Result<Exit, Failure> {
    let format = args.diagnostics.format;
    if args.files.len() == 1 && args.files[0].as_os_str() == "-" {
        return standard_input(context, format);
    }
    let files = if args.files.is_empty() {
        all_of(context)
    } else {
        args.files.clone()
    };
    let mut exit = Exit::Done;
    let mut found = Found::default();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::new(
                "E1603",
                format!("cannot read `{}`: {}", path.display(), plain(&error)),
            )
        })?;
        let id = found.sources.add(shown(&path, format), text.as_str());
        let Some(formatted) = found.formatted(id) else {
            exit = Exit::Failed;
            continue;
        };
        if formatted == text {
            continue;
        }
        if args.check {
            match format {
                Format::Human => print(&format!("{}\n", path.display()))?,
                Format::Json | Format::Sarif | Format::Github => {
                    let name = found.sources.get(id).name.to_string();
                    found
                        .diagnostics
                        .push(not_formatted(id, &name, &text, &formatted));
                }
            }
            if exit == Exit::Done {
                exit = Exit::Changes;
            }
        } else {
            replace(&path, &formatted)?;
            tell(&format!("formatted {}\n", path.display()));
        }
    }
    show_if_any(context, format, &found)?;
    Ok(exit)
}

fn standard_input(context: &Context, format: Format) -> Result<Exit, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new("E1603", format!("cannot read standard input: {}", plain(&error))))?;
    let mut found = Found::default();
    let id = found.sources.add("<standard input>", text);
    match found.formatted(id) {
        Some(formatted) => {
            print(&formatted)?;
            Ok(Exit::Done)
        }
        None => {
            show_if_any(context, format, &found)?;
            Ok(Exit::Failed)
        }
    }
}

/// Programs get a document even where nothing was found.
fn show_if_any(context: &Context, format: Format, found: &Found) -> Result<(), Failure> {
    show(context, format, "", &found.diagnostics, &found.sources).map(|_| ())
}

impl Found {
    /// The text in the format; `None` if it cannot be read.
    fn formatted(&mut self, id: SourceId) -> Option<String> {
        match format::format(&self.sources, id) {
            Ok(formatted) => Some(formatted),
            Err(problems) => {
                for problem in problems.sorted() {
                    self.diagnostics.push(problem.clone());
                }
                None
            }
        }
    }
}

/// The name of a file: as it was given, or as code hosts know it.
fn shown(path: &Path, format: Format) -> String {
    match format {
        Format::Human => path.display().to_string(),
        Format::Json | Format::Sarif | Format::Github => in_repository(path),
    }
}

/// The lines that would change, with what they would become.
fn not_formatted(id: SourceId, name: &str, text: &str, formatted: &str) -> Diagnostic {
    let (old, new): (Vec<&str>, Vec<&str>) = (
        text.split_inclusive('\n').collect(),
        formatted.split_inclusive('\n').collect(),
    );
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let pairs = old[same..].iter().rev().zip(new[same..].iter().rev());
    let same_after = pairs.take_while(|(a, b)| a == b).count();
    let length = |lines: &[&str]| lines.iter().map(|line| line.len()).sum::<usize>();
    let start = length(&old[..same]);
    let span = Span::new(id, start, start + length(&old[same..old.len() - same_after]));
    Diagnostic::error(NOT_FORMATTED, span, format!("`{name}` is not in the one format"))
        .here("from here on")
        .help("`rebar fmt` writes it so")
        .add_fix(Fix::sure("format it").edit(span, new[same..new.len() - same_after].concat()))
}

fn all_of(context: &Context) -> Vec<PathBuf> {
    let specs = context.project.specs().into_iter();
    specs.map(|path| context.project.root.join(path)).collect()
}
