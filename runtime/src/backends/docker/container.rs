//! What the engine is asked for when a machine is made: limits, rights, and what systemd needs.

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigCgroupnsModeEnum,
    HostConfigLogConfig, NetworkingConfig, RestartPolicy, RestartPolicyNameEnum,
};

use super::engine::ControlGroups;
use super::labels;
use crate::agent_program;
use crate::backend::{InterfaceSpec, MachineSpec, Operation, Scope};

/// How many processes and threads a machine may have.
const PROCESSES: i64 = 16_384;

/// The setting that gives a machine the rights of its host's administrator.
pub(super) const SYS_ADMIN: &str = "sys_admin";

/// What stays read only where the kernel's settings are to be written: what engines take by themselves, without
/// `/proc/sys`.
const READ_ONLY: [&str; 4] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger"];

/// The agent's path on a machine: another agent has another, so that none is replaced while it runs.
pub(super) fn agent_path() -> String {
    let hash: String = agent_program::fingerprint().chars().take(16).collect();
    format!("/usr/libexec/rebar/agent-{hash}")
}

/// Where systemd finds what holds for every service.
pub(super) const NO_MOUNTS: &str = "usr/lib/systemd/system/service.d/rebar.conf";

/// Without the right to mount, systemd starts services without the sandbox that they ask for, but refuses those that
/// ask for mounts of certain paths, such as haproxy's for its log. These are taken away.
pub(super) const NO_MOUNTS_TEXT: &str = "# Written by rebar: nothing can be mounted on this machine.
[Service]
BindPaths=
BindReadOnlyPaths=
TemporaryFileSystem=
";

pub(super) fn is_sys_admin(spec: &MachineSpec) -> bool {
    spec.settings.get(SYS_ADMIN) == Some(&serde_json::Value::Bool(true))
}

/// The interface whose gateway is the way out: the first that has one.
pub(super) fn way_out(spec: &MachineSpec) -> Option<&InterfaceSpec> {
    spec.interfaces
        .iter()
        .find(|interface| interface.gateway.is_some())
}

/// A machine's place on a network.
pub(super) fn endpoint(spec: &MachineSpec, interface: &InterfaceSpec) -> EndpointSettings {
    let (mut version_4, mut version_6) = (None, None);
    match interface.address {
        IpAddr::V4(address) => version_4 = Some(address.to_string()),
        IpAddr::V6(address) => version_6 = Some(address.to_string()),
    }
    let leaves = way_out(spec).is_some_and(|out| out.name == interface.name);
    EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: version_4,
            ipv6_address: version_6,
            link_local_ips: None,
        }),
        // Engines that do not know it yet leave it unread.
        gw_priority: leaves.then_some(1),
        ..EndpointSettings::default()
    }
}

/// The request for a machine's container.
pub(super) fn request(
    scope: &Scope,
    operation: &Operation,
    spec: &MachineSpec,
    image: &str,
    systemd: bool,
    groups: ControlGroups,
) -> ContainerCreateBody {
    let mut labels = labels::labels(scope, "machine", &spec.name, operation);
    labels.insert(labels::DIGEST.to_owned(), spec.digest.clone());
    labels.insert(labels::SPEC.to_owned(), serde_json::json!(spec).to_string());
    labels.insert(
        labels::INIT.to_owned(),
        if systemd { "systemd" } else { "rebar" }.to_owned(),
    );
    let first = spec.interfaces.first();
    let network = first.map(|interface| labels::handle(scope, &interface.network));
    let endpoints = first
        .zip(network.clone())
        .map(|(interface, network)| HashMap::from([(network, endpoint(spec, interface))]));
    let program = if systemd {
        vec!["/sbin/init".to_owned()]
    } else {
        vec![agent_path(), "init".to_owned()]
    };
    ContainerCreateBody {
        hostname: Some(spec.name.clone()),
        env: Some(vec![
            "container=docker".to_owned(),
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            "LANG=C.UTF-8".to_owned(),
        ]),
        entrypoint: Some(program),
        image: Some(image.to_owned()),
        labels: Some(labels),
        // What systemd means by "halt".
        stop_signal: Some("SIGRTMIN+3".to_owned()),
        host_config: Some(host(scope, spec, network, systemd, groups)),
        networking_config: endpoints.map(|endpoints| NetworkingConfig {
            endpoints_config: Some(endpoints),
        }),
        ..ContainerCreateBody::default()
    }
}

fn host(
    scope: &Scope,
    spec: &MachineSpec,
    network: Option<String>,
    systemd: bool,
    groups: ControlGroups,
) -> HostConfig {
    let memory = i64::try_from(spec.hardware.memory).unwrap_or(i64::MAX);
    let group = labels::group(scope, &spec.name, groups.systemd);
    let sys_admin = is_sys_admin(spec);
    HostConfig {
        memory: (memory > 0).then_some(memory),
        nano_cpus: (spec.hardware.cpu > 0).then(|| i64::from(spec.hardware.cpu) * 1_000_000_000),
        pids_limit: Some(PROCESSES),
        network_mode: Some(network.unwrap_or_else(|| "none".to_owned())),
        tmpfs: Some(temporary(systemd)),
        binds: systemd.then(|| subtree(&group, groups)),
        cgroup_parent: Some(if groups.systemd {
            group
        } else {
            format!("/{group}")
        }),
        cgroupns_mode: Some(if systemd {
            HostConfigCgroupnsModeEnum::HOST
        } else {
            HostConfigCgroupnsModeEnum::PRIVATE
        }),
        cap_add: sys_admin.then(|| vec!["SYS_ADMIN".to_owned()]),
        security_opt: sys_admin
            .then(|| vec!["seccomp=unconfined".to_owned(), "apparmor=unconfined".to_owned()]),
        readonly_paths: sys_admin.then(|| READ_ONLY.map(str::to_owned).to_vec()),
        // Nothing is written there that anybody reads, and it would grow for ever.
        log_config: Some(HostConfigLogConfig {
            typ: Some("none".to_owned()),
            config: None,
        }),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        ..HostConfig::default()
    }
}

/// What begins empty at every start. systemd would mount the second itself, and may not.
fn temporary(systemd: bool) -> HashMap<String, String> {
    let mut all = HashMap::from([("/run".to_owned(), "rw,exec,nosuid,nodev,mode=755".to_owned())]);
    if systemd {
        all.insert(
            "/run/lock".to_owned(),
            "rw,noexec,nosuid,nodev,size=5m,mode=1777".to_owned(),
        );
    }
    all
}

/// systemd makes control groups below its own. It sees the hierarchy as the host does, so that the paths which the
/// kernel tells it are those that it finds; it may write below a group that holds this machine and nothing else.
fn subtree(group: &str, groups: ControlGroups) -> Vec<String> {
    let root = hierarchy(groups);
    vec![
        format!("{root}:{root}:ro"),
        format!("{root}/{group}:{root}/{group}:rw"),
    ]
}

/// Where the hierarchy that systemd keeps its units in is mounted on the engine's host.
fn hierarchy(groups: ControlGroups) -> &'static str {
    if groups.unified {
        "/sys/fs/cgroup"
    } else {
        "/sys/fs/cgroup/systemd"
    }
}
