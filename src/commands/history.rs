//! `rebar history`: what was done here, run by run.

use rebar_runtime::journal::{Entry, Request};
use rebar_runtime::state::{HistoryLine, HistoryRun, State, measured_as, utc};

use super::{Context, node};
use crate::cli::HistoryArgs;
use crate::exit::Exit;
use crate::render::palette::{Palette, count, plain};
use crate::report::Failure;

/// So many runs are shown unless another number is asked for.
const RUNS: u32 = 20;

/// Shows the latest runs, or the lines of one.
pub(crate) async fn run(context: &Context, args: &HistoryArgs) -> Result<Exit, Failure> {
    let state = node::state(context)?;
    if let Some(id) = &args.run {
        return one(context, &state, id, args).await;
    }
    if let Some(deploy) = &args.deploy {
        node::recorded(&state, deploy).await?;
    }
    let runs = state
        .history(args.deploy.as_deref(), args.number.unwrap_or(RUNS))
        .await;
    let runs = runs.map_err(|error| Failure::from_state(&error))?;
    if args.json {
        super::print(&format!("{:#}\n", serde_json::json!(runs)))?;
    } else if runs.is_empty() {
        super::print("nothing was done here yet\n")?;
    } else {
        super::print(&runs.iter().map(|run| line(run, context.out)).collect::<String>())?;
    }
    Ok(Exit::Done)
}

/// The run whose id begins so.
///
/// # Errors
/// `E1619` when there is none, or more than one.
pub(super) async fn find(state: &State, id: &str) -> Result<HistoryRun, Failure> {
    let mut found = state
        .runs_like(id)
        .await
        .map_err(|error| Failure::from_state(&error))?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            Err(Failure::new("E1619", format!("there is no run `{id}`"))
                .help("`rebar history` lists the runs"))
        }
        n => Err(Failure::new("E1619", format!("{n} runs begin with `{id}`"))
            .help("give more of the id; `rebar history --json` has it in full")),
    }
}

async fn one(context: &Context, state: &State, id: &str, args: &HistoryArgs) -> Result<Exit, Failure> {
    let run = find(state, id).await?;
    let lines = state.lines(&run.run.id).await;
    let mut lines = lines.map_err(|error| Failure::from_state(&error))?;
    if let Some(number) = args.number {
        let surplus = lines.len().saturating_sub(number as usize);
        lines.drain(..surplus);
    }
    if args.json {
        super::print(&format!(
            "{:#}\n",
            serde_json::json!({ "run": run, "lines": lines })
        ))?;
        return Ok(Exit::Done);
    }
    let mut text = line(&run, context.out);
    for one in &lines {
        text.push_str(&entry(one, run.run.opened, context.out));
    }
    super::print(&text)?;
    Ok(Exit::Done)
}

fn line(shown: &HistoryRun, paint: Palette) -> String {
    let run = &shown.run;
    let outcome = match run.outcome.as_deref() {
        None => paint.change("open"),
        Some("done") => paint.create("done"),
        Some("abandoned") => paint.faint("abandoned"),
        Some(other) => paint.remove(&plain(other)),
    };
    let took = run.closed.map_or(String::new(), |closed| {
        format!(" in {}", duration(closed.saturating_sub(run.opened)))
    });
    let mut counts = vec![format!("{} done", shown.done)];
    if shown.failed > 0 {
        counts.push(format!("{} failed", shown.failed));
    }
    if shown.unended > 0 {
        counts.push(format!("{} without an end", shown.unended));
    }
    format!(
        "{}  {}  {:<7} {}  {outcome}{took}: {}  by {}\n",
        utc(run.opened),
        run.id.get(..8).unwrap_or(&run.id),
        run.kind.name(),
        paint.strong(&shown.deploy),
        counts.join(", "),
        run.who.as_deref().map_or("unknown".into(), plain)
    )
}

fn entry(line: &HistoryLine, opened: i64, paint: Palette) -> String {
    let subject = plain(&line.subject);
    let again = if line.attempt > 1 {
        format!(" (attempt {})", line.attempt)
    } else {
        String::new()
    };
    let text = match &line.entry {
        Entry::Intent { request } => {
            paint.faint(&format!("intent {subject}: {}{again}", plain(&wanted(request))))
        }
        Entry::Handle { handle } => paint.faint(&format!("handle {subject}: {}", plain(handle))),
        Entry::Done {
            changed, note, took, ..
        } => {
            let took = took.map_or(String::new(), |took| {
                format!(" in {}", duration(i64::try_from(took).unwrap_or(i64::MAX)))
            });
            let word = if *changed {
                paint.create("done")
            } else {
                paint.faint("as it was")
            };
            format!("{word} {subject}: {}{took}", plain(note))
        }
        Entry::Failed { message, detail, .. } => {
            let mut text = format!("{} {subject}: {}{again}", paint.remove("failed"), plain(message));
            for line in detail.lines() {
                text.push_str(&format!("\n             | {}", plain(line)));
            }
            text
        }
    };
    format!("  {:>9}  {text}\n", format!("+{}", duration(line.time - opened)))
}

fn wanted(request: &Request) -> String {
    match request {
        Request::Surgery { surgery } => surgery.text(),
        Request::Object { leaves: true, .. } => format!("{}, its name is free then", measured_as(request)),
        Request::Object { told, .. } if !told.is_empty() => {
            format!("{} on {}", measured_as(request), count(told.len(), "machine"))
        }
        Request::Object { .. } | Request::Step { .. } => measured_as(request),
    }
}

/// `12 ms`, `3.4 s`, `2 min 5 s`. A clock that was set back gives `0 ms`.
pub(super) fn duration(milliseconds: i64) -> String {
    match milliseconds.max(0) {
        ms @ 0..1000 => format!("{ms} ms"),
        ms @ 1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        ms => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn durations_read_well() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (3456, "3.4 s"),
            (125_000, "2 min 5 s"),
            (-5, "0 ms"),
        ] {
            assert_eq!(super::duration(ms), text);
        }
    }
}
