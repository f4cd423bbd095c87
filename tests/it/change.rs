//! What changes keep, and what a deploy is given beside its spec, with the real program on real machines.

use crate::support::machines::{Backend, alone};
use crate::support::{Ran, World};

const SPEC: &str = r#"
use std.linux { file }
use std.image { bookworm }

network  front { cidr = 10.103.0.0/24, gateway = 10.103.0.1 }
hardware small { cpu = 1, memory = 256MiB, nic eth0 { network = front } }

role page(text: String) {
  file index { path = "/srv/index", content = text }
  file other { path = "/srv/other", content = "beside {node.name}" }
  out url: Url = "http://{node.address}/"
}
workload shop(replicas: Int in 1..5 = 1, text: String = "hello") {
  nodes web { count = replicas, hardware = small }
  run pages = page(text) on web
  out urls: List<Url> = pages.url
}
workload reader(urls: List<Url>) {
  node one { hardware = small }
  run main = page(join(urls, " ")) on one
}
site here { machines = local(image = bookworm) }
deploy shop_here   = shop() on here
deploy reader_here = reader(urls = outputs(shop_here).urls) on here
"#;

fn world() -> World {
    World::of_spec(SPEC)
}

fn says(ran: &Ran, parts: &[&str]) {
    let all = format!("{}{}", ran.out, ran.err);
    for part in parts {
        assert!(all.contains(part), "`{part}` is not in\n{all}");
    }
}

#[test]
fn arguments_are_given_and_what_is_wrong_with_them_is_told() {
    let world = world();
    let file = world.project.join("values.json");
    std::fs::write(&file, "{ \"replicas\": 2, \"text\": \"of the file\" }").unwrap();
    let file = file.to_str().unwrap().to_owned();
    let ran = world.good(&["plan", "shop_here", "--args", &file, "--arg", "replicas=3"]);
    says(
        &ran,
        &[
            "given: replicas = 3 (--arg)",
            "given: text = \"of the file\" (--args ",
            "3 machines to create",
        ],
    );
    let with = world
        .command(&["plan", "shop_here"])
        .env("REBAR_ARG_replicas", "4")
        .output()
        .unwrap();
    says(
        &Ran::from(with),
        &["given: replicas = 4 (REBAR_ARG_replicas)", "4 machines to create"],
    );
    world.good(&["graph", "shop_here", "--arg", "replicas=2"]);
    world.good(&[
        "rehearse",
        "shop_here",
        "--runs",
        "1",
        "--faults",
        "none",
        "--arg",
        "replicas=2",
    ]);
    let ran = world.run(&["compare", "shop_here", "shop_here", "--arg", "text=other"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for (arguments, code, exit) in [
        (vec!["--arg", "replicas=9"], "E0305", 1),
        (vec!["--arg", "replica=2"], "E0451", 1),
        (vec!["--arg", "replicas"], "E1640", 2),
        (vec!["--args", "nowhere.json"], "E1641", 2),
    ] {
        let ran = world.run(&[vec!["plan", "shop_here"], arguments].concat());
        assert_eq!(ran.code, exit, "{ran:?}");
        says(&ran, &[code]);
    }
    let plan = world.project.join("one.plan");
    let plan = plan.to_str().unwrap();
    world.good(&["plan", "shop_here", "--arg", "replicas=2", "-o", plan]);
    let ran = world.run(&["apply", plan, "--arg", "replicas=3"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    says(&ran, &["E1643"]);
    let ran = world.run(&["plan", "reader_here"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    says(&ran, &["E0452", "rebar apply shop_here"]);
    world.good(&["check"]);
}

#[test]
fn what_is_moved_stays_and_what_was_given_is_not_forgotten() {
    let _alone = alone();
    if !Backend::Local.is_here("what is moved") {
        return;
    }
    let world = world();
    world.good(&[
        "apply",
        "shop_here",
        "--yes",
        "--arg",
        "replicas=2",
        "--arg",
        "text=given",
    ]);
    let inside = |line: &str| world.good(&["exec", "shop_here", "web-1", "sh", "-c", line]).out;
    // Inode and time of change tell a rewrite from no touch at all.
    let identity = || inside("cat /etc/machine-id; stat -c '%i %Z' /srv/index /srv/other; cat /srv/index");
    let before = identity();
    assert!(before.contains("given"), "{before}");

    // Without what was given it is refused, and told.
    let ran = world.run(&["apply", "shop_here", "--yes"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    says(&ran, &["E1642", "replicas = 2 (--arg)", "--drop-args"]);
    says(
        &world.good(&["plan", "shop_here"]),
        &["was given text = \"given\" (--arg), and this plan is not"],
    );
    says(
        &world.good(&["status", "shop_here"]),
        &["given replicas = 2 (--arg)"],
    );
    let given = ["--arg", "replicas=2", "--arg", "text=given"];
    let with = |arguments: &[&str]| world.good(&[arguments, &given].concat());

    // Another deploy uses what this one has handed out.
    let ran = world.good(&["plan", "reader_here"]);
    says(
        &ran,
        &["outputs of shop_here: urls = [\"http://10.103.0.2/\",\"http://10.103.0.3/\"]"],
    );

    // A group, a run and a step are called otherwise: nothing is replaced, nothing is done again.
    world.edit("nodes web ", "nodes page_servers ");
    world.edit(
        "run pages = page(text) on web",
        "run content = page(text) on page_servers",
    );
    world.edit("pages.url", "content.url");
    world.edit("file index ", "file start ");
    world.edit(
        "\nnetwork  front",
        "\nmoved shop.web -> shop.page_servers\nmoved shop.pages -> shop.content\nmoved page.index -> page.start\n\nnetwork  front",
    );
    let ran = with(&["plan", "shop_here"]);
    says(
        &ran,
        &[
            "> group web is called page_servers from now on",
            "> run pages is called content from now on",
            "> step content.index is called content.start from now on",
            "3 names to change in the record alone",
        ],
    );
    assert!(!ran.out.contains("machine"), "{}", ran.out);
    with(&["apply", "shop_here", "--yes"]);
    assert_eq!(identity(), before);
    says(&with(&["plan", "shop_here"]), &["0 changes"]);
    says(&world.good(&["drift", "shop_here"]), &["no drift"]);
    says(&world.good(&["history", "shop_here"]), &["apply"]);

    // The spec as it is now, without what was given: asked for by name. One node goes, the other is called as before.
    world.good(&["apply", "shop_here", "--yes", "--drop-args"]);
    assert!(identity().contains("hello"));
    assert_ne!(world.run(&["exec", "shop_here", "web-2", "true"]).code, 0);
    // A step that was moved is removed like any other.
    world.edit("  file start { path = \"/srv/index\", content = text }\n", "");
    world.edit("moved page.index -> page.start\n", "");
    world.good(&["apply", "shop_here", "--yes"]);
    assert_eq!(inside("ls /srv").trim(), "other");
    world.good(&["destroy", "shop_here", "--yes"]);
    let left = world.good(&["status"]);
    says(&left, &["nothing stands"]);
}

const REPLACED: &str = r#"
use std.linux { group }
use std.image { bookworm }

kind file {
  key path: Path
  content: String
  mode: Mode = "0644"
  owner: String = "root"
  group: String = "root"
  removal = Restore
  replacement = Before
  requires node.files
}
network  front { cidr = 10.103.0.0/24, gateway = 10.103.0.1 }
hardware small { cpu = 1, memory = 256MiB, nic eth0 { network = front } }

role page() {
  file  note { path = "/srv/a", content = "kept" }
  group crew { name = "crew", system = false }
}
workload shop() {
  node web { hardware = small }
  run pages = page() on web
}
site here { machines = local(image = bookworm) }
deploy shop_here = shop() on here
"#;

#[test]
fn what_cannot_be_changed_in_place_is_replaced() {
    let _alone = alone();
    if !Backend::Local.is_here("what is replaced") {
        return;
    }
    let world = World::of_spec(REPLACED);
    world.good(&["apply", "shop_here", "--yes"]);
    let inside = |line: &str| world.good(&["exec", "shop_here", "web", "sh", "-c", line]).out;
    let crew = || -> u32 {
        let line = inside("grep ^crew: /etc/group");
        line.trim().rsplit(':').nth(1).unwrap().parse().unwrap()
    };
    assert!(crew() >= 1000, "{}", crew());
    world.edit("/srv/a", "/srv/b");
    world.edit("system = false", "system = true");
    let plan = world.good(&["plan", "shop_here"]);
    says(
        &plan,
        &[
            "replaced, system changed from false to true; the old one goes first",
            "replaced, path changed from /srv/a to /srv/b; the old one goes last",
            "2 steps to replace",
        ],
    );
    let json = world.good(&["plan", "shop_here", "--json"]).out;
    assert!(
        json.contains("\"replaced\"") && json.contains("\"remove_last\""),
        "{json}"
    );
    world.good(&["apply", "shop_here", "--yes"]);
    assert!(crew() < 1000, "{}", crew());
    assert_eq!(inside("ls /srv").trim(), "b");
    says(&world.good(&["plan", "shop_here"]), &["0 changes"]);
    says(&world.good(&["drift", "shop_here"]), &["no drift"]);
    // Another machine: what has changed is told, and that it interrupts.
    world.edit("memory = 256MiB", "memory = 300MiB");
    says(
        &world.good(&["plan", "shop_here"]),
        &[
            "interrupts web: memory changed from 256MiB to 300MiB",
            "1 interruption",
        ],
    );
    world.good(&["destroy", "shop_here", "--yes"]);
}
