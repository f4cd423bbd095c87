//! What the stage as a whole must hold.

use super::{Syntax, parse};
use crate::{Diagnostics, Sources};

fn read(text: &str) -> (Syntax, Vec<String>) {
    let mut sources = Sources::default();
    let id = sources.add("main.rebar", text);
    let mut diagnostics = Diagnostics::default();
    let syntax = parse(&sources, id, &mut diagnostics);
    assert_eq!(syntax.tree.joined(), text);
    let sorted = diagnostics.sorted().into_iter().take(50);
    let shown = sorted.map(|d| {
        let place = d.labels.first().map_or(String::new(), |l| sources.place(l.span));
        format!("{place} {} {}", d.code.0, d.message)
    });
    let shown = shown.collect();
    (syntax, shown)
}

#[test]
fn the_library_and_the_example_are_read_without_error() {
    let example = include_str!("../../../examples/shop/main.rebar");
    let files = rebar_stdlib::FILES
        .iter()
        .filter(|(name, _)| name.ends_with(".rebar"));
    for (name, text) in files.copied().chain([("shop", example)]) {
        let (syntax, problems) = read(text);
        assert_eq!(problems, Vec::<String>::new(), "{name}");
        assert!(!syntax.tree.has_errors(), "{name}\n{}", syntax.tree.dump());
    }
}

#[test]
fn no_input_is_too_deep_or_too_long() {
    let many = 4_000;
    let in_role = |inner: String| format!("role a() {{\n  let x = {inner}\n}}\n");
    let torture = [
        "{".repeat(many),
        "(".repeat(many),
        "role a() {\n".repeat(many),
        in_role("(".repeat(many)),
        in_role("[".repeat(many) + &"]".repeat(many)),
        in_role("- ".repeat(many) + "1"),
        in_role("not ".repeat(many) + "true"),
        in_role("true == not ".repeat(many) + "true"),
        in_role("a ?? ".repeat(many) + "b"),
        in_role("a".to_owned() + &".b".repeat(many)),
        in_role("a".to_owned() + &"()".repeat(many)),
        in_role("1".to_owned() + &"+1".repeat(many)),
        in_role("if a then b else ".repeat(many) + "c"),
        in_role("if ".repeat(many)),
        in_role("\"{a(".repeat(many)),
        in_role("\"{a ".repeat(many)),
        "role a() {\n  x: ".to_owned() + &"List<".repeat(many) + "\n}",
        "role a() {\n  x: ".to_owned() + &"List<Int in 1..2 | ".repeat(many) + "\n}",
        "role a() {\n  x: Int".to_owned() + &"?".repeat(many) + "\n}",
        "role a() {\n  x: Int".to_owned() + &" | Int".repeat(many) + "\n}",
        "role a() {\n  if a { } ".to_owned() + &"else if a { } ".repeat(many) + "\n}",
        "\n".repeat(many),
        "a\n".repeat(many),
        "/*".repeat(many),
        "\"".repeat(many),
        "'".repeat(many),
        "}".repeat(many),
        "deploy a = b(".repeat(many),
        "::::".repeat(many),
        in_role("(".repeat(22) + "1" + &")".repeat(22)),
        in_role("(".repeat(60) + "1" + &")".repeat(60)),
        in_role("{ a = ".repeat(60) + "1" + &"}".repeat(60)),
        "role a() {\n".to_owned() + &"if x {\n".repeat(60) + "y = \n" + &"}\n".repeat(60) + "}\n",
    ];
    for text in torture {
        let start = std::time::Instant::now();
        read(&text);
        assert!(
            start.elapsed().as_secs() < 20,
            "{:?}",
            text.chars().take(60).collect::<String>()
        );
    }
}

fn problems(text: &str) -> Vec<String> {
    let (syntax, problems) = read(text);
    eprintln!("-----\n{text}\n{}", problems.join("\n"));
    drop(syntax);
    problems
}

#[test]
fn mistakes_look() {
    for text in [
        "role a() {\n  path =\n  content = \"x\"\n}\n",
        "role a() {\n  package nginx { name = \"x\"\n  file b { }\n}\n\nlet x = 1\n",
        "role {\n}\n",
        "workloed a() { }\n",
        "let x = (1 + 2\nlet y = 3\n",
        "let x = 1 + \nlet y = \n",
        "role a(x String) { }",
        "role a() { package nginx name = 3 }",
        "role a() { path = \"x\" content = 3 }",
        "role a() { requries node.files\n let in = 3 }",
        "role a() { let x = a < b < c }",
        "role a() { let x = \"a { b\" }",
        "role a() { let x = \"a {b c} d\" }",
        "role a() { let x = \"a {b\" }",
        "role a() { let x = \"abc \n let y = 3 }",
        "role web-page() { }",
        "role a() { x: string = 3\n y: = 3 }",
        "role a() {\n  run p = f(x) in web\n}\n",
        "site a { x = 1; y = 2 && 3 }",
        "network a\n{\n cidr = 10.0.0.0/8\n}\n",
        "role a() { assert x = 3 \n assert = 3\n foo \n a = if x then 3 \n node {}\n , \n x = 5parsecs }",
        "role a() { b }} \n let x = 3",
        "role a() { b = 3 }} \n let x = 3",
        "role a() {\n  x = 1 }\n  y = 2\n  package z { a = 3 }\n}\nlet z = 3",
        "use std.linux { a, b c }\nuse std linux { }\nuse x { a = b }\nenum X { a b }",
        "let x = f(a, b c)\nlet y = [1, 2 3]\nlet z = { a = 1 b = 2 }\nlet w = f(a = )",
        "deploy x = y on z\ndeploy x = y()\ndeploy y() on z\ntest foo { }\npub\n",
        "let x = [a for in b]\nlet x = [a for b c]\nlet y = (if a then b)\nlet z = 3 )\n",
    ] {
        problems(text);
    }
}
