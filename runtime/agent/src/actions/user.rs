//! `user`: a user account, made by the node's own `useradd`.

use std::collections::BTreeSet;

use super::group::{account_name, account_program, is_account_name};
use super::{Action, Effect, Node, compared};
use crate::accounts;
use crate::failure::{Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::protocol::Observation;
use crate::root::Root;

/// An account as desired.
#[derive(Debug)]
pub(crate) struct User {
    name: String,
    uid: Option<u32>,
    group: Option<String>,
    groups: BTreeSet<String>,
    home: Option<String>,
    shell: String,
    system: bool,
}

/// What is to be changed: the arguments of `usermod`, and the differences in words.
#[derive(Debug, Default)]
struct Changes {
    arguments: Vec<String>,
    words: Vec<String>,
}

impl User {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<User, Refusal> {
        let name = account_name(fields, "name")?;
        let group = fields.optional_text("group")?;
        let groups: BTreeSet<String> = fields.texts("groups")?.into_iter().collect();
        if let Some(bad) = group.iter().chain(&groups).find(|name| !is_account_name(name)) {
            return Err(fields.wrong("groups", format!("`{bad}` is no group name")));
        }
        let home = fields.optional_path("home")?;
        let shell = fields
            .optional_path("shell")?
            .unwrap_or_else(|| "/usr/sbin/nologin".to_owned());
        if let Some(bad) = home
            .iter()
            .chain([&shell])
            .find(|path| path.contains([':', '\n']))
        {
            return Err(fields.wrong("home", format!("`{bad}` cannot stand in the table of users")));
        }
        Ok(User {
            name,
            uid: fields.optional_identity("uid")?,
            group,
            groups,
            home,
            shell,
            system: fields.boolean_or("system", false)?,
        })
    }

    /// Groups that it shall be in: those asked for, and for an account that was there before, those it had.
    fn desired_groups(&self, known: &Known) -> BTreeSet<String> {
        let mut groups = self.groups.clone();
        if let Some(Former::Account { groups: before }) = &known.former {
            groups.extend(before.iter().cloned());
        }
        groups
    }

    fn changes(&self, root: &Root, found: &accounts::User, known: &Known) -> Result<Changes, Failure> {
        let mut changes = Changes::default();
        if let Some(uid) = self.uid.filter(|uid| *uid != found.uid) {
            changes.add(format!("--uid={uid}"), format!("uid {}, not {uid}", found.uid));
        }
        if let Some(group) = &self.group {
            let now = accounts::group_name(root, found.gid);
            if now != *group {
                changes.add(format!("--gid={group}"), format!("group {now}, not {group}"));
            }
        }
        let now = supplementary(root, &self.name)?;
        let desired = self.desired_groups(known);
        // Without a record of ours, groups beyond those asked for are none of our business.
        let differs = if known.former.is_some() {
            now != desired
        } else {
            !now.is_superset(&desired)
        };
        if differs {
            let list = |groups: &BTreeSet<String>| groups.iter().cloned().collect::<Vec<_>>().join(",");
            let words = format!("groups `{}`, not `{}`", list(&now), list(&desired));
            changes.add(format!("--groups={}", list(&desired)), words);
        }
        if let Some(home) = self.home.as_ref().filter(|home| **home != found.home) {
            changes.add(
                format!("--home={home}"),
                format!("home `{}`, not `{home}`", found.home),
            );
        }
        if self.shell != found.shell {
            changes.add(
                format!("--shell={}", self.shell),
                format!("shell `{}`, not `{}`", found.shell, self.shell),
            );
        }
        Ok(changes)
    }

    fn add(&self, root: &Root) -> Result<(), Failure> {
        let mut arguments = vec![format!("--shell={}", self.shell)];
        arguments.push(if self.system { "--system" } else { "--create-home" }.to_owned());
        arguments.extend(self.uid.map(|uid| format!("--uid={uid}")));
        match &self.group {
            Some(group) => arguments.push(format!("--gid={group}")),
            // A group of the same name that is there already is taken.
            None if accounts::group(root, &self.name)?.is_some() => {
                arguments.push(format!("--gid={}", self.name))
            }
            None => arguments.push("--user-group".to_owned()),
        }
        if !self.groups.is_empty() {
            arguments.push(format!(
                "--groups={}",
                self.groups.iter().cloned().collect::<Vec<_>>().join(",")
            ));
        }
        arguments.extend(self.home.as_ref().map(|home| format!("--home-dir={home}")));
        arguments.push(self.name.clone());
        account_program("useradd", &arguments)
    }
}

impl Changes {
    fn add(&mut self, argument: String, words: String) {
        self.arguments.push(argument);
        self.words.push(words);
    }
}

impl Action for User {
    fn observe(&self, node: &Node<'_>, known: &Known) -> Result<Observation, Failure> {
        match accounts::user(node.root, &self.name)? {
            None => Ok(compared(&["missing".to_owned()])),
            Some(found) => Ok(compared(&self.changes(node.root, &found, known)?.words)),
        }
    }

    fn former(&self, node: &Node<'_>) -> Result<Former, Failure> {
        Ok(match accounts::user(node.root, &self.name)? {
            None => Former::Absent,
            Some(_) => Former::Account {
                groups: supplementary(node.root, &self.name)?.into_iter().collect(),
            },
        })
    }

    fn ensure(&self, node: &Node<'_>, known: &Known) -> Result<Effect, Failure> {
        node.root.require_running_system("user")?;
        let effect = match accounts::user(node.root, &self.name)? {
            None => {
                self.add(node.root)?;
                Effect::changed("made")
            }
            Some(found) => {
                let mut changes = self.changes(node.root, &found, known)?;
                if changes.words.is_empty() {
                    Effect::unchanged("as desired")
                } else {
                    changes.arguments.push(self.name.clone());
                    account_program("usermod", &changes.arguments)?;
                    Effect::changed(format!("changed: {}", changes.words.join(", ")))
                }
            }
        };
        let now = accounts::user(node.root, &self.name)?.ok_or_else(|| {
            Failure::terminal(format!(
                "`useradd` succeeded, but there is no user `{}`",
                self.name
            ))
        })?;
        Ok(effect
            .output("uid", now.uid)
            .output("gid", now.gid)
            .output("home", now.home))
    }

    fn undo(&self, node: &Node<'_>, _known: &Known, former: &Former) -> Result<Effect, Failure> {
        node.root.require_running_system("user")?;
        if matches!(former, Former::Account { .. }) {
            return Ok(Effect::unchanged("left: it was there before rebar"));
        }
        let Some(found) = accounts::user(node.root, &self.name)? else {
            return Ok(Effect::unchanged("already gone"));
        };
        account_program("userdel", std::slice::from_ref(&self.name))?;
        Ok(Effect::changed(format!(
            "removed; files in `{}` were left",
            found.home
        )))
    }
}

fn supplementary(root: &Root, name: &str) -> Result<BTreeSet<String>, Failure> {
    let groups = accounts::groups(root)?.into_iter();
    Ok(groups
        .filter(|group| group.members.iter().any(|member| member == name))
        .map(|group| group.name)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, action, step};
    use super::*;
    use serde_json::{Value, json};

    fn bench() -> Bench {
        let bench = Bench::new();
        bench.write("/etc/passwd", "web:x:33:34::/var/www:/usr/sbin/nologin\n");
        bench.write("/etc/group", "web:x:34:\nadm:x:4:web\nssl:x:9:\n");
        bench
    }

    fn user(fields: Value) -> Box<dyn Action> {
        action("user", fields)
    }

    #[test]
    fn it_is_compared_in_words() {
        let bench = bench();
        assert_eq!(bench.observe(&*user(json!({ "name": "web" }))), "in sync");
        assert_eq!(bench.observe(&*user(json!({ "name": "nobody" }))), "missing");
        assert_eq!(
            bench.observe(&*user(
                json!({ "name": "web", "uid": 40, "group": "adm", "home": "/srv", "shell": "/bin/sh" })
            )),
            "uid 33, not 40, group web, not adm, home `/var/www`, not `/srv`, shell `/usr/sbin/nologin`, not `/bin/sh`"
        );
        assert_eq!(
            bench.observe(&*user(json!({ "name": "web", "groups": ["ssl"] }))),
            "groups `adm`, not `ssl`"
        );
    }

    #[test]
    fn groups_that_were_there_before_stay() {
        let bench = bench();
        let web = user(json!({ "name": "web", "groups": [] }));
        let former = bench.former(&*web);
        let known = Known {
            former: Some(former),
            ..Known::default()
        };
        assert_eq!(
            bench.with(|node| web.observe(node, &known)).unwrap(),
            Observation::InSync
        );
        let ours = Known {
            former: Some(Former::Absent),
            ..Known::default()
        };
        assert_eq!(
            bench.with(|node| web.observe(node, &ours)).unwrap(),
            Observation::Differs {
                what: "groups `adm`, not ``".into()
            }
        );
    }

    #[test]
    fn fields_cannot_break_the_table() {
        for fields in [
            json!({ "name": "web", "home": "/a:b" }),
            json!({ "name": "web", "groups": ["-r"] }),
            json!({ "name": "we:b" }),
            json!({ "name": "web", "uid": 5_000_000_000_u64 }),
        ] {
            assert!(
                super::super::parse(&step("user", fields.clone())).is_err(),
                "{fields}"
            );
        }
    }
}
