//! What cannot be said by a folder of files: unreadable files, an agent's actions, names of deploys.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

mod support;

use std::collections::BTreeMap;

use rebar_compiler::plan::{Ledger, Snapshot};
use rebar_compiler::source::FileError;
use rebar_compiler::{Analysis, Files, Library, Options, analyse, analyse_with};

struct Broken(BTreeMap<String, String>);

impl Files for Broken {
    fn read(&self, path: &str) -> Result<String, FileError> {
        match path {
            "locked.rebar" => Err(FileError::Unreadable {
                path: path.to_owned(),
                cause: "permission denied".to_owned(),
            }),
            "latin.rebar" | "templates/latin.hbs" => Err(FileError::NotText {
                path: path.to_owned(),
                offset: 7,
            }),
            _ => self.0.read(path),
        }
    }
}

fn said(analysis: &Analysis) -> Vec<String> {
    analysis
        .diagnostics
        .sorted()
        .iter()
        .map(|d| format!("{} {}", d.code.0, d.message))
        .collect()
}

fn of(text: &str) -> Broken {
    Broken(BTreeMap::from([("main.rebar".to_owned(), text.to_owned())]))
}

#[test]
fn files_that_cannot_be_read_are_told_and_do_not_cascade() {
    let project = of("use locked { a }\nuse latin { b }\nlet c = a\nlet d = b\n\
                      let e = template(\"latin.hbs\", { x = 1 })\n");
    let std = support::standard_library();
    let analysis = analyse(&Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    assert_eq!(
        said(&analysis),
        [
            "E0902 cannot read `locked.rebar`: permission denied",
            "E0903 `latin.rebar` is not UTF-8 text (first bad byte at offset 7)",
            "E0903 `templates/latin.hbs` is not UTF-8 text (first bad byte at offset 7)",
        ]
    );
}

#[test]
fn a_folder_without_main_is_no_project() {
    let (project, std) = (Broken(BTreeMap::new()), support::standard_library());
    let analysis = analyse(&Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    assert_eq!(
        said(&analysis),
        ["E0905 this folder holds no project: there is no `main.rebar`"]
    );
}

#[test]
fn kinds_without_an_action_are_errors_where_they_are_defined() {
    let project = of("kind pakage {\n  key name: String\n  removal = Remove\n}\n");
    let std = support::standard_library();
    let options = Options {
        actions: Some(vec!["package".to_owned(), "file".to_owned()]),
        ..Options::default()
    };
    let analysis = analyse_with(
        &Library {
            project: &project,
            std: &std,
            packages: rebar_compiler::resolve::Packages::default(),
        },
        &options,
    );
    assert_eq!(said(&analysis), ["E0315 no action carries out the kind `pakage`"]);
    assert_eq!(
        analysis.diagnostics.sorted()[0].help.as_deref(),
        Some("did you mean `package`?")
    );
}

#[test]
fn an_unknown_deploy_is_answered_with_those_there_are() {
    let project = of(
        "use std.image { bookworm }\nsite lab { machines = docker(image = bookworm) }\n\
                      workload w() {\n}\ndeploy lab_shop = w() on lab\ndeploy other = w() on lab\n",
    );
    let std = support::standard_library();
    let mut analysis = analyse(&Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    assert_eq!(analysis.deploys(), ["lab_shop", "other"]);
    assert!(
        analysis
            .plan("lab_shop", &Ledger::default(), &Snapshot::default())
            .is_some()
    );
    assert!(
        analysis
            .plan("lab_shp", &Ledger::default(), &Snapshot::default())
            .is_none()
    );
    assert_eq!(said(&analysis), ["E0408 there is no deploy `lab_shp`"]);
    let help = analysis.diagnostics.sorted()[0].help.clone().unwrap();
    assert_eq!(help, "did you mean `lab_shop`? there are `lab_shop`, `other`");
}

#[test]
fn broken_syntax_does_not_cascade() {
    let project = of(
        "role r(a: Int {\n  out b: Int = a\n}\nworkload w() {\n  node n { hardware = tiny }\n  run x = r(a = 1) on n\n}\n",
    );
    let std = support::standard_library();
    let analysis = analyse(&Library {
        project: &project,
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    // The role is read as it was meant, and the group's hardware is a mistake of its own.
    assert_eq!(
        said(&analysis),
        [
            "E0102 missing `)`: this parenthesis is never closed",
            "E0201 there is no `tiny` here"
        ]
    );
}

#[test]
fn few_lines_cannot_ask_for_too_much() {
    let chain = |first: &str, next: &dyn Fn(usize) -> String| -> String {
        let mut text = format!("{first}\n");
        for number in 1..3000 {
            text.push_str(&next(number));
            text.push('\n');
        }
        text
    };
    let before = |n: usize| n - 1;
    let bombs = [
        chain("let a0 = \"0123456789\"", &|n| {
            format!("let a{n} = \"{{a{0}}}{{a{0}}}\"", before(n))
        }),
        chain("let a0 = [1]", &|n| format!("let a{n} = a{0} + a{0}", before(n))),
        chain("let a0 = [1]", &|n| format!("let a{n} = [a{}]", before(n))),
        chain("let a0 = [1]", &|n| format!("let a{n} = [a{0}, a{0}]", before(n))),
        chain("let a3000 = 1", &|n| format!("let a{n} = a{}", n + 1)),
        chain("let a0 = 1", &|n| format!("let a{n} = [a{} + x for x in [1]]", 0)),
        (0..12).fold("let a = 1".to_owned(), |inner, n| {
            let value = inner.trim_start_matches("let a = ");
            format!("let a = len([{value} for x{n} in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]])")
        }),
        chain("type A0 = Int", &|n| {
            format!("type A{n} = {{ x: A{0}, y: A{0} }}", before(n))
        }),
        chain("type A0 = Int", &|n| format!("type A{n} = List<A{}>", before(n))),
        chain("type A3000 = Int", &|n| format!("type A{n} = List<A{}>", n + 1)),
        {
            let body = chain("  let a0 = \"0123456789\"", &|n| {
                format!("  let a{n} = \"{{a{0}}}{{a{0}}}\"", before(n))
            });
            format!(
                "use std.image {{ bookworm }}\nhardware h {{ cpu = 1, memory = 1GiB }}\n\
                 site lab {{ machines = docker(image = bookworm) }}\nrole r() {{\n{body}}}\n\
                 workload w() {{\n  node n {{ hardware = h }}\n  run x = r() on n\n}}\ndeploy d = w() on lab\n"
            )
        },
    ];
    let std = support::standard_library();
    for (index, bomb) in bombs.iter().enumerate() {
        let mut analysis = analyse(&Library {
            project: &of(bomb),
            std: &std,
            packages: rebar_compiler::resolve::Packages::default(),
        });
        analysis.examine();
        // The sixth is harmless; all the others must be refused, in no more time than this test may take.
        assert_eq!(
            analysis.diagnostics.has_errors(),
            index != 5,
            "{bomb:.80}\n{:.2000?}",
            said(&analysis)
        );
    }
    let many = "use std.image { bookworm }\nhardware h { cpu = 1, memory = 1GiB }\n\
                site lab { machines = docker(image = bookworm) }\n\
                workload w() {\n  nodes a { count = 600_000, hardware = h }\n  nodes b { count = 600_000, hardware = h }\n}\n\
                deploy d = w() on lab\n";
    let mut analysis = analyse(&Library {
        project: &of(many),
        std: &std,
        packages: rebar_compiler::resolve::Packages::default(),
    });
    analysis.examine();
    assert_eq!(said(&analysis), ["E0414 a deploy of 1200000 nodes is too large"]);
}

#[test]
fn a_path_is_written_in_one_way() {
    let std = support::standard_library();
    for (path, good) in [
        ("/", true),
        ("/a", true),
        ("/a/.b/..c", true),
        ("//a", false),
        ("/a//b", false),
        ("/a/", false),
        ("/./a", false),
        ("/a/.", false),
        ("/a/../b", false),
    ] {
        let analysis = analyse(&Library {
            project: &of(&format!("let path: Path = \"{path}\"\n")),
            std: &std,
            packages: rebar_compiler::resolve::Packages::default(),
        });
        let expected: &[&str] = if good { &[] } else { &["E0307"] };
        let codes: Vec<String> = said(&analysis).iter().map(|text| text[..5].to_owned()).collect();
        assert_eq!(codes, expected, "{path}");
    }
}

#[test]
fn thousands_of_unknown_names_among_thousands_of_known_ones_are_not_all_compared() {
    let count = 2500;
    let lines = |line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let known = lines(&|n| format!("let known_name_{n} = {n}\n"));
    let unknown = lines(&|n| format!("let other_{n} = knwon_name_{n}\n"));
    let variants = lines(&|n| format!("Variant{n}, "));
    let fields = lines(&|n| format!("field_{n}: Int?, "));
    let texts = [
        format!("{known}{unknown}"),
        format!(
            "enum E {{ {variants} }}\n{}",
            lines(&|n| format!("let e{n}: E = Varinat{n}\n"))
        ),
        format!(
            "type R = {{ {fields} }}\nlet r: R = {{ {} }}\n",
            lines(&|n| format!("feild_{n} = 1, "))
        ),
        format!(
            "role r({}) {{\n{}}}\n",
            lines(&|n| format!("p{n}: Int, ")),
            lines(&|n| format!("  out o{n}: Int = qq{n}\n"))
        ),
        format!(
            "let a = {}\nlet b = {}\n",
            "long_name".repeat(2000),
            "long_nmae".repeat(2000)
        ),
    ];
    for text in texts {
        let project = of(&text);
        let std = support::standard_library();
        let analysis = analyse(&Library {
            project: &project,
            std: &std,
            packages: rebar_compiler::resolve::Packages::default(),
        });
        assert!(analysis.diagnostics.has_errors());
        // Comparing costs the product of both: the first mistakes get a suggestion, the rest goes without.
        let suggested = analysis
            .diagnostics
            .sorted()
            .iter()
            .filter(|d| !d.fixes.is_empty())
            .count();
        assert!(suggested * count < 2_000_000, "{suggested} for {}", &text[..60]);
    }
}
