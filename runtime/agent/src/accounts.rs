//! The node's users and groups, read from its own files: a static program has no name service.

use std::io;

use crate::failure::{Attempt, Failure};
use crate::root::Root;

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// Its name.
    pub(crate) name: String,
    /// Its number.
    pub(crate) uid: u32,
    /// The number of its first group.
    pub(crate) gid: u32,
    /// Home folder.
    pub(crate) home: String,
    /// Login shell.
    pub(crate) shell: String,
}

/// A line of `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Its name.
    pub(crate) name: String,
    /// Its number.
    pub(crate) gid: u32,
    /// Names of users for whom it is a supplementary group.
    pub(crate) members: Vec<String>,
}

/// All users.
pub(crate) fn users(root: &Root) -> Result<Vec<User>, Failure> {
    Ok(table(root, "/etc/passwd")?
        .lines()
        .filter_map(parse_user)
        .collect())
}

/// All groups.
pub(crate) fn groups(root: &Root) -> Result<Vec<Group>, Failure> {
    Ok(table(root, "/etc/group")?
        .lines()
        .filter_map(parse_group)
        .collect())
}

/// A user by name.
pub(crate) fn user(root: &Root, name: &str) -> Result<Option<User>, Failure> {
    Ok(users(root)?.into_iter().find(|user| user.name == name))
}

/// A group by name.
pub(crate) fn group(root: &Root, name: &str) -> Result<Option<Group>, Failure> {
    Ok(groups(root)?.into_iter().find(|group| group.name == name))
}

/// The number of a user that is given by name or number.
pub(crate) fn user_number(root: &Root, name: &str) -> Result<u32, Failure> {
    if let Some(user) = user(root, name)? {
        return Ok(user.uid);
    }
    numeric(name).ok_or_else(|| {
        Failure::terminal(format!(
            "there is no user `{name}` on this node; add a `user` step before this one"
        ))
    })
}

/// The number of a group that is given by name or number.
pub(crate) fn group_number(root: &Root, name: &str) -> Result<u32, Failure> {
    if let Some(group) = group(root, name)? {
        return Ok(group.gid);
    }
    numeric(name).ok_or_else(|| {
        Failure::terminal(format!(
            "there is no group `{name}` on this node; add a `group` step before this one"
        ))
    })
}

/// The name of a user, or its number as text.
pub(crate) fn user_name(root: &Root, uid: u32) -> String {
    let name = users(root)
        .ok()
        .and_then(|users| users.into_iter().find(|user| user.uid == uid));
    name.map_or_else(|| uid.to_string(), |user| user.name)
}

/// The name of a group, or its number as text.
pub(crate) fn group_name(root: &Root, gid: u32) -> String {
    let name = groups(root)
        .ok()
        .and_then(|groups| groups.into_iter().find(|group| group.gid == gid));
    name.map_or_else(|| gid.to_string(), |group| group.name)
}

/// Numbers name themselves, and root is 0 even where there is no table.
fn numeric(name: &str) -> Option<u32> {
    if name == "root" {
        Some(0)
    } else {
        name.parse().ok()
    }
}

fn table(root: &Root, path: &str) -> Result<String, Failure> {
    match std::fs::read(root.at(path)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).attempt(|| format!("read `{path}`")),
    }
}

fn parse_user(line: &str) -> Option<User> {
    let parts: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = parts.as_slice() else {
        return None;
    };
    Some(User {
        name: (*name).to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: (*home).to_owned(),
        shell: (*shell).to_owned(),
    })
}

fn parse_group(line: &str) -> Option<Group> {
    let parts: Vec<&str> = line.split(':').collect();
    let [name, _, gid, members] = parts.as_slice() else {
        return None;
    };
    let members = members
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    Some(Group {
        name: (*name).to_owned(),
        gid: gid.parse().ok()?,
        members,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        std::fs::write(
            folder.path().join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/bash\nbroken\nweb:x:33:34::/var/www:/usr/sbin/nologin\n",
        )
        .unwrap();
        std::fs::write(folder.path().join("etc/group"), "root:x:0:\nweb:x:34:ann, bob\n").unwrap();
        let root = Root::new(folder.path());
        (folder, root)
    }

    #[test]
    fn names_become_numbers_and_back() {
        let (_folder, root) = node();
        assert_eq!(user_number(&root, "web").unwrap(), 33);
        assert_eq!(group_number(&root, "web").unwrap(), 34);
        assert_eq!(user_number(&root, "1234").unwrap(), 1234);
        assert!(
            user_number(&root, "nobody")
                .unwrap_err()
                .message
                .contains("add a `user` step")
        );
        assert_eq!(user_name(&root, 33), "web");
        assert_eq!(group_name(&root, 77), "77");
        assert_eq!(group(&root, "web").unwrap().unwrap().members, ["ann", "bob"]);
    }

    #[test]
    fn a_node_without_tables_knows_root() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(user_number(&Root::new(folder.path()), "root").unwrap(), 0);
    }
}
