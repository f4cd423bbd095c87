//! `command`: a shell command, with `unless`, `creates` or `once` to know that it has been done.

use std::time::Duration;

use super::shell::Shell;
use super::{Action, Effect, Node, compared};
use crate::failure::{Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::protocol::Observation;
use crate::text;

/// A command as desired.
#[derive(Debug)]
pub(crate) struct Command {
    run: String,
    unless: Option<String>,
    creates: Option<String>,
    once: bool,
    shell: Shell,
    /// Whether some of the variables are secrets: then `unless` sees none of them.
    secret: bool,
}

/// Whether there is something to do.
enum Need {
    Run(&'static str),
    Nothing(&'static str),
}

impl Command {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Command, Refusal> {
        let command = Command {
            run: fields.text("run")?,
            unless: fields.optional_text("unless")?,
            creates: fields.optional_path("creates")?,
            once: fields.boolean_or("once", false)?,
            secret: fields.is_secret("environment"),
            shell: Shell::parse(fields, Duration::from_secs(600))?,
        };
        if command.unless.is_none() && command.creates.is_none() && !command.once {
            return Err(fields.wrong(
                "run",
                "needs `unless`, `creates` or `once` to know that it has been done",
            ));
        }
        Ok(command)
    }

    fn need(&self, node: &Node<'_>, known: &Known) -> Result<Need, Failure> {
        if self.once && known.done_once {
            return Ok(Need::Nothing("it has been run once"));
        }
        if let Some(path) = &self.creates
            && std::fs::symlink_metadata(node.root.at(path)).is_ok()
        {
            return Ok(Need::Nothing("what it creates is there"));
        }
        if let Some(check) = &self.unless {
            let finished = self.shell.run(node, check, !self.secret)?;
            return match finished.code {
                Some(0) => Ok(Need::Nothing("its `unless` exits with 0")),
                Some(_) => Ok(Need::Run("its `unless` says that it is to be run")),
                None => Err(self.shell.too_slow("`unless`", &finished)),
            };
        }
        Ok(Need::Run(if self.creates.is_some() {
            "what it creates is missing"
        } else {
            "it has not been run"
        }))
    }
}

impl Action for Command {
    fn observe(&self, node: &Node<'_>, known: &Known) -> Result<Observation, Failure> {
        Ok(match self.need(node, known)? {
            Need::Run(why) => compared(&[why.to_owned()]),
            Need::Nothing(_) => Observation::InSync,
        })
    }

    fn former(&self, _node: &Node<'_>) -> Result<Former, Failure> {
        Ok(Former::Absent)
    }

    fn ensure(&self, node: &Node<'_>, known: &Known) -> Result<Effect, Failure> {
        if let Need::Nothing(why) = self.need(node, known)? {
            return Ok(Effect::unchanged(why));
        }
        (node.progress)(&format!("running `{}`", text::shorten(self.run.trim(), 60)));
        let finished = self.shell.run(node, &self.run, true)?;
        match finished.code {
            Some(0) => {}
            Some(code) => {
                let message = format!("the command exited with {code}");
                return Err(Failure::terminal(message).with_detail(finished.tail()));
            }
            None => return Err(self.shell.too_slow("the command", &finished)),
        }
        if let Some(path) = self
            .creates
            .as_ref()
            .filter(|path| node.root.at(path).symlink_metadata().is_err())
        {
            let message =
                format!("the command exited with 0, but `{path}`, which it `creates`, is not there");
            return Err(Failure::terminal(message).with_detail(finished.tail()));
        }
        Ok(Effect::changed("run"))
    }

    fn undo(&self, _node: &Node<'_>, _known: &Known, _former: &Former) -> Result<Effect, Failure> {
        Ok(Effect::unchanged("what a command did cannot be undone"))
    }

    fn is_once(&self) -> bool {
        self.once
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, action, step};
    use serde_json::json;

    #[test]
    fn creates_tells_when_it_is_done() {
        let bench = Bench::new();
        let path = bench.at("/etc/made");
        let run = format!("echo \"$WORD\" > {}", path.display());
        let command = action(
            "command",
            json!({ "run": run, "creates": "/etc/made", "environment": { "WORD": "hi" } }),
        );
        assert_eq!(bench.observe(&*command), "what it creates is missing");
        assert!(bench.ensure(&*command).unwrap().changed);
        assert_eq!(bench.read("/etc/made"), "hi\n");
        assert_eq!(bench.observe(&*command), "in sync");
        assert!(!bench.ensure(&*command).unwrap().changed);
    }

    #[test]
    fn unless_is_asked() {
        let bench = Bench::new();
        let run = |unless: &str| {
            action(
                "command",
                json!({ "run": "true", "unless": unless, "directory": "/etc" }),
            )
        };
        assert_eq!(bench.observe(&*run("true")), "in sync");
        assert_eq!(
            bench.observe(&*run("false")),
            "its `unless` says that it is to be run"
        );
        let here = action(
            "command",
            json!({ "run": "touch here", "unless": "test -e here", "directory": "/etc" }),
        );
        assert!(bench.ensure(&*here).unwrap().changed);
        assert!(bench.at("/etc/here").exists());
    }

    #[test]
    fn failures_show_the_last_lines() {
        let bench = Bench::new();
        let command = action(
            "command",
            json!({ "run": "echo one; echo two >&2; exit 7", "creates": "/x" }),
        );
        let failure = bench.ensure(&*command).unwrap_err();
        assert_eq!(failure.message, "the command exited with 7");
        assert!(failure.detail.contains("one") && failure.detail.contains("two"));
        let command = action(
            "command",
            json!({ "run": "sleep 9", "once": true, "timeout": 50_000_000 }),
        );
        assert_eq!(
            bench.ensure(&*command).unwrap_err().message,
            "the command did not end within 50ms and was killed"
        );
        let command = action("command", json!({ "run": "true", "creates": "/x" }));
        assert!(
            bench
                .ensure(&*command)
                .unwrap_err()
                .message
                .contains("`/x`, which it `creates`, is not there")
        );
    }

    #[test]
    fn another_user_has_its_own_groups() {
        if !rustix::process::getuid().is_root() {
            eprintln!("skipped: becoming another user needs root");
            return;
        }
        let bench = Bench::new();
        bench.write("/etc/passwd", "web:x:1234:1235::/srv/web:/bin/sh\n");
        bench.write("/etc/group", "web:x:1235:\nextra:x:1236:web\n");
        let command = action(
            "command",
            json!({ "run": "test \"$(id -u) $(id -G) $HOME $USER\" = '1234 1235 1236 /srv/web web'",
                    "once": true, "user": "web", "directory": "/etc" }),
        );
        std::fs::set_permissions(bench.at("/"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let effect = bench.ensure(&*command);
        assert!(effect.is_ok(), "{effect:?}");
    }

    #[test]
    fn it_must_say_how_to_know_that_it_is_done() {
        assert!(super::super::parse(&step("command", json!({ "run": "true" }))).is_err());
    }
}
