//! A session says what a cold compile says, whatever is edited: byte for byte.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests may panic.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rebar_compiler::diagnostics::render_human;
use rebar_compiler::resolve::Packages;
use rebar_compiler::session::{Checked, Session};
use rebar_compiler::source::Embedded;
use rebar_compiler::{Diagnostics, Library, Options, Sources, analyse};

static STD: Embedded = Embedded(rebar_stdlib::FILES);

type Project = BTreeMap<String, String>;

fn cold(project: &Project) -> String {
    let library = Library {
        project,
        std: &STD,
        packages: Packages::default(),
    };
    let analysis = analyse(&library);
    said(&analysis.sources, &analysis.diagnostics)
}

/// All of it, fixes and ids of files included.
fn said(sources: &Sources, diagnostics: &Diagnostics) -> String {
    let files: Vec<String> = sources
        .iter()
        .map(|(id, s)| format!("{} {}\n", id.0, s.name))
        .collect();
    let told: Vec<String> = diagnostics.sorted().iter().map(|d| format!("{d:?}\n")).collect();
    files.concat() + &told.concat() + &render_human(diagnostics, sources, false, 100)
}

fn session(project: &Project) -> Session<'static> {
    Session::new(project.clone(), &STD, Packages::default(), Options::default())
}

fn same(checked: &Checked, project: &Project) -> Result<(), TestCaseError> {
    prop_assert_eq!(
        said(&checked.sources, &checked.diagnostics),
        cold(project),
        "{:#?}",
        project
    );
    Ok(())
}

/// `main` uses `web` and `app`, which both use `names`.
fn four() -> Project {
    let web = "use std.linux { directory }\nuse names { label }\npub role web(a: Int = 1) {\n  directory d { path = \"/srv/a\" }\n  out o: Int = a\n}\npub let web_name = label(\"web\")\n";
    let main = "use std.image { bookworm }\nuse web { web }\nuse app { app_name }\nhardware small {\n  cpu = 1, memory = 512MiB\n  disk root { size = 8GiB }\n}\nworkload shop(title: String = app_name) {\n  nodes a { count = 1, hardware = small }\n  run r = web() on a\n}\nsite lab { machines = local(image = bookworm) }\ndeploy d = shop() on lab\n";
    [
        ("main.rebar", main),
        ("web.rebar", web),
        (
            "app.rebar",
            "use names { label }\npub let app_name = label(\"app\")\n",
        ),
        (
            "names.rebar",
            "pub fn label(text: String): String = \"{text}!\"\nlet own = 3\n",
        ),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into()
}

/// How many modules are looked at again when `from` becomes `to` in a file.
fn looked_at(path: &str, from: &str, to: &str) -> usize {
    let mut project = four();
    let mut session = session(&project);
    let first = session.check();
    assert_eq!(first.again, first.modules);
    assert_eq!(session.check().again, 0);
    assert!(project[path].contains(from));
    let text = project[path].replace(from, to);
    project.insert(path.to_owned(), text.clone());
    session.edit(path, text);
    let checked = session.check();
    assert_eq!(said(&checked.sources, &checked.diagnostics), cold(&project));
    checked.again
}

#[test]
fn only_what_may_be_understood_otherwise_is_looked_at_again() {
    // In a role, also where everything behind it moves.
    assert_eq!(looked_at("web.rebar", "label(\"web\")", "label(\"wob\")"), 1);
    // In a role that a workload runs: what is decided there is told there.
    assert_eq!(looked_at("web.rebar", "/srv/a", "/srv/other"), 2);
    assert_eq!(looked_at("web.rebar", "use std", "// a line\nuse std"), 1);
    assert_eq!(looked_at("names.rebar", "own = 3", "own = 4"), 1);
    assert_eq!(looked_at("main.rebar", "count = 1", "count = 2"), 1);
    // What others see: of a role, and of a function that is needed by way of another module.
    assert_eq!(looked_at("web.rebar", "a: Int = 1", "a: Int = 2"), 2);
    assert_eq!(looked_at("names.rebar", "{text}!", "{text}?"), 4);
    // A name more may be what somebody lacks.
    assert_eq!(looked_at("app.rebar", "pub let", "let more = 1\npub let"), 2);
    // What concerns everybody.
    let all = looked_at(
        "main.rebar",
        "deploy d",
        "policy \"p\" { assert 1 == 1 }\ndeploy d",
    );
    assert!(all > 5, "{all}");
}

/// A module: what it uses, and its items by form and number.
#[derive(Debug, Clone)]
struct Written {
    uses: Vec<(usize, usize)>,
    items: Vec<(usize, usize, usize)>,
    lines: usize,
    broken: bool,
    there: bool,
}

const MODULES: usize = 5;
const ITEMS: usize = 4;
const FORMS: usize = 26;

impl Written {
    fn text(&self, module: usize) -> String {
        let mut text = "// a line\n".repeat(self.lines);
        text.push_str("use std.linux { directory, file, service }\n");
        for (other, item) in &self.uses {
            text.push_str(&format!("use m{other} {{ i{other}_{item} }}\n"));
        }
        for (slot, (form, a, b)) in self.items.iter().enumerate() {
            let other = self.uses.get(*b % self.uses.len().max(1));
            let other = other.map_or("missing".to_owned(), |(m, i)| format!("i{m}_{i}"));
            text.push_str(&item(*form, &format!("i{module}_{slot}"), *a, &other));
        }
        if self.broken {
            text.push_str("pub role cut(a: Int { file x { path = \"/a\" \n");
        }
        text
    }
}

/// An item called `name` that may use `other`.
fn item(form: usize, name: &str, a: usize, other: &str) -> String {
    match form {
        0 => format!(
            "pub role {name}(a: Int = {a}, b: String = \"x\") {{\n  directory d {{ path = \"/srv/{a}\" }}\n  file f {{\n    path = \"/etc/{a}\"\n    content = \"{{a}} {{b}}\"\n  }}\n  out o: String = b\n}}\n"
        ),
        1 => format!(
            "pub role {name}(c: Bool = {a}) {{\n  directory d {{ path = 5, mode = \"0{a}\" }}\n  out o: Int = {a}\n}}\n"
        ),
        2 => format!("pub let {name} = {a}\n"),
        3 => format!("pub let {name}: Int = {other}\n"),
        4 => format!("pub let {name} = {other}({a})\n"),
        5 => format!("pub fn {name}(x: Int): Int = x + {a}\n"),
        6 => format!("pub fn {name}(x: Int): Int = {other}(x) + {a}\n"),
        7 => format!("pub type {name} = Int in 1..{}\n", a + 1),
        8 => format!("pub role {name}(a: {other}) {{\n  directory d {{ path = \"/srv/{{a}}\" }}\n}}\n"),
        9 => format!("pub let {name}: {other} = {a}\n"),
        10 => format!("pub enum {name} {{ Plain, Other(size: Int) }}\n"),
        11 => format!("pub fn {name}(x: {other}): Int = match x {{ Plain => {a}, Other(size) => size }}\n"),
        12 => format!(
            "hardware h_{name} {{ cpu = 1, memory = 512MiB\n  disk root {{ size = 8GiB }} }}\npub workload {name}(n: Int = {a}) {{\n  nodes web {{ count = n, hardware = h_{name} }}\n  run r = {other}() on web\n  out u: List<String> = r.o\n}}\n"
        ),
        13 => format!("pub let {name} = {name}_b\nlet {name}_b = {name}\n"),
        14 => format!("pub interface {name} {{ role dns(a: Int) {{ out o: Int }} }}\n"),
        15 => format!("pub role {name}(a: Int) implements {other}.dns {{\n  out o: Int = a + {a}\n}}\n"),
        16 => format!("pub let {name} = generated(\"key{a}\", length = {})\n", 20 + a),
        17 => format!(
            "pub role {name}() {{\n  file f {{ path = \"/a\", content = template(\"a{a}.hbs\", {{ a = {other} }}) }}\n}}\n"
        ),
        18 => format!("pub let {name}: {{ a: Int }} = import(\"data{a}.json\")\n"),
        19 => format!("policy \"p{a}\" {{ assert {a} == 1 }}\n"),
        20 => format!("let unknown_{name} = nothing_{a}\nlet {name} = 3\n"),
        21 => format!("pub network {name} {{ cidr = 10.{a}.0.0/16, gateway = 10.{a}.0.1 }}\n"),
        // What is decided inside, by what comes from outside.
        22 => format!(
            "use std.linux {{ capture }}\n{}role {name}(a: Int = 1, b: String = \"\") {{\n  if {} {{ directory d {{ path = \"/srv/d\" }} }}\n  capture c {{ run = \"true\" }}\n  out o: String = c.text\n}}\n",
            if a == 0 { "pub " } else { "" },
            if a < 2 { "a > 1" } else { "b == \"x\"" },
        ),
        23 => format!(
            "hardware h_{name} {{ cpu = 1, memory = 512MiB }}\nworkload {name}() {{\n  nodes web {{ count = 2, hardware = h_{name} }}\n  node one {{ hardware = h_{name} }}\n  run r = {other}() on one\n  run s = {other}(b = r.o) on web\n}}\n"
        ),
        24 => format!("site s_{name} {{ machines = local(image = {other})\n  use {other} = {other} }}\n"),
        _ => {
            format!("test \"t {name}\" {{ deploy t = {other}() on lab\n  assert len(t.nodes.web) == {a} }}\n")
        }
    }
}

fn written() -> impl Strategy<Value = Written> {
    let uses = proptest::collection::vec((0..MODULES, 0..ITEMS), 0..4);
    let items = proptest::collection::vec((0..FORMS, 0..4usize, 0..4usize), ITEMS);
    (uses, items, 0..3usize, 0..12usize, 0..12usize).prop_map(|(uses, items, lines, broken, there)| Written {
        uses,
        items,
        lines,
        broken: broken == 0,
        there: there != 0,
    })
}

/// What is done to a module.
#[derive(Debug, Clone)]
enum Edit {
    Item(usize, (usize, usize, usize)),
    Number(usize, usize),
    Lines(usize),
    Broken(bool),
    There(bool),
    Uses(Vec<(usize, usize)>),
    Data(usize, bool),
}

fn edit() -> impl Strategy<Value = (usize, Edit)> {
    let uses = proptest::collection::vec((0..MODULES, 0..ITEMS), 0..4);
    let what = prop_oneof![
        (0..ITEMS, (0..FORMS, 0..4usize, 0..4usize)).prop_map(|(slot, item)| Edit::Item(slot, item)),
        (0..ITEMS, 0..4usize).prop_map(|(slot, number)| Edit::Number(slot, number)),
        (0..3usize).prop_map(Edit::Lines),
        any::<bool>().prop_map(Edit::Broken),
        any::<bool>().prop_map(Edit::There),
        uses.prop_map(Edit::Uses),
        (0..4usize, any::<bool>()).prop_map(|(n, good)| Edit::Data(n, good)),
    ];
    (0..MODULES, what)
}

/// Modules use later ones only, unless the project is one of the few with circles.
fn straighten(module: usize, written: &mut Written, circles: bool) {
    if !circles {
        written.uses.retain(|(other, _)| *other > module);
    }
    let mut seen = Vec::new();
    written.uses.retain(|used| {
        !seen.contains(used) && {
            seen.push(*used);
            true
        }
    });
}

fn text_of(module: usize, all: &[Written]) -> (String, String) {
    let name = if module == 0 {
        "main".to_owned()
    } else {
        format!("m{module}")
    };
    (format!("{name}.rebar"), all[module].text(module))
}

/// Puts the module as it is now into the session and into what is compiled cold.
fn put(module: usize, all: &[Written], project: &mut Project, session: &mut Session<'_>) {
    let (path, text) = text_of(module, all);
    if all[module].there {
        session.edit(&path, text.as_str());
        project.insert(path, text);
    } else {
        session.remove(&path);
        project.remove(&path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_session_says_what_a_cold_compile_says(
        mut all in proptest::collection::vec(written(), MODULES),
        edits in proptest::collection::vec(edit(), 1..14),
        circles in (0..8usize).prop_map(|n| n == 0),
        calm in any::<bool>(),
    ) {
        let calmed = |form: usize| if calm { form % 9 } else { form };
        let mut project = Project::new();
        let mut session = session(&project);
        for module in 0..MODULES {
            straighten(module, &mut all[module], circles);
            for item in &mut all[module].items { item.0 = calmed(item.0); }
            put(module, &all, &mut project, &mut session);
        }
        same(&session.check(), &project)?;
        for (module, edit) in edits {
            let at = &mut all[module];
            match edit {
                Edit::Item(slot, (form, a, b)) => at.items[slot] = (calmed(form), a, b),
                Edit::Number(slot, number) => at.items[slot].1 = number,
                Edit::Lines(lines) => at.lines = lines,
                Edit::Broken(broken) => at.broken = broken,
                Edit::There(there) => at.there = there,
                Edit::Uses(uses) => at.uses = uses,
                Edit::Data(n, good) => {
                    let text = if good { "{ \"a\": 1 }" } else { "{ \"a\": \"x\" }" };
                    for (path, text) in [(format!("data{n}.json"), text), (format!("templates/a{n}.hbs"), "{{a}} {{b}}")] {
                        session.edit(&path, text);
                        project.insert(path, text.to_owned());
                    }
                }
            }
            straighten(module, at, circles);
            put(module, &all, &mut project, &mut session);
            same(&session.check(), &project)?;
        }
    }
}
