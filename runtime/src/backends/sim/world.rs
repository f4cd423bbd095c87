//! What is there in a simulated world, and how changes change it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipnet::IpNet;
use rebar_agent::protocol::FailureClass;
use tokio::time::Instant;

use super::faults::Fault;
use super::node::Node;
use crate::backend::{
    Applied, BackendError, MachineView, NetworkView, ObjectAction, Operation, Probed, Scope, World as View,
};

/// An object's key: the id of the deploy that it belongs to, and its name there.
pub type Key = (String, String);

/// A machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The operation that made it.
    pub operation: String,
    /// Digest of what it was made from.
    pub digest: String,
    /// Whether it runs.
    pub running: bool,
    /// Whether its making was finished.
    pub complete: bool,
    /// The names that it knows.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// What stands on it.
    pub node: Arc<Mutex<Node>>,
    /// When it was made.
    pub made: Instant,
    /// Until then nobody reaches it.
    pub away: Option<Instant>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The operation that made it.
    pub operation: String,
    /// Its addresses.
    pub cidr: IpNet,
}

/// Everything that is there, and what has happened.
#[derive(Debug, Default)]
pub struct World {
    /// Machines.
    pub machines: BTreeMap<Key, Machine>,
    /// Networks.
    pub networks: BTreeMap<Key, Network>,
    /// Objects of others, as `machine/web-1`: their names are taken.
    pub foreign: BTreeSet<String>,
    /// Images that were prepared, by operation.
    pub images: BTreeSet<String>,
    /// Publications of names, by operation.
    pub published: BTreeSet<String>,
    /// What was done: `create machine/web-1`, `begin web-1/pages.page`, `end web-1/pages.page` …
    pub log: Vec<String>,
    /// Operations that made an object whole, in order.
    pub creations: Vec<(String, String)>,
    /// How often each fault has struck.
    pub injected: BTreeMap<Fault, u64>,
    /// When each fault struck, and what; kept where a log is.
    pub struck: Vec<(Duration, Fault, String)>,
    /// What must never happen and did: two agents at work on one node, for example.
    pub violations: Vec<String>,
    /// Operations whose requests outlived their sender: they may be done when nobody expects it any more.
    pub late: BTreeSet<String>,
    /// Faults that are bound to strike, and how often.
    pub doomed: BTreeMap<(Fault, String), u32>,
    /// The newest writer's epoch, by the id of the deploy.
    pub epochs: BTreeMap<String, u64>,
    /// How often each thing was attempted.
    pub counts: BTreeMap<String, u64>,
    /// Machines that are gone, for lists that lag.
    gone: Vec<(Instant, Key, MachineView)>,
}

/// A list that lags shows what was there so long ago.
const LAG: Duration = Duration::from_secs(5);

/// What can be compared between two worlds: everything but operations, times and order.
pub type Picture = BTreeMap<String, String>;

/// `create`, and `machine/web-1`.
pub fn subject(action: &ObjectAction) -> (&'static str, String) {
    match action {
        ObjectAction::PrepareImage { image } => ("prepare", format!("image/{}", image.name)),
        ObjectAction::CreateNetwork { network } => ("create", format!("network/{}", network.name)),
        ObjectAction::DestroyNetwork { name } => ("destroy", format!("network/{name}")),
        ObjectAction::CreateMachine { machine } => ("create", format!("machine/{}", machine.name)),
        ObjectAction::StartMachine { machine } => ("start", format!("machine/{}", machine.name)),
        ObjectAction::DestroyMachine { name } => ("destroy", format!("machine/{name}")),
        ObjectAction::PublishNames { .. } => ("publish", "names".to_owned()),
    }
}

pub(super) fn error(class: FailureClass, message: &str) -> BackendError {
    BackendError {
        code: "E1801",
        class,
        message: message.to_owned(),
        help: None,
        detail: String::new(),
        retry_after: None,
    }
}

fn terminal(message: &str) -> BackendError {
    error(FailureClass::Terminal, message)
}

impl World {
    /// Lets in the newest writer and no older one, as the real backends do; without `fences` it only tells.
    pub(super) fn admit(
        &mut self,
        scope: &Scope,
        operation: &Operation,
        fences: bool,
    ) -> Result<(), BackendError> {
        let newest = self.epochs.entry(scope.deploy_id.clone()).or_default();
        if operation.epoch >= *newest {
            *newest = operation.epoch;
            return Ok(());
        }
        let (_, name) = subject(&operation.action);
        let what = format!("epoch {} changes {name} after epoch {newest}", operation.epoch);
        if fences {
            return Err(terminal(&what));
        }
        self.violations.push(format!("I6: {what}"));
        Ok(())
    }

    /// Whether a fault is bound to strike; it counts as one time if so.
    pub(super) fn is_doomed(&mut self, fault: Fault, about: &str) -> bool {
        if self.doomed.is_empty() {
            return false;
        }
        match self.doomed.get_mut(&(fault, about.to_owned())) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Carries out a change; with `half`, so that a machine is left half-made.
    pub(super) fn carry_out(
        &mut self,
        scope: &Scope,
        operation: &Operation,
        half: bool,
    ) -> Result<(), BackendError> {
        let (verb, name) = subject(&operation.action);
        let key = |name: &str| (scope.deploy_id.clone(), name.to_owned());
        match &operation.action {
            ObjectAction::PrepareImage { .. } => {
                if !half {
                    self.images.insert(operation.id.clone());
                }
            }
            ObjectAction::CreateNetwork { network } => {
                match self.networks.get(&key(&network.name)) {
                    Some(there) if there.operation == operation.id => return Ok(()),
                    Some(_) => return Err(terminal("a network of this name is there already")),
                    None if self.foreign.contains(&name) => {
                        return Err(terminal("a network of somebody else has this name"));
                    }
                    None if half => return Ok(()),
                    None => {}
                }
                let made = Network {
                    operation: operation.id.clone(),
                    cidr: network.cidr,
                };
                self.networks.insert(key(&network.name), made);
                self.creations.push((operation.id.clone(), name.clone()));
            }
            ObjectAction::DestroyNetwork { name } => {
                let used = self
                    .machines
                    .iter()
                    .any(|((deploy, _), machine)| *deploy == scope.deploy_id && machine.on(name));
                if used {
                    return Err(terminal("machines are on the network"));
                }
                if half || self.networks.remove(&key(name)).is_none() {
                    return Ok(());
                }
            }
            ObjectAction::CreateMachine { machine } => {
                for interface in &machine.interfaces {
                    if !self.networks.contains_key(&key(&interface.network)) {
                        return Err(terminal("the machine's network is not there"));
                    }
                }
                match self.machines.get(&key(&machine.name)) {
                    Some(there) if there.operation != operation.id => {
                        return Err(terminal("a machine of this name is there already"));
                    }
                    Some(there) if there.complete => return Ok(()),
                    None if self.foreign.contains(&name) => {
                        return Err(terminal("a machine of somebody else has this name"));
                    }
                    Some(_) | None => {}
                }
                let networks = machine.interfaces.iter().map(|i| i.network.clone()).collect();
                let made = Machine {
                    operation: operation.id.clone(),
                    digest: machine.digest.clone(),
                    running: !half,
                    complete: !half,
                    names: BTreeMap::new(),
                    node: Arc::new(Mutex::new(Node::on(networks))),
                    made: Instant::now(),
                    away: None,
                };
                self.machines.insert(key(&machine.name), made);
                if !half {
                    self.creations.push((operation.id.clone(), name.clone()));
                }
            }
            ObjectAction::StartMachine { machine } => match self.machines.get_mut(&key(&machine.name)) {
                Some(there) if !half => there.running = true,
                Some(_) => return Ok(()),
                None => return Err(terminal("there is no such machine")),
            },
            ObjectAction::DestroyMachine { name } => {
                let key = key(name);
                if half {
                    if let Some(machine) = self.machines.get_mut(&key) {
                        (machine.running, machine.complete) = (false, false);
                    }
                } else if let Some(machine) = self.machines.remove(&key) {
                    self.gone
                        .push((Instant::now(), key, view_of_machine(name, &machine)));
                } else {
                    return Ok(());
                }
            }
            ObjectAction::PublishNames { names } => {
                let ours = self
                    .machines
                    .iter_mut()
                    .filter(|((deploy, _), m)| *deploy == scope.deploy_id && m.running);
                for (index, (_, machine)) in ours.enumerate() {
                    if !half || index % 2 == 0 {
                        machine.names.clone_from(names);
                    }
                }
                if !half {
                    self.published.insert(operation.id.clone());
                }
            }
        }
        self.log
            .push(format!("{}{verb} {name}", if half { "half " } else { "" }));
        Ok(())
    }

    /// What became of an operation.
    pub(super) fn probe(&self, scope: &Scope, operation: &Operation) -> Probed {
        let key = |name: &str| (scope.deploy_id.clone(), name.to_owned());
        let found = |there: bool, handle: &str| {
            if there {
                Probed::Complete(Applied {
                    handle: format!("sim-{handle}"),
                    note: "found".to_owned(),
                })
            } else {
                Probed::Absent
            }
        };
        match &operation.action {
            ObjectAction::PrepareImage { image } => found(self.images.contains(&operation.id), &image.name),
            ObjectAction::CreateNetwork { network } => {
                let there = self.networks.get(&key(&network.name));
                found(there.is_some_and(|n| n.operation == operation.id), &network.name)
            }
            ObjectAction::CreateMachine { machine } => match self.machines.get(&key(&machine.name)) {
                Some(there) if there.operation == operation.id && !there.complete => Probed::Partial,
                there => found(there.is_some_and(|m| m.operation == operation.id), &machine.name),
            },
            ObjectAction::StartMachine { machine } => {
                let there = self.machines.get(&key(&machine.name));
                found(there.is_some_and(|m| m.running), &machine.name)
            }
            ObjectAction::DestroyNetwork { name } => found(!self.networks.contains_key(&key(name)), name),
            ObjectAction::DestroyMachine { name } => found(!self.machines.contains_key(&key(name)), name),
            ObjectAction::PublishNames { .. } => found(self.published.contains(&operation.id), "names"),
        }
    }

    /// What there is of a scope; `lagging`, as it was a while ago, in part.
    pub(super) fn view(&self, scope: &Scope, lagging: bool) -> View {
        let ours = |key: &Key| key.0 == scope.deploy_id;
        let mut machines: BTreeMap<String, MachineView> = self
            .machines
            .iter()
            .filter(|(key, machine)| ours(key) && !(lagging && machine.made.elapsed() < LAG))
            .map(|((_, name), machine)| (name.clone(), view_of_machine(name, machine)))
            .collect();
        if lagging {
            for (when, (deploy, name), view) in &self.gone {
                if *deploy == scope.deploy_id && when.elapsed() < LAG {
                    machines.entry(name.clone()).or_insert_with(|| view.clone());
                }
            }
        }
        let networks = self.networks.iter().filter(|(key, _)| ours(key));
        let networks = networks.map(|((_, name), network)| {
            let view = NetworkView {
                handle: format!("sim-{name}"),
                operation: network.operation.clone(),
                cidr: network.cidr,
            };
            (name.clone(), view)
        });
        View {
            machines,
            networks: networks.collect(),
        }
    }

    /// All objects, but for their history.
    pub fn picture(&self) -> Picture {
        let mut picture = Picture::new();
        for ((_, name), network) in &self.networks {
            picture.insert(format!("network/{name}"), network.cidr.to_string());
        }
        for ((_, name), machine) in &self.machines {
            let known: Vec<&String> = machine.names.keys().collect();
            let state = (&machine.digest, machine.running, machine.complete, known);
            picture.insert(format!("machine/{name}"), format!("{state:?}"));
            let node = machine
                .node
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            for (thing, value) in &node.things {
                picture.insert(format!("{name}/{thing}"), value.to_string());
            }
        }
        picture
    }

    /// The operations that objects carry.
    pub fn operations(&self) -> BTreeSet<String> {
        let networks = self.networks.values().map(|network| network.operation.clone());
        let machines = self.machines.values().map(|machine| machine.operation.clone());
        networks.chain(machines).collect()
    }
}

impl Machine {
    fn on(&self, network: &str) -> bool {
        let node = self
            .node
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        node.networks.contains(network)
    }
}

fn view_of_machine(name: &str, machine: &Machine) -> MachineView {
    MachineView {
        handle: format!("sim-{name}"),
        operation: machine.operation.clone(),
        digest: machine.digest.clone(),
        running: machine.running,
        complete: machine.complete,
    }
}
