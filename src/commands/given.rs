//! What a deploy is given beside its spec: arguments of the command line, of files and of the environment, and the
//! outputs of other deploys that stand.

use std::collections::BTreeMap;
use std::path::Path;

use rebar_compiler::Analysis;
use rebar_compiler::plan::{GivenValue, Plan};
use rebar_compiler::resolve::{Given, GivenArguments, Origin};
use rebar_runtime::state::State;

use super::{Context, status};
use crate::cli::ArgumentArgs;
use crate::exit::Exit;
use crate::render::palette::plain;
use crate::report::Failure;

/// Begins the names of variables of the environment that hold arguments.
const VARIABLE: &str = "REBAR_ARG_";
/// A file of arguments is not larger.
const LARGEST: u64 = 4 << 20;

/// Reads and checks the project, with what is given for one of its deploys.
///
/// # Errors
/// When what is given cannot be read; when the state cannot be asked.
pub(crate) async fn analyse(
    context: &Context,
    deploy: &str,
    arguments: &ArgumentArgs,
) -> Result<Analysis, Failure> {
    let given = given(deploy, arguments)?;
    let mut analysis = super::analyse_given(&context.project, &context.project, given);
    if !analysis.typed.reads.is_empty() {
        analysis.typed.recorded = Some(outputs(context).await?);
    }
    Ok(analysis)
}

/// All that is given for a deploy, the weakest first.
fn given(deploy: &str, arguments: &ArgumentArgs) -> Result<GivenArguments, Failure> {
    let mut given: Vec<Given> = std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.to_str()?.strip_prefix(VARIABLE)?.to_owned();
            let text = value.to_str()?.to_owned();
            let origin = Origin::Environment;
            Some(Given { origin, name, text })
        })
        .collect();
    given.sort_by(|a, b| a.name.cmp(&b.name));
    for path in &arguments.args {
        given.push(Given {
            origin: Origin::File,
            name: path.display().to_string(),
            text: read(path)?,
        });
    }
    for argument in &arguments.arg {
        let Some((name, text)) = argument
            .split_once('=')
            .filter(|(name, _)| !name.trim().is_empty())
        else {
            let message = format!("`--arg {}` gives no value", plain(argument));
            return Err(Failure::new("E1640", message)
                .help("write `--arg replicas=5`")
                .exit(Exit::Usage));
        };
        given.push(Given {
            origin: Origin::CommandLine,
            name: name.trim().to_owned(),
            text: text.to_owned(),
        });
    }
    Ok(GivenArguments {
        deploy: deploy.to_owned(),
        given,
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    let refused = |cause: String| {
        Failure::new(
            "E1641",
            format!("cannot read the arguments in `{}`: {cause}", path.display()),
        )
        .help("`--args` takes a file of JSON, or of TOML where its name ends in `.toml`")
        .exit(Exit::Usage)
    };
    let found = std::fs::metadata(path).map_err(|error| refused(crate::project::plain(&error)))?;
    if !found.is_file() || found.len() > LARGEST {
        return Err(refused("it is no file of a few values".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| refused(crate::project::plain(&error)))?;
    String::from_utf8(bytes).map_err(|_| refused("it is no text".to_owned()))
}

/// The outputs of all deploys that stand here: of those whose last run was an apply that was done.
async fn outputs(context: &Context) -> Result<BTreeMap<String, serde_json::Value>, Failure> {
    let folder = context.project.folders()?.state;
    let mut all = BTreeMap::new();
    if super::compile::is_new(&folder) {
        return Ok(all);
    }
    let told = |error| Failure::from_state(&error);
    let state = State::in_folder(&folder).map_err(told)?;
    for record in state.deploys().await.map_err(told)? {
        if let Some(plan) = last_done(&state, &record.name).await?
            && record.machines > 0
        {
            all.insert(
                record.name.clone(),
                serde_json::json!(status::outputs_of(&state, &plan).await?),
            );
        }
    }
    Ok(all)
}

/// The plan of the last apply of a deploy, if that was done, nothing came after it and nothing is under way.
async fn last_done(state: &State, deploy: &str) -> Result<Option<Plan>, Failure> {
    let told = |error| Failure::from_state(&error);
    let runs = state.runs(deploy, 50).await.map_err(told)?;
    let last = runs
        .iter()
        .find(|run| run.kind != rebar_runtime::state::RunKind::Surgery);
    let done = last.is_some_and(|run| {
        run.kind == rebar_runtime::state::RunKind::Apply && run.outcome.as_deref() == Some("done")
    });
    if !done {
        return Ok(None);
    }
    let text = state.latest_plan(deploy).await.map_err(told)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The arguments that the last apply of a deploy was given beside its spec.
///
/// # Errors
/// When the state cannot be asked.
pub(crate) async fn recorded(
    context: &Context,
    deploy: &str,
) -> Result<BTreeMap<String, GivenValue>, Failure> {
    let folder = context.project.folders()?.state;
    if super::compile::is_new(&folder) {
        return Ok(BTreeMap::new());
    }
    let told = |error| Failure::from_state(&error);
    let state = State::in_folder(&folder).map_err(told)?;
    let stands = state.deploy(deploy).await.map_err(told)?;
    if stands.is_none_or(|record| record.machines == 0) {
        return Ok(BTreeMap::new());
    }
    let text = state.latest_plan(deploy).await.map_err(told)?;
    let plan: Option<Plan> = text.and_then(|text| serde_json::from_str(&text).ok());
    Ok(plan.map(|plan| plan.arguments).unwrap_or_default())
}

/// Arguments that the last apply was given and this plan is not, each as a line.
pub(crate) fn missed(before: &BTreeMap<String, GivenValue>, plan: &Plan) -> Vec<String> {
    let missing = before
        .iter()
        .filter(|(name, _)| !plan.arguments.contains_key(*name));
    missing
        .map(|(name, given)| format!("{name} = {} ({})", given.value, given.from))
        .collect()
}

/// Refuses to go back to what the spec says where the last apply was given something else, unless that is asked for.
///
/// # Errors
/// `E1642` when an argument of the last apply is not given any more.
pub(crate) async fn refuse_missed(
    context: &Context,
    plan: &Plan,
    arguments: &ArgumentArgs,
) -> Result<(), Failure> {
    if arguments.drop_args {
        return Ok(());
    }
    let missed = missed(&recorded(context, &plan.deploy).await?, plan);
    if missed.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the last apply of `{}` was given what this one is not: {}",
        plan.deploy,
        missed.join(", ")
    );
    Err(Failure::new("E1642", message)
        .help("give it again, or write it into the spec; `--drop-args` goes back to what the spec says")
        .exit(Exit::Refused))
}

/// Says on standard error what the last apply was given and this plan is not.
///
/// # Errors
/// When the state cannot be asked.
pub(crate) async fn tell_missed(context: &Context, plan: &Plan) -> Result<(), Failure> {
    for line in missed(&recorded(context, &plan.deploy).await?, plan) {
        super::tell(&format!(
            "warning: the last apply of `{}` was given {line}, and this plan is not\n",
            plan.deploy
        ));
    }
    Ok(())
}
