//! Builds the agent as a static program, so that this crate can embed it.
//!
//! Artifact dependencies are not stable, so cargo is called again, with a target folder of its own (the outer
//! call holds the lock of the usual one) and an environment without what belongs to the outer call alone.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("cannot build the rebar agent that is embedded in the program: {message}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let runtime = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = runtime.parent().ok_or("this crate is not in its workspace")?;
    let agent = runtime.join("agent");
    for path in [
        agent.join("src"),
        agent.join("Cargo.toml"),
        workspace.join("Cargo.toml"),
        workspace.join("Cargo.lock"),
    ] {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    println!("cargo::rerun-if-env-changed=CARGO_NET_OFFLINE");

    let folder = PathBuf::from(variable("OUT_DIR")?).join("agent");
    let target = variable("TARGET")?;
    let output = cargo(&runtime, &folder, &target)?
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "`cargo build -p rebar-agent --profile agent` failed:\n{said}"
        ));
    }
    let program = folder.join(&target).join("agent").join("rebar-agent");
    if !program.is_file() {
        return Err(format!(
            "cargo succeeded, but there is no `{}`",
            program.display()
        ));
    }
    println!("cargo::rustc-env=REBAR_AGENT_PROGRAM={}", program.display());
    Ok(())
}

fn cargo(runtime: &Path, folder: &Path, target: &str) -> Result<Command, String> {
    let mut cargo = Command::new(variable("CARGO")?);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_the_outer_call) {
            cargo.env_remove(name);
        }
    }
    cargo
        .current_dir(runtime)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .args([
            "build",
            "-p",
            "rebar-agent",
            "--bin",
            "rebar-agent",
            "--profile",
            "agent",
        ])
        // With `--target` the flags do not apply to build scripts and procedural macros, which cannot be static.
        .args(["--target", target, "--target-dir"])
        .arg(folder);
    if runtime.join("../Cargo.lock").is_file() {
        cargo.arg("--locked");
    }
    Ok(cargo)
}

/// What cargo and clippy set for this build script and rustc; where cargo finds its own things stays.
fn is_of_the_outer_call(name: &str) -> bool {
    let kept = ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_PROXY"];
    let kept_prefixes = [
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "CARGO_SOURCE_",
    ];
    let dropped = [
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC",
        "RUSTDOC",
        "CLIPPY_ARGS",
        "CLIPPY_CONF_DIR",
        "TARGET",
        "HOST",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
        "NUM_JOBS",
        "OUT_DIR",
    ];
    let is_kept = kept.contains(&name) || kept_prefixes.iter().any(|prefix| name.starts_with(prefix));
    !is_kept && (name.starts_with("CARGO_") || name.starts_with("DEP_") || dropped.contains(&name))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("`{name}` is not set; run this through cargo"))
}
