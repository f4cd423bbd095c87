//! `capture`: a shell command that only reads; what it prints is the step's output.

use std::time::Duration;

use serde_json::Value;

use super::shell::Shell;
use super::{Action, Effect, Node, compared};
use crate::failure::{Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::protocol::Observation;
use crate::text;

/// More than this is not a value that a spec can use.
const LONGEST: usize = 64 * 1024;

/// A command whose output is wanted.
#[derive(Debug)]
pub(crate) struct Capture {
    run: String,
    shell: Shell,
}

impl Capture {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Capture, Refusal> {
        Ok(Capture {
            run: fields.text("run")?,
            shell: Shell::parse(fields, Duration::from_secs(60))?,
        })
    }

    fn read(&self, node: &Node<'_>) -> Result<String, Failure> {
        let finished = self.shell.run(node, &self.run, true)?;
        match finished.code {
            Some(0) => {}
            Some(code) => {
                let message = format!("the command exited with {code}");
                return Err(Failure::terminal(message).with_detail(finished.tail()));
            }
            None => return Err(self.shell.too_slow("the command", &finished)),
        }
        let printed = finished.output.trim_end_matches(['\n', '\r']);
        if printed.len() > LONGEST {
            let limit = LONGEST / 1024;
            return Err(Failure::terminal(format!(
                "the command prints more than {limit} KiB, which is no value"
            )));
        }
        if printed.contains(char::REPLACEMENT_CHARACTER) || printed.contains('\0') {
            return Err(Failure::terminal("the command prints what is no text"));
        }
        Ok(printed.to_owned())
    }
}

/// What is kept on the node to tell whether something else is printed now.
fn remembered(printed: &str) -> Value {
    Value::String(text::digest(printed.as_bytes()))
}

impl Action for Capture {
    fn observe(&self, node: &Node<'_>, known: &Known) -> Result<Observation, Failure> {
        if known.memory.is_null() {
            return Ok(compared(&["it has not been read".to_owned()]));
        }
        Ok(match remembered(&self.read(node)?) == known.memory {
            true => Observation::InSync,
            false => compared(&["it prints something else".to_owned()]),
        })
    }

    fn former(&self, _node: &Node<'_>) -> Result<Former, Failure> {
        Ok(Former::Absent)
    }

    fn ensure(&self, node: &Node<'_>, _known: &Known) -> Result<Effect, Failure> {
        (node.progress)(&format!("reading `{}`", text::shorten(self.run.trim(), 60)));
        let printed = self.read(node)?;
        let memory = remembered(&printed);
        let note = format!("read {}", text::bytes(printed.len() as u64));
        Ok(Effect::unchanged(note).output("text", printed).remember(memory))
    }

    fn undo(&self, _node: &Node<'_>, _known: &Known, _former: &Former) -> Result<Effect, Failure> {
        Ok(Effect::unchanged("there is nothing to undo"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, action};
    use crate::ownership::Known;
    use crate::protocol::Observation;
    use serde_json::json;

    #[test]
    fn it_tells_what_is_printed_and_looks_again() {
        let bench = Bench::new();
        bench.write("/etc/token", "abc\n\n");
        let run = format!("cat {}", bench.at("/etc/token").display());
        let capture = action("capture", json!({ "run": run }));
        assert_eq!(bench.observe(&*capture), "it has not been read");
        let effect = bench.ensure(&*capture).unwrap();
        assert_eq!(effect.outputs["text"], json!("abc"));
        assert!(!effect.changed);
        let known = Known {
            memory: effect.memory.unwrap(),
            ..Known::default()
        };
        let look = || bench.with(|node| capture.observe(node, &known)).unwrap();
        assert_eq!(look(), Observation::InSync);
        bench.write("/etc/token", "def\n");
        assert_eq!(
            look(),
            Observation::Differs {
                what: "it prints something else".to_owned()
            }
        );
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let bench = Bench::new();
        let fails = |run: &str| {
            let capture = action("capture", json!({ "run": run }));
            bench.ensure(&*capture).unwrap_err().message
        };
        assert_eq!(fails("exit 3"), "the command exited with 3");
        assert_eq!(
            fails("head -c 70000 /dev/zero | tr '\\0' x"),
            "the command prints more than 64 KiB, which is no value"
        );
        assert_eq!(fails("printf '\\377'"), "the command prints what is no text");
    }
}
