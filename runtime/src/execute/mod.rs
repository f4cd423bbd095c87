//! Carrying out a plan.
//!
//! 1. take the lease
//! 2. check the plan's base
//! 3. settle what an abandoned run left
//! 4. open the run, or resume it
//! 5. look at what is there, and settle what this run left
//! 6. image, networks, machines, names, segments, removals: each as soon as what it needs is done
//! 7. close the run
//! 8. give the lease back
//!
//! Between any two of these, and inside each, the program may be killed: the journal says what was begun, and the
//! record of what stands changes with the lines of the journal.

mod ask;
mod breaker;
mod calls;
mod cancel;
mod deadline;
mod destroy;
mod event;
mod filled;
mod forecast;
mod graph;
mod lane;
mod leave;
mod leftovers;
mod lookup;
mod objects;
mod outcome;
mod practised;
mod queue;
mod recover;
mod rollouts;
mod schedule;
mod seat;
mod settle;
mod tries;
mod weights;
mod work;

pub use ask::{Answers, Asker, Told};
pub use breaker::Patience;
pub use calls::{Calls, Known, Retry, operation_id};
pub use cancel::{Cancel, Urgency};
pub use deadline::{Limit, TimeLimits};
pub use destroy::destroy;
pub use event::{Event, EventSink};
pub use forecast::{ForecastJob, Slot, forecast_jobs};
pub use lane::{LaneSegment, LaneStep, run_segment};
pub use outcome::{Blocked, ExecuteError, Failure, Outcome, Status, Stop};
pub use practised::practised;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use rebar_compiler::plan::{self, NodeRow, ObjectVerb, Plan};
use tracing::Instrument;

use crate::backend::{Backend, Scope, World};
use crate::journal::{Journal, Line, Request};
use crate::secrets::{self, Secrets};
use crate::state::{CloseAs, Lease, Opened, Opening, OperationState, RunKind, State, StateError, Token};
use breaker::Breaker;
use filled::NodeWork;
use graph::Standing;
use queue::Limits;
use schedule::{Tally, schedule};
use weights::Weights;
use work::{Names, Work};

/// Stands between the executor and the journal of the state: for tests, and for engines with a journal of their own.
pub type JournalLayer = Arc<dyn Fn(Arc<dyn Journal>) -> Arc<dyn Journal> + Send + Sync>;

/// How many lanes are carried out at a time unless something else is asked for.
pub const LANES: usize = 32;

/// All that an execution works with.
#[derive(Clone)]
pub struct Context {
    /// The project's state.
    pub state: State,
    /// Who makes the machines; it must be the one that the plan names.
    pub backend: Arc<dyn Backend>,
    /// Where events go.
    pub events: EventSink,
    /// Whether to stop.
    pub cancel: Cancel,
    /// How many lanes are carried out at a time.
    pub parallelism: usize,
    /// How many pieces of work go on at a time on nodes of one failure domain, if that is limited. Until placements
    /// say which domain a node is in, a group with a `spread` is one.
    pub per_domain: Option<usize>,
    /// When to try again.
    pub retry: Retry,
    /// How long things may take.
    pub limits: TimeLimits,
    /// How long a backend that does not answer is waited for.
    pub patience: Patience,
    /// Secrets, for the steps that need them.
    pub secrets: Arc<Secrets>,
    /// Who knows what became of commands that must not run twice.
    pub answers: Answers,
    /// See [`JournalLayer`].
    pub journal: Option<JournalLayer>,
}

impl Context {
    /// A context with the usual settings, that tells nobody anything.
    pub fn new(state: State, backend: Arc<dyn Backend>) -> Context {
        Context {
            state,
            backend,
            events: Arc::new(|_| {}),
            cancel: Cancel::default(),
            parallelism: LANES,
            per_domain: None,
            retry: Retry::default(),
            limits: TimeLimits::default(),
            patience: Patience::default(),
            secrets: Arc::default(),
            answers: Answers::default(),
            journal: None,
        }
    }

    fn calls(&self, token: &Token, run: &str) -> Calls {
        let journal: Arc<dyn Journal> = Arc::new(RunJournal {
            state: self.state.clone(),
            token: token.clone(),
            run: run.to_owned(),
        });
        Calls {
            backend: Arc::clone(&self.backend),
            scope: Scope {
                deploy_id: token.deploy_id.clone(),
                deploy: token.deploy.clone(),
            },
            epoch: token.epoch,
            run: run.to_owned(),
            journal: self
                .journal
                .as_ref()
                .map_or(Arc::clone(&journal), |layer| layer(journal)),
            events: Arc::clone(&self.events),
            cancel: self.cancel.clone(),
            retry: self.retry,
            limits: self.limits,
            secrets: Arc::clone(&self.secrets),
            answers: self.answers.clone(),
            breaker: Breaker::new(self.patience),
            question: tokio::sync::Mutex::default(),
            known: Known::default(),
        }
    }
}

/// The journal of one run in the state.
struct RunJournal {
    state: State,
    token: Token,
    run: String,
}

#[async_trait]
impl Journal for RunJournal {
    async fn append(&self, lines: Vec<Line>) -> Result<(), StateError> {
        self.state.append(&self.token, &self.run, lines).await
    }
}

/// Carries out `plan`: opens its run, or goes on with it where it was broken off.
///
/// # Errors
/// When the plan is refused (nothing was changed then), when the state cannot be written, or the backend cannot
/// say what is there. What fails on single nodes is no error: it stands in the [`Outcome`].
pub async fn execute(plan: &Plan, context: &Context) -> Result<Outcome, ExecuteError> {
    let nodes = filled::work(plan).map_err(ExecuteError::Malformed)?;
    // A plan that cannot be carried out is refused before anything is written.
    graph::build(plan, &nodes, &Standing::default(), &Weights::default()).map_err(ExecuteError::Malformed)?;
    let steps = nodes.values().flat_map(NodeWork::ensured).chain(leave::all(plan));
    let settled = secrets::settle(plan, steps, &context.secrets).await?;
    let nodes = match &settled {
        Cow::Borrowed(_) => nodes,
        Cow::Owned(settled) => filled::work(settled).map_err(ExecuteError::Malformed)?,
    };
    let state = &context.state;
    let lease = state.lease(&plan.deploy, &plan.site, &plan.backend.name).await?;
    if lease.taken_over() {
        (context.events)(Event::LeaseTakenOver {
            deploy: plan.deploy.clone(),
        });
    }
    let span = tracing::info_span!("run", kind = "apply", deploy = %plan.deploy, run = tracing::field::Empty);
    let result = carry_out((plan, &settled), nodes, context, &lease);
    let result = result.instrument(span).await;
    // Lines that were on their way are written before the lease is given back.
    let released = lease.release().await;
    let outcome = result?;
    released?;
    Ok(outcome)
}

/// The first plan is the one that was asked for, the second the same with all that is known of its secrets by now.
async fn carry_out(
    (asked, plan): (&Plan, &Plan),
    nodes: BTreeMap<String, NodeWork>,
    context: &Context,
    lease: &Lease,
) -> Result<Outcome, ExecuteError> {
    let state = &context.state;
    let token = lease.token().clone();
    state.hold_engine(&token, &*context.backend).await?;
    let (run, resumed) = open(asked, context, &token).await?;
    tracing::Span::current().record("run", &run);
    let calls = context.calls(&token, &run);
    let operations = state.operations(&run).await?;
    while_held(lease, recover::settle(&calls, &operations, false)).await?;
    let world = calls.observe().await;
    let world = world.map_err(|cause| ExecuteError::Backend {
        what: "what is there".to_owned(),
        cause: Box::new(cause),
    })?;
    let recorded = state.node_details(&plan.deploy, &run).await?;
    *calls.known.outputs() = state.found_out(&plan.deploy).await?;
    let recorded_networks = state.networks(&plan.deploy).await?;
    let published = state.published_names(&plan.deploy).await?;
    let taken_down = |name: &str| {
        let replaced = |row: &NodeRow| row.name == name && matches!(row.machine, ObjectVerb::Replace { .. });
        calls
            .known
            .is_done(&calls.operation("destroy", &format!("machine/{name}")))
            && plan.nodes.iter().any(replaced)
    };
    let replaced = plan.nodes.iter().map(|row| row.name.clone());
    let standing = Standing {
        served: recorded
            .iter()
            .map(|(name, detail)| (name.clone(), detail.served.clone()))
            .collect(),
        replaced: replaced.filter(|name| resumed && taken_down(name)).collect(),
        down: recorded
            .keys()
            .filter(|name| !runs(&world, name))
            .cloned()
            .collect(),
        begun: begun(&operations),
        names: !plan.nodes.is_empty()
            && (published != work::names(plan, true)
                || plan
                    .nodes
                    .iter()
                    .any(|row| recorded.get(&row.name).is_some_and(|node| !node.told))),
    };
    let weights = Weights::new(state.durations(&plan.backend.name).await?);
    let graph = graph::build(plan, &nodes, &standing, &weights).map_err(ExecuteError::Malformed)?;
    calls.tell(Event::RunOpened {
        run: run.clone(),
        deploy: plan.deploy.clone(),
        resumed,
        objects: graph.objects(),
        steps: nodes.values().map(NodeWork::steps).sum::<usize>() + leave::steps(plan),
    });
    let publications = operations
        .values()
        .filter(|operation| operation.subject == "names")
        .count() as u64;
    // Machines that are made or started join when they are up.
    let stays = |row: &&NodeRow| row.machine == ObjectVerb::Keep;
    let up = plan.nodes.iter().filter(stays).map(|row| row.name.clone());
    let coming = plan
        .nodes
        .iter()
        .filter(|row| row.machine != ObjectVerb::Keep)
        .count();
    let up = up.filter(|name| runs(&world, name)).collect();
    let names = Names::after(publications, up, coming);
    let leftovers = leftovers::machines(state, &world, &recorded).await?;
    let left_networks = leftovers::networks(state, &world, &recorded_networks).await?;
    let mut first = leftovers.clone();
    first.extend(leftovers::in_the_way(plan, &world, &recorded));
    let (cleared, not_cleared) = leftovers::clear(&calls, plan, &world, &first, &left_networks).await?;
    let work = Work {
        plan: Arc::new(plan.clone()),
        calls,
        nodes,
        world,
        recorded,
        recorded_networks,
        names,
        leftovers,
    };
    let limits = Limits {
        lanes: context.parallelism,
        objects: context.backend.parallelism(),
        per_domain: context.per_domain,
    };
    let work = Arc::new(work);
    let mut tally = schedule(&graph, Arc::clone(&work), limits, lease, &standing).await?;
    let found = work.calls.known.outputs().clone();
    tally.changed += cleared;
    tally.failed.extend(not_cleared);
    let mut outcome = conclude(tally);
    let left_out = plan.selection.iter().flat_map(|selection| &selection.left_out);
    outcome.left_out = left_out
        .filter(|(_, left)| !left.is_empty())
        .map(|(node, _)| node.clone())
        .collect();
    let close = match outcome.status {
        // The deploy is not complete.
        Status::Done if !outcome.left_out.is_empty() => Some(CloseAs::Partial),
        Status::Done => Some(CloseAs::Done),
        Status::Failed | Status::Refused => Some(CloseAs::Failed),
        Status::Partial => Some(CloseAs::Partial),
        // It stays open: the same plan goes on with it.
        Status::Interrupted => None,
    };
    if let Some(close) = close {
        let kept = plan.ledger.deploys.get(&plan.deploy).cloned().unwrap_or_default();
        state.close_run(&token, &run, close, kept).await?;
    }
    if outcome.status == Status::Done && outcome.left_out.is_empty() {
        outcome.outputs = filled::outputs(plan, &found).map_err(ExecuteError::Malformed)?;
    }
    (context.events)(Event::Closed {
        status: outcome.status,
    });
    Ok(outcome)
}

/// Opens the plan's run or finds the one to go on with; `true` for the latter.
async fn open(plan: &Plan, context: &Context, token: &Token) -> Result<(String, bool), ExecuteError> {
    let opening = Opening {
        kind: RunKind::Apply,
        plan_hash: plan::hash(plan),
        plan: serde_json::to_string(plan).map_err(|error| ExecuteError::Malformed(error.to_string()))?,
        site: plan.site.clone(),
        backend: plan.backend.name.clone(),
        base: plan.base.clone(),
        ledger: plan.ledger.deploys.get(&plan.deploy).cloned().unwrap_or_default(),
        moves: plan.moves.clone(),
    };
    begin(context, token, opening).await
}

/// Opens a run; what an abandoned one left is settled first.
async fn begin(context: &Context, token: &Token, opening: Opening) -> Result<(String, bool), ExecuteError> {
    let state = &context.state;
    match state.examine_opening(token, &opening).await? {
        Opened::Resume(run) => Ok((run.id, true)),
        Opened::Fresh(None) => Ok((state.open_run(token, opening, None).await?, false)),
        Opened::Fresh(Some(left)) => {
            let calls = context.calls(token, &left.id);
            let operations = state.operations(&left.id).await?;
            recover::settle(&calls, &operations, true).await?;
            Ok((state.open_run(token, opening, Some(left.id)).await?, false))
        }
    }
}

/// Nodes with steps that are not done. What failed or was broken off has changed its node, or may have.
fn begun(operations: &BTreeMap<String, OperationState>) -> BTreeSet<String> {
    let open = operations.values().filter(|operation| operation.state != "done");
    open.filter_map(|operation| match &operation.request {
        Request::Step { node, .. } => Some(node.clone()),
        Request::Object { .. } | Request::Surgery { .. } => None,
    })
    .collect()
}

/// Does work that takes its time, and holds the lease meanwhile: other hosts wait no longer than its term.
///
/// # Errors
/// Those of the work, and [`StateError::LeaseLost`] when another process has taken the lease over.
async fn while_held<T>(
    lease: &Lease,
    work: impl Future<Output = Result<T, ExecuteError>>,
) -> Result<T, ExecuteError> {
    let held = async {
        let mut renewal = tokio::time::interval(schedule::RENEWAL);
        loop {
            renewal.tick().await;
            if let Err(lost) = lease.renew().await {
                return lost;
            }
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        lost = held => Err(lost.into()),
    }
}

fn runs(world: &World, machine: &str) -> bool {
    world
        .machines
        .get(machine)
        .is_some_and(|view| view.running && view.complete)
}

fn conclude(tally: Tally) -> Outcome {
    let Tally {
        changed,
        mut failed,
        mut blocked,
        left,
    } = tally;
    failed.sort_by_key(|failure| failure.subject());
    blocked.sort_by(|a, b| a.subject.cmp(&b.subject));
    let seen: BTreeSet<String> = failed.iter().map(Failure::subject).collect();
    let is_left_out = |cause: &str| cause.starts_with(graph::LEFT_OUT);
    debug_assert!(
        blocked
            .iter()
            .all(|b| is_left_out(&b.cause) || b.causes().all(|cause| seen.contains(cause)))
    );
    let status = if left > 0 {
        Status::Interrupted
    } else if failed.is_empty() && blocked.is_empty() {
        Status::Done
    } else if changed > 0 {
        Status::Partial
    } else {
        Status::Failed
    };
    Outcome {
        status,
        changed,
        failed,
        blocked,
        left_out: Vec::new(),
        outputs: BTreeMap::new(),
    }
}
