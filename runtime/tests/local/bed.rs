//! What all tests share: a backend with folders and addresses of its own, and a look at what is left behind.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command as Program;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

use rebar_compiler::plan::{Hardware, Image};
use rebar_runtime::backend::{
    Applied, Backend, BackendError, Command, FindingState, Folders, InterfaceSpec, MachineSpec, NetworkSpec,
    ObjectAction, Operation, Scope, World,
};
use rebar_runtime::backends::local::Local;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A program that takes the agent's place: it copies its input.
static AGENT: LazyLock<&'static [u8]> = LazyLock::new(|| std::fs::read("/bin/cat").unwrap().leak());

static BEDS: Mutex<Vec<(Folders, Scope)>> = Mutex::new(Vec::new());
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A backend with a scope and one network of its own.
pub(crate) struct Bed {
    pub(crate) backend: Local,
    pub(crate) folders: Folders,
    pub(crate) scope: Scope,
    /// The third part of `10.77.x.0/24`.
    pub(crate) third: u32,
}

pub(crate) fn image() -> Image {
    let packages = [
        "systemd",
        "systemd-sysv",
        "dbus",
        "iproute2",
        "ca-certificates",
        "procps",
    ];
    Image {
        name: "bookworm".into(),
        distribution: "debian".into(),
        suite: "bookworm".into(),
        variant: "minbase".into(),
        packages: packages.map(str::to_owned).into(),
    }
}

fn base() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rebar-local")
}

fn cache() -> PathBuf {
    std::env::var_os("REBAR_TEST_CACHE").map_or_else(|| base().join("cache"), PathBuf::from)
}

pub(crate) fn folders(name: &str) -> Folders {
    let own = base().join(name);
    Folders {
        state: own.join("state"),
        data: own.join("data"),
        cache: cache(),
    }
}

pub(crate) async fn missing() -> Vec<String> {
    let findings = Local::new(folders("examine"), &AGENT).examine().await;
    findings
        .into_iter()
        .filter(|finding| finding.state == FindingState::Missing)
        .map(|finding| format!("{}: {}", finding.subject, finding.text))
        .collect()
}

pub(crate) async fn prepare_image() {
    let begun = std::time::Instant::now();
    let image =
        rebar_runtime::images::prepare(&image(), &cache(), &|line| println!("        image: {line}")).await;
    let image = image.unwrap();
    if image.built {
        println!("image built in {:.1} s", begun.elapsed().as_secs_f64());
    }
}

impl Bed {
    pub(crate) fn new() -> Bed {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let scope = Scope {
            deploy_id: uuid::Uuid::new_v4().to_string(),
            deploy: format!("test-{number}"),
        };
        let folders = folders(&scope.deploy_id);
        BEDS.lock().unwrap().push((folders.clone(), scope.clone()));
        let third = 10 + number;
        Bed {
            backend: Local::new(folders.clone(), &AGENT),
            folders,
            scope,
            third,
        }
    }

    /// Destroys what tests made, also those that failed.
    pub(crate) async fn sweep() {
        let beds = std::mem::take(&mut *BEDS.lock().unwrap());
        for (folders, scope) in beds {
            let backend = Local::new(folders.clone(), &AGENT);
            let machines = names(&folders, &scope, "machines");
            let networks = names(&folders, &scope, "networks");
            let actions = machines
                .into_iter()
                .map(|name| ObjectAction::DestroyMachine { name })
                .chain(
                    networks
                        .into_iter()
                        .map(|name| ObjectAction::DestroyNetwork { name }),
                );
            for action in actions {
                let operation = Operation {
                    id: "sweep".into(),
                    epoch: u64::MAX,
                    action,
                };
                if let Err(error) = backend.apply(&scope, &operation, &|_| {}).await {
                    println!("        sweep: {error}");
                }
            }
            let _ = std::fs::remove_dir(folders.data.parent().unwrap());
        }
    }

    pub(crate) fn address(&self, host: u32) -> String {
        format!("10.77.{}.{host}", self.third)
    }

    pub(crate) fn network(&self) -> NetworkSpec {
        NetworkSpec {
            name: "lan".into(),
            cidr: format!("10.77.{}.0/24", self.third).parse().unwrap(),
            gateway: Some(self.address(1).parse().unwrap()),
            mtu: None,
        }
    }

    pub(crate) fn machine(&self, name: &str, host: u32) -> MachineSpec {
        let network = self.network();
        MachineSpec {
            name: name.into(),
            image: image(),
            hardware: Hardware {
                name: "small".into(),
                cpu: 2,
                memory: 1 << 30,
                disks: [].into(),
                nics: [("eth0".to_owned(), "lan".to_owned())].into(),
            },
            interfaces: vec![InterfaceSpec {
                name: "eth0".into(),
                network: "lan".into(),
                cidr: network.cidr,
                address: self.address(host).parse().unwrap(),
                gateway: network.gateway,
                mtu: None,
            }],
            digest: format!("digest of {name}"),
        }
    }

    pub(crate) async fn apply(&self, id: &str, action: ObjectAction) -> Result<Applied, BackendError> {
        let operation = Operation {
            id: id.into(),
            epoch: 1,
            action,
        };
        self.backend.apply(&self.scope, &operation, &|_| {}).await
    }

    pub(crate) async fn create_network(&self) {
        self.apply(
            "net-1",
            ObjectAction::CreateNetwork {
                network: self.network(),
            },
        )
        .await
        .unwrap();
    }

    pub(crate) async fn create(&self, name: &str, host: u32) -> Applied {
        let machine = Box::new(self.machine(name, host));
        self.apply(&format!("make-{name}"), ObjectAction::CreateMachine { machine })
            .await
            .unwrap()
    }

    pub(crate) async fn start(&self, name: &str, host: u32) -> Result<Applied, BackendError> {
        let machine = Box::new(self.machine(name, host));
        self.apply("start", ObjectAction::StartMachine { machine }).await
    }

    pub(crate) async fn destroy(&self, name: &str) {
        self.apply("gone", ObjectAction::DestroyMachine { name: name.into() })
            .await
            .unwrap();
    }

    pub(crate) async fn world(&self) -> World {
        self.backend.observe(&self.scope).await.unwrap()
    }

    /// Runs a shell command on a machine: exit code, output, errors.
    pub(crate) async fn shell(&self, machine: &str, script: &str) -> (i32, String, String) {
        self.program(machine, &["sh", "-c", script], "").await.unwrap()
    }

    /// The output of a shell command that must succeed.
    pub(crate) async fn output(&self, machine: &str, script: &str) -> String {
        let (code, output, errors) = self.shell(machine, script).await;
        assert_eq!(code, 0, "`{script}` on {machine}: {output}{errors}");
        output.trim().to_owned()
    }

    pub(crate) async fn program(
        &self,
        machine: &str,
        arguments: &[&str],
        input: &str,
    ) -> Result<(i32, String, String), BackendError> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let command = Command {
            arguments,
            environment: [].into(),
            terminal: None,
        };
        let mut process = self.backend.open(&self.scope, machine, &command).await?;
        process.input.write_all(input.as_bytes()).await.unwrap();
        drop(process.input);
        let (mut output, mut errors) = (String::new(), String::new());
        let (one, two) = tokio::join!(
            process.output.read_to_string(&mut output),
            process.errors.read_to_string(&mut errors)
        );
        one.unwrap();
        two.unwrap();
        Ok((process.exit.await?, output, errors))
    }
}

fn names(folders: &Folders, scope: &Scope, kind: &str) -> Vec<String> {
    let folder = folders.data.join("local").join(&scope.deploy_id).join(kind);
    std::fs::read_dir(folder)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default()
}

/// Everything of this host that a backend could leave behind.
pub(crate) fn traces() -> BTreeSet<String> {
    let mut traces = BTreeSet::new();
    let mut add =
        |kind: &str, text: String| traces.extend(text.lines().map(|line| format!("{kind}: {line}")));
    let run = |program: &str, arguments: &[&str]| {
        let output = Program::new(program).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let interfaces = run("ip", &["-o", "link"]);
    add(
        "interface",
        interfaces
            .lines()
            .filter(|line| line.contains("rb-") || line.contains("rv-"))
            .collect(),
    );
    add(
        "table",
        run("nft", &["list", "tables"])
            .lines()
            .filter(|line| line.contains("rebar_"))
            .collect(),
    );
    add("mount", std::fs::read_to_string("/proc/self/mounts").unwrap());
    add(
        "control group",
        run("find", &["/sys/fs/cgroup", "-path", "*/rebar/*", "-type", "d"]),
    );
    add(
        "control group",
        run(
            "find",
            &["/sys/fs/cgroup", "-maxdepth", "2", "-name", "rebar", "-type", "d"],
        ),
    );
    // Machines' processes belong to ids that nobody else has on this host.
    let processes = run("ps", &["-eo", "uid=,pid=,args="]);
    let theirs = |line: &&str| {
        line.contains("__local-launch")
            || line
                .split_whitespace()
                .next()
                .is_some_and(|uid| uid.parse::<u32>().is_ok_and(|uid| uid >= 0x4000_0000))
    };
    add(
        "process",
        processes
            .lines()
            .filter(theirs)
            .map(|line| format!("{line}\n"))
            .collect(),
    );
    let files = run(
        "find",
        &[
            base().to_str().unwrap(),
            "-mindepth",
            "1",
            "-maxdepth",
            "3",
            "-not",
            "-path",
            "*/cache*",
        ],
    );
    add("file", files);
    traces
}

/// What has appeared since; the kernel gets a moment to take things away.
pub(crate) fn new_traces(before: &BTreeSet<String>) -> Vec<String> {
    let mut left = Vec::new();
    for _ in 0..30 {
        left = traces().difference(before).cloned().collect();
        if left.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    left
}
