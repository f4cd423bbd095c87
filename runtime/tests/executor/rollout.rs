//! Rollouts: how many may be away at a time, how many may fail, and what settles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rebar_agent::protocol::FailureClass;
use rebar_compiler::plan::{Plan, Rollout, StepVerbs};
use rebar_runtime::execute::{Event, Outcome, Status, execute};
use rebar_runtime::state::State;

use crate::support::spec::Spec;
use crate::support::world::TestWorld;
use crate::support::{context, folder, listen, plan};

/// A deploy that stands, with a greeting to be rolled out.
struct Bed {
    _folder: tempfile::TempDir,
    world: Arc<TestWorld>,
    state: State,
    spec: Spec,
    begun: usize,
}

impl Bed {
    async fn of(web: usize, rollout: Rollout) -> Bed {
        let folder = folder();
        let world = Arc::new(TestWorld {
            at_a_time: 8,
            step_time: Duration::from_millis(5),
            ..TestWorld::default()
        });
        let state = State::in_folder(folder.path()).unwrap();
        let spec = Spec {
            web,
            rollout,
            ..Spec::default()
        };
        let first = plan(&state, &world, &spec).await;
        let outcome = execute(&first, &context(&state, &world)).await.unwrap();
        assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
        let begun = world.log().len();
        let spec = Spec {
            greeting: "hi".to_owned(),
            ..spec
        };
        Bed {
            _folder: folder,
            world,
            state,
            spec,
            begun,
        }
    }

    async fn plan(&self) -> Plan {
        plan(&self.state, &self.world, &self.spec).await
    }

    async fn apply(&self, plan: &Plan) -> Outcome {
        execute(plan, &context(&self.state, &self.world)).await.unwrap()
    }

    fn fail(&self, node: &str) {
        self.world
            .fail_step(&format!("{node}/pages.page"), FailureClass::Terminal, 1);
    }

    fn stop(&self, node: &str) {
        self.world
            .with(|w| w.machines.get_mut(node).unwrap().running = false);
    }

    /// Who was at work on the page together, each time another one began.
    fn together(&self) -> Vec<BTreeSet<String>> {
        let (mut now, mut all) = (BTreeSet::new(), Vec::new());
        for entry in &self.world.log()[self.begun..] {
            match entry.split_once(' ') {
                Some(("begin", step)) if step.ends_with("/pages.page") => {
                    now.insert(step.split('/').next().unwrap().to_owned());
                    all.push(now.clone());
                }
                Some(("end" | "fail", step)) if step.ends_with("/pages.page") => {
                    now.remove(step.split('/').next().unwrap());
                }
                _ => {}
            }
        }
        all
    }

    fn most(&self) -> usize {
        self.together().iter().map(BTreeSet::len).max().unwrap_or(0)
    }
}

fn limit(max_unavailable: u32, batch: u32) -> Rollout {
    Rollout {
        batch: Some(batch),
        max_unavailable: Some(max_unavailable),
        ..Rollout::default()
    }
}

fn blocked(outcome: &Outcome) -> BTreeMap<&str, &str> {
    let blocked = outcome.blocked.iter();
    blocked.map(|b| (b.subject.as_str(), b.cause.as_str())).collect()
}

#[tokio::test]
async fn no_more_are_away_at_a_time_than_the_limit_says() {
    let bed = Bed::of(6, limit(2, 6)).await;
    let outcome = bed.apply(&bed.plan().await).await;
    assert_eq!((outcome.status, bed.most()), (Status::Done, 2));
    assert_eq!(bed.together().len(), 6);
}

#[tokio::test]
async fn who_was_down_before_is_away_until_it_has_come_back() {
    let bed = Bed::of(4, limit(1, 4)).await;
    bed.stop("web-3");
    let outcome = bed.apply(&bed.plan().await).await;
    assert_eq!(outcome.status, Status::Done);
    let order = bed.together();
    assert_eq!(
        order[0],
        BTreeSet::from(["web-3".to_owned()]),
        "the stopped one goes first"
    );
    assert_eq!(bed.most(), 1);
    assert!(bed.world.position("start machine/web-3") > 0);
}

#[tokio::test]
async fn members_are_counted_by_failure_domain_where_it_is_known() {
    let bed = Bed::of(6, limit(1, 6)).await;
    let mut plan = bed.plan().await;
    let domain = |node: &String| if node.as_str() <= "web-3" { "a" } else { "b" };
    let web = plan.groups.get_mut("web").unwrap();
    web.domains = web
        .nodes
        .iter()
        .map(|n| (n.clone(), domain(n).to_owned()))
        .collect();
    let outcome = bed.apply(&plan).await;
    assert_eq!((outcome.status, bed.most()), (Status::Done, 2));
    for together in bed.together() {
        let domains: BTreeSet<&str> = together.iter().map(domain).collect();
        assert_eq!(domains.len(), together.len(), "{together:?}");
    }
}

#[tokio::test]
async fn what_failed_stays_away_and_is_named_when_nobody_can_go_on() {
    let generous = Rollout {
        error_budget: Some(5),
        ..limit(2, 6)
    };
    let bed = Bed::of(6, generous).await;
    bed.fail("web-1");
    bed.fail("web-2");
    let outcome = bed.apply(&bed.plan().await).await;
    assert_eq!(outcome.failed.len(), 2, "{outcome:#?}");
    let blocked = blocked(&outcome);
    assert_eq!(blocked["web-6/pages"], "web-1/pages.page, web-2/pages.page");
    assert_eq!(bed.together().len(), 2);
}

#[tokio::test]
async fn a_budget_lets_some_fail_and_no_more() {
    let one = Rollout {
        batch: Some(1),
        error_budget: Some(1),
        ..Rollout::default()
    };
    let bed = Bed::of(6, one).await;
    bed.fail("web-1");
    bed.fail("web-3");
    let outcome = bed.apply(&bed.plan().await).await;
    assert_eq!(outcome.status, Status::Partial);
    let blocked = blocked(&outcome);
    for node in ["web-4/pages", "web-5/pages", "web-6/pages"] {
        assert_eq!(blocked[node], "web-1/pages.page, web-3/pages.page");
    }
    assert_eq!(bed.together().len(), 3, "web-2 went on after the first failure");
    // Within the budget the rest is done, and the failure still is one.
    let outcome = bed.apply(&bed.plan().await).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
}

#[tokio::test]
async fn within_the_budget_the_outcome_still_is_partial() {
    let one = Rollout {
        batch: Some(2),
        error_budget: Some(1),
        ..Rollout::default()
    };
    let bed = Bed::of(4, one).await;
    bed.fail("web-1");
    let outcome = bed.apply(&bed.plan().await).await;
    assert_eq!((outcome.status, outcome.failed.len()), (Status::Partial, 1));
    assert!(outcome.blocked.is_empty(), "{outcome:#?}");
    assert_eq!(bed.together().len(), 4);
}

fn quorum(quorum: u32) -> Rollout {
    Rollout {
        quorum: Some(quorum),
        ..Rollout::default()
    }
}

#[tokio::test]
async fn a_quorum_always_serves() {
    let bed = Bed::of(5, quorum(3)).await;
    let outcome = bed.apply(&bed.plan().await).await;
    assert_eq!((outcome.status, bed.most()), (Status::Done, 2));
}

#[tokio::test]
async fn a_quorum_that_is_never_reached_blocks_with_the_reason() {
    let bed = Bed::of(5, quorum(4)).await;
    let mut plan = bed.plan().await;
    // It stops after the plan was made, and the plan has nothing to do on it.
    bed.stop("web-5");
    let row = plan.nodes.iter_mut().find(|row| row.name == "web-5").unwrap();
    row.steps = StepVerbs::Some {
        ensure: BTreeMap::new(),
        remove: Vec::new(),
        remove_last: Vec::new(),
    };
    let outcome = bed.apply(&plan).await;
    assert_eq!(outcome.status, Status::Failed, "{outcome:#?}");
    let [failure] = outcome.failed.as_slice() else {
        panic!("{outcome:#?}");
    };
    assert_eq!(
        (failure.node.as_str(), failure.code.as_str()),
        ("rollout/pages", "E1221")
    );
    assert!(failure.message.contains("web-5"), "{}", failure.message);
    assert_eq!(blocked(&outcome)["web-1/pages"], "rollout/pages");
    assert!(bed.together().is_empty());
}

#[tokio::test]
async fn a_group_that_grows_waits_for_the_quorum_too() {
    let mut bed = Bed::of(2, quorum(2)).await;
    bed.spec.web = 4;
    let outcome = bed.apply(&bed.plan().await).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    let (mut serving, mut least) = (2_i32, 2);
    for entry in &bed.world.log()[bed.begun..] {
        let page = |node: &str| entry.ends_with(&format!("{node}/pages.page"));
        let old = page("web-1") || page("web-2");
        match entry.split_once(' ') {
            Some(("begin", _)) if old => serving -= 1,
            Some(("end", step)) if old || step.ends_with("/pages.serve") => serving += 1,
            _ => {}
        }
        least = least.min(serving);
    }
    assert_eq!(least, 2);
}

/// Takes a page away from a node as soon as a batch rests.
async fn apply_with_damage(bed: &Bed, plan: &Plan, node: &'static str) -> (Outcome, Vec<Event>) {
    let mut context = context(&bed.state, &bed.world);
    let events = listen(&mut context);
    let (sink, world) = (context.events.clone(), bed.world.clone());
    context.events = Arc::new(move |event| {
        if matches!(event, Event::Settling { .. }) {
            let machine = world.with(|w| w.machines[node].node.clone());
            machine
                .lock()
                .unwrap()
                .things
                .retain(|thing, _| !thing.starts_with("file"));
        }
        sink(event);
    });
    let outcome = execute(plan, &context).await.unwrap();
    let events = events.lock().unwrap().clone();
    (outcome, events)
}

#[tokio::test]
async fn a_batch_that_is_not_well_after_its_rest_has_failed() {
    let settle = Rollout {
        canary: Some(1),
        batch: Some(2),
        settle: Some(10_000_000),
        ..Rollout::default()
    };
    let bed = Bed::of(4, settle.clone()).await;
    let (outcome, _) = apply_with_damage(&bed, &bed.plan().await, "web-1").await;
    assert_eq!(outcome.status, Status::Partial, "{outcome:#?}");
    let [failure] = outcome.failed.as_slice() else {
        panic!("{outcome:#?}");
    };
    assert_eq!(
        (failure.subject().as_str(), failure.code.as_str()),
        ("web-1/pages.page", "E1220")
    );
    assert_eq!(blocked(&outcome)["web-2/pages"], "web-1/pages.page");
    assert_eq!(bed.together().len(), 1);
    // The last batch is looked at as well.
    let bed = Bed::of(4, settle).await;
    let (outcome, events) = apply_with_damage(&bed, &bed.plan().await, "web-4").await;
    assert_eq!(outcome.failed.len(), 1, "{outcome:#?}");
    assert_eq!(bed.together().len(), 4);
    let rests = events.iter().filter(|e| matches!(e, Event::Settling { .. }));
    assert_eq!(rests.count(), 3);
}
