//! Which backends this build has.

use std::sync::Arc;

use rebar_runtime::backend::{Backend, Folders};
use rebar_runtime::backends::docker::Docker;
use rebar_runtime::backends::local::Local;

use crate::exit::Exit;
use crate::report::Failure;

/// The names of all backends of this build.
pub(crate) const NAMES: [&str; 2] = ["local", "docker"];

/// The backend of that name.
///
/// # Errors
/// `E1605` when this build has none of that name.
pub(crate) fn backend(name: &str, folders: &Folders) -> Result<Arc<dyn Backend>, Failure> {
    match name {
        "local" => Ok(Arc::new(Local::new(
            folders.clone(),
            rebar_runtime::agent_program::PROGRAM,
        ))),
        "docker" => Ok(Arc::new(Docker::new(folders.clone()))),
        other => Err(
            Failure::new("E1605", format!("this build of rebar has no backend `{other}`"))
                .help(format!(
                    "it has: {}; checking and planning without a look at machines works for all",
                    NAMES.join(", ")
                ))
                .exit(Exit::Refused),
        ),
    }
}
