//! The local backend for real: needs root, mmdebstrap, `ip` and `nft`, and says so where they are missing.
//! `REBAR_TEST_REQUIRE_LOCAL=1` makes a skip a failure. Names given as arguments choose tests.

mod bed;
mod life;

use std::process::ExitCode;

use futures::future::BoxFuture;
use rebar_runtime::backends::local::launcher;

use bed::Bed;

type Test = (&'static str, fn() -> BoxFuture<'static, ()>);

macro_rules! tests {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), || Box::pin($module::$name()))),*]
    };
}

const TESTS: &[Test] = tests![life::a_machine_lives_and_leaves_nothing];

fn main() -> ExitCode {
    if launcher::is_launcher() {
        return ExitCode::from(u8::try_from(launcher::run()).unwrap_or(1));
    }
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if std::env::args().any(|argument| argument == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let missing = runtime.block_on(bed::missing());
    if !missing.is_empty() {
        println!(
            "SKIPPED: the local backend cannot work here: {}",
            missing.join("; ")
        );
        let required = std::env::var("REBAR_TEST_REQUIRE_LOCAL").is_ok_and(|value| value == "1");
        return if required {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        };
    }
    runtime.block_on(bed::prepare_image());
    let mut failures = Vec::new();
    for (name, test) in TESTS {
        if !arguments.is_empty() && !arguments.iter().any(|argument| name.contains(argument.as_str())) {
            continue;
        }
        let (begun, before) = (std::time::Instant::now(), bed::traces());
        let passed = runtime.block_on(async { tokio::spawn(test()).await.is_ok() });
        runtime.block_on(Bed::sweep());
        let left = bed::new_traces(&before);
        let good = passed && left.is_empty();
        println!(
            "{} {name} ({:.1} s)",
            if good { "ok    " } else { "FAILED" },
            begun.elapsed().as_secs_f64()
        );
        for trace in &left {
            println!("        left behind: {trace}");
        }
        if !good {
            failures.push(*name);
        }
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
