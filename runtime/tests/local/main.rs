//! What is only true of the local backend; what every backend must keep is in the suite (`tests/conformance`). Needs root, mmdebstrap, `ip` and `nft`, and says so where they are missing.
//! `REBAR_TEST_REQUIRE_ALL=1` makes a skip a failure. Names given as arguments choose tests.

// The lint's exception for tests knows only those of the usual harness.
#![allow(clippy::unwrap_used)]

mod bare;
mod bed;
mod broken;
mod image;
mod life;
mod many;
mod network;
mod truth;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rebar_runtime::backends::local::launcher;

use bed::Bed;

type Test = (&'static str, fn() -> LocalBoxFuture<'static, ()>);

macro_rules! tests {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), || Box::pin($module::$name()))),*]
    };
}

const TESTS: &[Test] = tests![
    life::a_machine_lives_and_leaves_nothing,
    life::doing_it_twice_is_doing_it_once,
    life::a_stale_writer_is_refused,
    life::everything_comes_back_after_a_reboot_of_this_host,
    life::what_an_enemy_puts_on_its_disk_harms_nobody,
    truth::root_inside_is_nobody_outside,
    truth::programs_end_as_they_end,
    truth::a_program_survives_its_controller_and_the_helper_does_not,
    network::machines_hear_each_other_and_the_outside,
    network::a_second_network_without_a_way_out,
    network::what_is_left_of_a_network_is_made_whole,
    network::a_foreign_bridge_is_left_alone,
    network::a_foreign_folder_is_left_alone,
    network::collisions_are_refused,
    bare::a_machine_without_a_service_manager,
    broken::the_controller_is_killed,
    broken::the_launcher_is_killed,
    broken::the_call_is_cancelled,
    broken::a_half_is_destroyed_like_a_whole,
    image::a_killed_builder_leaves_nothing_behind,
    many::ten_machines_at_once,
];

fn main() -> ExitCode {
    if launcher::is_launcher() {
        return ExitCode::from(u8::try_from(launcher::run()).unwrap_or(1));
    }
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if arguments == ["examine"] {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for finding in runtime.block_on(bed::findings()) {
            println!(
                "{:?} {}: {} {}",
                finding.state,
                finding.subject,
                finding.text,
                finding.command.unwrap_or_default()
            );
        }
        return ExitCode::SUCCESS;
    }
    if std::env::args().any(|argument| argument == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if std::env::args()
        .nth(1)
        .is_some_and(|argument| argument == bed::CONTROLLER)
    {
        runtime.block_on(bed::control(&std::env::args().nth(2).unwrap()));
        return ExitCode::SUCCESS;
    }
    let missing = runtime.block_on(bed::missing());
    if !missing.is_empty() {
        println!(
            "SKIPPED: the local backend cannot work here: {}",
            missing.join("; ")
        );
        let required = std::env::var("REBAR_TEST_REQUIRE_ALL").is_ok_and(|value| value == "1");
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
        let passed = runtime.block_on(AssertUnwindSafe(test()).catch_unwind()).is_ok();
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
