//! Machines: made, started, destroyed.

use std::fs::{self, File};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rebar_agent::names;
use rustix::fs::FlockOperation;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::cgroups::Groups;
use super::launcher::{Init, Interface, Node, Request, Start};
use super::store::{self, Machine, MachineRecord, Store};
use super::{errors, line, network, process, ranges, resolver};
use crate::backend::{Applied, BackendError, Folders, MachineSpec, NetworkSpec, Operation, Progress, Scope};
use crate::backends::identity;
use crate::images;

/// How long a machine may take to come up: many at once share the processors.
const PATIENCE: Duration = Duration::from_secs(180);

/// What all calls of one apply share.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) folders: &'a Folders,
    pub(super) store: &'a Store,
    pub(super) scope: &'a Scope,
    pub(super) operation: &'a Operation,
    pub(super) progress: Progress<'a>,
    /// The agent program, which is the first process where the image has none.
    pub(super) agent: BorrowedFd<'a>,
}

/// The process that the machine is, if it runs.
pub(super) fn running(folder: &Path) -> Result<Option<Init>, BackendError> {
    let init: Option<Init> = store::read(&folder.join("init.json"))?;
    Ok(init.filter(|init| {
        init.boot == process::boot_id() && process::start_time(init.pid) == Some(init.started)
    }))
}

/// The machine as programs are run on it; an error if it does not run.
pub(super) fn node(store: &Store, scope: &Scope, name: &str) -> Result<Node, BackendError> {
    identity::check_name("the name of a machine", name)?;
    let folder = store.machine(name);
    if store::record::<Machine>(&folder)?.is_none() {
        return Err(errors::not_running(name, "is not there"));
    }
    let init = running(&folder)?.ok_or_else(|| errors::not_running(name, "does not run"))?;
    Ok(Node {
        init,
        cgroups: Groups::of(scope, name)?.of_programs(),
    })
}

fn applied(name: &str, scope: &Scope, note: String) -> Applied {
    Applied {
        handle: format!("{}/{name}", scope.deploy_id),
        note,
    }
}

/// Makes and starts a machine.
pub(super) async fn create(call: Call<'_>, spec: &MachineSpec) -> Result<Applied, BackendError> {
    let Call {
        store,
        scope,
        operation,
        ..
    } = call;
    identity::check_name("the name of a machine", &spec.name)?;
    let folder = store.machine(&spec.name);
    match store::record::<Machine>(&folder)? {
        None => store::refuse_foreign(&folder)?,
        Some(record) if record.scope.deploy_id != scope.deploy_id => {
            return Err(errors::foreign(
                format!("machine `{}`", spec.name),
                "it belongs to another deploy",
            ));
        }
        Some(record) => match store::completed(&folder)? {
            Some(applied) if record.operation == operation.id => {
                if running(&folder)?.is_none() {
                    start(call, &spec.name).await?;
                }
                return Ok(applied);
            }
            Some(_) => {
                return Err(errors::exists(
                    format!("machine `{}`", spec.name),
                    &record.operation,
                ));
            }
            None => {}
        },
    }
    remove(store, scope, &spec.name).await?;
    check_networks(store, scope, spec)?;
    let image = images::prepare(&spec.image, &call.folders.cache, call.progress).await?;
    let base = ranges::allocate(store.local(), &owner(scope, &spec.name))?;
    let record = MachineRecord {
        scope: scope.clone(),
        operation: operation.id.clone(),
        epoch: operation.epoch,
        object: Machine {
            spec: spec.clone(),
            base,
            image: image.key,
            build: image.build,
        },
    };
    store::begin(&folder, &record)?;
    for name in ["disk/upper", "disk/work", "mnt/lower", "mnt/disk", "mnt/root"] {
        store::make_folder(&folder.join(name))?;
    }
    // The root of the machine's own file system, where everybody may look.
    open_to(&folder.join("disk/upper"), 0o755)?;
    open_to(store.local(), 0o700)?;
    let note = boot(call, &record, true).await?;
    let applied = applied(&spec.name, scope, note);
    store::complete(&folder, &applied)?;
    Ok(applied)
}

/// Starts a machine that is there, with its disk as it is.
pub(super) async fn start(call: Call<'_>, name: &str) -> Result<Applied, BackendError> {
    let Call { store, scope, .. } = call;
    identity::check_name("the name of a machine", name)?;
    let folder = store.machine(name);
    let record: MachineRecord =
        store::record(&folder)?.ok_or_else(|| errors::not_running(name, "is not there"))?;
    if store::completed(&folder)?.is_none() {
        return Err(errors::not_running(name, "was never finished"));
    }
    if running(&folder)?.is_some() {
        if folder.join("up").exists() {
            return Ok(applied(name, scope, "was running".to_owned()));
        }
        halt(store, scope, name).await?;
    }
    check_networks(store, scope, &record.object.spec)?;
    clear(scope, &record).await?;
    boot(call, &record, false)
        .await
        .map(|note| applied(name, scope, note))
}

/// Stops and removes a machine.
pub(super) async fn destroy(store: &Store, scope: &Scope, name: &str) -> Result<Applied, BackendError> {
    identity::check_name("the name of a machine", name)?;
    let folder = store.machine(name);
    match store::record::<Machine>(&folder)? {
        Some(record) if record.scope.deploy_id != scope.deploy_id => {
            return Err(errors::foreign(
                format!("machine `{name}`"),
                "it belongs to another deploy",
            ));
        }
        Some(_) => {}
        None => store::refuse_foreign(&folder)?,
    }
    let found = folder.exists();
    remove(store, scope, name).await?;
    Ok(applied(
        name,
        scope,
        if found { "removed" } else { "was gone" }.to_owned(),
    ))
}

fn owner(scope: &Scope, name: &str) -> String {
    format!("{}/{name}", scope.deploy_id)
}

fn check_networks(store: &Store, scope: &Scope, spec: &MachineSpec) -> Result<(), BackendError> {
    for interface in &spec.interfaces {
        store::check_interface(&interface.name)?;
        identity::check_name("the name of a network", &interface.network)?;
        let folder = store.network(&interface.network);
        let made = store::record::<NetworkSpec>(&folder)?.is_some() && store::completed(&folder)?.is_some();
        if !made || !network::live(scope, &interface.network) {
            let text = format!(
                "machine `{}` needs network `{}`, which is not there",
                spec.name, interface.network
            );
            return Err(errors::network(
                text,
                "`rebar apply` makes networks before machines: plan again",
            ));
        }
    }
    Ok(())
}

/// Kills what a start may have begun when it is given up, whether by an error or because its future was dropped.
struct Half {
    groups: Groups,
    armed: bool,
}

impl Drop for Half {
    fn drop(&mut self) {
        if self.armed {
            let _ = self.groups.kill(Duration::from_secs(2));
        }
    }
}

async fn boot(call: Call<'_>, record: &MachineRecord, fresh: bool) -> Result<String, BackendError> {
    let Call {
        store,
        scope,
        operation,
        progress,
        agent,
        ..
    } = call;
    let Machine {
        spec,
        base,
        image,
        build,
    } = &record.object;
    let folder = store.machine(&spec.name);
    let image = images::find(&call.folders.cache, image, build, &spec.name)?;
    let groups = Groups::of(scope, &spec.name)?;
    groups.create(&spec.hardware, *base)?;
    let mut half = Half {
        groups: groups.clone(),
        armed: true,
    };
    let mut table = store.names()?.names;
    table.entry(spec.name.clone()).or_insert_with(|| {
        spec.interfaces
            .iter()
            .map(|interface| interface.address)
            .take(1)
            .collect()
    });
    let block = names::block(&table);
    let request = Start {
        name: spec.name.clone(),
        folder: folder.clone(),
        image,
        base: *base,
        machine_id: identity::machine_id(scope, &spec.name, &record.operation),
        cgroups: groups.of_init(),
        interfaces: interfaces(scope, spec, &operation.id),
        block: block.clone(),
        resolver: resolver::of_this_host(),
        fresh,
        patience: PATIENCE.as_secs(),
        operation: operation.id.clone(),
    };
    // Before it can be told anything newer.
    store::note_names(&folder, &block);
    let patience = PATIENCE + Duration::from_secs(30);
    let note = line::call(
        &Request::Start(Box::new(request)),
        Some(agent),
        patience,
        progress,
    )
    .await?;
    let up = folder.join("up");
    File::create(&up).map_err(|error| errors::file("write", &up, &error))?;
    half.armed = false;
    Ok(note)
}

fn interfaces(scope: &Scope, spec: &MachineSpec, operation: &str) -> Vec<Interface> {
    // Only one way out: the first interface that has one.
    let way_out = spec
        .interfaces
        .iter()
        .position(|interface| interface.gateway.is_some());
    spec.interfaces
        .iter()
        .enumerate()
        .map(|(position, interface)| Interface {
            name: interface.name.clone(),
            host: network::cable(scope, &spec.name, &interface.name),
            bridge: network::bridge(scope, &interface.network),
            address: format!("{}/{}", interface.address, interface.cidr.prefix_len()),
            gateway: interface.gateway.filter(|_| way_out == Some(position)),
            mtu: interface.mtu,
            label: network::label(scope, &spec.name, operation),
        })
        .collect()
}

/// Ends whatever runs of a machine: killed, not asked, since nothing of it is kept or it is beyond asking.
async fn halt(store: &Store, scope: &Scope, name: &str) -> Result<(), BackendError> {
    let folder = store.machine(name);
    if let Some(init) = running(&folder)?
        && let Some(pid) = Pid::from_raw(init.pid)
        && let Ok(handle) = pidfd_open(pid, PidfdFlags::empty())
        && process::start_time(init.pid) == Some(init.started)
    {
        let _ = pidfd_send_signal(&handle, Signal::KILL);
    }
    let groups = Groups::of(scope, name)?;
    blocking(move || groups.kill(Duration::from_secs(20))).await?;
    for file in ["init.json", "up", "names"] {
        let _ = fs::remove_file(folder.join(file));
    }
    Ok(())
}

/// Removes what a stopped machine leaves on this host: control groups and cables.
async fn clear(scope: &Scope, record: &MachineRecord) -> Result<(), BackendError> {
    let (scope, spec) = (scope.clone(), record.object.spec.clone());
    blocking(move || {
        Groups::of(&scope, &spec.name)?.remove()?;
        spec.interfaces
            .iter()
            .try_for_each(|interface| network::unplug(&scope, &spec.name, &interface.name))
    })
    .await
}

/// Removes everything of a machine, also of a half. Nothing there: nothing done.
async fn remove(store: &Store, scope: &Scope, name: &str) -> Result<(), BackendError> {
    let folder = store.machine(name);
    let groups = Groups::of(scope, name)?;
    if folder.exists() || groups.exist() {
        // With this mark, what is left of a removal that is broken off would look like a whole machine.
        let _ = fs::remove_file(folder.join("complete"));
        halt(store, scope, name).await?;
        match store::record::<Machine>(&folder)? {
            Some(record) => {
                await_launcher(&folder).await?;
                halt(store, scope, name).await?;
                clear(scope, &record).await?;
            }
            None => blocking(move || groups.remove()).await?,
        }
        let folder = folder.clone();
        blocking(move || {
            // The record goes last, so that the rest is found again.
            remove_all(&folder.join("disk"))?;
            remove_all(&folder)
        })
        .await?;
    }
    ranges::release(store.local(), &owner(scope, name))?;
    store.prune();
    Ok(())
}

fn remove_all(folder: &Path) -> Result<(), BackendError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(errors::file("remove", folder, &error))
        }
        _ => Ok(()),
    }
}

fn open_to(folder: &Path, mode: u32) -> Result<(), BackendError> {
    fs::set_permissions(folder, fs::Permissions::from_mode(mode))
        .map_err(|error| errors::file("set the mode of", folder, &error))
}

/// Waits until a launcher whose controller was killed is done with this folder.
async fn await_launcher(folder: &Path) -> Result<(), BackendError> {
    let Ok(file) = File::open(folder) else {
        return Ok(());
    };
    for _ in 0..200 {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => tokio::time::sleep(Duration::from_millis(50)).await,
            other => return other.map_err(|error| errors::file("lock", folder, &error.into())),
        }
    }
    Err(errors::launcher(format!(
        "another launcher is still at work in `{}`",
        folder.display()
    )))
}

/// Runs work that waits for the kernel beside the threads that serve everybody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackendError> + Send + 'static,
) -> Result<T, BackendError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(errors::launcher)?
}
