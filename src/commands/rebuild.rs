//! `rebar state rebuild`: the state was lost, the machines stand, and carry our marks.

use rebar_compiler::plan::{Ledger, Snapshot};
use rebar_runtime::backend::Found;

use super::{Context, carry, node, state};
use crate::backends;
use crate::cli::Format;
use crate::exit::Exit;
use crate::render::palette::{count, names, plain};
use crate::report::Failure;

/// Finds the deploy's objects, asks, and records them. Nothing is made or changed.
pub(crate) async fn run(
    context: &Context,
    deploy: &str,
    id: Option<&str>,
    yes: bool,
) -> Result<Exit, Failure> {
    let Some((site, backend_name)) = place(context, deploy)? else {
        return Ok(Exit::Failed);
    };
    let folders = context.project.folders()?;
    let backend = backends::backend(&backend_name, &folders)?;
    let all = backend.find().await;
    let all = all.map_err(|error| Failure::from_backend(&error))?;
    let found = choose(all, deploy, id, &backend_name)?;
    super::tell(&describe(&found));
    let question = format!("Record this as `{deploy}`, in this project?");
    if !carry::confirm(&question, yes)? {
        super::tell("nothing was changed\n");
        return Ok(Exit::Refused);
    }
    let failed = |error: &rebar_runtime::state::StateError| Failure::from_state(error);
    let record = node::state(context)?;
    if !record.is_empty().await.map_err(|error| failed(&error))? {
        state::backed_up(&record, "rebuild").await?;
    }
    context.project.keep_data(&folders)?;
    let engine = backend.identity().await;
    let engine = engine.map_err(|error| Failure::from_backend(&error))?;
    record
        .rebuild(deploy, &site, &backend_name, engine, found)
        .await
        .map_err(|error| failed(&error))?;
    super::print(&format!(
        "recorded `{deploy}`; what is on its machines is not known: `rebar apply {deploy}` ensures every step of the spec,\n\
         and changes nothing where it is as it should be. Steps that have left the spec meanwhile stay on the nodes.\n"
    ))?;
    Ok(Exit::Done)
}

/// The site and the backend of a deploy of the spec; `None` when the spec has errors, which were shown.
fn place(context: &Context, deploy: &str) -> Result<Option<(String, String)>, Failure> {
    let mut analysis = super::analyse(context);
    let plan = match analysis.diagnostics.has_errors() {
        true => None,
        false => analysis.plan(deploy, &Ledger::default(), &Snapshot::default()),
    };
    super::show(context, Format::Human, &analysis.diagnostics, &analysis.sources)?;
    Ok(plan.map(|plan| (plan.site.clone(), plan.backend.name.clone())))
}

fn choose(all: Vec<Found>, deploy: &str, id: Option<&str>, backend: &str) -> Result<Found, Failure> {
    let others: Vec<String> = all
        .iter()
        .map(|found| {
            format!(
                "`{}` with id {}",
                plain(&found.scope.deploy),
                plain(&found.scope.deploy_id)
            )
        })
        .collect();
    let wanted = |found: &Found| match id {
        Some(id) => found.scope.deploy_id.starts_with(id),
        None => found.scope.deploy == deploy,
    };
    let mut fitting: Vec<Found> = all.into_iter().filter(wanted).collect();
    let problem = match fitting.len() {
        1 => return Ok(fitting.remove(0)),
        0 => format!(
            "`{backend}` has nothing with the marks of deploy `{}`",
            id.unwrap_or(deploy)
        ),
        n => format!("`{backend}` has {n} deploys that fit"),
    };
    let help = if others.is_empty() {
        "it has nothing of any deploy: is this the right engine (`DOCKER_HOST`), or data folder (`REBAR_DATA`)?".to_owned()
    } else {
        format!("choose with `--id`; there is: {}", others.join(", "))
    };
    Err(Failure::new("E1618", problem).help(help).exit(Exit::Refused))
}

fn describe(found: &Found) -> String {
    let whole: Vec<&str> = found
        .machines
        .iter()
        .filter(|(_, object)| object.complete)
        .map(|(name, _)| name.as_str())
        .collect();
    let halves = found.machines.len() - whole.len();
    let mut text = format!(
        "found {} ({}) and {} of deploy `{}`, id {}\n",
        count(whole.len(), "machine"),
        plain(&names(&whole)),
        count(found.networks.len(), "network"),
        plain(&found.scope.deploy),
        plain(&found.scope.deploy_id)
    );
    if halves > 0 {
        text.push_str(&format!(
            "{} that was never finished is left out: the next apply makes it anew\n",
            count(halves, "machine")
        ));
    }
    text
}
