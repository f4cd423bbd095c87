//! `file`: a regular file with known content. What stood there before is kept and put back.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::salted::Salted;
use super::{Action, Effect, Node, compared};
use crate::accounts;
use crate::disk::{self, Access};
use crate::failure::{Attempt, Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::protocol::Observation;
use crate::root::Root;
use crate::store::access_of;
use crate::text;

/// What is to stand in a file.
#[derive(Debug)]
enum Content {
    /// This.
    Shown(String),
    /// This, which is never told or kept.
    Secret(String),
    /// A secret that is not told here: what was written last.
    Untold,
}

/// A file as desired.
#[derive(Debug)]
pub(crate) struct File {
    path: String,
    content: Content,
    mode: u32,
    owner: String,
    group: String,
}

impl File {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<File, Refusal> {
        Ok(File {
            path: fields.path("path")?,
            content: match (fields.is_secret("content"), fields.optional_text("content")?) {
                (true, Some(text)) => Content::Secret(text),
                (true, None) => Content::Untold,
                (false, Some(text)) => Content::Shown(text),
                (false, None) => return Err(fields.wrong("content", "is missing")),
            },
            mode: fields.mode_or("mode", 0o644)?,
            owner: fields.text_or("owner", "root")?,
            group: fields.text_or("group", "root")?,
        })
    }

    fn access(&self, root: &Root) -> Result<Access, Failure> {
        Ok(Access {
            mode: self.mode,
            uid: accounts::user_number(root, &self.owner)?,
            gid: accounts::group_number(root, &self.group)?,
        })
    }

    fn content_difference(
        &self,
        path: &Path,
        found: &Metadata,
        known: &Known,
    ) -> Result<Option<String>, Failure> {
        let desired = match &self.content {
            Content::Shown(text) => text.as_bytes(),
            Content::Secret(text) => {
                let same = fs::read(path).attempt(|| format!("read `{}`", self.path))? == text.as_bytes();
                return Ok((!same).then(|| "content differs".to_owned()));
            }
            Content::Untold => {
                let content = fs::read(path).attempt(|| format!("read `{}`", self.path))?;
                let same = Salted::of(known).is_some_and(|salted| salted.fits(&content));
                return Ok((!same).then(|| "content differs".to_owned()));
            }
        };
        if found.len() != desired.len() as u64 {
            let (is, wanted) = (found.len(), desired.len());
            return Ok(Some(format!("content differs ({is} bytes, not {wanted})")));
        }
        let mut content = Vec::with_capacity(desired.len());
        fs::File::open(path)
            .and_then(|file| file.take(found.len() + 1).read_to_end(&mut content))
            .attempt(|| format!("read `{}`", self.path))?;
        Ok((content != desired).then(|| "content differs".to_owned()))
    }
}

impl File {
    /// The effect with what may be told of the content: its digest; of a secret a salted one, which only the node keeps.
    fn told(&self, effect: Effect, known: &Known) -> Result<Effect, Failure> {
        match &self.content {
            Content::Shown(text) => Ok(effect.output("sha256", text::digest(text.as_bytes()))),
            Content::Secret(text) => {
                let kept = Salted::of(known).filter(|salted| salted.fits(text.as_bytes()));
                let salted = match kept {
                    Some(salted) => salted,
                    None => Salted::new(text.as_bytes())?,
                };
                Ok(effect.remember(salted.memory()))
            }
            Content::Untold => Ok(effect),
        }
    }
}

impl Action for File {
    fn observe(&self, node: &Node<'_>, known: &Known) -> Result<Observation, Failure> {
        let path = node.root.at(&self.path);
        let Some(found) = look(&path, &self.path)? else {
            return Ok(compared(&["missing".to_owned()]));
        };
        if !found.is_file() {
            return Ok(compared(&[format!("is {}, not a file", sort_of(&found))]));
        }
        let mut differences: Vec<String> = self
            .content_difference(&path, &found, known)?
            .into_iter()
            .collect();
        differences.extend(access_differences(
            node.root,
            access_of(&found),
            self.mode,
            &self.owner,
            &self.group,
        ));
        Ok(compared(&differences))
    }

    fn former(&self, node: &Node<'_>) -> Result<Former, Failure> {
        former_of(node, &node.root.at(&self.path), &self.path)
    }

    fn ensure(&self, node: &Node<'_>, known: &Known) -> Result<Effect, Failure> {
        let path = node.root.at(&self.path);
        let access = self.access(node.root)?;
        let content = match &self.content {
            Content::Shown(text) | Content::Secret(text) => text.as_bytes(),
            Content::Untold => {
                let message = format!("the secret that is to stand in `{}` was not sent", self.path);
                return Err(Failure::terminal(message));
            }
        };
        let found = look(&path, &self.path)?;
        if let Some(found) = found.as_ref().filter(|found| found.is_file())
            && self.content_difference(&path, found, known)?.is_none()
        {
            if access_of(found) == access {
                return self.told(Effect::unchanged("as desired"), known);
            }
            disk::set_access(&path, access)
                .attempt(|| format!("change the permissions of `{}`", self.path))?;
            return self.told(
                Effect::changed(format!("set mode {:04o} and owner", self.mode)),
                known,
            );
        }
        refuse_to_replace(found.as_ref(), &self.path)?;
        require_folder(&path, &self.path)?;
        let mut reader = content;
        disk::replace_file(&path, &mut reader, access).attempt(|| format!("write `{}`", self.path))?;
        let note = match &self.content {
            Content::Shown(_) => format!("wrote {}", text::bytes(content.len() as u64)),
            Content::Secret(_) | Content::Untold => "wrote what is secret".to_owned(),
        };
        self.told(Effect::changed(note), known)
    }

    fn undo(&self, node: &Node<'_>, _known: &Known, former: &Former) -> Result<Effect, Failure> {
        put_back(node, &node.root.at(&self.path), &self.path, former)
    }
}

/// What is at this path, without following a link at its end.
pub(crate) fn look(path: &Path, name: &str) -> Result<Option<Metadata>, Failure> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(Failure::system(format!("look at `{name}`"), &error)),
    }
}

/// What something is, in words.
pub(crate) fn sort_of(found: &Metadata) -> &'static str {
    let sort = found.file_type();
    if sort.is_file() {
        "a file"
    } else if sort.is_dir() {
        "a directory"
    } else if sort.is_symlink() {
        "a link"
    } else {
        "a device, pipe or socket"
    }
}

/// In which ways permissions and owner are otherwise than desired.
pub(crate) fn access_differences(
    root: &Root,
    found: Access,
    mode: u32,
    owner: &str,
    group: &str,
) -> Vec<String> {
    let mut differences = Vec::new();
    if found.mode != mode {
        differences.push(format!("mode {:04o}, not {mode:04o}", found.mode));
    }
    if accounts::user_number(root, owner).ok() != Some(found.uid) {
        differences.push(format!(
            "owner {}, not {owner}",
            accounts::user_name(root, found.uid)
        ));
    }
    if accounts::group_number(root, group).ok() != Some(found.gid) {
        differences.push(format!(
            "group {}, not {group}",
            accounts::group_name(root, found.gid)
        ));
    }
    differences
}

/// Files and links are replaced (and kept); all else is not ours to destroy.
pub(crate) fn refuse_to_replace(found: Option<&Metadata>, name: &str) -> Result<(), Failure> {
    match found {
        Some(found) if !found.is_file() && !found.is_symlink() => Err(Failure::terminal(format!(
            "`{name}` is {}, which rebar does not replace; remove it, or choose another path",
            sort_of(found)
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Tells what to do when the folder is missing.
pub(crate) fn require_folder(path: &Path, name: &str) -> Result<(), Failure> {
    let folder: PathBuf = path.parent().map(Path::to_owned).unwrap_or_default();
    if folder.is_dir() {
        return Ok(());
    }
    let parent = name.rsplit_once('/').map_or("/", |(parent, _)| parent);
    Err(Failure::terminal(format!(
        "there is no directory `{parent}` for `{name}`; add a `directory` step before it"
    )))
}

/// What stands at this path, with a file's content kept.
pub(crate) fn former_of(node: &Node<'_>, path: &Path, name: &str) -> Result<Former, Failure> {
    let Some(found) = look(path, name)? else {
        return Ok(Former::Absent);
    };
    let Access { mode, uid, gid } = access_of(&found);
    if found.is_symlink() {
        let target = fs::read_link(path).attempt(|| format!("read the link `{name}`"))?;
        let target = target.into_os_string().into_string();
        return target
            .map(|target| Former::Link { target })
            .map_err(|_| Failure::terminal(format!("the link `{name}` points at a name that is not UTF-8")));
    }
    if found.is_dir() {
        return Ok(Former::Directory { mode, uid, gid });
    }
    refuse_to_replace(Some(&found), name)?;
    let (content, _) = node.store.keep(path)?;
    Ok(Former::File {
        content,
        mode,
        uid,
        gid,
    })
}

/// Puts back what stood at this path, or nothing.
pub(crate) fn put_back(node: &Node<'_>, path: &Path, name: &str, former: &Former) -> Result<Effect, Failure> {
    let found = look(path, name)?;
    refuse_to_replace(found.as_ref(), name)?;
    match former {
        Former::File {
            content,
            mode,
            uid,
            gid,
        } => {
            require_folder(path, name)?;
            let access = Access {
                mode: *mode,
                uid: *uid,
                gid: *gid,
            };
            let mut kept = node.store.kept(content)?;
            let length =
                disk::replace_file(path, &mut kept, access).attempt(|| format!("restore `{name}`"))?;
            Ok(Effect::changed(format!(
                "restored the former {}",
                text::bytes(length)
            )))
        }
        Former::Link { target } => {
            require_folder(path, name)?;
            disk::replace_link(path, target).attempt(|| format!("restore the link `{name}`"))?;
            Ok(Effect::changed(format!("restored the former link to `{target}`")))
        }
        Former::Absent
        | Former::NotInstalled { .. }
        | Former::Present
        | Former::Directory { .. }
        | Former::Account { .. }
        | Former::Unit { .. }
        | Former::Setting { .. } => {
            if !path.parent().is_some_and(Path::is_dir) {
                return Ok(Effect::unchanged("already gone"));
            }
            let removed = disk::remove_file(path).attempt(|| format!("remove `{name}`"))?;
            Ok(if removed {
                Effect::changed("removed")
            } else {
                Effect::unchanged("already gone")
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::super::testing::{Bench, action};
    use super::*;
    use serde_json::json;

    fn me() -> (String, String) {
        (
            rustix::process::getuid().as_raw().to_string(),
            rustix::process::getgid().as_raw().to_string(),
        )
    }

    fn file(content: &str, mode: &str) -> Box<dyn Action> {
        let (owner, group) = me();
        action(
            "file",
            json!({ "path": "/etc/a", "content": content, "mode": mode, "owner": owner, "group": group }),
        )
    }

    #[test]
    fn a_secret_is_compared_without_being_told_and_kept_nowhere() {
        let bench = Bench::new();
        let (owner, group) = me();
        let fields = json!({ "path": "/etc/a", "content": "hush-hush", "mode": "0600", "owner": owner, "group": group });
        let mut step = super::super::testing::step("file", fields);
        step.secret = vec!["content".to_owned()];
        let told = super::super::parse(&step).unwrap();
        step.fields.remove("content");
        let untold = super::super::parse(&step).unwrap();
        let effect = bench.ensure(&*told).unwrap();
        let memory = effect.memory.clone().unwrap();
        assert_eq!(
            (effect.note.as_str(), effect.outputs.len()),
            ("wrote what is secret", 0)
        );
        let kept = memory.to_string();
        assert!(!kept.contains("hush") && !kept.contains(&text::digest(b"hush-hush")));
        let known = Known {
            memory,
            ..Known::default()
        };
        let observed = |known: &Known| bench.with(|node| untold.observe(node, known)).unwrap();
        assert_eq!(observed(&known), Observation::InSync);
        bench.write("/etc/a", "hush-hash");
        assert_eq!(observed(&known), compared(&["content differs".to_owned()]));
        assert_eq!(
            bench.ensure(&*untold).unwrap_err().message,
            "the secret that is to stand in `/etc/a` was not sent"
        );
    }

    #[test]
    fn it_is_written_once() {
        let bench = Bench::new();
        let file = file("hello\n", "0600");
        assert_eq!(bench.observe(&*file), "missing");
        let effect = bench.ensure(&*file).unwrap();
        assert!(effect.changed);
        assert_eq!(effect.note, "wrote 6 bytes");
        assert_eq!(bench.read("/etc/a"), "hello\n");
        assert_eq!(fs::metadata(bench.at("/etc/a")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(bench.observe(&*file), "in sync");
        let inode = fs::metadata(bench.at("/etc/a")).unwrap().ino();
        assert!(!bench.ensure(&*file).unwrap().changed);
        assert_eq!(fs::metadata(bench.at("/etc/a")).unwrap().ino(), inode);
        assert_eq!(fs::read_dir(bench.at("/etc")).unwrap().count(), 1);
    }

    #[test]
    fn differences_are_told_in_words() {
        let bench = Bench::new();
        bench.write("/etc/a", "hullo\n");
        fs::set_permissions(bench.at("/etc/a"), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(
            bench.observe(&*file("hello\n", "0644")),
            "content differs, mode 0600, not 0644"
        );
        assert_eq!(
            bench.observe(&*file("hello", "0600")),
            "content differs (6 bytes, not 5)"
        );
        let effect = bench.ensure(&*file("hullo\n", "0644")).unwrap();
        assert_eq!(effect.note, "set mode 0644 and owner");
        assert_eq!(bench.observe(&*file("hullo\n", "0644")), "in sync");
    }

    #[test]
    fn what_was_there_comes_back() {
        let bench = Bench::new();
        bench.write("/etc/a", "old");
        fs::set_permissions(bench.at("/etc/a"), fs::Permissions::from_mode(0o640)).unwrap();
        let file = file("new", "0644");
        let former = bench.former(&*file);
        bench.ensure(&*file).unwrap();
        assert_eq!(
            bench.undo(&*file, &former).unwrap().note,
            "restored the former 3 bytes"
        );
        assert_eq!(bench.read("/etc/a"), "old");
        assert_eq!(fs::metadata(bench.at("/etc/a")).unwrap().mode() & 0o7777, 0o640);
    }

    #[test]
    fn what_was_not_there_goes() {
        let bench = Bench::new();
        let file = file("new", "0644");
        let former = bench.former(&*file);
        assert_eq!(former, Former::Absent);
        bench.ensure(&*file).unwrap();
        assert!(bench.undo(&*file, &former).unwrap().changed);
        assert!(!bench.at("/etc/a").exists());
        assert_eq!(bench.undo(&*file, &former).unwrap().note, "already gone");
    }

    #[test]
    fn a_link_is_replaced_and_comes_back() {
        let bench = Bench::new();
        bench.write("/etc/real", "real");
        std::os::unix::fs::symlink("real", bench.at("/etc/a")).unwrap();
        let file = file("new", "0644");
        assert_eq!(bench.observe(&*file), "is a link, not a file");
        let former = bench.former(&*file);
        bench.ensure(&*file).unwrap();
        assert_eq!(bench.read("/etc/real"), "real");
        bench.undo(&*file, &former).unwrap();
        assert_eq!(fs::read_link(bench.at("/etc/a")).unwrap(), Path::new("real"));
    }

    #[test]
    fn a_directory_is_not_replaced() {
        let bench = Bench::new();
        fs::create_dir(bench.at("/etc/a")).unwrap();
        let message = bench.ensure(&*file("x", "0644")).unwrap_err().message;
        assert!(
            message.contains("is a directory, which rebar does not replace"),
            "{message}"
        );
    }

    #[test]
    fn a_missing_folder_is_explained() {
        let bench = Bench::new();
        let (owner, group) = me();
        let file = action(
            "file",
            json!({ "path": "/srv/x/a", "content": "", "owner": owner, "group": group }),
        );
        let message = bench.ensure(&*file).unwrap_err().message;
        assert_eq!(
            message,
            "there is no directory `/srv/x` for `/srv/x/a`; add a `directory` step before it"
        );
    }

    #[test]
    fn a_half_written_file_of_an_earlier_crash_is_cleaned_up() {
        let bench = Bench::new();
        let name = format!("/etc/.rebar-{}", &text::digest(b"a")[..16]);
        bench.write(&name, "half");
        bench.ensure(&*file("whole", "0644")).unwrap();
        assert!(!bench.at(&name).exists());
        assert_eq!(bench.read("/etc/a"), "whole");
    }
}
