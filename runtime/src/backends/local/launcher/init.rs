//! What the machine's first process does before it becomes the init program: it mounts what a container
//! manager has to mount, moves into its own root and writes the files that tell the machine who it is.
//!
//! From the moment it enters the user namespace it can do no more than the machine's own root.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;

use rebar_agent::names;
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind, move_mount, open_tree,
    unmount,
};

use super::super::sys;
use super::start::Ties;
use super::{AGENT, Start, borrow};

/// Capabilities that no machine needs: modules, raw I/O, accounting, audit rules, mandatory access control, the
/// clock, the kernel's log, waking the host. All others hold inside the machine's namespaces only.
const DROPPED: [u32; 10] = [16, 17, 20, 25, 30, 32, 33, 34, 35, 36];

/// The first line of a resolver file that we wrote.
const RESOLVER_MARK: &str = "# written by rebar from this host's /etc/resolv.conf";

/// Joins the machine's control groups and enters its namespaces. The new process namespace is for children.
pub(super) fn enter(start: &Start, user_namespace: BorrowedFd<'_>) -> io::Result<()> {
    for group in &start.cgroups {
        fs::write(group.join("cgroup.procs"), "0")?;
    }
    sys::enter(user_namespace, libc::CLONE_NEWUSER)?;
    sys::become_user(0)?;
    sys::unshare(
        libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWCGROUP,
    )
}

/// Waits for the go-ahead, then becomes the init program. What goes wrong is told through `ties.trouble`.
pub(super) fn become_init(start: &Start, ties: Ties) -> ! {
    let mut go = [0];
    if !matches!(File::from(ties.go).read(&mut go), Ok(1)) {
        sys::leave(0);
    }
    let (trouble, ready) = (ties.trouble, ties.ready);
    let (what, error) = match prepare(start, ready.as_fd()) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    let _ = File::from(trouble).write_all(format!("could not {what}: {error}").as_bytes());
    sys::leave(1)
}

type Attempt<T> = Result<T, (&'static str, io::Error)>;

fn attempt<T, E: Into<io::Error>>(what: &'static str, result: Result<T, E>) -> Attempt<T> {
    result.map_err(|error| (what, error.into()))
}

fn prepare(start: &Start, ready: BorrowedFd<'_>) -> Attempt<Infallible> {
    attempt("set the umask", {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        io::Result::Ok(())
    })?;
    attempt("enter the new root", enter_root())?;
    attempt("mount the kernel's file systems", mount_kernel())?;
    attempt("make the devices", make_devices())?;
    attempt("change the root", pivot())?;
    attempt(
        "set the host name",
        rustix::system::sethostname(start.name.as_bytes()),
    )?;
    attempt("bind the socket for readiness", bind_ready(ready))?;
    attempt("write the machine's identity", identify(start))?;
    let keep = DROPPED
        .iter()
        .fold(u64::MAX, |mask, capability| mask & !(1 << capability));
    attempt("drop capabilities", sys::bound_capabilities(keep))?;
    attempt("become a session leader", rustix::process::setsid())?;
    attempt("open /dev/null", quiet())?;
    sys::default_signals();
    sys::close_from_on_exec(3);
    let environment = [
        "container=rebar".to_owned(),
        format!("container_uuid={}", start.machine_id),
        "NOTIFY_SOCKET=/run/host/notify".to_owned(),
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        "LANG=C.UTF-8".to_owned(),
    ];
    let environment: Vec<CString> = environment
        .into_iter()
        .filter_map(|text| CString::new(text).ok())
        .collect();
    // Seen from inside: a link on the machine's disk leads nowhere else.
    if fs::metadata("/sbin/init").is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        let arguments = [c"rebar-agent".to_owned(), c"init".to_owned()];
        let error = sys::execute_file(borrow(AGENT), &arguments, &environment);
        return Err(("run the agent as the first process", error));
    }
    Err((
        "run /sbin/init",
        sys::execute(c"/sbin/init", &[c"/sbin/init".to_owned()], &environment),
    ))
}

/// Makes the overlay, which is the working directory, a mount of this namespace's own: what is inherited is locked
/// and cannot become the root.
fn enter_root() -> io::Result<()> {
    let tree = open_tree(
        rustix::fs::CWD,
        ".",
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_RECURSIVE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )?;
    move_mount(
        tree.as_fd(),
        "",
        rustix::fs::CWD,
        ".",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?;
    rustix::process::fchdir(&tree)?;
    Ok(())
}

/// A folder to mount on. The disk of a machine that ran before is in its own hands: what is not a real folder
/// (a planted link, say) is replaced.
fn place(name: &str) -> io::Result<()> {
    match fs::symlink_metadata(name) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => {
            fs::remove_file(name)?;
            fs::create_dir(name)
        }
        Err(_) => fs::create_dir(name),
    }
}

const SAFE: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);

fn mount_kernel() -> io::Result<()> {
    for name in ["proc", "sys", "dev", "run"] {
        place(name)?;
    }
    mount("proc", "proc", "proc", SAFE, None)?;
    mount("sysfs", "sys", "sysfs", SAFE | MountFlags::RDONLY, None)?;
    // The machine always sees the unified hierarchy, whatever this host uses: one way to boot, one to track.
    mount("cgroup2", "sys/fs/cgroup", "cgroup2", SAFE, None)?;
    mount(
        "tmpfs",
        "run",
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        Some(c"mode=755"),
    )?;
    mount(
        "tmpfs",
        "dev",
        "tmpfs",
        MountFlags::NOSUID,
        Some(c"mode=755,size=4m"),
    )?;
    Ok(())
}

fn make_devices() -> io::Result<()> {
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let inside = format!("dev/{name}");
        File::create(&inside)?;
        mount_bind(format!("/dev/{name}"), &inside)?;
    }
    File::create("dev/console")?;
    mount_bind("/dev/null", "dev/console")?;
    for name in ["dev/pts", "dev/shm", "dev/mqueue"] {
        fs::DirBuilder::new().mode(0o755).create(name)?;
    }
    let no_exec = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount(
        "devpts",
        "dev/pts",
        "devpts",
        no_exec,
        Some(c"newinstance,ptmxmode=0666,mode=620,gid=5"),
    )?;
    mount(
        "tmpfs",
        "dev/shm",
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        Some(c"mode=1777"),
    )?;
    mount("mqueue", "dev/mqueue", "mqueue", SAFE, None)?;
    for (link, target) in [
        ("dev/ptmx", "pts/ptmx"),
        ("dev/fd", "/proc/self/fd"),
        ("dev/stdin", "/proc/self/fd/0"),
        ("dev/stdout", "/proc/self/fd/1"),
        ("dev/stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, link)?;
    }
    Ok(())
}

/// The new root is mounted over the old one, which then is taken away from under it.
fn pivot() -> io::Result<()> {
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")
}

fn bind_ready(socket: BorrowedFd<'_>) -> io::Result<()> {
    fs::create_dir_all("/run/host")?;
    rustix::net::bind(socket, &rustix::net::SocketAddrUnix::new("/run/host/notify")?)?;
    fs::set_permissions("/run/host/notify", fs::Permissions::from_mode(0o666))
}

fn identify(start: &Start) -> io::Result<()> {
    if start.fresh {
        replace("/etc/hostname", &format!("{}\n", start.name))?;
        replace("/etc/machine-id", &format!("{}\n", start.machine_id))?;
        replace(
            "/etc/hosts",
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n",
        )?;
    }
    let resolver = Path::new("/etc/resolv.conf");
    if start.fresh || fs::read_to_string(resolver).is_ok_and(|text| text.starts_with(RESOLVER_MARK)) {
        replace(
            "/etc/resolv.conf",
            &format!("{RESOLVER_MARK}\n{}", start.resolver),
        )?;
    }
    names::write(Path::new("/etc/hosts"), &start.block).map(drop)
}

fn replace(path: &str, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::write(path, text)
}

/// Standard input, output and error of the init program.
fn quiet() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
