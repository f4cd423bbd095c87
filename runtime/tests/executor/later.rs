//! Values that exist only later: what a step finds out on one node is filled into steps of others, recorded, and the same
//! as long as nothing changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rebar_compiler::plan::{self, Plan, Reason, StepVerbs};
use rebar_runtime::execute::{ExecuteError, Outcome, Status, execute};
use rebar_runtime::journal::{Line, replay};
use rebar_runtime::state::State;

use crate::project::compiled;
use crate::support::crash::{CrashAt, Side};
use crate::support::world::TestWorld;
use crate::support::{context, folder};

const CLUSTER: &str = r#"
use std.linux { capture, command, file, service }
use std.image { bookworm }

network front { cidr = 10.20.0.0/24 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }

role lead(size: Int = 1) {
  command make { run = "init > /etc/token", creates = "/etc/token", environment = { SIZE = "{size}" } }
  capture token { run = "cat /etc/token" }
  file copy { path = "/etc/copy", content = "{node.name}: {token.text}" }
  service agent { name = "agent", reload_on = [copy] }
  out token: String = token.text
}
role member(token: String) {
  file membership { path = "/etc/join", content = "join with {token}" }
  capture kernel { run = "uname -r" }
  out kernel: String = "{node.name} {kernel.text}"
}
role board(kernels: List<String>) {
  file list { path = "/etc/kernels", content = join(kernels, ", ") }
}
workload cluster(size: Int = 1) {
  node  head { hardware = small }
  nodes web  { count = 2, hardware = small }
  run first = lead(size) on head
  run members = member(first.token) on web
  run shown = board(members.kernel) on head
  out token: String = first.token
}
site laptop { machines = local(image = bookworm) }
deploy here = cluster() on laptop
"#;

struct Bed {
    folder: tempfile::TempDir,
    world: Arc<TestWorld>,
}

impl Bed {
    fn new() -> Bed {
        Bed {
            folder: folder(),
            world: TestWorld::new(),
        }
    }

    fn state(&self) -> State {
        State::in_folder(self.folder.path()).unwrap()
    }

    async fn plan(&self, text: &str) -> Plan {
        compiled(text, &self.state(), &self.world).await
    }

    async fn go(&self, plan: &Plan, crash: Option<&CrashAt>) -> Result<Outcome, ExecuteError> {
        let mut context = context(&self.state(), &self.world);
        context.journal = crash.map(CrashAt::layer);
        execute(plan, &context).await
    }

    async fn apply(&self, text: &str) -> Outcome {
        let plan = self.plan(text).await;
        self.go(&plan, None).await.unwrap()
    }

    fn content(&self, node: &str, file: &str) -> String {
        let thing = self.world.picture()[&format!("{node}/file {file}")].clone();
        let thing: serde_json::Value = serde_json::from_str(&thing).unwrap();
        thing["content"].as_str().unwrap().to_owned()
    }

    /// The record is what the journal says, with what was found out.
    async fn record_is_replayed(&self) {
        let state = self.state();
        let mut lines: Vec<Line> = Vec::new();
        for run in state.runs("here", 100).await.unwrap().iter().rev() {
            lines.extend(state.lines(&run.id).await.unwrap().into_iter().map(|l| Line {
                operation: l.operation,
                subject: l.subject,
                attempt: l.attempt,
                entry: l.entry,
            }));
        }
        let derived = replay(&lines).unwrap();
        let record = state.snapshot_record("here", "laptop").await.unwrap();
        for (name, node) in &record.nodes {
            for (address, step) in &node.steps {
                let replayed = &derived.steps[&(name.clone(), address.clone())];
                assert_eq!(*step, replayed.recipe, "{name}/{address}");
            }
        }
    }
}

/// What is to be done on a node, and why.
fn ensured(plan: &Plan, node: &str) -> BTreeMap<String, Reason> {
    let row = plan.nodes.iter().find(|row| row.name == node).unwrap();
    match &row.steps {
        StepVerbs::All => panic!("all of {node}"),
        StepVerbs::Some { ensure, .. } => ensure.clone(),
    }
}

#[tokio::test]
async fn what_is_found_out_on_one_node_is_used_on_others_and_a_second_plan_is_empty() {
    let bed = Bed::new();
    let outcome = bed.apply(CLUSTER).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    assert_eq!(outcome.outputs["token"], "cat /etc/token of head");
    assert_eq!(bed.content("head", "/etc/copy"), "head: cat /etc/token of head");
    assert_eq!(
        bed.content("web-2", "/etc/join"),
        "join with cat /etc/token of head"
    );
    assert_eq!(
        bed.content("head", "/etc/kernels"),
        "web-1 uname -r of web-1, web-2 uname -r of web-2"
    );
    let second = bed.plan(CLUSTER).await;
    assert!(plan::is_empty(&second), "{:#?}", second.nodes);
    bed.record_is_replayed().await;
    // Nothing is to be done, and the outputs are known all the same.
    let outcome = bed.go(&second, None).await.unwrap();
    assert_eq!(outcome.outputs["token"], "cat /etc/token of head");
}

#[tokio::test]
async fn users_are_told_as_known_after_apply_and_change_only_with_the_value() {
    let bed = Bed::new();
    bed.apply(CLUSTER).await;
    let before = bed.world.picture();
    // Something before the token on its node is done: it is read again, and is the same.
    let larger = CLUSTER.replace("cluster() on", "cluster(size = 2) on");
    let plan = bed.plan(&larger).await;
    let on_web = ensured(&plan, "web-1");
    assert_eq!(
        on_web["members.membership"],
        Reason::Awaits(vec!["first.token".to_owned()]),
        "{on_web:#?}"
    );
    assert_eq!(ensured(&plan, "head")["first.token"], Reason::Verify);
    let outcome = bed.go(&plan, None).await.unwrap();
    assert_eq!(
        (outcome.status, outcome.changed),
        (Status::Done, 1),
        "{outcome:#?}"
    );
    let mut after = bed.world.picture();
    after.retain(|name, _| !name.starts_with("head/command"));
    assert!(after.iter().all(|(name, thing)| before[name] == *thing));
    assert!(plan::is_empty(&bed.plan(&larger).await));
    // Now it is another one: seen as drift, and carried everywhere.
    bed.world
        .with(|w| w.printed.insert("head".to_owned(), "new".into()));
    let plan = bed.plan(&larger).await;
    assert!(matches!(
        ensured(&plan, "head")["first.token"],
        Reason::Drifted(_)
    ));
    assert!(matches!(ensured(&plan, "head")["first.copy"], Reason::Awaits(_)));
    assert!(
        ensured(&plan, "head").contains_key("first.agent"),
        "it loads the file"
    );
    let outcome = bed.go(&plan, None).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    assert_eq!(bed.content("web-1", "/etc/join"), "join with new");
    assert_eq!(bed.content("head", "/etc/copy"), "head: new");
    assert!(plan::is_empty(&bed.plan(&larger).await));
    bed.record_is_replayed().await;
}

#[tokio::test]
async fn a_crash_at_any_line_loses_no_value() {
    let expected = Bed::new();
    let count = CrashAt::new(i64::MAX, Side::Before);
    let plan = expected.plan(CLUSTER).await;
    expected.go(&plan, Some(&count)).await.unwrap();
    for number in 0..count.appends() {
        for side in [Side::Before, Side::After] {
            let bed = Bed::new();
            let plan = bed.plan(CLUSTER).await;
            let crash = CrashAt::new(number, side);
            let broken = bed.go(&plan, Some(&crash)).await;
            if !crash.died() {
                continue;
            }
            assert!(broken.is_err());
            // The same plan goes on, or a new one takes its place.
            let plan = match number % 2 {
                0 => plan,
                _ => bed.plan(CLUSTER).await,
            };
            let outcome = bed.go(&plan, None).await.unwrap();
            assert_eq!(outcome.status, Status::Done, "{number} {side:?} {outcome:#?}");
            assert_eq!(outcome.outputs["token"], "cat /etc/token of head");
            let steps = |bed: &Bed| {
                let mut picture = bed.world.picture();
                picture.retain(|name, _| !name.starts_with("machine/"));
                picture
            };
            assert_eq!(steps(&bed), steps(&expected), "{number} {side:?}");
            bed.record_is_replayed().await;
            assert!(plan::is_empty(&bed.plan(CLUSTER).await), "{number} {side:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for() {
    for events in 1..12 {
        let bed = Bed::new();
        bed.world
            .with(|w| w.broken_lines.insert("head".to_owned(), events));
        let outcome = bed.apply(CLUSTER).await;
        assert_eq!(outcome.status, Status::Done, "{events} {outcome:#?}");
        assert_eq!(
            bed.content("web-1", "/etc/join"),
            "join with cat /etc/token of head"
        );
        assert!(plan::is_empty(&bed.plan(CLUSTER).await));
        bed.record_is_replayed().await;
    }
}

#[tokio::test]
async fn what_a_node_answers_is_held_against_what_it_was_to() {
    for answer in [
        serde_json::json!(null),
        serde_json::json!(7),
        "x".repeat(100_000).into(),
    ] {
        let bed = Bed::new();
        bed.world.with(|w| w.printed.insert("head".to_owned(), answer));
        let outcome = bed.apply(CLUSTER).await;
        assert_eq!(outcome.failed.len(), 1, "{outcome:#?}");
        let failure = &outcome.failed[0];
        assert_eq!(failure.step.as_deref(), Some("first.token"));
        assert!(failure.message.contains("did not tell"), "{}", failure.message);
        assert!(outcome.blocked.iter().any(|b| b.subject.starts_with("web-1")));
        // Once it answers, all goes on.
        bed.world.with(|w| w.printed.clear());
        assert_eq!(bed.apply(CLUSTER).await.status, Status::Done);
        assert_eq!(
            bed.content("web-1", "/etc/join"),
            "join with cat /etc/token of head"
        );
    }
}

/// Steps after one that is waited for are asked for in a conversation of their own: nothing is said of them before.
#[tokio::test]
async fn what_was_not_asked_for_yet_is_not_told_as_failed() {
    let bed = Bed::new();
    let probing = CLUSTER
        .replace("use std.linux {", "use std.linux { probe,")
        .replace(
            "  file copy",
            "  probe up { url = \"http://{node.address}/\" }\n  file copy",
        );
    bed.world
        .fail_step("head/first.up", rebar_agent::protocol::FailureClass::Terminal, 1);
    let outcome = bed.apply(&probing).await;
    assert_eq!(outcome.failed.len(), 1, "{outcome:#?}");
    assert_eq!(outcome.failed[0].step.as_deref(), Some("first.up"));
    assert_eq!(bed.apply(&probing).await.status, Status::Done);
}
