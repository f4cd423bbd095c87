//! Rehearsals for people.

use std::fmt::Write;

use rebar_runtime::rehearse::{RehearsedFaults, Report, Run, Story};

use super::duration::{since, spoken};
use super::palette::{Palette, count};

/// So many lines of a list are shown.
const SHOWN: usize = 8;

/// Columns of the longest bar.
const BAR: u64 = 30;

/// The whole report; `options` are those that play one of its runs again.
pub(crate) fn report(report: &Report, options: &str, paint: Palette) -> String {
    let mut out = String::new();
    let runs = count(report.runs as usize, "run");
    let title = format!(
        "{} on {}, rehearsed for {}: {runs}",
        report.deploy, report.site, report.backend
    );
    line(&mut out, 0, &paint.strong(&title));
    let times = if report.measured {
        "as measured here"
    } else {
        "usual ones, nothing was measured yet"
    };
    let changes = count(report.changes as usize, "change");
    line(
        &mut out,
        1,
        &format!(
            "{changes}; {} nodes at a time; durations: {times}",
            report.parallelism
        ),
    );
    wrapped(&mut out, &faults_of(report), paint);
    endings(&mut out, report, paint);
    durations(&mut out, report, paint);
    troubles(&mut out, report, paint);
    workers(&mut out, report, paint);
    out.push('\n');
    let number = report
        .failures
        .first()
        .map(|f| f.run)
        .or(report.times.as_ref().map(|t| t.slowest));
    let again = format!(
        "rebar rehearse {} {options} --run {}",
        report.deploy,
        number.unwrap_or(1)
    );
    line(&mut out, 0, &format!("play a run again, with its story: {again}"));
    out
}

fn faults_of(report: &Report) -> String {
    if report.faults.is_empty() {
        return "nothing goes wrong".to_owned();
    }
    if report.faults == RehearsedFaults::usual().rates() {
        return "faults: the usual ones (`rebar rehearse --faults list`)".to_owned();
    }
    let rates: Vec<String> = report
        .faults
        .iter()
        .map(|(name, rate)| format!("{name} {}", percent(*rate)))
        .collect();
    format!("faults: {}", rates.join(", "))
}

fn percent(rate: f64) -> String {
    let text = format!("{:.3}", rate * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

fn endings(out: &mut String, report: &Report, paint: Palette) {
    out.push('\n');
    let row = |out: &mut String, what: &str, number: u64, rest: &str| {
        let share = number as f64 / report.runs.max(1) as f64 * 100.0;
        line(
            out,
            1,
            format!("{what:<28}{number:>6}  {share:>5.1} %  {rest}").trim_end(),
        );
    };
    row(out, "done at first", report.done_first, "");
    row(out, "done after applying again", report.done_again, "");
    let never: Vec<String> = report.never_done.iter().take(SHOWN).map(u64::to_string).collect();
    let which = if never.is_empty() {
        String::new()
    } else {
        let more = match report.never_done.len() - never.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        paint.remove(&format!("runs {}{more}", never.join(", ")))
    };
    row(out, "never done", report.never_done.len() as u64, &which);
}

fn durations(out: &mut String, report: &Report, paint: Palette) {
    let Some(times) = &report.times else { return };
    out.push('\n');
    line(out, 0, &paint.strong("time (simulated)"));
    line(
        out,
        1,
        &format!(
            "half within {}, 90 % within {}, 99 % within {}; longest {} (run {}); {} if nothing goes wrong",
            spoken(times.p50),
            spoken(times.p90),
            spoken(times.p99),
            spoken(times.max),
            times.slowest,
            spoken(report.calm)
        ),
    );
    let most = report
        .histogram
        .iter()
        .map(|bucket| bucket.runs)
        .max()
        .unwrap_or(1)
        .max(1);
    for bucket in &report.histogram {
        let bar = "█".repeat((bucket.runs * BAR).div_ceil(most) as usize);
        let run = bucket
            .run
            .map_or(String::new(), |run| paint.faint(&format!("run {run}")));
        let text = format!(
            "{:>12} – {:<12} {:>6} {bar} {run}",
            spoken(bucket.from),
            spoken(bucket.to),
            bucket.runs
        );
        line(out, 1, text.trim_end());
    }
}

fn troubles(out: &mut String, report: &Report, paint: Palette) {
    if !report.failures.is_empty() {
        out.push('\n');
        line(out, 0, &paint.strong("what failed"));
        for failure in report.failures.iter().take(SHOWN) {
            let fault = failure
                .fault
                .as_ref()
                .map_or(String::new(), |fault| format!(", fault {fault}"));
            let place = paint.faint(&format!("({}{fault}, run {})", failure.code, failure.run));
            let text = format!(
                "{:>6} × {}: {} {place}",
                failure.count, failure.what, failure.because
            );
            line(out, 0, &text);
        }
        more(out, report.failures.len());
    }
    if !report.retries.is_empty() {
        out.push('\n');
        line(out, 0, &paint.strong("what was tried again"));
        for retry in report.retries.iter().take(SHOWN) {
            let place = paint.faint(&format!("(run {})", retry.run));
            let text = format!("{:>6} × {}: {} {place}", retry.count, retry.what, retry.because);
            line(out, 0, &text);
        }
        more(out, report.retries.len());
    }
    out.push('\n');
    line(out, 0, &paint.strong("what stood out"));
    if let Some(worst) = &report.worst.troubled {
        let often = count(worst.value as usize, "time");
        line(
            out,
            1,
            &format!(
                "most trouble: {}, failed or tried again {often} (run {})",
                worst.what, worst.run
            ),
        );
    }
    if let Some(worst) = &report.worst.slow {
        line(
            out,
            1,
            &format!(
                "most time: {}, {} a run (longest in run {})",
                worst.what,
                spoken(worst.value),
                worst.run
            ),
        );
    }
    if !report.injected.is_empty() {
        let struck = report
            .injected
            .iter()
            .map(|(name, i)| format!("{name} {} (run {})", i.count, i.run));
        let struck = format!("faults that struck: {}", struck.collect::<Vec<_>>().join(", "));
        wrapped(out, &struck, paint);
    }
}

fn more(out: &mut String, all: usize) {
    if all > SHOWN {
        line(
            out,
            0,
            &format!("{:>6}   and {} more in `--json`", "", all - SHOWN),
        );
    }
}

fn workers(out: &mut String, report: &Report, paint: Palette) {
    let Some(first) = report.workers.first() else {
        return;
    };
    out.push('\n');
    let head = format!("nodes at a time (half of runs 1 to {} within)", first.runs);
    line(out, 0, &paint.strong(&head));
    for prospect in &report.workers {
        line(
            out,
            1,
            &format!(
                "{:>4}  {}",
                prospect.workers,
                prospect.p50.map_or("none was done".to_owned(), spoken)
            ),
        );
    }
}

/// All faults: name, usual rate, meaning.
pub(crate) fn faults(list: &[(&str, &str, f64)]) -> String {
    let mut out = String::from("fault              usually  what happens\n");
    for (name, meaning, rate) in list {
        let _ = writeln!(out, "{name:<18} {:>7}  {meaning}", percent(*rate));
    }
    out.push_str(
        "\nA rate is a share of the occasions at which the fault can strike. `usual` is all of these, `none` nothing,\n\
         `passing=2%` all that somebody need not mend, `all=1%` all. Later parts override: `usual,reboot=5%`.\n",
    );
    out
}

/// What happened in a run, a line each with the simulated time.
pub(crate) fn story(run: &Run, paint: Palette) -> String {
    let mut out = String::new();
    for (when, what) in &run.story {
        let text = match what {
            Story::Event(event) => crate::progress::line(event, paint),
            Story::Struck(fault, about) => Some(paint.remove(&format!("fault {fault}: {about}"))),
            Story::Note(text) => Some(paint.strong(text)),
        };
        if let Some(text) = text {
            let _ = writeln!(out, "{:>11}  {text}", since(when.as_millis() as u64));
        }
    }
    let applies = count(run.applies.len(), "apply").replace("applys", "applies");
    let ending = if run.is_done() { "done" } else { "never done" };
    let took = spoken(run.took().as_millis() as u64);
    line(
        &mut out,
        0,
        &format!("run {}: {ending} after {applies}, {took} in all", run.number),
    );
    out
}

/// The same as JSON lines.
pub(crate) fn story_json(run: &Run) -> String {
    let mut out = String::new();
    for (when, what) in &run.story {
        let at = when.as_millis() as u64;
        let value = match what {
            Story::Event(event) => serde_json::json!({ "at": at, "event": event }),
            Story::Struck(fault, about) => serde_json::json!({ "at": at, "fault": fault, "about": about }),
            Story::Note(text) => serde_json::json!({ "at": at, "note": text }),
        };
        let _ = writeln!(out, "{value}");
    }
    out
}

/// A list that may be long, in lines of at most so many columns.
fn wrapped(out: &mut String, text: &str, paint: Palette) {
    const COLUMNS: usize = 100;
    let mut shown = String::new();
    for part in text.split_inclusive(", ") {
        if !shown.is_empty() && shown.chars().count() + part.chars().count() > COLUMNS {
            line(out, 1, &paint.faint(shown.trim_end()));
            shown = "  ".to_owned();
        }
        shown.push_str(part);
    }
    line(out, 1, &paint.faint(&shown));
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:indent$}{text}", "", indent = depth * 2);
}
