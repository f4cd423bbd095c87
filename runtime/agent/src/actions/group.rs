//! `group`: a group of accounts, made by the node's own `groupadd`.

use super::{Action, Effect, Node, compared};
use crate::accounts;
use crate::failure::{Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::program::Program;
use crate::protocol::Observation;

/// A group as desired.
#[derive(Debug)]
pub(crate) struct Group {
    name: String,
    gid: Option<u32>,
    system: bool,
}

impl Group {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Group, Refusal> {
        Ok(Group {
            name: account_name(fields, "name")?,
            gid: fields.optional_identity("gid")?,
            system: fields.boolean_or("system", false)?,
        })
    }
}

impl Action for Group {
    fn observe(&self, node: &Node<'_>, _known: &Known) -> Result<Observation, Failure> {
        Ok(match (accounts::group(node.root, &self.name)?, self.gid) {
            (None, _) => compared(&["missing".to_owned()]),
            (Some(found), Some(gid)) if found.gid != gid => {
                compared(&[format!("gid {}, not {gid}", found.gid)])
            }
            (Some(_), _) => Observation::InSync,
        })
    }

    fn former(&self, node: &Node<'_>) -> Result<Former, Failure> {
        Ok(match accounts::group(node.root, &self.name)? {
            None => Former::Absent,
            Some(_) => Former::Present,
        })
    }

    fn ensure(&self, node: &Node<'_>, _known: &Known) -> Result<Effect, Failure> {
        node.root.require_running_system("group")?;
        let found = accounts::group(node.root, &self.name)?;
        let effect = match (&found, self.gid) {
            (None, gid) => {
                let mut arguments: Vec<String> = Vec::new();
                arguments.extend(self.system.then(|| "--system".to_owned()));
                arguments.extend(gid.map(|gid| format!("--gid={gid}")));
                arguments.push(self.name.clone());
                account_program("groupadd", &arguments)?;
                Effect::changed("made")
            }
            (Some(found), Some(gid)) if found.gid != gid => {
                account_program("groupmod", &[format!("--gid={gid}"), self.name.clone()])?;
                Effect::changed(format!("gid {gid}, was {}", found.gid))
            }
            (Some(_), _) => Effect::unchanged("as desired"),
        };
        let now = accounts::group(node.root, &self.name)?.ok_or_else(|| {
            Failure::terminal(format!(
                "`groupadd` succeeded, but there is no group `{}`",
                self.name
            ))
        })?;
        Ok(effect.output("gid", now.gid))
    }

    fn undo(&self, node: &Node<'_>, _known: &Known, _former: &Former) -> Result<Effect, Failure> {
        node.root.require_running_system("group")?;
        if accounts::group(node.root, &self.name)?.is_none() {
            return Ok(Effect::unchanged("already gone"));
        }
        account_program("groupdel", std::slice::from_ref(&self.name))?;
        Ok(Effect::changed("removed"))
    }
}

/// A name that the account programs take, and not for an option.
pub(crate) fn account_name(fields: &mut Fields<'_>, field: &'static str) -> Result<String, Refusal> {
    let name = fields.text(field)?;
    if is_account_name(&name) {
        Ok(name)
    } else {
        Err(fields.wrong(field, format!("`{name}` is no account name")))
    }
}

/// Whether it is one.
pub(crate) fn is_account_name(name: &str) -> bool {
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
    first && name.len() <= 32 && name.bytes().all(plain)
}

/// Runs `useradd` or one of its like.
pub(crate) fn account_program(program: &str, arguments: &[String]) -> Result<(), Failure> {
    let finished = Program::new(program).arguments(arguments.to_vec()).run()?;
    if finished.is_success() {
        return Ok(());
    }
    let message = match finished.tail().lines().last() {
        Some(line) => line.trim().to_owned(),
        None => format!("`{program}` failed"),
    };
    let failure = match finished.code {
        // The tables are locked by another program.
        Some(1 | 10) if finished.all.contains("lock") => Failure::transient(message),
        Some(_) | None => Failure::terminal(message),
    };
    Err(failure.with_detail(finished.tail()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, action, step};
    use super::*;
    use serde_json::json;

    #[test]
    fn it_is_compared() {
        let bench = Bench::new();
        bench.write("/etc/group", "web:x:34:\n");
        let group = |gid: u32| action("group", json!({ "name": "web", "gid": gid }));
        assert_eq!(bench.observe(&*group(34)), "in sync");
        assert_eq!(bench.observe(&*group(35)), "gid 34, not 35");
        assert_eq!(bench.former(&*group(35)), Former::Present);
        assert_eq!(
            bench.observe(&*action("group", json!({ "name": "other" }))),
            "missing"
        );
    }

    #[test]
    fn names_cannot_be_options() {
        for name in ["-r", "Web", "a:b", "", "a b"] {
            assert!(
                super::super::parse(&step("group", json!({ "name": name }))).is_err(),
                "{name}"
            );
        }
    }
}
