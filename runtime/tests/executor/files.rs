//! State and plan files that are damaged, foreign, unwritable or changed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rebar_compiler::plan::{Ledger, Snapshot};
use rebar_runtime::execute::{ExecuteError, Status, execute};
use rebar_runtime::plan_file;
use rebar_runtime::state::{State, StateError};

use crate::support::spec::Spec;
use crate::support::world::TestWorld;
use crate::support::{context, folder, plan};

fn refused(path: &Path, code: &str) -> StateError {
    let before = std::fs::read(path).unwrap();
    let error = State::open(path).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(!error.help().is_empty());
    assert_eq!(
        std::fs::read(path).unwrap(),
        before,
        "a refused file is not touched"
    );
    error
}

async fn applied(folder: &Path) -> std::path::PathBuf {
    let world = TestWorld::new();
    let state = State::in_folder(folder).unwrap();
    let first = plan(&state, &world, &Spec::default()).await;
    assert_eq!(
        execute(&first, &context(&state, &world)).await.unwrap().status,
        Status::Done
    );
    folder.join("state.db")
}

#[tokio::test]
async fn the_file_is_private_and_opens_again() {
    let folder = folder();
    let path = applied(&folder.path().join(".rebar")).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["state.db"], "closed, the state is one file");
    let state = State::open(&path).unwrap();
    assert_eq!(
        state.snapshot_record("shop", "laptop").await.unwrap().nodes.len(),
        3
    );
    // Any standard tool can read it.
    let raw = rusqlite::Connection::open(&path).unwrap();
    let lines: i64 = raw
        .query_row("SELECT count(*) FROM journal", [], |row| row.get(0))
        .unwrap();
    assert!(lines > 20);
    let change = raw.execute("UPDATE journal SET subject = 'x'", []).unwrap_err();
    assert!(change.to_string().contains("append-only"));
    assert!(raw.execute("DELETE FROM journal", []).is_err());
}

#[tokio::test]
async fn damaged_and_foreign_files_are_refused() {
    let folder = folder();
    let path = applied(folder.path()).await;
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 1, 50, 99, 100, 4096, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = refused(&path, "E1003");
        assert!(error.help().contains("copy"), "{}", error.help());
    }
    for text in ["x", "this is a note, not a state", &"a".repeat(5000)] {
        std::fs::write(&path, text).unwrap();
        refused(&path, "E1001");
    }
    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE other (x)")
        .unwrap();
    refused(&path, "E1001");
    std::fs::write(&path, &whole).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let wal = path.with_extension("db-wal");
    assert!(!wal.exists());
    refused(&path, "E1004");
    // Pages overwritten in the middle.
    let mut holes = whole.clone();
    for page in holes.chunks_mut(4096).skip(1) {
        page[..64].fill(0xAA);
    }
    std::fs::write(&path, &holes).unwrap();
    refused(&path, "E1003");
    // The whole file is as good as before.
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(State::open(&path).unwrap().deploys().await.unwrap().len(), 1);
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    assert_eq!(
        State::in_folder(&blocked.join("below")).unwrap_err().code(),
        "E1002"
    );
}

/// A small file system in memory, made and taken away by root.
struct Mount {
    at: tempfile::TempDir,
}

impl Mount {
    fn new(size: &str) -> Option<Mount> {
        let at = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "rebar-test"])
            .arg(at.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Mount { at }),
            _ => {
                let required = std::env::var_os("REBAR_TEST_REQUIRE_ALL").is_some();
                assert!(!required, "this user cannot mount a small file system");
                // Past the harness, which keeps what `println!` prints to itself.
                let text = b"SKIPPED: this user cannot mount a small file system (run as root)\n";
                let _ = std::io::Write::write_all(&mut std::io::stderr(), text);
                None
            }
        }
    }

    fn read_only(&self, read_only: bool) {
        let option = if read_only { "remount,ro" } else { "remount,rw" };
        let done = Command::new("mount")
            .args(["-o", option])
            .arg(self.at.path())
            .status()
            .unwrap();
        assert!(done.success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.at.path()).status());
    }
}

fn fill(folder: &Path, but: usize) {
    let ballast = folder.join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    let block = [0_u8; 4096];
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(but as u64)).unwrap();
}

#[tokio::test]
async fn a_full_disk_is_said_and_loses_nothing() {
    let Some(mount) = Mount::new("2m") else { return };
    let path = mount.at.path().join("new").join("state.db");
    fill(mount.at.path(), 16 * 1024);
    let error = State::open(&path).unwrap_err();
    assert_eq!(error.code(), "E1007", "{error}");
    // More room each time: the program gets further each time, and says the same.
    let mut full = 0;
    let world = TestWorld::new();
    for room in (64..800).step_by(48) {
        fill(mount.at.path(), room * 1024);
        // The process that found no room to give its lease back is this one; a real one would be gone.
        if path.exists()
            && let Ok(raw) = rusqlite::Connection::open(&path)
        {
            drop(raw.execute(
                "UPDATE deploy SET holder = json_set(holder, '$.pid', 4194304)",
                [],
            ));
        }
        let state = match State::open(&path) {
            Ok(state) => state,
            Err(error) => {
                assert_eq!(error.code(), "E1007", "{error}");
                full += 1;
                continue;
            }
        };
        let next = plan(
            &state,
            &world,
            &Spec {
                web: 3,
                ..Spec::default()
            },
        )
        .await;
        match execute(&next, &context(&state, &world)).await {
            Ok(outcome) => {
                assert_eq!(outcome.status, Status::Done);
                break;
            }
            Err(ExecuteError::State(error)) => {
                assert!(["E1005", "E1007"].contains(&error.code()), "{error}");
                full += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    println!("full {full} times before it fitted");
    assert!(full > 1);
    for machine in ["web-1", "web-2", "web-3", "edge"] {
        assert_eq!(
            world.count(&format!("create machine/{machine}")),
            1,
            "{machine} was made once, in spite of all"
        );
    }
    let state = State::open(&path).unwrap();
    assert_eq!(
        state.snapshot_record("shop", "laptop").await.unwrap().nodes.len(),
        4
    );
}

#[tokio::test]
async fn a_read_only_state_is_said() {
    let Some(mount) = Mount::new("4m") else { return };
    mount.read_only(true);
    let path = mount.at.path().join("state.db");
    assert_eq!(State::open(&path).unwrap_err().code(), "E1002");
    mount.read_only(false);
    drop(State::open(&path).unwrap());
    mount.read_only(true);
    let error = State::open(&path).unwrap_err();
    assert_eq!(error.code(), "E1002", "{error}");
    mount.read_only(false);
}

#[test]
fn a_plan_file_is_read_as_it_was_written_or_not_at_all() {
    let folder = folder();
    let path = folder.path().join("shop.plan");
    let made = Spec::default().plan(&Snapshot::default(), &Ledger::default());
    let hash = plan_file::write(&path, &made).unwrap();
    assert_eq!(plan_file::read(&path).unwrap(), (made, hash));
    let text = std::fs::read_to_string(&path).unwrap();
    let code = |content: &str| {
        std::fs::write(&path, content).unwrap();
        let error = plan_file::read(&path).unwrap_err();
        assert!(!error.help().is_empty());
        error.code()
    };
    assert_eq!(code(&text.replace("hello", "hallo")), "E1103");
    assert_eq!(code(&text[..text.len() / 2]), "E1102");
    assert_eq!(code("{}"), "E1102");
    let format = |number| format!("\"format\": {number}");
    let (now, then) = (rebar_compiler::plan::FORMAT, rebar_compiler::plan::FORMAT - 1);
    assert!(text.contains(&format(now)));
    assert_eq!(code(&text.replacen(&format(now), &format(then), 1)), "E1102");
    assert_eq!(
        plan_file::read(&folder.path().join("none")).unwrap_err().code(),
        "E1101"
    );
    assert_eq!(
        plan_file::write(
            Path::new("/proc/none"),
            &Spec::default().plan(&Snapshot::default(), &Ledger::default())
        )
        .unwrap_err()
        .code(),
        "E1101"
    );
}

/// The codes that stand in the sources of state, journal, observation and execution.
fn codes(folder: &Path, found: &mut std::collections::BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes(&path, found);
        } else {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for part in text.split('"').filter(|part| part.len() == 5) {
                if ["E10", "E11", "E12"]
                    .iter()
                    .any(|prefix| part.starts_with(prefix))
                {
                    found.insert(part.to_owned());
                }
            }
        }
    }
}

#[test]
fn every_code_has_a_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = std::collections::BTreeSet::new();
    codes(&root.join("src"), &mut found);
    assert!(found.len() >= 28, "{found:?}");
    for code in found {
        let page = std::fs::read_to_string(root.join(format!("../docs/errors/{code}.md")));
        assert!(
            page.is_ok_and(|text| text.starts_with("# ")),
            "{code} has no page"
        );
    }
}
