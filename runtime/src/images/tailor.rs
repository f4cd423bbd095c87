//! What is changed in a fresh file system so that it boots in a container within a second, and so that nothing
//! in it is the same on two machines.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::Path;

/// Units that are of no use in a container, or that would disturb: terminals nobody sees, the host's own file
/// systems, log-ins without a seat, and package updates that fight with rebar's for apt's lock.
const MASKED: &[&str] = &[
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dev-hugepages.mount",
    "getty-static.service",
    "getty.target",
    "getty@.service",
    "kmod-static-nodes.service",
    "proc-sys-fs-binfmt_misc.automount",
    "serial-getty@.service",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-firstboot.service",
    "systemd-journald-audit.socket",
    "systemd-logind.service",
    "systemd-modules-load.service",
    "systemd-networkd-wait-online.service",
    "systemd-remount-fs.service",
    "systemd-udevd.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
];

/// Changes a fresh file system. It was made by this host's own mmdebstrap and nobody has run anything in it yet.
pub(super) fn tailor(rootfs: &Path) -> io::Result<()> {
    let units = rootfs.join("etc/systemd/system");
    if units.is_dir() {
        for unit in MASKED {
            remove(&units.join(unit))?;
            symlink("/dev/null", units.join(unit))?;
        }
    }
    // Written for each machine when it is made.
    for name in [
        "etc/hostname",
        "etc/resolv.conf",
        "etc/hosts",
        "var/lib/dbus/machine-id",
    ] {
        remove(&rootfs.join(name))?;
    }
    fs::write(rootfs.join("etc/machine-id"), "")?;
    // Some builders forbid services to start during the build by this file.
    remove(&rootfs.join("usr/sbin/policy-rc.d"))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
