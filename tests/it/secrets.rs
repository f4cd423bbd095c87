//! The proof: a secret goes through a template, a file and the environment of a command, and its value is found nowhere
//! but in the one file that is meant to hold it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::machines::{Backend, alone};
use crate::support::{Ran, World};

const SPEC: &str = r#"use std.linux { command, file }
use std.image { bookworm }

network  front { cidr = 10.97.0.0/24, gateway = 10.97.0.1 }
hardware small { cpu = 1, memory = 256MiB, nic eth0 { network = front } }
site here { machines = local(image = bookworm) }

enum Box { Full(text: Secret<String>), Empty }
fn once(text: Secret<String>): Secret<String> = "{text}"

// Through all that makes values of values, and back to what it was.
fn carried(text: Secret<String>): Secret<String> = once(text)

role vault(token: Secret<String>, made: Secret<String>) {
  let box: Box = Full(text = carried(token))
  let texts = { for each in [{ key = "token", text = match box { Full(text) => text, Empty => "" } }]: each.key = each.text }
  let same = join([each for each in [texts["token"] ?? token]], "")
  file conf { path = "/etc/vault.conf", content = template("vault.conf.hbs", { token = same, host = node.name }) }
  command use {
    run         = 'test -n "$TOKEN" && printf %s "$TOKEN" | sha256sum > /run/vault.sum && echo "seen: $TOKEN"'
    creates     = "/run/vault.sum"
    environment = { TOKEN = "x{token}" }
  }
  file madefile { path = "/etc/made", content = made }
  //FAIL command fail { run = 'echo "this is $TOKEN" >&2; exit 3', once = true, environment = { TOKEN = token } }
  on leave { command bye { run = 'echo "bye $TOKEN"', once = true, environment = { TOKEN = token } } }
  out url: Secret<String> = "vault://{token}@{node.address}/"
}

workload w() {
  node host { hardware = small }
  run v = vault(token = secret("token"), made = generated("made", length = 24)) on host
  out url: Secret<String> = v.url
}

deploy d = w() on here
"#;

/// All files below a folder, links not followed.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// Files in which a text stands, the nodes' own packages left out (they come from the image and are many).
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    files(folder, &mut all);
    all.retain(|path| !path.to_string_lossy().contains("/usr/"));
    all.retain(|path| holds(&fs::read(path).unwrap_or_default(), text));
    all
}

/// Arguments of all processes of this machine.
fn arguments() -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        all.extend(fs::read(entry.path().join("cmdline")).unwrap_or_default());
    }
    all
}

fn with_secret(world: &World, token: &str, words: &[&str]) -> Ran {
    let watched = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !watched.load(std::sync::atomic::Ordering::SeqCst) {
                assert!(
                    !holds(&arguments(), token),
                    "an argument of a process holds the secret"
                );
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        });
        let mut command = world.command(words);
        let ran = Ran::from(command.env("REBAR_SECRET_TOKEN", token).output().unwrap());
        watched.store(true, std::sync::atomic::Ordering::SeqCst);
        watcher.join().unwrap();
        assert!(
            !holds(ran.out.as_bytes(), token),
            "{words:?} says it: {}",
            ran.out
        );
        assert!(
            !holds(ran.err.as_bytes(), token),
            "{words:?} says it: {}",
            ran.err
        );
        ran
    })
}

#[test]
fn a_secret_is_found_nowhere_but_where_it_is_meant_to_be() {
    if !Backend::Local.is_here("the proof of secrets") {
        return;
    }
    let _turn = alone();
    let world = World::of_spec(SPEC);
    fs::create_dir(world.project.join("templates")).unwrap();
    fs::write(
        world.project.join("templates/vault.conf.hbs"),
        "host={{host}}\ntoken={{token}}\n",
    )
    .unwrap();
    let seed = world
        .folder
        .path()
        .to_string_lossy()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "");
    let token = format!("S3cr3t{}{seed}", std::process::id());
    let run = |words: &[&str]| with_secret(&world, &token, words);
    let good = |words: &[&str]| {
        let ran = run(words);
        assert_eq!(ran.code, 0, "{words:?}: {}\n{}", ran.out, ran.err);
        ran
    };

    // Without the secret a plan can be made, and nothing is changed by the apply that lacks it.
    let ran = world.good(&["plan", "d"]);
    assert!(ran.out.contains("vault"), "{}", ran.out);
    let ran = world.run(&["apply", "d", "--yes"]);
    assert!(
        ran.code != 0 && ran.err.contains("E1230") && ran.err.contains("REBAR_SECRET_TOKEN"),
        "{ran:?}"
    );
    let found = world.run(&["history"]);
    assert!(
        !found.out.contains("apply"),
        "nothing was to be begun: {}",
        found.out
    );

    let file = world.folder.path().join("plan.json");
    good(&["-vv", "plan", "d", "--json", "-o", file.to_str().unwrap()]);
    good(&["-vv", "apply", file.to_str().unwrap(), "--yes", "--json"]);
    let inside = |line: &str| world.good(&["exec", "d", "host", "sh", "-c", line]).out;
    assert_eq!(
        inside("cat /etc/vault.conf"),
        format!("host=host\ntoken={token}\n")
    );
    assert_eq!(inside("stat -c %a /etc/vault.conf /etc/made"), "600\n600\n");
    let made = inside("cat /etc/made");
    assert!(
        made.len() == 24 && made.chars().all(|c| c.is_ascii_alphanumeric()),
        "{made}"
    );

    // A second plan is empty, with the secret and without it; a node that was touched is seen.
    for ran in [
        good(&["plan", "d", "--exit-code"]),
        world.good(&["plan", "d", "--exit-code"]),
    ] {
        assert_eq!(ran.code, 0, "{}", ran.out);
    }
    good(&["drift", "d"]);
    inside("echo touched >> /etc/vault.conf");
    let ran = world.run(&["drift", "d"]);
    assert!(ran.code != 0 && ran.out.contains("content differs"), "{ran:?}");
    good(&["apply", "d", "--yes"]);
    assert_eq!(inside("cat /etc/made"), made);

    // What fails shows no secret either.
    world.edit("//FAIL ", "");
    let ran = run(&["-vv", "apply", "d", "--yes"]);
    assert!(
        ran.code != 0 && ran.err.contains("this is (secret token)"),
        "{ran:?}"
    );
    world.edit("command fail", "//command fail");

    for words in [
        &["status", "d"][..],
        &["status", "d", "--json"],
        &["history"],
        &["history", "--json"],
        &["logs"],
        &["state", "show", "d"],
        &["graph", "d"],
        &["rehearse", "d", "--runs", "2"],
        &["check"],
        &["plan", "d", "--json"],
        &["plan", "d", "--facts"],
    ] {
        run(words);
    }
    let backup = world.folder.path().join("backup.db");
    let document = world.folder.path().join("state.json");
    run(&["state", "backup", backup.to_str().unwrap()]);
    run(&["state", "export", "-o", document.to_str().unwrap()]);

    // Every byte of all of it, and of the node's own disk.
    for secret in [&token, &made] {
        let found = holding(world.folder.path(), secret);
        let meant = if *secret == token {
            "etc/vault.conf"
        } else {
            "etc/made"
        };
        assert!(
            found.len() == 1 && found[0].ends_with(meant),
            "a secret is found in {found:?}"
        );
    }
    println!("looked at every file below {}", world.folder.path().display());

    // Another value is a change of the steps that use it, and of no others.
    let other = format!("{token}0ther");
    let ran = with_secret(&world, &other, &["plan", "d"]);
    assert!(
        ran.out.contains("conf") && !ran.out.contains("made"),
        "{}",
        ran.out
    );

    // A plan is carried out with the secrets that it was made with, and generated ones with the key that made them.
    let planned = world.folder.path().join("later.json");
    with_secret(&world, &other, &["plan", "d", "-o", planned.to_str().unwrap()]);
    let third = format!("{token}Th1rd");
    let ran = with_secret(&world, &third, &["apply", planned.to_str().unwrap(), "--yes"]);
    assert!(ran.code != 0 && ran.err.contains("E1231"), "{ran:?}");
    let key = world.project.join(".rebar/secrets.key");
    let aside = world.folder.path().join("key.aside");
    fs::rename(&key, &aside).unwrap();
    let ran = run(&["plan", "d"]);
    assert!(ran.code != 0 && ran.err.contains("E1071"), "{ran:?}");
    fs::rename(&aside, &key).unwrap();
    good(&["destroy", "d", "--yes"]);
    assert_eq!(holding(world.folder.path(), &token), Vec::<PathBuf>::new());
}
