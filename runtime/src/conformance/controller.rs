//! The program that is killed: this very program once more, with one errand.

use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::Bed;
use super::crash::Death;
use crate::backend::{Backend, Folders, Operation, Scope};
use crate::execute::{Context, Status, execute};
use crate::state::State;

/// The argument that makes a program a controller to be killed.
const ARGUMENT: &str = "__conformance-controller";

/// What a controller is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Errand {
    /// One operation.
    Apply { scope: Scope, operation: Box<Operation> },
    /// A plan file, with the state in this folder, until it dies.
    Execute {
        plan: PathBuf,
        state: PathBuf,
        death: Death,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    backend: String,
    state: PathBuf,
    data: PathBuf,
    cache: PathBuf,
    errand: Errand,
}

/// Starts a controller. It is killed when the handle is dropped.
///
/// # Errors
/// When no process can be made.
pub(super) async fn start(bed: &Bed, errand: Errand) -> Result<Child, String> {
    let folders = bed.folders();
    let order = Order {
        backend: bed.target().name.clone(),
        state: folders.state.clone(),
        data: folders.data.clone(),
        cache: folders.cache.clone(),
        errand,
    };
    let text = serde_json::to_vec(&order).map_err(|error| error.to_string())?;
    let told = |error: std::io::Error| format!("this program cannot be started again: {error}");
    // In a process group of its own: an interruption is for the suite, which then ends it.
    let mut child = Command::new("/proc/self/exe")
        .arg(ARGUMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(told)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&text).await.map_err(told)?;
    }
    Ok(child)
}

/// Whether this process was started as a controller.
pub fn is_controller() -> bool {
    std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == ARGUMENT)
}

/// Does what the order on standard input says, and returns the exit code: 0 when the errand was done.
pub fn run(make: impl Fn(&str, &Folders) -> Option<Arc<dyn Backend>>) -> u8 {
    let mut text = String::new();
    if std::io::stdin().read_to_string(&mut text).is_err() {
        return 2;
    }
    let Ok(order) = serde_json::from_str::<Order>(&text) else {
        return 2;
    };
    let folders = Folders {
        state: order.state,
        data: order.data,
        cache: order.cache,
    };
    let Some(backend) = make(&order.backend, &folders) else {
        return 2;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(carry_out(backend, order.errand)),
        Err(_) => 2,
    }
}

async fn carry_out(backend: Arc<dyn Backend>, errand: Errand) -> u8 {
    let done = match errand {
        Errand::Apply { scope, operation } => {
            let applied = backend.apply(&scope, &operation, &|_| {}).await;
            applied.map(|_| true).map_err(|error| error.to_string())
        }
        Errand::Execute { plan, state, death } => plan_until(backend, &plan, &state, death).await,
    };
    match done {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(why) => {
            eprintln!("{why}");
            1
        }
    }
}

async fn plan_until(
    backend: Arc<dyn Backend>,
    plan: &std::path::Path,
    state: &std::path::Path,
    death: Death,
) -> Result<bool, String> {
    let (plan, _) = crate::plan_file::read(plan).map_err(|error| error.to_string())?;
    let state = State::in_folder(state).map_err(|error| error.to_string())?;
    let mut context = Context::new(state, backend);
    context.journal = Some(death.layer());
    let outcome = execute(&plan, &context)
        .await
        .map_err(|error| error.to_string())?;
    Ok(outcome.status == Status::Done)
}
