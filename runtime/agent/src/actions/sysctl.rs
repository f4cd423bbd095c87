//! `sysctl`: a setting of the kernel, now (`/proc/sys`) and after every boot (`/etc/sysctl.d`).

use std::fs;
use std::io;
use std::path::PathBuf;

use super::{Action, Effect, Node, compared};
use crate::disk::{self, Access};
use crate::failure::{Attempt, Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::protocol::Observation;

/// A setting as desired.
#[derive(Debug)]
pub(crate) struct Sysctl {
    key: String,
    value: String,
}

impl Sysctl {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Sysctl, Refusal> {
        let key = fields.text("key")?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
        if key.is_empty() || !key.bytes().all(plain) || key.split('.').any(str::is_empty) {
            return Err(fields.wrong(
                "key",
                format!("`{key}` is no setting such as `net.ipv4.ip_forward`"),
            ));
        }
        let value = fields.text_or_number("value")?;
        if value.contains('\n') {
            return Err(fields.wrong("value", "is more than one line"));
        }
        Ok(Sysctl {
            key,
            value: normal(&value),
        })
    }

    fn live(&self, node: &Node<'_>) -> PathBuf {
        node.root.at(&format!("/proc/sys/{}", self.key.replace('.', "/")))
    }

    fn stored(&self, node: &Node<'_>) -> PathBuf {
        node.root.at(&format!("/etc/sysctl.d/90-rebar-{}.conf", self.key))
    }

    fn stored_text(&self) -> String {
        format!("# Kept by rebar.\n{} = {}\n", self.key, self.value)
    }

    fn read_live(&self, node: &Node<'_>) -> Result<String, Failure> {
        match fs::read_to_string(self.live(node)) {
            Ok(value) => Ok(normal(&value)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::terminal(format!(
                "this node's kernel has no setting `{}`",
                self.key
            ))),
            Err(error) => Err(Failure::system(
                format!("read the setting `{}`", self.key),
                &error,
            )),
        }
    }

    fn write_live(&self, node: &Node<'_>, value: &str) -> Result<(), Failure> {
        match fs::write(self.live(node), value) {
            Ok(()) => Ok(()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                Err(Failure::terminal(format!(
                    "this node may not change the setting `{}`: {error}; containers may set only what belongs to \
                     their own namespaces, such as `net.*`",
                    self.key
                )))
            }
            Err(error) => Err(Failure::system(
                format!("set `{}` to `{value}`", self.key),
                &error,
            )),
        }
    }
}

impl Action for Sysctl {
    fn observe(&self, node: &Node<'_>, _known: &Known) -> Result<Observation, Failure> {
        let mut differences = Vec::new();
        let live = self.read_live(node)?;
        if live != self.value {
            differences.push(format!("`{live}`, not `{}`", self.value));
        }
        if fs::read_to_string(self.stored(node)).ok().as_deref() != Some(self.stored_text().as_str()) {
            differences.push("not set for the next boot".to_owned());
        }
        Ok(compared(&differences))
    }

    fn former(&self, node: &Node<'_>) -> Result<Former, Failure> {
        Ok(Former::Setting {
            value: self.read_live(node)?,
        })
    }

    fn ensure(&self, node: &Node<'_>, known: &Known) -> Result<Effect, Failure> {
        if self.observe(node, known)? == Observation::InSync {
            return Ok(Effect::unchanged("as desired"));
        }
        let before = self.read_live(node)?;
        if before != self.value {
            self.write_live(node, &self.value)?;
            let now = self.read_live(node)?;
            if now != self.value {
                let message = format!("the kernel took `{}` for `{}` as `{now}`", self.value, self.key);
                return Err(Failure::terminal(message));
            }
        }
        let stored = self.stored(node);
        let what = || format!("keep `{}` for the next boot", self.key);
        let folder = stored.parent().map(PathBuf::from).unwrap_or_default();
        fs::create_dir_all(&folder).attempt(what)?;
        let found = fs::metadata(&folder).attempt(what)?;
        // The folder belongs to root, and so shall the file.
        let access = Access {
            mode: 0o644,
            ..crate::store::access_of(&found)
        };
        disk::replace_file(&stored, &mut self.stored_text().as_bytes(), access).attempt(what)?;
        Ok(Effect::changed(if before == self.value {
            "set for the next boot".to_owned()
        } else {
            format!("`{}`, was `{before}`", self.value)
        }))
    }

    fn undo(&self, node: &Node<'_>, _known: &Known, former: &Former) -> Result<Effect, Failure> {
        let stored = self.stored(node);
        let mut changed = false;
        if stored.parent().is_some_and(std::path::Path::is_dir) {
            changed = disk::remove_file(&stored).attempt(|| format!("remove `{}`", stored.display()))?;
        }
        if let Former::Setting { value } = former
            && self.read_live(node)? != *value
        {
            self.write_live(node, value)?;
            return Ok(Effect::changed(format!("restored `{value}`")));
        }
        Ok(if changed {
            Effect::changed("removed")
        } else {
            Effect::unchanged("already as before")
        })
    }
}

/// Fields of a setting are parted by one space.
fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, action};
    use serde_json::json;

    #[test]
    fn it_is_set_kept_and_restored() {
        let bench = Bench::new();
        bench.write("/proc/sys/net/ipv4/ip_forward", "0\n");
        let setting = action("sysctl", json!({ "key": "net.ipv4.ip_forward", "value": 1 }));
        assert_eq!(
            bench.observe(&*setting),
            "`0`, not `1`, not set for the next boot"
        );
        let former = bench.former(&*setting);
        assert_eq!(bench.ensure(&*setting).unwrap().note, "`1`, was `0`");
        assert_eq!(bench.observe(&*setting), "in sync");
        assert!(!bench.ensure(&*setting).unwrap().changed);
        let stored = "/etc/sysctl.d/90-rebar-net.ipv4.ip_forward.conf";
        assert_eq!(bench.read(stored), "# Kept by rebar.\nnet.ipv4.ip_forward = 1\n");
        assert_eq!(bench.undo(&*setting, &former).unwrap().note, "restored `0`");
        assert_eq!(bench.read("/proc/sys/net/ipv4/ip_forward"), "0");
        assert!(!bench.at(stored).exists());
    }

    #[test]
    fn white_space_does_not_count() {
        let bench = Bench::new();
        bench.write("/proc/sys/kernel/sem", "250\t32000\t100\t128\n");
        let setting = action(
            "sysctl",
            json!({ "key": "kernel.sem", "value": "250 32000  100 128" }),
        );
        assert_eq!(bench.observe(&*setting), "not set for the next boot");
    }

    #[test]
    fn an_unknown_setting_is_told() {
        let bench = Bench::new();
        let setting = action("sysctl", json!({ "key": "net.nothing", "value": 1 }));
        assert!(
            bench
                .ensure(&*setting)
                .unwrap_err()
                .message
                .contains("no setting `net.nothing`")
        );
    }
}
