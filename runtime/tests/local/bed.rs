//! What all tests share: a backend with folders and addresses of its own, and a look at what is left behind.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use rebar_compiler::plan::{Hardware, Image};
use rebar_runtime::backend::{
    Applied, Backend, BackendError, Command, Finding, FindingState, Folders, InterfaceSpec, MachineSpec,
    NetworkSpec, ObjectAction, Operation, Scope, World,
};
use rebar_runtime::backends::local::Local;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A program that takes the agent's place: it copies its input.
static AGENT: LazyLock<&'static [u8]> = LazyLock::new(|| std::fs::read("/bin/cat").unwrap().leak());

/// The argument by which this program is a controller of its own, to be killed.
pub(crate) const CONTROLLER: &str = "__test-controller";

static BEDS: Mutex<Vec<(Folders, Scope)>> = Mutex::new(Vec::new());
/// The ids of all deploys of this run: others may use the backend at the same time.
static IDS: Mutex<Vec<String>> = Mutex::new(Vec::new());
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

pub(crate) fn cache() -> PathBuf {
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

pub(crate) async fn findings() -> Vec<Finding> {
    Local::new(folders("examine"), &AGENT).examine().await
}

pub(crate) async fn missing() -> Vec<String> {
    let missing = |finding: &Finding| finding.state == FindingState::Missing;
    let findings = findings().await.into_iter().filter(missing);
    findings
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
            deploy: format!("test-{}-{number}", std::process::id()),
        };
        IDS.lock().unwrap().push(scope.deploy_id.clone());
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

    /// A backend that puts rebar's own agent on machines, and not [`AGENT`].
    pub(crate) fn with_the_real_agent() -> Bed {
        let bed = Bed::new();
        let backend = Local::new(bed.folders.clone(), rebar_runtime::agent_program::PROGRAM);
        Bed { backend, ..bed }
    }

    /// Another deploy beside one that is there.
    pub(crate) fn share_folders(&mut self, other: &Bed) {
        self.folders = other.folders.clone();
        self.backend = Local::new(self.folders.clone(), &AGENT);
        BEDS.lock()
            .unwrap()
            .push((self.folders.clone(), self.scope.clone()));
    }

    /// Another process that carries out this operation.
    pub(crate) fn controller(&self, operation: &Operation) -> Child {
        let order = serde_json::to_string(&(&self.folders.data, &self.scope, operation)).unwrap();
        Program::new("/proc/self/exe")
            .args([CONTROLLER, &order])
            .spawn()
            .unwrap()
    }

    pub(crate) async fn wait_until_stopped(&self, machine: &str) {
        for _ in 0..200 {
            if !self.world().await.machines[machine].running {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{machine} does not stop");
    }

    fn groups(&self, machine: &str) -> Vec<PathBuf> {
        let short: String = self
            .scope
            .deploy_id
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(12)
            .collect();
        let path = format!("rebar/{short}/{machine}");
        ["", "unified", "memory", "pids"]
            .iter()
            .map(|root| Path::new("/sys/fs/cgroup").join(root).join(&path))
            .collect()
    }

    /// How many processes a machine has.
    pub(crate) fn processes(&self, machine: &str) -> usize {
        let list = |group: &PathBuf| {
            let output = Program::new("find")
                .arg(group)
                .args(["-name", "cgroup.procs", "-exec", "cat", "{}", "+"])
                .output();
            String::from_utf8_lossy(&output.unwrap().stdout).lines().count()
        };
        self.groups(machine).iter().map(list).max().unwrap()
    }

    pub(crate) fn limit_of_memory(&self, machine: &str) -> u64 {
        let files = ["memory.max", "memory.limit_in_bytes"];
        let paths = self
            .groups(machine)
            .into_iter()
            .flat_map(|group| files.map(|file| group.join(file)));
        let text = paths
            .filter_map(|path| std::fs::read_to_string(path).ok())
            .next()
            .unwrap();
        text.trim().parse().unwrap()
    }

    /// Bytes of memory that a machine uses and could not give back at once.
    pub(crate) fn memory(&self, machine: &str) -> u64 {
        let read = |file: &str| {
            self.groups(machine)
                .iter()
                .find_map(|group| std::fs::read_to_string(group.join(file)).ok())
        };
        let used = read("memory.current")
            .or_else(|| read("memory.usage_in_bytes"))
            .unwrap();
        let statistics = read("memory.stat").unwrap();
        let value = |name: &str| {
            let line = statistics
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.map(|text| text.parse::<u64>().unwrap())
        };
        let idle = value("total_inactive_file")
            .or_else(|| value("inactive_file"))
            .unwrap();
        used.trim().parse::<u64>().unwrap() - idle
    }

    /// How many ranges of ids are taken.
    pub(crate) fn ranges(&self) -> usize {
        std::fs::read_dir(self.folders.data.join("local/ranges")).map_or(0, Iterator::count)
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
            settings: [].into(),
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

/// What the process that [`Bed::controller`] starts does.
pub(crate) async fn control(order: &str) {
    let (data, scope, operation): (PathBuf, Scope, Operation) = serde_json::from_str(order).unwrap();
    let folders = Folders {
        state: data.clone(),
        data,
        cache: cache(),
    };
    let _ = Local::new(folders, &AGENT)
        .apply(&scope, &operation, &|_| {})
        .await;
}

/// The launchers that this process has started.
fn children() -> Vec<String> {
    let output = Program::new("pgrep")
        .args(["-P", &std::process::id().to_string(), "-f", "__local-launch"])
        .output();
    String::from_utf8_lossy(&output.unwrap().stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

pub(crate) fn helpers() -> usize {
    children().len()
}

pub(crate) fn kill_helpers() {
    for pid in children() {
        let _ = Program::new("kill").args(["-9", &pid]).status();
    }
}

/// What a deploy's control groups are called.
fn short(id: &str) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).take(12).collect()
}

/// Everything that this run's deploys have on this host.
pub(crate) fn traces() -> BTreeSet<String> {
    let run = |program: &str, arguments: &[&str]| {
        let output = Program::new(program).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let ids = IDS.lock().unwrap().clone();
    let shorts: Vec<String> = ids.iter().map(|id| format!("rebar/{}", short(id))).collect();
    let deploys = format!("of deploy test-{}-", std::process::id());
    let base = base();
    let base = base.to_str().unwrap();
    let mut traces = BTreeSet::new();
    let mut add = |kind: &str, text: &str, ours: &dyn Fn(&str) -> bool| {
        traces.extend(
            text.lines()
                .filter(|line| ours(line))
                .map(|line| format!("{kind}: {line}")),
        );
    };
    add("interface", &run("ip", &["-o", "link"]), &|line| {
        ids.iter().any(|id| line.contains(id))
            || (!line.contains("alias") && (line.contains("rb-") || line.contains("rv-")))
    });
    add("table", &run("nft", &["list", "ruleset"]), &|line| {
        line.contains(&deploys)
    });
    add(
        "mount",
        &std::fs::read_to_string("/proc/self/mounts").unwrap(),
        &|line| line.contains(base),
    );
    add(
        "control group",
        &run("find", &["/sys/fs/cgroup", "-path", "*/rebar/*", "-type", "d"]),
        &|line| shorts.iter().any(|short| line.contains(short)),
    );
    add(
        "file",
        &run(
            "find",
            &[
                base,
                "-mindepth",
                "1",
                "-maxdepth",
                "3",
                "-not",
                "-path",
                "*/cache*",
            ],
        ),
        &|line| ids.iter().any(|id| line.contains(id)),
    );
    let program = std::fs::read_link("/proc/self/exe").unwrap();
    for process in std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
    {
        let read = |name: &str| std::fs::read_to_string(process.join(name)).unwrap_or_default();
        let arguments = read("cmdline").replace('\0', " ");
        let launcher = arguments.contains("__local-launch")
            && std::fs::read_link(process.join("exe")).is_ok_and(|found| found == program);
        let groups = read("cgroup");
        if launcher || shorts.iter().any(|short| groups.contains(short)) {
            traces.insert(format!("process: {} {arguments}", process.display()));
        }
    }
    traces
}

/// What has appeared since; the kernel gets a moment to take things away, on a busy machine fifteen seconds.
pub(crate) fn new_traces(before: &BTreeSet<String>) -> Vec<String> {
    let mut left = Vec::new();
    for _ in 0..150 {
        left = traces().difference(before).cloned().collect();
        if left.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    left
}
