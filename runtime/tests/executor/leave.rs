//! `on leave`: what is done on a node before it goes.

use std::sync::Arc;

use rebar_agent::protocol::FailureClass;
use rebar_compiler::plan::{Wanted, leave_undrained, select};
use rebar_runtime::execute::{Event, Outcome, Status, execute};
use rebar_runtime::observe::{Depth, observe};
use rebar_runtime::state::State;

use crate::project::compiled;
use crate::support::world::TestWorld;
use crate::support::{context, folder, listen};

const SHOP: &str = r#"
use std.linux { file, service }
use std.image { bookworm }

network front { cidr = 10.20.0.0/24, gateway = 10.20.0.1 }
hardware small { cpu = 1, memory = 512MiB, nic eth0 { network = front } }

role page() {
  service web { name = "nginx" }
  on leave {
    file note { path = "/run/leaving", content = "{node.name}" }
    service off { name = "nginx", running = false }
    file last { path = "/run/left", content = "" }
  }
}
role entry(backends: List<String>) {
  file config { path = "/etc/proxy.cfg", content = join(backends, " ") }
}
workload shop(replicas: Int) {
  nodes web  { count = replicas, hardware = small }
  node  edge { hardware = small }
  run pages = page() on web { batch = 1 }
  run front_door = entry(backends = web.name) on edge { after = [pages] }
}
site laptop { machines = local(image = bookworm) }
deploy here = shop(replicas = 3) on laptop
"#;

struct Bed {
    _folder: tempfile::TempDir,
    world: Arc<TestWorld>,
    state: State,
    begun: usize,
}

impl Bed {
    async fn new() -> Bed {
        let (folder, world) = (folder(), TestWorld::new());
        let state = State::in_folder(folder.path()).unwrap();
        let mut bed = Bed {
            _folder: folder,
            world,
            state,
            begun: 0,
        };
        assert_eq!(bed.apply(SHOP).await.0.status, Status::Done);
        bed.begun = bed.world.log().len();
        bed
    }

    async fn apply(&self, text: &str) -> (Outcome, Vec<Event>) {
        let plan = compiled(text, &self.state, &self.world).await;
        let mut context = context(&self.state, &self.world);
        let events = listen(&mut context);
        let outcome = execute(&plan, &context).await.unwrap();
        let events = events.lock().unwrap().clone();
        (outcome, events)
    }

    fn at(&self, entry: &str) -> usize {
        let log = self.world.log();
        let place = log.iter().skip(self.begun).position(|e| e == entry);
        place.unwrap_or_else(|| panic!("`{entry}` is not in {log:#?}"))
    }

    fn drains(&self) -> usize {
        self.world.count("begin web-3/pages.note")
    }
}

fn of_two() -> String {
    SHOP.replace("replicas = 3", "replicas = 2")
}

#[tokio::test]
async fn a_node_is_drained_after_its_users_and_before_its_machine_goes() {
    let bed = Bed::new().await;
    let (outcome, _) = bed.apply(&of_two()).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    let order = [
        "end edge/front_door.config",
        "begin web-3/pages.note",
        "begin web-3/pages.off",
        "end web-3/pages.off",
        "destroy machine/web-3",
    ];
    let places: Vec<usize> = order.iter().map(|entry| bed.at(entry)).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(bed.world.count("begin web-1/pages.note"), 0);
}

#[tokio::test]
async fn the_recipe_is_that_of_the_last_apply_whatever_the_spec_says_now() {
    let bed = Bed::new().await;
    let start = SHOP.find("  on leave").unwrap();
    let end = SHOP.find("role entry").unwrap();
    let without = format!("{}}}\n{}", &SHOP[..start], &SHOP[end..]).replace("replicas = 3", "replicas = 2");
    let (outcome, _) = bed.apply(&without).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    assert!(bed.at("end web-3/pages.off") < bed.at("destroy machine/web-3"));
    // Now it is out of the record of the others as well.
    let (outcome, _) = bed.apply(&without.replace("replicas = 2", "replicas = 1")).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    assert_eq!(bed.world.count("begin web-2/pages.note"), 0);
}

#[tokio::test]
async fn a_machine_that_could_not_be_drained_stays() {
    let bed = Bed::new().await;
    bed.world.fail_step("web-3/pages.last", FailureClass::Terminal, 1);
    let (outcome, _) = bed.apply(&of_two()).await;
    assert_eq!(outcome.failed.len(), 1, "{outcome:#?}");
    assert_eq!(
        bed.world.count("end web-3/pages.off"),
        1,
        "the service was stopped"
    );
    let help = outcome.failed[0].help.clone().unwrap();
    assert!(help.contains("--no-drain web-3"), "{help}");
    assert_eq!(outcome.blocked[0].subject, "machine/web-3");
    assert_eq!(bed.world.count("destroy machine/web-3"), 0);
    // It may stay after all: what was done to drain it is taken back.
    let (outcome, _) = bed.apply(SHOP).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    assert_eq!(bed.world.count("begin web-3/pages.web"), 2);
    // Or it goes later, and is drained again.
    let (outcome, _) = bed.apply(&of_two()).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    assert_eq!(bed.drains(), 3, "once, taken back, once more");
}

#[tokio::test]
async fn it_can_be_let_go_as_it_is() {
    let bed = Bed::new().await;
    let mut plan = compiled(&of_two(), &bed.state, &bed.world).await;
    assert!(!leave_undrained(&mut plan, "web-1"));
    assert!(leave_undrained(&mut plan, "web-3"));
    let outcome = execute(&plan, &context(&bed.state, &bed.world)).await.unwrap();
    assert_eq!((outcome.status, bed.drains()), (Status::Done, 0));
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_goes_without_and_that_is_told() {
    for stopped in [true, false] {
        let bed = Bed::new().await;
        let plan = compiled(&of_two(), &bed.state, &bed.world).await;
        bed.world.with(|w| {
            if stopped {
                w.machines.get_mut("web-3").unwrap().running = false;
            } else {
                w.unreachable.push("web-3".to_owned());
            }
        });
        let mut context = context(&bed.state, &bed.world);
        let events = listen(&mut context);
        let outcome = execute(&plan, &context).await.unwrap();
        assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
        assert_eq!((bed.drains(), bed.world.count("destroy machine/web-3")), (0, 1));
        let told = |event: &Event| matches!(event, Event::LeaveSkipped { node, .. } if node == "web-3");
        assert!(events.lock().unwrap().iter().any(told));
    }
}

#[tokio::test]
async fn a_machine_that_is_replaced_is_drained_in_its_batch() {
    let bed = Bed::new().await;
    let (outcome, _) = bed.apply(&SHOP.replace("512MiB", "1GiB")).await;
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    for (node, next) in [
        ("web-1", Some("web-2")),
        ("web-2", Some("web-3")),
        ("web-3", None),
    ] {
        let drained = bed.at(&format!("end {node}/pages.off"));
        assert!(drained < bed.at(&format!("destroy machine/{node}")));
        if let Some(next) = next {
            assert!(bed.at(&format!("end {node}/pages.web")) < bed.at(&format!("begin {next}/pages.note")));
        }
    }
}

#[tokio::test]
async fn a_machine_that_is_replaced_on_request_is_drained_too() {
    let bed = Bed::new().await;
    let mut plan = compiled(SHOP, &bed.state, &bed.world).await;
    let snapshot = observe(&bed.state, bed.world.as_ref(), "here", "laptop", Depth::Nodes)
        .await
        .unwrap();
    let wanted = Wanted {
        replace: vec!["web-3".to_owned()],
        ..Wanted::default()
    };
    select(&mut plan, &wanted, &snapshot).unwrap();
    let outcome = execute(&plan, &context(&bed.state, &bed.world)).await.unwrap();
    assert_eq!(outcome.status, Status::Done, "{outcome:#?}");
    assert_eq!(bed.drains(), 1);
    assert!(bed.at("end web-3/pages.last") < bed.at("destroy machine/web-3"));
}
