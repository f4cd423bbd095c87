//! What a check works in: a scope and a range of addresses of its own, and short words for what checks do.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rebar_agent::protocol::{Event, PROTOCOL, PlannedStep, Removal, Request, Step, Verb};
use rebar_compiler::plan::{Hardware, Image};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Ground, Stop, Target, hold, project};
use crate::backend::{
    Applied, Backend, BackendError, Capability, Command, Folders, InterfaceSpec, MachineSpec, MachineView,
    NetworkSpec, NetworkView, ObjectAction, Operation, Probed, Process, Scope, World,
};
use crate::observe::Line;

/// The names of all networks that checks make.
pub(super) const NETWORKS: [&str; 2] = ["lan", "inner"];
/// The epoch of whoever cleans up; no check uses a higher one.
pub(super) const LAST_EPOCH: u64 = 1 << 40;
/// The epoch of checks that do not care.
const EPOCH: u64 = 1;

/// A scope with addresses of its own.
pub struct Bed {
    backend: Arc<dyn Backend>,
    scope: Scope,
    target: Target,
    folders: Folders,
    /// `10.<range>.<number>.0/24`.
    range: u8,
    number: u8,
}

/// How a program ended and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// How a step on a node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StepEnd {
    Done,
    Failed(String),
}

impl Bed {
    pub(super) fn new(ground: &Ground, scope: Scope, number: u8) -> Bed {
        let folders = ground.folders();
        Bed {
            backend: (ground.target.make)(&folders),
            scope,
            target: ground.target.clone(),
            folders,
            range: ground.range,
            number,
        }
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(crate) fn folders(&self) -> &Folders {
        &self.folders
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn capability(&self, name: &str) -> Capability {
        let mut all = self.backend.capabilities();
        all.remove(name).unwrap_or(Capability::Absent)
    }

    /// Ends the check unless the backend says that it has this capability.
    pub(crate) fn needs(&self, capability: &str) -> Result<(), Stop> {
        match self.capability(capability) {
            Capability::Absent => Err(Stop::DoesNotApply(format!("`{capability}` is absent"))),
            Capability::Exact | Capability::Emulated(_) => Ok(()),
        }
    }

    /// An address of the bed's network.
    pub(crate) fn address(&self, host: u8) -> IpAddr {
        IpAddr::from([10, self.range, self.number, host])
    }

    /// The network's addresses, as specs have them.
    pub(crate) fn cidr(&self) -> String {
        format!("10.{}.{}.0/24", self.range, self.number)
    }

    pub(crate) fn network(&self) -> Result<NetworkSpec, Stop> {
        let cidr = self
            .cidr()
            .parse()
            .map_err(|_| "the check's addresses are none".to_owned())?;
        Ok(NetworkSpec {
            name: "lan".into(),
            cidr,
            gateway: Some(self.address(1)),
            mtu: None,
        })
    }

    pub(crate) fn image(&self) -> Result<Image, Stop> {
        project::image()
    }

    pub(crate) fn machine(&self, name: &str, host: u8) -> Result<MachineSpec, Stop> {
        let network = self.network()?;
        Ok(MachineSpec {
            name: name.into(),
            image: self.image()?,
            hardware: Hardware {
                name: "small".into(),
                cpu: 1,
                memory: 256 << 20,
                disks: BTreeMap::new(),
                nics: BTreeMap::from([("eth0".to_owned(), "lan".to_owned())]),
            },
            interfaces: vec![InterfaceSpec {
                name: "eth0".into(),
                network: "lan".into(),
                cidr: network.cidr,
                address: self.address(host),
                gateway: network.gateway,
                mtu: None,
            }],
            settings: BTreeMap::new(),
            digest: format!("digest-of-{name}"),
        })
    }

    pub(crate) fn operation(&self, id: &str, action: ObjectAction) -> Operation {
        Operation {
            id: id.into(),
            epoch: EPOCH,
            action,
        }
    }

    pub(crate) async fn carry_out(&self, operation: &Operation) -> Result<Applied, BackendError> {
        self.backend.apply(&self.scope, operation, &|_| {}).await
    }

    pub(crate) async fn apply(&self, id: &str, action: ObjectAction) -> Result<Applied, BackendError> {
        self.carry_out(&self.operation(id, action)).await
    }

    pub(crate) fn creation(&self, name: &str, host: u8) -> Result<Operation, Stop> {
        let machine = Box::new(self.machine(name, host)?);
        Ok(self.operation(&format!("make-{name}"), ObjectAction::CreateMachine { machine }))
    }

    /// The bed's network, with a way out.
    pub(crate) async fn lan(&self) -> Result<Applied, Stop> {
        let network = self.network()?;
        Ok(self
            .apply("make-lan", ObjectAction::CreateNetwork { network })
            .await?)
    }

    pub(crate) async fn create(&self, name: &str, host: u8) -> Result<Applied, Stop> {
        Ok(self.carry_out(&self.creation(name, host)?).await?)
    }

    pub(crate) async fn start(&self, name: &str, host: u8) -> Result<Applied, Stop> {
        let machine = Box::new(self.machine(name, host)?);
        let id = format!("start-{name}");
        Ok(self.apply(&id, ObjectAction::StartMachine { machine }).await?)
    }

    pub(crate) async fn destroy(&self, name: &str) -> Result<Applied, Stop> {
        let action = ObjectAction::DestroyMachine { name: name.into() };
        Ok(self.apply(&format!("destroy-{name}"), action).await?)
    }

    pub(crate) async fn destroy_network(&self, name: &str) -> Result<Applied, Stop> {
        let action = ObjectAction::DestroyNetwork { name: name.into() };
        Ok(self.apply(&format!("destroy-{name}"), action).await?)
    }

    pub(crate) async fn world(&self) -> Result<World, Stop> {
        Ok(self.backend.observe(&self.scope).await?)
    }

    /// A machine that must be seen.
    pub(crate) async fn seen(&self, name: &str) -> Result<MachineView, Stop> {
        let mut world = self.world().await?;
        let view = world.machines.remove(name);
        view.ok_or_else(|| Stop::Failed(format!("machine `{name}` is not seen")))
    }

    /// The bed's network, which must be seen.
    pub(crate) async fn lan_seen(&self) -> Result<NetworkView, Stop> {
        let mut world = self.world().await?;
        let view = world.networks.remove("lan");
        view.ok_or_else(|| Stop::Failed("the network is not seen".to_owned()))
    }

    pub(crate) async fn probe(&self, operation: &Operation) -> Result<Probed, Stop> {
        Ok(self.backend.probe(&self.scope, operation).await?)
    }

    /// Stops a machine from inside, as a person would, and waits until it is seen to be stopped.
    pub(crate) async fn power_off(&self, name: &str) -> Result<(), Stop> {
        // The line may break before the answer.
        let _ = self.shell(name, "systemctl poweroff --force").await;
        for _ in 0..600 {
            let world = self.world().await?;
            match world.machines.get(name) {
                Some(view) if view.running => tokio::time::sleep(Duration::from_millis(50)).await,
                Some(_) => return Ok(()),
                None => return Err(format!("a stopped machine is not seen any more: `{name}`").into()),
            }
        }
        Err(format!("`{name}` was powered off half a minute ago and is still said to run").into())
    }

    pub(crate) async fn open(&self, machine: &str, arguments: &[&str]) -> Result<Process, BackendError> {
        let command = Command {
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: BTreeMap::new(),
            terminal: None,
        };
        self.backend.open(&self.scope, machine, &command).await
    }

    pub(crate) async fn program(
        &self,
        machine: &str,
        arguments: &[&str],
        input: &[u8],
    ) -> Result<Ended, BackendError> {
        let process = self.open(machine, arguments).await?;
        Ok(talk(process, input).await?.into())
    }

    pub(crate) async fn shell(&self, machine: &str, script: &str) -> Result<Ended, BackendError> {
        self.program(machine, &["sh", "-c", script], b"").await
    }

    /// What a shell command prints, which must succeed.
    pub(crate) async fn output(&self, machine: &str, script: &str) -> Result<String, Stop> {
        let ended = self.shell(machine, script).await?;
        hold!(
            ended.code == 0,
            "`{script}` on `{machine}` ended with {}: {}{}",
            ended.code,
            ended.output,
            ended.errors
        );
        Ok(ended.output.trim().to_owned())
    }

    /// Has the real agent carry out one step.
    pub(crate) async fn step(
        &self,
        machine: &str,
        action: &str,
        key: &str,
        fields: serde_json::Value,
    ) -> Result<StepEnd, Stop> {
        let serde_json::Value::Object(fields) = fields else {
            return Err("the check's fields are none".to_owned().into());
        };
        let step = Step {
            address: format!("check.{action}"),
            action: action.to_owned(),
            key: key.to_owned(),
            fields: fields.into_iter().collect(),
            removal: Removal::Forget,
            loads: BTreeMap::new(),
            secret: Vec::new(),
            replaced: false,
        };
        let request = Request::Apply {
            protocol: PROTOCOL,
            deploy: self.scope.deploy_id.clone(),
            epoch: EPOCH,
            steps: vec![PlannedStep {
                operation: uuid::Uuid::new_v4().to_string(),
                verb: Verb::Ensure,
                step,
            }],
        };
        let broken =
            |error: crate::observe::LineError| Stop::Failed(format!("the agent on `{machine}`: {error}"));
        let mut line = Line::ask(&*self.backend, &self.scope, machine, &request)
            .await
            .map_err(broken)?;
        let mut end = None;
        while let Some(event) = line.next().await.map_err(broken)? {
            match event {
                Event::Done { .. } => end = Some(StepEnd::Done),
                Event::Failed { message, .. } => end = Some(StepEnd::Failed(message)),
                _ => {}
            }
        }
        end.ok_or_else(|| {
            Stop::Failed(format!(
                "the agent on `{machine}` does not tell how `{action}` ended"
            ))
        })
    }
}

/// All that a program said, as bytes.
pub(crate) struct Heard {
    pub(crate) code: i32,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: Vec<u8>,
}

impl From<Heard> for Ended {
    fn from(heard: Heard) -> Ended {
        Ended {
            code: heard.code,
            output: String::from_utf8_lossy(&heard.output).into_owned(),
            errors: String::from_utf8_lossy(&heard.errors).into_owned(),
        }
    }
}

/// Says all of `input` and hears all that comes, both at once.
pub(crate) async fn talk(process: Process, input: &[u8]) -> Result<Heard, BackendError> {
    let Process {
        input: mut line,
        mut output,
        mut errors,
        exit,
    } = process;
    let (mut heard, mut complained) = (Vec::new(), Vec::new());
    let say = async {
        // A program may end without hearing all.
        let _ = line.write_all(input).await;
        let _ = line.shutdown().await;
        drop(line);
    };
    // What breaks shows in what was heard, and in the exit code.
    let (_, _, _) = tokio::join!(
        say,
        output.read_to_end(&mut heard),
        errors.read_to_end(&mut complained)
    );
    Ok(Heard {
        code: exit.await?,
        output: heard,
        errors: complained,
    })
}
