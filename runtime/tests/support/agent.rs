//! The agent's protocol, answered from a map: what stands on a node, and a journal of its operations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rebar_agent::protocol::{
    Event, Observation, OperationState, PROTOCOL, PlannedStep, Prior, Request, Verb,
};
use rebar_runtime::backend::Process;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::world::Inner;

#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) things: BTreeMap<String, serde_json::Value>,
    pub(crate) operations: BTreeMap<String, OperationState>,
    pub(crate) busy: bool,
    pub(crate) epoch: u64,
}

/// Answers one request on the other end of a pipe.
pub(crate) fn serve(
    world: Arc<Mutex<Inner>>,
    name: String,
    node: Arc<Mutex<Node>>,
    step_time: Duration,
    breaks: Option<usize>,
) -> Process {
    let (input, mut requests) = tokio::io::duplex(1 << 20);
    let (answers, output) = tokio::io::duplex(1 << 20);
    let (tell, exit) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut line = String::new();
        let read = BufReader::new(&mut requests).read_line(&mut line).await;
        if read.is_ok_and(|n| n > 0) {
            let request: Request = serde_json::from_str(&line).unwrap();
            let mut out = Out {
                answers,
                left: breaks,
            };
            let agent = Agent {
                world,
                name,
                node,
                step_time,
            };
            // A broken line ends the agent, as on a real node.
            let _ = agent.answer(request, &mut out).await;
        }
        let _ = tell.send(0);
    });
    Process {
        input: Box::pin(input),
        output: Box::pin(output),
        errors: Box::pin(tokio::io::empty()),
        exit: Box::pin(async move { Ok(exit.await.unwrap_or(137)) }),
    }
}

/// What a step is about: its kind and key, as on a real node.
fn thing(step: &rebar_agent::protocol::Step) -> String {
    format!("{} {}", step.action, step.key)
}

struct Out {
    answers: DuplexStream,
    left: Option<usize>,
}

struct Broken;

impl Out {
    async fn say(&mut self, event: &Event) -> Result<(), Broken> {
        if let Some(left) = &mut self.left {
            if *left == 0 {
                return Err(Broken);
            }
            *left -= 1;
        }
        let mut text = serde_json::to_vec(event).unwrap();
        text.push(b'\n');
        self.answers.write_all(&text).await.map_err(|_| Broken)
    }
}

struct Agent {
    world: Arc<Mutex<Inner>>,
    name: String,
    node: Arc<Mutex<Node>>,
    step_time: Duration,
}

impl Agent {
    async fn answer(&self, request: Request, out: &mut Out) -> Result<(), Broken> {
        out.say(&Event::Hello {
            protocol: PROTOCOL,
            version: "test".to_owned(),
        })
        .await?;
        match request {
            Request::Apply { epoch, steps, .. } => {
                {
                    let mut node = self.node.lock().unwrap();
                    assert!(!node.busy, "two agents at work on {}", self.name);
                    assert!(epoch >= node.epoch, "a stale writer reached {}", self.name);
                    node.busy = true;
                    node.epoch = epoch;
                }
                let done = self.apply(steps, out).await;
                self.node.lock().unwrap().busy = false;
                done?;
            }
            Request::Observe { steps, .. } => {
                for step in steps {
                    let found = self.node.lock().unwrap().things.get(&thing(&step)).cloned();
                    let wanted = self.wanted(&step);
                    let state = match found {
                        Some(found) if found == wanted => Observation::InSync,
                        Some(_) => Observation::Differs {
                            what: "content differs".to_owned(),
                        },
                        None => Observation::Differs {
                            what: "is gone".to_owned(),
                        },
                    };
                    out.say(&Event::Observed {
                        address: step.address,
                        state,
                    })
                    .await?;
                }
            }
            Request::Probe { operations, .. } => {
                for operation in operations {
                    let (known, busy) = {
                        let node = self.node.lock().unwrap();
                        (node.operations.get(&operation).cloned(), node.busy)
                    };
                    let state = match known {
                        Some(OperationState::Running) if !busy => OperationState::Broken,
                        Some(state) => state,
                        None => OperationState::Unseen,
                    };
                    out.say(&Event::Operation { operation, state }).await?;
                }
            }
            Request::Settle { address, done, .. } => {
                self.log(format!("settle {}/{address} {done}", self.name));
            }
            Request::Facts { .. } => {}
        }
        out.say(&Event::End).await
    }

    /// What a step finds out: what the test says, or always the same.
    fn found_out(&self, step: &rebar_agent::protocol::Step) -> BTreeMap<String, serde_json::Value> {
        if step.action != "capture" {
            return BTreeMap::new();
        }
        let said = self.world.lock().unwrap().printed.get(&self.name).cloned();
        let text = said.unwrap_or_else(|| format!("{} of {}", step.key, self.name).into());
        BTreeMap::from([("text".to_owned(), text)])
    }

    /// What stands when a step is done, with what it found out.
    fn wanted(&self, step: &rebar_agent::protocol::Step) -> serde_json::Value {
        let mut wanted = serde_json::to_value(&step.fields).unwrap();
        for (name, value) in self.found_out(step) {
            wanted[format!("found {name}")] = value;
        }
        wanted
    }

    fn log(&self, entry: String) {
        self.world.lock().unwrap().log.push(entry);
    }

    async fn apply(&self, steps: Vec<PlannedStep>, out: &mut Out) -> Result<(), Broken> {
        for PlannedStep {
            operation,
            verb,
            step,
        } in steps
        {
            let subject = format!("{}/{}", self.name, step.address);
            self.note(&operation, OperationState::Running);
            self.log(format!("begin {subject}"));
            let started = out
                .say(&Event::Started {
                    operation: operation.clone(),
                })
                .await;
            let scripted = self.world.lock().unwrap().step_times.get(&subject).copied();
            tokio::time::sleep(scripted.unwrap_or(self.step_time)).await;
            let fault = {
                let mut world = self.world.lock().unwrap();
                let fault = world
                    .step_faults
                    .get_mut(&subject)
                    .filter(|fault| fault.times > 0);
                fault.map(|fault| {
                    fault.times -= 1;
                    fault.class
                })
            };
            if let Some(class) = fault {
                self.note(
                    &operation,
                    OperationState::Failed {
                        message: "scripted fault".to_owned(),
                    },
                );
                self.log(format!("fail {subject}"));
                started?;
                let (message, detail) = ("scripted fault".to_owned(), "its last words".to_owned());
                return out
                    .say(&Event::Failed {
                        operation,
                        class,
                        message,
                        detail,
                    })
                    .await;
            }
            let changed = {
                let mut node = self.node.lock().unwrap();
                match verb {
                    Verb::Ensure => {
                        let wanted = self.wanted(&step);
                        node.things.insert(thing(&step), wanted.clone()) != Some(wanted)
                    }
                    Verb::Remove => node.things.remove(&thing(&step)).is_some(),
                }
            };
            self.note(
                &operation,
                OperationState::Done {
                    changed,
                    prior: Prior::Absent,
                    outputs: self.found_out(&step),
                },
            );
            self.log(format!("end {subject}"));
            // The step in hand is finished before a broken line ends the agent.
            started?;
            let (note, outputs) = ("done".to_owned(), self.found_out(&step));
            out.say(&Event::Done {
                operation,
                changed,
                note,
                prior: Prior::Absent,
                outputs,
            })
            .await?;
        }
        Ok(())
    }

    fn note(&self, operation: &str, state: OperationState) {
        self.node
            .lock()
            .unwrap()
            .operations
            .insert(operation.to_owned(), state);
    }
}
