//! Backends that are broken on purpose, each in one way: the suite must catch every one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rebar_runtime::backend::{
    Applied, Backend, BackendError, Capability, Command, Finding, ObjectAction, Operation, Probed, Process,
    Progress, Scope, World,
};
use rebar_runtime::conformance::{CHECKS, Check, Outcome, Target};

/// In which way it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// What is seen carries no operation.
    LosesOperation,
    /// What is seen carries another digest.
    LosesDigest,
    /// A repeated creation makes a second machine.
    MakesTwo,
    /// Whoever writes is obeyed.
    IgnoresEpochs,
    /// A half is probed as complete.
    CallsHalvesWhole,
    /// A stopped machine is seen as running.
    SeesNoStops,
    /// A restart begins with a new disk.
    ForgetsDisks,
    /// Destruction does nothing and says that it is done.
    DestroysNothing,
    /// Every program is said to have ended well.
    SwallowsCodes,
    /// Programs get no terminal.
    HasNoTerminal,
    /// Names are not published, and said to be.
    PublishesNothing,
    /// It says that it can set the host's kernel.
    Boasts,
    /// A gateway is given to networks without one.
    OpensNetworks,
    /// Memory is not limited.
    LimitsNothing,
}

/// Each with the checks of which at least one must fail.
const FAULTS: &[(Fault, &[&str])] = &[
    (Fault::LosesOperation, &["identity.marks"]),
    (Fault::LosesDigest, &["identity.marks"]),
    (Fault::MakesTwo, &["again.create"]),
    (Fault::IgnoresEpochs, &["fence.stale", "fence.across"]),
    (Fault::CallsHalvesWhole, &["killed.creating"]),
    (Fault::SeesNoStops, &["life.stopped"]),
    (Fault::ForgetsDisks, &["identity.disk"]),
    (Fault::DestroysNothing, &["life.network"]),
    (Fault::SwallowsCodes, &["program.codes"]),
    (Fault::HasNoTerminal, &["program.terminal"]),
    (Fault::PublishesNothing, &["network.names"]),
    (Fault::Boasts, &["capability.told"]),
    (Fault::OpensNetworks, &["network.inner"]),
    (Fault::LimitsNothing, &["capability.memory"]),
];

struct Broken {
    inner: Arc<dyn Backend>,
    fault: Fault,
    /// Machines that were made, for the fault that makes a second.
    made: Mutex<BTreeSet<String>>,
}

fn second(name: &str) -> String {
    format!("{name}-2nd")
}

/// The same under the highest epoch that still passes.
fn obeyed(operation: &Operation) -> Operation {
    Operation {
        epoch: 1 << 39,
        ..operation.clone()
    }
}

#[async_trait]
impl Backend for Broken {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> BTreeMap<String, Capability> {
        let mut all = self.inner.capabilities();
        if self.fault == Fault::Boasts {
            all.insert("node.sysctl".into(), Capability::Exact);
        }
        all
    }

    fn parallelism(&self) -> usize {
        self.inner.parallelism()
    }

    async fn examine(&self) -> Vec<Finding> {
        self.inner.examine().await
    }

    async fn observe(&self, scope: &Scope) -> Result<World, BackendError> {
        let mut world = self.inner.observe(scope).await?;
        for view in world.machines.values_mut() {
            match self.fault {
                Fault::LosesOperation => view.operation.clear(),
                Fault::LosesDigest => view.digest = "0".into(),
                Fault::SeesNoStops => view.running = true,
                _ => {}
            }
        }
        Ok(world)
    }

    async fn apply(
        &self,
        scope: &Scope,
        operation: &Operation,
        progress: Progress<'_>,
    ) -> Result<Applied, BackendError> {
        let done = |handle: &str| {
            Ok(Applied {
                handle: handle.to_owned(),
                note: "done".to_owned(),
            })
        };
        let mut operation = operation.clone();
        match (self.fault, &mut operation.action) {
            (Fault::IgnoresEpochs, _) => operation = obeyed(&operation),
            (Fault::PublishesNothing, ObjectAction::PublishNames { .. }) => return done("names"),
            // Those who clean up use a high epoch and are obeyed.
            (Fault::DestroysNothing, ObjectAction::DestroyNetwork { name }) if operation.epoch < 1 << 30 => {
                return done(name);
            }
            (Fault::LimitsNothing, ObjectAction::CreateMachine { machine }) => {
                machine.hardware.memory = 4 << 30
            }
            (Fault::OpensNetworks, ObjectAction::CreateNetwork { network }) => {
                network.gateway = network.cidr.hosts().next();
            }
            (Fault::OpensNetworks, ObjectAction::CreateMachine { machine }) => {
                for interface in &mut machine.interfaces {
                    interface.gateway = interface.cidr.hosts().next();
                }
            }
            (Fault::MakesTwo, ObjectAction::CreateMachine { machine }) => {
                let key = format!("{}/{}", scope.deploy_id, machine.name);
                if !self.made.lock().unwrap().insert(key) {
                    machine.name = second(&machine.name);
                    operation.id = second(&operation.id);
                    for interface in &mut machine.interfaces {
                        interface.address = interface.cidr.hosts().last().unwrap();
                    }
                }
            }
            (Fault::ForgetsDisks, ObjectAction::StartMachine { machine }) => {
                let machine = machine.clone();
                let view = self
                    .inner
                    .observe(scope)
                    .await?
                    .machines
                    .remove(&machine.name)
                    .unwrap();
                let name = machine.name.clone();
                let gone = Operation {
                    action: ObjectAction::DestroyMachine { name },
                    ..operation.clone()
                };
                self.inner.apply(scope, &gone, progress).await?;
                operation.id = view.operation;
                operation.action = ObjectAction::CreateMachine { machine };
            }
            _ => {}
        }
        self.inner.apply(scope, &operation, progress).await
    }

    async fn probe(&self, scope: &Scope, operation: &Operation) -> Result<Probed, BackendError> {
        let probed = self.inner.probe(scope, operation).await?;
        Ok(match (self.fault, probed) {
            (Fault::CallsHalvesWhole, Probed::Partial) => Probed::Complete(Applied {
                handle: String::new(),
                note: String::new(),
            }),
            (_, probed) => probed,
        })
    }

    async fn open(&self, scope: &Scope, machine: &str, command: &Command) -> Result<Process, BackendError> {
        let mut command = command.clone();
        if self.fault == Fault::HasNoTerminal {
            command.terminal = None;
        }
        let mut process = self.inner.open(scope, machine, &command).await?;
        if self.fault == Fault::SwallowsCodes {
            let exit = process.exit;
            process.exit = Box::pin(async move { exit.await.map(|_| 0) });
        }
        Ok(process)
    }
}

/// Whether each of the broken backends is caught, by the checks that are to catch it.
pub(crate) async fn all_are_caught(target: &Target) -> bool {
    let mut good = true;
    for (fault, ids) in FAULTS {
        let make = Arc::clone(&target.make);
        let fault = *fault;
        let mut broken = target.clone();
        broken.make = Arc::new(move |folders| {
            Arc::new(Broken {
                inner: make(folders),
                fault,
                made: Mutex::default(),
            })
        });
        let checks: Vec<&Check> = CHECKS.iter().filter(|check| ids.contains(&check.id)).collect();
        assert_eq!(checks.len(), ids.len(), "{fault:?}");
        println!("broken on purpose: {fault:?}");
        let report = super::examined(&broken, &checks).await;
        let caught = report
            .verdicts
            .iter()
            .filter(|verdict| ids.contains(&verdict.id.as_str()))
            .all(|verdict| matches!(verdict.outcome, Outcome::Failed { .. }));
        if !caught {
            println!("FAILED a backend that is broken ({fault:?}) passes {ids:?}");
        }
        good &= caught;
    }
    good
}
