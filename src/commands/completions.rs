//! `rebar completions SHELL`

use clap::CommandFactory;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::report::Failure;

/// Prints the completion script.
pub(crate) fn run(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rebar", &mut script);
    super::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
