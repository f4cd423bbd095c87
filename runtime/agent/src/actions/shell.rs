//! Shell commands of steps: as whom, where, with which variables and for how long they run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Node;
use crate::accounts;
use crate::failure::{Failure, Refusal};
use crate::fields::Fields;
use crate::program::{Finished, Identity, Program};
use crate::text;

/// How the commands of one step are run.
#[derive(Debug)]
pub(super) struct Shell {
    user: String,
    directory: String,
    environment: BTreeMap<String, String>,
    timeout: Duration,
}

impl Shell {
    /// Reads `user`, `directory`, `environment` and `timeout`.
    pub(super) fn parse(fields: &mut Fields<'_>, timeout: Duration) -> Result<Shell, Refusal> {
        let shell = Shell {
            user: fields.text_or("user", "root")?,
            directory: fields
                .optional_path("directory")?
                .unwrap_or_else(|| "/".to_owned()),
            environment: fields.map("environment")?,
            timeout: fields.duration_or("timeout", timeout)?,
        };
        if let Some(name) = shell
            .environment
            .keys()
            .find(|name| name.is_empty() || name.contains(['=', '\0']))
        {
            return Err(fields.wrong("environment", format!("`{name}` is no name of a variable")));
        }
        Ok(shell)
    }

    /// Runs a script to its end, with the variables of the step or without them.
    pub(super) fn run(&self, node: &Node<'_>, script: &str, variables: bool) -> Result<Finished, Failure> {
        let mut program = Program::new("sh")
            .arguments(["-c", script])
            .deadline(self.timeout)
            .folder(&node.root.at(&self.directory).to_string_lossy());
        if self.user != "root" {
            let (identity, home, name) = self.identity(node)?;
            program = program
                .identity(identity)
                .variable("HOME", &home)
                .variable("USER", &name)
                .variable("LOGNAME", &name);
        }
        for (name, value) in self.environment.iter().filter(|_| variables) {
            program = program.variable(name, value);
        }
        program.run()
    }

    fn identity(&self, node: &Node<'_>) -> Result<(Identity, String, String), Failure> {
        let user = accounts::user(node.root, &self.user)?.ok_or_else(|| {
            Failure::terminal(format!(
                "there is no user `{}` on this node; add a `user` step before it",
                self.user
            ))
        })?;
        let groups = accounts::groups(node.root)?;
        let mut numbers = vec![user.gid];
        numbers.extend(
            groups
                .iter()
                .filter(|group| group.members.contains(&user.name))
                .map(|group| group.gid),
        );
        numbers.dedup();
        Ok((
            Identity {
                uid: user.uid,
                gid: user.gid,
                groups: numbers,
            },
            user.home,
            user.name,
        ))
    }

    /// What `what` that was killed at the end of its time is told as.
    pub(super) fn too_slow(&self, what: &str, finished: &Finished) -> Failure {
        let message = format!(
            "{what} did not end within {} and was killed",
            text::duration(self.timeout)
        );
        Failure::terminal(message).with_detail(finished.tail())
    }
}
