//! A backend whose machines are entries of a map: scripted faults, and a log of everything that was done.
//! Its nodes answer the agent's protocol (see `agent`). It exists for tests of the executor only.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use rebar_agent::protocol::FailureClass;
use rebar_runtime::backend::{
    Applied, Backend, BackendError, Capability, Command, Finding, MachineView, NetworkView, ObjectAction,
    Operation, Probed, Process, Progress, Scope, World,
};

use super::agent::{self, Node};

/// What a fault leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    Nothing,
    Half,
    Whole,
}

/// A scripted fault of an object's change.
#[derive(Debug, Clone)]
pub(crate) struct ObjectFault {
    pub(crate) class: FailureClass,
    pub(crate) leaves: Leaves,
    pub(crate) times: usize,
}

/// A scripted fault of a step.
#[derive(Debug, Clone)]
pub(crate) struct StepFault {
    pub(crate) class: FailureClass,
    pub(crate) times: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) operation: String,
    pub(crate) digest: String,
    pub(crate) running: bool,
    pub(crate) complete: bool,
    pub(crate) names: BTreeMap<String, Vec<IpAddr>>,
    pub(crate) node: Arc<Mutex<Node>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Inner {
    pub(crate) networks: BTreeMap<String, (String, IpNet)>,
    pub(crate) machines: BTreeMap<String, Machine>,
    pub(crate) names_operation: String,
    pub(crate) image_operations: Vec<String>,
    /// `create machine/web-1`, `begin web-1/pages.page`, `end web-1/pages.page` …
    pub(crate) log: Vec<String>,
    pub(crate) object_faults: BTreeMap<String, ObjectFault>,
    pub(crate) step_faults: BTreeMap<String, StepFault>,
    /// After so many events the line to this node breaks, once.
    pub(crate) broken_lines: BTreeMap<String, usize>,
    pub(crate) unreachable: Vec<String>,
    /// What steps that read find out on a node.
    pub(crate) printed: BTreeMap<String, serde_json::Value>,
    /// Steps that take another time than all others.
    pub(crate) step_times: BTreeMap<String, Duration>,
    /// So many calls, of any kind, are not answered: nothing listens there.
    pub(crate) refuses: usize,
    /// When whoever fails as busy wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
    /// The call with this number (of those that change objects) never returns, having left this behind.
    pub(crate) freeze_call: Option<(usize, Leaves)>,
    pub(crate) calls: usize,
}

#[derive(Debug, Default)]
pub(crate) struct TestWorld {
    pub(crate) inner: Arc<Mutex<Inner>>,
    pub(crate) step_time: Duration,
    pub(crate) call_time: Duration,
    pub(crate) at_a_time: usize,
    pub(crate) frozen: tokio::sync::Notify,
}

/// What can be compared between two worlds: everything but operations and order.
pub(crate) type Picture = BTreeMap<String, String>;

impl TestWorld {
    pub(crate) fn new() -> Arc<TestWorld> {
        Arc::new(TestWorld {
            at_a_time: 4,
            ..TestWorld::default()
        })
    }

    /// Whether the backend itself answers.
    fn listens(&self) -> Result<(), BackendError> {
        self.with(|w| {
            if w.refuses == 0 {
                return Ok(());
            }
            w.refuses -= 1;
            w.log.push("refused".to_owned());
            Err(BackendError {
                code: "E1701",
                ..error(FailureClass::Terminal, "nothing listens there")
            })
        })
    }

    /// A world of its own that is as this one is now; what was in the making there goes no further.
    #[allow(dead_code, reason = "only the test of power loss goes back in time")]
    pub(crate) fn copy(&self) -> TestWorld {
        let inner = self.with(|w| {
            let mut inner = w.clone();
            for machine in inner.machines.values_mut() {
                let mut node = machine.node.lock().unwrap().clone();
                node.busy = false;
                machine.node = Arc::new(Mutex::new(node));
            }
            inner
        });
        TestWorld {
            inner: Arc::new(Mutex::new(inner)),
            at_a_time: self.at_a_time,
            ..TestWorld::default()
        }
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.inner.lock().unwrap())
    }

    pub(crate) fn fail_object(&self, subject: &str, class: FailureClass, leaves: Leaves, times: usize) {
        self.with(|w| {
            w.object_faults
                .insert(subject.to_owned(), ObjectFault { class, leaves, times })
        });
    }

    pub(crate) fn fail_step(&self, subject: &str, class: FailureClass, times: usize) {
        self.with(|w| {
            w.step_faults
                .insert(subject.to_owned(), StepFault { class, times })
        });
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.with(|w| w.log.clone())
    }

    pub(crate) fn position(&self, entry: &str) -> usize {
        let log = self.log();
        log.iter()
            .position(|e| e == entry)
            .unwrap_or_else(|| panic!("`{entry}` is not in {log:#?}"))
    }

    pub(crate) fn count(&self, prefix: &str) -> usize {
        self.log().iter().filter(|e| e.starts_with(prefix)).count()
    }

    pub(crate) fn picture(&self) -> Picture {
        self.with(|w| {
            let mut picture = Picture::new();
            for (name, (_, cidr)) in &w.networks {
                picture.insert(format!("network/{name}"), cidr.to_string());
            }
            for (name, machine) in &w.machines {
                let Machine {
                    digest,
                    running,
                    complete,
                    names,
                    node,
                    ..
                } = machine;
                picture.insert(
                    format!("machine/{name}"),
                    format!(
                        "{digest} {running} {complete} {:?}",
                        names.keys().collect::<Vec<_>>()
                    ),
                );
                for (address, thing) in &node.lock().unwrap().things {
                    picture.insert(format!("{name}/{address}"), thing.to_string());
                }
            }
            picture
        })
    }

    /// Operations that objects carry.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.with(|w| {
            let networks = w.networks.values().map(|(operation, _)| operation.clone());
            let machines = w.machines.values().map(|machine| machine.operation.clone());
            networks.chain(machines).collect()
        })
    }
}

fn error(class: FailureClass, message: &str) -> BackendError {
    BackendError {
        code: "E0000",
        class,
        message: message.to_owned(),
        help: None,
        detail: String::new(),
        retry_after: None,
    }
}

pub(crate) fn subject(action: &ObjectAction) -> (&'static str, String) {
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

impl Inner {
    fn carry_out(&mut self, operation: &Operation, half: bool) -> Result<(), BackendError> {
        let (verb, name) = subject(&operation.action);
        match &operation.action {
            ObjectAction::PrepareImage { .. } => self.image_operations.push(operation.id.clone()),
            ObjectAction::CreateNetwork { network } => {
                match self.networks.get(&network.name) {
                    Some((by, _)) if *by == operation.id => return Ok(()),
                    Some(_) => return Err(error(FailureClass::Terminal, "the network is there already")),
                    None => {}
                }
                self.networks
                    .insert(network.name.clone(), (operation.id.clone(), network.cidr));
            }
            ObjectAction::DestroyNetwork { name } => {
                if self.networks.remove(name).is_none() {
                    return Ok(());
                }
            }
            ObjectAction::CreateMachine { machine } => {
                for interface in &machine.interfaces {
                    if !self.networks.contains_key(&interface.network) {
                        return Err(error(
                            FailureClass::Terminal,
                            "the machine's network is not there",
                        ));
                    }
                }
                match self.machines.get(&machine.name) {
                    Some(there) if there.operation != operation.id => {
                        return Err(error(FailureClass::Terminal, "the machine is there already"));
                    }
                    Some(there) if there.complete => return Ok(()),
                    Some(_) | None => {}
                }
                let made = Machine {
                    operation: operation.id.clone(),
                    digest: machine.digest.clone(),
                    running: !half,
                    complete: !half,
                    names: BTreeMap::new(),
                    node: Arc::default(),
                };
                self.machines.insert(machine.name.clone(), made);
            }
            ObjectAction::StartMachine { machine } => match self.machines.get_mut(&machine.name) {
                Some(there) => there.running = true,
                None => return Err(error(FailureClass::Terminal, "there is no such machine")),
            },
            ObjectAction::DestroyMachine { name } => {
                if self.machines.remove(name).is_none() {
                    return Ok(());
                }
            }
            ObjectAction::PublishNames { names } => {
                for machine in self.machines.values_mut().filter(|m| m.running) {
                    machine.names = names.clone();
                }
                self.names_operation = operation.id.clone();
            }
        }
        self.log
            .push(format!("{}{verb} {name}", if half { "half " } else { "" }));
        Ok(())
    }
}

#[async_trait]
impl Backend for TestWorld {
    fn name(&self) -> &'static str {
        "test"
    }

    fn capabilities(&self) -> BTreeMap<String, Capability> {
        BTreeMap::new()
    }

    fn parallelism(&self) -> usize {
        self.at_a_time
    }

    async fn examine(&self) -> Vec<Finding> {
        Vec::new()
    }

    async fn observe(&self, _: &Scope) -> Result<World, BackendError> {
        self.listens()?;
        Ok(self.with(|w| World {
            machines: w
                .machines
                .iter()
                .map(|(name, machine)| {
                    let view = MachineView {
                        handle: name.clone(),
                        operation: machine.operation.clone(),
                        digest: machine.digest.clone(),
                        running: machine.running,
                        complete: machine.complete,
                    };
                    (name.clone(), view)
                })
                .collect(),
            networks: w
                .networks
                .iter()
                .map(|(name, (operation, cidr))| {
                    let view = NetworkView {
                        handle: name.clone(),
                        operation: operation.clone(),
                        cidr: *cidr,
                    };
                    (name.clone(), view)
                })
                .collect(),
        }))
    }

    async fn apply(
        &self,
        _: &Scope,
        operation: &Operation,
        progress: Progress<'_>,
    ) -> Result<Applied, BackendError> {
        self.listens()?;
        let (verb, name) = subject(&operation.action);
        progress("working");
        tokio::time::sleep(self.call_time).await;
        let freeze = self.with(|w| {
            w.calls += 1;
            w.freeze_call.filter(|(number, _)| *number == w.calls)
        });
        if let Some((_, leaves)) = freeze {
            match leaves {
                Leaves::Nothing => {}
                Leaves::Half => {
                    let halves = matches!(operation.action, ObjectAction::CreateMachine { .. });
                    if halves {
                        self.with(|w| w.carry_out(operation, true))?;
                    }
                }
                Leaves::Whole => self.with(|w| w.carry_out(operation, false))?,
            }
            self.frozen.notify_one();
            std::future::pending::<()>().await;
        }
        self.with(|w| {
            if let Some(fault) = w.object_faults.get_mut(&format!("{verb} {name}"))
                && fault.times > 0
            {
                fault.times -= 1;
                let (class, leaves) = (fault.class, fault.leaves);
                match leaves {
                    Leaves::Nothing => {}
                    Leaves::Half => w.carry_out(operation, true)?,
                    Leaves::Whole => w.carry_out(operation, false)?,
                }
                let retry_after = w.retry_after;
                return Err(BackendError {
                    retry_after,
                    ..error(class, "scripted fault")
                });
            }
            w.carry_out(operation, false)?;
            Ok(Applied {
                handle: format!("h-{name}"),
                note: verb.to_owned(),
            })
        })
    }

    async fn probe(&self, _: &Scope, operation: &Operation) -> Result<Probed, BackendError> {
        self.listens()?;
        let complete = |handle: &str| {
            Probed::Complete(Applied {
                handle: handle.to_owned(),
                note: "found".to_owned(),
            })
        };
        Ok(self.with(|w| match &operation.action {
            ObjectAction::PrepareImage { image } if w.image_operations.contains(&operation.id) => {
                complete(&image.name)
            }
            ObjectAction::PrepareImage { .. } => Probed::Absent,
            ObjectAction::CreateNetwork { network } => match w.networks.get(&network.name) {
                Some((by, _)) if *by == operation.id => complete(&network.name),
                Some(_) | None => Probed::Absent,
            },
            ObjectAction::CreateMachine { machine } => match w.machines.get(&machine.name) {
                Some(there) if there.operation == operation.id && there.complete => complete(&machine.name),
                Some(there) if there.operation == operation.id => Probed::Partial,
                Some(_) | None => Probed::Absent,
            },
            ObjectAction::StartMachine { machine } => match w.machines.get(&machine.name) {
                Some(there) if there.running => complete(&machine.name),
                Some(_) | None => Probed::Absent,
            },
            ObjectAction::DestroyNetwork { name } if w.networks.contains_key(name) => Probed::Absent,
            ObjectAction::DestroyMachine { name } if w.machines.contains_key(name) => Probed::Absent,
            ObjectAction::DestroyNetwork { name } | ObjectAction::DestroyMachine { name } => complete(name),
            ObjectAction::PublishNames { .. } if w.names_operation == operation.id => complete("names"),
            ObjectAction::PublishNames { .. } => Probed::Absent,
        }))
    }

    async fn open(&self, _: &Scope, machine: &str, command: &Command) -> Result<Process, BackendError> {
        assert!(
            command.arguments.is_empty(),
            "the executor runs nothing but the agent"
        );
        self.listens()?;
        let node = self.with(|w| {
            if w.unreachable.iter().any(|m| m == machine) {
                return Err(error(FailureClass::Transient, "no route to the machine"));
            }
            match w.machines.get(machine) {
                Some(there) if there.running => Ok(there.node.clone()),
                Some(_) | None => Err(error(FailureClass::Terminal, "the machine does not run")),
            }
        })?;
        let breaks = self.with(|w| w.broken_lines.remove(machine));
        Ok(agent::serve(
            self.inner.clone(),
            machine.to_owned(),
            node,
            self.step_time,
            breaks,
        ))
    }
}
