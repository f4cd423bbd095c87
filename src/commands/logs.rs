//! `rebar logs`: what a run heard of its nodes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rebar_runtime::journal::Entry;
use rebar_runtime::logs::{FOLDER, file};
use rebar_runtime::state::{HistoryRun, RunKind, State, utc};
use serde_json::Value;

use super::{Context, history, node};
use crate::cli::LogsArgs;
use crate::exit::Exit;
use crate::render::palette::{Palette, plain};
use crate::report::Failure;

/// Runs that are looked through, more than are kept.
const RUNS: u32 = 200;
/// How often a file that is followed is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// Which lines are wanted.
struct Wanted<'a> {
    nodes: &'a [String],
    step: Option<&'a str>,
    /// Milliseconds since 1970.
    from: i64,
}

/// Prints the lines of the run that is asked for.
pub(crate) async fn run(context: &Context, args: &LogsArgs) -> Result<Exit, Failure> {
    let from = args.since.as_deref().map(since).transpose()?;
    let state = node::state(context)?;
    if let Some(deploy) = &args.deploy {
        node::recorded(&state, deploy).await?;
    }
    let folder = context.project.folders()?.state.join(FOLDER);
    let runs = runs(&state, args, from, &folder).await?;
    let Some(last) = runs.last().cloned() else {
        return Err(Failure::new("E1623", "no logs are kept of such a run")
            .help("`rebar history` lists the runs; its `--run` tells what each began and how that ended"));
    };
    let wanted = Wanted {
        nodes: &args.nodes,
        step: args.step.as_deref(),
        from: from.unwrap_or(0),
    };
    let mut shown = false;
    for run in &runs {
        let mut reader = open(&file(&folder, &run.run.id))?;
        let details = details(&state, run).await?;
        if !args.json {
            super::print(&header(run, context.out))?;
        }
        loop {
            let (text, ended) = read(&mut reader, &wanted, &details, args.json, context.out)?;
            shown |= !text.is_empty();
            super::print(&text)?;
            let follows = args.follow && run.run.id == last.run.id && !ended;
            if !follows || !at_work(&state, &run.deploy).await? {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    if !shown && (!args.nodes.is_empty() || args.step.is_some()) {
        return Err(Failure::new("E1623", "nothing was heard of that node or step")
            .help("without names all that was heard is shown; `rebar status` lists the nodes"));
    }
    if !shown && !args.json {
        super::tell("nothing was heard\n");
    }
    Ok(Exit::Done)
}

/// The runs to show, the oldest first.
async fn runs(
    state: &State,
    args: &LogsArgs,
    from: Option<i64>,
    folder: &Path,
) -> Result<Vec<HistoryRun>, Failure> {
    let kept = |run: &HistoryRun| file(folder, &run.run.id).is_file();
    if let Some(id) = &args.run {
        let found = history::find(state, id).await?;
        return Ok(Some(found).filter(kept).into_iter().collect());
    }
    let all = state.history(args.deploy.as_deref(), RUNS).await;
    let all = all.map_err(|error| Failure::from_state(&error))?;
    let mut runs: Vec<HistoryRun> = all
        .into_iter()
        .filter(|run| run.run.kind != RunKind::Surgery && kept(run))
        .collect();
    match from {
        Some(from) => runs.retain(|run| run.run.closed.is_none_or(|closed| closed >= from)),
        None => runs.truncate(1),
    }
    runs.reverse();
    Ok(runs)
}

async fn at_work(state: &State, deploy: &str) -> Result<bool, Failure> {
    let found = state.inspect(deploy).await;
    let found = found.map_err(|error| Failure::from_state(&error))?;
    Ok(found.is_some_and(|found| found.holder.is_some_and(|holder| holder.alive)))
}

/// The last lines that failing programs printed, by subject: the journal has them.
async fn details(state: &State, run: &HistoryRun) -> Result<BTreeMap<String, String>, Failure> {
    let lines = state.lines(&run.run.id).await;
    let lines = lines.map_err(|error| Failure::from_state(&error))?;
    let failed = lines.into_iter().filter_map(|line| match line.entry {
        Entry::Failed { detail, .. } if !detail.is_empty() => Some((line.subject, detail)),
        _ => None,
    });
    Ok(failed.collect())
}

fn open(path: &PathBuf) -> Result<BufReader<std::fs::File>, Failure> {
    let open = std::fs::File::open(path);
    open.map(BufReader::new).map_err(|error| {
        let why = crate::project::plain(&error);
        Failure::new("E1603", format!("cannot read `{}`: {why}", path.display()))
    })
}

/// What is new in the file, and whether the run has ended.
fn read(
    reader: &mut BufReader<std::fs::File>,
    wanted: &Wanted<'_>,
    details: &BTreeMap<String, String>,
    json: bool,
    paint: Palette,
) -> Result<(String, bool), Failure> {
    let (mut out, mut ended) = (String::new(), false);
    loop {
        let mut line = Vec::new();
        let length = reader.read_until(b'\n', &mut line).unwrap_or(0);
        if line.last() != Some(&b'\n') {
            // A line that is still being written is read again.
            let back = i64::try_from(length).unwrap_or(0);
            let _ = reader.seek(SeekFrom::Current(-back));
            return Ok((out, ended));
        }
        let Ok(value) = serde_json::from_slice::<Value>(&line) else {
            continue;
        };
        ended |= value["event"] == "closed";
        if !fits(&value, wanted) {
            continue;
        }
        if json {
            out.push_str(&format!("{value}\n"));
        } else {
            out.push_str(&shown(&value, details, paint));
        }
        // A large file is not gathered as a whole.
        if out.len() > 1 << 20 {
            super::print(&out)?;
            out = String::new();
        }
    }
}

/// The node that an event is about, and the step.
fn about(value: &Value) -> (Option<&str>, Option<&str>) {
    if let Some(node) = value["node"].as_str() {
        return (Some(node), value["step"].as_str());
    }
    match value["subject"]
        .as_str()
        .and_then(|subject| subject.split_once('/'))
    {
        Some(("machine", name)) => (Some(name), None),
        Some(("network" | "image", _)) | None => (None, None),
        Some((node, step)) => (Some(node), Some(step)),
    }
}

fn fits(value: &Value, wanted: &Wanted<'_>) -> bool {
    let (node, step) = about(value);
    let by_node = wanted.nodes.is_empty() || node.is_some_and(|node| wanted.nodes.iter().any(|n| n == node));
    let by_step = wanted.step.is_none_or(|asked| {
        let of =
            |step: &str| step == asked || step.strip_prefix(asked).is_some_and(|rest| rest.starts_with('.'));
        step.is_some_and(of)
    });
    by_node && by_step && value["time"].as_i64().unwrap_or(i64::MAX) >= wanted.from
}

fn header(run: &HistoryRun, paint: Palette) -> String {
    let text = format!(
        "{} of {}, run {}, {}",
        run.run.kind.name(),
        run.deploy,
        run.run.id.get(..8).unwrap_or(&run.run.id),
        utc(run.run.opened)
    );
    format!("{}\n", paint.strong(&text))
}

/// A line for people. Events that this knows nothing of are shown as they are.
fn shown(value: &Value, details: &BTreeMap<String, String>, paint: Palette) -> String {
    let said = |name: &str| plain(value[name].as_str().unwrap_or_default()).into_owned();
    let subject = match value["node"].as_str() {
        Some(node) => format!("{} {}", plain(node), said("step")),
        None => said("subject"),
    };
    let event = value["event"].as_str().unwrap_or_default();
    let text = match event {
        "step_started" => paint.faint(&format!("{subject}: begun")),
        "object_started" => paint.faint(&format!("{subject}: {}", said("action"))),
        "step_progress" | "object_progress" => format!("{subject}: {}", said("text")),
        "step_done" | "object_done" => {
            let word = if value["changed"] == Value::Bool(false) {
                paint.faint("ok")
            } else {
                paint.create("done")
            };
            format!("{subject}: {word} {}", said("note"))
        }
        "step_failed" | "object_failed" => {
            let mut text = format!("{subject}: {} {}", paint.remove("failed"), said("message"));
            let key = match (value["node"].as_str(), value["step"].as_str()) {
                (Some(node), Some(step)) => format!("{node}/{step}"),
                _ => value["subject"].as_str().unwrap_or_default().to_owned(),
            };
            for line in details.get(&key).into_iter().flat_map(|detail| detail.lines()) {
                text.push_str(&format!("\n             | {}", plain(line)));
            }
            text
        }
        "retrying" => paint.change(&format!(
            "{subject}: again, attempt {}: {}",
            value["attempt"],
            said("message")
        )),
        "blocked" => paint.change(&format!("{subject}: not done, because {} failed", said("cause"))),
        "recovered" => paint.change(&format!("{subject}: {}", said("found"))),
        "closed" => format!("the run ended: {}", said("status")),
        "cut" => paint.change("more was heard than is kept"),
        _ => {
            let fields = value.as_object().into_iter().flatten();
            let fields = fields.filter(|(name, _)| !["event", "time"].contains(&name.as_str()));
            let list: Vec<String> = fields
                .map(|(name, field)| format!("{name}={}", plain(&field.to_string())))
                .collect();
            paint.faint(&format!("{}: {}", event.replace('_', " "), list.join(" ")))
        }
    };
    let time = value["time"].as_i64().map_or(String::new(), clock);
    format!("{time:<12} {text}\n")
}

/// `14:05:06.123`
fn clock(milliseconds: i64) -> String {
    let of_day = milliseconds.rem_euclid(86_400_000);
    let second = of_day / 1000;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        second / 3600,
        second / 60 % 60,
        second % 60,
        of_day % 1000
    )
}

/// The moment that is so long ago, in milliseconds since 1970.
fn since(text: &str) -> Result<i64, Failure> {
    let unit = text.chars().last().and_then(|unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        _ => None,
    });
    let seconds = unit.and_then(|unit| text[..text.len() - 1].parse::<u64>().ok()?.checked_mul(unit));
    let then = seconds.and_then(|seconds| SystemTime::now().checked_sub(Duration::from_secs(seconds)));
    match then.and_then(|then| then.duration_since(SystemTime::UNIX_EPOCH).ok()) {
        Some(then) => Ok(i64::try_from(then.as_millis()).unwrap_or(i64::MAX)),
        None => Err(Failure::new("E1624", format!("`{text}` is no age"))
            .help("write a number and a unit: `90s`, `10m`, `2h`, `3d`")
            .exit(Exit::Usage)),
    }
}
