//! What the stage as a whole must hold.

use super::ast::{Expression, ExpressionKind, ItemKind, Literal, StringPart};
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
        read(&text);
    }
}

fn value(text: &str) -> Expression {
    let (syntax, problems) = read(&format!("let x = {text}\n"));
    assert_eq!(problems, Vec::<String>::new());
    match syntax.ast.items.into_iter().next().map(|i| i.kind) {
        Some(ItemKind::Let { value, .. }) => value,
        other => panic!("{other:?}"),
    }
}

/// An expression with all its parentheses.
fn shown(expression: &Expression) -> String {
    match &expression.kind {
        ExpressionKind::Name(name) => name.text.clone(),
        ExpressionKind::Literal(Literal::Int(number)) => number.to_string(),
        ExpressionKind::Literal(literal) => format!("{literal:?}"),
        ExpressionKind::Member { of, name } => format!("{}.{}", shown(of), name.text),
        ExpressionKind::Call { callee, arguments } => {
            let arguments: Vec<String> = arguments.iter().map(|a| shown(&a.value)).collect();
            format!("{}({})", shown(callee), arguments.join(", "))
        }
        ExpressionKind::Unary { operator, operand } => format!("({operator:?} {})", shown(operand)),
        ExpressionKind::Binary {
            operator,
            left,
            right,
            ..
        } => {
            format!("({} {operator:?} {})", shown(left), shown(right))
        }
        ExpressionKind::If {
            condition,
            then,
            otherwise,
        } => {
            format!("(if {} {} {})", shown(condition), shown(then), shown(otherwise))
        }
        ExpressionKind::String(parts) => {
            let part = |p: &StringPart| match p {
                StringPart::Text(text) => text.clone(),
                StringPart::Interpolation(inner) => format!("<{}>", shown(inner)),
            };
            format!("{:?}", parts.iter().map(part).collect::<String>())
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn operators_bind_as_the_reference_says() {
    let same = |text: &str, expected: &str| assert_eq!(shown(&value(text)), expected);
    same("1 + 2 * 3 mod 4", "(1 Add ((2 Multiply 3) Modulo 4))");
    same(
        "a ?? b or c and not d == 1 .. 2 + 3",
        "(a Otherwise (b Or (c And (Not (d Equal (1 Range (2 Add 3)))))))",
    );
    same("-a.b(1) - -2", "((Negate a.b(1)) Subtract (Negate 2))");
    same("if a then 1 else if b then 2 else 3", "(if a 1 (if b 2 3))");
    same("(1 < 2) == c", "((1 Less 2) Equal c)");
    same("ordered or android", "(ordered Or android)");
}

#[test]
fn strings_are_read_with_their_escapes_and_values() {
    let same = |text: &str, expected: &str| assert_eq!(shown(&value(text)), format!("{expected:?}"));
    same(r#""a\tb\{c\}\u{41}\\""#, "a\tb{c}A\\");
    same(
        r#""{a.b}:{(c + 1)}{f("x{d}", g)}""#,
        "<a.b>:<(c Add 1)><f(\"x<d>\", g)>",
    );
    same(r"'a\n{b}'", r"a\n{b}");
    same(
        "\"\"\"\n    one\n      {two}\n\n    three\n    \"\"\"",
        "one\n  <two>\n\nthree\n",
    );
    same("\"\"\"in one line\"\"\"", "in one line");
}

#[test]
fn words_of_the_language_are_names_elsewhere() {
    let text = "kind node {\n  key key: String\n  key: Int\n  run: Int = 1\n}\nhardware h {\n  nic out { network = role, \
                let = on }\n  requires = 3\n}\n";
    let (syntax, problems) = read(text);
    assert_eq!(problems, Vec::<String>::new());
    let dump = syntax.tree.dump();
    assert_eq!(dump.matches("declaration").count(), 3, "{dump}");
    assert_eq!(dump.matches("field").count(), 3, "{dump}");
}

#[test]
fn docs_belong_to_what_follows_directly() {
    let text = "/// of the file\n\n/// one\n/// two\npub let a = 1 /// not of b\nlet b = 2\nkind c {\n  /// of d\n  d: Int\n}\n";
    let (syntax, _) = read(text);
    let docs: Vec<&str> = syntax.ast.items.iter().map(|i| i.docs.as_str()).collect();
    assert_eq!(docs, ["one\ntwo", "", ""]);
    match &syntax.ast.items[2].kind {
        ItemKind::Block { block, .. } => assert_eq!(block.statements[0].docs, "of d"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_tree_can_be_sent() {
    fn sendable<T: Send + Sync + 'static>() {}
    sendable::<Syntax>();
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let (syntax, problems) = read(&"{}".repeat(super::SIZE_LIMIT / 2 + 1));
    assert_eq!(problems, ["main.rebar:1:1 E0120 this file is larger than 32 MiB"]);
    assert!(syntax.ast.items.is_empty());
}

#[test]
fn unclosed_strings_may_end_in_any_character() {
    for text in [
        "let a = \"é\n",
        "let a = 'é\n",
        "let a = \"\"\"é\n",
        "let a = \"\"\"é\"\"",
        "type A = String matches \"é\n",
    ] {
        assert_eq!(read(text).1.len(), 1, "{text}");
    }
}
