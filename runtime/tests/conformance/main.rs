//! The suite over every backend that is here, and the suite itself held against backends that are broken on purpose.
//! Names given as arguments choose: `cargo test -p rebar-runtime --test conformance -- local life broken`.
//! What is missing is said aloud; `REBAR_TEST_REQUIRE_ALL=1` makes a skip a failure.

// The lint's exception for tests knows only those of the usual harness.
#![allow(clippy::unwrap_used)]

mod broken;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use rebar_runtime::agent_program::PROGRAM;
use rebar_runtime::backend::{Backend, FindingState, Folders};
use rebar_runtime::backends::docker::Docker;
use rebar_runtime::backends::local::{Local, launcher};
use rebar_runtime::conformance::{
    CHECKS, Check, Outcome, Premises, Report, Target, Told, Verdict, controller, host_of, run, sweep,
};

/// The backends that are held against the suite.
const BACKENDS: [&str; 2] = ["local", "docker"];

fn make(name: &str, folders: &Folders) -> Option<Arc<dyn Backend>> {
    match name {
        "local" => Some(Arc::new(Local::new(folders.clone(), PROGRAM))),
        "docker" => Some(Arc::new(Docker::new(folders.clone()))),
        _ => None,
    }
}

fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rebar-conformance")
}

pub(crate) fn target(name: &'static str) -> Target {
    let cache = std::env::var_os("REBAR_TEST_CACHE").map_or_else(
        || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rebar-local/cache"),
        PathBuf::from,
    );
    Target {
        name: name.to_owned(),
        make: Arc::new(move |folders| make(name, folders).unwrap()),
        host: host_of(name),
        base: scratch().join(name),
        cache,
        // Every line on the quick one; `rebar conformance docker` takes every line too, and its time.
        stride: if name == "local" { 1 } else { 4 },
    }
}

/// Carries out these checks, saying each, and leaves nothing whatever comes.
pub(crate) async fn examined(target: &Target, checks: &[&Check]) -> Report {
    let premises = Arc::new(Premises::open(&target.base).unwrap());
    let result = run(target, &premises, checks, &|told| match told {
        Told::Sweeping => println!("        taking away what an earlier run has left"),
        Told::Stays(what) => println!("        that cannot be taken away: {what}"),
        Told::Image(line) => println!("        image: {line}"),
        Told::Begun(_) => {}
        Told::Ended(verdict) => println!("{}", line(verdict)),
    })
    .await;
    if result.is_err() {
        let _ = sweep(target, &premises).await;
    }
    result.unwrap()
}

fn line(verdict: &Verdict) -> String {
    let (word, more) = match &verdict.outcome {
        Outcome::Passed => ("ok    ", String::new()),
        Outcome::Failed { why } => ("FAILED", format!(": {why}")),
        Outcome::DoesNotApply { because } => ("-     ", format!(": {because}")),
    };
    format!("{word} {} ({:.1} s){more}", verdict.id, verdict.seconds)
}

/// What this machine lacks for a backend.
async fn missing(target: &Target) -> Vec<String> {
    let folders = Folders {
        state: target.base.clone(),
        data: target.base.clone(),
        cache: target.cache.clone(),
    };
    let findings = (target.make)(&folders).examine().await;
    let missing = findings
        .iter()
        .filter(|finding| finding.state == FindingState::Missing);
    missing
        .map(|finding| format!("{}: {}", finding.subject, finding.text))
        .collect()
}

fn main() -> ExitCode {
    if launcher::is_launcher() {
        return ExitCode::from(u8::try_from(launcher::run()).unwrap_or(1));
    }
    if controller::is_controller() {
        return ExitCode::from(controller::run(make));
    }
    if std::env::args().any(|argument| argument == "--list") {
        for backend in BACKENDS {
            CHECKS
                .iter()
                .for_each(|check| println!("{backend} {}: test", check.id));
        }
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let backends: Vec<&'static str> = BACKENDS
        .into_iter()
        .filter(|name| arguments.iter().any(|argument| argument == name) || !names_one(&arguments))
        .collect();
    let patterns: Vec<&String> = arguments
        .iter()
        .filter(|argument| !BACKENDS.contains(&argument.as_str()) && *argument != "broken")
        .collect();
    let only_broken = !arguments.is_empty() && patterns.is_empty() && arguments.iter().any(|a| a == "broken");
    let chosen: Vec<&Check> = CHECKS
        .iter()
        .filter(|check| {
            patterns.is_empty() || patterns.iter().any(|pattern| check.id.contains(pattern.as_str()))
        })
        .filter(|_| !only_broken)
        .collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut good = true;
    for name in backends {
        let target = target(name);
        let lacks = runtime.block_on(missing(&target));
        if !lacks.is_empty() {
            println!("SKIPPED: conformance of {name}: {}", lacks.join("; "));
            good &= std::env::var_os("REBAR_TEST_REQUIRE_ALL").is_none();
            continue;
        }
        if !chosen.is_empty() {
            let report = runtime.block_on(examined(&target, &chosen));
            let (passed, failed, apart) = report.counts();
            println!("{name}: {passed} kept, {failed} broken, {apart} not promised");
            good &= report.is_good();
        }
        if name == "local" && (arguments.is_empty() || arguments.iter().any(|argument| argument == "broken"))
        {
            good &= runtime.block_on(broken::all_are_caught(&target));
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn names_one(arguments: &[String]) -> bool {
    arguments
        .iter()
        .any(|argument| BACKENDS.contains(&argument.as_str()))
}
