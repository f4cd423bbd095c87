//! What the formatter must hold.

use crate::Sources;

fn formatted(text: &str) -> String {
    let mut sources = Sources::default();
    let id = sources.add("main.rebar", text);
    super::format(&sources, id).unwrap_or_else(|d| panic!("{:?}", d.sorted()))
}

#[test]
fn the_library_and_the_example_are_in_form() {
    let example = include_str!("../../../examples/shop/main.rebar");
    let files = rebar_stdlib::FILES
        .iter()
        .filter(|(name, _)| name.ends_with(".rebar"));
    for (name, text) in files.copied().chain([("shop", example)]) {
        let once = formatted(text);
        assert_eq!(formatted(&once), once, "{name}");
        assert_eq!(once, text, "{name}");
    }
}

#[test]
fn spacing_has_one_form() {
    let messy = "role  a( x:Int=- 1,y : List<Int> ?= [ ] ) {\n\n\n   let z=not (x+1>= -3)  // why\nfile b{path=\"/x\"}\n\n\n\n\
                 probe  cc { }\n      content = f ( {\n a,\n b = 1 .. 2 } ,\n 3 )\n  long_one=c .d\n\n}\n\n\n";
    let expected = "role a(x: Int = -1, y: List<Int>? = []) {\n  let z = not (x + 1 >= -3) // why\n  file b { path = \"/x\" }\n\n  \
                    probe cc {}\n  content = f({\n    a,\n    b = 1..2 },\n    3)\n  long_one = c.d\n}\n";
    assert_eq!(formatted(messy), expected);
}

#[test]
fn runs_become_tables() {
    let text = "site a { x = 1 }\nsite long { y = 2 } // comment\n\nkind b {\n  provides node.files = exact\n  provides net.x = absent\n  a = 1\n  bcd = 2\n\n  e = 3\n}\n";
    let expected = "site a    { x = 1 }\nsite long { y = 2 } // comment\n\nkind b {\n  provides node.files = exact\n  provides net.x      = absent\n  a   = 1\n  bcd = 2\n\n  e = 3\n}\n";
    assert_eq!(formatted(text), expected);
}
