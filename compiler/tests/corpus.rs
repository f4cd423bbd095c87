//! The corpus of the fuzz targets (`fuzz/corpus/<target>`), replayed: whatever fuzzing once found holds for good.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests read files and may panic.

#[path = "support/hostile.rs"]
mod hostile;
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use rebar_compiler::plan::{self, Ledger, Snapshot};
use rebar_compiler::{Library, analyse};

/// A target's name and its function.
type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("syntax", hostile::syntax),
    ("format", hostile::format),
    ("analysis", hostile::analysis),
    ("plan_file", hostile::plan_file),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

#[test]
fn the_corpus_holds() {
    for (name, target) in TARGETS {
        let mut files: Vec<PathBuf> = fs::read_dir(fuzz().join("corpus").join(name))
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        files.sort();
        assert!(files.len() > 20, "the corpus of `{name}` is missing");
        for file in files {
            let bytes = fs::read(&file).unwrap();
            let run = std::panic::catch_unwind(|| target(&bytes));
            assert!(run.is_ok(), "{} does not hold", file.display());
        }
    }
}

/// Writes `fuzz/seeds/<target>` from the cases and examples, for fuzzing that starts anew.
#[test]
#[ignore = "writes files: see fuzz/README.md"]
fn seeds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let std = support::standard_library();
    let folders = ["tests/cases", "tests/meaning", "../examples"];
    let cases = folders.iter().flat_map(|f| fs::read_dir(root.join(f)).unwrap());
    for case in cases.map(|e| e.unwrap()) {
        let name = case.file_name().into_string().unwrap();
        let project = support::folder(&case.path());
        let mut text = project["main.rebar"].clone();
        for target in ["syntax", "format"] {
            seed(target, &name, text.as_bytes());
        }
        for (file, other) in project.iter().filter(|(file, _)| *file != "main.rebar") {
            text = format!("{}\n//// {file}\n{other}", text.trim_end());
        }
        seed("analysis", &name, text.as_bytes());
        let mut analysis = analyse(&Library {
            project: &project,
            std: &std,
            packages: rebar_compiler::resolve::Packages::default(),
        });
        let deploys: Vec<String> = analysis.deploys().into_iter().map(str::to_owned).collect();
        for deploy in deploys {
            if let Some(plan) = analysis.plan(&deploy, &Ledger::default(), &Snapshot::default()) {
                seed(
                    "plan_file",
                    &format!("{name}-{deploy}"),
                    &plan::canonical_bytes(&plan),
                );
            }
        }
    }
    for (name, text) in &std {
        let name = name.replace('/', "-");
        for target in ["syntax", "format"] {
            seed(target, &name, text.as_bytes());
        }
    }
}

fn seed(target: &str, name: &str, bytes: &[u8]) {
    let folder = fuzz().join("seeds").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}
