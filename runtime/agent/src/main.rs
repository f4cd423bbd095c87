//! The program that runs on nodes: one request on standard input, events on standard output.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rebar_agent::{Answer, init, names, serve, settle};

const USAGE: &str =
    "usage: rebar-agent [--root FOLDER]                    serve one request on standard input
       rebar-agent [--root FOLDER] accept STEP        a broken-off `once` command was done
       rebar-agent [--root FOLDER] forget STEP        a broken-off `once` command was not done
       rebar-agent names                              write the block on standard input into /etc/hosts
       rebar-agent names restore                      write the block that was written last once more
       rebar-agent init                               be the first process of a machine
       rebar-agent --version";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut root = PathBuf::from("/");
    if arguments.len() >= 2 && arguments[0] == "--root" {
        root = PathBuf::from(arguments.remove(1));
        arguments.remove(0);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => {
            let whole = serve::serve(&root, std::io::stdin().lock(), std::io::stdout().lock());
            if whole {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        ["--version"] => {
            println!("{}", serve::version());
            ExitCode::SUCCESS
        }
        ["names"] => tell(publish(&root)),
        ["names", "restore"] => tell(told(names::restore(&root))),
        ["init"] => match init() {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => tell(Err(text)),
        },
        ["accept", address] => tell(settle(&root, address, Answer::Accept)),
        ["forget", address] => tell(settle(&root, address, Answer::Forget)),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Writes the names that stand on standard input.
fn publish(root: &Path) -> Result<String, String> {
    let block = std::io::read_to_string(std::io::stdin().lock()).map_err(|error| error.to_string())?;
    told(names::publish(root, &block))
}

fn told(changed: std::io::Result<bool>) -> Result<String, String> {
    match changed {
        Ok(true) => Ok("changed".to_owned()),
        Ok(false) => Ok("same".to_owned()),
        Err(error) => Err(format!("could not write `/etc/hosts`: {error}")),
    }
}

fn tell(answer: Result<String, String>) -> ExitCode {
    match answer {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}
