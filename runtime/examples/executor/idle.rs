//! A backend whose machines are entries of a map, and whose agents do nothing and say that it is done.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use rebar_agent::protocol::{Event, PROTOCOL, Prior, Request};
use rebar_runtime::backend::{
    Applied, Backend, BackendError, Capability, Command, Finding, MachineView, NetworkView, ObjectAction,
    Operation, Probed, Process, Progress, Scope, World,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

#[derive(Default)]
pub(crate) struct Idle {
    world: Mutex<World>,
}

#[async_trait]
impl Backend for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn capabilities(&self) -> BTreeMap<String, Capability> {
        BTreeMap::new()
    }

    fn parallelism(&self) -> usize {
        32
    }

    async fn examine(&self) -> Vec<Finding> {
        Vec::new()
    }

    async fn observe(&self, _: &Scope) -> Result<World, BackendError> {
        Ok(self.world.lock().unwrap().clone())
    }

    async fn apply(
        &self,
        _: &Scope,
        operation: &Operation,
        _: Progress<'_>,
    ) -> Result<Applied, BackendError> {
        let mut world = self.world.lock().unwrap();
        match &operation.action {
            ObjectAction::CreateNetwork { network } => {
                let view = NetworkView {
                    handle: network.name.clone(),
                    operation: operation.id.clone(),
                    cidr: network.cidr,
                };
                world.networks.insert(network.name.clone(), view);
            }
            ObjectAction::CreateMachine { machine } => {
                let view = MachineView {
                    handle: machine.name.clone(),
                    operation: operation.id.clone(),
                    digest: machine.digest.clone(),
                    running: true,
                    complete: true,
                };
                world.machines.insert(machine.name.clone(), view);
            }
            ObjectAction::PrepareImage { .. }
            | ObjectAction::DestroyNetwork { .. }
            | ObjectAction::StartMachine { .. }
            | ObjectAction::DestroyMachine { .. }
            | ObjectAction::PublishNames { .. } => {}
        }
        Ok(Applied {
            handle: "there".to_owned(),
            note: String::new(),
        })
    }

    async fn probe(&self, _: &Scope, _: &Operation) -> Result<Probed, BackendError> {
        Ok(Probed::Absent)
    }

    async fn open(&self, _: &Scope, _: &str, _: &Command) -> Result<Process, BackendError> {
        let (input, requests) = tokio::io::duplex(1 << 20);
        let (mut answers, output) = tokio::io::duplex(1 << 20);
        let agent = tokio::spawn(async move {
            let mut line = String::new();
            BufReader::new(requests).read_line(&mut line).await.unwrap();
            // Nobody may be there any more to hear it.
            drop(answers.write_all(&answer(&line)).await);
        });
        Ok(Process {
            input: Box::pin(input),
            output: Box::pin(output),
            errors: Box::pin(tokio::io::empty()),
            exit: Box::pin(async move { Ok(i32::from(agent.await.is_err())) }),
        })
    }
}

fn answer(line: &str) -> Vec<u8> {
    let mut text = Vec::new();
    let mut say = |event: &Event| {
        serde_json::to_writer(&mut text, event).unwrap();
        text.push(b'\n');
    };
    say(&Event::Hello {
        protocol: PROTOCOL,
        version: String::new(),
    });
    let Request::Apply { steps, .. } = serde_json::from_str(line).unwrap() else {
        panic!("only steps are asked for");
    };
    for step in steps {
        say(&Event::Started {
            operation: step.operation.clone(),
        });
        say(&Event::Done {
            operation: step.operation,
            changed: true,
            note: "nothing".to_owned(),
            prior: Prior::Absent,
            outputs: BTreeMap::new(),
        });
    }
    say(&Event::End);
    text
}
