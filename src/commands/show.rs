//! Diagnostics in the format that was asked for.

use std::path::{Path, PathBuf};

use rebar_compiler::diagnostics::{
    JSON_LIMIT, Severity, Tool, render_github, render_human, render_json, render_sarif,
};
use rebar_compiler::{Diagnostics, Sources};

use super::{Context, explain, print, tell, width};
use crate::cli::Format;
use crate::exit::Exit;
use crate::report::Failure;

/// Shows diagnostics: for people on standard error, for programs on standard output. `folder` is the place of the
/// named files in the repository. Returns [`Exit::Failed`] if there is an error among them.
pub(crate) fn show(
    context: &Context,
    format: Format,
    folder: &str,
    diagnostics: &Diagnostics,
    sources: &Sources,
) -> Result<Exit, Failure> {
    match format {
        Format::Human => tell(&render_human(diagnostics, sources, context.err.color, width())),
        Format::Json => {
            print(&format!("{}\n", render_json(diagnostics, sources)))?;
            let more = diagnostics.sorted().len().saturating_sub(JSON_LIMIT);
            if more > 0 {
                tell(&format!("{more} more are not shown\n"));
            }
        }
        Format::Sarif => print(&format!("{}\n", render_sarif(diagnostics, sources, tool(folder))))?,
        Format::Github => print(&render_github(diagnostics, sources, folder))?,
    }
    let worst = diagnostics.sorted().iter().map(|d| d.severity).min();
    Ok(if worst == Some(Severity::Error) {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// Shows diagnostics beside data on standard output: on standard error, where GitHub's runner reads commands as well.
pub(crate) fn show_beside(context: &Context, format: Format, diagnostics: &Diagnostics, sources: &Sources) {
    match format {
        Format::Github => tell(&render_github(diagnostics, sources, &project_folder(context))),
        Format::Human | Format::Json | Format::Sarif => {
            tell(&render_human(diagnostics, sources, context.err.color, width()))
        }
    }
}

fn tool(folder: &str) -> Tool<'_> {
    Tool {
        version: env!("CARGO_PKG_VERSION"),
        page: &explain::page,
        folder,
    }
}

/// The project's place in the repository, with a `/` at its end where it is not the repository itself.
pub(crate) fn project_folder(context: &Context) -> String {
    let place = in_repository(&context.project.root);
    match place.as_str() {
        "" => place,
        _ => place + "/",
    }
}

/// A path from the root of the repository: that of GitHub's workflow, else the folder that the program runs in. Where
/// the path lies elsewhere it stays as it is.
pub(crate) fn in_repository(path: &Path) -> String {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let workspace = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
    let here = std::env::current_dir().ok();
    let path = real(path).unwrap_or_else(|| path.to_owned());
    let below = [workspace, here].into_iter().flatten().find_map(|root| {
        let root = real(&root)?;
        path.strip_prefix(root).ok().map(Path::to_owned)
    });
    below.unwrap_or(path).display().to_string()
}
