//! What `apply` and `destroy` share: asking, carrying out with progress, and telling how it ended.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;

use rebar_compiler::plan::shown;
use rebar_runtime::backend::Backend;
use rebar_runtime::execute::{self, EventSink, ExecuteError, Outcome, Status};
use rebar_runtime::logs;
use rebar_runtime::state::State;

use super::Context;
use crate::exit::Exit;
use crate::progress::{Manner, sink};
use crate::render::palette::{Palette, count, names};
use crate::report::Failure;

/// Asks a question that only `yes` answers.
///
/// # Errors
/// `E1610` where nobody can answer.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(
            Failure::new("E1610", "nobody can answer here: standard input is no terminal")
                .help("give `--yes` to go on without asking")
                .exit(Exit::Refused),
        );
    }
    super::tell(&format!("{question} Only `yes` is a yes: "));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    Ok(read.is_ok() && answer.trim() == "yes")
}

/// The executor's context: events to the person, Ctrl-C to the executor.
pub(crate) fn context(
    context: &Context,
    state: State,
    backend: Arc<dyn Backend>,
    parallel: Option<usize>,
    json: bool,
) -> Result<execute::Context, Failure> {
    let mut made = execute::Context::new(state, backend);
    made.secrets = super::secrets::of(context)?;
    let manner = if json { Manner::Json } else { Manner::Human };
    made.events = logged(context, sink(manner, context.err));
    if let Some(parallel) = parallel {
        made.parallelism = parallel.max(1);
    }
    let cancel = made.cancel.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            cancel.request();
        }
    });
    Ok(made)
}

/// A sink that also keeps what it hears, for `rebar logs`.
fn logged(context: &Context, sink: EventSink) -> EventSink {
    let Ok(folders) = context.project.folders() else {
        return sink;
    };
    let paint = context.err;
    let trouble: logs::Trouble = Box::new(move |text| super::tell(&format!("{}\n", paint.change(text))));
    logs::keep(
        &folders.state.join(logs::FOLDER),
        logs::Bounds::default(),
        sink,
        trouble,
    )
}

/// Tells how it ended, on standard output, and turns it into an exit code.
///
/// # Errors
/// When it could not be begun, or the journal could not be written.
pub(crate) fn conclude(
    context: &Context,
    result: Result<Outcome, ExecuteError>,
    json: bool,
) -> Result<Exit, Failure> {
    let outcome = result.map_err(|error| from_execute(&error))?;
    if json {
        super::print(&format!(
            "{}\n",
            serde_json::json!({ "event": "outcome", "outcome": outcome })
        ))?;
    } else {
        for failure in &outcome.failed {
            let mut shown = Failure::new(
                &failure.code,
                format!("{}: {}", failure.subject(), failure.message),
            );
            shown.help = failure.help.clone();
            shown.detail = failure.detail.clone();
            super::tell(&shown.text(context.err));
        }
        super::print(&text(&outcome, context.out))?;
    }
    Ok(match outcome.status {
        Status::Done => Exit::Done,
        Status::Failed => Exit::Failed,
        Status::Partial => Exit::Partial,
        Status::Interrupted => Exit::Interrupted,
        Status::Refused => Exit::Refused,
    })
}

fn text(outcome: &Outcome, paint: Palette) -> String {
    let mut out = String::new();
    for blocked in &outcome.blocked {
        out.push_str(&format!(
            "{}\n",
            paint.change(&match blocked.cause.strip_prefix("left out: ") {
                Some(cause) => format!("not done: {}, because {cause} is left out", blocked.subject),
                None => format!("not done: {}, because {} failed", blocked.subject, blocked.cause),
            })
        ));
    }
    let changes = count(outcome.changed, "change");
    let line = match outcome.status {
        Status::Done if !outcome.left_out.is_empty() => paint.create(&format!(
            "done on the selected nodes: {changes}; the deploy is not complete"
        )),
        Status::Failed | Status::Partial if outcome.failed.is_empty() => paint.change(&format!(
            "{changes}; what waits for nodes that are left out is not done"
        )),
        Status::Done => paint.create(&format!("done: {changes}")),
        Status::Failed => paint.remove("failed: nothing was changed"),
        Status::Partial => paint.remove(&format!(
            "partly done: {changes}, {} failed; mend the cause and apply again",
            count(outcome.failed.len(), "step")
        )),
        Status::Interrupted => paint.change(&format!("interrupted after {changes}; apply again to go on")),
        Status::Refused => paint.remove("refused"),
    };
    out.push_str(&format!("{line}\n"));
    if !outcome.left_out.is_empty() {
        let nodes: Vec<&str> = outcome.left_out.iter().map(String::as_str).collect();
        out.push_str(&format!("left out: {}\n", names(&nodes)));
    }
    out + &outputs(&outcome.outputs, paint)
}

/// What a deploy hands out, a line each.
pub(crate) fn outputs(outputs: &BTreeMap<String, serde_json::Value>, paint: Palette) -> String {
    let lines = outputs.iter().map(|(name, value)| {
        let value = shown(value);
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("  {} = {value}\n", paint.strong(name))
    });
    lines.collect()
}

fn from_execute(error: &ExecuteError) -> Failure {
    if let ExecuteError::State(error) = error {
        return Failure::from_state(error);
    }
    let exit = match error.status() {
        Status::Refused => Exit::Refused,
        Status::Interrupted => Exit::Interrupted,
        Status::Partial => Exit::Partial,
        Status::Done | Status::Failed => Exit::Failed,
    };
    let mut failure = Failure::new(error.code(), error.to_string()).exit(exit);
    failure.help = error.help();
    failure
}
