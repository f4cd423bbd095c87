//! Which backends this build has.

use std::sync::Arc;

use rebar_compiler::plan::BackendChoice;
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

/// What must be known of a backend with these settings before it is used: shown with every plan.
pub(crate) fn warning(choice: &BackendChoice) -> Option<&'static str> {
    let sys_admin = choice.settings.get("sys_admin") == Some(&serde_json::Value::Bool(true));
    (choice.name == "docker" && sys_admin).then_some(
        "sys_admin: whoever becomes root on a machine of this site can become root of the engine's host",
    )
}
