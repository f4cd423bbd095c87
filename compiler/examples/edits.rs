//! How long a session takes from an edit to everything that is to be said: `edits FOLDER TIMES`. The folder is a project that
//! `benches/compile/run` made. Prints one line of numbers for each kind of edit, in milliseconds.
#![allow(clippy::print_stdout, clippy::disallowed_methods)] // It prints what it measures.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rebar_compiler::resolve::Packages;
use rebar_compiler::session::Session;
use rebar_compiler::source::Embedded;
use rebar_compiler::{Library, Options, analyse};

static STD: Embedded = Embedded(rebar_stdlib::FILES);

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    let times: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(100);
    let floor = Instant::now();
    let project = read(&folder)?;
    println!("floor {:.3}", milliseconds(floor));
    let library = Library {
        project: &project,
        std: &STD,
        packages: Packages::default(),
    };
    let cold = Instant::now();
    let analysis = analyse(&library);
    println!("cold {:.3}", milliseconds(cold));
    drop(analysis);
    let mut session = Session::new(project.clone(), &STD, Packages::default(), Options::default());
    let first = Instant::now();
    let checked = session.check();
    println!(
        "first {:.3} {} {}",
        milliseconds(first),
        checked.again,
        checked.diagnostics.len()
    );
    let parts = project.keys().filter(|path| path.starts_with("part")).count();
    let body = format!("part{}.rebar", parts / 2);
    for (name, path, from, to) in [
        ("body", body.as_str(), "mode = \"0750\"", "mode = \"07{}\""),
        ("main", "main.rebar", "(\"hello\")", "(\"hello {}\")"),
        ("one", "one.rebar", "size: Int = 1", "size: Int = 1{}"),
        ("many", "many.rebar", "size: Int = 1", "size: Int = 1{}"),
        (
            "broken",
            body.as_str(),
            "directory folder {",
            "directory folder {{}",
        ),
    ] {
        let Some(text) = project.get(path) else { continue };
        if !text.contains(from) {
            return Err(std::io::Error::other(format!("{path} does not say `{from}`")));
        }
        let mut all = Vec::new();
        let mut again = 0;
        for time in 0..times {
            let edited = text.replacen(from, &to.replace("{}", &format!("{}", 10 + time % 60)), 1);
            let start = Instant::now();
            session.edit(path, edited);
            again = session.check().again;
            all.push(milliseconds(start));
        }
        session.edit(path, text.as_str());
        session.check();
        all.sort_by(f64::total_cmp);
        println!(
            "{name} {:.3} {:.3} {again}",
            all[times / 2],
            all[times * 99 / 100]
        );
    }
    Ok(())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Reads the files, and hashes them as a tool must that looks for changes.
fn read(folder: &Path) -> std::io::Result<BTreeMap<String, String>> {
    let mut project = BTreeMap::new();
    let mut hasher = DefaultHasher::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let text = std::fs::read_to_string(entry.path())?;
        text.hash(&mut hasher);
        project.insert(entry.file_name().to_string_lossy().into_owned(), text);
    }
    std::hint::black_box(hasher.finish());
    Ok(project)
}
