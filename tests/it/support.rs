//! Runs the real program on projects of its own. `footprint` looks for what is left behind, `machines` reaches what the
//! backends make.

pub(crate) mod footprint;
pub(crate) mod machines;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A copy of a project in a folder of its own, with its own data folder.
pub(crate) struct World {
    /// Everything of it.
    pub(crate) folder: tempfile::TempDir,
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
            // A test that damages the state has made nothing, or puts it back.
            for scope in footprint::deploys(self).unwrap_or_default() {
                let _ = self.command(&["destroy", &scope.deploy, "--yes"]).output();
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
