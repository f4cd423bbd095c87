//! `rebar check --fix`: mends that are certain, written into the files of the project.

use std::collections::BTreeMap;
use std::path::Path;

use rebar_compiler::Analysis;
use rebar_compiler::diagnostics::mend;
use rebar_compiler::source::{FileError, Files, Source};
use similar::TextDiff;

use super::replace::replace;
use super::{Context, analyse_files, print, tell};
use crate::project::Project;
use crate::render::palette::{count, plain};
use crate::report::Failure;

/// What one mend uncovers, the next mends; more rounds than this mean that mends undo each other.
const ROUNDS: usize = 20;

/// A folder of what others wrote: another version of it would lose the mend.
const VENDORED: &str = "vendor/";

/// The project with changed files.
struct Changed<'a> {
    project: &'a Project,
    /// The files that are otherwise now.
    texts: BTreeMap<String, String>,
}

impl Files for Changed<'_> {
    fn read(&self, path: &str) -> Result<String, FileError> {
        match self.texts.get(path) {
            Some(text) => Ok(text.clone()),
            None => self.project.read(path),
        }
    }

    fn list(&self) -> Vec<String> {
        self.project.list()
    }
}

/// Mends the project as long as there is something to mend, and returns what is to be said of it then, and whether
/// anything was mended. With `dry_run` the differences are printed and nothing is written.
///
/// # Errors
/// When a file was changed by somebody else meanwhile, or cannot be written.
pub(crate) fn fix(context: &Context, dry_run: bool) -> Result<(Analysis, bool), Failure> {
    let mut changed = Changed {
        project: &context.project,
        texts: BTreeMap::new(),
    };
    let mut before: BTreeMap<String, String> = BTreeMap::new();
    let mut applied = 0;
    let mut analysis = examined(&changed);
    for _ in 0..ROUNDS {
        let mending = mend(&analysis.diagnostics, &analysis.sources, |_, source| {
            may_change(&context.project, source)
        });
        if mending.files.is_empty() {
            break;
        }
        applied += mending.applied.len();
        for (span, title) in &mending.applied {
            let place = analysis.sources.place(*span);
            tell(&format!("{}: {}\n", plain(&place), plain(title)));
        }
        for file in mending.files {
            let source = analysis.sources.get(file.source);
            let name = source.name.to_string();
            before
                .entry(name.clone())
                .or_insert_with(|| source.text.to_string());
            changed.texts.insert(name, file.text);
        }
        analysis = examined(&changed);
    }
    changed.texts.retain(|name, text| before.get(name) != Some(text));
    if dry_run {
        print(&differences(&before, &changed.texts))?;
    } else {
        write(&context.project, &before, &changed.texts)?;
        let files = count(changed.texts.len(), "file");
        tell(&format!("{} in {files}\n", count(applied, "fix")));
    }
    let any = !changed.texts.is_empty();
    Ok((analysis, any))
}

fn examined(files: &Changed<'_>) -> Analysis {
    let mut analysis = analyse_files(files.project, files);
    analysis.examine();
    analysis.lint();
    analysis
}

/// Only files of the project itself: not the library, not what was vendored, and nothing that a link leads out to.
fn may_change(project: &Project, source: &Source) -> bool {
    if !source.is_of_project() || source.name.starts_with(VENDORED) {
        return false;
    }
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    match (real(&project.root), real(&project.root.join(&*source.name))) {
        (Some(root), Some(path)) => path.starts_with(root),
        _ => false,
    }
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    for (name, text) in after {
        let old = before.get(name).map_or("", String::as_str);
        let difference = TextDiff::from_lines(old, text);
        out.push_str(
            &difference
                .unified_diff()
                .header(&format!("a/{name}"), &format!("b/{name}"))
                .to_string(),
        );
    }
    out
}

/// Writes all files, after a look whether any of them is otherwise than it was read.
fn write(
    project: &Project,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    for name in after.keys() {
        unchanged(project, name, before)?;
    }
    for (name, text) in after {
        // Once more, since the files before it took their time.
        unchanged(project, name, before)?;
        replace(&project.root.join(name), text)?;
    }
    Ok(())
}

fn unchanged(project: &Project, name: &str, before: &BTreeMap<String, String>) -> Result<(), Failure> {
    if project.read(name).ok().as_ref() == before.get(name) {
        return Ok(());
    }
    Err(
        Failure::new("E1681", format!("`{name}` was changed while it was mended"))
            .help("run it again; the file is as the other program left it"),
    )
}
