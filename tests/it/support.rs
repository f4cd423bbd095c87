//! Runs the real program on projects of its own, and looks for what is left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A copy of a project in a folder of its own, with its own data folder.
pub(crate) struct World {
    folder: tempfile::TempDir,
    /// The project.
    pub(crate) project: PathBuf,
}

impl World {
    /// A copy of `examples/<name>`, its network moved to `10.<range>.0.0/24` so that tests do not collide.
    pub(crate) fn of_example(name: &str, range: u8) -> World {
        let world = World::empty();
        copy(&root().join("examples").join(name), &world.project);
        let spec = world.project.join("main.rebar");
        let text = fs::read_to_string(&spec)
            .unwrap()
            .replace("10.20.0.", &format!("10.{range}.0."));
        fs::write(&spec, text).unwrap();
        world
    }

    /// A project of one file.
    pub(crate) fn of_spec(text: &str) -> World {
        let world = World::empty();
        fs::write(world.project.join("main.rebar"), text).unwrap();
        world
    }

    fn empty() -> World {
        let folder = tempfile::Builder::new().prefix("rebar-test-").tempdir().unwrap();
        let project = folder.path().join("project");
        fs::create_dir(&project).unwrap();
        World { folder, project }
    }

    /// Where machines' disks are.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Replaces text in the spec; the text must be there.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let spec = self.project.join("main.rebar");
        let text = fs::read_to_string(&spec).unwrap();
        assert!(text.contains(from), "`{from}` is not in the spec");
        fs::write(spec, text.replace(from, to)).unwrap();
    }

    /// The program, ready to run in this world.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rebar"));
        command
            .arg("-C")
            .arg(&self.project)
            .args(arguments)
            .env("REBAR_DATA", self.data())
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs to the end, which must be a good one.
    pub(crate) fn good(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(
            ran.code, 0,
            "rebar {arguments:?} ended with {}\n{}\n{}",
            ran.code, ran.out, ran.err
        );
        ran
    }

    /// Starts in a process group of its own.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}

/// A test that fails leaves nothing behind either: what it applied is destroyed, what it mounted goes.
impl Drop for World {
    fn drop(&mut self) {
        let state = self.project.join(".rebar");
        if state.join("state.db").exists() {
            let _ = fs::remove_file(state.join("filler"));
            for name in ["laptop_shop", "three_nodes", "ten_nodes"] {
                let _ = self.command(&["destroy", name, "--yes"]).output();
            }
        }
        let _ = Command::new("umount").arg("-q").arg(&state).output();
    }
}

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Says something aloud: the test harness keeps what `println!` prints to itself unless the test fails.
pub(crate) fn say(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{text}\n").as_bytes());
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            if entry.file_name() != ".rebar" {
                copy(&source, &target);
            }
        } else {
            fs::copy(source, target).unwrap();
        }
    }
}

/// Whether this machine can run containers; if not, says aloud what is skipped and why.
/// With `REBAR_TEST_REQUIRE_ALL` a missing part is a failure.
pub(crate) fn local_is_here(what: &str) -> bool {
    let output = Command::new(env!("CARGO_BIN_EXE_rebar"))
        .arg("doctor")
        .output()
        .unwrap();
    let good = output.status.success();
    if !good {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            std::env::var_os("REBAR_TEST_REQUIRE_ALL").is_none(),
            "{what} cannot run here:\n{text}"
        );
        say(&format!(
            "SKIPPED: {what}: this machine lacks a part of the local backend:\n{text}"
        ));
    }
    good
}

/// Everything of this machine that a container may leave behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Footprint {
    things: BTreeSet<String>,
}

impl Footprint {
    /// What is there now.
    pub(crate) fn now(world: &World) -> Footprint {
        let mut things = BTreeSet::new();
        let mut add = |kind: &str, text: &str| {
            things.extend(text.lines().map(|line| format!("{kind} {}", line.trim())));
        };
        add(
            "link",
            &printed("ip", &["-o", "link"], |l| {
                l.split(':').nth(1).unwrap_or_default().to_owned()
            }),
        );
        add("netns", &printed("ip", &["netns", "list"], str::to_owned));
        add("table", &printed("nft", &["list", "tables"], str::to_owned));
        add("route", &printed("ip", &["route"], str::to_owned));
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        add(
            "mount",
            &mounts
                .lines()
                .filter(|l| l.contains("rebar"))
                .collect::<Vec<_>>()
                .join("\n"),
        );
        let mut groups = Vec::new();
        groups_below(Path::new("/sys/fs/cgroup"), 0, &mut groups);
        add("cgroup", &groups.join("\n"));
        add("process", &processes().join("\n"));
        let mut files = Vec::new();
        files_below(&world.data(), &mut files);
        add("file", &files.join("\n"));
        Footprint { things }
    }

    /// What is here and was not there before. Processes that were ended may take a moment to be collected.
    pub(crate) fn left(world: &World, before: &Footprint) -> Vec<String> {
        let mut left = Vec::new();
        for _ in 0..20 {
            left = Footprint::now(world)
                .things
                .difference(&before.things)
                .cloned()
                .collect();
            if left.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        left
    }
}

fn printed(program: &str, arguments: &[&str], line: impl Fn(&str) -> String) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map_or(String::new(), |o| String::from_utf8_lossy(&o.stdout).into_owned());
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn groups_below(folder: &Path, depth: usize, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|t| t.is_dir()) {
            continue;
        }
        let path = entry.path();
        if path.to_string_lossy().contains("rebar") {
            found.push(path.display().to_string());
        }
        if depth < 6 {
            groups_below(&path, depth + 1, found);
        }
    }
}

/// Processes of ours: launchers, agents, and the first processes of containers.
fn processes() -> Vec<String> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if pid == own || !pid.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let line = fs::read_to_string(entry.path().join("cmdline"))
            .unwrap_or_default()
            .replace('\0', " ");
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/user")).ok();
        let inside = namespace(&pid).is_some_and(|n| Some(n) != namespace("self"));
        // Without a command line it is on its way out, or a thread of the kernel.
        if !line.is_empty() && (inside || line.contains("__local") || line.contains("rebar-agent")) {
            found.push(format!("{pid} {line}"));
        }
    }
    found
}

fn files_below(folder: &Path, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        found.push(path.display().to_string());
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            files_below(&path, found);
        }
    }
}

/// One test at a time uses the machine: the footprint of one must not be that of another.
pub(crate) fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The body that `http://address/` answers with, or why there is none.
pub(crate) fn page(address: &str) -> Result<String, String> {
    use std::io::{Read, Write};
    let socket = format!("{address}:80").parse().unwrap();
    let limit = std::time::Duration::from_secs(5);
    let mut stream = std::net::TcpStream::connect_timeout(&socket, limit).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(limit)).unwrap();
    let request = format!("GET / HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|e| e.to_string())?;
    Ok(answer
        .split_once("\r\n\r\n")
        .map_or(String::new(), |(_, body)| body.to_owned()))
}

/// The first process of the container whose host name is `name`.
pub(crate) fn first_process(name: &str) -> Option<u32> {
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_string_lossy().parse().ok()?;
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        let inner: Vec<&str> = status
            .lines()
            .find(|l| l.starts_with("NSpid:"))?
            .split_whitespace()
            .skip(1)
            .collect();
        let host = fs::read_to_string(entry.path().join("root/etc/hostname")).ok()?;
        (inner.len() > 1 && inner.last() == Some(&"1") && host.trim() == name).then_some(pid)
    })
}
