//! A throw-away Debian node with systemd, in namespaces of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rebar_agent::protocol::Event;
use rebar_runtime::agent_program::PROGRAM;

const PACKAGES: &str = "systemd,systemd-sysv,dbus,iproute2,ca-certificates,procps";

/// The node; all of it goes when this is dropped.
pub(crate) struct Node {
    folder: tempfile::TempDir,
    cgroup: PathBuf,
    boot: Child,
    first_process: String,
}

impl Node {
    /// Boots a node, or tells what this machine lacks for it.
    pub(crate) fn boot() -> Result<Node, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("not root".to_owned());
        }
        for program in ["mmdebstrap", "unshare", "nsenter", "tar", "pgrep"] {
            let found = Command::new("sh")
                .args(["-c", &format!("command -v {program}")])
                .output()
                .unwrap();
            if !found.status.success() {
                return Err(format!("`{program}` is missing"));
            }
        }
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let image = image(scratch)?;
        let folder = tempfile::Builder::new()
            .prefix("agent-node-")
            .tempdir_in(scratch)
            .unwrap();
        run(Command::new("tar")
            .arg("-xf")
            .arg(&image)
            .arg("-C")
            .arg(folder.path()));
        let program = folder.path().join("usr/local/bin/rebar-agent");
        std::fs::write(&program, PROGRAM).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let names = std::fs::read("/etc/resolv.conf").unwrap_or_default();
        let _ = std::fs::remove_file(folder.path().join("etc/resolv.conf"));
        std::fs::write(folder.path().join("etc/resolv.conf"), names).unwrap();

        let hybrid = Path::new("/sys/fs/cgroup/systemd");
        let parent = if hybrid.is_dir() {
            hybrid
        } else {
            Path::new("/sys/fs/cgroup")
        };
        let cgroup = parent.join(folder.path().file_name().unwrap());
        std::fs::create_dir(&cgroup).map_err(|error| format!("no cgroup can be made: {error}"))?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/agent_node/boot.sh");
        let boot = Command::new("sh")
            .arg(script)
            .arg(folder.path())
            .arg(&cgroup)
            .spawn()
            .unwrap();
        let mut node = Node {
            folder,
            cgroup,
            boot,
            first_process: String::new(),
        };
        node.wait()?;
        Ok(node)
    }

    /// Runs a shell script on the node.
    pub(crate) fn shell(&self, script: &str) -> Output {
        self.enter(&["sh", "-c", script])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The trimmed output of a shell script that must succeed.
    pub(crate) fn text(&self, script: &str) -> String {
        let output = self.shell(script);
        assert!(
            output.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Hands a request to the agent on the node.
    pub(crate) fn start(&self, request: &serde_json::Value) -> Child {
        let mut child = self
            .enter(&["/usr/local/bin/rebar-agent"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(format!("{request}\n").as_bytes())
            .unwrap();
        child
    }

    /// All that the agent on the node answers.
    pub(crate) fn ask(&self, request: &serde_json::Value) -> Vec<Event> {
        let output = self.start(request).wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let events: Vec<Event> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(events.last(), Some(&Event::End), "{text}");
        events
    }

    fn enter(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "-t",
            &self.first_process,
            "-m",
            "-p",
            "-u",
            "-i",
            "-C",
            "-r",
            "-w",
        ]);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if let Some(status) = self.boot.try_wait().unwrap() {
                return Err(format!("namespaces cannot be made here ({status})"));
            }
            let found = Command::new("pgrep")
                .args(["-P", &self.boot.id().to_string()])
                .output()
                .unwrap();
            self.first_process = String::from_utf8_lossy(&found.stdout).trim().to_owned();
            if !self.first_process.is_empty()
                && self.text_or_nothing("cat /proc/1/comm").as_deref() == Some("systemd")
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("systemd did not start within a minute".to_owned())
    }

    fn text_or_nothing(&self, script: &str) -> Option<String> {
        let output = self.shell(script);
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // With its first process the whole process namespace goes.
        let _ = self.boot.kill();
        let _ = self.boot.wait();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !remove_cgroups(&self.cgroup) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.folder.path();
    }
}

fn remove_cgroups(folder: &Path) -> bool {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|sort| sort.is_dir()) {
            remove_cgroups(&entry.path());
        }
    }
    std::fs::remove_dir(folder).is_ok() || !folder.exists()
}

/// Made once and kept with the build; `REBAR_TEST_IMAGE` may name one that is there.
fn image(scratch: &Path) -> Result<PathBuf, String> {
    if let Some(image) = std::env::var_os("REBAR_TEST_IMAGE") {
        return Ok(image.into());
    }
    let image = scratch.join("agent-node.tar");
    if !image.is_file() {
        let half = scratch.join(format!("agent-node-{}.half.tar", std::process::id()));
        let output = Command::new("mmdebstrap")
            .args(["--variant=minbase", &format!("--include={PACKAGES}"), "bookworm"])
            .arg(&half)
            .output()
            .unwrap();
        if !output.status.success() {
            let _ = std::fs::remove_file(&half);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!(
                "mmdebstrap cannot make an image: {}",
                said.lines().last().unwrap_or_default()
            ));
        }
        std::fs::rename(&half, &image).unwrap();
    }
    Ok(image)
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
