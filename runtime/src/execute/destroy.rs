//! Destroying everything of a deploy, journalled like any other run.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use rebar_compiler::plan::{Base, Plan};
use tracing::Instrument;

use super::calls::Calls;
use super::cancel::Urgency;
use super::event::Event;
use super::objects::{ObjectChange, change};
use super::outcome::{Blocked, ExecuteError, Outcome, Stop};
use super::schedule::Tally;
use super::{Context, Status, begin, conclude, recover, while_held};
use crate::backend::ObjectAction;
use crate::state::{CloseAs, DeployRecord, Lease, Opening, RunKind};

/// Destroys all machines and networks of `deploy`: what is recorded, and what the backend finds in its scope.
/// Machines of groups that use others go before those. In the end nothing is recorded of the deploy but its history.
///
/// # Errors
/// Those of [`super::execute`], and when the deploy was never applied.
pub async fn destroy(deploy: &str, context: &Context) -> Result<Outcome, ExecuteError> {
    let state = &context.state;
    let record = state
        .deploy(deploy)
        .await?
        .ok_or_else(|| ExecuteError::UnknownDeploy(deploy.to_owned()))?;
    let lease = state.lease(deploy, &record.site, &record.backend).await?;
    let span = tracing::info_span!("run", kind = "destroy", %deploy, run = tracing::field::Empty);
    let work = carry_out(deploy, &record, context, &lease).instrument(span);
    let result = while_held(&lease, work).await;
    let released = lease.release().await;
    let outcome = result?;
    released?;
    Ok(outcome)
}

async fn carry_out(
    deploy: &str,
    record: &DeployRecord,
    context: &Context,
    lease: &Lease,
) -> Result<Outcome, ExecuteError> {
    let state = &context.state;
    let token = lease.token().clone();
    state.same_engine(deploy, &*context.backend).await?;
    // Under the lease, so that nobody changes it any more.
    let snapshot = state.snapshot_record(deploy, &record.site).await?;
    let groups: BTreeMap<String, String> = snapshot
        .nodes
        .iter()
        .map(|(name, node)| (name.clone(), node.group.clone()))
        .collect();
    let opening = Opening {
        kind: RunKind::Destroy,
        plan_hash: format!("destroy {} at serial {}", token.deploy_id, snapshot.base.serial),
        plan: "{}".to_owned(),
        site: record.site.clone(),
        backend: record.backend.clone(),
        base: Base {
            deploy_id: Some(token.deploy_id.clone()),
            ..snapshot.base.clone()
        },
        ledger: BTreeMap::new(),
        moves: Vec::new(),
    };
    let ranks = state
        .latest_plan(deploy)
        .await?
        .map(|text| ranks(&text))
        .unwrap_or_default();
    let (run, resumed) = begin(context, &token, opening).await?;
    tracing::Span::current().record("run", &run);
    let calls = context.calls(&token, &run);
    recover::settle(&calls, &state.operations(&run).await?, false).await?;
    let world = calls.observe().await;
    let world = world.map_err(|cause| ExecuteError::Backend {
        what: "what is there".to_owned(),
        cause: Box::new(cause),
    })?;
    let machines: BTreeSet<&String> = groups.keys().chain(world.machines.keys()).collect();
    let recorded = state.networks(deploy).await?;
    let networks: BTreeSet<&String> = recorded.keys().chain(world.networks.keys()).collect();
    calls.tell(Event::RunOpened {
        run: run.clone(),
        deploy: deploy.to_owned(),
        resumed,
        objects: machines.len() + networks.len(),
        steps: 0,
    });
    // Consumers first; of equal rank, all at once.
    let mut by_rank: BTreeMap<std::cmp::Reverse<usize>, Vec<ObjectChange>> = BTreeMap::new();
    for name in machines {
        let rank = groups
            .get(name)
            .and_then(|group| ranks.get(group))
            .copied()
            .unwrap_or(0);
        let action = ObjectAction::DestroyMachine { name: name.clone() };
        let mut change = ObjectChange::new("destroy", format!("machine/{name}"), action);
        change.leaves = true;
        by_rank.entry(std::cmp::Reverse(rank)).or_default().push(change);
    }
    let mut tally = Tally::default();
    let limit = context.backend.parallelism().max(1);
    for changes in by_rank.into_values() {
        at_once(&calls, changes, limit, &mut tally).await?;
    }
    let networks: Vec<ObjectChange> = networks
        .into_iter()
        .map(|name| {
            let action = ObjectAction::DestroyNetwork { name: name.clone() };
            ObjectChange::new("destroy", format!("network/{name}"), action)
        })
        .collect();
    match tally.failed.first().map(super::Failure::subject) {
        Some(cause) => {
            // A machine that could not be destroyed may still be on any of them.
            let blocked = networks.into_iter().map(|n| Blocked {
                subject: n.subject,
                cause: cause.clone(),
            });
            tally.blocked.extend(blocked);
        }
        None => at_once(&calls, networks, limit, &mut tally).await?,
    }
    let outcome = conclude(tally);
    let close = match outcome.status {
        Status::Done => Some(CloseAs::Done),
        Status::Failed | Status::Refused => Some(CloseAs::Failed),
        Status::Partial => Some(CloseAs::Partial),
        Status::Interrupted => None,
    };
    if let Some(close) = close {
        state.close_run(&token, &run, close, BTreeMap::new()).await?;
    }
    (context.events)(Event::Closed {
        status: outcome.status,
    });
    Ok(outcome)
}

/// Makes changes side by side. Each is tried, whatever becomes of the others.
async fn at_once(
    calls: &Calls,
    changes: Vec<ObjectChange>,
    limit: usize,
    tally: &mut Tally,
) -> Result<(), ExecuteError> {
    let mut results = futures::stream::iter(changes)
        .map(|wanted| async move {
            if calls.cancel.urgency() != Urgency::Run {
                return (wanted.subject, Err(Stop::Interrupted));
            }
            let result = tokio::select! {
                biased;
                result = change(calls, &wanted) => result,
                () = calls.cancel.beyond(Urgency::Drain) => Err(Stop::Interrupted),
            };
            (wanted.subject, result)
        })
        .buffer_unordered(limit);
    while let Some((wanted, result)) = results.next().await {
        match result {
            Ok(changed) => tally.changed += usize::from(changed),
            Err(Stop::Failed(failure)) => tally.failed.push(*failure),
            Err(Stop::Blocked(cause)) => tally.block(wanted, *cause),
            Err(Stop::Interrupted) => tally.left += 1,
            Err(Stop::Halt(error)) => return Err(error.into()),
        }
    }
    if calls.cancel.urgency() == Urgency::Leave {
        return Err(ExecuteError::Left);
    }
    Ok(())
}

/// How many groups each group stands above, by the gates of the plan that made them: a group that uses another
/// ranks higher. A plan of another format gives no ranks, and the order is free.
fn ranks(plan: &str) -> BTreeMap<String, usize> {
    let Ok(plan) = serde_json::from_str::<Plan>(plan) else {
        return BTreeMap::new();
    };
    let groups_of = |run: &str| -> Vec<&str> {
        let follows = plan
            .patterns
            .iter()
            .filter(|p| p.segments.iter().any(|s| s.run == run));
        follows.map(|pattern| pattern.group.as_str()).collect()
    };
    let mut ranks: BTreeMap<String, usize> = plan.groups.keys().map(|name| (name.clone(), 0)).collect();
    // Each round lifts users above what they use; longer than there are groups means a circle.
    for _ in 0..plan.groups.len() {
        for gate in &plan.gates {
            let below = groups_of(&gate.after)
                .iter()
                .filter_map(|g| ranks.get(*g))
                .max()
                .copied();
            for user in groups_of(&gate.of) {
                let used = groups_of(&gate.after).contains(&user);
                if let (false, Some(below), Some(rank)) = (used, below, ranks.get_mut(user)) {
                    *rank = (*rank).max(below + 1);
                }
            }
        }
    }
    ranks
}
