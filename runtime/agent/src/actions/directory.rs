//! `directory`: one directory; on removal it goes only if it was made by rebar and is empty.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;

use super::file::{access_differences, look, require_folder, sort_of};
use super::{Action, Effect, Node, compared};
use crate::accounts;
use crate::disk::{self, Access};
use crate::failure::{Attempt, Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::protocol::Observation;
use crate::store::access_of;

/// A directory as desired.
#[derive(Debug)]
pub(crate) struct Directory {
    path: String,
    mode: u32,
    owner: String,
    group: String,
}

impl Directory {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Directory, Refusal> {
        Ok(Directory {
            path: fields.path("path")?,
            mode: fields.mode_or("mode", 0o755)?,
            owner: fields.text_or("owner", "root")?,
            group: fields.text_or("group", "root")?,
        })
    }

    /// What is there; a link to a directory counts as one.
    fn find(&self, node: &Node<'_>) -> Result<Option<fs::Metadata>, Failure> {
        let path = node.root.at(&self.path);
        let found = look(&path, &self.path)?;
        match found {
            Some(found) if found.is_symlink() => Ok(Some(fs::metadata(&path).unwrap_or(found))),
            other => Ok(other),
        }
    }
}

impl Action for Directory {
    fn observe(&self, node: &Node<'_>, _known: &Known) -> Result<Observation, Failure> {
        let Some(found) = self.find(node)? else {
            return Ok(compared(&["missing".to_owned()]));
        };
        if !found.is_dir() {
            return Ok(compared(&[format!("is {}, not a directory", sort_of(&found))]));
        }
        Ok(compared(&access_differences(
            node.root,
            access_of(&found),
            self.mode,
            &self.owner,
            &self.group,
        )))
    }

    fn former(&self, node: &Node<'_>) -> Result<Former, Failure> {
        match self.find(node)? {
            None => Ok(Former::Absent),
            Some(found) if found.is_dir() => {
                let Access { mode, uid, gid } = access_of(&found);
                Ok(Former::Directory { mode, uid, gid })
            }
            Some(found) => Err(in_the_way(&self.path, &found)),
        }
    }

    fn ensure(&self, node: &Node<'_>, _known: &Known) -> Result<Effect, Failure> {
        let path = node.root.at(&self.path);
        let access = Access {
            mode: self.mode,
            uid: accounts::user_number(node.root, &self.owner)?,
            gid: accounts::group_number(node.root, &self.group)?,
        };
        let what = || format!("set the permissions of `{}`", self.path);
        match self.find(node)? {
            Some(found) if found.is_dir() && access_of(&found) == access => {
                Ok(Effect::unchanged("as desired"))
            }
            Some(found) if found.is_dir() => {
                disk::set_access(&path, access).attempt(what)?;
                Ok(Effect::changed(format!("set mode {:04o} and owner", self.mode)))
            }
            Some(found) => Err(in_the_way(&self.path, &found)),
            None => {
                require_folder(&path, &self.path)?;
                fs::DirBuilder::new()
                    .mode(0o700)
                    .create(&path)
                    .attempt(|| format!("make `{}`", self.path))?;
                disk::set_access(&path, access).attempt(what)?;
                disk::sync_folder_of(&path).attempt(|| format!("make `{}` durable", self.path))?;
                Ok(Effect::changed("made"))
            }
        }
    }

    fn undo(&self, node: &Node<'_>, _known: &Known, former: &Former) -> Result<Effect, Failure> {
        let path = node.root.at(&self.path);
        if let Former::Directory { mode, uid, gid } = former {
            if self.find(node)?.is_none() {
                return Ok(Effect::unchanged("already gone"));
            }
            disk::set_access(
                &path,
                Access {
                    mode: *mode,
                    uid: *uid,
                    gid: *gid,
                },
            )
            .attempt(|| format!("restore the permissions of `{}`", self.path))?;
            return Ok(Effect::changed(format!("restored mode {mode:04o} and owner")));
        }
        match fs::remove_dir(&path) {
            Ok(()) => {
                disk::sync_folder_of(&path).attempt(|| format!("remove `{}`", self.path))?;
                Ok(Effect::changed("removed"))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => Ok(Effect::unchanged("already gone")),
                io::ErrorKind::DirectoryNotEmpty => Ok(Effect::unchanged(
                    "left: there are files in it that rebar did not make",
                )),
                io::ErrorKind::NotADirectory => Ok(Effect::unchanged("left: it is no longer a directory")),
                _ => Err(Failure::system(format!("remove `{}`", self.path), &error)),
            },
        }
    }
}

fn in_the_way(name: &str, found: &fs::Metadata) -> Failure {
    Failure::terminal(format!(
        "`{name}` is {}, not a directory; remove it, or choose another path",
        sort_of(found)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, action};
    use super::*;
    use serde_json::json;

    fn directory() -> Box<dyn Action> {
        let owner = rustix::process::getuid().as_raw().to_string();
        let group = rustix::process::getgid().as_raw().to_string();
        action(
            "directory",
            json!({ "path": "/etc/d", "mode": "0750", "owner": owner, "group": group }),
        )
    }

    #[test]
    fn it_is_made_and_goes_when_empty() {
        let bench = Bench::new();
        let directory = directory();
        assert_eq!(bench.observe(&*directory), "missing");
        let former = bench.former(&*directory);
        assert_eq!(bench.ensure(&*directory).unwrap().note, "made");
        assert_eq!(bench.observe(&*directory), "in sync");
        assert!(!bench.ensure(&*directory).unwrap().changed);
        bench.write("/etc/d/other", "");
        let effect = bench.undo(&*directory, &former).unwrap();
        assert!(!effect.changed && effect.note.starts_with("left"), "{effect:?}");
        fs::remove_file(bench.at("/etc/d/other")).unwrap();
        assert!(bench.undo(&*directory, &former).unwrap().changed);
        assert!(!bench.at("/etc/d").exists());
    }

    #[test]
    fn one_that_was_there_gets_its_mode_back() {
        let bench = Bench::new();
        fs::DirBuilder::new()
            .mode(0o700)
            .create(bench.at("/etc/d"))
            .unwrap();
        let directory = directory();
        assert_eq!(bench.observe(&*directory), "mode 0700, not 0750");
        let former = bench.former(&*directory);
        bench.ensure(&*directory).unwrap();
        assert_eq!(bench.observe(&*directory), "in sync");
        assert_eq!(
            bench.undo(&*directory, &former).unwrap().note,
            "restored mode 0700 and owner"
        );
        assert_eq!(bench.observe(&*directory), "mode 0700, not 0750");
    }

    #[test]
    fn a_file_is_in_the_way() {
        let bench = Bench::new();
        bench.write("/etc/d", "");
        assert_eq!(bench.observe(&*directory()), "is a file, not a directory");
        assert!(bench.with(|node| directory().former(node)).is_err());
    }
}
