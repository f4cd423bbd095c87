//! `link`: a symbolic link. A file or link that stood there before is kept and put back.

use std::fs;
use std::path::Path;

use super::file::{former_of, look, put_back, refuse_to_replace, require_folder, sort_of};
use super::{Action, Effect, Node, compared};
use crate::disk;
use crate::failure::{Attempt, Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::protocol::Observation;

/// A link as desired.
#[derive(Debug)]
pub(crate) struct Link {
    path: String,
    target: String,
}

impl Link {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Link, Refusal> {
        let link = Link {
            path: fields.path("path")?,
            target: fields.text("target")?,
        };
        if link.target.is_empty() {
            return Err(fields.wrong("target", "is empty"));
        }
        Ok(link)
    }
}

impl Action for Link {
    fn observe(&self, node: &Node<'_>, _known: &Known) -> Result<Observation, Failure> {
        let path = node.root.at(&self.path);
        let Some(found) = look(&path, &self.path)? else {
            return Ok(compared(&["missing".to_owned()]));
        };
        if !found.is_symlink() {
            return Ok(compared(&[format!("is {}, not a link", sort_of(&found))]));
        }
        let target = fs::read_link(&path).attempt(|| format!("read the link `{}`", self.path))?;
        if target == Path::new(&self.target) {
            return Ok(Observation::InSync);
        }
        Ok(compared(&[format!(
            "points to `{}`, not to `{}`",
            target.display(),
            self.target
        )]))
    }

    fn former(&self, node: &Node<'_>) -> Result<Former, Failure> {
        former_of(node, &node.root.at(&self.path), &self.path)
    }

    fn ensure(&self, node: &Node<'_>, known: &Known) -> Result<Effect, Failure> {
        if self.observe(node, known)? == Observation::InSync {
            return Ok(Effect::unchanged("as desired"));
        }
        let path = node.root.at(&self.path);
        refuse_to_replace(look(&path, &self.path)?.as_ref(), &self.path)?;
        require_folder(&path, &self.path)?;
        disk::replace_link(&path, &self.target).attempt(|| format!("make the link `{}`", self.path))?;
        Ok(Effect::changed(format!("linked to `{}`", self.target)))
    }

    fn undo(&self, node: &Node<'_>, _known: &Known, former: &Former) -> Result<Effect, Failure> {
        put_back(node, &node.root.at(&self.path), &self.path, former)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, action};
    use serde_json::json;

    #[test]
    fn it_is_made_changed_and_undone() {
        let bench = Bench::new();
        let link = |target: &str| action("link", json!({ "path": "/etc/l", "target": target }));
        assert_eq!(bench.observe(&*link("/a")), "missing");
        let former = bench.former(&*link("/a"));
        assert!(bench.ensure(&*link("/a")).unwrap().changed);
        assert!(!bench.ensure(&*link("/a")).unwrap().changed);
        assert_eq!(bench.observe(&*link("b")), "points to `/a`, not to `b`");
        assert_eq!(bench.ensure(&*link("b")).unwrap().note, "linked to `b`");
        assert_eq!(bench.observe(&*link("b")), "in sync");
        bench.undo(&*link("b"), &former).unwrap();
        assert_eq!(bench.observe(&*link("b")), "missing");
    }

    #[test]
    fn a_file_comes_back() {
        let bench = Bench::new();
        bench.write("/etc/l", "text");
        let link = action("link", json!({ "path": "/etc/l", "target": "x" }));
        assert_eq!(bench.observe(&*link), "is a file, not a link");
        let former = bench.former(&*link);
        bench.ensure(&*link).unwrap();
        bench.undo(&*link, &former).unwrap();
        assert_eq!(bench.read("/etc/l"), "text");
    }
}
