//! Machines: made, started, destroyed.
//!
//! A container gets its labels and cannot change them, so that it is whole is told by its name: while it is being made
//! it is called `….new`, and its renaming is the last thing that is done.

use std::time::Duration;

use bollard::models::{NetworkConnectRequest, NetworkDisconnectRequest};
use bollard::query_parameters::{
    CreateContainerOptions, RemoveContainerOptions, RenameContainerOptions, StartContainerOptions,
};
use tokio::time::{Instant, sleep};

use super::archive::{self, Entry};
use super::container;
use super::engine::{Engine, LONG, answer, call};
use super::labels::{self, half, handle};
use super::world::{Container, Seen};
use super::{errors as engine_errors, exec, groups, image, names};
use crate::agent_program;
use crate::backend::{
    Applied, BackendError, Folders, InterfaceSpec, MachineSpec, Operation, Progress, Scope,
};
use crate::backends::{errors, identity};

/// How long a machine may take to come up: many at once share the processors.
const PATIENCE: Duration = Duration::from_secs(180);

/// What all calls of one apply share.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) engine: &'a Engine,
    pub(super) folders: &'a Folders,
    pub(super) scope: &'a Scope,
    pub(super) operation: &'a Operation,
    pub(super) progress: Progress<'a>,
}

fn applied(scope: &Scope, name: &str, note: impl Into<String>) -> Applied {
    Applied {
        handle: handle(scope, name),
        note: note.into(),
    }
}

/// Makes and starts a machine.
pub(super) async fn create(call: Call<'_>, spec: &MachineSpec) -> Result<Applied, BackendError> {
    let Call {
        engine,
        scope,
        operation,
        ..
    } = call;
    identity::check_name("the name of a machine", &spec.name)?;
    let seen = Seen::all(engine).await?;
    seen.check_epoch(scope, operation)?;
    refuse_foreign(&seen, scope, &spec.name)?;
    if let Some(there) = seen.machine(scope, &spec.name).find(|there| there.complete()) {
        let made_by = there.label(labels::OPERATION);
        if made_by != operation.id {
            return Err(errors::exists(format!("machine `{}`", spec.name), made_by));
        }
        if !there.running {
            return start(call, spec).await;
        }
        return Ok(applied(scope, &spec.name, "was there"));
    }
    for left in seen.machine(scope, &spec.name) {
        remove(engine, left).await?;
    }
    check_networks(engine, &seen, scope, spec)?;
    let image = image::ensure(engine, call.folders, &spec.image, call.progress).await?;
    let id = make(call, spec, &image).await?;
    let block = names::of_others(engine, &seen, scope).await?;
    let made = finish(call, spec, &id, image.systemd, block).await;
    if made.is_err() {
        let left = Container {
            id,
            ..Container::default()
        };
        // That this fails too is no news: it is known as a half, and removed before it is made again.
        let _ = remove(engine, &left).await;
        groups::sweep(engine, scope, &spec.name).await;
    }
    made
}

async fn make(call_: Call<'_>, spec: &MachineSpec, image: &image::Imported) -> Result<String, BackendError> {
    let Call {
        engine,
        scope,
        operation,
        ..
    } = call_;
    let attempted = format!("make machine `{}`", spec.name);
    let request = container::request(scope, operation, spec, &image.name, image.systemd, engine.groups);
    for _ in 0..2 {
        let options = CreateContainerOptions {
            name: Some(half(scope, &spec.name)),
            platform: String::new(),
        };
        let create = engine.client.create_container(Some(options), request.clone());
        match answer(&attempted, LONG, create).await? {
            Ok(made) => return Ok(made.id),
            // A call that was given up a moment ago reached the engine after all.
            Err(refusal) if refusal.status == 409 => {
                let seen = Seen::all(engine).await?;
                seen.check_epoch(scope, operation)?;
                refuse_foreign(&seen, scope, &spec.name)?;
                for left in seen.machine(scope, &spec.name).filter(|left| !left.complete()) {
                    remove(engine, left).await?;
                }
            }
            Err(refusal) => {
                return Err(engine_errors::refused(
                    &attempted,
                    refusal.status,
                    &refusal.message,
                ));
            }
        }
    }
    Err(engine_errors::silent(
        &attempted,
        "somebody else keeps making it at the same time",
    ))
}

/// From a container to a machine.
async fn finish(
    call_: Call<'_>,
    spec: &MachineSpec,
    id: &str,
    systemd: bool,
    block: Option<String>,
) -> Result<Applied, BackendError> {
    let Call {
        engine,
        scope,
        operation,
        ..
    } = call_;
    let machine_id = identity::machine_id(scope, &spec.name, &operation.id) + "\n";
    let agent = container::agent_path();
    let mut files = vec![
        Entry {
            path: "etc/machine-id",
            mode: 0o444,
            content: machine_id.as_bytes(),
        },
        Entry {
            path: agent.trim_start_matches('/'),
            mode: 0o755,
            content: agent_program::PROGRAM,
        },
    ];
    if systemd && !container::is_sys_admin(spec) {
        files.push(Entry {
            path: container::NO_MOUNTS,
            mode: 0o644,
            content: container::NO_MOUNTS_TEXT.as_bytes(),
        });
    }
    archive::upload(engine, id, &spec.name, &files).await?;
    let begun = Instant::now();
    boot(call_, spec, id, systemd).await?;
    if let Some(block) = block {
        names::give(engine, id, &spec.name, block).await?;
    }
    let attempted = format!("name machine `{}`", spec.name);
    let options = RenameContainerOptions {
        name: handle(scope, &spec.name),
    };
    let rename = engine.client.rename_container(id, options);
    match answer(&attempted, LONG, rename).await? {
        Ok(()) => {}
        Err(refusal) if refusal.status == 409 => return Err(foreign(&handle(scope, &spec.name))),
        Err(refusal) => {
            return Err(engine_errors::refused(
                &attempted,
                refusal.status,
                &refusal.message,
            ));
        }
    }
    let note = format!("up after {} ms", begun.elapsed().as_millis());
    Ok(applied(scope, &spec.name, note))
}

/// Starts a container and waits until the machine is up.
async fn boot(call_: Call<'_>, spec: &MachineSpec, id: &str, systemd: bool) -> Result<(), BackendError> {
    let Call { engine, .. } = call_;
    let attempted = format!("start machine `{}`", spec.name);
    let start = engine.client.start_container(id, None::<StartContainerOptions>);
    call(&attempted, LONG, start).await?;
    // Interfaces get their names in the order in which they come; an engine that starts with several shuffles them.
    for interface in spec.interfaces.iter().skip(1) {
        plug(call_, spec, interface, id).await?;
    }
    if systemd {
        (call_.progress)("waiting for the service manager");
        await_systemd(engine, id, &spec.name).await?;
    } else {
        running(engine, id, &spec.name).await?;
    }
    Ok(())
}

async fn plug(
    call_: Call<'_>,
    spec: &MachineSpec,
    interface: &InterfaceSpec,
    id: &str,
) -> Result<(), BackendError> {
    let network = handle(call_.scope, &interface.network);
    let attempted = format!(
        "connect machine `{}` with network `{}`",
        spec.name, interface.network
    );
    let request = NetworkConnectRequest {
        container: id.to_owned(),
        endpoint_config: Some(container::endpoint(spec, interface)),
    };
    call(
        &attempted,
        LONG,
        call_.engine.client.connect_network(&network, request),
    )
    .await
}

/// What waits inside until systemd has started all that it should. `degraded` is up, with a service that failed.
const AWAIT: &str = "while :; do state=$(systemctl is-system-running --wait 2>/dev/null); \
                     case $state in running|degraded) exit 0;; stopping) exit 1;; esac; sleep 0.05; done";

async fn await_systemd(engine: &Engine, id: &str, machine: &str) -> Result<(), BackendError> {
    let wait = exec::run(engine, id, machine, &["/bin/sh", "-c", AWAIT], b"", PATIENCE).await;
    if matches!(wait, Ok((0, ..))) {
        return Ok(());
    }
    // Where the machine has ended, that is the cause, whatever became of the program that waited in it.
    running(engine, id, machine).await?;
    match wait {
        Ok((code, output, problems)) => Err(errors::boot(
            machine,
            format!("waiting for its service manager ended with code {code}"),
            format!("{output}{problems}"),
        )),
        Err(error) if error.code == "E1706" => {
            let what = format!("its service manager was not ready after {} s", PATIENCE.as_secs());
            Err(errors::boot(machine, what, error.message))
        }
        Err(error) => Err(error),
    }
}

/// An error if the machine has ended.
async fn running(engine: &Engine, id: &str, machine: &str) -> Result<(), BackendError> {
    let attempted = format!("tell about machine `{machine}`");
    let inspect = engine.client.inspect_container(id, None);
    let state = call(&attempted, LONG, inspect).await?.state.unwrap_or_default();
    if state.running == Some(true) {
        return Ok(());
    }
    let code = state.exit_code.unwrap_or_default();
    let what = if state.oom_killed == Some(true) {
        "it needs more memory than its hardware has".to_owned()
    } else {
        format!("its first process ended with code {code}")
    };
    Err(errors::boot(machine, what, state.error.unwrap_or_default()))
}

/// Starts a machine that is there, with its disk as it is.
pub(super) async fn start(call_: Call<'_>, spec: &MachineSpec) -> Result<Applied, BackendError> {
    let Call {
        engine,
        scope,
        operation,
        ..
    } = call_;
    let name = &spec.name;
    identity::check_name("the name of a machine", name)?;
    let seen = Seen::all(engine).await?;
    seen.check_epoch(scope, operation)?;
    refuse_foreign(&seen, scope, name)?;
    let mut all = seen.machine(scope, name);
    let Some(there) = all.clone().find(|there| there.complete()) else {
        let state = match all.next() {
            Some(_) => "was never finished",
            None => "is not there",
        };
        return Err(errors::not_running(name, state));
    };
    let systemd = there.label(labels::INIT) == "systemd";
    if there.running {
        // It may have been started by somebody who did not stay until it was up.
        if systemd {
            await_systemd(engine, &there.id, name).await?;
        }
        let kept = names::kept(engine, &there.id).await?;
        names::restore(engine, &there.id, name, kept).await?;
        return Ok(applied(scope, name, "was running"));
    }
    check_networks(engine, &seen, scope, spec)?;
    for interface in spec.interfaces.iter().skip(1) {
        unplug(call_, spec, interface, &there.id).await?;
    }
    let kept = names::kept(engine, &there.id).await?;
    let begun = Instant::now();
    let booted = match boot(call_, spec, &there.id, systemd).await {
        Ok(()) => names::restore(engine, &there.id, name, kept).await,
        Err(error) => Err(error),
    };
    if booted.is_err() {
        let kill = engine.client.kill_container(&there.id, None);
        let _ = answer("stop a machine", LONG, kill).await;
    }
    booted?;
    let note = format!("up after {} ms", begun.elapsed().as_millis());
    Ok(applied(scope, name, note))
}

async fn unplug(
    call_: Call<'_>,
    spec: &MachineSpec,
    interface: &InterfaceSpec,
    id: &str,
) -> Result<(), BackendError> {
    let network = handle(call_.scope, &interface.network);
    let attempted = format!(
        "take machine `{}` from network `{}`",
        spec.name, interface.network
    );
    let request = NetworkDisconnectRequest {
        container: id.to_owned(),
        force: Some(true),
    };
    let disconnect = call_.engine.client.disconnect_network(&network, request);
    // Refused where it is not connected, which is as well.
    answer(&attempted, LONG, disconnect).await.map(drop)
}

/// Stops and removes a machine.
pub(super) async fn destroy(call_: Call<'_>, name: &str) -> Result<Applied, BackendError> {
    let Call {
        engine,
        scope,
        operation,
        ..
    } = call_;
    identity::check_name("the name of a machine", name)?;
    let seen = Seen::all(engine).await?;
    seen.check_epoch(scope, operation)?;
    refuse_foreign(&seen, scope, name)?;
    let mut note = "was gone";
    for there in seen.machine(scope, name) {
        remove(engine, there).await?;
        note = "removed";
    }
    groups::sweep(engine, scope, name).await;
    Ok(applied(scope, name, note))
}

/// Removes a container with its disk, and waits until the engine does not know it any more.
async fn remove(engine: &Engine, there: &Container) -> Result<(), BackendError> {
    let attempted = format!("remove the container `{}`", there.handle);
    let deadline = Instant::now() + LONG;
    loop {
        let options = RemoveContainerOptions {
            v: true,
            force: true,
            link: false,
        };
        match answer(
            &attempted,
            LONG,
            engine.client.remove_container(&there.id, Some(options)),
        )
        .await?
        {
            Ok(()) => return Ok(()),
            Err(refusal) if refusal.status == 404 => return Ok(()),
            // Another call for the same is under way.
            Err(refusal) if refusal.status == 409 && Instant::now() < deadline => {
                sleep(Duration::from_millis(50)).await;
            }
            Err(refusal) => {
                return Err(engine_errors::refused(
                    &attempted,
                    refusal.status,
                    &refusal.message,
                ));
            }
        }
    }
}

fn foreign(own: &str) -> BackendError {
    errors::foreign(
        format!("the container `{own}`"),
        "it has not the labels of this deploy",
    )
}

fn refuse_foreign(seen: &Seen, scope: &Scope, name: &str) -> Result<(), BackendError> {
    let own = [handle(scope, name), half(scope, name)];
    let found = seen
        .containers
        .iter()
        .find(|there| own.contains(&there.handle) && !there.is_of(scope));
    match found {
        Some(there) => Err(foreign(&there.handle)),
        None => Ok(()),
    }
}

fn check_networks(
    engine: &Engine,
    seen: &Seen,
    scope: &Scope,
    spec: &MachineSpec,
) -> Result<(), BackendError> {
    for interface in &spec.interfaces {
        identity::check_name("the name of a network", &interface.network)?;
        if seen.network(scope, &interface.network).next().is_none() {
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
    // Before that, engines choose the way out by the names of the networks.
    if engine.api >= (1, 48) {
        return Ok(());
    }
    let wanted = container::way_out(spec).map(|interface| &interface.network);
    let gateways = spec
        .interfaces
        .iter()
        .filter(|interface| interface.gateway.is_some());
    let chosen = gateways
        .map(|interface| &interface.network)
        .min_by_key(|network| handle(scope, network));
    match (wanted, chosen) {
        (Some(wanted), Some(chosen)) if wanted != chosen => {
            Err(engine_errors::way_out(&spec.name, wanted, chosen))
        }
        _ => Ok(()),
    }
}
