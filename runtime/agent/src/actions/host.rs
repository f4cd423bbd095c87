//! `host`: a line of the node's host table, known by the comment at its end:
//! `10.20.0.9 db.example # rebar: host db.example`.
//!
//! The table may be shared with the backend, which keeps a block of its own between `# rebar names begin` and
//! `# rebar names end`, and it may be a mount of its own. So it is locked, and rewritten through its inode.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::FileExt;

use rustix::fs::{FlockOperation, flock};

use super::{Action, Effect, Node, compared};
use crate::failure::{Attempt, Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::protocol::Observation;

const TABLE: &str = "/etc/hosts";
const BEGIN: &str = "# rebar names begin";
const END: &str = "# rebar names end";

/// A line as desired.
#[derive(Debug)]
pub(crate) struct Host {
    name: String,
    address: IpAddr,
}

impl Host {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Host, Refusal> {
        let name = fields.text("name")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(fields.wrong("name", format!("`{name}` is no host name")));
        }
        let address = fields.text("address")?;
        let address = address
            .parse()
            .map_err(|_| fields.wrong("address", format!("`{address}` is no address")))?;
        Ok(Host { name, address })
    }

    fn line(&self) -> String {
        format!("{} {}{}", self.address, self.name, self.marker())
    }

    fn marker(&self) -> String {
        format!(" # rebar: host {}", self.name)
    }
}

impl Action for Host {
    fn observe(&self, node: &Node<'_>, _known: &Known) -> Result<Observation, Failure> {
        let text = match std::fs::read_to_string(node.root.at(TABLE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::system(format!("read `{TABLE}`"), &error)),
        };
        let marker = self.marker();
        let ours: Vec<&str> = own_lines(&text).filter(|line| line.ends_with(&marker)).collect();
        Ok(match ours.as_slice() {
            [] => compared(&["missing".to_owned()]),
            [line] if *line == self.line() => Observation::InSync,
            [line, ..] => compared(&[format!(
                "`{}`, not `{}`",
                line.trim_end_matches(&marker),
                self.address
            )]),
        })
    }

    fn former(&self, _node: &Node<'_>) -> Result<Former, Failure> {
        // Lines of others for the same name are never touched, so there is nothing to put back.
        Ok(Former::Absent)
    }

    fn ensure(&self, node: &Node<'_>, _known: &Known) -> Result<Effect, Failure> {
        let changed = rewrite(node, |text| with_line(text, &self.marker(), Some(&self.line())))?;
        Ok(if changed {
            Effect::changed(format!("`{}` is {}", self.name, self.address))
        } else {
            Effect::unchanged("as desired")
        })
    }

    fn undo(&self, node: &Node<'_>, _known: &Known, _former: &Former) -> Result<Effect, Failure> {
        let changed = rewrite(node, |text| with_line(text, &self.marker(), None))?;
        Ok(if changed {
            Effect::changed("removed")
        } else {
            Effect::unchanged("already gone")
        })
    }
}

/// Lines outside the backend's block.
fn own_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        match line.trim() {
            BEGIN => inside = true,
            END => inside = false,
            _ => return !inside,
        }
        false
    })
}

/// The table with the marked line replaced, or put first so that it is found before others, or left out.
fn with_line(text: &str, marker: &str, line: Option<&str>) -> String {
    let mut inside = false;
    let mut placed = false;
    let mut lines: Vec<&str> = Vec::new();
    for found in text.lines() {
        match found.trim() {
            BEGIN => inside = true,
            END => inside = false,
            _ => {}
        }
        if inside || !found.ends_with(marker) {
            lines.push(found);
        } else if let Some(line) = line.filter(|_| !placed) {
            lines.push(line);
            placed = true;
        }
    }
    if let Some(line) = line.filter(|_| !placed) {
        lines.insert(0, line);
    }
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn rewrite(node: &Node<'_>, change: impl FnOnce(&str) -> String) -> Result<bool, Failure> {
    let what = || format!("change `{TABLE}`");
    let mut file: File = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(node.root.at(TABLE))
        .attempt(what)?;
    flock(&file, FlockOperation::LockExclusive)
        .map_err(io::Error::from)
        .attempt(what)?;
    let mut text = String::new();
    file.read_to_string(&mut text).attempt(what)?;
    let changed = change(&text);
    if changed == text {
        return Ok(false);
    }
    file.write_all_at(changed.as_bytes(), 0).attempt(what)?;
    file.set_len(changed.len() as u64).attempt(what)?;
    file.sync_all().attempt(what)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::testing::{Bench, action, step};
    use super::*;
    use serde_json::json;

    const TEXT: &str =
        "127.0.0.1 localhost\n# rebar names begin\n10.0.0.1 web-1\n# rebar names end\n10.9.9.9 db\n";

    fn host(address: &str) -> Box<dyn Action> {
        action("host", json!({ "name": "db", "address": address }))
    }

    #[test]
    fn its_line_comes_and_goes_and_the_rest_stays() {
        let bench = Bench::new();
        bench.write(TABLE, TEXT);
        let inode = std::fs::metadata(bench.at(TABLE)).unwrap().ino();
        assert_eq!(bench.observe(&*host("10.0.0.5")), "missing");
        assert!(bench.ensure(&*host("10.0.0.5")).unwrap().changed);
        assert_eq!(bench.read(TABLE), format!("10.0.0.5 db # rebar: host db\n{TEXT}"));
        assert!(!bench.ensure(&*host("10.0.0.5")).unwrap().changed);
        assert_eq!(bench.observe(&*host("10.0.0.5")), "in sync");
        assert_eq!(bench.observe(&*host("::1")), "`10.0.0.5 db`, not `::1`");
        bench.ensure(&*host("::1")).unwrap();
        assert_eq!(bench.read(TABLE), format!("::1 db # rebar: host db\n{TEXT}"));
        assert!(bench.undo(&*host("::1"), &Former::Absent).unwrap().changed);
        assert_eq!(bench.read(TABLE), TEXT);
        assert_eq!(std::fs::metadata(bench.at(TABLE)).unwrap().ino(), inode);
    }

    #[test]
    fn the_backends_block_is_never_touched() {
        let text = "# rebar names begin\n10.0.0.1 db # rebar: host db\n# rebar names end\n";
        let bench = Bench::new();
        bench.write(TABLE, text);
        assert_eq!(bench.observe(&*host("10.0.0.5")), "missing");
        bench.ensure(&*host("10.0.0.5")).unwrap();
        bench.undo(&*host("10.0.0.5"), &Former::Absent).unwrap();
        assert_eq!(bench.read(TABLE), text);
    }

    #[test]
    fn a_missing_table_is_made() {
        let bench = Bench::new();
        bench.ensure(&*host("10.0.0.5")).unwrap();
        assert_eq!(bench.observe(&*host("10.0.0.5")), "in sync");
    }

    #[test]
    fn names_and_addresses_are_checked() {
        for fields in [
            json!({ "name": "a b", "address": "::1" }),
            json!({ "name": "a", "address": "x" }),
        ] {
            assert_eq!(
                super::super::parse(&step("host", fields)).err().unwrap().code,
                "E1307"
            );
        }
    }
}
