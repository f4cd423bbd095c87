//! Packages end to end: folders and real repositories, the lock file, copies, patches.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Ran, World};

const MAIN: &str = r#"use ceph.osd { osd }
use std.image { bookworm }

network  front { cidr = 10.20.0.0/24, gateway = 10.20.0.1 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }
workload store() {
  node disk { hardware = small }
  run data = osd() on disk
}
site laptop { machines = local(image = bookworm) }
deploy here = store() on laptop
"#;

const OSD: &str = r#"use std.linux { package, file }

pub role osd(copies: Int = 2) {
  package ceph { name = "ceph-osd" }
  file config { path = "/etc/ceph.conf", content = "size = {copies}" }
}
"#;

const PATCH: &str = r#"
patch ceph@1.2 {
  role osd {
    set file config { mode = "0600" }
  }
}
"#;

/// A project whose packages are beside it.
struct Packages {
    world: World,
}

impl Packages {
    /// A project that uses `ceph` as `origin` says.
    fn new(origin: &str) -> Packages {
        let packages = Packages {
            world: World::of_spec(MAIN),
        };
        packages.write(
            "project/rebar.toml",
            &format!("[package]\nname = \"shop\"\nversion = \"0.1.0\"\n\n[dependencies]\nceph = {origin}\n"),
        );
        packages
    }

    fn of_path() -> Packages {
        let packages = Packages::new("{ path = \"../ceph\" }");
        packages.ceph("ceph", "1.2.3");
        packages
    }

    /// A repository with the tag `v1`.
    fn of_git() -> (Packages, PathBuf) {
        let packages = Packages::new("");
        packages.ceph("ceph.git", "1.2.3");
        let repository = packages.path("ceph.git");
        git(&repository, &["init", "--quiet", "--initial-branch=main"]);
        commit(&repository);
        git(&repository, &["tag", "v1"]);
        packages.depend(&repository, "tag = \"v1\"");
        (packages, repository)
    }

    fn depend(&self, repository: &Path, at: &str) {
        let text = format!(
            "[package]\nname = \"shop\"\nversion = \"0.1.0\"\n\n[dependencies]\nceph = {{ git = \"file://{}\", {at} }}\n",
            repository.display()
        );
        self.write("project/rebar.toml", &text);
    }

    fn ceph(&self, folder: &str, version: &str) {
        self.write(
            &format!("{folder}/rebar.toml"),
            &format!("[package]\nname = \"ceph\"\nversion = \"{version}\"\n"),
        );
        self.write(&format!("{folder}/osd.rebar"), OSD);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.world.command(arguments);
        command.env("REBAR_CACHE", self.path("cache"));
        Ran::from(command.output().unwrap())
    }

    fn good(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.out, ran.err);
        ran
    }

    /// Runs, and finds this code and these words.
    fn bad(&self, arguments: &[&str], code: &str, words: &[&str]) {
        let ran = self.run(arguments);
        assert_ne!(ran.code, 0, "{arguments:?} went well: {}", ran.err);
        assert!(ran.err.contains(code), "{code} is expected: {}", ran.err);
        let plain: String = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(plain.contains(word), "`{word}` is expected: {}", ran.err);
        }
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn commit(repository: &Path) -> String {
    git(repository, &["add", "--all"]);
    git(repository, &["commit", "--quiet", "--message", "next"]);
    git(repository, &["rev-parse", "HEAD"]).trim().to_owned()
}

#[test]
fn a_folder_is_used_locked_and_held_to_what_it_was() {
    let packages = Packages::of_path();
    packages.bad(&["check", "--locked"], "E0924", &["`ceph` is new"]);
    packages.good(&["check"]);
    let lock = packages.read("project/rebar.lock");
    assert!(lock.contains("source = \"path+../ceph\""), "{lock}");
    packages.good(&["check", "--locked"]);
    packages.good(&["lock"]);
    assert_eq!(
        packages.read("project/rebar.lock"),
        lock,
        "the same content gives the same text"
    );
    let plan = packages.good(&["plan", "here"]);
    assert!(
        plan.out.contains("/etc/ceph.conf") || plan.out.contains("config"),
        "{}",
        plan.out
    );

    packages.write("ceph/osd.rebar", &OSD.replace("size", "replicas"));
    packages.bad(&["check"], "E0922", &["ceph", "sha256:", "rebar update ceph"]);
    packages.bad(&["plan", "here"], "E0922", &[]);
    packages.bad(&["update", "cehp"], "E1662", &["ceph"]);
    packages.good(&["update", "ceph"]);
    packages.good(&["check", "--locked"]);
    assert_ne!(packages.read("project/rebar.lock"), lock);
}

#[test]
fn a_lock_file_that_lies_is_told() {
    let packages = Packages::of_path();
    packages.good(&["lock"]);
    let lock = packages.read("project/rebar.lock");
    packages.write("project/rebar.lock", &lock.replace("sha256:", "sha256:00"));
    packages.bad(&["check"], "E0922", &["sha256:00"]);
    packages.write("project/rebar.lock", &lock.replace("1.2.3", "9.9.9"));
    packages.bad(&["check"], "E0922", &["9.9.9"]);
    packages.write("project/rebar.lock", "<<<<<<< HEAD\n");
    packages.bad(&["check"], "E0923", &["line 1"]);
    packages.write(
        "project/rebar.lock",
        &lock.replace("version = 1\n", "version = 7\n"),
    );
    packages.bad(&["check"], "E0923", &[]);
}

#[test]
fn a_repository_is_pinned_to_a_commit() {
    let (packages, repository) = Packages::of_git();
    packages.good(&["lock"]);
    let lock = packages.read("project/rebar.lock");
    let first = git(&repository, &["rev-parse", "v1"]);
    assert!(lock.contains(&format!("?tag=v1#{}", first.trim())), "{lock}");

    // The tag moves: what is locked stays, until somebody asks.
    packages.ceph("ceph.git", "1.2.4");
    let second = commit(&repository);
    git(&repository, &["tag", "--force", "v1"]);
    packages.good(&["check"]);
    assert_eq!(packages.read("project/rebar.lock"), lock);
    // What was fetched is had without the repository.
    let away = packages.path("away.git");
    fs::rename(&repository, &away).unwrap();
    packages.good(&["check", "--locked"]);
    packages.bad(&["update"], "E0921", &["could not be fetched"]);
    fs::rename(&away, &repository).unwrap();
    packages.good(&["update"]);
    assert!(packages.read("project/rebar.lock").contains(&second));

    // Another cache gets the locked commit, not the newest one.
    packages.ceph("ceph.git", "1.3.0");
    commit(&repository);
    git(&repository, &["tag", "--force", "v1"]);
    fs::remove_dir_all(packages.path("cache")).unwrap();
    packages.good(&["check", "--locked"]);

    packages.depend(&repository, "branch = \"main\"");
    packages.bad(&["check", "--locked"], "E0924", &["ceph"]);
    packages.good(&["check"]);
    packages.depend(&repository, &format!("rev = \"{}\"", &second[..10]));
    packages.good(&["lock"]);
    assert!(
        packages
            .read("project/rebar.lock")
            .contains(&format!("#{second}"))
    );
    packages.depend(&repository, "tag = \"v9\"");
    packages.bad(&["check"], "E0921", &["v9"]);
}

#[test]
fn without_git_it_is_said() {
    let (packages, _) = Packages::of_git();
    let mut command = packages.world.command(&["check"]);
    command
        .env("PATH", packages.path("nothing"))
        .env("REBAR_CACHE", packages.path("cache"));
    let ran = Ran::from(command.output().unwrap());
    assert!(
        ran.err.contains("E0921") && ran.err.contains("not installed"),
        "{}",
        ran.err
    );
}

#[test]
fn copies_are_used_from_then_on() {
    let (packages, repository) = Packages::of_git();
    packages.good(&["vendor"]);
    let lock = packages.read("project/rebar.lock");
    fs::remove_dir_all(&repository).unwrap();
    fs::remove_dir_all(packages.path("cache")).unwrap();
    packages.good(&["check", "--locked"]);
    assert_eq!(packages.read("project/rebar.lock"), lock);

    // They are not the project's own files.
    let unformatted = packages
        .read("project/vendor/ceph/osd.rebar")
        .replace("  package", "   package");
    packages.write("project/vendor/ceph/osd.rebar", &unformatted);
    packages.good(&["fmt"]);
    assert_eq!(packages.read("project/vendor/ceph/osd.rebar"), unformatted);
    packages.bad(&["check"], "E0922", &["vendor/ceph", "rebar vendor"]);

    packages.depend(&repository, "tag = \"v2\"");
    packages.bad(&["check"], "E0926", &["rebar vendor"]);
}

#[test]
fn copies_of_packages_that_use_packages() {
    let packages = Packages::of_path();
    packages.write(
        "ceph/rebar.toml",
        "[package]\nname = \"ceph\"\nversion = \"1.2.3\"\n\n[dependencies]\netcd = { path = \"../etcd\" }\n",
    );
    packages.write(
        "etcd/rebar.toml",
        "[package]\nname = \"etcd\"\nversion = \"3.5.0\"\n",
    );
    packages.write("etcd/kv.rebar", "pub let size = 3\n");
    packages.write(
        "ceph/osd.rebar",
        &OSD.replace("use std.linux", "use etcd.kv { size }\nuse std.linux")
            .replace("= 2)", "= 2, kv: Int = size)"),
    );
    packages.good(&["vendor"]);
    fs::remove_dir_all(packages.path("ceph")).unwrap();
    fs::remove_dir_all(packages.path("etcd")).unwrap();
    packages.good(&["check", "--locked"]);
    packages
        .world
        .edit("use ceph.osd", "use etcd.kv { size }\nuse ceph.osd");
    packages.bad(&["check"], "E0221", &["`etcd` is no dependency of this project"]);
}

#[test]
fn one_package_has_one_version() {
    let packages = Packages::of_path();
    let toml = packages.read("project/rebar.toml");
    packages.write(
        "project/rebar.toml",
        &format!("{toml}etcd = {{ path = \"../etcd\" }}\n"),
    );
    packages.write(
        "etcd/rebar.toml",
        "[package]\nname = \"etcd\"\nversion = \"3.5.0\"\n",
    );
    packages.write(
        "old/rebar.toml",
        "[package]\nname = \"etcd\"\nversion = \"3.4.0\"\n",
    );
    packages.write(
        "ceph/rebar.toml",
        "[package]\nname = \"ceph\"\nversion = \"1.2.3\"\n\n[dependencies]\netcd = { path = \"../old\" }\n",
    );
    packages.bad(
        &["check"],
        "E0919",
        &[
            "`etcd` is wanted from two places",
            "from `../etcd` here",
            "from `../old` here",
        ],
    );
}

#[test]
fn circles_are_paths() {
    let packages = Packages::of_path();
    packages.write(
        "ceph/rebar.toml",
        "[package]\nname = \"ceph\"\nversion = \"1.2.3\"\n\n[dependencies]\netcd = { path = \"../etcd\" }\n",
    );
    packages.write(
        "etcd/rebar.toml",
        "[package]\nname = \"etcd\"\nversion = \"3.5.0\"\n\n[dependencies]\nceph = { path = \"../ceph\" }\n",
    );
    packages.bad(
        &["check"],
        "E0920",
        &["`ceph` → `etcd` → `ceph`", "`etcd` uses this"],
    );
    packages.write(
        "etcd/rebar.toml",
        "[package]\nname = \"etcd\"\nversion = \"3.5.0\"\n\n[dependencies]\nshop = { path = \"../project\" }\n",
    );
    packages.bad(&["check"], "E0920", &["`shop` → `ceph` → `etcd` → `shop`"]);
}

#[test]
fn what_is_no_package_is_told() {
    let packages = Packages::new("{ path = \"../cehp\" }");
    packages.bad(&["check"], "E0917", &["../cehp"]);
    packages.write("cehp/main.rebar", "");
    packages.bad(&["check"], "E0917", &["no `rebar.toml`"]);
    packages.write(
        "cehp/rebar.toml",
        "[package]\nname = \"store\"\nversion = \"1\"\n",
    );
    packages.bad(&["check"], "E0918", &["is called `store`, not `ceph`"]);
    packages.write("cehp/rebar.toml", "[package]\nname = \"ceph\"\n");
    packages.bad(&["check"], "E0913", &["version"]);
}

#[test]
fn hostile_packages_are_refused() {
    let packages = Packages::of_path();
    packages.write("secret", "hidden");
    symlink(packages.path("secret"), packages.path("ceph/note.rebar")).unwrap();
    packages.bad(&["check"], "E0925", &["leads out of the package"]);
    fs::remove_file(packages.path("ceph/note.rebar")).unwrap();
    symlink("osd.rebar", packages.path("ceph/note.rebar")).unwrap();
    packages.good(&["check"]);
    fs::remove_file(packages.path("ceph/note.rebar")).unwrap();
    symlink("..", packages.path("ceph/all")).unwrap();
    packages.bad(&["check"], "E0925", &["leads out of the package"]);
    fs::remove_file(packages.path("ceph/all")).unwrap();
    let huge = fs::File::create(packages.path("ceph/huge")).unwrap();
    huge.set_len(200 << 20).unwrap();
    packages.bad(&["check"], "E0925", &["MiB"]);
    fs::remove_file(packages.path("ceph/huge")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(packages.path("ceph/pipe"))
            .status()
            .unwrap()
            .success()
    );
    packages.bad(&["check"], "E0925", &["no regular file"]);

    for url in ["--upload-pack=touch owned", "ext::sh -c touch% owned"] {
        let packages = Packages::new(&format!("{{ git = \"{url}\" }}"));
        packages.bad(&["check"], "E0914", &["no address of a repository"]);
    }
    let packages = Packages::new("{ path = \"../ceph\" }");
    packages.write(
        "project/rebar.toml",
        "[package]\nname = \"std\"\nversion = \"1\"\n",
    );
    packages.bad(&["check"], "E0914", &["`std` is no name for a package"]);
}

#[test]
fn upstream_moves_under_a_patch() {
    let packages = Packages::of_path();
    packages.write("project/main.rebar", &format!("{MAIN}{PATCH}"));
    packages.good(&["check"]);
    let lock = packages.read("project/rebar.lock");
    assert!(
        lock.contains("at = \"ceph.osd role osd set file config\""),
        "{lock}"
    );
    let plan = packages.good(&["plan", "here"]);
    assert!(
        plan.out.contains("ceph.osd role osd set file config"),
        "{}",
        plan.out
    );

    // Comments and other statements do not count.
    let other = OSD
        .replace("  package ceph", "  // more\n  package  ceph")
        .replace("{ path", "{  path");
    packages.write("ceph/osd.rebar", &other);
    packages.good(&["update", "ceph"]);
    // What it stands at does.
    packages.write("ceph/osd.rebar", &OSD.replace("size = ", "replicas = "));
    packages.bad(
        &["update"],
        "E0229",
        &["`ceph` moved under this patch", "rebar update --accept-patches"],
    );
    packages.bad(&["check"], "E0229", &[]);
    packages.good(&["update", "--accept-patches"]);
    packages.good(&["check", "--locked"]);
    // A new patch is added; CI does not.
    packages.world.edit(
        "set file config { mode = \"0600\" }",
        "set file config { mode = \"0600\" }\n    remove package ceph",
    );
    packages.bad(&["check", "--locked"], "E0924", &["patches have changed"]);
    packages.good(&["check"]);
    packages.good(&["check", "--locked"]);
    // Another version than the one that the patch is for.
    packages.ceph("ceph", "2.0.0");
    packages.bad(&["update"], "E0224", &["2.0.0 is in use"]);
}

#[test]
fn a_folder_that_cannot_be_written_needs_a_lock_file() {
    let packages = Packages::of_path();
    if rustix::process::geteuid().is_root() {
        // Root may write anywhere: a folder in the place of the file stands in for what it cannot.
        fs::create_dir(packages.path("project/rebar.lock")).unwrap();
        packages.bad(&["check"], "E0923", &[]);
        return;
    }
    fs::set_permissions(packages.path("project"), fs::Permissions::from_mode(0o555)).unwrap();
    packages.bad(&["check"], "E0927", &[]);
    fs::set_permissions(packages.path("project"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_new_project_can_be_planned() {
    let packages = Packages::of_path();
    let place = packages.path("web-shop");
    let shown = place.display().to_string();
    packages.good(&["new", &shown]);
    packages.bad(&["new", &shown], "E1660", &["is there already"]);
    packages.bad(
        &["new", &packages.path("3shops").display().to_string()],
        "E1661",
        &[],
    );
    let inside = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rebar"));
        Ran::from(command.arg("-C").arg(&place).args(arguments).output().unwrap())
    };
    for arguments in [&["check"][..], &["fmt", "--check"], &["plan", "laptop_web_shop"]] {
        let ran = inside(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.out, ran.err);
    }
    assert!(
        fs::read_to_string(place.join(".gitignore"))
            .unwrap()
            .contains(".rebar")
    );
    let ran = inside(&["init"]);
    assert!(ran.err.contains("E1660"), "{}", ran.err);
    let empty = packages.path("fresh");
    fs::create_dir(&empty).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rebar"));
    let ran = Ran::from(command.arg("-C").arg(&empty).arg("init").output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(empty.join("rebar.toml").is_file());
}

#[test]
fn coverage_lists_the_own_modules_alone() {
    let packages = Packages::of_path();
    let main = packages.path("project/main.rebar");
    let spec = MAIN.to_owned() + "role unused() { }\ntest \"nothing\" { assert 1 == 1 }\n";
    fs::write(&main, spec).unwrap();
    let ran = packages.world.good(&["test", "--coverage"]);
    assert!(ran.out.contains("not planned: role unused"), "{ran:?}");
    assert!(!ran.out.contains("osd"), "{ran:?}");
}
