//! The agent as the first process of a process namespace.

#![allow(clippy::unwrap_used)] // The helpers of a test may fail as the test itself may.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

const AGENT: &str = env!("CARGO_BIN_EXE_rebar-agent");

#[test]
fn it_refuses_to_be_the_first_process_where_it_is_not() {
    let output = Command::new(AGENT).arg("init").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("first process of a machine"), "{said}");
}

/// The outcome of a shell script that is to end the agent, whose number on this machine is `$first`.
fn ended_by(script: &str) -> Option<(Output, Duration)> {
    if !rustix::process::geteuid().is_root() {
        assert_ne!(
            std::env::var("REBAR_TEST_REQUIRE_ALL").as_deref(),
            Ok("1"),
            "needs root"
        );
        println!("SKIPPED: making a process namespace needs root");
        return None;
    }
    let whole = format!(
        "unshare --pid --fork --kill-child --mount-proc {AGENT} init & shim=$!
         until first=$(pgrep -P $shim) && grep -q rebar-init /proc/$first/comm; do sleep 0.02; done
         {script}
         wait $shim"
    );
    let begun = Instant::now();
    let output = Command::new("sh").args(["-c", &whole]).output().unwrap();
    Some((output, begun.elapsed()))
}

#[test]
fn it_ends_when_it_is_asked_to() {
    for signal in ["TERM", "RTMIN+3"] {
        let Some((output, _)) = ended_by(&format!("bash -c \"kill -{signal} $first\"")) else {
            return;
        };
        assert!(output.status.success(), "{signal}: {output:?}");
    }
}

#[test]
fn it_takes_along_who_does_not_want_to_go() {
    let stubborn = "nsenter --target $first --pid sh -c 'trap \"\" TERM; sleep 50; sleep 50' & sleep 0.2; kill -TERM $first";
    let Some((output, elapsed)) = ended_by(stubborn) else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    assert!(
        elapsed > Duration::from_secs(2),
        "it was given no time: {elapsed:?}"
    );
}
