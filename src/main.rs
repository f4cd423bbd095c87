//! The `rebar` program: the command line over the compiler and the runtime, with no logic of its own.

mod backends;
mod cli;
mod commands;
mod exit;
#[cfg(feature = "otlp")]
mod otlp;
mod packages;
mod progress;
mod project;
mod render;
mod report;
mod terminal;
mod trace;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // The local backend starts machines from a process with a single thread: this program again.
    if rebar_runtime::backends::local::launcher::is_launcher() {
        let code = rebar_runtime::backends::local::launcher::run();
        return ExitCode::from(u8::try_from(code).unwrap_or(255));
    }
    // `conformance` kills programs that use a backend: this program again.
    if rebar_runtime::conformance::controller::is_controller() {
        let code = rebar_runtime::conformance::controller::run(|name, folders| {
            backends::backend(name, folders).ok()
        });
        return ExitCode::from(code);
    }
    let cli = cli::Cli::parse();
    let paint = render::palette::Palette {
        color: commands::colored(cli.color, std::io::stderr().is_terminal()),
    };
    let _traces = trace::begin(cli.verbose, paint.color);
    match commands::run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            commands::tell(&failure.text(paint));
            failure.exit.into()
        }
    }
}
