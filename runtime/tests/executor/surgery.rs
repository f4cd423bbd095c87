//! Changes of the record alone: they are in the journal, nothing is lost by them, and a replay ends in the same record.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rebar_runtime::backend::{Found, FoundObject, Scope};
use rebar_runtime::execute::{Status, destroy, execute};
use rebar_runtime::journal::{Line, replay};
use rebar_runtime::state::{Document, RunKind, State};

use crate::support::spec::Spec;
use crate::support::world::TestWorld;
use crate::support::{context, folder, plan};

async fn applied(folder: &Path) -> (State, Arc<TestWorld>) {
    let world = TestWorld::new();
    let state = State::in_folder(folder).unwrap();
    let first = plan(&state, &world, &Spec::default()).await;
    let outcome = execute(&first, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done);
    (state, world)
}

/// What is recorded of a deploy is what its journal's lines say.
pub(crate) async fn replays(state: &State, deploy: &str) {
    let mut lines = Vec::new();
    for run in state.history(Some(deploy), 100).await.unwrap() {
        for line in state.lines(&run.run.id).await.unwrap() {
            let replayed = Line {
                operation: line.operation,
                subject: line.subject,
                attempt: line.attempt,
                entry: line.entry,
            };
            lines.push((line.seq, replayed));
        }
    }
    lines.sort_by_key(|(seq, _)| *seq);
    let lines: Vec<Line> = lines.into_iter().map(|(_, line)| line).collect();
    let derived = replay(&lines).unwrap();
    let found = state.inspect(deploy).await.unwrap().unwrap();
    assert!(found.machine.keys().eq(derived.machines.keys()), "{deploy}");
    assert!(found.network.keys().eq(derived.networks.keys()), "{deploy}");
    let steps: usize = found.machine.values().map(|machine| machine.steps.len()).sum();
    assert_eq!(steps, derived.steps.len());
    assert_eq!(state.published_names(deploy).await.unwrap(), derived.names);
}

#[tokio::test]
async fn a_moved_deploy_keeps_everything_and_is_told_in_history() {
    let folder = folder();
    let (state, world) = applied(folder.path()).await;
    let before = state.inspect("shop").await.unwrap().unwrap();
    let epoch = before.epoch;
    state.move_deploy("shop", "store").await.unwrap();
    assert!(state.inspect("shop").await.unwrap().is_none());
    let after = state.inspect("store").await.unwrap().unwrap();
    assert_eq!(
        (&after.machine, &after.network, &after.ledger),
        (&before.machine, &before.network, &before.ledger)
    );
    assert_eq!(after.deploy.id, before.deploy.id, "objects carry the id");
    assert!(after.holder.is_none() && after.epoch == epoch + 1 && after.deploy.serial > before.deploy.serial);
    replays(&state, "store").await;
    let history = state.history(Some("store"), 10).await.unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].run.kind, RunKind::Surgery);
    assert!(history[0].run.who.as_deref().unwrap().contains('@'));
    // Nothing is to be done under the new name.
    let spec = Spec {
        deploy: "store".to_owned(),
        ..Spec::default()
    };
    let next = plan(&state, &world, &spec).await;
    let outcome = execute(&next, &context(&state, &world)).await.unwrap();
    assert_eq!((outcome.status, outcome.changed), (Status::Done, 0));
    // A name under which something stands is refused, its own among them, and nothing has changed.
    let refused = state.move_deploy("store", "store").await.unwrap_err();
    assert_eq!(refused.code(), "E1015", "{refused}");
    assert!(state.inspect("store").await.unwrap().unwrap().holder.is_none());
    let lease = state.lease("empty", "laptop", "test").await.unwrap();
    lease.release().await.unwrap();
    let refused = state.move_deploy("empty", "store").await.unwrap_err();
    assert_eq!(refused.code(), "E1015", "{refused}");
    assert!(state.inspect("empty").await.unwrap().unwrap().holder.is_none());
    let gone = destroy("store", &context(&state, &world)).await.unwrap();
    assert_eq!(gone.status, Status::Done);
}

#[tokio::test]
async fn a_deploy_of_which_nothing_stands_gives_its_name_away() {
    let folder = folder();
    let (state, world) = applied(folder.path()).await;
    // As a first apply that failed early leaves it.
    let lease = state.lease("plaza", "laptop", "test").await.unwrap();
    lease.release().await.unwrap();
    let before = state.inspect("shop").await.unwrap().unwrap();
    state.move_deploy("shop", "plaza").await.unwrap();
    let after = state.inspect("plaza").await.unwrap().unwrap();
    assert_eq!(
        (&after.machine, &after.network, &after.ledger),
        (&before.machine, &before.network, &before.ledger)
    );
    assert_eq!(after.deploy.id, before.deploy.id);
    replays(&state, "plaza").await;
    let document = state.export().await.unwrap();
    assert_eq!(Document::read(&sealed(document.clone())).unwrap(), document);
    let spec = Spec {
        deploy: "plaza".to_owned(),
        ..Spec::default()
    };
    let next = plan(&state, &world, &spec).await;
    let outcome = execute(&next, &context(&state, &world)).await.unwrap();
    assert_eq!((outcome.status, outcome.changed), (Status::Done, 0));
    // What is forgotten is not listed any more; its journal tells of machines, and so the name is not free.
    let names = async || {
        let all = state.deploys().await.unwrap();
        all.into_iter().map(|deploy| deploy.name).collect::<Vec<_>>()
    };
    state.forget("plaza", None).await.unwrap();
    assert!(names().await.is_empty());
    for name in ["mall", "arcade"] {
        let lease = state.lease(name, "laptop", "test").await.unwrap();
        lease.release().await.unwrap();
    }
    let refused = state.move_deploy("mall", "plaza").await.unwrap_err();
    assert_eq!(refused.code(), "E1015", "{refused}");
    state.forget("arcade", None).await.unwrap();
    assert_eq!(names().await, ["mall"]);
    state.move_deploy("mall", "arcade").await.unwrap();
    assert_eq!(names().await, ["arcade"]);
    replays(&state, "plaza").await;
    replays(&state, "arcade").await;
}

#[tokio::test]
async fn what_is_forgotten_is_told_and_touches_nothing() {
    let folder = folder();
    let (state, world) = applied(folder.path()).await;
    let before = state.inspect("shop").await.unwrap().unwrap();
    let one = before.machine.keys().next().unwrap().clone();
    state.forget("shop", Some(&one)).await.unwrap();
    let after = state.inspect("shop").await.unwrap().unwrap();
    assert_eq!(after.machine.len(), before.machine.len() - 1);
    assert!(!after.ledger.contains_key(&one) && after.deploy.id == before.deploy.id);
    replays(&state, "shop").await;
    state.forget("shop", None).await.unwrap();
    let after = state.inspect("shop").await.unwrap().unwrap();
    assert!(after.machine.is_empty() && after.network.is_empty() && after.ledger.is_empty());
    assert_ne!(
        after.deploy.id, before.deploy.id,
        "what was made before is nobody's"
    );
    assert!(after.holder.is_none());
    replays(&state, "shop").await;
    assert_eq!(state.history(None, 10).await.unwrap().len(), 3);
    drop(world);
}

/// What a backend would find of a deploy.
fn found(document: &Document, deploy_id: &str) -> Found {
    let tables = &document.tables;
    let object = |spec: serde_json::Value, operation: &str| (spec, operation.to_owned());
    let operation = |subject: String| {
        let made = tables
            .operation
            .iter()
            .filter(|o| o.subject == subject && o.state == "done");
        made.map(|o| o.id.clone()).next().unwrap_or_default()
    };
    let machines = tables.machine.iter().map(|row| {
        let (spec, operation) = object(
            serde_json::json!(row.spec),
            &operation(format!("machine/{}", row.name)),
        );
        let spec = serde_json::from_value(spec).unwrap();
        (row.name.clone(), whole(operation, Some(spec)))
    });
    let networks = tables.network.iter().map(|row| {
        let (spec, operation) = object(
            serde_json::json!(row.spec),
            &operation(format!("network/{}", row.name)),
        );
        let spec = serde_json::from_value(spec).unwrap();
        (row.name.clone(), whole(operation, Some(spec)))
    });
    Found {
        scope: Scope {
            deploy_id: deploy_id.to_owned(),
            deploy: "shop".to_owned(),
        },
        epoch: 7,
        machines: machines.collect(),
        networks: networks.collect(),
    }
}

fn whole<T>(operation: String, spec: Option<T>) -> FoundObject<T> {
    FoundObject {
        handle: "h".to_owned(),
        operation,
        complete: true,
        spec,
        removal: String::new(),
    }
}

#[tokio::test]
async fn a_lost_state_is_rebuilt_and_makes_nothing_anew() {
    let first = folder();
    let (state, world) = applied(first.path()).await;
    let document = state.export().await.unwrap();
    let id = state.deploy("shop").await.unwrap().unwrap().id;
    let before = state.inspect("shop").await.unwrap().unwrap();
    drop(state);
    let second = folder();
    let state = State::in_folder(second.path()).unwrap();
    let found = found(&document, &id);
    let rebuild = || state.rebuild("shop", "laptop", "test", None, found.clone());
    rebuild().await.unwrap();
    let after = state.inspect("shop").await.unwrap().unwrap();
    assert_eq!(after.deploy.id, id);
    assert!(after.holder.is_none() && after.epoch > before.epoch.max(7));
    assert_eq!(after.network, before.network);
    assert_eq!(after.ledger, before.ledger);
    assert!(after.machine.values().all(|machine| machine.steps.is_empty()));
    replays(&state, "shop").await;
    // Recorded: it is not done a second time.
    assert_eq!(rebuild().await.unwrap_err().code(), "E1015");
    // No machine is made; the steps are ensured and are as they were.
    let made = world.count("create machine/web-1");
    let next = plan(&state, &world, &Spec::default()).await;
    assert!(
        next.nodes
            .iter()
            .all(|row| row.machine == rebar_compiler::plan::ObjectVerb::Keep)
    );
    let outcome = execute(&next, &context(&state, &world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done);
    assert_eq!(world.count("create machine/web-1"), made);
    let steps =
        |of: &rebar_runtime::state::Inspected| of.machine.values().map(|m| m.steps.len()).sum::<usize>();
    assert_eq!(
        steps(&state.inspect("shop").await.unwrap().unwrap()),
        steps(&before)
    );
    replays(&state, "shop").await;
    assert_eq!(
        destroy("shop", &context(&state, &world)).await.unwrap().status,
        Status::Done
    );
    // Forgotten and rebuilt in one state: operations that are known get ids of their own.
    let (state, _world) = applied(folder().path()).await;
    let id = state.deploy("shop").await.unwrap().unwrap().id;
    let found = self::found(&state.export().await.unwrap(), &id);
    state.forget("shop", None).await.unwrap();
    state
        .rebuild("shop", "laptop", "test", None, found.clone())
        .await
        .unwrap();
    replays(&state, "shop").await;
    // What does not tell its making is refused, and nothing is recorded.
    let mut silent = found;
    silent.machines.values_mut().for_each(|object| object.spec = None);
    let other = State::in_folder(folder().path()).unwrap();
    let refused = other
        .rebuild("shop", "laptop", "test", None, silent)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "E1015");
    assert!(other.deploys().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_document_holds_everything_and_comes_back_the_same() {
    let folder = folder();
    let (state, _world) = applied(&folder.path().join("a")).await;
    let file = folder.path().join("state.json");
    state.export_to(&file).await.unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = std::fs::read_to_string(&file).unwrap();
    let document = Document::read(text.as_bytes()).unwrap();
    // What was changed is noticed; what is no document, too.
    for (from, to) in [
        ("\"shop\"", "\"stop\""),
        ("\"format\": 1", "\"format\": 2"),
        ("\"seq\": 3,", "\"seq\": 4,"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert_eq!(Document::read(changed.as_bytes()).unwrap_err().code(), "E1014");
    }
    assert_eq!(Document::read(b"{}").unwrap_err().code(), "E1014");
    // Into nothing.
    let other = State::in_folder(&folder.path().join("b")).unwrap();
    assert!(other.is_empty().await.unwrap());
    other.import(document.clone()).await.unwrap();
    assert_eq!(
        other.snapshot_record("shop", "laptop").await.unwrap().nodes,
        state.snapshot_record("shop", "laptop").await.unwrap().nodes
    );
    replays(&other, "shop").await;
    let again = other.export().await.unwrap();
    assert_eq!(
        (&again.tables.step, &again.lineage),
        (&document.tables.step, &document.lineage)
    );
    let kept = document.tables.journal.len();
    assert_eq!(again.tables.journal[..kept], document.tables.journal[..]);
    // The journal is append-only again.
    let raw = rusqlite::Connection::open(folder.path().join("b/state.db")).unwrap();
    assert!(raw.execute("DELETE FROM journal", []).is_err());
    drop(raw);
    // Over one that has more, or others: refused. Over an earlier one of the same lineage: taken.
    assert_eq!(other.import(document.clone()).await.unwrap_err().code(), "E1013");
    state.import(again).await.unwrap();
    let (stranger, _world) = applied(&folder.path().join("c")).await;
    assert_eq!(
        stranger.import(document.clone()).await.unwrap_err().code(),
        "E1013"
    );
    // Nobody may be at work.
    let later = stranger.export().await.unwrap();
    let lease = stranger.lease("shop", "laptop", "test").await.unwrap();
    assert_eq!(stranger.import(later).await.unwrap_err().code(), "E1005");
    drop(lease);
}

#[tokio::test]
async fn a_backup_is_whole_private_and_replaces_nothing() {
    let folder = folder();
    let (state, _world) = applied(&folder.path().join("a")).await;
    let file = folder.path().join("copy.db");
    state.backup(&file).await.unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let copy = State::open(&file).unwrap();
    assert_eq!(copy.deploys().await.unwrap(), state.deploys().await.unwrap());
    drop(copy);
    assert_eq!(state.backup(&file).await.unwrap_err().code(), "E1015");
    assert_eq!(
        state
            .backup(&folder.path().join("none/copy.db"))
            .await
            .unwrap_err()
            .code(),
        "E1008"
    );
    let first = state.backup_before("move").await.unwrap();
    let second = state.backup_before("move").await.unwrap();
    assert_ne!(first, second);
    let left: Vec<_> = std::fs::read_dir(folder.path().join("a/backups"))
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test]
async fn a_state_of_format_1_is_brought_to_the_current_one() {
    let folder = folder();
    let (state, _world) = applied(&folder.path().join("new")).await;
    let document = serde_json::json!(state.export().await.unwrap());
    let path = folder.path().join("state.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch(include_str!("../data/state-format-1.sql"))
        .unwrap();
    raw.pragma_update(None, "application_id", 0x7262_6172).unwrap();
    raw.pragma_update(None, "user_version", 1).unwrap();
    let _: String = raw
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .unwrap();
    // The rows that format 1 had, as this build makes them.
    let columns: BTreeMap<&str, Vec<String>> = [
        "site",
        "ledger_node",
        "ledger_address",
        "deploy",
        "run",
        "journal",
        "operation",
        "network",
        "machine",
        "step",
        "names",
    ]
    .map(|table| {
        let mut statement = raw
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
            .unwrap();
        (
            table,
            statement
                .query_map([], |row| row.get(0))
                .unwrap()
                .flatten()
                .collect(),
        )
    })
    .into();
    raw.pragma_update(None, "foreign_keys", false).unwrap();
    for (table, columns) in columns {
        for row in document["tables"][table].as_array().unwrap() {
            let values: Vec<String> = columns
                .iter()
                .map(|column| match &row[column] {
                    serde_json::Value::Null => "NULL".to_owned(),
                    serde_json::Value::String(text) => format!("'{}'", text.replace('\'', "''")),
                    serde_json::Value::Number(number) => number.to_string(),
                    other => format!("'{}'", other.to_string().replace('\'', "''")),
                })
                .collect();
            raw.execute(
                &format!(
                    "INSERT INTO {table} ({}) VALUES ({})",
                    columns.join(","),
                    values.join(",")
                ),
                [],
            )
            .unwrap();
        }
    }
    raw.close().unwrap();
    let old = State::open(&path).unwrap();
    assert_eq!(
        old.snapshot_record("shop", "laptop").await.unwrap().nodes,
        state.snapshot_record("shop", "laptop").await.unwrap().nodes
    );
    replays(&old, "shop").await;
    let history = old.history(None, 10).await.unwrap();
    assert_eq!((history.len(), history[0].run.who.as_deref()), (1, None));
    // What refers to the table that was made anew still does; and it can be operated on.
    drop(old);
    let raw = rusqlite::Connection::open(&path).unwrap();
    let broken: i64 = raw
        .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(broken, 0);
    raw.pragma_update(None, "foreign_keys", true).unwrap();
    assert!(
        raw.execute("DELETE FROM run", []).is_err(),
        "the journal refers to it"
    );
    drop(raw);
    let old = State::open(&path).unwrap();
    old.move_deploy("shop", "store").await.unwrap();
    replays(&old, "store").await;
}

#[tokio::test]
async fn a_table_or_a_trigger_that_was_taken_out_is_noticed() {
    let folder = folder();
    let (state, _world) = applied(folder.path()).await;
    drop(state);
    let path = folder.path().join("state.db");
    let whole = std::fs::read(&path).unwrap();
    for sql in [
        "DROP TABLE journal",
        "DROP TRIGGER journal_is_append_only_1",
        "DROP INDEX one_open_run",
    ] {
        std::fs::write(&path, &whole).unwrap();
        let raw = rusqlite::Connection::open(&path).unwrap();
        raw.pragma_update(None, "foreign_keys", false).unwrap();
        raw.execute_batch(sql).unwrap();
        raw.close().unwrap();
        let error = State::open(&path).unwrap_err();
        assert_eq!(error.code(), "E1003", "{sql}: {error}");
        assert!(error.to_string().contains("is gone"), "{error}");
    }
}

/// Forgetting is for what is to stay: no later apply takes it for a leftover.
#[tokio::test]
async fn what_is_forgotten_is_never_destroyed() {
    let folder = folder();
    let (state, world) = applied(folder.path()).await;
    state.forget("shop", Some("web-2")).await.unwrap();
    let before = world.log();
    for web in [2, 1] {
        let spec = Spec {
            web,
            ..Spec::default()
        };
        let next = plan(&state, &world, &spec).await;
        let outcome = execute(&next, &context(&state, &world)).await.unwrap();
        if web == 2 {
            assert_eq!(outcome.failed[0].code, "E1209", "{outcome:#?}");
        }
        assert!(world.with(|w| w.machines.contains_key("web-2")), "{outcome:#?}");
    }
    let destroyed = world.log()[before.len()..]
        .iter()
        .any(|entry| entry == "destroy machine/web-2");
    assert!(!destroyed);
}

/// The hash that goes with what a document says now.
fn sealed(mut document: Document) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    document.hash = String::new();
    let digest = Sha256::digest(serde_json::to_vec(&document).unwrap());
    document.hash = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    document.text().into_bytes()
}

#[tokio::test]
async fn a_document_that_cannot_be_a_state_is_refused() {
    let folder = folder();
    let (state, _) = applied(folder.path()).await;
    let whole = state.export().await.unwrap();
    assert_eq!(Document::read(&sealed(whole.clone())).unwrap(), whole);
    type Damage = fn(&mut serde_json::Value);
    let damages: [(&str, Damage); 9] = [
        ("machine `", |t| t["machine"][0]["addresses"] = 7.into()),
        ("machine `", |t| t["machine"][0]["spec"] = serde_json::json!({})),
        ("step `", |t| t["step"][0]["recipe"] = serde_json::Value::Null),
        ("line `", |t| t["journal"][0]["payload"] = serde_json::json!({})),
        ("`seq`", |t| t["journal"][0]["seq"] = i64::MAX.into()),
        ("`epoch`", |t| t["deploy"][0]["epoch"] = (-1).into()),
        ("outcome", |t| t["run"][0]["outcome"] = "\u{1b}[2J".into()),
        ("not what its journal says", |t| {
            t["step"].as_array_mut().unwrap().pop();
        }),
        ("the journal of `shop`", |t| {
            t["journal"].as_array_mut().unwrap().remove(0);
        }),
    ];
    for (says, damage) in damages {
        let mut value = serde_json::to_value(&whole).unwrap();
        damage(&mut value["tables"]);
        let document: Document = serde_json::from_value(value).unwrap();
        let error = Document::read(&sealed(document)).unwrap_err();
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
}
