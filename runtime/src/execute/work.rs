//! Doing one piece of work of the graph.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rebar_compiler::plan::{FillError, Filler, Network, NodeRow, ObjectVerb, Plan, machine_digest};
use tokio::sync::Mutex;

use super::calls::Calls;
use super::filled::NodeWork;
use super::graph::{Barrier, Task};
use super::lane::{LaneSegment, run_segment};
use super::leave::drain;
use super::objects::{ObjectChange, change};
use super::outcome::{Failure, Stop};
use super::settle::settled;
use crate::backend::{InterfaceSpec, MachineSpec, NetworkSpec, ObjectAction, World};
use crate::journal::NodeFacts;
use crate::observe::agent_step;
use crate::state::NodeDetail;

/// All that pieces of work share.
pub(super) struct Work {
    pub(super) plan: Arc<Plan>,
    pub(super) calls: Calls,
    pub(super) nodes: BTreeMap<String, NodeWork>,
    /// What was there when the run was opened or resumed.
    pub(super) world: World,
    /// What was recorded then.
    pub(super) recorded: BTreeMap<String, NodeDetail>,
    pub(super) recorded_networks: BTreeMap<String, NetworkSpec>,
    pub(super) names: Names,
    /// Machines that are there and not recorded, and that the journal knows: see [`super::leftovers`].
    pub(super) leftovers: BTreeSet<String>,
}

/// Publishes names for many nodes with few calls: whoever comes while a call is under way shares the next one.
pub(super) struct Names {
    /// Machines that are up.
    up: std::sync::Mutex<BTreeSet<String>>,
    /// Those that the last publication of this session reached, and how many publications there were in this run.
    reached: Mutex<(Option<BTreeSet<String>>, u64)>,
    /// How many machines the last publication reached.
    told: AtomicUsize,
    /// How many machines are still to come.
    coming: AtomicUsize,
}

/// A node waits no longer than this for others to share a publication with.
const PATIENCE: Duration = Duration::from_secs(1);

impl Names {
    /// `up` are the machines that run, `coming` is how many are to be made or started; goes on counting after the
    /// publications of an earlier session of the run.
    pub(super) fn after(publications: u64, up: BTreeSet<String>, coming: usize) -> Names {
        Names {
            up: std::sync::Mutex::new(up),
            reached: Mutex::new((None, publications)),
            told: AtomicUsize::new(0),
            coming: AtomicUsize::new(coming),
        }
    }

    /// Whether it is time for a publication: the first at once, each further one when it reaches half as many again,
    /// or all. So there are few, however many machines come.
    fn due(&self) -> bool {
        let (up, told) = (self.up().len(), self.told.load(Ordering::SeqCst));
        up.saturating_sub(told) * 2 >= told || self.coming.load(Ordering::SeqCst) == 0
    }

    /// Waits until a publication is due, but not for long: a machine may fail to come.
    async fn until_due(&self) {
        let begun = tokio::time::Instant::now();
        while !self.due() && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn up(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does a piece of work. Returns how much was changed.
pub(super) async fn perform(work: &Work, task: &Task) -> Result<usize, Stop> {
    match task {
        Task::Barrier(
            Barrier::Gate(_)
            | Barrier::Batch(..)
            | Barrier::Looked(..)
            | Barrier::Users(_)
            | Barrier::Changed,
        ) => Ok(0),
        Task::Image => prepare_image(work).await,
        Task::MakeNetwork(name) => make_network(work, name).await,
        Task::DropNetwork(name) => {
            let action = ObjectAction::DestroyNetwork { name: name.clone() };
            run(
                work,
                ObjectChange::new("destroy", format!("network/{name}"), action),
            )
            .await
        }
        Task::MakeMachine(name) => {
            let made = make_machine(work, name).await;
            work.names.coming.fetch_sub(1, Ordering::SeqCst);
            made
        }
        Task::StartMachine(name) => {
            let started = start_machine(work, name).await;
            work.names.coming.fetch_sub(1, Ordering::SeqCst);
            started
        }
        Task::KeepMachine(name) => keep_machine(work, name),
        Task::DropMachine(name, leaves) => drop_machine(work, "destroy", name, *leaves).await,
        Task::Names(name) => publish(work, Some(name)).await,
        Task::FinalNames => publish(work, None).await,
        Task::Segment(name, index) => {
            let Some(segment) = work.nodes.get(name).and_then(|node| node.segments.get(*index)) else {
                return Ok(0);
            };
            let (node, run) = (name.clone(), segment.run.clone());
            run_segment(
                &work.calls,
                &LaneSegment {
                    node,
                    run,
                    steps: segment.steps.clone(),
                },
            )
            .await
        }
        Task::Leave(name) => drain(work, name).await,
        Task::Look(name, index) => look_again(work, name, *index).await,
        Task::Removal(name) => {
            let Some(node) = work.nodes.get(name) else {
                return Ok(0);
            };
            let (node, steps) = (name.clone(), node.removals.clone());
            run_segment(
                &work.calls,
                &LaneSegment {
                    node,
                    run: "removals".to_owned(),
                    steps,
                },
            )
            .await
        }
    }
}

/// Looks at all steps of a run on a node that has settled: what was done must still be so.
async fn look_again(work: &Work, name: &str, index: usize) -> Result<usize, Stop> {
    let Some(row) = row(work, name) else { return Ok(0) };
    let run = work
        .plan
        .patterns
        .get(row.pattern)
        .and_then(|p| p.segments.get(index));
    let Some(run) = run.map(|segment| segment.run.as_str()) else {
        return Ok(0);
    };
    let malformed = |error: FillError| failed(name, "E1206", error.to_string(), None);
    let found = work.calls.known.outputs().clone();
    let steps = Filler::with_outputs(&work.plan, &found)
        .steps(row)
        .map_err(malformed)?;
    let steps = steps.into_iter().filter(|step| step.run == run);
    let steps: Vec<_> = steps
        .map(|filled| agent_step(&filled.step, filled.loads))
        .collect();
    settled(&work.calls, name, run, steps).await.map(|()| 0)
}

async fn run(work: &Work, wanted: ObjectChange) -> Result<usize, Stop> {
    Ok(usize::from(change(&work.calls, &wanted).await?))
}

async fn prepare_image(work: &Work) -> Result<usize, Stop> {
    let Some(image) = work.plan.backend.image.clone() else {
        return Ok(0);
    };
    let subject = format!("image/{}", image.name);
    run(
        work,
        ObjectChange::new("prepare", subject, ObjectAction::PrepareImage { image }),
    )
    .await?;
    Ok(0)
}

async fn make_network(work: &Work, name: &str) -> Result<usize, Stop> {
    let Some(network) = work.plan.networks.get(name) else {
        return Ok(0);
    };
    let subject = format!("network/{name}");
    let spec = network_spec(name, network);
    let create = ObjectChange::new(
        "create",
        &*subject,
        ObjectAction::CreateNetwork {
            network: spec.clone(),
        },
    );
    let replaced = matches!(network.verb, ObjectVerb::Replace { .. });
    if let Some(view) = work.world.networks.get(name)
        && !replaced
        && !work
            .calls
            .known
            .is_done(&work.calls.operation("create", &subject))
        && view.operation != work.calls.operation("create", &subject)
    {
        let stands = view.cidr == spec.cidr && work.recorded_networks.get(name) == Some(&spec);
        if stands {
            return Ok(0);
        }
        let action = ObjectAction::DestroyNetwork {
            name: name.to_owned(),
        };
        run(work, ObjectChange::new("clear", &*subject, action)).await?;
    }
    run(work, create).await
}

async fn make_machine(work: &Work, name: &str) -> Result<usize, Stop> {
    let Some(row) = row(work, name) else { return Ok(0) };
    let spec = machine_spec(&work.plan, row).map_err(|message| failed(name, "E1206", message, None))?;
    let subject = format!("machine/{name}");
    let operation = work.calls.operation("create", &subject);
    let replaced = matches!(row.machine, ObjectVerb::Replace { .. });
    if !replaced && !work.calls.known.is_done(&operation) {
        let recorded = work.recorded.get(name);
        let there = work
            .world
            .machines
            .get(name)
            .filter(|view| view.operation != operation);
        if let Some(view) = there {
            if view.complete && recorded.is_none() && !work.leftovers.contains(name) {
                let message =
                    format!("a machine `{name}` of this deploy is there that the state does not know");
                let help = format!(
                    "put back the state that knows it, or destroy the deploy first (`rebar destroy {}`)",
                    work.plan.deploy
                );
                return Err(failed(name, "E1209", message, Some(help)));
            }
            if view.complete && view.digest == spec.digest && recorded.is_some() {
                // An abandoned run made it, or it has come back: as wanted, and nothing is recorded on it that
                // is not there.
                return if view.running {
                    up(work, name, 0)
                } else {
                    start(work, name, spec).await
                };
            }
        }
        if there.is_some() || recorded.is_some() {
            drop_machine(work, "clear", name, false).await?;
        }
    }
    let group = work
        .plan
        .patterns
        .get(row.pattern)
        .map(|p| p.group.clone())
        .unwrap_or_default();
    let mut create = ObjectChange::new(
        "create",
        subject,
        ObjectAction::CreateMachine {
            machine: Box::new(spec),
        },
    );
    create.node = Some(NodeFacts {
        group,
        addresses: row.addresses.clone(),
    });
    let changed = run(work, create).await?;
    up(work, name, changed)
}

/// One more machine is up, and does not know the names yet.
fn up(work: &Work, name: &str, changed: usize) -> Result<usize, Stop> {
    work.names.up().insert(name.to_owned());
    Ok(changed)
}

async fn start_machine(work: &Work, name: &str) -> Result<usize, Stop> {
    match (work.world.machines.get(name), work.recorded.get(name)) {
        (Some(view), Some(_)) if view.running => up(work, name, 0),
        (Some(_), Some(detail)) => start(work, name, detail.spec.clone()).await,
        (None, _) | (_, None) => Err(gone(name, "is gone")),
    }
}

async fn start(work: &Work, name: &str, spec: MachineSpec) -> Result<usize, Stop> {
    let action = ObjectAction::StartMachine {
        machine: Box::new(spec),
    };
    let changed = run(
        work,
        ObjectChange::new("start", format!("machine/{name}"), action),
    )
    .await?;
    up(work, name, changed)
}

/// The plan found it running; if that is no longer so, what was planned is not what is needed.
fn keep_machine(work: &Work, name: &str) -> Result<usize, Stop> {
    match work.world.machines.get(name) {
        Some(view) if view.running && view.complete => Ok(0),
        Some(_) => Err(gone(name, "has stopped")),
        None => Err(gone(name, "is gone")),
    }
}

async fn drop_machine(work: &Work, verb: &str, name: &str, leaves: bool) -> Result<usize, Stop> {
    let action = ObjectAction::DestroyMachine {
        name: name.to_owned(),
    };
    let mut destroy = ObjectChange::new(verb, format!("machine/{name}"), action);
    destroy.leaves = leaves;
    run(work, destroy).await
}

/// Publishes the table of names, unless a publication of this session has reached the node `to`. For nobody in
/// particular, the nodes that have left are left out.
async fn publish(work: &Work, to: Option<&str>) -> Result<usize, Stop> {
    if to.is_some() {
        work.names.until_due().await;
    }
    let mut reached = work.names.reached.lock().await;
    if to.is_some_and(|name| reached.0.as_ref().is_some_and(|reached| reached.contains(name))) {
        return Ok(0);
    }
    let up = work.names.up().clone();
    let names = names(&work.plan, to.is_some());
    let mut wanted = ObjectChange::new(
        format!("publish#{}", reached.1),
        "names",
        ObjectAction::PublishNames { names },
    );
    wanted.told = up.iter().cloned().collect();
    reached.1 += 1;
    run(work, wanted).await?;
    work.names.told.store(up.len(), Ordering::SeqCst);
    reached.0 = Some(up);
    Ok(0)
}

/// All nodes' names and addresses; those that leave keep theirs until they are gone.
pub(super) fn names(plan: &Plan, with_leaving: bool) -> BTreeMap<String, Vec<IpAddr>> {
    let leaving = plan
        .leaving
        .iter()
        .filter(|_| with_leaving)
        .map(|node| (&node.name, &node.addresses));
    let staying = plan.nodes.iter().map(|row| (&row.name, &row.addresses));
    leaving
        .chain(staying)
        .map(|(name, addresses)| (name.clone(), addresses.values().copied().collect()))
        .collect()
}

fn row<'a>(work: &'a Work, name: &str) -> Option<&'a NodeRow> {
    work.plan.nodes.iter().find(|row| row.name == name)
}

pub(super) fn network_spec(name: &str, network: &Network) -> NetworkSpec {
    NetworkSpec {
        name: name.to_owned(),
        cidr: network.cidr,
        gateway: network.gateway,
        mtu: network.mtu,
    }
}

fn machine_spec(plan: &Plan, row: &NodeRow) -> Result<MachineSpec, String> {
    let image = plan
        .backend
        .image
        .clone()
        .ok_or_else(|| format!("site `{}` gives no image to make `{}` from", plan.site, row.name))?;
    let hardware = plan
        .patterns
        .get(row.pattern)
        .map(|pattern| pattern.hardware.clone())
        .ok_or_else(|| format!("`{}` follows a pattern that is not there", row.name))?;
    let mut interfaces = Vec::new();
    let mut way_out = false;
    for (name, network_name) in &hardware.nics {
        let network = plan.networks.get(network_name);
        let (Some(network), Some(address)) = (network, row.addresses.get(network_name)) else {
            return Err(format!(
                "`{}` has no address on network `{network_name}`",
                row.name
            ));
        };
        interfaces.push(InterfaceSpec {
            name: name.clone(),
            network: network_name.clone(),
            cidr: network.cidr,
            address: *address,
            gateway: network.gateway.filter(|_| !way_out),
            mtu: network.mtu,
        });
        way_out |= network.gateway.is_some();
    }
    let digest = machine_digest(plan, row);
    Ok(MachineSpec {
        name: row.name.clone(),
        image,
        hardware,
        interfaces,
        settings: plan.backend.settings.clone(),
        digest,
    })
}

fn failed(node: &str, code: &str, message: String, help: Option<String>) -> Stop {
    Stop::Failed(Box::new(Failure {
        node: node.to_owned(),
        step: None,
        message,
        detail: String::new(),
        help,
        code: code.to_owned(),
    }))
}

fn gone(name: &str, what: &str) -> Stop {
    let message = format!("the machine `{name}` {what} since the plan was made");
    failed(
        name,
        "E1205",
        message,
        Some("plan again; the new plan brings it back".to_owned()),
    )
}
