//! `rebar state`: looking into the state, copying it, and mending it.

use std::path::Path;

use rebar_runtime::backend::Found;
use rebar_runtime::state::{DeployRecord, Document, FILE, State};

use super::{Context, carry, node};
use crate::backends;
use crate::cli::StateCommand;
use crate::exit::Exit;
use crate::project::plain;
use crate::render;
use crate::render::palette::count;
use crate::report::Failure;

/// Documents larger than this are refused (bytes).
const LARGEST: u64 = 4 << 30;

/// Runs one of them.
pub(crate) async fn run(context: &Context, command: &StateCommand) -> Result<Exit, Failure> {
    match command {
        StateCommand::Show { deploy, json } => show(context, deploy.as_deref(), *json).await,
        StateCommand::Export { out } => export(context, out.as_deref()).await,
        StateCommand::Import { file, yes } => import(context, file, *yes).await,
        StateCommand::Backup { file } => backup(context, file.as_deref()).await,
        StateCommand::Move { deploy, to } => rename(context, deploy, to).await,
        StateCommand::Forget { what, yes } => forget(context, what, *yes).await,
        StateCommand::Rebuild { deploy, id, yes } => {
            super::rebuild::run(context, deploy, id.as_deref(), *yes).await
        }
    }
}

fn failed(error: &rebar_runtime::state::StateError) -> Failure {
    Failure::from_state(error)
}

/// The state of a project that has one: looking must not make one.
fn present(context: &Context) -> Result<Option<State>, Failure> {
    context.project.exists()?;
    let file = context.project.folders()?.state.join(FILE);
    match std::fs::symlink_metadata(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        _ => node::state(context).map(Some),
    }
}

/// As [`present`], for commands that can do nothing without one.
fn needed(context: &Context) -> Result<State, Failure> {
    present(context)?.ok_or_else(|| {
        Failure::new("E1616", "this project has no state: nothing was applied here yet")
            .help("where machines stand and the state was lost, use `rebar state rebuild DEPLOY`")
    })
}

async fn show(context: &Context, deploy: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let Some(state) = present(context)? else {
        super::print(if json {
            "[]\n"
        } else {
            "nothing was applied here yet\n"
        })?;
        return Ok(Exit::Done);
    };
    let records: Vec<DeployRecord> = match deploy {
        Some(name) => vec![node::recorded(&state, name).await?],
        None => state.deploys().await.map_err(|error| failed(&error))?,
    };
    let mut shown = Vec::new();
    for record in records {
        shown.extend(
            state
                .inspect(&record.name)
                .await
                .map_err(|error| failed(&error))?,
        );
    }
    if json {
        super::print(&format!("{:#}\n", serde_json::json!(shown)))?;
    } else if shown.is_empty() {
        super::print("nothing was applied here yet\n")?;
    }
    for one in shown.iter().filter(|_| !json) {
        let text = match deploy {
            Some(_) => render::record::deploy(one, context.out),
            None => render::record::short(one, context.out),
        };
        super::print(&text)?;
    }
    Ok(Exit::Done)
}

async fn export(context: &Context, out: Option<&Path>) -> Result<Exit, Failure> {
    let state = needed(context)?;
    if let Some(file) = out {
        context.project.refuse_own(file)?;
    }
    match out {
        None => {
            let document = state.export().await.map_err(|error| failed(&error))?;
            super::print(&document.text())?;
        }
        Some(file) => {
            state.export_to(file).await.map_err(|error| failed(&error))?;
            super::tell(&format!("wrote {}\n", file.display()));
        }
    }
    Ok(Exit::Done)
}

async fn import(context: &Context, file: &Path, yes: bool) -> Result<Exit, Failure> {
    let unreadable = |error: &std::io::Error| {
        Failure::new(
            "E1603",
            format!("cannot read `{}`: {}", file.display(), plain(error)),
        )
    };
    let meta = std::fs::metadata(file).map_err(|error| unreadable(&error))?;
    if !meta.is_file() || meta.len() > LARGEST {
        let why = std::io::Error::other("it is no regular file of at most 4 GiB");
        return Err(unreadable(&why));
    }
    let text = std::fs::read(file).map_err(|error| unreadable(&error))?;
    let document = Document::read(&text).map_err(|error| failed(&error))?;
    drop(text);
    let state = node::state(context)?;
    let replaces = !state.is_empty().await.map_err(|error| failed(&error))?;
    let tables = &document.tables;
    super::tell(&format!(
        "the document has {}, {} and {}\n",
        count(tables.deploy.len(), "deploy"),
        count(tables.run.len(), "run"),
        count(tables.machine.len(), "machine")
    ));
    if replaces {
        if !carry::confirm("Put it in the place of what is recorded here?", yes)? {
            super::tell("nothing was changed\n");
            return Ok(Exit::Refused);
        }
        backed_up(&state, "import").await?;
    }
    state.import(document).await.map_err(|error| failed(&error))?;
    super::print("imported; `rebar status` compares with what stands\n")?;
    Ok(Exit::Done)
}

async fn backup(context: &Context, file: Option<&Path>) -> Result<Exit, Failure> {
    let state = needed(context)?;
    let made = match file {
        Some(file) => {
            state.backup(file).await.map_err(|error| failed(&error))?;
            file.to_owned()
        }
        None => state
            .backup_before("backup")
            .await
            .map_err(|error| failed(&error))?,
    };
    super::print(&format!("{}\n", made.display()))?;
    Ok(Exit::Done)
}

/// Writes a backup before something is changed that cannot be changed back, and says where.
pub(super) async fn backed_up(state: &State, reason: &str) -> Result<(), Failure> {
    let made = state
        .backup_before(reason)
        .await
        .map_err(|error| failed(&error))?;
    super::tell(&format!("backup: {}\n", made.display()));
    Ok(())
}

async fn rename(context: &Context, deploy: &str, to: &str) -> Result<Exit, Failure> {
    let state = needed(context)?;
    if let Some((deploy, name)) = deploy.split_once('/') {
        return Err(Failure::new("E1617", format!("node `{name}` of `{deploy}` cannot be moved"))
            .help(format!(
                "its name is its host name and that of its machine, and tells its group: rename it in the spec, and \
                 `rebar plan {deploy}` shows how it is replaced"
            ))
            .exit(Exit::Refused));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if to.is_empty() || !to.bytes().all(fits) {
        return Err(
            Failure::new("E1617", format!("`{to}` is no name that a deploy can have"))
                .help("it is the name after `deploy` in the spec")
                .exit(Exit::Refused),
        );
    }
    node::recorded(&state, deploy).await?;
    backed_up(&state, "move").await?;
    state
        .move_deploy(deploy, to)
        .await
        .map_err(|error| failed(&error))?;
    super::print(&format!(
        "moved `{deploy}` to `{to}`: its machines and networks keep their names, which its id makes\n\
         name it so in the spec too; `rebar plan {to}` shows that nothing is made anew\n"
    ))?;
    Ok(Exit::Done)
}

async fn forget(context: &Context, what: &str, yes: bool) -> Result<Exit, Failure> {
    let state = needed(context)?;
    let (deploy, one) = match what.split_once('/') {
        Some((deploy, name)) => (deploy, Some(name)),
        None => (what, None),
    };
    let record = node::recorded(&state, deploy).await?;
    if let Some(name) = one {
        node::known(&state, &record, name).await?;
    }
    super::tell(&leftovers(context, &record, one).await?);
    let question = format!("Forget `{what}`, and leave what stands as it is?");
    if !carry::confirm(&question, yes)? {
        super::tell("nothing was changed\n");
        return Ok(Exit::Refused);
    }
    backed_up(&state, "forget").await?;
    state.forget(deploy, one).await.map_err(|error| failed(&error))?;
    let left = state.deploys().await.map_err(|error| failed(&error))?;
    if left
        .iter()
        .all(|deploy| deploy.machines == 0 && deploy.open_run.is_none())
    {
        context.project.forget_data();
    }
    super::print(&format!("forgot `{what}`\n"))?;
    Ok(Exit::Done)
}

/// What stays behind, and how it is removed by hand.
async fn leftovers(context: &Context, record: &DeployRecord, one: Option<&str>) -> Result<String, Failure> {
    let backend = backends::backend(&record.backend, &context.project.folders()?)?;
    let found = match backend.find().await {
        Ok(all) => all.into_iter().find(|found| found.scope.deploy_id == record.id),
        Err(error) => {
            let why = render::palette::plain(&error.message).into_owned();
            return Ok(format!(
                "what stands cannot be told, since `{}` cannot be asked: {why}\n",
                record.backend
            ));
        }
    };
    let lines = found.map(|found| removals(&found, one)).unwrap_or_default();
    if lines.is_empty() {
        return Ok(format!("nothing of it stands on `{}`\n", record.backend));
    }
    let after = match one {
        None => "",
        // The rest of the deploy is still ours, and it carries the same id.
        Some(_) => "  as long as it stands, `rebar destroy` takes it down with the deploy\n",
    };
    Ok(format!(
        "this stays, and is removed by hand so:\n  {}\n{after}",
        lines.join("\n  ")
    ))
}

/// The commands that remove what was found, machines first.
fn removals(found: &Found, one: Option<&str>) -> Vec<String> {
    let wanted = |name: &str| one.is_none_or(|one| one == name);
    let machines = found.machines.iter().filter(|(name, _)| wanted(name));
    let machines = machines.map(|(_, object)| object.removal.clone());
    let networks = found.networks.values().filter(|_| one.is_none());
    machines
        .chain(networks.map(|object| object.removal.clone()))
        .collect()
}
