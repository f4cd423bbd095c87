//! `[dependencies]`: which other packages this one uses, and where they are.

use super::{Table, Text, Value, package};
use crate::diagnostics::codes::project;
use crate::diagnostics::{Diagnostic, Diagnostics};

/// One other package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Its name, in `use` and in its own `rebar.toml`.
    pub name: Text,
    /// Where it is.
    pub origin: Origin,
}

/// Where a package is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A folder, from the folder of the `rebar.toml` that says so.
    Path(Text),
    /// A repository.
    Git {
        /// What `git clone` takes.
        url: Text,
        /// Which commit of it.
        at: GitRef,
    },
}

/// Which commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitRef {
    /// The one its default branch is at when it is locked.
    Default,
    /// A tag.
    Tag(Text),
    /// The one a branch is at when it is locked.
    Branch(Text),
    /// A commit by its hash.
    Rev(Text),
}

impl GitRef {
    /// As in the file: `tag = "v1"`; empty for the default branch.
    pub fn shown(&self) -> String {
        match self {
            GitRef::Default => String::new(),
            GitRef::Tag(text) => format!("tag = \"{}\"", text.text),
            GitRef::Branch(text) => format!("branch = \"{}\"", text.text),
            GitRef::Rev(text) => format!("rev = \"{}\"", text.text),
        }
    }
}

pub(super) fn read(section: &Table<'_>, diagnostics: &mut Diagnostics) -> Vec<Dependency> {
    let entries = section.values().into_iter();
    entries
        .filter_map(|value| dependency(&value, diagnostics))
        .collect()
}

fn dependency(value: &Value<'_>, diagnostics: &mut Diagnostics) -> Option<Dependency> {
    let usable = package::is_usable(&value.key, diagnostics);
    let origin = origin(value, diagnostics)?;
    usable.then(|| Dependency {
        name: value.key.clone(),
        origin,
    })
}

fn origin(value: &Value<'_>, diagnostics: &mut Diagnostics) -> Option<Origin> {
    let name = &value.key.text;
    if value.is_text() {
        let message = format!("`{name}` does not say where it is");
        diagnostics.push(
            Diagnostic::error(project::MANIFEST_ORIGIN, value.span, message).help(format!(
                "write `{name} = {{ path = \"../{name}\" }}` or `{name} = {{ git = \"https://…\", tag = \"v1.2.0\" }}`"
            )),
        );
        return None;
    }
    let table = value.table(diagnostics)?;
    table.only(&["path", "git", "tag", "branch", "rev"], diagnostics);
    let (path, url) = (table.value("path"), table.value("git"));
    let said = ["tag", "branch", "rev"].map(|key| table.value(key));
    let said: Vec<&Value<'_>> = said.iter().flatten().collect();
    match (path, url) {
        (Some(path), None) => {
            if let Some(at) = said.first() {
                diagnostics.push(twice(&path, at, "a folder has no tags, branches or commits"));
                return None;
            }
            path.text(diagnostics)
                .filter(|text| is_path(text, diagnostics))
                .map(Origin::Path)
        }
        (None, Some(url)) => {
            if let [first, second, ..] = said.as_slice() {
                diagnostics.push(twice(first, second, "give one of `tag`, `branch` and `rev`"));
                return None;
            }
            let url = url.text(diagnostics).filter(|text| is_url(text, diagnostics))?;
            let at = match said.first() {
                None => GitRef::Default,
                Some(value) => {
                    let text = value.text(diagnostics).filter(|text| is_ref(text, diagnostics))?;
                    match value.key.text.as_str() {
                        "tag" => GitRef::Tag(text),
                        "branch" => GitRef::Branch(text),
                        _ => GitRef::Rev(text),
                    }
                }
            };
            Some(Origin::Git { url, at })
        }
        (Some(path), Some(url)) => {
            diagnostics.push(twice(&path, &url, "give one of them"));
            None
        }
        (None, None) => {
            let message = format!("`{name}` does not say where it is");
            diagnostics.push(
                Diagnostic::error(project::MANIFEST_ORIGIN, value.span, message)
                    .help("give it `path = \"../folder\"` or `git = \"https://…\"`"),
            );
            None
        }
    }
}

fn twice(first: &Value<'_>, second: &Value<'_>, help: &str) -> Diagnostic {
    let message = format!(
        "`{}` and `{}` do not go together",
        first.key.text, second.key.text
    );
    Diagnostic::error(project::MANIFEST_ORIGIN, second.key.span, message)
        .label(first.key.span, "and this")
        .help(help)
}

fn refuse(text: &Text, what: &str, why: &str, diagnostics: &mut Diagnostics) -> bool {
    diagnostics.push(
        Diagnostic::error(
            project::MANIFEST_VALUE,
            text.span,
            format!("`{}` is no {what}", text.text),
        )
        .here(why),
    );
    false
}

fn has_control(text: &str) -> bool {
    text.is_empty() || text.chars().any(char::is_control)
}

fn is_path(path: &Text, diagnostics: &mut Diagnostics) -> bool {
    if has_control(&path.text) {
        return refuse(path, "path", "it is empty or has control characters", diagnostics);
    }
    true
}

/// Whether `git` may be given this: what begins with `-` would be an option, and `ext::` would run a program.
fn is_url(url: &Text, diagnostics: &mut Diagnostics) -> bool {
    let text = &url.text;
    let scheme = ["https://", "http://", "ssh://", "git://", "file://"];
    let secure_copy = |text: &str| {
        let Some((host, path)) = text.split_once(':') else {
            return false;
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._@".contains(&b);
        host.contains('@') && !path.starts_with(':') && host.bytes().all(plain)
    };
    if text.starts_with('-') || !(scheme.iter().any(|s| text.starts_with(s)) || secure_copy(text)) {
        let why =
            "it begins with `https://`, `ssh://`, `http://`, `git://` or `file://`, or is `user@host:path`";
        return refuse(url, "address of a repository", why, diagnostics);
    }
    if has_control(text) || text.contains(' ') {
        return refuse(
            url,
            "address of a repository",
            "it is empty or has spaces",
            diagnostics,
        );
    }
    true
}

/// Whether `git` may be given this as the name of a tag, branch or commit.
fn is_ref(name: &Text, diagnostics: &mut Diagnostics) -> bool {
    let text = &name.text;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/+@".contains(&b);
    if text.is_empty() || text.starts_with('-') || text.contains("..") || !text.bytes().all(plain) {
        let why = "it has letters, digits, `.`, `-`, `_` and `/`, and does not begin with `-`";
        return refuse(name, "name of a tag, branch or commit", why, diagnostics);
    }
    true
}
