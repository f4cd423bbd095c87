//! `rebar conformance`: what a backend promises, and what it keeps.

use std::sync::Arc;

use rebar_runtime::backend::{Backend, Capability, FindingState, Folders};
use rebar_runtime::conformance::{
    CHECKS, Check, Outcome, Premises, Report, Target, Told, Verdict, host_of, run as examine, sweep,
};
use tokio::signal::unix::{SignalKind, signal};

use super::Context;
use crate::backends;
use crate::cli::ConformanceArgs;
use crate::exit::Exit;
use crate::project::plain;
use crate::render::palette::{Palette, count};
use crate::report::Failure;

/// Holds a backend against the suite, in a folder of its own, and takes away what that made.
///
/// # Errors
/// `E1605` for an unknown backend, `E1620` when no check is meant, `E1621` when this machine lacks a part, `E1622`
/// when the suite cannot begin, or something of it stays.
pub(crate) async fn run(context: &Context, args: &ConformanceArgs) -> Result<Exit, Failure> {
    let checks = chosen(args.only.as_deref())?;
    if args.list {
        return list(&checks, args.json, context.out);
    }
    let folders = context.project.folders()?;
    let name: &'static str = known(&args.backend, &folders)?;
    let backend = backends::backend(name, &folders)?;
    refuse_without_parts(&*backend).await?;
    let target = Target {
        name: name.to_owned(),
        make: Arc::new(move |folders: &Folders| made(name, folders)),
        host: host_of(name),
        base: folders.data.join("conformance"),
        cache: folders.cache.clone(),
        stride: 1,
    };
    let premises = Arc::new(Premises::open(&target.base).map_err(cannot)?);
    let (err, total) = (context.err, checks.len());
    let number = std::sync::atomic::AtomicUsize::new(0);
    let tell = move |told: Told<'_>| progress(told, &number, total + 1, err);
    let result = tokio::select! {
        result = examine(&target, &premises, &checks, &tell) => result,
        why = interrupted() => {
            super::tell(&format!("{why}: taking away what was made\n"));
            // The checks are dropped by now, and with them the programs that they started.
            sweep(&target, &premises).await.map_err(cannot)?;
            return Ok(Exit::Interrupted);
        }
    };
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            // What was made before it goes; what does not is told with the rest.
            let left = sweep(&target, &premises).await.err().unwrap_or_default();
            return Err(cannot(format!("{error} {left}").trim().to_owned()));
        }
    };
    if args.json {
        super::print(&format!("{:#}\n", serde_json::json!(report)))?;
    } else {
        super::print(&text(&report, &*backend, context.out))?;
    }
    Ok(if report.is_good() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The name as this build spells it, which lives as long as the program.
fn known(name: &str, folders: &Folders) -> Result<&'static str, Failure> {
    match backends::NAMES.into_iter().find(|known| *known == name) {
        Some(known) => Ok(known),
        None => Err(match backends::backend(name, folders) {
            Err(failure) => failure,
            Ok(_) => cannot(format!("`{name}` is not listed")),
        }),
    }
}

/// A backend of this build, which [`known`] has found.
fn made(name: &'static str, folders: &Folders) -> Arc<dyn Backend> {
    match backends::backend(name, folders) {
        Ok(backend) => backend,
        Err(failure) => unreachable!("{}", failure.message),
    }
}

/// The checks whose ids contain one of the words; each word must mean at least one.
fn chosen(pattern: Option<&str>) -> Result<Vec<&'static Check>, Failure> {
    let Some(pattern) = pattern else {
        return Ok(CHECKS.iter().collect());
    };
    let words: Vec<&str> = pattern.split(',').map(str::trim).collect();
    let means = |check: &&Check, word: &str| !word.is_empty() && check.id.contains(word);
    if let Some(word) = words
        .iter()
        .find(|word| !CHECKS.iter().any(|check| means(&check, word)))
    {
        return Err(Failure::new("E1620", format!("no check is called like `{word}`"))
            .help("`rebar conformance BACKEND --list` names all checks")
            .exit(Exit::Usage));
    }
    let wanted = |check: &&Check| words.iter().any(|word| means(check, word));
    Ok(CHECKS.iter().filter(wanted).collect())
}

fn list(checks: &[&Check], json: bool, paint: Palette) -> Result<Exit, Failure> {
    let text = if json {
        let rows: Vec<serde_json::Value> = checks
            .iter()
            .map(
                |check| serde_json::json!({ "id": check.id, "title": check.title, "promise": check.promise }),
            )
            .collect();
        format!("{:#}\n", serde_json::Value::from(rows))
    } else {
        let row = |check: &&Check| {
            let promise = paint.faint(&format!("[{}]", check.promise));
            format!("{:<22} {} {promise}\n", check.id, check.title)
        };
        checks.iter().map(row).collect()
    };
    super::print(&text)?;
    Ok(Exit::Done)
}

async fn refuse_without_parts(backend: &dyn Backend) -> Result<(), Failure> {
    let findings = backend.examine().await;
    let missing = findings
        .iter()
        .filter(|finding| finding.state == FindingState::Missing);
    let lines: Vec<String> = missing
        .map(|finding| format!("{}: {}", finding.subject, finding.text))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let message = format!(
        "this machine lacks {} of the backend `{}`",
        count(lines.len(), "part"),
        backend.name()
    );
    let mut failure = Failure::new("E1621", message)
        .help("`rebar doctor` tells the commands that add them")
        .exit(Exit::Refused);
    failure.detail = lines.join("\n");
    Err(failure)
}

fn cannot(why: impl Into<String>) -> Failure {
    Failure::new("E1622", why).help("nothing of yours was touched; what stays is taken away by the next run")
}

/// Returns when the person or the system wants the program to end.
async fn interrupted() -> &'static str {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signals) => drop(signals.recv().await),
            // Then the signal ends the program, and the next run cleans up.
            Err(error) => {
                tracing::debug!("no signals can be heard: {}", plain(&error));
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => "interrupted",
        () = wait(SignalKind::terminate()) => "told to end",
        () = wait(SignalKind::hangup()) => "the terminal is gone",
    }
}

fn progress(told: Told<'_>, number: &std::sync::atomic::AtomicUsize, total: usize, paint: Palette) {
    let text = match told {
        Told::Sweeping => paint.change("taking away what an earlier run that was killed has left"),
        Told::Stays(what) => paint.remove(&format!("that cannot be taken away: {what}")),
        Told::Image(line) => paint.faint(&format!("image: {line}")),
        Told::Begun(_) => return,
        Told::Ended(verdict) => {
            let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            let why = match &verdict.outcome {
                Outcome::Failed { why } => format!("\n         {why}"),
                _ => String::new(),
            };
            format!("[{number:>2}/{total}] {}{why}", line(verdict, paint))
        }
    };
    super::tell(&format!("{text}\n"));
}

fn word(outcome: &Outcome, paint: Palette) -> String {
    match outcome {
        Outcome::Passed => paint.create("kept  "),
        Outcome::Failed { .. } => paint.remove("BROKEN"),
        Outcome::DoesNotApply { .. } => paint.faint("none  "),
    }
}

fn line(verdict: &Verdict, paint: Palette) -> String {
    let word = word(&verdict.outcome, paint);
    format!(
        "{word} {:<22} {:>6.1} s  {}",
        verdict.id, verdict.seconds, verdict.title
    )
}

/// What the backend promises and what it keeps, as a table.
fn text(report: &Report, backend: &dyn Backend, paint: Palette) -> String {
    let mut out = format!(
        "{}\n",
        paint.strong(&format!("backend {} promises", report.backend))
    );
    for (name, capability) in backend.capabilities() {
        let level = match capability {
            Capability::Exact => "exact".to_owned(),
            Capability::Emulated(how) => format!("emulated: {how}"),
            Capability::Absent => "absent".to_owned(),
        };
        out.push_str(&format!("  {name:<18} {level}\n"));
    }
    out.push_str(&format!("{}\n", paint.strong("and keeps")));
    for verdict in &report.verdicts {
        let promise = paint.faint(&format!("[{}]", verdict.promise));
        out.push_str(&format!("  {} {promise}\n", line(verdict, paint)));
        match &verdict.outcome {
            Outcome::Passed => {}
            Outcome::Failed { why: text } | Outcome::DoesNotApply { because: text } => {
                out.push_str(&format!("         {text}\n"));
            }
        }
    }
    let (kept, broken, none) = report.counts();
    let seconds: f64 = report.verdicts.iter().map(|verdict| verdict.seconds).sum();
    let sum = format!("{kept} kept, {broken} broken, {none} not promised, in {seconds:.0} s");
    let sum = if broken == 0 {
        paint.create(&sum)
    } else {
        paint.remove(&sum)
    };
    out + &format!("{sum}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_chosen_by_parts_of_their_ids() {
        assert_eq!(chosen(None).unwrap().len(), CHECKS.len());
        let some = chosen(Some("life., fence.stale")).unwrap();
        assert!(
            some.iter()
                .all(|check| check.id.starts_with("life.") || check.id == "fence.stale")
        );
        assert!(some.len() > 2);
        assert_eq!(chosen(Some("nonsense")).unwrap_err().code, "E1620");
    }
}
