//! A small real plan, carried out by the real executor with the real journal, and a program that dies at every line.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rebar_compiler::plan::{self, Plan};

use super::super::controller::{self, Errand};
use super::super::crash::{Death, Side, counting};
use super::super::project::{self, DEPLOY, SITE};
use super::super::{Bed, Ground, Kept, Stop, hold};
use crate::backend::Scope;
use crate::execute::{Context, JournalLayer, Status, destroy, execute};
use crate::journal::{Line, replay};
use crate::observe::{Depth, observe};
use crate::plan_file;
use crate::state::State;

/// The machine with the command that may run once only.
const PART: &str = "part-1";
const NODES: [&str; 2] = [PART, "top"];

/// The deploy in a state of its own.
struct Deploy<'a> {
    bed: &'a Bed,
    folder: PathBuf,
    scope: Scope,
}

fn told(error: impl std::fmt::Display) -> Stop {
    Stop::Failed(error.to_string())
}

impl<'a> Deploy<'a> {
    /// A state in which the deploy has its id, which is written down before anything is made in it.
    async fn new(ground: &Ground, bed: &'a Bed) -> Result<Deploy<'a>, Stop> {
        let folder = ground.premises.folder(&format!("plan-{}", bed.scope().deploy))?;
        let state = State::in_folder(&folder).map_err(told)?;
        let lease = state
            .lease(DEPLOY, SITE, &bed.target().name)
            .await
            .map_err(told)?;
        let scope = Scope {
            deploy_id: lease.token().deploy_id.clone(),
            deploy: DEPLOY.to_owned(),
        };
        lease.release().await.map_err(told)?;
        ground.premises.note(&scope)?;
        Ok(Deploy { bed, folder, scope })
    }

    /// Opened anew, as another process would.
    fn state(&self) -> Result<State, Stop> {
        State::in_folder(&self.folder).map_err(told)
    }

    async fn plan(&self) -> Result<Plan, Stop> {
        let (bed, state) = (self.bed, self.state()?);
        let snapshot = observe(&state, &**bed.backend(), DEPLOY, SITE, Depth::Nodes)
            .await
            .map_err(told)?;
        let ledger = state.ledger(SITE).await.map_err(told)?;
        let gateway = bed.address(1).to_string();
        project::plan(&bed.target().name, &bed.cidr(), &gateway, &ledger, &snapshot)
    }

    async fn carry_out(&self, plan: Option<&Plan>, layer: Option<JournalLayer>) -> Kept {
        let mut context = Context::new(self.state()?, Arc::clone(self.bed.backend()));
        context.journal = layer;
        let outcome = match plan {
            Some(plan) => execute(plan, &context).await,
            None => destroy(DEPLOY, &context).await,
        };
        let outcome = outcome.map_err(told)?;
        hold!(outcome.status == Status::Done, "it did not end well: {outcome:?}");
        Ok(())
    }

    /// The program that dies at this line. `false` if it came to its end before.
    async fn die(&self, plan: &Plan, death: Death) -> Result<bool, Stop> {
        let path = self.folder.join("plan.json");
        plan_file::write(&path, plan).map_err(told)?;
        let errand = Errand::Execute {
            plan: path,
            state: self.folder.clone(),
            death,
        };
        let mut child = controller::start(self.bed, errand).await?;
        let status = child.wait().await.map_err(told)?;
        hold!(
            status.code().is_none_or(|code| code == 0),
            "the program that was to die ended with {status}"
        );
        Ok(!status.success())
    }

    /// Everything that must hold when all is done.
    async fn whole(&self) -> Kept {
        let (bed, state) = (self.bed, self.state()?);
        let world = bed.backend().observe(&self.scope).await?;
        let names: BTreeSet<&str> = world.machines.keys().map(String::as_str).collect();
        hold!(names == BTreeSet::from(NODES), "the machines are {names:?}");
        for (name, view) in &world.machines {
            hold!(view.running && view.complete, "`{name}` is seen as {view:?}");
        }
        hold!(world.networks.len() == 1, "the networks are {:?}", world.networks);
        let count = self
            .output(PART, "cat /srv/count; systemctl is-active part")
            .await?;
        hold!(
            count == "ran\nactive",
            "the command that runs once, and the service: `{count}`"
        );
        let list = self.output("top", "cat /srv/list").await?;
        hold!(
            list == bed.address(2).to_string(),
            "what one machine knows of the other is `{list}`"
        );

        // I1 and I5: the journal knows every object, and the record is what the journal says.
        let mut lines = Vec::new();
        for run in state.runs(DEPLOY, 1000).await.map_err(told)?.iter().rev() {
            lines.extend(
                state
                    .lines(&run.id)
                    .await
                    .map_err(told)?
                    .into_iter()
                    .map(|line| Line {
                        operation: line.operation,
                        subject: line.subject,
                        attempt: line.attempt,
                        entry: line.entry,
                    }),
            );
        }
        let derived = replay(&lines).map_err(told)?;
        let operations = world.machines.values().map(|view| &view.operation);
        for operation in operations.chain(world.networks.values().map(|view| &view.operation)) {
            hold!(
                derived.operations.contains_key(operation),
                "the journal knows no operation {operation}"
            );
        }
        let record = state.snapshot_record(DEPLOY, SITE).await.map_err(told)?;
        hold!(
            record.nodes.keys().eq(derived.machines.keys()),
            "the record and the journal differ"
        );
        hold!(
            record.nodes.keys().eq(world.machines.keys()),
            "the record and the world differ"
        );
        let again = self.plan().await?;
        hold!(
            plan::is_empty(&again),
            "a second plan is not empty: {:?}",
            again.nodes
        );
        Ok(())
    }

    async fn output(&self, machine: &str, script: &str) -> Result<String, Stop> {
        let command = crate::backend::Command {
            arguments: ["sh", "-c", script].map(str::to_owned).into(),
            environment: Default::default(),
            terminal: None,
        };
        let process = self.bed.backend().open(&self.scope, machine, &command).await?;
        let heard = super::super::bed::talk(process, b"").await?;
        Ok(String::from_utf8_lossy(&heard.output).trim().to_owned())
    }

    async fn gone(&self) -> Kept {
        self.carry_out(None, None).await?;
        let world = self.bed.backend().observe(&self.scope).await?;
        hold!(
            world == Default::default(),
            "a destroyed deploy has left {world:?}"
        );
        Ok(())
    }
}

pub(super) async fn applied(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    let deploy = Deploy::new(ground, &bed).await?;
    deploy.carry_out(Some(&deploy.plan().await?), None).await?;
    deploy.whole().await?;
    deploy.gone().await
}

pub(super) async fn boundaries(ground: &Ground) -> Kept {
    let bed = ground.bed()?;
    let deploy = Deploy::new(ground, &bed).await?;
    let seen = Arc::new(AtomicU64::new(0));
    deploy
        .carry_out(Some(&deploy.plan().await?), Some(counting(&seen)))
        .await?;
    deploy.gone().await?;
    let appends = seen.load(Ordering::SeqCst);
    let (mut tried, mut died) = (0, 0);
    for append in (1..=appends).step_by(usize::from(bed.target().stride.max(1))) {
        for side in [Side::Before, Side::After] {
            let plan = deploy.plan().await?;
            tried += 1;
            if deploy.die(&plan, Death { append, side }).await? {
                died += 1;
                let when = format!("died {side:?} line {append} of {appends}");
                let at = |stop| match stop {
                    Stop::Failed(why) => Stop::Failed(format!("{when}: {why}")),
                    other => other,
                };
                deploy.carry_out(Some(&plan), None).await.map_err(at)?;
                deploy.whole().await.map_err(at)?;
            }
            deploy.gone().await?;
        }
    }
    // Lanes run side by side, so lines may share an append in one round and not in another: the last may not come.
    hold!(died * 10 >= tried * 9, "of {tried} deaths only {died} came about");
    Ok(())
}
