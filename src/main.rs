//! The `rebar` program: the command line over the compiler and the runtime, with no logic of its own.

mod backends;
mod cli;
mod commands;
mod exit;
mod progress;
mod project;
mod render;
mod report;
mod terminal;

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
    trace(cli.verbose, paint.color);
    match commands::run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            commands::tell(&failure.text(paint));
            failure.exit.into()
        }
    }
}

/// What happens inside goes to standard error when it is asked for.
fn trace(verbose: u8, color: bool) {
    let level = match verbose {
        0 => return,
        1 => "rebar=debug,rebar_runtime=debug,rebar_compiler=debug",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(color)
        // How long each stage took.
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .log_internal_errors(false)
        .init();
}
