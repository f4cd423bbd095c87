//! Packages from repositories, by the program `git`: a bare copy of each repository and a folder a commit in the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use rebar_compiler::manifest::GitRef;
use sha2::{Digest, Sha256};

use super::tree::hex;
use crate::project::plain;

/// Why a repository could not be had: what, what `git` said, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GitError {
    pub(crate) message: String,
    pub(crate) detail: String,
    pub(crate) help: String,
}

/// The folder of a repository in the cache.
fn folder(cache: &Path, url: &str) -> PathBuf {
    let digest = hex(&Sha256::digest(url.as_bytes()));
    cache.join("packages").join(&digest[..32])
}

/// The folder with the files of `commit`, if it is in the cache.
pub(crate) fn cached(cache: &Path, url: &str, commit: &str) -> Option<PathBuf> {
    let files = folder(cache, url).join(commit);
    (is_commit(commit) && files.is_dir()).then_some(files)
}

/// Whether this is the full hash of a commit, and so can be the name of a folder.
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Fetches a repository and takes the files of a commit out of it: of `locked`, else of what `at` names now.
/// Returns the commit and the folder.
///
/// # Errors
/// When `git` is missing, or fails.
pub(crate) fn fetch(
    cache: &Path,
    url: &str,
    at: &GitRef,
    locked: Option<&str>,
) -> Result<(String, PathBuf), GitError> {
    let own = folder(cache, url);
    let bare = own.join("git");
    std::fs::create_dir_all(&own).map_err(|error| GitError {
        message: format!("cannot make `{}`: {}", own.display(), plain(&error)),
        detail: String::new(),
        help: "packages are kept there; REBAR_CACHE names another folder".to_owned(),
    })?;
    let git = Git { bare: &bare, url };
    if !bare.join("HEAD").exists() {
        git.run(&["init", "--quiet", "--bare"])?;
    }
    git.run(&[
        "fetch",
        "--quiet",
        "--force",
        "--prune",
        "--no-tags",
        "--no-recurse-submodules",
        "--",
        url,
        "+HEAD:refs/rebar/head",
        "+refs/heads/*:refs/heads/*",
        "+refs/tags/*:refs/tags/*",
    ])?;
    let name = match (locked, at) {
        (Some(commit), _) => commit.to_owned(),
        (None, GitRef::Default) => "refs/rebar/head".to_owned(),
        (None, GitRef::Tag(tag)) => format!("refs/tags/{}", tag.text),
        (None, GitRef::Branch(branch)) => format!("refs/heads/{}", branch.text),
        (None, GitRef::Rev(rev)) => rev.text.clone(),
    };
    let commit = git.run(&[
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        &format!("{name}^{{commit}}"),
    ]);
    let commit = commit.map_err(|error| GitError {
        message: match (locked, at) {
            (Some(commit), _) => format!("`{url}` has no commit `{commit}` any more"),
            (None, GitRef::Default) => format!("`{url}` has no commits"),
            (None, at) => format!("`{url}` has no {}", at.shown()),
        },
        help: match locked {
            Some(_) => "it was locked, and the repository was rewritten since: `rebar update` takes what is there now".to_owned(),
            None => "`git ls-remote` shows what it has".to_owned(),
        },
        ..error
    })?;
    let commit = commit.trim().to_owned();
    let files = own.join(&commit);
    if !files.is_dir() {
        git.check_out(&own, &commit, &files)?;
    }
    Ok((commit, files))
}

struct Git<'a> {
    bare: &'a Path,
    url: &'a str,
}

impl Git<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        // Nothing of the repository or of the caller's surroundings may have other programs run.
        command
            .args(["-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null"])
            .args(["-c", "core.fsmonitor=false", "-c", "core.symlinks=true"])
            .args(["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60"])
            .arg("--git-dir")
            .arg(self.bare)
            .args(arguments)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C")
            .stdin(std::process::Stdio::null());
        for variable in [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "GIT_OBJECT_DIRECTORY",
            "GIT_NAMESPACE",
        ] {
            command.env_remove(variable);
        }
        if std::env::var_os("GIT_SSH_COMMAND").is_none() {
            command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=30");
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<String, GitError> {
        self.finish(self.command(arguments))
    }

    fn finish(&self, mut command: Command) -> Result<String, GitError> {
        let output = command.output().map_err(|error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            GitError {
                message: match missing {
                    true => format!("`git` is needed for `{}`, and is not installed", self.url),
                    false => format!("cannot run `git`: {}", plain(&error)),
                },
                detail: String::new(),
                help: "install it (`apt install git`), or put copies of the packages into the project elsewhere with `rebar vendor`"
                    .to_owned(),
            }
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().collect();
        Err(GitError {
            message: format!("`{}` could not be fetched", self.url),
            detail: lines[lines.len().saturating_sub(6)..].join("\n"),
            help:
                "see whether `git ls-remote` can read it from here; with `rebar vendor` no network is needed"
                    .to_owned(),
        })
    }

    /// The files of a commit appear as a whole or not at all.
    fn check_out(&self, own: &Path, commit: &str, files: &Path) -> Result<(), GitError> {
        let failed = |error: &std::io::Error| GitError {
            message: format!("cannot write below `{}`: {}", own.display(), plain(error)),
            detail: String::new(),
            help: "packages are kept there; REBAR_CACHE names another folder".to_owned(),
        };
        let scratch = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(own)
            .map_err(|e| failed(&e))?;
        let tree = scratch.path().join("files");
        std::fs::create_dir(&tree).map_err(|e| failed(&e))?;
        let mut command = self.command(&["checkout", "--quiet", "--force", commit, "--", "."]);
        command
            .env("GIT_WORK_TREE", &tree)
            .env("GIT_INDEX_FILE", scratch.path().join("index"));
        self.finish(command)?;
        match std::fs::rename(&tree, files) {
            Err(_) if files.is_dir() => Ok(()),
            other => other.map_err(|e| failed(&e)),
        }
    }
}
