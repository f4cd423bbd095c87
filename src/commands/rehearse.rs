//! `rebar rehearse`: the real plan and the real executor in simulated worlds.

use std::io::IsTerminal;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use rebar_compiler::Analysis;
use rebar_compiler::plan::{self, Ledger, Plan, Snapshot};
use rebar_runtime::clock::SystemClock;
use rebar_runtime::observe::Depth;
use rebar_runtime::rehearse::{Planner, Rehearsal, RehearseError, RehearsedFaults, Report};
use rebar_runtime::state::{KeptRehearsal, Practised, State, Where};

use super::compile::{Made, is_new, make};
use super::{Context, expect, given, which};
use crate::cli::{Format, RehearseArgs};
use crate::exit::Exit;
use crate::render::rehearsal;
use crate::report::Failure;

/// Rehearses, and reports.
pub(crate) async fn run(context: &Context, args: &RehearseArgs) -> Result<Exit, Failure> {
    if args.faults == "list" {
        super::print(&rehearsal::faults(&RehearsedFaults::list()))?;
        return Ok(Exit::Done);
    }
    let faults = args.faults.parse::<RehearsedFaults>().map_err(|cause| {
        Failure::new(
            "E1810",
            format!("cannot read `--faults {}`: {cause}", args.faults),
        )
        .help("`rebar rehearse --faults list` explains all faults and their usual rates")
        .exit(Exit::Usage)
    })?;
    let deploy = which::or_the_only(context, args.deploy.clone())?;
    let plan = match plan(context, args, &deploy).await? {
        Made::Plan(plan, _) => *plan,
        Made::Ended(exit) => return Ok(exit),
    };
    if plan::is_empty(&plan) {
        super::print("nothing to rehearse: 0 changes; `--from-scratch` rehearses a first apply\n")?;
        return Ok(Exit::Done);
    }
    let (state, kept) = state(context)?;
    let told = |error| Failure::from_state(&error);
    let stands = state
        .copy_deploy(&plan.deploy, &plan.site, args.from_scratch)
        .await;
    let rehearsal = Rehearsal {
        planner: planner(
            given::analyse(context, &plan.deploy, &args.arguments).await?,
            &plan.deploy,
        ),
        stands: stands.map_err(told)?,
        durations: state.durations(&plan.backend.name).await.map_err(told)?,
        faults,
        seed: args.seed,
        runs: args.runs,
        parallelism: args.parallel.unwrap_or(expect::LANES).max(1),
        objects: expect::objects_at_a_time(context, &plan)?,
        plan,
    };
    if let Some(number) = args.run {
        return one(context, args, &rehearsal, number);
    }
    let report = all(context, args, &rehearsal)?;
    if kept {
        keep(&state, &report).await?;
    }
    let text = if args.json {
        format!("{:#}\n", serde_json::json!(report))
    } else {
        rehearsal::report(&report, &options(args), context.out)
    };
    super::print(&text)?;
    Ok(if report.never_done.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The plan from the record, or as if there were none.
async fn plan(context: &Context, args: &RehearseArgs, deploy: &str) -> Result<Made, Failure> {
    if !args.from_scratch {
        return make(context, deploy, Depth::None, Format::Human, &args.arguments).await;
    }
    let mut analysis = given::analyse(context, deploy, &args.arguments).await?;
    let plan = analysis.plan(deploy, &Ledger::default(), &Snapshot::default());
    let exit = super::show(context, Format::Human, &analysis.diagnostics, &analysis.sources)?;
    Ok(match plan {
        Some(plan) if exit == Exit::Done => Made::Plan(Box::new(plan), false),
        _ => Made::Ended(Exit::Failed),
    })
}

/// Plans the deploy as the spec has it now.
fn planner(analysis: Analysis, deploy: &str) -> Planner {
    let deploy = deploy.to_owned();
    Arc::new(move |ledger: &Ledger, snapshot: &Snapshot| -> Option<Plan> {
        analysis.clone().plan(&deploy, ledger, snapshot)
    })
}

/// The project's state, made if there is none, and whether anything can be kept in it.
fn state(context: &Context) -> Result<(State, bool), Failure> {
    let folder = context.project.folders()?.state;
    let new = is_new(&folder);
    match State::in_folder(&folder) {
        Ok(state) => Ok((state, true)),
        Err(error) if new => {
            super::tell(&format!("warning: the rehearsal is not kept: {error}\n"));
            let state = State::in_memory(Arc::new(SystemClock), 0);
            Ok((state.map_err(|error| Failure::from_state(&error))?, false))
        }
        Err(error) => Err(Failure::from_state(&error)),
    }
}

fn one(context: &Context, args: &RehearseArgs, rehearsal: &Rehearsal, number: u64) -> Result<Exit, Failure> {
    let run = rehearsal.one(number).map_err(|error| failed(&error))?;
    let text = if args.json {
        rehearsal::story_json(&run)
    } else {
        rehearsal::story(&run, context.out)
    };
    super::print(&text)?;
    Ok(if run.is_done() { Exit::Done } else { Exit::Failed })
}

/// All runs, with a bar where somebody may watch.
fn all(_: &Context, args: &RehearseArgs, rehearsal: &Rehearsal) -> Result<Report, Failure> {
    let bar = if std::io::stderr().is_terminal() && !args.json {
        let style = ProgressStyle::with_template("rehearsing {bar:30} {pos}/{len} {elapsed}, {eta} left");
        ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    } else {
        ProgressBar::hidden()
    };
    let report = rehearsal.all(&|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    report.map_err(|error| failed(&error))
}

fn failed(error: &RehearseError) -> Failure {
    Failure::new(error.code(), error.to_string()).help("nothing real was touched; please report it")
}

/// Keeps the report, and what it says of each pattern.
async fn keep(state: &State, report: &Report) -> Result<(), Failure> {
    let told = |error| Failure::from_state(&error);
    let kept = KeptRehearsal {
        time: 0,
        plan_hash: report.plan_hash.clone(),
        seed: report.seed,
        runs: report.runs,
        report: serde_json::json!(report).to_string(),
    };
    state.keep_rehearsal(&report.deploy, kept).await.map_err(told)?;
    let at = Where {
        backend: report.backend.clone(),
        how: Practised::Rehearsed,
    };
    let counts = report
        .practised
        .iter()
        .map(|p| ((p.pattern.clone(), p.role.clone()), (p.done, p.failed)));
    state.practise(&at, counts.collect()).await.map_err(told)
}

/// The options that, with a run's number, play it again.
fn options(args: &RehearseArgs) -> String {
    let mut options = format!("--seed {}", args.seed);
    if args.faults != "usual" {
        options += &format!(" --faults {}", args.faults.replace(' ', ""));
    }
    if let Some(parallel) = args.parallel {
        options += &format!(" --parallel {parallel}");
    }
    if args.from_scratch {
        options += " --from-scratch";
    }
    options
}
