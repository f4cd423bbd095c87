//! `rebar test`

use rebar_compiler::verify::{Outcome, Report};
use rebar_compiler::{Analysis, Diagnostics};
use serde_json::json;

use super::Context;
use crate::cli::{Format, TestArgs};
use crate::exit::Exit;
use crate::render::palette::{Palette, count, plain};
use crate::report::Failure;

/// Runs the tests, and holds the policies against all deploys.
pub(crate) fn run(context: &Context, args: &TestArgs) -> Result<Exit, Failure> {
    let analysis = super::analyse(context);
    if analysis.diagnostics.has_errors() {
        let format = args.diagnostics.format;
        return super::show(context, format, &analysis.diagnostics, &analysis.sources);
    }
    let report = analysis.test(&args.filters);
    if report.outcomes.is_empty() && !args.filters.is_empty() {
        let message = format!("no test has `{}` in its title", args.filters.join("` or `"));
        return Err(Failure::new("E1670", message)
            .help("`rebar test` runs all of them, and shows their titles")
            .exit(Exit::Usage));
    }
    let mut said = Diagnostics::default();
    for outcome in report.outcomes.iter().filter(|o| o.accepted.is_none()) {
        outcome.diagnostics.iter().for_each(|d| said.push(d.clone()));
    }
    match args.diagnostics.format {
        Format::Json => super::print(&format!("{:#}\n", as_json(&analysis, &report)))?,
        Format::Human => super::print(&told(&analysis, &report, args.coverage, context.out))?,
        Format::Sarif | Format::Github => {}
    }
    if args.diagnostics.format != Format::Json {
        super::show(context, args.diagnostics.format, &said, &analysis.sources)?;
    }
    let all = report.outcomes.iter().all(|o| o.holds() || o.accepted.is_some());
    Ok(if all { Exit::Done } else { Exit::Failed })
}

fn title(outcome: &Outcome) -> String {
    match &outcome.deploy {
        Some(deploy) => format!("{} on {deploy}", outcome.title),
        None => outcome.title.clone(),
    }
}

fn told(analysis: &Analysis, report: &Report, coverage: bool, paint: Palette) -> String {
    let mut text = String::new();
    let mut failed = 0;
    for outcome in &report.outcomes {
        let end = match (outcome.holds(), &outcome.accepted) {
            (true, _) => "ok".to_owned(),
            (false, Some(because)) => paint.change(&format!("accepted: {}", plain(because))),
            (false, None) => {
                failed += 1;
                paint.remove("FAILED")
            }
        };
        let word = if outcome.deploy.is_some() {
            "policy"
        } else {
            "test"
        };
        text.push_str(&format!("{word} {} ... {end}\n", plain(&title(outcome))));
    }
    let policies = report.outcomes.iter().filter(|o| o.deploy.is_some()).count();
    let tests = report.outcomes.len() - policies;
    if report.outcomes.is_empty() {
        text.push_str("no tests and no policies: write `test \"…\" { … }`\n");
    } else {
        text.push_str(&summary(tests, policies, failed));
    }
    if coverage {
        text.push_str("\nplanned by tests:\n");
        for (what, covered, all) in report.coverage.figures() {
            text.push_str(&format!("  {covered} of {all} {what}\n"));
        }
        for missing in report.coverage.missing() {
            let place = analysis.sources.place(missing.span);
            text.push_str(&format!("  not planned: {} ({place})\n", missing.name));
        }
    }
    text
}

fn summary(tests: usize, policies: usize, failed: usize) -> String {
    let ends = match failed {
        0 => "all hold".to_owned(),
        n => format!("{n} failed"),
    };
    let (tests, policies) = (count(tests, "test"), count(policies, "policy"));
    format!("\n{tests} and {policies} on deploys: {ends}\n")
}

fn as_json(analysis: &Analysis, report: &Report) -> serde_json::Value {
    let outcome = |o: &Outcome| {
        let mut said = Diagnostics::default();
        o.diagnostics.iter().for_each(|d| said.push(d.clone()));
        let text = rebar_compiler::diagnostics::render_json(&said, &analysis.sources);
        let said: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        json!({
            "kind": if o.deploy.is_some() { "policy" } else { "test" },
            "title": o.title,
            "deploy": o.deploy,
            "place": analysis.sources.place(o.span),
            "holds": o.holds(),
            "accepted": o.accepted,
            "assertions": o.looked_at,
            "diagnostics": said,
        })
    };
    let missing = report.coverage.missing();
    let missing: Vec<_> = missing
        .iter()
        .map(|c| json!({ "name": c.name, "place": analysis.sources.place(c.span) }))
        .collect();
    let figures: serde_json::Map<String, serde_json::Value> = report
        .coverage
        .figures()
        .into_iter()
        .map(|(what, covered, all)| (what.to_owned(), json!({ "planned": covered, "all": all })))
        .collect();
    json!({
        "outcomes": report.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "coverage": { "figures": figures, "not_planned": missing },
    })
}
