//! `package`: a package of the distribution, installed by apt. Removal purges what this step brought in.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Action, Effect, Node, compared, systemd};
use crate::failure::{Failure, Refusal};
use crate::fields::Fields;
use crate::ownership::{Former, Known};
use crate::program::{Finished, Program};
use crate::protocol::Observation;

/// Package lists older than this are fetched anew.
const FRESH: Duration = Duration::from_secs(24 * 3600);

/// Fetching lists changes nothing that cannot be fetched again, and now and then waits for ever for a server.
const LONGEST_UPDATE: Duration = Duration::from_secs(180);

/// An installation that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(1800);

/// Tells when lists were last fetched; their own times are those of the server.
const STAMP: &str = "package-lists";

/// A package as desired.
#[derive(Debug)]
pub(crate) struct Package {
    name: String,
}

impl Package {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Package, Refusal> {
        let name = fields.text("name")?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.:".contains(&byte);
        let starts = name
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !starts || !name.bytes().all(plain) {
            return Err(fields.wrong("name", format!("`{name}` is no name of a package")));
        }
        Ok(Package { name })
    }

    fn install(&self, node: &Node<'_>) -> Result<(), Failure> {
        (node.progress)(&format!("installing {}", self.name));
        let finished = apt(&["install", "--no-install-recommends", &self.name])?;
        if finished.is_success() {
            return Ok(());
        }
        let problem = problem(&finished.all);
        match problem {
            Problem::UnknownPackage | Problem::OldLists => update_lists(node)?,
            Problem::HalfConfigured => configure_rest(node)?,
            Problem::Network | Problem::Locked | Problem::Other => {
                return Err(self.failed(&finished, problem));
            }
        }
        (node.progress)(&format!("installing {}", self.name));
        let finished = apt(&["install", "--no-install-recommends", &self.name])?;
        let again = self::problem(&finished.all);
        if finished.is_success() {
            Ok(())
        } else {
            Err(self.failed(&finished, again))
        }
    }

    fn failed(&self, finished: &Finished, problem: Problem) -> Failure {
        let name = &self.name;
        let failure = match problem {
            Problem::UnknownPackage => Failure::terminal(format!(
                "no package `{name}` in the node's package sources; check the name, or add the source that has it"
            )),
            Problem::Network | Problem::OldLists => {
                Failure::transient(format!("cannot fetch `{name}` from the node's package sources"))
            }
            Problem::Locked => Failure::busy(format!(
                "cannot install `{name}`: another program is using the package manager"
            )),
            Problem::HalfConfigured | Problem::Other if finished.code.is_none() => {
                Failure::transient(format!("installing `{name}` did not end and was stopped"))
            }
            Problem::HalfConfigured | Problem::Other => {
                Failure::terminal(format!("cannot install `{name}`: the package manager failed"))
            }
        };
        failure.with_detail(finished.tail())
    }

    /// The names under which apt may list this package.
    fn is_me(&self, name: &str) -> bool {
        self.name.split(':').next() == Some(name) || self.name == name
    }
}

impl Action for Package {
    fn observe(&self, node: &Node<'_>, _known: &Known) -> Result<Observation, Failure> {
        node.root.require_running_system("package")?;
        Ok(match status(&self.name)? {
            Status::Installed(_) => Observation::InSync,
            Status::Half(state) => compared(&[format!("half installed ({state})")]),
            Status::Absent => compared(&["not installed".to_owned()]),
        })
    }

    fn former(&self, node: &Node<'_>) -> Result<Former, Failure> {
        node.root.require_running_system("package")?;
        match status(&self.name)? {
            Status::Installed(_) => Ok(Former::Present),
            // Half installed is what a crash leaves of an installation: before it, it was not there.
            Status::Half(_) | Status::Absent => Ok(Former::NotInstalled {
                installed: installed()?.into_iter().collect(),
            }),
        }
    }

    fn ensure(&self, node: &Node<'_>, known: &Known) -> Result<Effect, Failure> {
        node.root.require_running_system("package")?;
        if let Status::Installed(version) = status(&self.name)? {
            keep_for_itself(&self.name)?;
            let effect = Effect::unchanged("already installed").output("version", version);
            // A crash between installation and record: what came with it is found out now.
            return Ok(match (&known.former, known.memory.is_null()) {
                (Some(Former::NotInstalled { installed }), true) => {
                    effect.remember(brought_since(installed)?)
                }
                (Some(_) | None, _) => effect,
            });
        }
        systemd::wait_for_boot(node)?;
        if is_half_configured(node)? {
            configure_rest(node)?;
        }
        if !has_fresh_lists(node) {
            update_lists(node)?;
        }
        self.install(node)?;
        let Status::Installed(version) = status(&self.name)? else {
            let message = format!(
                "the package manager succeeded, but `{}` is not installed",
                self.name
            );
            return Err(Failure::terminal(message));
        };
        let effect = Effect::changed(format!("installed {} {version}", self.name)).output("version", version);
        Ok(match &known.former {
            Some(Former::NotInstalled { installed }) => effect.remember(brought_since(installed)?),
            Some(_) | None => effect,
        })
    }

    fn undo(&self, node: &Node<'_>, known: &Known, former: &Former) -> Result<Effect, Failure> {
        node.root.require_running_system("package")?;
        let brought: BTreeSet<String> = match (known.memory.get("brought").and_then(Value::as_array), former)
        {
            (Some(names), _) => names
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            (None, Former::NotInstalled { installed }) => {
                let before: BTreeSet<String> = installed.iter().cloned().collect();
                self::installed()?.difference(&before).cloned().collect()
            }
            (None, _) => BTreeSet::new(),
        };
        systemd::wait_for_boot(node)?;
        if is_half_configured(node)? {
            configure_rest(node)?;
        }
        let mut removed = Vec::new();
        if !matches!(status(&self.name)?, Status::Absent) {
            let with_it = simulate(&["purge", &self.name])?;
            let foreign: Vec<&str> = with_it
                .iter()
                .map(String::as_str)
                .filter(|name| !self.is_me(name) && !brought.contains(*name))
                .collect();
            if !foreign.is_empty() {
                return Err(Failure::terminal(format!(
                    "cannot remove `{}`: it is needed by what rebar did not bring in (`{}`)",
                    self.name,
                    foreign.join("`, `")
                )));
            }
            (node.progress)(&format!("removing {}", self.name));
            purge(std::slice::from_ref(&self.name))?;
            removed.extend(with_it);
        }
        // That something merely suggests what came along does not make it needed.
        let suggestions = [
            "APT::AutoRemove::SuggestsImportant=false",
            "APT::AutoRemove::RecommendsImportant=false",
        ];
        let unneeded = simulate(&[
            "autoremove",
            "--purge",
            "-o",
            suggestions[0],
            "-o",
            suggestions[1],
        ])?;
        let unneeded: Vec<String> = unneeded
            .into_iter()
            .filter(|name| brought.contains(name))
            .collect();
        // Purging these must take nothing else along: what others came to need stays.
        if !unneeded.is_empty()
            && simulate_purge(&unneeded)?
                .iter()
                .all(|name| brought.contains(name))
        {
            purge(&unneeded)?;
            removed.extend(unneeded);
        }
        Ok(match removed.len() {
            0 => Effect::unchanged("already gone"),
            1 => Effect::changed("purged"),
            count => Effect::changed(format!("purged, with {} that came with it", count - 1)),
        })
    }
}

/// How a package stands.
enum Status {
    /// With its version.
    Installed(String),
    /// In dpkg's words.
    Half(String),
    Absent,
}

fn status(name: &str) -> Result<Status, Failure> {
    let finished = Program::new("dpkg-query")
        .arguments(["-W", "-f=${Status}|${Version}\n", name])
        .run()?;
    let mut found = Status::Absent;
    for line in finished.output.lines() {
        let (state, version) = line.split_once('|').unwrap_or((line, ""));
        match state.rsplit(' ').next().unwrap_or_default() {
            "installed" => return Ok(Status::Installed(version.to_owned())),
            "not-installed" | "config-files" | "" => {}
            half => found = Status::Half(half.to_owned()),
        }
    }
    Ok(found)
}

fn installed() -> Result<BTreeSet<String>, Failure> {
    let finished = Program::new("dpkg-query")
        .arguments(["-W", "-f=${Status}|${Package}\n"])
        .run()?;
    if !finished.is_success() {
        return Err(Failure::terminal("cannot list the node's packages").with_detail(finished.tail()));
    }
    let names = finished.output.lines().filter_map(|line| {
        let (state, name) = line.split_once('|')?;
        state.ends_with(" installed").then(|| name.to_owned())
    });
    Ok(names.collect())
}

/// Marks a package that came along with another as wanted for itself, as installing it by name would have done:
/// else it would go with the other.
fn keep_for_itself(name: &str) -> Result<(), Failure> {
    let automatic = Program::new("apt-mark").arguments(["showauto", name]).run()?;
    if automatic.output.trim().is_empty() {
        return Ok(());
    }
    let finished = Program::new("apt-mark").arguments(["manual", name]).run()?;
    if finished.is_success() {
        return Ok(());
    }
    Err(Failure::transient(format!("cannot mark `{name}` as wanted for itself")).with_detail(finished.tail()))
}

fn brought_since(before: &[String]) -> Result<Value, Failure> {
    let before: BTreeSet<String> = before.iter().cloned().collect();
    let brought: Vec<String> = installed()?.difference(&before).cloned().collect();
    Ok(json!({ "brought": brought }))
}

fn is_half_configured(node: &Node<'_>) -> Result<bool, Failure> {
    let updates = fs::read_dir(node.root.at("/var/lib/dpkg/updates"));
    if updates.is_ok_and(|mut entries| entries.next().is_some()) {
        return Ok(true);
    }
    let finished = Program::new("dpkg-query")
        .arguments(["-W", "-f=${db:Status-Status}\n"])
        .run()?;
    let half = [
        "half-configured",
        "half-installed",
        "unpacked",
        "triggers-awaited",
        "triggers-pending",
    ];
    Ok(finished.output.lines().any(|line| half.contains(&line)))
}

fn configure_rest(node: &Node<'_>) -> Result<(), Failure> {
    (node.progress)("finishing an installation that was broken off");
    let configure = || {
        noninteractive(Program::new("dpkg"))
            .arguments(["--force-confold", "--force-confdef", "--configure", "-a"])
            .deadline(LONGEST)
            .run()
    };
    let mut finished = configure()?;
    // apt of a killed agent may still be at work; unlike apt, dpkg does not wait for the lock.
    for _ in 0..60 {
        if finished.is_success() || problem(&finished.all) != Problem::Locked {
            break;
        }
        std::thread::sleep(Duration::from_secs(2));
        finished = configure()?;
    }
    if finished.is_success() {
        return Ok(());
    }
    // What dpkg alone cannot finish for want of a dependency, apt can.
    let mended = apt(&["install", "--fix-broken", "--no-install-recommends"])?;
    if mended.is_success() {
        return Ok(());
    }
    Err(
        Failure::terminal("an earlier installation was broken off, and cannot be finished")
            .with_detail(mended.tail()),
    )
}

fn has_fresh_lists(node: &Node<'_>) -> bool {
    let Ok(entries) = fs::read_dir(node.root.at("/var/lib/apt/lists")) else {
        return false;
    };
    let is_list = |name: &str| name.contains("_Packages") || name.ends_with("InRelease");
    let lists: Vec<fs::Metadata> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_list))
        .filter_map(|entry| entry.metadata().ok())
        .collect();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let fetched = fs::metadata(node.store.stamp(STAMP))
        .ok()
        .map(|stamp| stamp.mtime());
    let newest = lists
        .iter()
        .map(MetadataExt::ctime)
        .chain(fetched)
        .max()
        .unwrap_or_default();
    !lists.is_empty() && now.saturating_sub(newest.max(0).cast_unsigned()) < FRESH.as_secs()
}

fn update_lists(node: &Node<'_>) -> Result<(), Failure> {
    (node.progress)("fetching the package lists");
    let finished = apt_within(LONGEST_UPDATE, &["update", "-o", "APT::Update::Error-Mode=any"])?;
    if finished.is_success() {
        node.store.touch(STAMP);
        return Ok(());
    }
    let failure = match problem(&finished.all) {
        Problem::Other if finished.code.is_some() => {
            Failure::terminal("cannot fetch the package lists: the package manager failed")
        }
        Problem::Locked => Failure::busy("another program is using the package manager"),
        Problem::Other
        | Problem::Network
        | Problem::OldLists
        | Problem::UnknownPackage
        | Problem::HalfConfigured => {
            Failure::transient("cannot fetch the package lists from the node's package sources")
        }
    };
    Err(failure.with_detail(finished.tail()))
}

fn purge(names: &[String]) -> Result<(), Failure> {
    let mut arguments = vec!["purge"];
    arguments.extend(names.iter().map(String::as_str));
    let finished = apt(&arguments)?;
    if finished.is_success() {
        return Ok(());
    }
    let message = format!("cannot remove `{}`", names.join("`, `"));
    let failure = match problem(&finished.all) {
        Problem::Locked => Failure::busy(message),
        Problem::UnknownPackage
        | Problem::OldLists
        | Problem::Network
        | Problem::HalfConfigured
        | Problem::Other => Failure::terminal(message),
    };
    Err(failure.with_detail(finished.tail()))
}

fn simulate_purge(names: &[String]) -> Result<Vec<String>, Failure> {
    let mut arguments = vec!["purge"];
    arguments.extend(names.iter().map(String::as_str));
    simulate(&arguments)
}

/// Names of the packages that would go.
fn simulate(arguments: &[&str]) -> Result<Vec<String>, Failure> {
    let mut all = vec!["--simulate"];
    all.extend(arguments);
    let finished = apt(&all)?;
    if !finished.is_success() {
        return Err(
            Failure::terminal("cannot find out what a removal would take along").with_detail(finished.tail()),
        );
    }
    Ok(going(&finished.output))
}

fn going(output: &str) -> Vec<String> {
    let names: BTreeSet<String> = output
        .lines()
        .filter_map(|line| line.strip_prefix("Purg ").or_else(|| line.strip_prefix("Remv ")))
        .filter_map(|rest| rest.split_whitespace().next())
        .map(|name| name.split(':').next().unwrap_or(name).to_owned())
        .collect();
    names.into_iter().collect()
}

fn apt(arguments: &[&str]) -> Result<Finished, Failure> {
    apt_within(LONGEST, arguments)
}

fn apt_within(deadline: Duration, arguments: &[&str]) -> Result<Finished, Failure> {
    noninteractive(Program::new("apt-get"))
        .arguments(["-y", "-q"])
        .arguments([
            "-o",
            "Dpkg::Options::=--force-confold",
            "-o",
            "Dpkg::Options::=--force-confdef",
        ])
        .arguments([
            "-o",
            "DPkg::Lock::Timeout=120",
            "-o",
            "Dpkg::Use-Pty=0",
            "-o",
            "Acquire::Retries=3",
        ])
        .arguments(arguments.iter().copied())
        .deadline(deadline)
        .run()
}

fn noninteractive(program: Program) -> Program {
    program
        .variable("DEBIAN_FRONTEND", "noninteractive")
        .variable("DEBCONF_NONINTERACTIVE_SEEN", "true")
        .variable("APT_LISTCHANGES_FRONTEND", "none")
        .variable("NEEDRESTART_SUSPEND", "1")
        .variable("UCF_FORCE_CONFFOLD", "1")
}

/// What the package manager complains about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    UnknownPackage,
    /// The lists name files that the server has no more.
    OldLists,
    Network,
    Locked,
    HalfConfigured,
    Other,
}

fn problem(output: &str) -> Problem {
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| output.contains(phrase));
    if says(&[
        "Could not get lock",
        "Unable to acquire the dpkg frontend lock",
        "locked by another process",
    ]) {
        Problem::Locked
    } else if says(&[
        "dpkg was interrupted",
        "Unmet dependencies. Try 'apt --fix-broken",
    ]) {
        Problem::HalfConfigured
    } else if says(&["404  Not Found", "Hash Sum mismatch", "File has unexpected size"]) {
        Problem::OldLists
    } else if says(&[
        "Failed to fetch",
        "Temporary failure",
        "Could not resolve",
        "Could not connect",
        "Unable to connect",
        "Connection timed out",
        "Connection failed",
        "Unable to fetch",
    ]) {
        Problem::Network
    } else if says(&[
        "Unable to locate package",
        "has no installation candidate",
        "Couldn't find any package",
    ]) {
        Problem::UnknownPackage
    } else {
        Problem::Other
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, action, step};
    use super::*;

    #[test]
    fn complaints_are_told_apart() {
        let cases = [
            ("E: Unable to locate package nginx-lite", Problem::UnknownPackage),
            (
                "E: Package 'x' has no installation candidate",
                Problem::UnknownPackage,
            ),
            (
                "Err:1 http://d/ 404  Not Found [IP: 1]\nE: Failed to fetch http://d/",
                Problem::OldLists,
            ),
            (
                "E: Failed to fetch http://d/  Could not connect to d:80",
                Problem::Network,
            ),
            (
                "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 9 (apt-get)",
                Problem::Locked,
            ),
            (
                "E: dpkg was interrupted, you must manually run 'dpkg --configure -a'",
                Problem::HalfConfigured,
            ),
            ("dpkg: error processing package x (--configure)", Problem::Other),
        ];
        for (output, expected) in cases {
            assert_eq!(problem(output), expected, "{output}");
        }
    }

    #[test]
    fn what_would_go_is_read() {
        let output = "Reading package lists...\nPurg nginx-light [1.22]\nRemv libx:amd64 [1]\nInst y\n";
        assert_eq!(going(output), ["libx", "nginx-light"]);
    }

    #[test]
    fn names_cannot_be_options() {
        for name in ["-o", "Nginx", "a b", "", "a=1"] {
            let step = step("package", serde_json::json!({ "name": name }));
            assert!(super::super::parse(&step).is_err(), "{name}");
        }
    }

    #[test]
    fn nothing_is_installed_on_the_wrong_system() {
        let bench = Bench::new();
        let package = action("package", serde_json::json!({ "name": "hello" }));
        assert!(
            bench
                .ensure(&*package)
                .unwrap_err()
                .message
                .contains("only on the running system")
        );
    }
}
