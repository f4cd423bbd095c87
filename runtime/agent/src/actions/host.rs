//! `host`: a line of the node's host table, known by the comment at its end:
//! `10.20.0.9 db.example # rebar: host db.example`.
//!
//! The table may be shared with the backend, which keeps a block of its own between `# rebar names begin` and
//! `# rebar names end`, and it may be a mount of its own. So it is locked, and rewritten through its inode.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::file::{look, sort_of};
use super::{Action, Effect, Node, compared};
use crate::failure::{Attempt, Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::protocol::Observation;
use crate::text;

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

    /// A line before ours that gives the name another address of the same family: it is the one that is found.
    fn hidden_by<'a>(&self, text: &'a str) -> Option<&'a str> {
        let marker = self.marker();
        let mut before = own_lines(text).take_while(|line| !line.ends_with(&marker));
        let hides = |line: &str| {
            let entry = line.split('#').next().unwrap_or_default();
            let mut words = entry.split_whitespace();
            let other: Option<IpAddr> = words.next().and_then(|word| word.parse().ok());
            other.is_some_and(|other| other != self.address && other.is_ipv4() == self.address.is_ipv4())
                && words.any(|word| word.eq_ignore_ascii_case(&self.name))
        };
        text.lines()
            .any(|line| line.ends_with(&marker))
            .then(|| before.find(|line| hides(line)))?
    }
}

impl Action for Host {
    fn observe(&self, node: &Node<'_>, _known: &Known) -> Result<Observation, Failure> {
        let mut text = String::new();
        if let Some(mut file) = open(node, OpenOptions::new().read(true))? {
            file.read_to_string(&mut text)
                .attempt(|| format!("read `{TABLE}`"))?;
        }
        let marker = self.marker();
        let ours: Vec<&str> = own_lines(&text).filter(|line| line.ends_with(&marker)).collect();
        let mut differences = Vec::new();
        if ours.is_empty() {
            differences.push("missing".to_owned());
        }
        if let Some(line) = ours.iter().find(|line| **line != self.line()) {
            differences.push(format!(
                "`{}`, not `{}`",
                line.trim_end_matches(&marker),
                self.address
            ));
        } else if ours.len() > 1 {
            differences.push(format!("stands there {} times", ours.len()));
        }
        if let Some(other) = self.hidden_by(&text) {
            differences.push(format!(
                "hidden by the line `{}` before it",
                text::shorten(other, 60)
            ));
        }
        Ok(compared(&differences))
    }

    fn former(&self, _node: &Node<'_>) -> Result<Former, Failure> {
        // Lines of others for the same name are never touched, so there is nothing to put back.
        Ok(Former::Absent)
    }

    fn ensure(&self, node: &Node<'_>, _known: &Known) -> Result<Effect, Failure> {
        let changed = rewrite(node, |text| {
            let marker = self.marker();
            if self.hidden_by(text).is_some() {
                // Put first again; the other line is not ours and stays.
                return with_line(&with_line(text, &marker, None), &marker, Some(&self.line()));
            }
            with_line(text, &marker, Some(&self.line()))
        })?;
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

/// Opens the table; nothing when there is none. What stands there instead of a file is not followed, not waited for
/// and not changed.
fn open(node: &Node<'_>, options: &mut OpenOptions) -> Result<Option<File>, Failure> {
    let path = node.root.at(TABLE);
    if let Some(found) = look(&path, TABLE)?.filter(|found| !found.is_file()) {
        return Err(in_the_way(&found));
    }
    // It may be replaced just now.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed());
    let file = match options.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::system(format!("open `{TABLE}`"), &error)),
    };
    let found = file.metadata().attempt(|| format!("look at `{TABLE}`"))?;
    if found.is_file() {
        Ok(Some(file))
    } else {
        Err(in_the_way(&found))
    }
}

fn in_the_way(found: &Metadata) -> Failure {
    Failure::terminal(format!(
        "`{TABLE}` is {}, not a file; remove it, so that a table can be made",
        sort_of(found)
    ))
}

fn rewrite(node: &Node<'_>, change: impl FnOnce(&str) -> String) -> Result<bool, Failure> {
    let what = || format!("change `{TABLE}`");
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644);
    let Some(mut file) = open(node, &mut options)? else {
        return Err(Failure::terminal(format!("there is no directory for `{TABLE}`")));
    };
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
    fn a_line_that_hides_ours_is_found_and_passed() {
        let bench = Bench::new();
        bench.write(TABLE, TEXT);
        bench.ensure(&*host("10.0.0.5")).unwrap();
        let ours = bench.read(TABLE);
        bench.write(TABLE, &format!("::9 db\n# 10.9.9.8 db\n10.0.0.5 db\n{ours}"));
        assert_eq!(bench.observe(&*host("10.0.0.5")), "in sync");
        bench.write(TABLE, &format!("10.9.9.9 x DB\n{ours}"));
        assert_eq!(
            bench.observe(&*host("10.0.0.5")),
            "hidden by the line `10.9.9.9 x DB` before it"
        );
        assert!(bench.ensure(&*host("10.0.0.5")).unwrap().changed);
        assert_eq!(bench.observe(&*host("10.0.0.5")), "in sync");
        assert_eq!(
            bench.read(TABLE),
            format!("10.0.0.5 db # rebar: host db\n10.9.9.9 x DB\n{TEXT}")
        );
        bench.undo(&*host("10.0.0.5"), &Former::Absent).unwrap();
        assert_eq!(bench.read(TABLE), format!("10.9.9.9 x DB\n{TEXT}"));
    }

    #[test]
    fn a_line_that_stands_twice_is_said_to() {
        let bench = Bench::new();
        bench.ensure(&*host("10.0.0.5")).unwrap();
        let once = bench.read(TABLE);
        bench.write(TABLE, &format!("{once}{once}"));
        assert_eq!(bench.observe(&*host("10.0.0.5")), "stands there 2 times");
        bench.ensure(&*host("10.0.0.5")).unwrap();
        assert_eq!(bench.read(TABLE), once);
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
    fn what_is_no_file_is_neither_followed_nor_waited_for() {
        let bench = Bench::new();
        bench.write("/etc/passwd", "root:x:0:0\n");
        std::os::unix::fs::symlink("passwd", bench.at(TABLE)).unwrap();
        for sort in ["a link", "a directory", "a device, pipe or socket"] {
            let wanted = host("10.0.0.5");
            let observed = bench.with(|node| wanted.observe(node, &Known::default()));
            for failure in [
                observed.unwrap_err(),
                bench.ensure(&*wanted).unwrap_err(),
                bench.undo(&*wanted, &Former::Absent).unwrap_err(),
            ] {
                assert_eq!(
                    failure.message,
                    format!("`{TABLE}` is {sort}, not a file; remove it, so that a table can be made")
                );
            }
            assert_eq!(bench.read("/etc/passwd"), "root:x:0:0\n");
            if sort == "a link" {
                std::fs::remove_file(bench.at(TABLE)).unwrap();
                std::fs::create_dir(bench.at(TABLE)).unwrap();
            } else if sort == "a directory" {
                std::fs::remove_dir(bench.at(TABLE)).unwrap();
                let path = bench.at(TABLE);
                rustix::fs::mknodat(
                    rustix::fs::CWD,
                    &path,
                    rustix::fs::FileType::Fifo,
                    rustix::fs::Mode::from_raw_mode(0o600),
                    0,
                )
                .unwrap();
            }
        }
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
