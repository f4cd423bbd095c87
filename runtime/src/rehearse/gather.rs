//! From what happened in runs to a report.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rebar_compiler::plan::{self, Plan};

use super::Rehearsal;
use super::report::{
    Bucket, FailureGroup, Injected, Practised, Prospect, REPORT_FORMAT, Report, RetryGroup, Standout, Times,
    Worst,
};
use super::run::{Ended, Run, Story};
use crate::backends::sim::Fault;
use crate::execute::{Event, Failure};

/// Bars of a histogram.
const BARS: u64 = 8;

/// The group of each node: what fails on one of many is counted for all.
pub(super) struct Groups<'a> {
    of: BTreeMap<&'a str, &'a str>,
}

impl<'a> Groups<'a> {
    pub(super) fn of(plan: &'a Plan) -> Groups<'a> {
        let rows = plan.nodes.iter().filter_map(|row| {
            let pattern = plan.patterns.get(row.pattern)?;
            Some((row.name.as_str(), pattern.group.as_str()))
        });
        let leaving = plan
            .leaving
            .iter()
            .map(|node| (node.name.as_str(), node.group.as_str()));
        Groups {
            of: rows.chain(leaving).collect(),
        }
    }

    /// `web-1/pages.index` is `pages.index`, `machine/web-1` and `web-1` are `machine of web`; the rest stays.
    fn what(&self, subject: &str) -> String {
        let (first, rest) = subject.split_once('/').unwrap_or((subject, ""));
        match (first, self.of.get(first), self.of.get(rest)) {
            ("machine", _, Some(group)) => format!("machine of {group}"),
            (_, Some(group), _) if rest.is_empty() => format!("machine of {group}"),
            (_, Some(_), _) => rest.to_owned(),
            _ => subject.to_owned(),
        }
    }

    /// A message without the node's name.
    fn message(&self, message: &str, node: &str) -> String {
        match self.of.get(node) {
            Some(group) => message.replace(&format!("`{node}`"), &format!("`{group}-*`")),
            None => message.to_owned(),
        }
    }

    /// Adds what was told to a run: what was tried again, and how long things took.
    pub(super) fn count(&self, told: &[(Duration, Story)], run: &mut Run) {
        let mut begun: BTreeMap<String, Duration> = BTreeMap::new();
        for (when, event) in told {
            let Story::Event(event) = event else { continue };
            match event {
                Event::StepStarted { node, step } => {
                    begun.insert(format!("{node}/{step}"), *when);
                }
                Event::ObjectStarted { subject, .. } => {
                    begun.insert(subject.clone(), *when);
                }
                Event::StepDone { node, step, .. } | Event::StepFailed { node, step, .. } => {
                    self.ended(&mut begun, &format!("{node}/{step}"), *when, run);
                }
                Event::ObjectDone { subject, .. } | Event::ObjectFailed { subject, .. } => {
                    self.ended(&mut begun, subject, *when, run);
                }
                Event::Retrying { subject, message, .. } => {
                    let node = subject.split('/').find(|part| self.of.contains_key(part));
                    let message = self.message(message, node.unwrap_or_default());
                    *run.retries.entry((self.what(subject), message)).or_default() += 1;
                }
                _ => {}
            }
        }
    }

    fn ended(&self, begun: &mut BTreeMap<String, Duration>, subject: &str, when: Duration, run: &mut Run) {
        if let Some(since) = begun.remove(subject) {
            *run.times.entry(self.what(subject)).or_default() += when.saturating_sub(since);
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    time.as_millis() as u64
}

/// The value that `share` of the sorted values do not exceed.
fn percentile(sorted: &[u64], share: f64) -> u64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

pub(super) fn prospect(workers: usize, runs: &[Run]) -> Prospect {
    let mut took: Vec<u64> = runs
        .iter()
        .filter(|run| run.is_done())
        .map(|run| milliseconds(run.took()))
        .collect();
    took.sort_unstable();
    Prospect {
        workers: workers as u64,
        p50: (!took.is_empty()).then(|| percentile(&took, 0.5)),
        runs: runs.len() as u64,
    }
}

/// Whether more workers took off at least a hundredth.
pub(super) fn gains(fewer: &Prospect, more: &Prospect) -> bool {
    match (fewer.p50, more.p50) {
        (Some(fewer), Some(more)) => more * 100 <= fewer * 99,
        (None, _) | (_, None) => true,
    }
}

pub(super) fn report(of: &Rehearsal, calm: &Run, runs: &[Run], workers: Vec<Prospect>) -> Report {
    let done: Vec<&Run> = runs.iter().filter(|run| run.is_done()).collect();
    let first = done.iter().filter(|run| run.applies.len() == 1).count() as u64;
    let counts = plan::counts(&of.plan);
    let failures = failures(of, runs);
    let retries = retries(runs);
    Report {
        format: REPORT_FORMAT,
        deploy: of.plan.deploy.clone(),
        site: of.plan.site.clone(),
        backend: of.plan.backend.name.clone(),
        plan_hash: plan::hash(&of.plan),
        changes: (counts.create + counts.change + counts.replace + counts.remove) as u64,
        seed: of.seed,
        runs: runs.len() as u64,
        faults: of.faults.rates(),
        parallelism: of.parallelism as u64,
        measured: !of.durations.is_empty(),
        done_first: first,
        done_again: done.len() as u64 - first,
        never_done: runs
            .iter()
            .filter(|run| !run.is_done())
            .map(|run| run.number)
            .collect(),
        calm: milliseconds(calm.took()),
        times: times(&done),
        histogram: histogram(&done),
        worst: worst(runs, &failures, &retries),
        failures,
        retries,
        injected: injected(runs),
        workers,
        practised: practised(runs),
    }
}

fn times(done: &[&Run]) -> Option<Times> {
    let slowest = done
        .iter()
        .max_by_key(|run| (run.took(), std::cmp::Reverse(run.number)))?;
    let mut took: Vec<u64> = done.iter().map(|run| milliseconds(run.took())).collect();
    took.sort_unstable();
    Some(Times {
        p50: percentile(&took, 0.5),
        p90: percentile(&took, 0.9),
        p99: percentile(&took, 0.99),
        max: milliseconds(slowest.took()),
        slowest: slowest.number,
    })
}

fn histogram(done: &[&Run]) -> Vec<Bucket> {
    let took = |run: &&Run| milliseconds(run.took());
    let (Some(least), Some(most)) = (done.iter().map(took).min(), done.iter().map(took).max()) else {
        return Vec::new();
    };
    // Whole seconds read best; bars of less only where all is over in a few seconds.
    let exact = (most - least) / BARS + 1;
    let width = if exact > 1000 {
        exact.div_ceil(1000) * 1000
    } else {
        exact
    };
    let from = if exact > 1000 { least / 1000 * 1000 } else { least };
    let bars = (most - from) / width + 1;
    (0..bars)
        .map(|bar| {
            let (from, to) = (from + bar * width, from + (bar + 1) * width);
            let mut inside = done
                .iter()
                .filter(|run| (from..to).contains(&took(run)))
                .peekable();
            let run = inside.peek().map(|run| run.number);
            Bucket {
                from,
                to,
                runs: inside.count() as u64,
                run,
            }
        })
        .collect()
}

/// What failed of one run: what, why, code.
fn failed(groups: &Groups<'_>, run: &Run) -> Vec<(String, String, String)> {
    let told = |(_, failure): &(usize, Failure)| {
        let what = match &failure.step {
            Some(step) => step.clone(),
            None => groups.what(&failure.node),
        };
        (
            what,
            groups.message(&failure.message, &failure.node),
            failure.code.clone(),
        )
    };
    let mut all: Vec<_> = run.failures.iter().map(told).collect();
    for (ended, _) in &run.applies {
        let what = "rebar apply".to_owned();
        match ended {
            Ended::Refused(code, message) => all.push((what, message.clone(), code.clone())),
            Ended::Stuck => all.push((what, "it does not come to an end".to_owned(), "E1811".to_owned())),
            Ended::Done | Ended::Failed | Ended::Killed => {}
        }
    }
    all
}

fn failures(of: &Rehearsal, runs: &[Run]) -> Vec<FailureGroup> {
    let groups = Groups::of(&of.plan);
    let mut found: BTreeMap<(String, String, String), (u64, BTreeSet<u64>)> = BTreeMap::new();
    for run in runs {
        for failure in failed(&groups, run) {
            let (count, numbers) = found.entry(failure).or_default();
            *count += 1;
            numbers.insert(run.number);
        }
    }
    let group =
        |((what, because, code), (count, numbers)): ((String, String, String), (u64, BTreeSet<u64>))| {
            FailureGroup {
                fault: Fault::of_message(&because).map(|fault| fault.name().to_owned()),
                what,
                because,
                code,
                count,
                runs: numbers.len() as u64,
                run: numbers.first().copied().unwrap_or(0),
            }
        };
    let mut failures: Vec<FailureGroup> = found.into_iter().map(group).collect();
    failures.sort_by_key(|failure| std::cmp::Reverse(failure.count));
    failures
}

fn retries(runs: &[Run]) -> Vec<RetryGroup> {
    let mut found: BTreeMap<&(String, String), (u64, u64)> = BTreeMap::new();
    for run in runs {
        for (what, times) in &run.retries {
            found.entry(what).or_insert((0, run.number)).0 += times;
        }
    }
    let mut retries: Vec<RetryGroup> = found
        .into_iter()
        .map(|((what, because), (count, run))| RetryGroup {
            what: what.clone(),
            because: because.clone(),
            count,
            run,
        })
        .collect();
    retries.sort_by_key(|retry| std::cmp::Reverse(retry.count));
    retries
}

fn worst(runs: &[Run], failures: &[FailureGroup], retries: &[RetryGroup]) -> Worst {
    let mut troubles: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let failed = failures.iter().map(|f| (f.what.as_str(), f.count, f.run));
    let tried = retries.iter().map(|r| (r.what.as_str(), r.count, r.run));
    for (what, count, run) in failed.chain(tried) {
        troubles.entry(what).or_insert((0, run)).0 += count;
    }
    let standout = |(what, (value, run)): (&str, (u64, u64))| Standout {
        what: what.to_owned(),
        value,
        run,
    };
    let troubled = troubles
        .into_iter()
        .max_by_key(|(_, (count, _))| *count)
        .map(standout);
    let mut spent: BTreeMap<&str, (Duration, Duration, u64)> = BTreeMap::new();
    for run in runs {
        for (what, time) in &run.times {
            let (sum, most, number) = spent.entry(what).or_default();
            *sum += *time;
            if *time > *most {
                (*most, *number) = (*time, run.number);
            }
        }
    }
    let slow = spent.into_iter().max_by_key(|(_, (sum, ..))| *sum);
    let slow = slow
        .map(|(what, (sum, _, run))| standout((what, (milliseconds(sum) / runs.len().max(1) as u64, run))));
    Worst { troubled, slow }
}

fn injected(runs: &[Run]) -> BTreeMap<String, Injected> {
    let mut injected: BTreeMap<String, Injected> = BTreeMap::new();
    for run in runs {
        for (fault, count) in &run.injected {
            let entry = injected.entry(fault.clone()).or_insert(Injected {
                count: 0,
                run: run.number,
            });
            entry.count += count;
        }
    }
    injected
}

fn practised(runs: &[Run]) -> Vec<Practised> {
    let mut counts: BTreeMap<&(String, String), (u64, u64)> = BTreeMap::new();
    for run in runs {
        for (pattern, (done, failed)) in &run.practised {
            let entry = counts.entry(pattern).or_default();
            entry.0 += done;
            entry.1 += failed;
        }
    }
    counts
        .into_iter()
        .map(|((pattern, role), (done, failed))| Practised {
            pattern: pattern.clone(),
            role: role.clone(),
            done,
            failed,
        })
        .collect()
}
