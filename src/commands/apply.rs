//! `rebar apply`

use std::collections::BTreeMap;
use std::path::Path;

use rebar_compiler::plan::Plan;
use rebar_runtime::execute::{self, Outcome};
use rebar_runtime::observe::Depth;
use rebar_runtime::plan_file;
use rebar_runtime::state::{Practised, State, Where};

use super::compile::{Made, make_part};
use super::{Context, ask, carry, doctor, given, node, select};
use crate::backends;
use crate::cli::ApplyArgs;
use crate::exit::Exit;
use crate::render;
use crate::render::plan::Summary;
use crate::report::Failure;

/// Plans (or reads a plan), asks, and carries it out.
pub(crate) async fn run(context: &Context, args: &ApplyArgs) -> Result<Exit, Failure> {
    let answers = ask::answers(&args.assume, args.json)?;
    let (plan, unsure) = match plan(context, args).await? {
        Made::Plan(plan, unsure) => (plan, unsure),
        Made::Ended(exit) => return Ok(exit),
    };
    ask::known(&answers, &plan)?;
    let backend = backends::backend(&plan.backend.name, &context.project.folders()?)?;
    // An empty plan that follows a run that was broken off is carried out all the same: it closes that run.
    let state = node::state(context)?;
    let record = state
        .deploy(&plan.deploy)
        .await
        .map_err(|error| Failure::from_state(&error))?;
    let open = record.is_some_and(|record| record.open_run.is_some());
    if Summary::of(&plan).is_empty() && !open {
        let outputs = super::status::outputs_of(&state, &plan).await?;
        return unchanged(context, args, (&plan, &outputs), unsure);
    }
    if !super::is_file(&args.what) {
        given::refuse_missed(context, &plan, &args.arguments).await?;
    }
    if !args.json {
        super::print(&render::plan::plan(&plan, unsure, context.out))?;
    }
    if !carry::confirm(&format!("Apply this to `{}`?", plan.deploy), args.yes)? {
        super::tell("nothing was changed\n");
        return Ok(Exit::Refused);
    }
    if args.install {
        doctor::install(context, &plan.backend.name).await?;
    }
    context.project.keep_data(&context.project.folders()?)?;
    let mut executor = carry::context(context, state.clone(), backend, args.parallel, args.json)?;
    executor.per_domain = args.parallel_per_domain;
    executor.answers = answers;
    let result = execute::execute(&plan, &executor).await;
    drop(executor); // with it the bars, before the outcome is told
    // A part says nothing about the patterns as a whole.
    if let Ok(outcome) = &result
        && outcome.left_out.is_empty()
    {
        practise(&state, &plan, outcome).await;
    }
    match carry::conclude(context, result, args.json)? {
        Exit::Done if unsure => Ok(Exit::Unknown),
        exit => Ok(exit),
    }
}

/// Keeps what the run has shown of each pattern.
async fn practise(state: &State, plan: &Plan, outcome: &Outcome) {
    let at = Where {
        backend: plan.backend.name.clone(),
        how: Practised::Applied,
    };
    // The run is over, and this only counts: that it cannot be written changes nothing of how the run ended.
    if let Err(error) = state.practise(&at, execute::practised(plan, outcome)).await {
        super::tell(&format!("warning: this run is not counted: {error}\n"));
    }
}

/// Says that there is nothing to do, and what the deploy hands out.
fn unchanged(
    context: &Context,
    args: &ApplyArgs,
    (plan, outputs): (&Plan, &BTreeMap<String, serde_json::Value>),
    unsure: bool,
) -> Result<Exit, Failure> {
    let text = if args.json {
        let event = serde_json::json!({ "event": "unchanged", "deploy": plan.deploy, "outputs": outputs });
        format!("{event}\n")
    } else {
        format!(
            "{}\n{}",
            Summary::of(plan).text(unsure),
            carry::outputs(outputs, context.out)
        )
    };
    super::print(&text)?;
    Ok(if unsure { Exit::Unknown } else { Exit::Done })
}

/// The plan of a file, if the argument looks like one, else of a deploy.
async fn plan(context: &Context, args: &ApplyArgs) -> Result<Made, Failure> {
    if !super::is_file(&args.what) {
        let part = (&args.select, &args.drain, &args.arguments);
        return make_part(context, &args.what, Depth::Nodes, args.diagnostics.format, part).await;
    }
    if let Some(node) = args.drain.nodes.first() {
        let message = format!("`--no-drain {node}` does not go with a plan file: it is carried out as it is");
        return Err(Failure::new("E1625", message)
            .help("give it to `rebar plan -o`, or apply the deploy by its name")
            .exit(Exit::Usage));
    }
    if !args.arguments.arg.is_empty() || !args.arguments.args.is_empty() {
        let message = "`--arg` does not go with a plan file: it was made with its arguments";
        return Err(Failure::new("E1643", message)
            .help("give them to `rebar plan -o`, or apply the deploy by its name")
            .exit(Exit::Usage));
    }
    select::refuse_for_file(&args.select)?;
    context.project.exists()?;
    let (plan, _) = plan_file::read(Path::new(&args.what))
        .map_err(|error| Failure::new(error.code(), error.to_string()).help(error.help()))?;
    Ok(Made::Plan(Box::new(plan), false))
}
